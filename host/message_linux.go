package host

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// batch is how many datagrams go into one system call. A datagram costs many
// times what a system call does, so more would gain nothing.
const batch = 32

// maxControl is room for every control message that a Socket asks for or sends,
// and for some that others may have asked for behind its back. On 64-bit systems
// those received need up to 168 bytes, those sent 112.
const maxControl = 256

// An mmsghdr is struct mmsghdr of recvmmsg(2): a header, and how many bytes.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// headers are what a system call for datagrams points to.
type headers struct {
	msgs     [batch]mmsghdr
	iovs     [batch]unix.Iovec
	names    [batch]sockaddr
	controls [batch]control
}

// A control is a buffer for control messages. Its type sees to the alignment of
// struct cmsghdr.
type control struct {
	_ [0]uintptr
	b [maxControl]byte
}

// init makes the pointers that stay.
func (h *headers) init() {
	for i := range h.msgs {
		hdr := &h.msgs[i].hdr
		hdr.Iov = &h.iovs[i]
		hdr.SetIovlen(1)
	}
}

// point makes message i's payload b.
func (h *headers) point(i int, b []byte) {
	iov := &h.iovs[i]
	iov.Base = nil
	if len(b) > 0 {
		iov.Base = &b[0]
	}
	iov.SetLen(len(b))
}

// release forgets the payloads of the first n messages, so that the pool keeps
// nobody's buffers alive.
func (h *headers) release(n int) {
	for i := range h.iovs[:min(n, batch)] {
		h.iovs[i].Base = nil
	}
}

// counters are a direction's. The padding keeps the two directions, and so the
// goroutine that sends and the one that receives, off each other's cache line.
type counters struct {
	datagrams, bytes atomic.Uint64
	_                [48]byte
}

func (c *counters) add(datagrams, bytes int) {
	c.datagrams.Add(uint64(datagrams))
	c.bytes.Add(uint64(bytes))
}

// datagrams returns how many datagrams a train of n bytes is.
func datagrams(n int, set socket.Fields, segment uint16) int {
	if set&socket.FieldSegmentSize == 0 || segment == 0 || n == 0 {
		return 1
	}
	return (n + int(segment) - 1) / int(segment)
}
