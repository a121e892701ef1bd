// Package pcapng writes and reads packet captures in the format that Wireshark, tshark and
// tcpdump read: interfaces with names, times in nanoseconds, and a comment with
// each packet that has something to say, such as why it was dropped.
//
//	f, err := os.Create("h1.pcapng")
//	w, err := pcapng.NewWriter(f, pcapng.Section{Application: "castnet"})
//	eth0, err := w.AddInterface(pcapng.Interface{Name: "eth0", LinkType: pcapng.Ethernet})
//	err = w.WritePacket(&pcapng.Packet{Interface: eth0, Time: time.Now(), Data: frame,
//		Direction: pcapng.Inbound, Comment: "dropped: NoPort"})
//	err = w.Flush()
//
//	r, err := pcapng.NewReader(bufio.NewReader(f))
//	p, err := r.Next()
//	name := r.Interfaces()[p.Interface].Name
//
// # How it works
//
// A file is one section in little-endian byte order: a section header block, an
// interface description block for each interface, which may also come later,
// and an enhanced packet block for each packet (draft-ietf-opsawg-pcapng). Each
// block is put together in a buffer that the Writer keeps, so that writing
// packets does not allocate.
//
// The Reader reads what others write, too: either byte order, any resolution of time,
// several sections, simple packet blocks; and pcap, the older format.
//
// # Limitations
//
// There are no blocks for name resolution, statistics or secrets, and the Reader skips
// them. It knows nothing of the obsolete packet block. Times before 1970 and after 2554
// cannot be written.
package pcapng
