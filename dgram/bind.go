package dgram

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/host"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// Bind binds the socket to a port and an address, or a name that is looked up, and
// starts to receive; then it is 'listening'. Port 0 is one of the network's choice, and
// an empty address every local one. listening, unless it is nil, is called once with
// that event, unless an error comes first.
//
// A bind that fails is the event 'error' (Syscall "bind", or the error of the lookup);
// the socket may then be bound again.
//
// ErrSocketAlreadyBound: it is bound, or about to be. ErrSocketBadPort: below 0 or
// above 65535. ErrSocketDgramNotRunning: it is closed.
func (s *Socket) Bind(port int, address string, listening func()) error {
	if err := s.bindable(port); err != nil {
		return err
	}
	if listening != nil {
		var removeListening, removeError func()
		removeListening = s.onListening.once(func() {
			removeError()
			listening()
		})
		// The listener for errors must not count as one that handles them.
		removeError = s.onceBindFails(removeListening)
	}
	s.bind(port, address)
	return nil
}

func (s *Socket) bindable(port int) error {
	switch {
	case s.handle == nil:
		return ErrSocketDgramNotRunning
	case s.bindState != unbound:
		return ErrSocketAlreadyBound
	case port < 0 || port > 65535:
		return errBadPort("Port", port, true)
	}
	return nil
}

// onceBindFails calls f when the bind under way fails.
func (s *Socket) onceBindFails(f func()) (remove func()) {
	s.bindFailed = f
	return func() { s.bindFailed = nil }
}

// bind begins to bind.
func (s *Socket) bind(port int, address string) {
	s.bindState = binding
	if address == "" {
		address = "0.0.0.0"
		if s.family == socket.IPv6 {
			address = "::"
		}
	}
	s.resolve(address, true, func(ip netip.Addr, err error) {
		switch {
		case s.handle == nil:
		case err != nil:
			s.failBind(err)
		default:
			if err := s.bindTo(ip, port); err != nil {
				s.failBind(addrError("bind", err, ip.String(), port))
				return
			}
			s.startListening()
		}
	})
}

// bindTo binds the handle.
func (s *Socket) bindTo(ip netip.Addr, port int) error {
	if !s.suits(ip) {
		return syscall.EINVAL
	}
	var flags loop.Flags
	for _, f := range [...]struct {
		on   bool
		flag loop.Flags
	}{{s.opts.ReuseAddr, loop.ReuseAddr}, {s.opts.ReusePort, loop.ReusePort}, {s.opts.IPv6Only && s.family == socket.IPv6, loop.IPv6Only}} {
		if f.on {
			flags |= f.flag
		}
	}
	return s.handle.Bind(netip.AddrPortFrom(ip, uint16(port)), flags)
}

// suits reports whether an address is of the socket's family.
func (s *Socket) suits(ip netip.Addr) bool { return ip.Is4() == (s.family == socket.IPv4) }

// bindImplicitly is what sending and connecting do to a socket that is not bound. One
// that joining a group has bound stays where it is.
func (s *Socket) bindImplicitly() {
	if _, err := s.handle.LocalAddr(); err == nil {
		s.bindState = binding
		s.loop.NextTick(func() {
			if s.handle != nil {
				s.startListening()
			}
		})
		return
	}
	s.bind(0, "")
}

func (s *Socket) failBind(err error) {
	s.bindState = unbound
	if f := s.bindFailed; f != nil {
		s.bindFailed = nil
		f()
	}
	w := s.waiting
	s.waiting = nil
	closes := s.closeWaits
	s.closeWaits = false
	w.drop(err)
	s.emitError(err)
	switch {
	case !closes || s.handle == nil:
	case s.waiting != nil: // who heard of the error has sent something
		s.closeWaits = true
	default:
		s.close()
	}
}

// startListening is what follows a bind.
func (s *Socket) startListening() {
	if err := s.beginToReceive(); err != nil {
		s.failBind(sysError("recvmsg", err))
		return
	}
	s.emitListening()
}

// beginToReceive prepares a bound handle.
func (s *Socket) beginToReceive() error {
	if s.opts.Report != 0 {
		if err := s.handle.SetOption(socket.Report, int(s.opts.Report)); err != nil {
			return err
		}
	}
	if err := s.receive(); err != nil {
		return err
	}
	s.bindState = bound
	return nil
}

func (s *Socket) emitListening() {
	s.bindFailed = nil
	for _, b := range [...]struct {
		size int
		set  func(int) error
	}{{s.opts.RecvBufferSize, s.SetRecvBufferSize}, {s.opts.SendBufferSize, s.SetSendBufferSize}} {
		if b.size > 0 && s.handle != nil {
			if err := b.set(b.size); err != nil {
				s.emitError(err)
			}
		}
	}
	if s.handle != nil {
		s.onListening.emit(call)
	}
}

// BindSync binds the socket to a literal address before it returns, and returns the
// address that it got; an empty one is every local address. The event 'listening' comes
// on the next tick.
//
// ErrInvalidArgValue: the address is a name. Other errors are those of Bind and of the
// network.
func (s *Socket) BindSync(port int, address string) (netip.AddrPort, error) {
	if err := s.bindable(port); err != nil {
		return netip.AddrPort{}, err
	}
	ip := unspecified(s.family)
	if address != "" {
		var err error
		if ip, err = netip.ParseAddr(address); err != nil {
			return netip.AddrPort{}, ErrInvalidArgValue.with("The property 'options.address' must be an IP address. Received %q", address)
		}
	}
	if err := s.bindTo(ip, port); err != nil {
		return netip.AddrPort{}, addrError("bind", err, ip.String(), port)
	}
	if err := s.beginToReceive(); err != nil {
		return netip.AddrPort{}, sysError("recvmsg", err)
	}
	s.loop.NextTick(func() {
		if s.handle != nil {
			s.emitListening()
		}
	})
	return s.Address()
}

func unspecified(f socket.Family) netip.Addr {
	if f == socket.IPv4 {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// BindFD makes the socket one that the operating system has open already, bound or not:
// its descriptor is the socket's from then on. listening is Bind's.
//
// ErrInvalidFDType: it is not a UDP socket's descriptor.
func (s *Socket) BindFD(fd int, listening func()) error {
	if err := s.bindable(0); err != nil {
		return err
	}
	if _, ok := s.opts.On.(host.Network); !ok {
		return sysError("open", &socket.NotSupportedError{
			What: "a descriptor of the operating system", Reason: "the socket is on another network",
		})
	}
	o, err := host.FromFD(fd)
	switch {
	case errors.Is(err, syscall.ENOTSOCK), errors.Is(err, syscall.EPROTOTYPE), errors.Is(err, syscall.EAFNOSUPPORT):
		return ErrInvalidFDType
	case err != nil:
		return sysError("open", err)
	}
	if err := s.handle.Open(o); err != nil {
		_ = o.Close()
		return sysError("open", err)
	}
	if listening != nil {
		s.onListening.once(listening)
	}
	if s.handle.Connected() {
		s.connectState = connected
	}
	s.bindState = binding
	s.loop.NextTick(func() {
		if s.handle != nil {
			s.startListening()
		}
	})
	return nil
}
