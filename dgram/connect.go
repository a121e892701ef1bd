package dgram

import (
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// Connect sets the peer, of whom alone is received and to whom Send sends. An empty
// address is this host. A socket that is not bound is bound first. Then it is
// 'connect'.
//
// callback, unless it is nil, is called once: with nil, as a listener of that event,
// or with the error, which is an event 'error' if there is no callback.
//
// ErrSocketBadPort: not 1 to 65535. ErrSocketDgramIsConnected: it is connected, or
// about to be. ErrSocketDgramNotRunning: it is closed.
func (s *Socket) Connect(port int, address string, callback func(err error)) error {
	if err := s.connectable(port); err != nil {
		return err
	}
	s.connectState = connecting
	if s.bindState == unbound {
		s.bindImplicitly()
	}
	begin := func(err error) {
		if err != nil { // of the bind, which is told as an event
			s.connectState = disconnected
			if callback != nil {
				s.loop.NextTick(func() { callback(err) })
			}
			return
		}
		s.connect(port, address, callback)
	}
	if s.bindState != bound {
		s.wait(begin)
		return nil
	}
	begin(nil)
	return nil
}

func (s *Socket) connectable(port int) error {
	switch {
	case s.handle == nil:
		return ErrSocketDgramNotRunning
	case port < 1 || port > 65535:
		return errBadPort("Port", port, false)
	case s.connectState != disconnected:
		return ErrSocketDgramIsConnected
	}
	return nil
}

func (s *Socket) connect(port int, address string, callback func(error)) {
	if callback != nil {
		// It keeps its place among the listeners.
		remove := s.onConnect.once(func() { callback(nil) })
		told := callback
		callback = func(err error) {
			remove()
			told(err)
		}
	}
	s.resolve(s.orLocalhost(address), false, func(ip netip.Addr, err error) {
		if s.handle == nil { // closed meanwhile
			if callback != nil {
				s.loop.NextTick(func() { callback(addrError("connect", syscall.ECANCELED, address, port)) })
			}
			return
		}
		if err == nil {
			err = s.connectTo(ip, port, address)
		}
		if err == nil {
			s.loop.NextTick(func() {
				if s.handle != nil {
					s.onConnect.emit(call)
				}
			})
			return
		}
		s.connectState = disconnected
		s.loop.NextTick(func() {
			switch {
			case callback != nil:
				callback(err)
			case s.handle != nil:
				s.emitError(err)
			}
		})
	})
}

// orLocalhost is whom an empty address to send to means.
func (s *Socket) orLocalhost(address string) string {
	switch {
	case address != "":
		return address
	case s.family == socket.IPv6:
		return "::1"
	}
	return "127.0.0.1"
}

// connectTo connects the handle.
func (s *Socket) connectTo(ip netip.Addr, port int, address string) error {
	if s.opts.SendBlockList.Check(ip) {
		return errBlocked(ip)
	}
	err := error(syscall.EINVAL)
	if s.suits(ip) {
		err = s.handle.Connect(netip.AddrPortFrom(ip, uint16(port)))
	}
	if err != nil {
		return addrError("connect", err, address, port)
	}
	s.connectState = connected
	return nil
}

func errBlocked(ip netip.Addr) error {
	return ErrIPBlocked.with("IP(%v) is blocked by net.BlockList", ip)
}

// ConnectSync connects the socket to a literal address before it returns; an unbound
// one is bound first. The event 'connect' comes on the next tick. Errors are those of
// BindSync and Connect.
func (s *Socket) ConnectSync(port int, address string) error {
	if err := s.connectable(port); err != nil {
		return err
	}
	address = s.orLocalhost(address)
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ErrInvalidArgValue.with("The argument 'address' must be an IP address. Received %q", address)
	}
	switch s.bindState {
	case unbound:
		if _, err := s.BindSync(0, ""); err != nil {
			return err
		}
	case binding:
		return sysError("connect", syscall.EALREADY)
	}
	if err := s.connectTo(ip, port, address); err != nil {
		return err
	}
	s.loop.NextTick(func() {
		if s.handle != nil {
			s.onConnect.emit(call)
		}
	})
	return nil
}

// Disconnect takes the peer away. ErrSocketDgramNotConnected: there is none.
func (s *Socket) Disconnect() error {
	switch {
	case s.handle == nil:
		return ErrSocketDgramNotRunning
	case s.connectState != connected:
		return ErrSocketDgramNotConnected
	}
	if err := s.handle.Connect(netip.AddrPort{}); err != nil {
		return sysError("connect", err)
	}
	s.connectState = disconnected
	return nil
}
