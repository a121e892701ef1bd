package stack

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// watcher is a Hook that writes down what it sees and answers by the payload.
type watcher struct {
	lines   []string
	reasons map[string]drop.Reason // by payload
	mark    uint32                 // to be set, if not 0
}

func (w *watcher) see(p *Packet) drop.Reason {
	w.lines = append(w.lines, fmt.Sprintf("%v %v>%v in %d out %d mark %d %q", p.Protocol, p.Source, p.Destination, p.In, p.Out, p.Mark, p.Payload))
	if len(p.Bytes) < wire.IPv4HeaderLen+len(p.Payload) {
		w.lines = append(w.lines, fmt.Sprintf("%d bytes in all", len(p.Bytes)))
	}
	if w.mark != 0 {
		p.Mark = w.mark
	}
	return w.reasons[string(p.Payload)]
}

func (w *watcher) expect(t *testing.T, what string, want ...string) {
	t.Helper()
	if got := strings.Join(w.lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("%s: the hook saw\n\t%s\nwant\n\t%s", what, strings.Join(w.lines, "\n\t"), strings.Join(want, "\n\t"))
	}
	w.lines = nil
}

func setHooks(t *testing.T, h *host, hooks Hooks) {
	t.Helper()
	if err := h.SetHooks(hooks); err != nil {
		t.Fatal(err)
	}
}

var overQuota = drop.Register("OverQuota")

func TestInputHook(t *testing.T) {
	h, l := known(t, Config{})
	w := &watcher{reasons: map[string]drop.Reason{"bad": overQuota, "worse": drop.Filtered, "nonsense": 255}}
	s := h.open(t, "0.0.0.0:7")
	setOption(t, s, socket.Report, int(socket.FieldMark))
	l.deliver(datagram{payload: "before"}.frame())
	setHooks(t, h, Hooks{Input: w.see})
	l.deliver(datagram{payload: "good"}.frame(), datagram{payload: "bad"}.frame(), datagram{payload: "good"}.frame(),
		datagram{payload: "worse"}.frame(), datagram{payload: "nonsense"}.frame())
	line := `UDP 10.0.0.9:9>10.0.0.2:7 in 2 out 0 mark 0 `
	w.expect(t, "datagrams", line+`"good"`, line+`"bad"`, line+`"good"`, line+`"worse"`, line+`"nonsense"`)
	if got, want := fmt.Sprint(payloads(t, s)), "[before good good]"; got != want {
		t.Errorf("received %s, want %s", got, want)
	}
	l.expect(t, "what is dropped is not answered")
	checkDrops(t, h, overQuota, 1)
	checkDrops(t, h, drop.Filtered, 2)

	// What else comes in.
	l.deliver(datagram{dst: "255.255.255.255:8", to: wire.Broadcast, payload: "all"}.frame(),
		datagram{protocol: wire.ProtocolICMP, payload: icmpBody(wire.ICMPEchoRequest, 0, [4]byte{}, nil)}.frame(),
		datagram{protocol: wire.ProtocolTCP, payload: "\x00\x01\x00\x02rest"}.frame(),
		datagram{protocol: wire.ProtocolUDP, payload: "\x00"}.frame(),
		datagram{dst: "192.0.2.1:7", payload: "not for us"}.frame(),
		datagram{badSum: true, payload: "corrupt"}.frame(),
		arpRequest(macPeer, "10.0.0.9", "10.0.0.2"),
	)
	w.expect(t, "the rest",
		`UDP 10.0.0.9:9>255.255.255.255:8 in 2 out 0 mark 0 "all"`,
		`ICMP 10.0.0.9:0>10.0.0.2:0 in 2 out 0 mark 0 "\b\x00\xf7\xff\x00\x00\x00\x00"`,
		`TCP 10.0.0.9:1>10.0.0.2:2 in 2 out 0 mark 0 "\x00\x01\x00\x02rest"`,
		`UDP 10.0.0.9:0>10.0.0.2:0 in 2 out 0 mark 0 "\x00"`,
		`UDP 10.0.0.9:9>10.0.0.2:7 in 2 out 0 mark 0 "corrupt"`)

	// Marks reach the socket.
	w.mark = 1<<32 - 1
	l.deliver(datagram{payload: "marked"}.frame())
	if m := receive(t, s); m.Mark != w.mark || m.Set&socket.FieldMark == 0 {
		t.Errorf("Mark = %d, Set = %b", m.Mark, m.Set)
	}
	w.lines = nil
	setHooks(t, h, Hooks{})
	l.deliver(datagram{payload: "after"}.frame())
	w.expect(t, "taken away")
	if m := receive(t, s); string(m.Buf) != "after" || m.Mark != 0 {
		t.Errorf("received %q with mark %d", m.Buf, m.Mark)
	}
	checkLedger(t, h)
}

// A hook's reason has its name wherever drops are told of.
func TestHookReasonIsTraced(t *testing.T) {
	var printed strings.Builder
	h, l := onCable(t, Config{Tracer: trace.NewPrinter(&printed, time.Time{})})
	setHooks(t, h, Hooks{Input: func(*Packet) drop.Reason { return overQuota }})
	l.deliver(datagram{payload: "x"}.frame())
	if !strings.Contains(printed.String(), "OverQuota: 10.0.0.9:9 > 10.0.0.2:7") {
		t.Errorf("traced:\n%s", printed.String())
	}
	if got := h.eth0.Stats().Dropped; got[overQuota] != 1 {
		t.Errorf("the interface's drops: %v", got)
	}
	checkLedger(t, h)
}

// Input sees a datagram that came in fragments once, whole.
func TestInputHookSeesWholeDatagrams(t *testing.T) {
	h, l := onCable(t, Config{})
	w := new(watcher)
	setHooks(t, h, Hooks{Input: w.see})
	h.open(t, "0.0.0.0:7")
	whole := datagram{bare: true, payload: "0123456789abcdef"}.frame()[wire.IPv4HeaderLen:]
	l.deliver(
		datagram{protocol: wire.ProtocolUDP, payload: string(whole[16:]), fragment: 16}.frame(),
		datagram{protocol: wire.ProtocolUDP, payload: string(whole[:16]), more: true}.frame())
	w.expect(t, "two fragments", `UDP 10.0.0.9:9>10.0.0.2:7 in 2 out 0 mark 0 "0123456789abcdef"`)
	checkLedger(t, h)
}

func TestOutputHook(t *testing.T) {
	h, l := known(t, Config{})
	w := &watcher{reasons: map[string]drop.Reason{"bad": overQuota}}
	unconnected, connected := h.open(t, "0.0.0.0:5"), h.connected(t, "0.0.0.0:6", "10.0.0.9:9")
	send(t, connected, "before", "")
	l.take()
	setHooks(t, h, Hooks{Output: w.see})
	setOption(t, unconnected, socket.Mark, 77)
	for _, s := range []*Socket{unconnected, connected} {
		to := ""
		if s == unconnected {
			to = "10.0.0.9:9"
		}
		if err := try(s, "good", to); err != nil {
			t.Error(err)
		}
		if err := try(s, "bad", to); err != syscall.EPERM {
			t.Errorf("dropped: %v, want EPERM", err)
		}
		if n, err := s.TrySend([]socket.Message{message("good", to), message("bad", to), message("good", to)}); n != 1 || err != nil {
			t.Errorf("in a batch: %d, %v; want 1, nil", n, err)
		}
		if st := s.Stats(); st.Dropped[overQuota] != 2 {
			t.Errorf("the socket's drops: %v", st.Dropped)
		}
	}
	if got, want := unconnected.Stats().Sent, uint64(2); got != want {
		t.Errorf("Sent = %d, want %d", got, want)
	}
	five, six := `UDP 10.0.0.2:5>10.0.0.9:9 in 0 out 2 mark 77 `, `UDP 10.0.0.2:6>10.0.0.9:9 in 0 out 2 mark 0 `
	w.expect(t, "sockets", five+`"good"`, five+`"bad"`, five+`"good"`, five+`"bad"`, six+`"good"`, six+`"bad"`, six+`"good"`, six+`"bad"`)
	g5, g6 := `10.0.0.2:5 > 10.0.0.9:9 UDP 4 B "good"`, `10.0.0.2:6 > 10.0.0.9:9 UDP 4 B "good"`
	l.expect(t, "sockets", g5, g5, g6, g6)

	// What the stack itself sends, and what it was given.
	l.deliver(datagram{payload: "x", dst: "10.0.0.2:99"}.frame())
	if err := h.SendPacket(rawPacket("10.0.0.2:0", "10.0.0.9:0", "bad")); err != syscall.EPERM {
		t.Errorf("SendPacket: %v, want EPERM", err)
	}
	if err := h.SendPacket(rawPacket("10.0.0.2:0", "10.0.0.9:0", "good")); err != nil {
		t.Error(err)
	}
	if len(w.lines) != 3 || !strings.HasPrefix(w.lines[0], "ICMP 10.0.0.2:0>10.0.0.9:0 in 0 out 2 ") {
		t.Fatalf("the hook saw %q", w.lines)
	}
	w.lines = w.lines[1:]
	w.expect(t, "others", `TCP 10.0.0.2:0>10.0.0.9:0 in 0 out 2 mark 0 "bad"`, // too short for ports
		`TCP 10.0.0.2:26479>10.0.0.9:28516 in 0 out 2 mark 0 "good"`)
	l.expect(t, "others", "10.0.0.2 > 10.0.0.9 ICMP port unreachable [10.0.0.9:9 > 10.0.0.2:99 UDP]", "10.0.0.2 > 10.0.0.9 TCP 4 B")
	checkLedger(t, h)

	// Errors come first, as without a hook.
	w.lines = nil
	for _, c := range []struct {
		m    socket.Message
		want error
	}{
		{message("x", "10.0.0.255:9"), syscall.EACCES},
		{message(string(make([]byte, 65508)), "10.0.0.9:9"), syscall.EMSGSIZE},
		{message("x", "192.0.2.1:9"), syscall.ENETUNREACH},
	} {
		if _, err := unconnected.TrySend([]socket.Message{c.m}); err != c.want {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
	connected.Shutdown(socket.ShutWrite)
	if err := try(connected, "x", ""); err != syscall.EPIPE {
		t.Errorf("shut down: %v", err)
	}
	w.expect(t, "refused")
	setHooks(t, h, Hooks{})
	send(t, unconnected, "after", "10.0.0.9:9")
	w.expect(t, "taken away")
	checkLedger(t, h)
}

// Output sees datagrams before they are cut into fragments, and trains in pieces.
func TestOutputHookAndSizes(t *testing.T) {
	a, b := pairOn(t, mem.Config{})
	w := &watcher{reasons: map[string]drop.Reason{"bbbb": overQuota}}
	setHooks(t, a, Hooks{Output: func(p *Packet) drop.Reason {
		if p.Protocol != wire.ProtocolUDP {
			return drop.None
		}
		return w.see(p)
	}})
	s, r := a.open(t, "0.0.0.0:5"), b.open(t, "0.0.0.0:7")
	long := strings.Repeat("x", 4000)
	send(t, s, long, "10.0.0.2:7")
	w.expect(t, "long", fmt.Sprintf("UDP 10.0.0.1:5>10.0.0.2:7 in 0 out 2 mark 0 %q", long))
	if got := receive(t, r); string(got.Buf) != long {
		t.Errorf("received %d bytes", len(got.Buf))
	}
	m := message("aaaabbbbcc", "10.0.0.2:7")
	m.Set, m.SegmentSize = socket.FieldSegmentSize, 4
	if n, err := s.TrySend([]socket.Message{m}); n != 1 || err != nil {
		t.Errorf("train: %d, %v", n, err)
	}
	line := `UDP 10.0.0.1:5>10.0.0.2:7 in 0 out 2 mark 0 `
	w.expect(t, "train", line+`"aaaa"`, line+`"bbbb"`, line+`"cc"`)
	if got, want := fmt.Sprint(payloads(t, r)), "[aaaa cc]"; got != want {
		t.Errorf("received %s, want %s", got, want)
	}
	if got := s.Stats().Sent; got != 3 {
		t.Errorf("Sent = %d, want 3", got)
	}
	checkLedger(t, a, b)
}

// Forwarded packets pass Forward and neither of the others.
func TestForwardHook(t *testing.T) {
	h, l := known(t, Config{Forwarding: true})
	h.route(t, "default via 10.0.0.9")
	in, out, fw := new(watcher), new(watcher), &watcher{reasons: map[string]drop.Reason{"bad": overQuota}}
	setHooks(t, h, Hooks{Input: in.see, Output: out.see, Forward: fw.see})
	l.deliver(datagram{dst: "192.0.2.1:7", payload: "good"}.frame(), datagram{dst: "192.0.2.1:7", payload: "bad"}.frame())
	l.expect(t, "forwarded", `10.0.0.9:9 > 192.0.2.1:7 UDP 4 B "good"`)
	line := `UDP 10.0.0.9:9>192.0.2.1:7 in 2 out 2 mark 0 `
	fw.expect(t, "forward", line+`"good"`, line+`"bad"`)
	in.expect(t, "input")
	out.expect(t, "output")
	checkDrops(t, h, overQuota, 1)
	checkLedger(t, h)
}

// What a host sends to itself passes Output and then Input, and its mark with it.
func TestHooksOnLoopback(t *testing.T) {
	h := newHost(t, Config{}, nil)
	var order []string
	setHooks(t, h, Hooks{
		Output: func(p *Packet) drop.Reason {
			order = append(order, fmt.Sprint("output ", p.Mark))
			p.Mark++
			return drop.None
		},
		Input: func(p *Packet) drop.Reason {
			order = append(order, fmt.Sprint("input ", p.Mark))
			p.Mark++
			return drop.None
		},
	})
	s := h.open(t, "127.0.0.1:7")
	setOption(t, s, socket.Mark, 5)
	setOption(t, s, socket.Report, int(socket.FieldMark))
	send(t, s, "x", "127.0.0.1:7")
	if got := receive(t, s); got.Mark != 7 {
		t.Errorf("Mark = %d, want 7", got.Mark)
	}
	if got, want := fmt.Sprint(order), "[output 5 input 6]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	checkLedger(t, h)
}

// A hook may use the stack that calls it.
func TestHookMaySend(t *testing.T) {
	h, l := known(t, Config{})
	s := h.open(t, "0.0.0.0:5")
	setHooks(t, h, Hooks{
		Input: func(p *Packet) drop.Reason {
			if err := try(s, "seen", p.Source.String()); err != nil {
				t.Error(err)
			}
			return overQuota
		},
		Output: func(p *Packet) drop.Reason {
			s.LocalAddr() // takes the socket's lock
			return drop.None
		},
	})
	l.deliver(datagram{payload: "x"}.frame())
	l.expect(t, "answered", `10.0.0.2:5 > 10.0.0.9:9 UDP 4 B "seen"`)
	h.Close()
	if err := h.SetHooks(Hooks{}); !errors.Is(err, socket.ErrClosed) {
		t.Errorf("SetHooks on a closed stack: %v", err)
	}
	checkLedger(t, h)
}

// Several goroutines send by one socket, to hosts of which each needs a path of its own.
func TestOutputHookFromManySides(t *testing.T) {
	a, b := pair(t)
	setHooks(t, a, Hooks{Output: func(*Packet) drop.Reason { runtime.Gosched(); return drop.None }})
	s := a.open(t, "10.0.0.1:5")
	sink := b.open(t, "0.0.0.0:9")
	setOption(t, sink, socket.ReceiveBuffer, 1<<20)
	setOption(t, s, socket.Broadcast, 1)
	const each = 100
	var wait sync.WaitGroup
	for _, to := range []string{"10.0.0.2:9", "10.0.0.255:9", "10.0.0.2:8"} {
		wait.Go(func() {
			for range each {
				if err := try(s, "hello", to); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if st := s.Stats(); st.Sent != 3*each || st.SentBytes != 3*each*5 {
		t.Errorf("sent: %+v", st)
	}
	checkLedger(t, a, b)
}

func TestHooksDoNotAllocate(t *testing.T) {
	if packet.Checking {
		t.Skip("the checking build allocates")
	}
	h, l := known(t, Config{})
	setHooks(t, h, Hooks{Input: func(p *Packet) drop.Reason { return overQuota }})
	frame := datagram{payload: "x"}.frame()
	l.mu.Lock()
	sink := l.sink
	l.mu.Unlock()
	if n := testing.AllocsPerRun(1000, func() { sink.Deliver(0, newBuffer(frame).Single()) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// A socket's mark goes with what it sends whether there is an output hook or not,
// and ends with the host.
func TestMarksStayInTheHost(t *testing.T) {
	a, b := pair(t)
	for _, hook := range []Hook{nil, func(*Packet) drop.Reason { return drop.None }} {
		setHooks(t, a, Hooks{Output: hook})
		s, own, other := a.open(t, ""), a.open(t, "127.0.0.1:7"), b.open(t, "0.0.0.0:7")
		setOption(t, s, socket.Mark, 5)
		for _, c := range []struct {
			to   string
			r    *Socket
			want uint32
		}{{"127.0.0.1:7", own, 5}, {"10.0.0.2:7", other, 0}} {
			setOption(t, c.r, socket.Report, int(socket.FieldMark))
			send(t, s, "x", c.to)
			if m := receive(t, c.r); m.Mark != c.want {
				t.Errorf("hook %t, to %s: Mark = %d, want %d", hook != nil, c.to, m.Mark, c.want)
			}
			ms := []socket.Message{message("one", c.to), message("two", c.to)}
			if n, err := s.TrySend(ms); n != 2 || err != nil {
				t.Fatal(n, err)
			}
			for range ms {
				if m := receive(t, c.r); m.Mark != c.want {
					t.Errorf("hook %t, a batch to %s: Mark = %d, want %d", hook != nil, c.to, m.Mark, c.want)
				}
			}
			c.r.Close()
		}
	}
}

// A hook may close the socket whose packet it is asked about.
func TestHookMayClose(t *testing.T) {
	for _, verdict := range []drop.Reason{drop.None, drop.Filtered} {
		a, b := pair(t)
		b.open(t, "0.0.0.0:7")
		s := a.connected(t, "", "10.0.0.2:7")
		send(t, s, "before", "")
		setHooks(t, a, Hooks{Output: func(*Packet) drop.Reason { s.Close(); return verdict }})
		m := socket.Message{Buf: []byte("a train"), Set: socket.FieldSegmentSize, SegmentSize: 2}
		s.TrySend([]socket.Message{m})
		setHooks(t, a, Hooks{})
		checkLedger(t, a, b)
	}
}
