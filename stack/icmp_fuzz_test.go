package stack

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// listeners is a stack with sockets of every sort that hear of errors.
type listeners struct {
	*host
	l       *cable
	sockets []*Socket
}

func newListeners(t testing.TB) *listeners {
	h, l := known(t, Config{Limits: Limits{PathMTUs: 3, ErrorDestinations: 3}})
	g := &listeners{host: h, l: l}
	for _, c := range []struct {
		bind, peer string
		errors     int
	}{
		{"0.0.0.0:7", "", 0},
		{"0.0.0.0:8", "", 1},
		{"10.0.0.2:9", "10.0.0.9:9", 0},
		{"10.0.0.2:10", "10.0.0.9:9", 1},
		{"127.0.0.1:11", "", 1},
	} {
		s := h.open(t, c.bind)
		setOption(t, s, socket.ReceiveErrors, c.errors)
		setOption(t, s, socket.ReceiveBuffer, 2000)
		if c.peer != "" {
			if err := s.Connect(netip.MustParseAddrPort(c.peer)); err != nil {
				t.Fatal(err)
			}
		}
		g.sockets = append(g.sockets, s)
	}
	return g
}

// sentBySocket is a slow and plain way to say which socket can have sent the packet
// of which an ICMP message quotes the beginning; -1: none.
func (g *listeners) sentBySocket(quote []byte) int {
	if len(quote) < 20 || quote[0]>>4 != 4 {
		return -1
	}
	header, total := int(quote[0]&15)*4, int(binary.BigEndian.Uint16(quote[2:]))
	if header < 20 || total < header+4 || len(quote) < header+4 || len(quote) < header+8 && len(quote) < total ||
		quote[9] != 17 || binary.BigEndian.Uint16(quote[6:])&0x1fff != 0 {
		return -1
	}
	src, dst := netip.AddrFrom4([4]byte(quote[12:])), netip.AddrFrom4([4]byte(quote[16:]))
	from := binary.BigEndian.Uint16(quote[header:])
	to := binary.BigEndian.Uint16(quote[header+2:])
	ours := src == netip.MustParseAddr("10.0.0.2") || src.IsLoopback()
	for k, s := range g.sockets {
		local := s.LocalAddr()
		if local.Port() != from || !ours || !local.Addr().IsUnspecified() && local.Addr() != src {
			continue
		}
		if peer, err := s.PeerAddr(); err == nil && peer != netip.AddrPortFrom(dst, to) {
			continue
		}
		return k
	}
	return -1
}

// FuzzICMPErrors sends a stack ICMP messages that quote this and that. Whatever they
// say, only the socket that can have sent what is quoted hears of it, and only its
// path is believed to be narrower.
func FuzzICMPErrors(f *testing.F) {
	add := func(t wire.ICMPType, code wire.ICMPCode, rest uint32, src, dst string, options []byte, payload string) {
		q := datagram{bare: true, src: src, dst: dst, payload: payload, options: options}.frame()
		f.Add(uint8(t), uint8(code), rest, []byte{10, 0, 0, 254}, q)
		f.Add(uint8(t), uint8(code), rest, []byte{10, 0, 0, 9}, q[:min(len(q), 28)])
	}
	for _, code := range []wire.ICMPCode{0, 1, 2, 3, 4, 5, 9, 13, 16} {
		add(wire.ICMPDestinationUnreachable, code, 1000, "10.0.0.2:7", "10.0.0.9:9", nil, "x")
		add(wire.ICMPDestinationUnreachable, code, 60, "10.0.0.2:10", "10.0.0.9:9", nil, "x")
	}
	add(wire.ICMPDestinationUnreachable, 4, 0, "10.0.0.2:8", "192.0.2.1:53", []byte{7, 7, 4, 0, 0, 0, 0, 0}, "options")
	add(wire.ICMPDestinationUnreachable, 4, 1500, "10.0.0.2:8", "10.0.0.255:53", nil, "broadcast")
	add(wire.ICMPDestinationUnreachable, 4, 1000, "127.0.0.1:11", "127.0.0.1:53", nil, "loopback")
	add(wire.ICMPDestinationUnreachable, 4, 1000, "10.0.0.2:9", "10.0.0.9:10", nil, "another peer")
	add(wire.ICMPDestinationUnreachable, 3, 32<<16, "10.0.0.2:8", "10.0.0.9:9", nil, string(make([]byte, 300)))
	add(wire.ICMPTimeExceeded, 0, 0, "10.0.0.2:8", "10.0.0.9:9", nil, "x")
	add(wire.ICMPTimeExceeded, 1, 0, "10.0.0.2:8", "10.0.0.9:9", nil, "x")
	add(wire.ICMPParameterProblem, 0, 20<<24, "10.0.0.2:8", "10.0.0.9:9", nil, "x")
	add(wire.ICMPSourceQuench, 0, 0, "10.0.0.2:8", "10.0.0.9:9", nil, "x")
	add(wire.ICMPRedirect, 1, 0x0a000003, "10.0.0.2:8", "10.0.0.9:9", nil, "x")
	add(wire.ICMPEchoReply, 0, 0, "10.0.0.2:8", "10.0.0.9:9", nil, "x")

	f.Fuzz(func(t *testing.T, typ, code uint8, rest uint32, from, quote []byte) {
		if len(from) < 4 {
			return
		}
		live := packet.Live()
		g := newListeners(t)
		var said [4]byte
		binary.BigEndian.PutUint32(said[:], rest)
		src := netip.AddrPortFrom(netip.AddrFrom4([4]byte(from)), 0).String()
		d := datagram{src: src, dst: "10.0.0.2:0", protocol: wire.ProtocolICMP,
			payload: icmpBody(wire.ICMPType(typ), wire.ICMPCode(code), said, quote[:min(len(quote), 1400)])}
		mayHear := g.sentBySocket(quote)
		for range 3 { // a second and a third find the socket in another state
			g.l.deliver(d.frame())
		}
		for k, s := range g.sockets {
			pending, _ := s.Option(socket.Error)
			for {
				m := socket.ErrorMessage{Buf: make([]byte, 0, 100)}
				if s.TryRecvError(&m) != nil {
					break
				}
				pending = int(m.Errno)
				if want := binary.BigEndian.Uint32(said[:]); m.Type != typ || m.Code != code || m.Info != 0 && m.Info != want>>24 && m.Info != want&0xffff {
					t.Errorf("the entry is %+v", m)
				}
				if m.Addr.Addr() != netip.AddrFrom4([4]byte(quote[16:])) || m.Offender != netip.AddrFrom4([4]byte(from)) {
					t.Errorf("the entry is %+v", m)
				}
			}
			if pending != 0 && k != mayHear {
				t.Errorf("socket %d at %v hears %d of what socket %d sent", k, s.LocalAddr(), pending, mayHear)
			}
		}
		if n := len(g.pathMTUs.known); n > 0 {
			p := g.pathMTUs.first
			dst := p.key.dst.netip()
			if mayHear < 0 || typ != 3 || code != 4 || n > 1 || dst != netip.AddrFrom4([4]byte(quote[16:])) || p.mtu < 552 || p.mtu > 1500 {
				t.Errorf("%d paths are narrower, one to %v with %d", n, dst, p.mtu)
			}
		}
		if sent := g.l.take(); len(sent) > 0 && slices.Contains([]uint8{3, 4, 5, 11, 12}, typ) {
			t.Errorf("the error was answered: % x", sent[0])
		}
		if l := g.Ledger(); !l.Balanced() {
			t.Errorf("the ledger does not balance: %+v, drops %v", l, g.Drops().Map())
		}
		g.clock.Advance(11 * time.Minute)
		if n := len(g.pathMTUs.known); n != 0 {
			t.Errorf("%d paths are still narrower", n)
		}
		g.Close()
		if n := packet.Live() - live; n != 0 {
			t.Errorf("%d buffers are still out", n)
		}
	})
}
