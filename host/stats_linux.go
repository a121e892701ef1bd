package host

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
)

// Stats returns the socket's counters. A train counts as the datagrams it is
// made of. ReceiveQueueFull is the kernel's drop count, in which it includes
// datagrams with a bad checksum; it counts modulo 2³². What waits is counted by
// true size.
func (s *Socket) Stats() socket.Stats {
	st := socket.Stats{
		Received:      s.received.datagrams.Load(),
		ReceivedBytes: s.received.bytes.Load(),
		Sent:          s.sent.datagrams.Load(),
		SentBytes:     s.sent.bytes.Load(),
	}
	var drops uint64
	err := s.control(func(fd uintptr) syscall.Errno {
		info := memInfo(fd)
		drops = uint64(info[unix.SK_MEMINFO_DROPS])
		st.ReceiveQueued = int(info[unix.SK_MEMINFO_RMEM_ALLOC])
		st.SendQueued = int(info[unix.SK_MEMINFO_WMEM_ALLOC])
		return 0
	})
	if end := s.last.Load(); err != nil && end != nil {
		drops = end.drops
	}
	if drops > 0 {
		st.Dropped = map[drop.Reason]uint64{drop.ReceiveQueueFull: drops}
	}
	return st
}

// memInfo reads SO_MEMINFO; all is zero if the kernel does not know it (it is
// Linux 4.12's).
func memInfo(fd uintptr) (info [unix.SK_MEMINFO_VARS]uint32) {
	n := uint32(unsafe.Sizeof(info))
	_, _, _ = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&n)), 0)
	return info
}
