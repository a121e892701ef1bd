package host

import (
	"math"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// A sockopt is a level and a name of setsockopt(2).
type sockopt struct{ level, name int }

// An option says how a socket.Option is set and read. The zero option is one that
// the kernel does not have, or that is not simply an int.
type option struct {
	v4, v6   sockopt // which of them depends on the family; none: not for this family
	both     bool    // set also v4 on an IPv6 socket, for the IPv4 it carries
	readOnly bool
	min, max int    // of what can be set; both 0: it is a boolean
	needs    string // the kernel that brought it, if it is a recent one
}

// forBoth is a sockopt that is the same for both families.
func forBoth(level, name, min, max int) option {
	return option{v4: sockopt{level, name}, v6: sockopt{level, name}, min: min, max: max}
}

// perFamily is a sockopt that each version of IP has its own of; an IPv6 socket
// has both.
func perFamily(v4, v6, min, max int) option {
	return option{v4: sockopt{unix.SOL_IP, v4}, v6: sockopt{unix.SOL_IPV6, v6}, both: true, min: min, max: max}
}

var options = func() (o [socket.Options]option) {
	o[socket.ReuseAddr] = forBoth(unix.SOL_SOCKET, unix.SO_REUSEADDR, 0, 0)
	o[socket.ReusePort] = forBoth(unix.SOL_SOCKET, unix.SO_REUSEPORT, 0, 0)
	o[socket.IPv6Only] = forBoth(unix.SOL_IPV6, unix.IPV6_V6ONLY, 0, 0) // ENOPROTOOPT on IPv4
	o[socket.AutoFlowLabel] = forBoth(unix.SOL_IPV6, unix.IPV6_AUTOFLOWLABEL, 0, 0)
	o[socket.FreeBind] = forBoth(unix.SOL_IP, unix.IP_FREEBIND, 0, 0)
	o[socket.Transparent] = perFamily(unix.IP_TRANSPARENT, unix.IPV6_TRANSPARENT, 0, 0)
	o[socket.BindInterface] = forBoth(unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, 0, math.MaxInt32)
	o[socket.BindInterface].needs = "Linux 5.1"
	o[socket.Broadcast] = forBoth(unix.SOL_SOCKET, unix.SO_BROADCAST, 0, 0)
	o[socket.NoChecksum] = forBoth(unix.SOL_SOCKET, unix.SO_NO_CHECK, 0, 0)
	o[socket.ReceiveBuffer] = forBoth(unix.SOL_SOCKET, unix.SO_RCVBUF, math.MinInt32, math.MaxInt32)
	o[socket.SendBuffer] = forBoth(unix.SOL_SOCKET, unix.SO_SNDBUF, math.MinInt32, math.MaxInt32)
	o[socket.TTL] = perFamily(unix.IP_TTL, unix.IPV6_UNICAST_HOPS, -1, 255)
	o[socket.TOS] = perFamily(unix.IP_TOS, unix.IPV6_TCLASS, 0, 255)
	o[socket.DontFragment] = perFamily(unix.IP_MTU_DISCOVER, unix.IPV6_MTU_DISCOVER, 0, 0)
	o[socket.MTUDiscovery] = perFamily(unix.IP_MTU_DISCOVER, unix.IPV6_MTU_DISCOVER, int(socket.DiscoveryOff), int(socket.DiscoveryOmit))
	o[socket.PathMTU] = perFamily(unix.IP_MTU, unix.IPV6_MTU, 0, 0)
	o[socket.PathMTU].readOnly = true
	o[socket.MulticastTTL] = perFamily(unix.IP_MULTICAST_TTL, unix.IPV6_MULTICAST_HOPS, -1, 255)
	o[socket.MulticastLoopback] = perFamily(unix.IP_MULTICAST_LOOP, unix.IPV6_MULTICAST_LOOP, 0, 0)
	o[socket.MulticastInterface] = perFamily(unix.IP_MULTICAST_IF, unix.IPV6_MULTICAST_IF, 0, math.MaxInt32)
	o[socket.MulticastAll] = perFamily(unix.IP_MULTICAST_ALL, unix.IPV6_MULTICAST_ALL, 0, 0)
	o[socket.MulticastAll].needs = "Linux 4.20 on an IPv6 socket"
	o[socket.ReceiveErrors] = receiveErrorsOption
	o[socket.Mark] = forBoth(unix.SOL_SOCKET, unix.SO_MARK, 0, 0)              // its value is checked apart
	o[socket.PortRange] = forBoth(unix.SOL_IP, unix.IP_LOCAL_PORT_RANGE, 0, 0) // its value is checked apart
	o[socket.PortRange].needs = "Linux 6.3"
	o[socket.Error] = forBoth(unix.SOL_SOCKET, unix.SO_ERROR, 0, 0)
	o[socket.Error].readOnly = true
	o[socket.NextSize].readOnly = true
	o[socket.SendQueued].readOnly = true
	return o
}()

var originalDestination = perFamily(unix.IP_RECVORIGDSTADDR, unix.IPV6_RECVORIGDSTADDR, 0, 0)

var receiveErrorsOption = perFamily(unix.IP_RECVERR, unix.IPV6_RECVERR, 0, 0)

// SetOption sets an option. On an IPv6 socket those of IP are set for the IPv4
// that it carries as well.
func (s *Socket) SetOption(o socket.Option, value int) error {
	if s.closing.Load() {
		return socket.ErrClosed // and not what is wrong with the value
	}
	if int(o) >= len(options) || o == 0 {
		return syscall.ENOPROTOOPT
	}
	opt := &options[o]
	if opt.readOnly {
		return syscall.ENOPROTOOPT // as setsockopt(SO_ERROR)
	}
	switch o {
	case socket.Report:
		if value < 0 || value > math.MaxUint16 {
			return syscall.EINVAL
		}
		return s.report(socket.Fields(value))
	case socket.PortRange, socket.Mark:
		// All 32 bits; where an int has no more it may be negative.
		if uint64(uint(value)) > math.MaxUint32 {
			return syscall.EINVAL
		}
	default:
		switch {
		case opt.min == 0 && opt.max == 0:
			// Any value but 0 sets a boolean. Some options are more
			// particular than others: those of IPv6, MULTICAST_ALL.
			value = asInt(value != 0)
		case value < opt.min || value > opt.max:
			return syscall.EINVAL
		}
	}

	switch o {
	case socket.TTL:
		if value == 0 {
			return syscall.EINVAL // which IPv6 would take
		}
	case socket.DontFragment:
		if value != 0 {
			value = unix.IP_PMTUDISC_DO // and IPV6_PMTUDISC_DO, which is equal
		}
	}
	err := s.control(func(fd uintptr) syscall.Errno {
		switch {
		case value == 0 || o != socket.BindInterface && o != socket.MulticastInterface || interfaceExists(fd, value):
		case o == socket.BindInterface:
			// SO_BINDTODEVICE says so, SO_BINDTOIFINDEX takes any number.
			return syscall.ENODEV
		default:
			// IP_MULTICAST_IF says so, IPV6_MULTICAST_IF ENODEV.
			return syscall.EADDRNOTAVAIL
		}
		errno := s.setBoth(fd, opt, value)
		if errno == 0 {
			switch o {
			case socket.ReceiveErrors:
				s.receiveErrors.Store(value != 0)
			case socket.MulticastInterface:
				s.groupsOut.Store(int32(value))
			case socket.Transparent:
				// Where a datagram was addressed to is more than the
				// packet information says: the port may be another too.
				errno = s.setBoth(fd, &originalDestination, value)
				s.transparent.Store(value != 0)
			}
		}
		return errno
	})
	return opt.explain(o, err)
}

// setBoth sets an option, for both families if it is one for both; if the second
// fails the first is taken back.
func (s *Socket) setBoth(fd uintptr, opt *option, value int) syscall.Errno {
	if s.family == socket.IPv4 {
		return set(fd, opt.v4, value)
	}
	if !opt.both {
		return set(fd, opt.v6, value)
	}
	before, err := unix.GetsockoptInt(int(fd), opt.v6.level, opt.v6.name)
	if err != nil {
		return errnoOf(err)
	}
	if errno := set(fd, opt.v6, value); errno != 0 {
		return errno
	}
	errno := set(fd, opt.v4, value)
	if errno != 0 {
		_ = set(fd, opt.v6, before)
	}
	return errno
}

func set(fd uintptr, o sockopt, value int) syscall.Errno {
	if o == (sockopt{unix.SOL_IP, unix.IP_MULTICAST_IF}) {
		// As an int it would be an address.
		return errnoOf(unix.SetsockoptIPMreqn(int(fd), o.level, o.name, &unix.IPMreqn{Ifindex: int32(value)}))
	}
	return errnoOf(unix.SetsockoptInt(int(fd), o.level, o.name, value))
}

// explain turns the kernel's not knowing an option into an error that says which
// one would.
func (opt *option) explain(o socket.Option, err error) error {
	if err == syscall.ENOPROTOOPT && opt.needs != "" {
		return &socket.NotSupportedError{What: "option " + o.String(), Reason: "needs " + opt.needs}
	}
	return err
}

// Option reads an option.
func (s *Socket) Option(o socket.Option) (int, error) {
	if s.closing.Load() {
		return 0, socket.ErrClosed
	}
	if int(o) >= len(options) || o == 0 {
		return 0, syscall.ENOPROTOOPT
	}
	opt := &options[o]
	value := 0
	err := s.control(func(fd uintptr) syscall.Errno {
		var err error
		switch o {
		case socket.Report:
			value = int(s.reported.Load())
			return 0
		case socket.NextSize:
			value, err = unix.IoctlGetInt(int(fd), unix.SIOCINQ)
			return errnoOf(err)
		case socket.SendQueued:
			value, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
			return errnoOf(err)
		case socket.MulticastInterface:
			if s.family == socket.IPv4 {
				value = int(s.groupsOut.Load()) // IP_MULTICAST_IF reads an address
				return 0
			}
		case socket.Error:
			if errno := s.takeKept(fd); errno != 0 {
				value = int(errno)
				return 0
			}
		}

		which := opt.v4
		if s.family == socket.IPv6 {
			which = opt.v6
		}
		value, err = unix.GetsockoptInt(int(fd), which.level, which.name)
		if err != nil {
			return errnoOf(err)
		}
		switch o {
		case socket.DontFragment:
			value = asInt(value == unix.IP_PMTUDISC_DO || value == unix.IP_PMTUDISC_PROBE)
		case socket.PortRange, socket.Mark:
			value = int(uint32(value))
		}
		return 0
	})
	if err != nil {
		return 0, opt.explain(o, err)
	}
	return value, nil
}

// flag reads a boolean option.
func (s *Socket) flag(fd uintptr, opt option) bool {
	which := opt.v4
	if s.family == socket.IPv6 {
		which = opt.v6
	}
	value, err := unix.GetsockoptInt(int(fd), which.level, which.name)
	return err == nil && value != 0
}

func asInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
