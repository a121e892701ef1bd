// Package sniff hands up the messages of IGMP and MLD that come in and go out by the
// interfaces of the machine, those of its own kernel included.
//
//	s, err := sniff.Open(sniff.Config{})
//	defer s.Close()
//	for {
//		p, err := s.Read()
//		fmt.Println(p.Interface, p.Outgoing, len(p.Data))
//	}
//
// # How it works
//
// One AF_PACKET socket is shown what passes all interfaces, behind a filter in the
// kernel that lets nothing pass but IGMP and MLD. The interfaces of the Config are told to
// receive all groups (PACKET_MR_ALLMULTI), since reports of older versions are sent to the
// group that is reported; those of others are not handed up.
//
// # Limitations
//
// Linux only: on other systems Open returns ErrNotSupported. It needs CAP_NET_RAW. What
// a switch with snooping keeps away from the port does not come in: it sends reports to
// routers' ports only.
package sniff
