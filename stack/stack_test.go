package stack_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// host is a stack with one interface on a wire in memory.
type host struct {
	*stack.Stack
	eth0 *stack.Interface
	addr netip.Addr
}

// pair returns two hosts, 10.0.0.1 and 10.0.0.2, on one wire.
func pair(t testing.TB, configs ...stack.Config) (a, b *host) {
	t.Helper()
	la, lb := mem.Pair(mem.Config{})
	c := [2]stack.Config{{Name: "a", Seed: [32]byte{1}}, {Name: "b", Seed: [32]byte{2}}}
	copy(c[:], configs)
	mk := func(c stack.Config, l *mem.Link, addr string) *host {
		s, err := stack.New(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		i, err := s.AddInterface("eth0", l)
		if err != nil {
			t.Fatal(err)
		}
		p := netip.MustParsePrefix(addr)
		if err := i.AddAddress(p); err != nil {
			t.Fatal(err)
		}
		return &host{s, i, p.Addr()}
	}
	return mk(c[0], la, "10.0.0.1/24"), mk(c[1], lb, "10.0.0.2/24")
}

// open returns a socket of the host, bound to what is given, if it is valid.
func (h *host) open(t testing.TB, bind string) *stack.Socket {
	t.Helper()
	s, err := h.OpenSocket(socket.IPv4)
	if err != nil {
		t.Fatal(err)
	}
	if bind != "" {
		if err := s.Bind(netip.MustParseAddrPort(bind)); err != nil {
			t.Fatalf("bind %s: %v", bind, err)
		}
	}
	return s
}

func send(t testing.TB, s *stack.Socket, payload, to string) {
	t.Helper()
	m := socket.Message{Buf: []byte(payload)}
	if to != "" {
		m.Addr = netip.MustParseAddrPort(to)
	}
	if n, err := s.TrySend([]socket.Message{m}); n != 1 || err != nil {
		t.Fatalf("send %q to %s: %d, %v", payload, to, n, err)
	}
}

func receive(t testing.TB, s *stack.Socket) socket.Message {
	t.Helper()
	ms := []socket.Message{{Buf: make([]byte, 65536)}}
	if n, err := s.TryRecv(ms); n != 1 || err != nil {
		t.Fatalf("receive: %d, %v", n, err)
	}
	return ms[0]
}

func checkLedger(t testing.TB, hosts ...*host) {
	t.Helper()
	for _, h := range hosts {
		if l := h.Ledger(); !l.Balanced() {
			t.Errorf("%s: the ledger does not balance: %+v, drops %v", h.Name(), l, h.Drops().Map())
		}
	}
}

func TestDatagramAcrossAWire(t *testing.T) {
	before := packet.Live()
	a, b := pair(t)
	server := b.open(t, "0.0.0.0:7")
	client := a.open(t, "")
	send(t, client, "hello", "10.0.0.2:7")
	m := receive(t, server)
	if string(m.Buf) != "hello" || m.Len != 5 || m.Addr.Addr() != a.addr || m.Addr.Port() == 0 {
		t.Errorf("received %q (%d) from %v", m.Buf, m.Len, m.Addr)
	}
	m.Reply()
	m.Buf = []byte("answer")
	if _, err := server.TrySend([]socket.Message{m}); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, client); string(m.Buf) != "answer" || m.Addr.String() != "10.0.0.2:7" {
		t.Errorf("received %q from %v", m.Buf, m.Addr)
	}
	checkLedger(t, a, b)
	if n := packet.Live(); n != before {
		t.Errorf("%d buffers are still out", n-before)
	}
}

func TestPortUnreachableComesBackOnce(t *testing.T) {
	a, b := pair(t)
	c := a.open(t, "")
	if err := c.Connect(netip.MustParseAddrPort("10.0.0.2:9")); err != nil {
		t.Fatal(err)
	}
	send(t, c, "x", "")
	ms := []socket.Message{{Buf: make([]byte, 10)}}
	if _, err := c.TryRecv(ms); err != syscall.ECONNREFUSED {
		t.Errorf("first receive: %v, want ECONNREFUSED", err)
	}
	if _, err := c.TryRecv(ms); err != syscall.EAGAIN {
		t.Errorf("second receive: %v, want EAGAIN", err)
	}
	if n := b.Drops().Get(drop.NoPort); n != 1 {
		t.Errorf("NoPort = %d, want 1", n)
	}
	checkLedger(t, a, b)
}

func TestBroadcastReachesEveryoneAndTheSenderToo(t *testing.T) {
	a, b := pair(t)
	own := a.open(t, "0.0.0.0:7")
	var theirs []*stack.Socket
	for range 2 {
		s := b.open(t, "")
		s.SetOption(socket.ReuseAddr, 1)
		if err := s.Bind(netip.MustParseAddrPort("0.0.0.0:7")); err != nil {
			t.Fatal(err)
		}
		theirs = append(theirs, s)
	}
	c := a.open(t, "")
	to := []socket.Message{{Buf: []byte("all"), Addr: netip.MustParseAddrPort("10.0.0.255:7")}}
	if _, err := c.TrySend(to); err != syscall.EACCES {
		t.Errorf("without permission: %v, want EACCES", err)
	}
	c.SetOption(socket.Broadcast, 1)
	if _, err := c.TrySend(to); err != nil {
		t.Fatal(err)
	}
	for _, s := range append(theirs, own) {
		if m := receive(t, s); string(m.Buf) != "all" {
			t.Errorf("received %q", m.Buf)
		}
	}
	checkLedger(t, a, b)
}

func TestLoopback(t *testing.T) {
	a, _ := pair(t)
	s := a.open(t, "127.0.0.1:7")
	c := a.open(t, "")
	send(t, c, "x", "127.0.0.1:7")
	if m := receive(t, s); m.Addr.Addr().String() != "127.0.0.1" {
		t.Errorf("from %v", m.Addr)
	}
	if _, err := s.TrySend([]socket.Message{{Buf: []byte("x"), Addr: netip.MustParseAddrPort("10.0.0.2:7")}}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("from 127.0.0.1 to another host: %v, want EINVAL", err)
	}
	checkLedger(t, a)
}

func TestBatch(t *testing.T) {
	a, b := pair(t)
	server := b.open(t, "0.0.0.0:7")
	c := a.open(t, "")
	c.Connect(netip.MustParseAddrPort("10.0.0.2:7"))
	out := make([]socket.Message, 100)
	for i := range out {
		out[i].Buf = []byte{byte(i)}
	}
	if n, err := c.TrySend(out); n != 100 || err != nil {
		t.Fatalf("sent %d, %v", n, err)
	}
	in := make([]socket.Message, 128)
	for i := range in {
		in[i].Buf = make([]byte, 8)
	}
	n, err := server.TryRecv(in)
	if n != 100 || err != nil {
		t.Fatalf("received %d, %v", n, err)
	}
	for i := range n {
		if len(in[i].Buf) != 1 || in[i].Buf[0] != byte(i) {
			t.Fatalf("datagram %d is %v", i, in[i].Buf)
		}
	}
	checkLedger(t, a, b)
}

func benchmarkPair(b *testing.B, size, batch int) {
	ha, hb := pair(b)
	server := hb.open(b, "10.0.0.2:7")
	client := ha.open(b, "10.0.0.1:8")
	if err := client.Connect(netip.MustParseAddrPort("10.0.0.2:7")); err != nil {
		b.Fatal(err)
	}
	if err := server.Connect(netip.MustParseAddrPort("10.0.0.1:8")); err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		hb.open(b, netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), uint16(1000+i)).String())
	}
	out := make([]socket.Message, batch)
	in := make([]socket.Message, batch)
	for i := range out {
		out[i].Buf = make([]byte, size)
		in[i].Buf = make([]byte, 2048)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += batch {
		if k, err := client.TrySend(out); k != batch {
			b.Fatal(k, err)
		}
		if k, err := server.TryRecv(in); k != batch {
			b.Fatal(k, err)
		}
	}
}

func BenchmarkSingle64(b *testing.B)   { benchmarkPair(b, 64, 1) }
func BenchmarkSingle1400(b *testing.B) { benchmarkPair(b, 1400, 1) }
func BenchmarkBatch64(b *testing.B)    { benchmarkPair(b, 64, 32) }
func BenchmarkBatch1400(b *testing.B)  { benchmarkPair(b, 1400, 32) }
