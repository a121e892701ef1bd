package host

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// settle takes from the error queue what was reported as errno, or, after EAGAIN,
// what should have been, and returns what is to be reported.
//
// With IP_RECVERR the kernel makes an ICMP error pending and queues it as well.
// Reporting it takes it off only one of the two, and as long as the queue holds
// anything poll(2) calls the socket readable: who waits would be woken, find
// nothing, and wait again, for ever. In return the kernel makes the next ICMP
// error of the queue pending when one is taken off (sock_dequeue_err_skb). So
// taking one off for each one reported makes all of them be reported, each once.
// What the queue holds of our own failing to send (SO_EE_ORIGIN_LOCAL) was
// TrySend's result.
func (s *Socket) settle(fd uintptr, errno syscall.Errno) syscall.Errno {
	for {
		origin, queued, ok := popError(fd)
		switch {
		case !ok:
			return errno
		case queued == errno:
			return errno
		case origin != unix.SO_EE_ORIGIN_ICMP && origin != unix.SO_EE_ORIGIN_ICMP6:
		case errno == unix.EAGAIN:
			return queued
		default:
			// A newer error took its place as the pending one.
			s.keep(queued)
		}
	}
}

// popError takes the first entry off the error queue; ok is false if there is
// none.
func popError(fd uintptr) (origin uint8, errno syscall.Errno, ok bool) {
	// The entry is struct sock_extended_err and the offender's address.
	var c control
	var hdr unix.Msghdr
	hdr.Control = &c.b[0]
	for {
		hdr.SetControllen(len(c.b))
		_, _, e := unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&hdr)), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if e == 0 {
			break
		}
		if e != unix.EINTR {
			return 0, 0, false
		}
	}
	b := c.b[:hdr.Controllen]
	for len(b) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		n := int(h.Len)
		if n < unix.CmsgLen(0) || n > len(b) {
			break
		}
		data := b[unix.CmsgLen(0):n]
		if (h.Level == unix.SOL_IP && h.Type == unix.IP_RECVERR || h.Level == unix.SOL_IPV6 && h.Type == unix.IPV6_RECVERR) && len(data) >= 5 {
			return data[4], syscall.Errno(binary.NativeEndian.Uint32(data)), true
		}
		b = b[min(unix.CmsgSpace(n-unix.CmsgLen(0)), len(b)):]
	}
	return 0, 0, true
}
