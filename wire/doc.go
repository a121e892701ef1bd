// Package wire reads and writes the headers of Ethernet, ARP, IPv4, IPv6 and its
// extension headers, ICMP, ICMPv6 with neighbor discovery, IGMP versions 1 to 3, MLD
// versions 1 and 2, and UDP, and computes the Internet checksum.
//
// The package keeps no state: it reads no clock, uses no randomness, starts nothing and
// allocates nothing on the fast path. Everything in it may be used from any number of
// goroutines, as far as the bytes themselves may.
//
// # The two tiers
//
// A header of fixed size is a pointer to an array, got by parsing:
//
//	h, payload, err := wire.ParseUDP(b)
//	if err != nil {
//		return err
//	}
//	port := h.DestinationPort()
//
// ParseUDP checks the bytes once. What it returns is a *UDPHeader, which is a *[8]byte into
// b itself: no bytes are copied, and because the array cannot be shorter than its type says,
// no accessor can panic and none needs a bounds check. The language offers no conversion
// that gets round the length check. A header whose fields were never checked (a
// new(UDPHeader), or one filled through the array) is still safe to ask; its answers are
// just whatever the bytes say.
//
// What has lists or options is parsed into a small value struct whose lists are views of
// the bytes ([IPv4Options], [IPv6Options], [NDPOptions], [GroupRecords], [AddrList]). The
// parser checks a list whole, so that ranging over the view then visits all of it. A view
// over bytes that no parser has checked is safe as well: ranging over it stops at the first
// element that does not fit. The structs are written with AppendTo, and Len says how many
// bytes AppendTo appends.
//
// # The contract
//
// Parsing:
//
//   - A parser never panics, whatever the bytes, and never reads past the end of its argument.
//   - Returned headers, payloads and lists alias the argument. They are valid as long as its
//     bytes are, and writing through one changes the others.
//   - A payload ends where the header says it ends: link padding behind an IP packet, and
//     whatever follows a UDP datagram's length, is cut off. Its capacity ends there too, so
//     that appending to it copies and never overwrites.
//   - A parser checks what would make accessors meaningless: versions, lengths and types that
//     select a format. It does not judge ports, TTLs or anything that needs knowledge of
//     another layer, nor addresses, except where a comment says so.
//   - Reserved fields are ignored when parsed and zero when written.
//
// Errors are [ParseError] values made when the program starts, so that hostile packets do
// not make the parser allocate. Use errors.Is with [ErrTruncated], [ErrMalformed] and
// [ErrUnsupported] to ask what kind of failure it was.
//
// Writing:
//
//   - PutUDP(b) and its like lay a header over the first bytes of b, set it to zero but for
//     fields that have only one legal value (such as the IP version), and return it for
//     setters to fill. Like any index expression, Put panics if b is too short: the length of
//     a buffer of one's own is no input.
//   - Setters never panic. Bits that do not fit their field are dropped. A setter of an IPv4
//     address takes an IPv4-mapped IPv6 address as the IPv4 address that it is, and writes
//     0.0.0.0 for an address that is not IPv4 at all; a setter of an IPv6 address writes :: for
//     the zero netip.Addr, and IPv4 addresses in their mapped form.
//
// Checksums are explicit. No parser verifies one and no Put, setter or AppendTo computes one
// (an exception says so: [IPv4Header.DecrementTTL]). ChecksumOK and UpdateChecksum do, and
// where the checksum covers a pseudo-header they take its sum from [PseudoIPv4] or
// [PseudoIPv6].
//
// # Limitations
//
//   - ARP is read for IPv4 over Ethernet only.
//   - VLAN tags (802.1Q) and 802.3 length fields are not interpreted; [EthernetHeader.Type]
//     returns them as they are.
//   - Jumbograms (RFC 2675) are refused.
//   - Authentication and encapsulating security headers are not walked: they end a chain of
//     IPv6 extension headers like an upper-layer protocol.
//   - TCP is not read.
package wire
