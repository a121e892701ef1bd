package tap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// addAddress gives the device of that index an address, by rtnetlink's
// RTM_NEWADDR. An address that it has already is no error.
func addAddress(index int, prefix netip.Prefix) error {
	if !prefix.IsValid() {
		return errors.New("the zero prefix is no address")
	}
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(s)
	if err := unix.Sendto(s, newAddrMessage(index, prefix), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	reply := make([]byte, 4096)
	n, _, err := unix.Recvfrom(s, reply, 0)
	if err != nil {
		return os.NewSyscallError("recvfrom", err)
	}
	// The acknowledgement is an nlmsgerr, which begins with the errno, negative.
	reply = reply[:n]
	if n < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(reply[4:]) != unix.NLMSG_ERROR {
		return fmt.Errorf("rtnetlink answered with %d bytes that are no acknowledgement", n)
	}
	switch errno := unix.Errno(-int32(binary.NativeEndian.Uint32(reply[unix.SizeofNlMsghdr:]))); errno {
	case 0, unix.EEXIST:
		return nil
	default:
		return os.NewSyscallError("RTM_NEWADDR", errno)
	}
}

// newAddrMessage returns the request: struct nlmsghdr, struct ifaddrmsg and the
// attributes, each of which is aligned to four bytes.
func newAddrMessage(index int, prefix netip.Prefix) []byte {
	ne := binary.NativeEndian
	addr := prefix.Addr().AsSlice()
	family := byte(unix.AF_INET)
	if prefix.Addr().Is6() {
		family = unix.AF_INET6
	}
	b := make([]byte, unix.SizeofNlMsghdr, 128)
	b = append(b, family, byte(prefix.Bits()), 0, unix.RT_SCOPE_UNIVERSE)
	b = ne.AppendUint32(b, uint32(index))
	attributes := []uint16{unix.IFA_LOCAL, unix.IFA_ADDRESS}
	for _, a := range attributes {
		b = ne.AppendUint16(b, uint16(unix.SizeofRtAttr+len(addr)))
		b = ne.AppendUint16(b, a)
		b = append(b, addr...)
	}
	if bcast, ok := broadcast(prefix); ok {
		b = ne.AppendUint16(b, unix.SizeofRtAttr+4)
		b = ne.AppendUint16(b, unix.IFA_BROADCAST)
		b = append(b, bcast[:]...)
	}
	ne.PutUint32(b[0:], uint32(len(b)))
	ne.PutUint16(b[4:], unix.RTM_NEWADDR)
	ne.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	return b
}

// broadcast returns the broadcast address of an IPv4 subnet; /31 and /32 have
// none (RFC 3021).
func broadcast(prefix netip.Prefix) (b [4]byte, ok bool) {
	if !prefix.Addr().Is4() || prefix.Bits() > 30 {
		return b, false
	}
	b = prefix.Addr().As4()
	host := uint32(1)<<(32-prefix.Bits()) - 1
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|host)
	return b, true
}
