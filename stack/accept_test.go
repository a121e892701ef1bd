package stack

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/trace"
)

func accept(t testing.TB, s *Socket) *Socket {
	t.Helper()
	n, err := s.AcceptSocket(nil)
	if err != nil {
		t.Fatalf("Accept: %v", err)
	}
	return n
}

func TestAcceptTakesTheFlow(t *testing.T) {
	h, l := onTunnel(t, Config{})
	all := h.intercepting(t)
	setOption(t, all, socket.TTL, 9)
	const a, b, dst = "10.9.0.7:1000", "10.9.0.8:1000", "192.0.2.1:53"
	in := func(src, payload string) {
		l.deliver(datagram{bare: true, src: src, dst: dst, payload: payload}.frame())
	}
	for _, d := range [][2]string{{a, "a1"}, {b, "b1"}, {a, "a2"}, {b, "b2"}, {a, "a3"}} {
		in(d[0], d[1])
	}
	sa := accept(t, all)
	in(a, "a4")
	in(b, "b3")
	if got, want := fmt.Sprint(payloads(t, sa)), "[a1 a2 a3 a4]"; got != want {
		t.Errorf("the flow's socket got %s, want %s", got, want)
	}
	if peer, err := sa.PeerAddr(); peer.String() != a || err != nil {
		t.Errorf("PeerAddr() = %v, %v", peer, err)
	}
	if got := sa.LocalAddr().String(); got != dst {
		t.Errorf("LocalAddr() = %v", got)
	}
	send(t, sa, "answer", "")
	frames := l.take()
	if len(frames) != 1 || frames[0][8] != 9 {
		t.Fatalf("sent %x, want one packet of TTL 9", frames)
	}
	if got, want := trace.Describe(frames[0], trace.LayerIP), `192.0.2.1:53 > 10.9.0.7:1000 UDP 6 B "answer"`; got != want {
		t.Errorf("sent %s, want %s", got, want)
	}
	if got, err := sa.Option(socket.Report); got != int(socket.FieldLocal) || err != nil {
		t.Errorf("Report = %d, %v", got, err)
	}
	sb := accept(t, all)
	if got, want := fmt.Sprint(payloads(t, sb)), "[b1 b2 b3]"; got != want {
		t.Errorf("the other flow's socket got %s, want %s", got, want)
	}
	if _, err := all.Accept(nil); err != syscall.EAGAIN {
		t.Errorf("Accept of nothing: %v", err)
	}
	// Another destination is another flow.
	l.deliver(datagram{bare: true, src: a, dst: "192.0.2.1:54", payload: "c"}.frame())
	sc := accept(t, all)
	if got := sc.LocalAddr().String(); got != "192.0.2.1:54" {
		t.Errorf("LocalAddr() = %v", got)
	}
	// A flow whose socket was closed begins anew.
	sa.Close()
	in(a, "again")
	if got, want := fmt.Sprint(payloads(t, accept(t, all))), "[again]"; got != want {
		t.Errorf("after closing: %s, want %s", got, want)
	}
	// The flows outlive the socket that they were accepted from.
	all.Close()
	in(b, "b4")
	if got, want := fmt.Sprint(payloads(t, sb)), "[b4]"; got != want {
		t.Errorf("after the first was closed: %s, want %s", got, want)
	}
	checkLedger(t, h)
}

// A server with a port of its own may accept too.
func TestAcceptOnAServer(t *testing.T) {
	a, b := pair(t)
	server := b.open(t, "0.0.0.0:7")
	client := a.connected(t, "", "10.0.0.2:7")
	send(t, client, "one", "")
	send(t, client, "two", "")
	flow := accept(t, server)
	send(t, client, "three", "")
	if got, want := fmt.Sprint(payloads(t, flow), payloads(t, server)), "[one two three] []"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	send(t, flow, "reply", "")
	if got := receive(t, client); string(got.Buf) != "reply" {
		t.Errorf("got %q", got.Buf)
	}
	if got, _ := flow.Option(socket.Transparent); got != 0 {
		t.Error("a flow to the host's own address became transparent")
	}
	// The port is taken as long as one of them lives.
	server.Close()
	other := b.open(t, "")
	if err := other.Bind(netip.MustParseAddrPort("0.0.0.0:7")); err != syscall.EADDRINUSE {
		t.Errorf("Bind beside a flow: %v", err)
	}
	flow.Close()
	if err := other.Bind(netip.MustParseAddrPort("0.0.0.0:7")); err != nil {
		t.Errorf("Bind when all is closed: %v", err)
	}
	checkLedger(t, a, b)
}

func TestAcceptRefuses(t *testing.T) {
	h, l := onTunnel(t, Config{})
	all := h.intercepting(t)
	if _, err := all.Accept(nil); err != syscall.EAGAIN {
		t.Errorf("nothing there: %v", err)
	}
	const src = "10.9.0.7:1"
	in := func(src, dst string) { l.deliver(datagram{bare: true, src: src, dst: dst}.frame()) }
	in("10.9.0.7:0", "192.0.2.1:53")
	in(src, "192.0.2.1:0")
	if _, err := all.Accept(func(peer, own netip.AddrPort) drop.Reason {
		t.Errorf("asked about %v > %v", peer, own)
		return drop.None
	}); err != syscall.EAGAIN {
		t.Errorf("port 0: %v, want EAGAIN", err)
	}
	checkDrops(t, h, drop.NoFlow, 2)
	server := h.open(t, "0.0.0.0:7")
	in(src, "255.255.255.255:7")
	in(src, "224.0.0.1:7")
	if _, err := server.Accept(nil); err != syscall.EAGAIN {
		t.Errorf("to many: %v, want EAGAIN", err)
	}
	checkDrops(t, h, drop.NoFlow, 4)

	// One by one, as admit says.
	reasons := []drop.Reason{overQuota, 255, drop.None}
	for k := range reasons {
		in(src, fmt.Sprintf("192.0.2.1:%d", 53+k))
	}
	var asked []string
	flow, err := all.AcceptSocket(func(peer, own netip.AddrPort) drop.Reason {
		if all.LocalAddr().IsValid(); peer.String() != src {
			t.Errorf("asked about %v", peer)
		}
		asked = append(asked, own.String())
		return reasons[len(asked)-1]
	})
	if err != nil || flow.LocalAddr().String() != "192.0.2.1:55" {
		t.Fatalf("Accept: %v, %v", flow, err)
	}
	if got, want := fmt.Sprint(asked), "[192.0.2.1:53 192.0.2.1:54 192.0.2.1:55]"; got != want {
		t.Errorf("asked about %s, want %s", got, want)
	}
	checkDrops(t, h, overQuota, 1)
	checkDrops(t, h, drop.Filtered, 1)
	if got := all.Stats().Dropped; got[drop.NoFlow] != 2 || got[overQuota] != 1 || got[drop.Filtered] != 1 {
		t.Errorf("the socket's own drops: %v", got)
	}
	// Who takes the datagram away while it is asked about is not given another's.
	in(src, "192.0.2.1:99")
	in("10.9.0.8:1", "192.0.2.1:99")
	first := true
	other, err := all.AcceptSocket(func(peer, own netip.AddrPort) drop.Reason {
		if first {
			first = false
			receive(t, all)
			return overQuota
		}
		return drop.None
	})
	if err != nil || other.describe() != "socket 192.0.2.1:99-10.9.0.8:1" {
		t.Fatalf("Accept: %v, %v", other, err)
	}
	checkDrops(t, h, overQuota, 1)

	in(src, "192.0.2.1:55")
	if _, err := flow.Accept(nil); err != syscall.EINVAL {
		t.Errorf("on a connected socket: %v", err)
	}
	before := len(openSockets(h))
	all.Accept(nil)
	flow.Accept(nil)
	if after := len(openSockets(h)); after != before {
		t.Errorf("an Accept that failed left %d sockets open", after-before)
	}
	flow.Close()
	if _, err := flow.Accept(nil); err != socket.ErrClosed {
		t.Errorf("on a closed socket: %v", err)
	}
	checkLedger(t, h)
}

// A datagram that is refused takes what was lost before it to the next.
func TestRefusingKeepsLosses(t *testing.T) {
	h, l := onTunnel(t, Config{})
	all := h.intercepting(t)
	setOption(t, all, socket.Report, int(socket.FieldDrops))
	setOption(t, all, socket.ReceiveBuffer, 0)
	for range 50 {
		l.deliver(datagram{bare: true, src: "10.9.0.7:1", dst: "192.0.2.1:1"}.frame())
	}
	lost := all.Stats().Dropped[drop.ReceiveQueueFull]
	received := len(payloads(t, all))
	if lost == 0 || int(lost)+received != 50 {
		t.Fatalf("%d lost and %d received", lost, received)
	}
	l.deliver(datagram{bare: true, src: "10.9.0.7:2", dst: "192.0.2.1:1"}.frame(),
		datagram{bare: true, src: "10.9.0.7:3", dst: "192.0.2.1:1"}.frame())
	n, err := all.AcceptSocket(func(peer, own netip.AddrPort) drop.Reason {
		if peer.Port() == 2 {
			return overQuota
		}
		return drop.NoPort
	})
	if err != syscall.EAGAIN {
		t.Fatalf("%v, %v", n, err)
	}
	l.deliver(datagram{bare: true, src: "10.9.0.7:4", dst: "192.0.2.1:1"}.frame())
	if m := receive(t, all); m.Drops != uint32(lost) {
		t.Errorf("Drops = %d, want %d", m.Drops, lost)
	}
	checkLedger(t, h)
}

func openSockets(h *host) (list []*Socket) {
	h.sockets.each(func(s *Socket) { list = append(list, s) })
	return list
}

// What a program is told of lost datagrams does not change by flows' going over:
// the queue is compared with a list that is kept plainly.
func TestHandKeepsOrderAndLosses(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		type entry struct {
			flow byte
			id   int
			lost uint32 // before it
		}
		var q receiveQueue
		var model []entry
		var pendingLoss uint32
		room := 1 + rng.IntN(6)
		one := flowBuffer(0, 0)
		q.limit = room * one.TrueSize()
		one.Release()
		for id := range 40 {
			switch op := rng.IntN(10); {
			case op < 6:
				b := flowBuffer(byte(rng.IntN(3)), id)
				if q.push(b) != drop.None {
					pendingLoss++
					b.Release()
					continue
				}
				model = append(model, entry{b.TransportBytes()[1], id, pendingLoss})
				pendingLoss = 0
			case op < 8 && len(model) > 0:
				b, lost := q.take()
				if got := binary.BigEndian.Uint32(b.TransportBytes()[8:]); int(got) != model[0].id || lost != model[0].lost {
					t.Fatalf("read %d with %d lost, want %d with %d", got, lost, model[0].id, model[0].lost)
				}
				b.Release()
				model = model[1:]
			case len(model) > 0:
				var to receiveQueue
				f := flowOf(q.first())
				flow := model[0].flow
				q.hand(&to, f)
				var rest []entry
				var carried uint32
				for _, e := range model {
					if e.flow == flow {
						b := to.pop()
						if got := int(binary.BigEndian.Uint32(b.TransportBytes()[8:])); got != e.id {
							t.Fatalf("handed over %d, want %d", got, e.id)
						}
						b.Release()
						carried += e.lost // is told by the next that stays
						continue
					}
					e.lost += carried
					carried = 0
					rest = append(rest, e)
				}
				pendingLoss += carried
				if to.count != 0 {
					t.Fatalf("%d too many were handed over", to.count)
				}
				model = rest
			}
			if int(q.count) != len(model) {
				t.Fatalf("%d in the queue, want %d", q.count, len(model))
			}
		}
		for q.count > 0 {
			q.pop().Release()
		}
		if q.used != 0 {
			t.Fatalf("%d bytes are charged for an empty queue", q.used)
		}
	}
}

// flowBuffer is a queued datagram of one of 256 flows, with a number.
func flowBuffer(flow byte, id int) *packet.Buffer {
	d := datagram{bare: true, src: fmt.Sprintf("10.9.0.7:%d", int(flow)), dst: "192.0.2.1:53"}
	d.payload = string(binary.BigEndian.AppendUint32(nil, uint32(id)))
	b := newBuffer(d.frame())
	b.SetNetwork(0)
	b.SetTransport(20)
	return b
}

// Several queues of a link deliver many flows while they are being accepted: each
// flow's datagrams are all there, once, in order.
func TestAcceptUnderLoad(t *testing.T) {
	const queues, flows, each = 4, 64, 200
	l := newCable()
	l.kind, l.queues = link.IP, queues
	h := newHost(t, Config{MaxReceiveBuffer: 1 << 28, ReceiveBuffer: 1 << 28}, nil)
	h.eth0 = h.attach(t, "tun0", l, "10.9.0.1/24")
	if err := h.eth0.SetTransparent(netip.MustParsePrefix("0.0.0.0/0")); err != nil {
		t.Fatal(err)
	}
	all := h.intercepting(t)
	var senders sync.WaitGroup
	for k := range queues {
		senders.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(k), 7))
			next := make([]int, flows/queues) // the number that a flow's next datagram has
			for left := len(next) * each; left > 0; {
				var frames [][]byte
				for range 1 + rng.IntN(8) {
					f := rng.IntN(len(next))
					if next[f] == each {
						continue
					}
					frames = append(frames, datagram{
						bare: true, src: fmt.Sprintf("10.9.0.%d:1000", 10+k*len(next)+f), dst: "192.0.2.1:53",
						payload: string(binary.BigEndian.AppendUint32(nil, uint32(next[f]))),
					}.frame())
					next[f]++
					left--
				}
				l.deliverBy(k, frames...)
			}
		})
	}
	accepted := make(map[netip.AddrPort]*Socket)
	done := make(chan struct{})
	go func() { senders.Wait(); close(done) }()
	for last := false; ; {
		n, err := all.AcceptSocket(nil)
		if err == nil {
			peer, _ := n.PeerAddr()
			if accepted[peer] != nil {
				t.Fatalf("%v was accepted twice", peer)
			}
			accepted[peer] = n
			continue
		}
		if last {
			break
		}
		select {
		case <-done:
			last = true
		default:
		}
	}
	if len(accepted) != flows {
		t.Errorf("%d flows were accepted, want %d", len(accepted), flows)
	}
	ms := make([]socket.Message, 1)
	ms[0].Buf = make([]byte, 4)
	for peer, n := range accepted {
		for want := range each {
			if _, err := n.TryRecv(ms); err != nil {
				t.Fatalf("%v: datagram %d: %v", peer, want, err)
			}
			if got := binary.BigEndian.Uint32(ms[0].Buf); int(got) != want {
				t.Fatalf("%v: datagram %d came where %d was expected", peer, got, want)
			}
		}
		if _, err := n.TryRecv(ms); err != syscall.EAGAIN {
			t.Errorf("%v: one more: %v", peer, err)
		}
	}
	checkLedger(t, h)
}

func BenchmarkAccept(b *testing.B) {
	for _, queued := range []int{1, 250} {
		b.Run(fmt.Sprint("queued=", queued), func(b *testing.B) {
			h, l := onTunnel(b, Config{ReceiveBuffer: 1 << 24, MaxReceiveBuffer: 1 << 24})
			all := h.intercepting(b)
			frame := func(n int) []byte {
				return datagram{bare: true, src: fmt.Sprintf("10.9.0.7:%d", 1+n%60000), dst: "192.0.2.1:53"}.frame()
			}
			for k := range queued - 1 {
				l.deliver(frame(k))
			}
			n := queued - 1
			b.ReportAllocs()
			for b.Loop() {
				l.deliver(frame(n))
				n++
				accept(b, all).Close()
			}
		})
	}
}

// The stack may be closed just as a socket is being accepted.
func TestAcceptIntoAClosedSocket(t *testing.T) {
	a, b := pair(t)
	s := b.open(t, "0.0.0.0:7")
	send(t, a.open(t, "10.0.0.1:9"), "x", "10.0.0.2:7")
	f, ok := s.firstFlow()
	if !ok {
		t.Fatal("nothing has come")
	}
	n := b.open(t, "")
	n.Close()
	if err := s.accept(n, f, netip.MustParseAddrPort("10.0.0.1:9")); err != socket.ErrClosed {
		t.Errorf("accept: %v, want %v", err, socket.ErrClosed)
	}
	if got := payloads(t, s); len(got) != 1 {
		t.Errorf("%q is queued", got)
	}
	checkLedger(t, a, b)
}
