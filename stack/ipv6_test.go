package stack

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// pair6 returns two hosts on one wire with one clock, as pair does: 2001:db8::1 and
// 2001:db8::2, with 10.0.0.1 and 10.0.0.2 beside them.
func pair6(t testing.TB, configs ...Config) (a, b *host) {
	t.Helper()
	return pair6On(t, mem.Config{}, configs...)
}

func pair6On(t testing.TB, m mem.Config, configs ...Config) (a, b *host) {
	t.Helper()
	c := [2]Config{{Name: "a", Seed: [32]byte{1}}, {Name: "b", Seed: [32]byte{2}}}
	copy(c[:], configs)
	v := clock.NewVirtual(time.Time{})
	for k := range c {
		c[k].DADTransmits = -1
		if c[k].Clock == nil {
			c[k].Clock = v
		}
	}
	la, lb := mem.Pair(m)
	a = newHost(t, c[0], la, "2001:db8::1/64", "10.0.0.1/24")
	return a, newHost(t, c[1], lb, "2001:db8::2/64", "10.0.0.2/24")
}

// open6 returns an IPv6 socket of the host, bound to what is given, if anything.
func (h *host) open6(t testing.TB, bind string) *Socket {
	t.Helper()
	return h.openSocket(t, socket.IPv6, bind)
}

func (h *host) connected6(t testing.TB, bind, peer string) *Socket {
	t.Helper()
	s := h.open6(t, bind)
	connect(t, s, peer)
	return s
}

func TestDatagramsOfIPv6(t *testing.T) {
	a, b := pair6(t)
	server := b.open6(t, "[2001:db8::2]:7")
	client := a.open6(t, "")
	send(t, client, "one", "[2001:db8::2]:7")
	m := receive(t, server)
	if want := netip.AddrPortFrom(netip.MustParseAddr("2001:db8::1"), client.LocalAddr().Port()); string(m.Buf) != "one" || m.Addr != want {
		t.Errorf("got %q from %v, want it from %v", m.Buf, m.Addr, want)
	}
	if _, err := server.TrySend([]socket.Message{{Buf: []byte("back"), Addr: m.Addr}}); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, client); string(m.Buf) != "back" || m.Addr.String() != "[2001:db8::2]:7" {
		t.Errorf("got %q from %v", m.Buf, m.Addr)
	}
	// To oneself, by ::1 and by an own address.
	for _, to := range []string{"[::1]:9", "[2001:db8::1]:9"} {
		s := a.open6(t, to)
		send(t, client, "self", to)
		if m := receive(t, s); string(m.Buf) != "self" || m.Addr.Addr() != netip.MustParseAddrPort(to).Addr() {
			t.Errorf("to %s: got %q from %v", to, m.Buf, m.Addr)
		}
		s.Close()
	}
	if err := try(client, "x", "[2001:db8:1::1]:7"); err != syscall.ENETUNREACH {
		t.Errorf("no route: %v", err)
	}
	checkDrops(t, a, drop.NoPort, 0)
	checkLedger(t, a, b)
}

// An interface that does not speak IPv6 takes none in, though another one of the host's
// has the address, and sockets are there (Linux's disable_ipv6): neither on the short way
// nor on the long one. No group is joined on it.
func TestAnInterfaceThatDoesNotSpeakIPv6HearsNone(t *testing.T) {
	h, l := onCable6(t, Config{})
	other := newCable()
	eth1 := h.attach(t, "eth1", other, "10.0.0.2/24")
	s := h.open6(t, "[::]:7")
	joins := func(want error) {
		t.Helper()
		if err := s.ChangeGroup(socket.JoinGroup, groupOn("ff15::1", eth1)); err != want {
			t.Errorf("joining: %v, want %v", err, want)
		}
		source := groupOn("ff35::1", eth1)
		source.Source = netip.MustParseAddr(from6)
		if err := s.ChangeGroup(socket.JoinSource, source); err != want {
			t.Errorf("joining for a source: %v, want %v", err, want)
		}
	}
	joins(syscall.EINVAL)
	in := func(l *cable) {
		l.deliver(frame6(from6, own6, 64, wire.ProtocolUDP, udp6(from6, own6, 9, 7, "x")))
		l.deliver(frame6(from6, "ff15::1", 64, wire.ProtocolUDP, udp6(from6, "ff15::1", 9, 7, "x")))
	}
	in(other)
	if got := payloads(t, s); len(got) != 0 {
		t.Errorf("received %q", got)
	}
	checkDrops(t, h, drop.UnknownEtherType, 1)
	checkDrops(t, h, drop.MACFiltered, 1)
	in(l)
	if got := payloads(t, s); len(got) != 1 {
		t.Errorf("by the other: received %q", got)
	}
	if err := eth1.EnableIPv6(); err != nil {
		t.Fatal(err)
	}
	joins(nil)
	in(other)
	if got := payloads(t, s); len(got) != 2 {
		t.Errorf("once it speaks IPv6: received %q", got)
	}
	checkLedger(t, h)
}

// Interfaces may have the same link-local address: which of them is meant says the zone,
// of the host's own too, though what it sends there comes by the loopback interface.
func TestTheSameLinkLocalAddressOnTwoInterfaces(t *testing.T) {
	links := [2]*cable{newCable(), newCable()}
	h := newHost(t, Config{DADTransmits: -1}, links[0])
	own, peer := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fe80::9")
	for k, i := range []*Interface{h.eth0, h.attach(t, "eth1", links[1])} {
		if err := i.AddAddress(netip.PrefixFrom(own, 64)); err != nil {
			t.Fatal(err)
		}
		if err := i.AddNeighbor(peer, macPeer); err != nil {
			t.Fatal(err)
		}
		links[k].take()
	}
	var bound [2]*Socket
	for k, zone := range []string{"eth0", "eth1"} {
		bound[k] = h.open6(t, netip.AddrPortFrom(own.WithZone(zone), 7).String())
	}
	for k, zone := range []string{"eth0", "eth1"} {
		at := netip.AddrPortFrom(own.WithZone(zone), 7)
		// From the wire, and back.
		links[k].deliver(frame6("fe80::9", "fe80::1", 64, wire.ProtocolUDP, udp6("fe80::9", "fe80::1", 9, 7, "in")))
		m := receive(t, bound[k])
		if want := netip.AddrPortFrom(peer.WithZone(zone), 9); m.Addr != want {
			t.Errorf("%s: from %v, want %v", zone, m.Addr, want)
		}
		send(t, bound[k], "out", m.Addr.String())
		if n, other := len(links[k].take()), len(links[1-k].take()); n != 1 || other != 0 {
			t.Errorf("%s: %d frames left there and %d by the other", zone, n, other)
		}
		// From oneself.
		client := h.connected6(t, "", at.String())
		send(t, client, "self", at.String())
		if m = receive(t, bound[k]); string(m.Buf) != "self" || m.Addr.Addr().Zone() != zone {
			t.Errorf("%s: %q from %v", zone, m.Buf, m.Addr)
		}
		refused := h.connected6(t, "", netip.AddrPortFrom(at.Addr(), 8).String())
		if _, err := refused.TrySend([]socket.Message{{Buf: []byte("x")}}); err != nil {
			t.Fatal(err)
		}
		if e, _ := refused.Option(socket.Error); syscall.Errno(e) != syscall.ECONNREFUSED {
			t.Errorf("%s: a closed port of one's own: %v", zone, syscall.Errno(e))
		}
		var from []netip.Addr
		ping, err := h.OpenEcho(func(e Echo) { from = append(from, e.From) })
		if err != nil {
			t.Fatal(err)
		}
		if err := ping.Send(at.Addr(), 1, nil); err != nil || len(from) != 1 || from[0] != at.Addr() {
			t.Errorf("%s: echo: %v, from %v", zone, err, from)
		}
		ping.Close()
	}
	for _, s := range bound {
		if got := payloads(t, s); len(got) != 0 {
			t.Errorf("%v has received more: %q", s.LocalAddr(), got)
		}
	}
	checkLedger(t, h)
}
