package stack

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// traffic is a forwarding stack with sockets and with little room in its tables,
// and a sequence of bytes that says what stations on its cables do to it: good and
// bad datagrams, fragments of several datagrams mixed, ICMP errors about what it has
// really sent, ARP, and the passing of time.
type traffic struct {
	*host
	t       testing.TB
	cables  [2]*cable
	sockets []*Socket
	sent    [8][]byte // frames that came out, the latest ones
	next    int
	data    []byte
	family  *trafficFamily
}

// trafficFamily is what is different in traffic of IPv4 and of IPv6.
type trafficFamily struct {
	name   string
	open   func(w *traffic)              // gives it hosts and sockets
	static int                           // neighbours that were set by hand
	kinds  int                           // of steps
	frame  func(*traffic, *cable) []byte // a datagram, good or bad
	piece  func(w *traffic, l *cable)    // fragments
	error  func(w *traffic, l *cable, quoted []byte)
	who    func(w *traffic, l *cable) // neighbours ask and answer
	peer   func(w *traffic) string
	// reasons are those that its test meets.
	reasons []string
}

var trafficFamilies = []*trafficFamily{
	{
		name: "IPv4", open: (*traffic).open4, static: 2, kinds: 10, peer: (*traffic).station,
		frame: func(w *traffic, l *cable) []byte { return w.datagram(l).frame() },
		piece: (*traffic).fragments, error: (*traffic).icmpError, who: (*traffic).arp,
		reasons: []string{
			"BadChecksum", "OptionsRejected", "MACFiltered", "TTLExpired", "NoPort", "NeighborUnreachable", "NeighborQueueFull", "PacketTooBig",
			"ReassemblyTimeout", "ReassemblyOverlap", "ReassemblyDuplicate", "ReassemblyMemory", "ICMPUnmatched", "ICMPUnsupported", "ReceiveQueueFull",
		},
	},
	{
		name: "IPv6", open: (*traffic).openSix, static: 3, kinds: 11, peer: (*traffic).station6,
		frame: func(w *traffic, l *cable) []byte { return on(l, w.packet6()) },
		piece: (*traffic).fragments6, error: (*traffic).icmpError6, who: (*traffic).ndp,
		reasons: []string{
			"BadChecksum", "MissingChecksum", "OptionsRejected", "MartianSource", "MartianDestination", "TTLExpired", "NoPort", "NoRoute",
			"NeighborUnreachable", "NeighborQueueFull", "PacketTooBig", "ReassemblyTimeout", "ReassemblyOverlap", "ReassemblyDuplicate",
			"ReassemblyMemory", "ICMPUnmatched", "ICMPUnsupported", "ReceiveQueueFull",
		},
	},
}

// trafficLimits are so narrow that a short sequence reaches them.
var trafficLimits = Limits{
	Neighbors: 4, NeighborQueue: 2, Backlog: 4, ErrorDestinations: 3, PathMTUs: 2, EchoPorts: 1, ReassemblyMemory: 6 << 10,
}

func newTraffic(t testing.TB, f *trafficFamily, data []byte) *traffic {
	w := &traffic{t: t, data: data, family: f}
	f.open(w)
	setOption(t, w.sockets[0], socket.ReceiveErrors, 1)
	setOption(t, w.sockets[2], socket.ReceiveErrors, 1)
	setOption(t, w.sockets[3], socket.ReceiveBuffer, 4000)
	if _, err := w.OpenEcho(func(Echo) {}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *traffic) open4() {
	t := w.t
	w.host, w.cables[0], w.cables[1] = newRouter(t, Config{Limits: trafficLimits})
	w.cables[1].mtu = 300
	w.route(t, "192.0.2.0/24 via 10.1.0.9")
	w.sockets = []*Socket{
		w.open(t, "0.0.0.0:7"), w.connected(t, "10.0.0.2:8", "10.0.0.9:9"),
		w.connected(t, "10.1.0.2:8", "10.1.0.9:9"), w.open(t, "10.0.0.2:10"), w.connected(t, "10.0.0.2:11", "192.0.2.1:9"),
	}
}

// byte takes the next byte of the sequence, below n; 0 if there is none left.
func (w *traffic) byte(n int) int {
	if len(w.data) == 0 {
		return 0
	}
	b := w.data[0]
	w.data = w.data[1:]
	return int(b) % n
}

func (w *traffic) station() string {
	return [...]string{"10.0.0.9", "10.0.0.8", "10.0.0.7", "10.1.0.9", "10.1.0.5", "192.0.2.1", "192.0.2.2", "10.0.0.2"}[w.byte(8)]
}

func (w *traffic) own() string {
	return [...]string{"10.0.0.2", "10.1.0.2", "10.1.0.9", "192.0.2.1", "10.0.0.255", "10.0.0.77"}[w.byte(6)]
}

func (w *traffic) port() int { return 7 + w.byte(6) }

// datagram returns one from a station on the cable.
func (w *traffic) datagram(l *cable) datagram {
	d := datagram{
		to:  l.mac,
		src: fmt.Sprintf("%s:%d", w.station(), w.port()), dst: fmt.Sprintf("%s:%d", w.own(), w.port()),
		payload: letters(w.byte(256) * 8), tos: uint8(w.byte(4)),
	}
	flags := w.byte(256)
	d.dontFrag, d.badSum, d.noChecksum = flags&1 != 0, flags&6 == 6, flags&24 == 24
	if flags&96 == 96 {
		d.options = [][]byte{{7, 7, 4, 0, 0, 0, 0, 0}, {68, 8, 5, 0, 0, 0, 0, 0}, {148, 4, 0, 0}, {131, 3, 4, 0}}[w.byte(4)]
	}
	if flags&128 != 0 {
		d.ttl = uint8(w.byte(3))
	}
	return d
}

// fragments delivers some, of a few datagrams that are about at once.
func (w *traffic) fragments(l *cable) {
	d := datagram{to: l.mac, src: w.station() + ":9", dst: w.own() + ":7", payload: letters(500), tos: uint8(w.byte(4))}
	for id := uint16(w.byte(3)); ; {
		at := w.byte(8) * 64
		p := piece{at: at, end: at + 64*(1+w.byte(3)), last: at >= 384}
		if w.byte(8) == 7 {
			p.end, p.last = p.end-w.byte(60), w.byte(2) == 0
		}
		l.deliver(pieceOf(d, id, p))
		if w.byte(3) == 0 {
			return
		}
	}
}

// icmpError delivers an error about what is quoted.
func (w *traffic) icmpError(l *cable, quoted []byte) {
	rest := [4]byte{byte(w.byte(80)), 0, byte(w.byte(6)), byte(w.byte(256))} // a pointer, an MTU
	t := [...]wire.ICMPType{
		wire.ICMPDestinationUnreachable, wire.ICMPDestinationUnreachable, wire.ICMPTimeExceeded, wire.ICMPParameterProblem,
		wire.ICMPRedirect, wire.ICMPType(w.byte(256)),
	}[w.byte(6)]
	body := icmpBody(t, wire.ICMPCode(w.byte(16)), rest, quoted)
	l.deliver(datagram{to: l.mac, src: w.station() + ":0", dst: w.own() + ":0", protocol: wire.ProtocolICMP, payload: body}.frame())
}

// mac is a hardware address that a neighbour may claim to have.
func (w *traffic) mac() wire.MAC {
	return [...]wire.MAC{macPeer, macOther, {2, 0, 0, 0, 0, byte(w.byte(256))}, wire.Broadcast, macStack}[w.byte(5)]
}

// arp delivers a question or an answer.
func (w *traffic) arp(l *cable) {
	if mac := w.mac(); w.byte(2) == 0 {
		l.deliver(arpRequest(mac, w.station(), w.own()))
	} else {
		l.deliver(arpReply(mac, w.station(), w.own()))
	}
}

// step does what the next bytes say.
func (w *traffic) step() {
	l := w.cables[w.byte(2)]
	switch w.byte(w.family.kinds) {
	case 0:
		l.deliver(w.family.frame(w, l))
	case 1: // several, in one batch
		var batch [][]byte
		for range 1 + w.byte(6) {
			batch = append(batch, w.family.frame(w, l))
		}
		l.deliver(batch...)
	case 2, 3:
		w.family.piece(w, l)
	case 4: // an error about what was sent
		quoted := w.sent[w.byte(len(w.sent))]
		if len(quoted) <= wire.EthernetHeaderLen {
			return
		}
		quoted = quoted[wire.EthernetHeaderLen:]
		w.family.error(w, l, quoted[:min(len(quoted), 8+w.byte(256))])
	case 5:
		w.family.who(w, l)
	case 6:
		w.clock.Advance([...]time.Duration{time.Millisecond, time.Second, 5 * time.Second, 31 * time.Second, time.Minute, 11 * time.Minute}[w.byte(6)])
	case 7: // an answer, to somebody
		s := w.sockets[w.byte(len(w.sockets))]
		m := socket.Message{Buf: []byte(letters(w.byte(256) * 16))}
		if w.byte(2) == 0 {
			m.Addr = netip.AddrPortFrom(netip.MustParseAddr(w.family.peer(w)), uint16(w.port()))
		}
		s.TrySend([]socket.Message{m}) // or be told what is pending
	case 8:
		s := w.sockets[w.byte(len(w.sockets))]
		switch w.byte(4) {
		case 0:
			s.SetOption(socket.MTUDiscovery, w.byte(6))
		case 1:
			s.SetOption(socket.ReceiveErrors, w.byte(2))
		case 2:
			s.TryRecvError(&socket.ErrorMessage{Buf: make([]byte, w.byte(256))})
		case 3:
			s.Option(socket.PathMTU)
		}
	case 9:
		s := w.sockets[w.byte(len(w.sockets))]
		if size := w.byte(256); size%2 == 0 {
			s.TryRecv([]socket.Message{{Buf: make([]byte, size*8)}})
		} else if _, loan, _ := s.TryLend(make([]socket.Message, size/8)); loan != nil {
			loan.Return()
		}
	}
}

// check looks at the ledger and at each table.
func (w *traffic) check() {
	for _, l := range w.cables {
		for _, f := range l.take() {
			w.sent[w.next%len(w.sent)] = f
			w.next++
			w.wellFormed(f)
		}
	}
	if l := w.Ledger(); !l.Balanced() {
		w.t.Fatalf("the ledger does not balance: %+v, drops %v", l, w.Drops().Map())
	}
	if n := len(w.Neighbors()); n > trafficLimits.Neighbors+w.family.static {
		w.t.Fatalf("%d neighbours", n)
	}
	r := &w.reassembly
	r.mu.Lock()
	used := r.used
	r.mu.Unlock()
	if used > trafficLimits.ReassemblyMemory || used < 0 {
		w.t.Fatalf("fragments take %d bytes", used)
	}
	if n := w.pathMTUs.size.Load(); int(n) > trafficLimits.PathMTUs || n < 0 {
		w.t.Fatalf("%d path MTUs are remembered", n)
	}
	w.errorLimit.mu.Lock()
	n := len(w.errorLimit.each)
	w.errorLimit.mu.Unlock()
	if n > trafficLimits.ErrorDestinations {
		w.t.Fatalf("the rates of %d hosts are remembered", n)
	}
}

// wellFormed checks a frame that came out: whoever parses it finds what it should
// have. A forwarded datagram's checksum is its sender's business.
func (w *traffic) wellFormed(f []byte) {
	e, p, err := wire.ParseEthernet(f)
	if err != nil {
		w.t.Fatalf("a frame came out, % x: %v", f, err)
	}
	switch e.Type() {
	case wire.EtherTypeARP:
		if _, err := wire.ParseARP(p); err != nil {
			w.t.Fatalf("an ARP packet came out, % x: %v", p, err)
		}
	case wire.EtherTypeIPv4:
		h, options, payload, err := wire.ParseIPv4(p)
		if err != nil || !h.ChecksumOK(options) {
			w.t.Fatalf("a packet came out, % x: %v", p, err)
		}
		if own := h.Source(); own != w.addr && own != netip.MustParseAddr("10.1.0.2") || h.IsFragment() {
			return
		}
		switch h.Protocol() {
		case wire.ProtocolUDP:
			u, data, err := wire.ParseUDP(payload)
			if err != nil || u.Checksum() != 0 && !u.ChecksumOK(h.PseudoSum(u.Length()), data) {
				w.t.Fatalf("a datagram came out, % x: %v", p, err)
			}
		case wire.ProtocolICMP:
			if m, body, err := wire.ParseICMP(payload); err != nil || !m.ChecksumOK(body) {
				w.t.Fatalf("an ICMP message came out, % x: %v", p, err)
			}
		}
	case wire.EtherTypeIPv6:
		w.wellFormed6(p)
	default:
		w.t.Fatalf("a frame of type %#x came out", e.Type())
	}
}

// run does what all bytes say, and looks at what is left.
func (w *traffic) run(live int) {
	for len(w.data) > 0 {
		w.step()
		w.check()
	}
	w.clock.Advance(time.Hour)
	w.check()
	nothingHeld(w.t, w.host)
	w.Close()
	w.check()
	if l := w.Ledger(); !l.Balanced() || l.Held != 0 {
		w.t.Fatalf("after Close: %+v, drops %v", l, w.Drops().Map())
	}
	if n := packet.Live() - live; n != 0 {
		w.t.Fatalf("%d buffers are still out", n)
	}
}

// FuzzTraffic has stations mix what is good and what is bad while time passes.
// Nothing panics, no table is over its limit at any time, what comes out is well
// formed, all is accounted for after every step, and nothing is left in the end.
func FuzzTraffic(f *testing.F) {
	for seed := range uint64(8) {
		for family := range trafficFamilies {
			f.Add(uint8(family), randomBytes(seed, 400))
		}
	}
	f.Fuzz(func(t *testing.T, family uint8, data []byte) {
		live := packet.Live()
		newTraffic(t, trafficFamilies[int(family)%len(trafficFamilies)], data[:min(len(data), 1500)]).run(live)
	})
}

// TestTraffic is FuzzTraffic for some seeds, and checks that what it is made for
// comes to pass.
func TestTraffic(t *testing.T) {
	for _, family := range trafficFamilies {
		t.Run(family.name, func(t *testing.T) {
			dropped := make(map[string]uint64)
			for seed := range uint64(60) {
				live := packet.Live()
				w := newTraffic(t, family, randomBytes(seed, 3000))
				w.run(live)
				for r, n := range w.Drops().Map() {
					dropped[r.String()] += n
				}
			}
			for _, r := range family.reasons {
				if dropped[r] == 0 {
					t.Errorf("nothing was dropped for %s: %v", r, dropped)
				}
			}
		})
	}
}

func randomBytes(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
