package stack

import (
	"math"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// options are what SetOption sets, apart from the sizes of the buffers.
type options struct {
	mark, portRange      uint32
	reuseAddr, reusePort bool
	only6                bool // IPv6Only
	unlabelled           bool // AutoFlowLabel is off
	freeBind, broadcast  bool
	transparent          bool
	noChecksum           bool
	fragment             fragmentation
	multicastLoop        bool
	multicastAll         bool
	ttl, multicastTTL    uint8
	ownTTL               bool // ttl was set, and is not what an interface has for IPv6
	tos                  uint8
	device               int // interface index; 0: any
	multicastDevice      int
}

var defaultOptions = options{
	ttl: defaultTTL, multicastTTL: 1, multicastLoop: true, multicastAll: true,
}

func asInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// boolean returns a pointer to the option if it is a plain yes or no.
func (o *options) boolean(opt socket.Option) *bool {
	switch opt {
	case socket.ReuseAddr:
		return &o.reuseAddr
	case socket.ReusePort:
		return &o.reusePort
	case socket.FreeBind:
		return &o.freeBind
	case socket.Transparent:
		return &o.transparent
	case socket.Broadcast:
		return &o.broadcast
	case socket.NoChecksum:
		return &o.noChecksum
	case socket.MulticastLoopback:
		return &o.multicastLoop
	case socket.MulticastAll:
		return &o.multicastAll
	}
	return nil
}

// reportable are the fields that received messages can carry.
const reportable = socket.FieldLocal | socket.FieldInterface | socket.FieldTTL | socket.FieldTOS |
	socket.FieldSegmentSize | socket.FieldTime | socket.FieldDrops | socket.FieldMark

// SetOption sets an option.
func (s *Socket) SetOption(opt socket.Option, value int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return socket.ErrClosed
	}
	next := s.opts
	if opt == socket.Transparent && value != 0 && s.stack.cfg.Unprivileged {
		return syscall.EPERM // without CAP_NET_ADMIN or CAP_NET_RAW
	}
	if b := next.boolean(opt); b != nil {
		*b = value != 0
	} else if done, err := s.setNumber(&next, opt, value); done || err != nil {
		return err
	}
	if opt == socket.ReuseAddr || opt == socket.ReusePort || opt == socket.BindInterface {
		// What is bound goes by the options as they are now.
		s.rebind(func() { s.opts = next })
	} else {
		s.opts = next
	}
	if opt == socket.MulticastAll || opt == socket.IPv6Only {
		m := *s.match.Load()
		m.quiet, m.only6 = !next.multicastAll, next.only6
		s.setMatch(m)
		s.stack.ports.joins.Add(1)
	}
	s.path.forget()
	return nil
}

// setNumber changes next by an option that is not a plain boolean, or the
// socket itself, in which case it is done.
func (s *Socket) setNumber(next *options, opt socket.Option, value int) (done bool, err error) {
	switch opt {
	case socket.BindInterface:
		if next.device != 0 && s.stack.cfg.Unprivileged {
			return true, syscall.EPERM // without CAP_NET_RAW
		}
		return false, s.setDevice(&next.device, value, syscall.ENODEV)
	case socket.MulticastInterface:
		if err := s.setDevice(&next.multicastDevice, value, syscall.EADDRNOTAVAIL); err != nil {
			return true, err
		}
		if value != 0 && next.device != 0 && value != next.device {
			return true, syscall.EINVAL
		}
	case socket.ReceiveBuffer:
		s.queue.mu.Lock()
		s.queue.limit = doubled(value, s.stack.cfg.MaxReceiveBuffer, minReceiveBuffer)
		s.queue.mu.Unlock()
		return true, nil
	case socket.SendBuffer:
		s.sendLimit.Store(int32(doubled(value, s.stack.cfg.MaxSendBuffer, minSendBuffer)))
		return true, nil
	case socket.TTL:
		switch {
		case value == -1:
			next.ttl, next.ownTTL = defaultTTL, false
		case value < 1 || value > 255:
			return true, syscall.EINVAL
		default:
			next.ttl, next.ownTTL = uint8(value), true
		}
	case socket.MulticastTTL:
		switch {
		case value == -1:
			next.multicastTTL = 1
		case value < 0 || value > 255:
			return true, syscall.EINVAL
		default:
			next.multicastTTL = uint8(value)
		}
	case socket.TOS:
		if value < 0 || value > 255 {
			return true, syscall.EINVAL
		}
		next.tos = uint8(value)
	case socket.DontFragment:
		next.fragment = fragmentAllow
		if value != 0 {
			next.fragment = fragmentNever
		}
	case socket.MTUDiscovery:
		d := socket.Discovery(value)
		if d < socket.DiscoveryOff || d > socket.DiscoveryOmit {
			return true, syscall.EINVAL
		}
		next.fragment = fragmentationOf(d)
	case socket.Report:
		if f := socket.Fields(value); value < 0 || value>>16 != 0 || f&^reportable != 0 {
			return true, syscall.EINVAL
		}
		s.reports.Store(uint32(value))
	case socket.PortRange:
		low, high := uint16(value), uint16(value>>16)
		if value < 0 || low != 0 && high != 0 && low > high {
			return true, syscall.EINVAL
		}
		next.portRange = uint32(value)
	case socket.Mark:
		if uint64(uint(value)) > math.MaxUint32 {
			return true, syscall.EINVAL
		}
		if s.stack.cfg.Unprivileged {
			return true, syscall.EPERM // without CAP_NET_ADMIN or CAP_NET_RAW
		}
		next.mark = uint32(value)
	case socket.ReceiveErrors:
		s.receiveErrors(value != 0)
		return true, nil
	case socket.IPv6Only, socket.AutoFlowLabel:
		if !s.six {
			return true, syscall.ENOPROTOOPT
		}
		return false, s.stack.six.setOption(s, next, opt, value)
	case socket.PathMTU, socket.Error, socket.NextSize, socket.SendQueued:
		return true, syscall.ENOPROTOOPT
	default:
		return true, syscall.ENOPROTOOPT
	}
	return false, nil
}

// setDevice checks an interface's index, of which 0 means none; unknown is the
// error if there is no such interface.
func (s *Socket) setDevice(to *int, index int, unknown error) error {
	switch {
	case index < 0:
		return syscall.EINVAL
	case index != 0 && s.stack.state.Load().byIndex(index) == nil:
		return unknown
	}
	*to = index
	return nil
}

// doubled is what Linux makes of a buffer size that is asked for: capped,
// doubled for the bookkeeping, and not below a minimum.
func doubled(value, most, least int) int {
	if value < 0 {
		value = most // Linux takes it for a very large number
	}
	return max(2*min(value, most), least)
}

// Option reads an option.
func (s *Socket) Option(opt socket.Option) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return 0, socket.ErrClosed
	}
	if b := s.opts.boolean(opt); b != nil {
		return asInt(*b), nil
	}
	switch opt {
	case socket.BindInterface:
		return s.opts.device, nil
	case socket.MulticastInterface:
		return s.opts.multicastDevice, nil
	case socket.ReceiveBuffer:
		s.queue.mu.Lock()
		defer s.queue.mu.Unlock()
		return s.queue.limit, nil
	case socket.SendBuffer:
		return int(s.sendLimit.Load()), nil
	case socket.TTL:
		return int(s.opts.ttl), nil
	case socket.MulticastTTL:
		return int(s.opts.multicastTTL), nil
	case socket.TOS:
		return int(s.opts.tos), nil
	case socket.DontFragment:
		return asInt(s.opts.fragment == fragmentNever || s.opts.fragment == fragmentProbe), nil
	case socket.MTUDiscovery:
		return int(s.opts.fragment.discovery()), nil
	case socket.PathMTU:
		return s.pathMTU()
	case socket.IPv6Only, socket.AutoFlowLabel:
		switch {
		case !s.six:
			return 0, syscall.EOPNOTSUPP // and not what setting it is: another level's
		case opt == socket.AutoFlowLabel:
			return asInt(!s.opts.unlabelled), nil
		}
		return asInt(s.opts.only6), nil
	case socket.Report:
		return int(s.reports.Load()), nil
	case socket.PortRange:
		return int(s.opts.portRange), nil
	case socket.Mark:
		return int(s.opts.mark), nil
	case socket.ReceiveErrors:
		return asInt(s.errors.Load() != nil), nil
	case socket.Error:
		if e := s.pending.Swap(0); e != 0 {
			return int(e), nil
		}
		return 0, nil
	case socket.NextSize:
		return s.nextSize(), nil
	case socket.SendQueued:
		return int(s.sendUsed.Load()), nil
	}
	return 0, syscall.ENOPROTOOPT
}

// pathMTU returns the MTU towards the peer as far as it is known, whether the
// socket heeds it or not.
func (s *Socket) pathMTU() (int, error) {
	if !s.peer.IsValid() {
		return 0, syscall.ENOTCONN
	}
	q, err := s.toward(s.peer.Addr())
	if err != nil {
		return 0, err
	}
	var p path
	if err := s.stack.routeInto(&p, q); err != nil {
		return 0, err
	}
	mtu, _ := s.stack.pathMTUs.of(p.iface, p.dst)
	return mtu, nil
}
