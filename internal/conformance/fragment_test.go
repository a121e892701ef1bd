//go:build linux

package conformance

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// A piece is a fragment to be made of a packet: the bytes from at to end of what
// follows its header.
type piece struct {
	at, end int
	last    bool // it says that it is the last
}

// fragment returns a fragment of a packet. What lies beyond the packet is zeros.
func fragment(packet []byte, id uint16, p piece) []byte {
	ip, _, payload, err := wire.ParseIPv4(packet)
	if err != nil {
		panic(err)
	}
	payload = append(payload, make([]byte, max(0, p.end-len(payload)))...)
	b := append(append([]byte(nil), packet[:ip.HeaderLen()]...), payload[p.at:p.end]...)
	h := (*wire.IPv4Header)(b)
	h.SetID(id)
	h.SetTotalLength(uint16(len(b)))
	h.SetFragmentOffset(p.at)
	h.SetMoreFragments(!p.last)
	h.UpdateChecksum(b[wire.IPv4HeaderLen:ip.HeaderLen()])
	return b
}

// sendPieces injects fragments of a datagram into eth0.
func sendPieces(n *Machine, d Datagram, id uint16, pieces ...piece) {
	for _, p := range pieces {
		n.Eth0.SendIP(fragment(d.Bytes(), id, p))
	}
}

// letters is text in which every eight bytes differ from their neighbours.
func letters(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + i/8%26)
	}
	return string(b)
}

// nextWhole takes fragments from the wire until they make a packet, and checks that
// they are what they should be. It returns what follows the IP header and the
// identification.
func nextWhole(t *testing.T, w *Wire) (payload []byte, id uint16) {
	t.Helper()
	for {
		p := w.Next(t)
		ip := p.IP
		if len(payload) == 0 {
			id = ip.ID()
		}
		if ip.FragmentOffset() != len(payload) || ip.ID() != id || ip.DontFragment() || len(p.Raw) > wireMTU {
			t.Fatalf("a fragment of %d bytes at %d, id %d, DF %v, behind %d bytes of id %d",
				len(p.Raw), ip.FragmentOffset(), ip.ID(), ip.DontFragment(), len(payload), id)
		}
		data := p.Raw[ip.HeaderLen():]
		payload = append(payload, data...)
		if !ip.MoreFragments() {
			return payload, id
		}
		if len(data) != (wireMTU-wire.IPv4HeaderLen)&^7 {
			t.Errorf("a fragment has %d bytes, want as many as fit", len(data))
		}
	}
}

// heard returns the datagram that has arrived, if one has.
func heard(t *testing.T, n *Machine, s *sock) (socket.Message, bool) {
	t.Helper()
	n.Settle(t)
	ms := []socket.Message{{Buf: make([]byte, 65536)}}
	k, err := s.TryRecv(ms)
	if err != nil && err != syscall.EAGAIN {
		t.Fatalf("TryRecv: %v", name(err))
	}
	return ms[0], k == 1
}

// contradictions are sequences of fragments that do not fit together, of a datagram of
// 108 bytes with its UDP header.
var contradictions = []struct {
	what   string
	rule   string
	pieces []piece
	whole  bool
}{
	{"the same again", "D-FRAG-03", []piece{{0, 48, false}, {0, 48, false}, {48, 108, true}}, true},
	{"the last again", "D-FRAG-03", []piece{{48, 108, true}, {48, 108, true}, {0, 48, false}}, true},
	{"within what came", "D-FRAG-03", []piece{{0, 48, false}, {8, 40, false}, {48, 108, true}}, true},
	{"within two in a row", "D-FRAG-03", []piece{{0, 24, false}, {24, 48, false}, {16, 32, false}, {48, 108, true}}, true},
	{"the last of a row, and it is the last", "D-FRAG-03", []piece{{48, 104, false}, {0, 48, false}, {96, 104, true}, {96, 104, true}}, false},
	{"over two not in a row", "D-FRAG-04", []piece{{24, 48, false}, {0, 24, false}, {16, 32, false}, {48, 108, true}}, false},
	{"over the end", "D-FRAG-04", []piece{{0, 48, false}, {40, 56, false}, {48, 108, true}}, false},
	{"over the beginning", "D-FRAG-04", []piece{{48, 108, true}, {40, 56, false}, {0, 48, false}}, false},
	{"around", "D-FRAG-04", []piece{{16, 24, false}, {0, 48, false}, {48, 108, true}}, false},
	{"larger from the same beginning", "D-FRAG-04", []piece{{0, 16, false}, {0, 24, false}, {24, 108, true}}, false},
	{"larger to the same end", "D-FRAG-04", []piece{{48, 108, true}, {24, 108, true}, {0, 24, false}}, false},
	{"beyond the last", "D-FRAG-11", []piece{{48, 108, true}, {104, 120, false}, {0, 48, false}}, false},
	{"two ends", "D-FRAG-11", []piece{{48, 108, true}, {48, 100, true}, {0, 48, false}}, false},
	{"an end before what came", "D-FRAG-11", []piece{{0, 64, false}, {48, 56, true}, {64, 108, true}}, false},
	{"no bytes", "D-FRAG-11", []piece{{0, 48, false}, {48, 48, false}, {48, 108, true}}, false},
	{"no bytes at the beginning", "D-FRAG-11", []piece{{48, 108, true}, {0, 0, false}, {0, 48, false}}, false},
	{"no bytes at the end", "D-FRAG-11", []piece{{0, 48, false}, {108, 108, true}, {48, 108, true}}, false},
	{"fewer than eight", "D-FRAG-11", []piece{{0, 48, false}, {48, 55, false}, {48, 108, true}}, false},
	{"not a multiple of eight", "D-FRAG-12", []piece{{0, 50, false}, {48, 108, true}}, true},
	{"not a multiple of eight, and nothing fits it", "D-FRAG-12", []piece{{0, 50, false}, {56, 108, true}}, false},
}

var fragmentCases = []testCase{
	{name: "FragmentOut", rules: "D-FRAG-01 D-FRAG-10", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.send("10.0.0.2:9", "warm")
		n.Eth0.NextUDP(t, "warm")
		for _, connect := range []bool{false, true} {
			to := "10.0.0.2:9"
			if connect {
				s.connect(to)
				to = ""
			}
			for _, size := range []int{1473, 1480, 1481, 2952, 2953, 9000, 65507} {
				payload := letters(size)
				s.send(to, payload)
				got, _ := nextWhole(t, n.Eth0)
				u, data, err := wire.ParseUDP(got)
				if err != nil || string(data) != payload {
					t.Fatalf("%d bytes: %v, they are others", size, err)
				}
				pseudo := wire.PseudoIPv4([4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}, wire.ProtocolUDP, u.Length())
				if wire.AddSum(pseudo, wire.Sum(got)) != 0xffff {
					t.Errorf("%d bytes: the checksum %#04x is wrong", size, u.Checksum())
				}
			}
		}
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "FragmentModes", rules: "D-FRAG-10 D-SIZE-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		s.set(socket.DontFragment, 0)
		s.send("", letters(1472))
		if p := n.Eth0.Next(t); p.IP.IsFragment() || p.IP.DontFragment() {
			t.Errorf("%v: fragment %v, DF %v", p, p.IP.IsFragment(), p.IP.DontFragment())
		}
		s.send("", letters(1473))
		nextWhole(t, n.Eth0)
		s.set(socket.DontFragment, 1)
		s.sendErr("", letters(1473), syscall.EMSGSIZE)
		// The others of a batch are sent.
		s.set(socket.DontFragment, 0)
		ms := []socket.Message{{Buf: []byte("1")}, {Buf: []byte(letters(3000))}, {Buf: []byte("3")}}
		for k := 0; k < len(ms); {
			c, err := s.TrySend(ms[k:])
			if err != nil {
				t.Fatal(err)
			}
			k += c
		}
		n.Eth0.NextUDP(t, "1")
		if got, _ := nextWhole(t, n.Eth0); string(got[8:]) != letters(3000) {
			t.Error("the fragments are of something else")
		}
		n.Eth0.NextUDP(t, "3")
	}},
	{name: "FragmentNeighbour", rules: "D-FRAG-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		// Fragments wait for the next hop's address, all of them.
		s := open(t, n)
		s.send("10.0.0.2:9", letters(30000))
		if got, _ := nextWhole(t, n.Eth0); string(got[8:]) != letters(30000) {
			t.Error("the fragments are of something else")
		}
	}},
	{name: "FragmentSendBuffer", rules: "D-FRAG-17", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.send("10.0.0.2:9", "warm")
		n.Eth0.NextUDP(t, "warm")
		s.set(socket.SendBuffer, 0) // as small as can be
		s.sendErr("10.0.0.2:9", letters(65507), syscall.ENOBUFS)
		s.send("10.0.0.2:9", letters(3000))
		nextWhole(t, n.Eth0)
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "FragmentBroadcast", rules: "D-FRAG-18", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "0.0.0.0:4000", socket.Broadcast, socket.ReuseAddr)
		s.send("10.0.0.255:4000", letters(5000))
		s.want(letters(5000))
		if got, _ := nextWhole(t, n.Eth0); string(got[8:]) != letters(5000) {
			t.Error("the fragments are of something else")
		}
		// And one in fragments that somebody else sends.
		r := bound(t, n, "10.0.0.255:4000", socket.ReuseAddr)
		d := Datagram{From: "10.0.0.2:9", To: "10.0.0.255:4000", Payload: letters(100)}
		for _, p := range []piece{{48, 108, true}, {0, 48, false}} {
			n.Eth0.Send(ethernet(broadcastMAC, gatewayMAC, fragment(d.Bytes(), 1, p)))
		}
		s.want(letters(100))
		r.want(letters(100))
	}},
	{name: "FragmentIdentifications", rules: "D-FRAG-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		seen := map[uint16]bool{}
		const many = 1000
		for k := range many {
			s.send("", letters(1473))
			_, id := nextWhole(t, n.Eth0)
			if seen[id] {
				t.Fatalf("datagram %d has the identification %d, which an earlier one had", k, id)
			}
			seen[id] = true
		}
	}},
	{name: "FragmentOrder", rules: "D-FRAG-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		pieces := []piece{{0, 24, false}, {24, 32, false}, {32, 104, false}, {104, 108, true}}
		id := uint16(1)
		var permute func(int)
		permute = func(k int) {
			if k == len(pieces) {
				id++
				sendPieces(n, Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000", Payload: letters(100)}, id, pieces...)
				s.want(letters(100))
				return
			}
			for i := k; i < len(pieces); i++ {
				pieces[k], pieces[i] = pieces[i], pieces[k]
				permute(k + 1)
				pieces[k], pieces[i] = pieces[i], pieces[k]
			}
		}
		permute(0)
		s.wantNothing()
	}},
	{name: "FragmentSizes", rules: "D-FRAG-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		s.set(socket.ReceiveBuffer, 200000)
		for k, size := range []int{1473, 9000, 65507} {
			d := Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000", Payload: letters(size)}.Bytes()
			for at := 0; at < size+8; at += 1480 {
				end := min(at+1480, size+8)
				n.Eth0.SendIP(fragment(d, uint16(k), piece{at, end, end == size+8}))
			}
			s.want(letters(size))
		}
	}},
	{name: "FragmentContradictions", rules: "D-FRAG-03 D-FRAG-04 D-FRAG-11 D-FRAG-12", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		for k, c := range contradictions {
			payload := fmt.Sprintf("%-100s", c.what)
			sendPieces(n, Datagram{From: fmt.Sprintf("10.0.0.%d:9", 2+k), To: "10.0.0.1:4000", Payload: payload}, 1, c.pieces...)
			if m, ok := heard(t, n, s); ok != c.whole || ok && string(m.Buf) != payload {
				t.Errorf("%s, %s: heard %v, %q, want %v", c.rule, c.what, ok, m.Buf, c.whole)
			}
		}
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "FragmentFields", rules: "D-FRAG-14", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		s.set(socket.Report, int(socket.FieldTTL|socket.FieldTOS|socket.FieldInterface|socket.FieldLocal))
		d := Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000", Payload: letters(100), TTL: 5, TOS: 0x20}
		first := withOptions(d.Bytes(), []byte{1, 1, 1, 1})
		d.TTL, d.TOS = 9, 0x40
		for k, order := range []bool{true, false} {
			a, b := fragment(first, uint16(k), piece{0, 24, false}), fragment(d.Bytes(), uint16(k), piece{24, 108, true})
			if order {
				n.Eth0.SendIP(a)
				n.Settle(t)
				n.Eth1.SendIP(b)
			} else {
				n.Eth1.SendIP(b)
				n.Settle(t)
				n.Eth0.SendIP(a)
			}
			m := s.wantFrom(letters(100), "10.0.0.2:9")
			if m.TTL != 5 || m.TOS != 0x20 || m.Interface != n.Index(t, "eth0") || m.Local != addrPort("10.0.0.1:4000") {
				t.Errorf("the first came first: %v: TTL %d, TOS %#x, interface %d, to %v", order, m.TTL, m.TOS, m.Interface, m.Local)
			}
		}
		// Another source, destination, protocol or identification is another
		// datagram's.
		sendPieces(n, d, 7, piece{0, 24, false})
		for _, other := range []Datagram{
			{From: "10.0.0.3:9", To: d.To, Payload: d.Payload},
			{From: d.From, To: "10.0.0.7:4000", Payload: d.Payload},
			{From: d.From, To: d.To, Payload: d.Payload, Protocol: 253},
		} {
			sendPieces(n, other, 7, piece{24, 108, true})
		}
		sendPieces(n, d, 8, piece{24, 108, true})
		s.wantNothing()
		sendPieces(n, d, 7, piece{24, 108, true})
		s.want(letters(100))
	}},
	{name: "FragmentTooMuch", rules: "D-FRAG-13", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		s.set(socket.ReceiveBuffer, 200000)
		for k, c := range []struct {
			options []byte
			end     int
			heard   bool
		}{{nil, 65515, true}, {nil, 65516, false}, {nil, 65528 + 80, false}, {[]byte{1, 1, 1, 1}, 65511, true}, {[]byte{1, 1, 1, 1}, 65512, false}} {
			// The length in the UDP header is right, so that only what IP can
			// carry counts.
			d := Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000", Payload: strings.Repeat("x", 1000)}
			none := uint16(0)
			d.Checksum, d.Length = &none, min(c.end, 65535)
			b := d.Bytes()
			if c.options != nil {
				b = withOptions(b, c.options)
			}
			for at := 0; at < c.end; at += 1400 {
				end := at + 1400
				if at < 65528 && end > 65528 {
					end = min(65528, c.end)
				}
				end = min(end, c.end)
				n.Eth0.SendIP(fragment(b, uint16(k), piece{at, end, end == c.end}))
				if end == 65528 && c.end > end {
					n.Eth0.SendIP(fragment(b, uint16(k), piece{end, c.end, true}))
					break
				}
			}
			if m, ok := heard(t, n, s); ok != c.heard {
				t.Errorf("%+v: heard %v, %d bytes", c, ok, m.Len)
			}
		}
	}},
	{name: "FragmentECN", rules: "D-FRAG-07", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		s.set(socket.Report, int(socket.FieldTOS))
		const not, ect1, ect0, ce = 0, 1, 2, 3
		for k, c := range []struct {
			marks []uint8
			want  int // -1: dropped
		}{
			{[]uint8{not, not}, not}, {[]uint8{ect0, ect0}, ect0}, {[]uint8{ect1, ect1}, ect1}, {[]uint8{ce, ce}, ce},
			{[]uint8{ect0, ect1}, ect0}, {[]uint8{ect1, ect0}, ect1},
			{[]uint8{ect0, ce}, ce}, {[]uint8{ce, ect0}, ce}, {[]uint8{ect1, ce}, ce}, {[]uint8{ect0, ect1, ce}, ce},
			{[]uint8{not, ce}, -1}, {[]uint8{ce, not}, -1}, {[]uint8{not, ect0}, -1}, {[]uint8{ect1, not}, -1}, {[]uint8{not, ect0, ce}, -1},
		} {
			for i, mark := range c.marks {
				p := piece{at: 16 * i, end: 16 * (i + 1)}
				if i == len(c.marks)-1 {
					p.end, p.last = 108, true
				}
				sendPieces(n, Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000", Payload: letters(100), TOS: 0xb8 | mark}, uint16(k), p)
			}
			if c.want < 0 {
				s.wantNothing()
				continue
			}
			if m := s.want(letters(100)); int(m.TOS) != 0xb8|c.want {
				t.Errorf("%v: TOS %#x, want %#x", c.marks, m.TOS, 0xb8|c.want)
			}
		}
	}},
	{name: "FragmentDistance", rules: "D-FRAG-15", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		for k, between := range []int{63, 64} {
			d := Datagram{From: fmt.Sprintf("10.0.0.%d:9", 2+k), To: "10.0.0.1:4000", Payload: letters(100)}
			sendPieces(n, d, 1, piece{0, 48, false})
			for id := range between {
				sendPieces(n, d, uint16(100+id), piece{0, 48, false})
			}
			sendPieces(n, d, 1, piece{48, 108, true})
			if between == 63 {
				s.want(letters(100))
				continue
			}
			s.wantNothing()
			sendPieces(n, d, 1, piece{0, 48, false}) // the old one is forgotten
			s.want(letters(100))
		}
	}},
	{name: "FragmentEcho", rules: "D-FRAG-16", needs: Wires, run: func(t *testing.T, n *Machine) {
		body := []byte(letters(5000))
		request := icmp("10.0.0.2", "10.0.0.1", wire.ICMPEchoRequest, 0, [4]byte{1, 2, 3, 4}, body)
		for at := 0; at < 5008; at += 1480 {
			end := min(at+1480, 5008)
			n.Eth0.SendIP(fragment(request, 9, piece{at, end, end == 5008}))
		}
		got, _ := nextWhole(t, n.Eth0)
		m, data, err := wire.ParseICMP(got)
		if err != nil || m.Type() != wire.ICMPEchoReply || !m.ChecksumOK(data) || !bytes.Equal(data, body) {
			t.Errorf("the answer is %v with %d bytes, %v", m.Type(), len(data), err)
		}
	}},
	{name: "FragmentNoError", rules: "D-FRAG-09 D-ICMP-09", needs: Wires, run: func(t *testing.T, n *Machine) {
		// Of a datagram to a closed port the whole is told of.
		d := Datagram{From: "10.0.0.2:9", To: "10.0.0.1:4000", Payload: letters(100)}
		sendPieces(n, d, 1, piece{48, 108, true})
		wantQuiet(t, n, n.Eth0)
		sendPieces(n, d, 1, piece{0, 48, false})
		p := n.Eth0.NextICMP(t, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable)
		q, _, data, err := p.ICMP.Quote(p.Data)
		if err != nil || q.IsFragment() || int(q.TotalLength()) != 128 || string(data[8:]) != letters(100) {
			t.Errorf("it quotes %d bytes of a packet of %d, fragment %v", len(data), q.TotalLength(), q.IsFragment())
		}
	}},
	{name: "FragmentTimeout", rules: "D-FRAG-05 D-FRAG-09", needs: Wires, slow: true, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		from := func(k int) Datagram {
			return Datagram{From: fmt.Sprintf("10.0.0.%d:9", k), To: "10.0.0.1:4000", Payload: letters(100), TOS: 0x28}
		}
		for k := range 4 {
			s.send(fmt.Sprintf("10.0.0.%d:9", 2+k), "so that the neighbour is known")
			n.Eth0.Next(t)
		}
		sendPieces(n, from(2), 1, piece{0, 24, false}, piece{48, 108, true})
		sendPieces(n, from(3), 1, piece{24, 48, false}, piece{48, 108, true}) // not the first
		many := from(4)
		many.To = "10.0.0.255:4000"
		n.Eth0.Send(ethernet(broadcastMAC, gatewayMAC, fragment(many.Bytes(), 1, piece{0, 24, false})))
		sendPieces(n, from(5), 1, piece{48, 108, true})
		n.Elapse(20 * time.Second)
		sendPieces(n, from(5), 1, piece{0, 24, false}) // the time is that of what came first
		n.Elapse(9 * time.Second)
		wantQuiet(t, n, n.Eth0)
		n.Elapse(4 * time.Second) // the kernel's timers may be 2 s late
		seen := map[string]bool{}
		for _, p := range n.Sent(t, n.Eth0) {
			if p.ICMP == nil || p.ICMP.Type() != wire.ICMPTimeExceeded || p.ICMP.Code() != wire.ICMPReassemblyTimeExceeded {
				t.Errorf("the machine sent %v", p)
				continue
			}
			to := p.IP.Destination().String()
			seen[to] = true
			if p.IP.Source().String() != "10.0.0.1" || p.IP.TOS() != 0xc8 {
				t.Errorf("%v, TOS %#x", p, p.IP.TOS())
			}
			if want := fragment(from(int(p.IP.Destination().As4()[3])).Bytes(), 1, piece{0, 24, false}); !bytes.Equal(p.Data, want) {
				t.Errorf("to %s it quotes\n% x, want\n% x", to, p.Data, want)
			}
		}
		if len(seen) != 2 || !seen["10.0.0.2"] || !seen["10.0.0.5"] {
			t.Errorf("told were %v, want 10.0.0.2 and 10.0.0.5", seen)
		}
		// What comes now begins anew.
		sendPieces(n, from(2), 1, piece{24, 48, false})
		s.wantNothing()
	}},
	{name: "FragmentMemory", rules: "D-FRAG-06", needs: Wires, only: Stack, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "10.0.0.1:4000")
		d := Datagram{To: "10.0.0.1:4000", Payload: letters(1000)}
		const many = 10000
		for k := range many {
			d.From = fmt.Sprintf("10.0.0.%d:9", 2+k%90)
			sendPieces(n, d, uint16(k), piece{0, 808, false})
		}
		d.From = "10.0.0.2:9"
		sendPieces(n, d, 0, piece{808, 1008, true}) // the oldest is gone
		s.wantNothing()
		d.From = fmt.Sprintf("10.0.0.%d:9", 2+(many-1)%90)
		sendPieces(n, d, many-1, piece{808, 1008, true}) // the newest is not
		s.want(letters(1000))
	}},
}
