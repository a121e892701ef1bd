package castnet

import (
	"context"
	"net"
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet/socket"
)

// A Config says how to make a Conn. The zero Config listens and dials on the
// operating system's network, as package net would.
type Config struct {
	// On is the network where the socket lives. If nil, the operating
	// system's.
	On Network

	// LocalAddr is the address to bind before dialling. If zero, the
	// network chooses; an address without an IP binds the port on all of
	// them. Listen does not use it.
	LocalAddr netip.AddrPort

	// Interface is the name of the only interface to send and receive by
	// (SO_BINDTODEVICE). If empty, all of them.
	Interface string

	// ReuseAddr shares the port with others that set it too; the last
	// bound hears what is sent to this host alone (SO_REUSEADDR).
	ReuseAddr bool

	// ReusePort shares the port with others that set it too; senders are
	// spread over them (SO_REUSEPORT).
	ReusePort bool

	// IPv6Only makes "udp" mean "udp6": no IPv4, neither heard nor sent.
	IPv6Only bool

	// Transparent permits addresses that are not this host's: to listen on,
	// to dial from, and as the source of single messages. It needs a
	// privilege (IP_TRANSPARENT).
	Transparent bool

	// Mark is a number that what is sent carries inside this host, for its
	// rules, routes and hooks. It needs a privilege. If zero, none (SO_MARK).
	Mark uint32

	// ReadBuffer and WriteBuffer are the sizes of the socket's buffers, in
	// bytes; see [Conn.SetReadBuffer]. If zero, the network's default. If
	// negative, the largest that it allows.
	ReadBuffer, WriteBuffer int

	// Report is which optional fields received messages shall carry; see
	// [Conn.SetReport]. If zero, none.
	Report Fields
}

// Listen returns a Conn bound to the address, on the operating system's
// network; see [Config.Listen].
func Listen(network, address string) (*Conn, error) {
	return new(Config).Listen(context.Background(), network, address)
}

// Dial returns a Conn connected to the address, on the operating system's
// network; see [Config.Dial].
func Dial(network, address string) (*Conn, error) {
	return new(Config).Dial(context.Background(), network, address)
}

// Listen returns a Conn bound to the address, "host:port". The network is
// "udp", "udp4" (IPv4 only) or "udp6" (IPv6 only).
//
// An empty or unspecified host means all addresses, and with "udp" those of
// both families where the network has IPv6: the Conn is then bound to [::]. An
// empty or zero port means one that the network chooses; LocalAddr says which.
// A name is looked up under ctx, where the network has a resolver, and the
// first IPv4 address taken. A group's address listens on the unspecified
// address with ReuseAddr, as package net does.
func (c *Config) Listen(ctx context.Context, network, address string) (*Conn, error) {
	cfg := c.orZero()
	fail := func(addr net.Addr, err error) (*Conn, error) {
		return nil, &net.OpError{Op: opListen, Net: network, Addr: addr, Err: err}
	}
	as, err := cfg.effective(network)
	if err != nil {
		return fail(nil, err)
	}
	addrs, err := resolve(ctx, cfg.On, as, address)
	if err != nil {
		return fail(nil, err)
	}
	addr := firstIPv4(addrs)
	if addr.Addr().IsMulticast() {
		cfg.ReuseAddr = true
	}
	for _, ch := range listenChoices(as, addr.Addr()) {
		var s socket.Socket
		s, err = cfg.listen(ch, addr)
		if err == nil {
			return newConn(s, network, cfg.On, zeroAddrPort), nil
		}
		if !isFamilyError(err) {
			break
		}
	}
	return fail(toUDPAddr(addr), err)
}

// Dial returns a Conn connected to the address, "host:port"; networks are
// those of [Config.Listen]. A name is looked up where the network has a
// resolver, and its addresses are tried in turn. An empty or unspecified host
// is this host.
//
// The context ends the lookup; a Conn, once returned, does not depend on it.
func (c *Config) Dial(ctx context.Context, network, address string) (*Conn, error) {
	cfg := c.orZero()
	var source net.Addr
	if cfg.LocalAddr != zeroAddrPort {
		source = toUDPAddr(cfg.LocalAddr)
	}
	as, err := cfg.effective(network)
	if err == nil && address == "" {
		err = errMissingAddress
	}
	var addrs []netip.AddrPort
	if err == nil {
		addrs, err = resolve(ctx, cfg.On, as, address)
	}
	if err == nil {
		addrs, err = sameFamily(addrs, cfg.LocalAddr)
	}
	if err != nil {
		return nil, &net.OpError{Op: opDial, Net: network, Err: err}
	}
	// Of several errors the first is returned: it is about the address that
	// should have been used.
	var first error
	for _, addr := range addrs {
		var s socket.Socket
		peer := addr
		if err = ctx.Err(); err == nil {
			s, peer, err = cfg.dial(dialChoice(as, cfg.LocalAddr.Addr(), addr.Addr()), addr)
		}
		if err == nil {
			return newConn(s, network, cfg.On, peer), nil
		}
		if first == nil {
			first = &net.OpError{Op: opDial, Net: network, Source: source, Addr: toUDPAddr(addr), Err: err}
		}
	}
	return nil, first
}

// orZero returns a copy that is whole: of the zero Config if c is nil, and
// with a network.
func (c *Config) orZero() Config {
	var cfg Config
	if c != nil {
		cfg = *c
	}
	if cfg.On == nil {
		cfg.On = Host()
	}
	return cfg
}

// effective checks the name of a network and returns the one that it means
// with this Config.
func (c *Config) effective(network string) (string, error) {
	switch network {
	case "udp", "udp6":
	case "udp4":
		if c.IPv6Only {
			return "", &net.AddrError{Err: "IPv6Only contradicts the network", Addr: network}
		}
	default:
		return "", net.UnknownNetworkError(network)
	}
	if c.IPv6Only {
		return "udp6", nil
	}
	return network, nil
}

// sameFamily leaves of the addresses those that a socket bound to local can
// reach.
func sameFamily(addrs []netip.AddrPort, local netip.AddrPort) ([]netip.AddrPort, error) {
	from := local.Addr().Unmap()
	if !from.IsValid() || from.IsUnspecified() {
		return addrs, nil
	}
	var left []netip.AddrPort
	for _, a := range addrs {
		if to := a.Addr(); !to.IsValid() || to.IsUnspecified() || to.Is4() == from.Is4() {
			left = append(left, a)
		}
	}
	if len(left) == 0 {
		return nil, &net.AddrError{Err: noSuitableAddress, Addr: toUDPAddr(local).String()}
	}
	return left, nil
}

// listen returns a socket that is bound and has its options. Its errors name
// the call, and are wrapped by who knows the operation.
func (c *Config) listen(ch choice, addr netip.AddrPort) (socket.Socket, error) {
	if addr.Addr().IsMulticast() {
		addr = netip.AddrPortFrom(unspecified(ch.family), addr.Port())
	}
	addr, err := forFamily(ch.family, addr)
	if err != nil {
		return nil, err
	}
	s, err := c.open(ch)
	if err != nil {
		return nil, err
	}
	if err := s.Bind(addr); err != nil {
		s.Close()
		return nil, callError(callBind, err)
	}
	return s, nil
}

// dial returns a socket that is connected and has its options, and what it is
// connected to: the peer in the form of the socket's family.
func (c *Config) dial(ch choice, to netip.AddrPort) (s socket.Socket, peer netip.AddrPort, err error) {
	if peer, err = forFamily(ch.family, to); err != nil {
		return nil, peer, err
	}
	var local netip.AddrPort
	if c.LocalAddr != zeroAddrPort {
		if local, err = forFamily(ch.family, c.LocalAddr); err != nil {
			return nil, peer, err
		}
	}
	if s, err = c.open(ch); err != nil {
		return nil, peer, err
	}
	if local.IsValid() {
		if err := s.Bind(local); err != nil {
			s.Close()
			return nil, peer, callError(callBind, err)
		}
	}
	if err := s.Connect(peer); err != nil {
		s.Close()
		return nil, peer, callError(callConnect, err)
	}
	return s, peer, nil
}

// open makes a socket and sets its options, all of them before it is bound.
func (c *Config) open(ch choice) (socket.Socket, error) {
	index, err := interfaceIndex(c.On, c.Interface)
	if err != nil {
		return nil, err
	}
	s, err := c.On.Open(ch.family)
	if err != nil {
		return nil, callError(callSocket, err)
	}
	if ch.family == socket.IPv6 {
		// Networks differ in the default; package net says it each time.
		err := s.SetOption(socket.IPv6Only, boolInt(ch.ipv6Only))
		if err != nil && ch.ipv6Only {
			s.Close()
			return nil, callError(callSetsockopt, err)
		}
	}
	for _, o := range []struct {
		option socket.Option
		value  int
	}{
		{socket.Broadcast, 1},
		{socket.ReuseAddr, boolInt(c.ReuseAddr)},
		{socket.ReusePort, boolInt(c.ReusePort)},
		{socket.BindInterface, index},
		{socket.Transparent, boolInt(c.Transparent)},
		{socket.Mark, int(c.Mark)},
		{socket.ReceiveBuffer, c.ReadBuffer},
		{socket.SendBuffer, c.WriteBuffer},
		{socket.Report, int(c.Report)},
	} {
		if o.value == 0 {
			continue // the default of each
		}
		if err := s.SetOption(o.option, o.value); err != nil {
			s.Close()
			return nil, callError(callSetsockopt, err)
		}
	}
	return s, nil
}

// isFamilyError reports whether a network does not speak a family at all.
func isFamilyError(err error) bool {
	errno, ok := errnoOf(err)
	return ok && errno == syscall.EAFNOSUPPORT
}
