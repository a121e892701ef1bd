//go:build linux

package conformance

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// fragment6 is a fragment as a packet's payload: bytes of a payload from one place up to
// another.
func fragment6(next wire.Protocol, id uint32, payload []byte, from, to int, more bool) []byte {
	h := make([]byte, wire.IPv6FragmentHeaderLen)
	wire.PutIPv6Fragment(h, next, from, more, id)
	return append(h, payload[from:to]...)
}

// A piece6 is what of a payload one fragment has. Next is UDP unless it says otherwise.
type piece6 struct {
	from, to int
	more     bool
	next     wire.Protocol
	class    uint8
}

func (n *Machine) sendPieces(to string, id uint32, payload []byte, pieces ...piece6) {
	for _, p := range pieces {
		if p.next == 0 {
			p.next = wire.ProtocolUDP
		}
		f := n.Eth0.packet6(there6, to, 64, wire.ProtocolIPv6Fragment, fragment6(p.next, id, payload, p.from, p.to, p.more))
		(*wire.IPv6Header)(f[wire.EthernetHeaderLen:]).SetTrafficClass(p.class)
		n.Eth0.Send(f)
	}
}

// letters6 are bytes that are easy to tell apart.
func letters6(n int) string {
	b := make([]byte, n)
	for k := range b {
		b[k] = byte('a' + k/8%26)
	}
	return string(b)
}

func lastOf(from, to int) piece6 { return piece6{from: from, to: to} }
func moreOf(from, to int) piece6 { return piece6{from: from, to: to, more: true} }

var fragment6Cases = []testCase{
	{name: "IPv6Fragments", rules: "D-FRAG6-01 D-FRAG6-02 D-FRAG6-03", needs: Wires | IPv6 | Unlimited, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		s := bound6(t, n, "[::]:7")
		text := letters6(240)
		d := udp6(there6, global6, 9, 7, text)
		options := append([]byte("\x11\x00\x01\x04\x00\x00\x00\x00"), d...)
		cut := append([]byte{17, 1}, options[2:]...)
		long := slices.Concat(make([]byte, 65528), d)
		nested := func(more bool) []byte {
			h := make([]byte, 8)
			wire.PutIPv6Fragment(h, wire.ProtocolUDP, 0, more, 9)
			return append(h, d...)
		}
		of := func(next wire.Protocol, from, to int, more bool) piece6 { return piece6{from, to, more, next, 0} }
		for k, c := range []struct {
			what    string
			payload []byte
			pieces  []piece6
			whole   int
			answer  string
		}{
			{"two", d, []piece6{moreOf(0, 128), lastOf(128, 248)}, 1, ""},
			{"the last first", d, []piece6{lastOf(128, 248), moreOf(0, 128)}, 1, ""},
			{"the same again", d, []piece6{moreOf(0, 128), moreOf(0, 128), lastOf(128, 248)}, 1, ""},
			{"overlapping", d, []piece6{moreOf(0, 136), lastOf(128, 248), lastOf(136, 248)}, 0, ""},
			{"within what came in a row", d, []piece6{moreOf(0, 64), moreOf(64, 128), moreOf(32, 96), lastOf(128, 248)}, 1, ""},
			{"atomic", d, []piece6{lastOf(0, 248)}, 1, ""},
			{"atomic among others", d, []piece6{moreOf(0, 128), lastOf(0, 248), lastOf(128, 248)}, 2, ""},
			{"a first one of eight bytes", d, []piece6{moreOf(0, 8), lastOf(8, 248)}, 1, ""},
			{"a first one without bytes", d, []piece6{moreOf(0, 0)}, 0, "4/3 0"},
			{"a first one without the UDP header", options, []piece6{of(60, 0, 8, true), of(60, 8, 256, false)}, 0, "4/3 0"},
			{"a first one whose options are cut", cut, []piece6{of(60, 0, 8, true), of(60, 8, 256, false)}, 0, "4/3 0"},
			{"a first one with all headers", options, []piece6{of(60, 0, 16, true), of(60, 16, 256, false)}, 1, ""},
			{"no multiple of eight", d, []piece6{moreOf(0, 100)}, 0, "4/0 4"},
			{"no multiple of eight among others", d, []piece6{moreOf(0, 128), moreOf(128, 131), lastOf(128, 248)}, 1, "4/0 4"},
			{"too long", long, []piece6{lastOf(65528, 65544)}, 0, "4/0 42"},
			{"too long among others", d, []piece6{moreOf(0, 128), lastOf(128, 248)}, 1, ""},
			{"another next header", d, []piece6{of(60, 128, 248, false), moreOf(0, 128)}, 1, ""},
			{"a fragment header within", nested(false), []piece6{of(44, 0, 256, false)}, 0, "4/0 48"},
			{"one of more within", nested(true), []piece6{of(44, 0, 256, false)}, 0, "4/0 48"},
			{"two ends", d, []piece6{lastOf(128, 248), lastOf(64, 128), moreOf(0, 128)}, 0, ""},
			{"beyond the end", d, []piece6{lastOf(64, 128), moreOf(128, 136), moreOf(0, 64)}, 0, ""},
			{"no next header", d, []piece6{of(59, 0, 8, true), of(59, 8, 16, false)}, 0, ""},
			{"an unknown protocol", d, []piece6{of(200, 0, 8, true), of(200, 8, 16, false)}, 0, "4/1 6"},
			{"an echo request", icmp6(there6, global6, 128, 0, 5, make([]byte, 100)), []piece6{of(58, 0, 48, true), of(58, 48, 108, false)}, 0, "129/0 5"},
		} {
			n.sendPieces(global6, uint32(k+1), c.payload, c.pieces...)
			var got []string
			for _, p := range n.Sent6(t) {
				got = append(got, p.String())
			}
			if strings.Join(got, ", ") != c.answer {
				t.Errorf("%s: answered %q, want %q", c.what, got, c.answer)
			}
			for range c.whole {
				s.want(text)
			}
			s.wantNothing()
			if n.Kind == Stack {
				n.Elapse(150 * time.Millisecond)
			}
		}
	}},
	{name: "IPv6FragmentsECN", rules: "D-FRAG6-04", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		s := bound6(t, n, "[::]:7")
		s.set(socket.Report, int(socket.FieldTOS))
		text := letters6(240)
		d := udp6(there6, global6, 9, 7, text)
		id := uint32(0)
		for first := range uint8(4) {
			for second := range uint8(4) {
				id++
				n.sendPieces(global6, id, d, piece6{0, 128, true, 0, 0x20 | first}, piece6{128, 248, false, 0, second})
				n.Sent6(t)
				switch {
				case (first == 0) != (second == 0):
					s.wantNothing()
				default:
					want := 0x20 | first
					if first == 3 || second == 3 {
						want = 0x23
					}
					if m := s.want(text); m.TOS != want {
						t.Errorf("%d and %d make %#x, want %#x", first, second, m.TOS, want)
					}
				}
			}
		}
	}},
	{name: "IPv6FragmentsToAll", rules: "D-FRAG6-01", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		s := bound6(t, n, "[::]:7")
		text := letters6(240)
		d := udp6(there6, "ff02::1", 9, 7, text)
		n.sendPieces("ff02::1", 1, d, moreOf(0, 128), lastOf(128, 248))
		n.Sent6(t)
		s.want(text)
	}},
	{name: "IPv6FragmentsLongest", rules: "D-FRAG6-05", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		s := bound6(t, n, "[::]:7")
		d := udp6(there6, global6, 9, 7, strings.Repeat("x", 65527))
		for _, hop := range []bool{false, true} {
			id := uint32(1)
			if hop {
				id++
			}
			for at := 0; at < len(d); at += 1440 {
				f := fragment6(wire.ProtocolUDP, id, d, at, min(at+1440, len(d)), at+1440 < len(d))
				next := wire.ProtocolIPv6Fragment
				if hop {
					next, f = wire.ProtocolIPv6HopByHop, append([]byte(optionsHeader(next, option6(1, 4))), f...)
				}
				n.Eth0.Send6(there6, global6, next, f)
			}
			n.Sent6(t)
			if hop {
				s.wantNothing()
			} else if m, err := s.recv(); err != nil || len(m.Buf) != 65527 {
				t.Errorf("received %d bytes, %v", len(m.Buf), err)
			}
		}
	}},
	{name: "IPv6FragmentsTimeout", rules: "D-FRAG6-06", needs: Wires | IPv6, only: Stack, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		d := udp6(there6, global6, 9, 7, letters6(240))
		n.sendPieces(global6, 1, d, moreOf(0, 128))
		n.sendPieces(global6, 2, d, lastOf(128, 248))
		n.Elapse(59900 * time.Millisecond)
		n.Six.setNeighbor(t, there6, there6MAC, "reachable")
		if got := n.Sent6(t); len(got) != 1 { // what setNeighbor sends
			t.Errorf("%v too soon", got)
		}
		n.Elapse(200 * time.Millisecond)
		if got := n.Sent6(t); len(got) != 1 || got[0].String() != "3/1 0" || len(got[0].Data) != 48+128 {
			t.Errorf("%v after 60 s", got)
		}
	}},
	{name: "IPv6SentInFragments", rules: "D-FRAG6-07", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		s := bound6(t, n, "[::]:7")
		seen := map[uint32]bool{}
		for _, size := range []int{1452, 1453, 3000, 65527} {
			text := letters6(size)
			s.send(at6(there6, 9), text)
			got := n.Sent6(t)
			if size == 1452 {
				if len(got) != 1 || got[0].UDP == nil || string(got[0].Data) != text {
					t.Errorf("%d bytes: sent %v", size, got)
				}
				continue
			}
			var whole []byte
			for k, p := range got {
				last := k == len(got)-1
				if p.Fragment == nil || p.Fragment.FragmentOffset() != len(whole) || p.Fragment.MoreFragments() == last ||
					!last && len(p.Data) != 1448 || p.Fragment.ID() != got[0].Fragment.ID() || p.Fragment.NextHeader() != wire.ProtocolUDP {
					t.Fatalf("%d bytes: fragment %d is %v, of %d", size, k, p, len(got))
				}
				whole = append(whole, p.Data...)
			}
			if len(whole) < 8 || string(whole[8:]) != text || seen[got[0].Fragment.ID()] {
				t.Errorf("%d bytes: the fragments make %d, and the identification is %d", size, len(whole), got[0].Fragment.ID())
			}
			seen[got[0].Fragment.ID()] = true
		}
		s.sendErr(at6(there6, 9), letters6(65528), syscall.EMSGSIZE)
	}},
	{name: "IPv6PathMTU", rules: "D-PMTU6-01 D-PMTU6-02 D-PMTU6-03", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		s := bound6(t, n, "[::]:0")
		if v, err := s.Option(socket.PathMTU); err != syscall.ENOTCONN {
			t.Errorf("unconnected: %d, %v, want ENOTCONN", v, name(err))
		}
		s.connect(at6(there6, 9))
		s.wantOption(socket.PathMTU, 1500)
		tooBig := func(mtu uint32, port uint16) {
			n.Eth0.Send6("2001:db8::fe", global6, wire.ProtocolICMPv6, error6(2, 0, mtu, port, "x"))
			n.Sent6(t)
		}
		tooBig(1279, s.port())
		s.wantOption(socket.PathMTU, 1500)
		s.get(socket.Error)
		tooBig(1400, s.port()+1)
		s.wantOption(socket.PathMTU, 1500)
		tooBig(1500, s.port())
		s.wantOption(socket.PathMTU, 1500)
		s.get(socket.Error)
		tooBig(1400, s.port())
		s.wantOption(socket.PathMTU, 1400)
		s.wantErr(syscall.EMSGSIZE)
		tooBig(1450, s.port())
		s.wantOption(socket.PathMTU, 1400)
		s.get(socket.Error)
		tooBig(1280, s.port())
		s.wantOption(socket.PathMTU, 1280)
		s.get(socket.Error)
		for _, c := range []struct {
			how   socket.Discovery
			size  int
			err   error
			sizes []int
		}{
			{socket.DiscoveryOff, 1232, nil, []int{1280}}, {socket.DiscoveryOff, 1233, nil, []int{1280, 57}},
			{socket.DiscoveryWant, 1232, nil, []int{1280}}, {socket.DiscoveryWant, 1233, nil, []int{1280, 57}},
			{socket.DiscoveryOn, 1232, nil, []int{1280}}, {socket.DiscoveryOn, 1233, syscall.EMSGSIZE, nil},
			{socket.DiscoveryProbe, 1452, nil, []int{1500}}, {socket.DiscoveryProbe, 1453, syscall.EMSGSIZE, nil},
			{socket.DiscoveryInterface, 1452, nil, []int{1500}}, {socket.DiscoveryInterface, 1453, syscall.EMSGSIZE, nil},
			{socket.DiscoveryOmit, 1453, nil, []int{1496, 61}},
		} {
			s.set(socket.MTUDiscovery, int(c.how))
			if c.err == nil {
				s.send("", letters6(c.size))
			} else {
				s.sendErr("", letters6(c.size), c.err)
			}
			var sizes []int
			for _, p := range n.Sent6(t) {
				sizes = append(sizes, wire.IPv6HeaderLen+int(p.IP.PayloadLength()))
			}
			if !slices.Equal(sizes, c.sizes) {
				t.Errorf("%v of %d: packets of %v, want %v", c.how, c.size, sizes, c.sizes)
			}
		}
		// Who does not believe it is not told either.
		for _, how := range []socket.Discovery{socket.DiscoveryInterface, socket.DiscoveryOmit} {
			s.set(socket.MTUDiscovery, int(how))
			tooBig(1280, s.port())
			s.wantOption(socket.Error, 0)
		}
	}},
	{name: "IPv6TooLongIsQueued", rules: "D-PMTU6-04", needs: Wires | IPv6, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		s := bound6(t, n, "[::]:0")
		s.set(socket.ReceiveErrors, 1)
		s.set(socket.MTUDiscovery, int(socket.DiscoveryOn))
		s.sendErr(at6(there6, 9), letters6(1453), syscall.EMSGSIZE)
		m := s.wantQueued(syscall.EMSGSIZE)
		if m.Origin != socket.OriginLocal || m.Info != 1500 || m.Addr.String() != at6(there6, 9) {
			t.Errorf("queued %+v", m)
		}
	}},
}
