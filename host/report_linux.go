package host

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// A reportable is a control message that can be asked for, and which fields it
// fills.
type reportable struct {
	fields socket.Fields
	option
}

var reportables = []reportable{
	// IPV6_RECVPKTINFO tells of IPv4 too; the other two do not.
	{socket.FieldLocal | socket.FieldInterface, option{v4: sockopt{unix.SOL_IP, unix.IP_PKTINFO}, v6: sockopt{unix.SOL_IPV6, unix.IPV6_RECVPKTINFO}}},
	{socket.FieldTTL, perFamily(unix.IP_RECVTTL, unix.IPV6_RECVHOPLIMIT, 0, 0)},
	{socket.FieldTOS, perFamily(unix.IP_RECVTOS, unix.IPV6_RECVTCLASS, 0, 0)},
	{socket.FieldSegmentSize, forBoth(unix.SOL_UDP, unix.UDP_GRO, 0, 0)},
	{socket.FieldTime, forBoth(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 0, 0)},
	{socket.FieldDrops, forBoth(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 0, 0)},
	{socket.FieldMark, forBoth(unix.SOL_SOCKET, unix.SO_RCVMARK, 0, 0)},
}

// allFields are those that can be reported.
const allFields = socket.FieldMark<<1 - 1

// report sets the option Report. If the kernel refuses something, nothing is
// changed.
func (s *Socket) report(fields socket.Fields) error {
	if fields&^allFields != 0 {
		return syscall.EINVAL
	}
	err := s.control(func(fd uintptr) syscall.Errno {
		before := socket.Fields(s.reported.Load())
		errno := s.switchReports(fd, before, fields)
		if errno != 0 {
			_ = s.switchReports(fd, fields, before)
			return errno
		}
		if fields&^before&socket.FieldDrops != 0 {
			// Datagrams are told what was lost from now on.
			s.dropped.Store(memInfo(fd)[unix.SK_MEMINFO_DROPS])
		}
		s.reported.Store(uint32(fields))
		return 0
	})
	if err == syscall.ENOPROTOOPT && fields&socket.FieldMark != 0 {
		return &socket.NotSupportedError{What: "option Report with FieldMark", Reason: "needs Linux 5.19"}
	}
	if err == syscall.ENOPROTOOPT {
		return &socket.NotSupportedError{What: "option Report with FieldSegmentSize", Reason: "needs Linux 5.0"}
	}
	return err
}

// switchReports switches those control messages on or off that differ.
func (s *Socket) switchReports(fd uintptr, from, to socket.Fields) syscall.Errno {
	for i := range reportables {
		r := &reportables[i]
		on := to&r.fields != 0
		if (from&r.fields != 0) == on {
			continue
		}
		if errno := s.setBoth(fd, &r.option, asInt(on)); errno != 0 {
			return errno
		}
	}
	return 0
}

// reportedByKernel reads which fields the kernel reports.
func (s *Socket) reportedByKernel(fd uintptr) socket.Fields {
	var fields socket.Fields
	for i := range reportables {
		if s.flag(fd, reportables[i].option) {
			fields |= reportables[i].fields
		}
	}
	return fields
}
