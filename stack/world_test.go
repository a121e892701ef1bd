package stack

import (
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// A world is two hosts with a router between them, on wires that lose, hold,
// double and spoil frames, driven by bytes: each step reads a few and does
// something to a socket, a stack or a wire. The same bytes do the same. One with an
// odd seed speaks IPv6 besides IPv4.
type world struct {
	t     testing.TB
	six   bool
	data  []byte
	chaos *rand.Rand // of the wires
	clock *clock.Virtual
	hosts []*host
	wires []*faulty
	slots [3][6]*Socket
	echo  [3]*EchoPort
	calls int         // of notifications that may still answer
	log   hash.Hash64 // of every frame and every result
}

// faulty is an end of a wire that does to frames what its mode says. It counts
// what passes, for the ledger.
type faulty struct {
	*mem.Link
	world    *world
	mode     byte
	held     []*packet.Buffer
	sink     link.Sink
	in, out  uint64 // frames handed to the stack, and accepted from it
	inBytes  uint64
	outBytes uint64
}

func (f *faulty) Attach(s link.Sink) error {
	f.sink = s
	if s == nil {
		return f.Link.Attach(nil)
	}
	return f.Link.Attach(f)
}

func (f *faulty) Close() error {
	f.letGo()
	return f.Attach(nil)
}

// Deliver makes faulty the wire's sink.
func (f *faulty) Deliver(queue int, frames []*packet.Buffer) {
	for _, b := range frames {
		f.in++
		f.inBytes += uint64(b.Len())
	}
	f.sink.Deliver(queue, frames)
}

func (f *faulty) Write(frames []*packet.Buffer) (int, error) {
	w := f.world
	for n, b := range frames {
		w.log.Write(b.Bytes())
		action := byte(0)
		if f.mode != 0 && w.chaos.IntN(4) == 0 {
			action = f.mode
		}
		if action == 1 {
			return n, []error{link.ErrQueueFull, link.ErrTooBig, link.ErrDown, link.ErrNoPeer}[w.chaos.IntN(4)]
		}
		f.out++
		f.outBytes += uint64(b.Len())
		switch action {
		case 2: // lost
			b.Release()
			continue
		case 3: // held back
			b.Hold()
			f.held = append(f.held, b)
			continue
		case 4: // doubled
			if _, err := f.Link.Write(b.Clone().Single()); err != nil {
				w.t.Fatal(err)
			}
		case 5: // spoilt
			b = b.Writable()
			bytes := b.Bytes()
			bytes[w.chaos.IntN(len(bytes))] ^= 1 << w.chaos.IntN(8)
		case 6: // cut
			b.TrimTo(w.chaos.IntN(b.Len() + 1))
		}
		f.pass(b)
	}
	return len(frames), nil
}

// pass hands a frame to the other end, or loses it if nobody is there.
func (f *faulty) pass(b *packet.Buffer) {
	if n, _ := f.Link.Write(b.Single()); n == 0 {
		b.Release()
	}
}

func (f *faulty) letGo() {
	held := f.held
	f.held = nil
	for _, b := range held {
		b.Orphan()
		f.pass(b)
	}
}

func newWorld(t testing.TB, seed uint64, data []byte, tracer trace.Tracer) *world {
	w := &world{
		t: t, six: seed&1 == 1, data: data, chaos: rand.New(rand.NewPCG(seed, 1)),
		clock: clock.NewVirtual(time.Time{}), log: fnv.New64a(),
	}
	add := func(c Config) *host {
		c.Clock, c.Tracer = w.clock, tracer
		c.Seed[0], c.Seed[1] = byte(seed)|1, byte(len(w.hosts))
		c.Limits = Limits{Neighbors: 4, NeighborQueue: 5, Backlog: 16, ErrorDestinations: 3, EchoPorts: 2}
		h := newHost(t, c, nil)
		w.hosts = append(w.hosts, h)
		return h
	}
	a, r, b := add(Config{Name: "a"}), add(Config{Name: "r", Forwarding: true}), add(Config{Name: "b"})
	attach := func(h *host, name string, l *mem.Link, address string) {
		f := &faulty{Link: l, world: w}
		w.wires = append(w.wires, f)
		i := h.attach(t, name, f, address)
		if h.eth0 == nil {
			h.eth0 = i
		}
	}
	narrow := 600
	if w.six {
		narrow = wire.IPv6MinMTU
	}
	la, ra := mem.Pair(mem.Config{Queues: 2})
	rb, lb := mem.Pair(mem.Config{Queues: 1, MTU: narrow})
	attach(a, "eth0", la, "10.0.0.1/24")
	attach(r, "eth0", ra, "10.0.0.254/24")
	attach(r, "eth1", rb, "10.1.0.254/24")
	attach(b, "eth0", lb, "10.1.0.2/24")
	a.route(t, "default via 10.0.0.254")
	b.route(t, "default via 10.1.0.254")
	if w.six {
		w.speak6()
	}
	return w
}

// next returns a number below n from the data; 0 when it is used up.
func (w *world) next(n int) int {
	if len(w.data) == 0 {
		return 0
	}
	v := int(w.data[0])
	w.data = w.data[1:]
	return v % n
}

var worldAddresses = [...]netip.Addr{
	netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("0.0.0.0"),
	netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("0.0.0.0"),
	netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("0.0.0.0"),
	netip.MustParseAddr("10.0.0.254"), netip.MustParseAddr("10.1.0.254"), netip.MustParseAddr("127.0.0.1"),
	netip.MustParseAddr("10.0.0.255"), netip.MustParseAddr("255.255.255.255"), netip.MustParseAddr("10.1.0.77"),
	netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("239.1.2.3"),
	netip.MustParseAddr("10.1.0.255"), netip.MustParseAddr("127.255.255.255"), netip.MustParseAddr("240.0.0.1"),
	netip.MustParseAddr("::1"), {},
}

// worldOwn are the addresses that the hosts begin with.
var worldOwn = [...]netip.Prefix{
	netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("10.0.0.254/24"), netip.MustParsePrefix("10.1.0.2/24"),
}

// addresses are those that there are to choose from.
func (w *world) addresses() []netip.Addr {
	if w.six {
		return worldAddresses6[:]
	}
	return worldAddresses[:]
}

func (w *world) address() netip.Addr { return w.addresses()[w.next(len(w.addresses()))] }

func (w *world) endpoint() netip.AddrPort {
	a := w.address()
	return netip.AddrPortFrom(a, uint16((w.next(16)+4)/5)) // seldom 0
}

// message makes a message to send from the data.
func (w *world) message() socket.Message {
	sizes := [...]int{0, 1, 2, 3, 30, 40, 50, 200, 500, 572, 573, 600, 1472, 1473, 5000, 65507, 65508}
	if w.six {
		sizes = [...]int{0, 1, 2, 3, 30, 40, 50, 200, 1232, 1233, 1252, 1452, 1453, 1473, 5000, 65507, 65528}
	}
	m := socket.Message{Buf: make([]byte, sizes[w.next(len(sizes))])}
	if w.next(5) > 0 {
		m.Addr = w.endpoint()
	}
	if fields := w.next(12); fields < 8 {
		return m
	}
	m.Set = socket.Fields(w.next(256))
	m.Local = w.endpoint()
	m.Interface, m.TTL, m.TOS, m.SegmentSize = w.next(5)-1, uint8(w.next(4)), uint8(w.next(256)), uint16(w.next(3)*w.next(256))
	return m
}

// step does one thing. It reports false when the data is used up.
func (w *world) step() bool {
	if len(w.data) == 0 {
		return false
	}
	ops := 32
	if w.six {
		ops += 8
	}
	op := w.next(ops)
	k := w.next(len(w.hosts))
	h := w.hosts[k]
	slot := &w.slots[k][w.next(len(w.slots[k]))]
	s := *slot
	note := func(what string, results ...any) { fmt.Fprintln(w.log, what, results) }
	if s == nil && op < 18 {
		sk, err := h.OpenSocket(w.family())
		note("open", err)
		*slot = sk
		if err != nil {
			return true
		}
		if options := w.next(16); options > 0 {
			sk.SetOption(socket.ReuseAddr, options&1)
			sk.SetOption(socket.Broadcast, options&2)
			note("bind", sk.Bind(netip.AddrPortFrom(w.addresses()[2*(options&1)], uint16(1+w.next(3)))))
		} else {
			note("bind", sk.Bind(w.endpoint()))
		}
		return true
	}
	switch op {
	case 0:
		note("bind", s.Bind(w.endpoint()), s.LocalAddr())
	case 1:
		note("connect", s.Connect(w.endpoint()), s.LocalAddr())
	case 2:
		note("disconnect", s.Connect(netip.AddrPort{}), s.LocalAddr())
	case 3, 4, 5, 6:
		n, err := s.TrySend([]socket.Message{w.message()})
		note("send", n, err)
	case 7, 8:
		ms := make([]socket.Message, 1+w.next(70))
		for i := range ms {
			if i%20 == 0 {
				ms[i] = w.message()
			} else {
				ms[i] = ms[i-1]
			}
		}
		if told, _ := s.Option(socket.ReceiveErrors); told != 0 {
			// Watched, it is sent one by one (sendRun), and errors come in between.
			ms = ms[:1]
		}
		n, err := s.TrySend(ms)
		note("batch", n, err)
	case 9, 10:
		ms := make([]socket.Message, 1+w.next(40))
		for i := range ms {
			ms[i].Buf = make([]byte, 1+w.next(4)*500)
		}
		n, err := s.TryRecv(ms)
		note("receive", n, err)
		for _, m := range ms[:n] {
			note("message", m.Addr, m.Len, m.Set, m.Local, m.Interface, m.TTL, m.TOS, m.Drops)
		}
	case 11:
		var m socket.Message
		note("peek", s.TryPeek(&m), m.Len)
	case 12, 13:
		o := socket.Option(w.next(socket.Options + 1))
		v := []int{0, 1, 2, 3, -1, 255, 256, 3000, 1 << 20, 1<<16 | 3, 0x7f, 1 << 40}[w.next(12)]
		note("set", o, v, s.SetOption(o, v))
		v, err := s.Option(o)
		note("get", v, err)
	case 14:
		note("close", s.Close())
		*slot = nil
	case 15:
		if w.next(4) == 0 {
			note("shutdown", s.Shutdown(socket.How(w.next(5))))
		}
	case 16, 17:
		mask := socket.Events(1 + w.next(3))
		w.calls = 50
		var fn func()
		fn = func() {
			if w.calls--; w.calls < 0 {
				return
			}
			ms := make([]socket.Message, 1+w.calls%3)
			n, err := s.TryRecv(ms)
			note("told", n, err)
			for i := range n {
				ms[i].Reply()
			}
			s.TrySend(ms[:n])
			s.Notify(mask, fn)
		}
		s.Notify(mask, fn)
	case 18, 19, 20:
		d := []time.Duration{0, time.Millisecond, 200 * time.Millisecond, time.Second, 5 * time.Second, time.Minute}[w.next(6)]
		w.clock.Advance(d)
	case 21, 22, 23, 24, 25:
		if w.next(4) > 0 {
			w.repair(k)
			break
		}
		w.reconfigure(k, op, note)
	case 26:
		if w.echo[k] == nil {
			p, err := h.OpenEcho(func(e Echo) { note("echo", e.From, e.To, e.Sequence, e.Err) })
			if err != nil {
				w.t.Fatal(err)
			}
			w.echo[k] = p
		}
		note("ping", w.echo[k].Send(w.address(), 1, make([]byte, w.next(256))))
	case 27:
		note("neighbour", h.eth0.AddNeighbor(w.address(), wire.MAC{2, 0, 0, 0, 0, byte(w.next(16))}))
	case 28, 29:
		w.wires[w.next(len(w.wires))].mode = byte(w.next(8))
	case 30:
		w.wires[w.next(len(w.wires))].letGo()
	case 31:
		f := w.wires[w.next(len(w.wires))]
		var frame []byte
		if w.next(4) == 0 { // anything
			n := min(w.next(128), len(w.data))
			frame = append(frame, w.data[:n]...)
			w.data = w.data[n:]
		} else {
			frame = w.frame(f)
		}
		f.Deliver(w.next(3), newBuffer(frame).Single())
	default:
		w.step6(op-32, h, s, note)
	}
	return true
}

// reconfigure changes a host's interface, addresses or routes.
func (w *world) reconfigure(k, op int, note func(string, ...any)) {
	h := w.hosts[k]
	switch op {
	case 21:
		i := h.Interface([]string{"eth0", "eth1", "lo"}[w.next(3)])
		if i != nil {
			note("up", i.SetUp(w.next(4) > 0))
		}
	case 22, 23:
		p := worldOwn[k]
		if w.next(2) == 0 {
			if a := w.address(); a.IsValid() {
				bits := []int{24, 32, 31, 8, 0, 25}[w.next(6)]
				if !a.Is4() {
					bits = min(4*bits, 128)
				}
				p = netip.PrefixFrom(a.WithZone(""), bits)
			}
		}
		if op == 22 || w.next(4) > 0 {
			note("add", h.eth0.AddAddress(p))
		} else {
			note("remove", h.eth0.RemoveAddress(p))
		}
	case 24, 25:
		r := Route{Gateway: w.address(), Type: RouteType(w.next(5)), Metric: w.next(2)}
		if a := w.address(); a.Is4() {
			r.Destination = netip.PrefixFrom(a, []int{24, 32, 0}[w.next(3)]).Masked()
		} else if a.IsValid() {
			r.Destination = netip.PrefixFrom(a.WithZone(""), []int{64, 128, 0}[w.next(3)]).Masked()
		}
		if w.next(2) == 0 {
			r.Interface = "eth0"
		}
		if op == 24 {
			note("route", h.AddRoute(r))
		} else {
			note("no route", h.RemoveRoute(r))
		}
	}
}

// repair brings a host's interfaces and addresses back to what they were.
func (w *world) repair(k int) {
	h := w.hosts[k]
	for _, n := range h.state.Load().interfaces {
		n.SetUp(true)
	}
	for _, p := range h.eth0.Addresses() {
		if p != worldOwn[k] {
			h.eth0.RemoveAddress(p)
		}
	}
	h.eth0.AddAddress(worldOwn[k])
	if w.six {
		h.eth0.AddAddress(worldOwn6[k])
	}
	for _, r := range h.Routes() {
		if r.Type != RouteUnicast {
			h.RemoveRoute(r)
		}
	}
}

// frame makes a frame for the stack at the end of a wire that is nearly right.
func (w *world) frame(f *faulty) []byte {
	if w.six && w.next(2) == 0 {
		return w.frame6(f)
	}
	d := datagram{
		to: f.Address(), from: macPeer, src: "10.0.0.77:1", dst: "10.0.0.1:1",
		ttl: uint8(w.next(4)), tos: uint8(w.next(256)), payload: string(make([]byte, w.next(200))),
		noChecksum: w.next(4) == 0, badSum: w.next(8) == 0, dontFrag: w.next(2) == 0,
		trailing: w.next(8), more: w.next(16) == 0, fragment: w.next(16) / 15 * 8,
	}
	if a := w.endpoint(); a.Addr().Is4() {
		d.src = a.String()
	}
	if a := w.endpoint(); a.Addr().Is4() {
		d.dst = a.String()
	}
	switch w.next(12) {
	case 0:
		d.to = wire.Broadcast
	case 1:
		d.options = []byte{7, 7, 4, 0, 0, 0, 0, 0}
	case 2:
		d.options = []byte{131, 3, 4, 0}
	case 3:
		d.protocol = wire.Protocol(w.next(256))
	case 4, 5:
		d.protocol = wire.ProtocolICMP
		d.payload = icmpBody(wire.ICMPType(w.next(16)), wire.ICMPCode(w.next(16)), [4]byte{}, datagram{
			bare: true, src: d.dst, dst: d.src, payload: "quoted",
		}.frame())
	case 6:
		return arpFrame(wire.ARPOperation(1+w.next(3)), d.to, wire.MAC{2, 0, 0, 0, 0, byte(w.next(16))},
			netip.MustParseAddrPort(d.src).Addr().String(), f.Address(), netip.MustParseAddrPort(d.dst).Addr().String())
	}
	frame := d.frame()
	if w.next(8) == 0 {
		frame[w.next(len(frame))] ^= byte(1 + w.next(255))
	}
	return frame
}

// check checks what must hold between two steps.
func (w *world) check() {
	checkLedger(w.t, w.hosts...)
	for k, h := range w.hosts {
		var in, out, inBytes, outBytes uint64
		for _, f := range w.wires {
			if i := f.owner(); i.stack == h.Stack {
				in, out = in+f.in, out+f.out
				inBytes, outBytes = inBytes+f.inBytes, outBytes+f.outBytes
			}
		}
		var st InterfaceStats
		for _, name := range []string{"eth0", "eth1"} {
			if i := h.Interface(name); i != nil {
				x := i.Stats()
				st.ReceivedPackets += x.ReceivedPackets
				st.ReceivedBytes += x.ReceivedBytes
				st.SentPackets += x.SentPackets
				st.SentBytes += x.SentBytes
			}
		}
		if st.ReceivedPackets != in || st.SentPackets != out || st.SentBytes != outBytes {
			w.t.Errorf("%s: received %d packets, sent %d of %d bytes; its links say %d, %d, %d", h.Name(),
				st.ReceivedPackets, st.SentPackets, st.SentBytes, in, out, outBytes)
		}
		if st.ReceivedBytes != inBytes && h.Ledger().Held == 0 {
			w.t.Errorf("%s: received %d bytes; its links say %d", h.Name(), st.ReceivedBytes, inBytes)
		}
		for _, s := range w.slots[k] {
			if s == nil {
				continue
			}
			q := &s.queue
			if q.used > 2*defaultBuffer && q.count > 1 { // a lower limit does not throw out what is queued
				w.t.Errorf("%d bytes are queued", q.used)
			}
			if u := s.sendUsed.Load(); u < 0 {
				w.t.Errorf("%d bytes are charged for sending", u)
			}
		}
		checkTable(w.t, &h.ports)
		if n := len(h.Neighbors()); n > 4+16 {
			w.t.Errorf("%d neighbours", n)
		}
	}
	if w.t.Failed() {
		w.t.FailNow()
	}
}

func (f *faulty) owner() *Interface {
	if k, ok := f.sink.(*sink); ok {
		return (*Interface)(k)
	}
	return &Interface{}
}

// end closes everything and checks that nothing is left.
func (w *world) end() {
	live := 0
	for _, f := range w.wires {
		f.letGo()
		live += len(f.held)
	}
	w.clock.Advance(time.Minute)
	w.check()
	for _, h := range w.hosts {
		h.Close()
	}
	checkLedger(w.t, w.hosts...)
	for _, h := range w.hosts {
		if l := h.Ledger(); l.Held != 0 {
			w.t.Errorf("%s: held after all is closed: %+v", h.Name(), l)
		}
	}
	if n := w.clock.Pending(); n != 0 {
		w.t.Errorf("%d timers are left", n)
	}
}
