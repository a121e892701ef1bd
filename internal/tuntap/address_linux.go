package tuntap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// addAddress gives the device of that index an address, by rtnetlink's
// RTM_NEWADDR, with a peer at its other end if that is valid. An address that it
// has already is no error.
func addAddress(index int, prefix netip.Prefix, peer netip.Addr) error {
	if !prefix.IsValid() {
		return errors.New("the zero prefix is no address")
	}
	addr := prefix.Addr().Unmap()
	far := addr
	if peer.IsValid() {
		if far = peer.Unmap(); far.Is4() != addr.Is4() {
			return fmt.Errorf("the other end has %v, which is of another family", peer)
		}
	}
	b := newRequest(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	b = append(b, family(addr), byte(prefix.Bits()), 0, unix.RT_SCOPE_UNIVERSE) // struct ifaddrmsg
	b = binary.NativeEndian.AppendUint32(b, uint32(index))
	b = appendAttribute(b, unix.IFA_LOCAL, addr.AsSlice())
	b = appendAttribute(b, unix.IFA_ADDRESS, far.AsSlice())
	if bcast, ok := broadcast(prefix); ok && far == addr {
		b = appendAttribute(b, unix.IFA_BROADCAST, bcast[:])
	}
	return ignoring(rtnetlink("RTM_NEWADDR", b), unix.EEXIST)
}

// addRoute sends what goes to the prefix to the device of that index, by
// RTM_NEWROUTE. A route that is there already is no error, one by another device is.
func addRoute(index int, to netip.Prefix) error {
	if !to.IsValid() {
		return errors.New("the zero prefix is no destination")
	}
	err := routeRequest(index, to, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	if !errors.Is(err, unix.EEXIST) || to.Addr().Is6() {
		// Of IPv6, Linux does not tell whose route is there.
		return ignoring(err, unix.EEXIST)
	}
	// Not to be made, a route like it is EEXIST and another is ENOENT.
	if errors.Is(routeRequest(index, to, 0), unix.EEXIST) {
		return nil
	}
	return fmt.Errorf("%w: by another device", err)
}

// ignoring returns err, or nil if it is that errno.
func ignoring(err error, errno unix.Errno) error {
	if errors.Is(err, errno) {
		return nil
	}
	return err
}

func routeRequest(index int, to netip.Prefix, flags uint16) error {
	to = to.Masked()
	b := newRequest(unix.RTM_NEWROUTE, flags)
	b = append(b, family(to.Addr()), byte(to.Bits()), 0, 0, // struct rtmsg
		unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_LINK, unix.RTN_UNICAST)
	b = binary.NativeEndian.AppendUint32(b, 0)
	if to.Bits() > 0 {
		b = appendAttribute(b, unix.RTA_DST, to.Addr().AsSlice())
	}
	b = appendAttribute(b, unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(index)))
	return rtnetlink("RTM_NEWROUTE", b)
}

func family(a netip.Addr) byte {
	if a.Is6() {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// newRequest returns a struct nlmsghdr; its length is filled in when it is sent.
func newRequest(kind, flags uint16) []byte {
	ne := binary.NativeEndian
	b := make([]byte, unix.SizeofNlMsghdr, 128)
	ne.PutUint16(b[4:], kind)
	ne.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK|flags)
	return b
}

// appendAttribute appends one whose value's length is a multiple of four bytes, as
// attributes have to be aligned.
func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	return append(b, value...)
}

// rtnetlink sends a request and waits for its acknowledgement.
func rtnetlink(call string, request []byte) error {
	binary.NativeEndian.PutUint32(request, uint32(len(request)))
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(s)
	if err := unix.Sendto(s, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
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
	case 0:
		return nil
	default:
		return os.NewSyscallError(call, errno)
	}
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
