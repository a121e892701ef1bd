package stack

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// target is a forwarding stack with sockets of every sort, on two cables.
type target struct {
	*host
	l0, l1  *cable
	sockets []*Socket
	log     string // what the sockets read and the cables carried
}

func newTarget(t testing.TB, tracer trace.Tracer) *target {
	h, l0, l1 := newRouter(t, Config{Tracer: tracer, DADTransmits: -1, EUI64: true})
	g := &target{host: h, l0: l0, l1: l1}
	l1.mtu = 300
	h.route(t, "192.0.2.0/24 via 10.1.0.9")
	h.route(t, "unreachable 198.51.100.0/24")
	h.route(t, "prohibit 198.51.101.0/24")
	h.route(t, "blackhole 198.51.102.0/24")
	add := func(bind, peer string, device int) {
		s := h.open(t, "")
		if bind[0] == '[' {
			s = h.open6(t, "")
		}
		setOption(t, s, socket.ReuseAddr, 1)
		setOption(t, s, socket.BindInterface, device)
		setOption(t, s, socket.Report, int(reportable&^socket.FieldTime))
		if err := s.Bind(netip.MustParseAddrPort(bind)); err != nil {
			t.Fatal(err)
		}
		if peer != "" {
			if err := s.Connect(netip.MustParseAddrPort(peer)); err != nil {
				t.Fatal(err)
			}
		}
		g.sockets = append(g.sockets, s)
	}
	add("0.0.0.0:7", "", 0)
	add("0.0.0.0:7", "", 2)
	add("10.0.0.2:7", "", 0)
	add("10.0.0.2:7", "10.0.0.9:9", 0)
	add("10.0.0.255:7", "", 0)
	add("127.0.0.1:7", "", 0)
	if err := h.eth0.AddAddress(netip.MustParsePrefix(own6 + "/64")); err != nil {
		t.Fatal(err)
	}
	h.eth0.AddNeighbor(netip.MustParseAddr(from6), macPeer)
	add("[::]:7", "", 0)
	add("[::]:8", "", 2)
	add("["+own6+"]:7", "", 0)
	add("["+own6+"]:7", "["+from6+"]:9", 0)
	add("[ff02::1%eth0]:7", "", 0)
	for _, c := range []struct {
		change socket.GroupChange
		group  string
	}{{socket.JoinGroup, g1}, {socket.BlockSource, g1}, {socket.JoinSource, g3}} {
		if err := g.sockets[0].ChangeGroup(c.change, groupOn(c.group, h.eth0, "8")); err != nil {
			t.Fatal(err)
		}
	}
	setOption(t, g.sockets[1], socket.MulticastAll, 0)
	if _, err := h.OpenEcho(func(e Echo) { g.log += fmt.Sprintln("echo", e) }); err != nil {
		t.Fatal(err)
	}
	return g
}

// deliver hands frames to eth0 and takes note of what comes of it.
func (g *target) deliver(t testing.TB, frames ...[]byte) {
	g.l0.deliver(frames...)
	g.collect()
	if l := g.Ledger(); !l.Balanced() {
		t.Fatalf("the ledger does not balance: %+v, drops %v", l, g.Drops().Map())
	}
}

func (g *target) collect() {
	for k, s := range g.sockets {
		for {
			ms := []socket.Message{{Buf: make([]byte, 65536)}}
			if _, err := s.TryRecv(ms); err != nil {
				if e, _ := s.Option(socket.Error); e != 0 {
					g.log += fmt.Sprintln("error", k, e)
				}
				break
			}
			g.log += fmt.Sprintf("%d: %+v\n", k, ms[0])
		}
	}
	for k, l := range []*cable{g.l0, g.l1} {
		for _, f := range l.take() {
			g.log += fmt.Sprintf("eth%d: % x\n", k, f)
		}
	}
}

// end lets all timers run, closes the stack, and checks that nothing is left.
func (g *target) end(t testing.TB, live int) {
	g.clock.Advance(time.Minute)
	g.collect()
	g.Close()
	g.collect()
	if l := g.Ledger(); !l.Balanced() || l.Held != 0 {
		t.Fatalf("after Close: %+v, drops %v", l, g.Drops().Map())
	}
	if n := packet.Live() - live; n != 0 {
		t.Fatalf("%d buffers are still out", n)
	}
}

// frameSeeds are frames that a stack meets, good and bad.
func frameSeeds() map[string][]byte {
	quoted := datagram{bare: true, src: "10.0.0.2:7", dst: "10.0.0.9:9", payload: "x"}.frame()
	icmp := func(t wire.ICMPType, body string) []byte {
		return datagram{protocol: wire.ProtocolICMP, payload: icmpBody(t, 0, [4]byte{1, 2}, []byte(body))}.frame()
	}
	return map[string][]byte{
		"to a connected socket":   datagram{payload: "hello"}.frame(),
		"to a bound socket":       datagram{src: "10.0.0.8:9", payload: "hello"}.frame(),
		"padded":                  datagram{payload: "x", trailing: 17}.frame(),
		"no checksum":             datagram{payload: "x", noChecksum: true}.frame(),
		"wrong checksum":          datagram{payload: "x", badSum: true}.frame(),
		"to a closed port":        datagram{dst: "10.0.0.2:99"}.frame(),
		"broadcast":               datagram{dst: "10.0.0.255:7", to: wire.Broadcast}.frame(),
		"limited broadcast":       datagram{src: "0.0.0.0:68", dst: "255.255.255.255:7", to: wire.Broadcast}.frame(),
		"to all hosts":            datagram{dst: "224.0.0.1:7", to: allHosts}.frame(),
		"to a group":              groupFrame(g1, "hello"),
		"to a group, blocked":     datagram{src: "10.0.0.8:9", dst: g1 + ":7", to: wire.MulticastMAC(groupAddr(g1))}.frame(),
		"to a group, one source":  datagram{src: "10.0.0.8:9", dst: g3 + ":7", to: wire.MulticastMAC(groupAddr(g3))}.frame(),
		"a query":                 igmpFrame("224.0.0.1", queryBody(wire.IGMPQuery{Version: 3, MaxResponse: time.Second})),
		"a query of version 2":    igmpFrame("224.0.0.1", queryBody(wire.IGMPQuery{Version: 2, MaxResponse: time.Second})),
		"a query of sources":      igmpFrame(g3, queryBody(wire.IGMPQuery{Group: groupAddr(g3), Sources: wire.NewAddrList(groupAddr("10.0.0.8"))})),
		"forwarded":               datagram{dst: "10.1.0.9:7", payload: "x"}.frame(),
		"forwarded by a gateway":  datagram{dst: "192.0.2.1:7", payload: "x"}.frame(),
		"to an unknown neighbour": datagram{dst: "10.1.0.77:7", payload: "x"}.frame(),
		"unreachable":             datagram{dst: "198.51.100.1:7"}.frame(),
		"prohibited":              datagram{dst: "198.51.101.1:7"}.frame(),
		"blackhole":               datagram{dst: "198.51.102.1:7"}.frame(),
		"too big":                 datagram{dst: "10.1.0.9:7", dontFrag: true, payload: string(make([]byte, 400))}.frame(),
		"expiring":                datagram{dst: "10.1.0.9:7", ttl: 1}.frame(),
		"a fragment":              datagram{more: true, payload: "12345678"}.frame(),
		"the first fragment":      pieceOf(datagram{payload: letters(100)}, 1, piece{0, 48, false}),
		"the last fragment":       pieceOf(datagram{payload: letters(100)}, 1, piece{48, 108, true}),
		"a fragment forwarded":    pieceOf(datagram{dst: "10.1.0.9:7", payload: letters(800)}, 1, piece{400, 800, false}),
		"to be fragmented":        datagram{dst: "10.1.0.9:7", payload: letters(700), options: []byte{148, 4, 0, 0, 7, 4, 5, 0}}.frame(),
		"echoed in fragments":     datagram{protocol: wire.ProtocolICMP, payload: icmpBody(wire.ICMPEchoRequest, 0, [4]byte{1, 2}, []byte(letters(1600)))}.frame(),
		"with options":            datagram{options: []byte{7, 7, 4, 0, 0, 0, 0, 0}, payload: "x"}.frame(),
		"with a source route":     datagram{options: []byte{131, 3, 4, 0}, payload: "x"}.frame(),
		"another protocol":        datagram{protocol: 89, payload: "hello"}.frame(),
		"from loopback":           datagram{src: "127.0.0.1:9"}.frame(),
		"an echo request":         icmp(wire.ICMPEchoRequest, "ping"),
		"an echo reply":           icmp(wire.ICMPEchoReply, "ping"),
		"port unreachable":        datagram{protocol: wire.ProtocolICMP, payload: icmpBody(wire.ICMPDestinationUnreachable, 3, [4]byte{}, quoted)}.frame(),
		"time exceeded":           icmp(wire.ICMPTimeExceeded, string(quoted)),
		"a redirect":              icmp(wire.ICMPRedirect, string(quoted)),
		"an ARP request":          arpRequest(macPeer, "10.0.0.9", "10.0.0.2"),
		"an ARP announcement":     arpRequest(macOther, "10.0.0.9", "10.0.0.9"),
		"an ARP reply":            arpReply(macPeer, "10.0.0.9", "10.0.0.2"),
		"IPv6, connected":         toPort7(wire.ProtocolUDP, ""),
		"IPv6, a dual socket":     frame6(from6, own6, 64, wire.ProtocolUDP, udp6(from6, own6, 8, 8, "x")),
		"IPv4, a dual socket":     datagram{dst: "10.0.0.2:8", payload: "x"}.frame(),
		"IPv6, a closed port":     frame6(from6, own6, 64, wire.ProtocolUDP, udp6(from6, own6, 9, 99, "x")),
		"IPv6, options":           toPort7(wire.ProtocolIPv6Destination, "\x11\x00\x01\x04\x00\x00\x00\x00"),
		"IPv6, a fragment":        toPort7(wire.ProtocolIPv6Fragment, "\x11\x00\x00\x01\x00\x00\x00\x07"),
		"IPv6, all nodes":         frame6(from6, "ff02::1", 64, wire.ProtocolUDP, udp6(from6, "ff02::1", 9, 7, "x")),
		"IPv6, no route":          frame6(from6, "2001:db8:9::1", 64, wire.ProtocolUDP, udp6(from6, "2001:db8:9::1", 9, 7, "x")),
		"IPv6, forwarded":         frame6(from6, "2001:db8::8", 64, wire.ProtocolUDP, udp6(from6, "2001:db8::8", 9, 7, "x")),
		"IPv6, an echo request":   frame6(from6, own6, 64, wire.ProtocolICMPv6, icmp6(from6, own6, wire.ICMPv6EchoRequest, 0, 7, []byte("ping"))),
		"IPv6, port unreachable": frame6(from6, own6, 64, wire.ProtocolICMPv6, icmp6(from6, own6, wire.ICMPv6DestinationUnreachable, wire.ICMPv6PortUnreachable, 0,
			frame6(own6, from6, 64, wire.ProtocolUDP, udp6(own6, from6, 7, 9, "x"))[14:])),
		"IPv6, a solicitation": frame6(from6, own6, 255, wire.ProtocolICMPv6, summed6(from6, own6,
			wire.NeighborSolicitation{Target: netip.MustParseAddr(own6), Options: slla(macPeer)}.AppendTo(nil))),
		"IPv6":    append(append([]byte(nil), datagram{}.frame()[:12]...), 0x86, 0xdd, 0x60),
		"nothing": {},
	}
}

// FuzzDeliver hands a frame to a router with sockets: twice, then half of it.
// Nothing panics, nothing is lost without a name, no buffer leaks, and a stack
// that is watched, and therefore takes no short ways, does the same.
func FuzzDeliver(f *testing.F) {
	for _, frame := range frameSeeds() {
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) > 4000 {
			return
		}
		var logs [2]string
		for k, tracer := range []trace.Tracer{nil, newHashTracer()} {
			live := packet.Live()
			g := newTarget(t, tracer)
			g.deliver(t, frame)
			g.deliver(t, frame, frame[:len(frame)/2], frame)
			g.end(t, live)
			logs[k] = g.log + fmt.Sprint(g.Drops().Map())
		}
		if logs[0] != logs[1] {
			t.Fatalf("watched, the stack did something else:\n%s\n%s", logs[0], logs[1])
		}
	})
}

// FuzzFrames changes good frames in their fields, mends the checksums so that
// what is behind them is reached, and delivers them in one batch.
func FuzzFrames(f *testing.F) {
	var good [][]byte
	var names []string
	seeds := frameSeeds()
	for name := range seeds {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		good = append(good, seeds[name])
	}
	edit := func(name string, at, what, how byte) []byte {
		return []byte{byte(slices.Index(names, name)), at, what, how}
	}
	f.Add(edit("to a bound socket", 14, 0x45, 0)) // as it is
	f.Add(slices.Concat(edit("forwarded", 22, 1, 1), edit("forwarded", 23, 17, 1), edit("to a closed port", 30, 10, 1)))
	f.Add(slices.Concat(edit("an ARP request", 20, 1, 0), edit("an ARP request", 0, 0xff, 0)))
	f.Add(slices.Concat(edit("an echo request", 34, 11, 1), edit("time exceeded", 48, 9, 1), edit("port unreachable", 35, 2, 1)))
	for _, first := range []byte{0, 8} { // the fragments of one datagram, the second time with other bytes
		f.Add(slices.Concat(edit("the first fragment", 50, first, 0x11), edit("the last fragment", 14, 0x45, 0),
			edit("a fragment forwarded", 14, 0x45, 0), edit("to be fragmented", 14, 0x45, 4)))
	}
	f.Add(slices.Concat(edit("the first fragment", 14, 0x45, 4), edit("the last fragment", 21, 1, 1), edit("the last fragment", 14, 0x45, 0)))
	f.Fuzz(func(t *testing.T, edits []byte) {
		edits = edits[:min(len(edits), 800)] // a frame that only grows stays one
		live := packet.Live()
		g := newTarget(t, nil)
		var batch [][]byte
		// Each edit is of four bytes: which frame, where, what, and how.
		for ; len(edits) >= 4 && len(batch) < 40; edits = edits[4:] {
			frame := append([]byte(nil), good[int(edits[0])%len(good)]...)
			if edits[3]&8 != 0 && len(batch) > 0 {
				frame = batch[len(batch)-1] // a further edit of the frame before
				batch = batch[:len(batch)-1]
			}
			if len(frame) > 0 {
				at := int(edits[1]) % len(frame)
				switch edits[3] >> 4 & 3 {
				case 0:
					frame[at] = edits[2]
				case 1:
					frame[at] ^= edits[2]
				case 2:
					frame = frame[:at]
				case 3:
					frame = append(frame, make([]byte, int(edits[2]))...)
				}
			}
			if edits[3]&1 != 0 {
				mend(frame)
			}
			batch = append(batch, frame)
			if edits[3]&4 != 0 {
				g.deliver(t, batch...)
				batch = nil
				g.clock.Advance(time.Duration(edits[2]) * 50 * time.Millisecond)
			}
		}
		g.deliver(t, batch...)
		g.end(t, live)
	})
}

// mend makes the checksums of a frame right, as far as it can be parsed.
func mend(frame []byte) {
	if len(frame) < wire.EthernetHeaderLen {
		return
	}
	if h, payload, err := wire.ParseIPv6(frame[wire.EthernetHeaderLen:]); err == nil {
		mend6(h, payload)
		return
	}
	h, options, payload, err := wire.ParseIPv4(frame[wire.EthernetHeaderLen:])
	if err != nil {
		return
	}
	h.UpdateChecksum(options)
	switch h.Protocol() {
	case wire.ProtocolUDP:
		if u, data, err := wire.ParseUDP(payload); err == nil {
			u.UpdateChecksum(h.PseudoSum(u.Length()), data)
		}
	case wire.ProtocolIGMP:
		if len(payload) >= wire.IGMPHeaderLen {
			wire.UpdateIGMPChecksum(payload)
		}
	case wire.ProtocolICMP:
		if m, body, err := wire.ParseICMP(payload); err == nil {
			m.UpdateChecksum(body)
		}
	}
}

// mend6 is mend for IPv6.
func mend6(h *wire.IPv6Header, payload []byte) {
	w := wire.WalkIPv6(h, payload)
	for ok := true; ok; _, ok = w.Next() {
	}
	rest := w.Payload()
	switch w.Protocol() {
	case wire.ProtocolUDP:
		if u, data, err := wire.ParseUDP(rest); err == nil {
			u.UpdateChecksum(h.PseudoSum(wire.ProtocolUDP, uint32(u.Length())), data)
		}
	case wire.ProtocolICMPv6:
		if len(rest) >= wire.ICMPv6HeaderLen {
			wire.UpdateICMPv6Checksum(rest, h.Source16(), h.Destination16())
		}
	}
}

// FuzzSocketCalls reads its bytes as calls on the sockets, stacks and wires of a
// world. Nothing panics or hangs, every ledger balances after every call, and
// nothing is left in the end.
func FuzzSocketCalls(f *testing.F) {
	for seed := range uint64(6) {
		f.Add(seed, chance(seed, 300))
	}
	// Two sockets on two hosts, found by reading what step makes of its bytes:
	// open a's, open b's, send from a to b, read at b.
	f.Add(uint64(2), []byte{3, 0, 0, 7, 1, 3, 2, 0, 7, 1, 3, 0, 0, 4, 1, 1, 6, 0, 9, 2, 0, 5, 1})
	f.Fuzz(func(t *testing.T, seed uint64, data []byte) {
		if len(data) > 2000 {
			data = data[:2000]
		}
		live := packet.Live()
		w := newWorld(t, seed, data, nil)
		for w.step() {
			w.check()
		}
		w.end()
		if n := packet.Live() - live; n != 0 {
			t.Fatalf("%d buffers are still out", n)
		}
	})
}
