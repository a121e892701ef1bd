package stack

import (
	"net/netip"
	"time"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// worldAddresses6 are those of a world that speaks IPv6.
var worldAddresses6 = [...]netip.Addr{
	netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:1::2"), netip.IPv6Unspecified(),
	netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:1::2"), netip.IPv6Unspecified(),
	netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:1::2"), netip.MustParseAddr("::ffff:10.0.0.1"),
	netip.MustParseAddr("::ffff:10.1.0.2"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.1.0.2"),
	netip.MustParseAddr("::ffff:0.0.0.0"), netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("2001:db8::fe"),
	netip.MustParseAddr("2001:db8:1::fe"), netip.MustParseAddr("::1"), netip.MustParseAddr("fe80::1%eth0"),
	netip.MustParseAddr("fe80::77%eth0"), netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fe80::1%9"),
	netip.MustParseAddr("ff02::1%eth0"), netip.MustParseAddr("ff15::1"), netip.MustParseAddr("ff01::1%lo"),
	netip.MustParseAddr("::ffff:239.1.2.3"), netip.MustParseAddr("::ffff:10.0.0.255"), netip.MustParseAddr("2001:db8:1::77"),
	netip.MustParseAddr("2001:db8:9::1"), netip.MustParseAddr("::ffff:127.0.0.1"), {},
}

// worldOwn6 are the addresses of IPv6 that the hosts begin with.
var worldOwn6 = [...]netip.Prefix{
	netip.MustParsePrefix("2001:db8::1/64"), netip.MustParsePrefix("2001:db8::fe/64"), netip.MustParsePrefix("2001:db8:1::2/64"),
}

// speak6 gives the hosts IPv6, with a link-local address that can be guessed.
func (w *world) speak6() {
	for k, h := range w.hosts {
		for _, p := range []netip.Prefix{worldOwn6[k], netip.MustParsePrefix("fe80::1/64")} {
			if p.Addr().IsLinkLocalUnicast() && k != 0 {
				continue
			}
			if err := h.eth0.AddAddress(p); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	if err := w.hosts[1].Interface("eth1").AddAddress(netip.MustParsePrefix("2001:db8:1::fe/64")); err != nil {
		w.t.Fatal(err)
	}
	w.hosts[0].route(w.t, "default via 2001:db8::fe")
	w.hosts[2].route(w.t, "default via 2001:db8:1::fe")
	w.clock.Advance(3 * time.Second) // in which addresses are tested
}

// family is that of the next socket.
func (w *world) family() socket.Family {
	if w.six && w.next(4) > 0 {
		return socket.IPv6
	}
	return socket.IPv4
}

// step6 does what only a world that speaks IPv6 does.
func (w *world) step6(op int, h *host, s *Socket, note func(string, ...any)) {
	switch op {
	case 0, 1, 2: // groups, of either family
		if s == nil {
			return
		}
		g := socket.Group{Address: w.address(), Interface: w.next(4) - 1, Source: w.address()}
		note("group", s.ChangeGroup(socket.GroupChange(w.next(10)), g))
	case 3:
		note("enable", h.eth0.EnableIPv6())
	case 4:
		if w.next(2) == 0 {
			h.eth0.StopAdvertising()
			return
		}
		note("advertise", h.eth0.Advertise(Advertisement{
			HopLimit: uint8(w.next(256)), MTU: []int{0, 1280, 1400}[w.next(3)],
			Prefixes: []AdvertisedPrefix{{Prefix: netip.MustParsePrefix("2001:db8:5::/64"), Valid: time.Duration(w.next(100)) * time.Second}},
		}))
	case 5, 6:
		w.wires[w.next(len(w.wires))].Deliver(0, newBuffer(w.discovery()).Single())
	case 7:
		if s != nil {
			note("error", s.TryRecvError(&socket.ErrorMessage{Buf: make([]byte, w.next(100))}))
		}
	}
}

// stranger is an address that a packet may come from or go to.
func (w *world) stranger() string {
	if a := w.address(); a.Is6() && !a.Is4In6() {
		return a.WithZone("").String()
	}
	return "2001:db8::77"
}

// frame6 makes a frame of IPv6 that is nearly right.
func (w *world) frame6(f *faulty) []byte {
	src, dst := w.stranger(), w.stranger()
	next, body := wire.ProtocolUDP, udp6(src, dst, uint16(w.next(4)), uint16(w.next(4)), string(make([]byte, w.next(200))))
	switch w.next(8) {
	case 0:
		header := []byte{byte(next), 0, byte(w.next(256)), byte(w.next(6)), 0, 0, 0, byte(w.next(4))}
		next = []wire.Protocol{
			wire.ProtocolIPv6HopByHop, wire.ProtocolIPv6Destination, wire.ProtocolIPv6Routing, wire.ProtocolIPv6Fragment, wire.ProtocolIPv6Fragment,
		}[w.next(5)]
		body = append(header, body...)
	case 1:
		quoted := frame6(dst, src, 64, wire.ProtocolUDP, udp6(dst, src, uint16(w.next(4)), uint16(w.next(4)), "quoted"))[wire.EthernetHeaderLen:]
		next, body = wire.ProtocolICMPv6, icmp6(src, dst, wire.ICMPv6Type(w.next(5)), wire.ICMPv6Code(w.next(8)), uint32(w.next(256))*8, quoted)
	case 2:
		next, body = wire.ProtocolICMPv6, icmp6(src, dst, wire.ICMPv6EchoRequest, 0, 7, make([]byte, w.next(256)))
	case 3:
		next = wire.Protocol(w.next(256))
	case 4:
		return w.discovery()
	}
	frame := frame6(src, dst, uint8(w.next(4)), next, body)
	if e := (*wire.EthernetHeader)(frame); !netip.MustParseAddr(dst).IsMulticast() {
		e.SetDestination(f.Address())
	}
	if w.next(8) == 0 {
		frame[w.next(len(frame))] ^= byte(1 + w.next(255))
	}
	return frame
}

// discovery makes a message of neighbour discovery or a query of MLD, to all nodes.
func (w *world) discovery() []byte {
	src, dst, target := w.stranger(), "ff02::1", netip.MustParseAddr(w.stranger())
	mac := wire.MAC{2, 0, 0, 0, 0, byte(w.next(16))}
	var m []byte
	switch w.next(5) {
	case 0:
		m = wire.NeighborSolicitation{Target: target, Options: slla(mac)}.AppendTo(nil)
	case 1:
		m = wire.NeighborSolicitation{Target: target}.AppendTo(nil)
		src = "::"
	case 2:
		m = wire.NeighborAdvertisement{Target: target, Override: w.next(2) == 0, Router: w.next(2) == 0, Options: tlla(mac)}.AppendTo(nil)
	case 3:
		src = "fe80::" + []string{"7", "8", "9"}[w.next(3)]
		m = wire.RouterAdvertisement{
			HopLimit: uint8(w.next(256)), RouterLifetime: time.Duration(w.next(100)) * time.Second, Options: slla(mac),
		}.AppendTo(nil)
	case 4:
		m = wire.MLDQuery{Version: 1 + w.next(2), Group: netip.IPv6Unspecified(), MaxResponse: time.Duration(w.next(5)) * time.Second}.AppendTo(nil)
		return mldFrame(dst, m)
	}
	return frame6(src, dst, 255, wire.ProtocolICMPv6, summed6(src, dst, m))
}
