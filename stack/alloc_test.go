package stack

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"unsafe"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
)

// pin checks that f does not allocate. One in ten calls may, on average: a
// collection empties the pools.
func pin(t *testing.T, what string, f func()) {
	t.Helper()
	for range 100 {
		f()
	}
	if n := testing.AllocsPerRun(500, f); n > 0.1 {
		t.Errorf("%s: %v allocations", what, n)
	}
}

func TestTheFastPathDoesNotAllocate(t *testing.T) {
	if packet.Checking {
		t.Skip("the race detector makes sync.Pool drop buffers at random")
	}
	for _, kind := range []link.Kind{link.Ethernet, link.IP} {
		t.Run(fmt.Sprint("IPv4 on a link of kind ", kind), func(t *testing.T) {
			a, b := pairOn(t, mem.Config{Kind: kind})
			pinFastPath(t, a, b, b.open(t, "0.0.0.0:7"), a.connected(t, "", "10.0.0.2:7"), a.open(t, "10.0.0.1:9"), "10.0.0.2:7")
		})
		t.Run(fmt.Sprint("IPv6 on a link of kind ", kind), func(t *testing.T) {
			a, b := pair6On(t, mem.Config{Kind: kind})
			pinFastPath(t, a, b, b.open6(t, "[::]:7"), a.connected6(t, "", "[2001:db8::2]:7"), a.open6(t, "[2001:db8::1]:9"), "[2001:db8::2]:7")
		})
		t.Run(fmt.Sprint("IPv4 from and to dual sockets on a link of kind ", kind), func(t *testing.T) {
			a, b := pair6On(t, mem.Config{Kind: kind})
			pinFastPath(t, a, b, b.open6(t, "[::]:7"), a.connected6(t, "", "[::ffff:10.0.0.2]:7"), a.open6(t, "[::ffff:10.0.0.1]:9"), "[::ffff:10.0.0.2]:7")
		})
	}
}

// pinFastPath pins what goes between a server, which is not connected, a client that is,
// and another that is not.
func pinFastPath(t *testing.T, a, b *host, server, client, other *Socket, to string) {
	setOption(t, server, socket.Report, int(socket.FieldLocal|socket.FieldInterface|socket.FieldTTL))
	mk := func(n, size int) []socket.Message {
		ms := make([]socket.Message, n)
		for k := range ms {
			ms[k].Buf = make([]byte, size)
		}
		return ms
	}
	one, many, in := mk(1, 64), mk(50, 1000), mk(64, 2048)
	must := func(n int, err error, want int) {
		if n != want || err != nil {
			t.Fatalf("%d, %v, want %d", n, err, want)
		}
	}
	pin(t, "one", func() {
		n, err := client.TrySend(one)
		must(n, err, 1)
		n, err = server.TryRecv(in[:1])
		must(n, err, 1)
	})
	pin(t, "a batch", func() {
		n, err := client.TrySend(many)
		must(n, err, 50)
		n, err = server.TryRecv(in)
		must(n, err, 50)
	})
	// A server without a peer answers two clients in turn.
	addressed := mk(1, 64)
	addressed[0].Addr = netip.MustParseAddrPort(to)
	pin(t, "answers to alternating peers", func() {
		for _, c := range []*Socket{client, other} {
			out := one
			if c == other {
				out = addressed
			}
			n, err := c.TrySend(out)
			must(n, err, 1)
			n, err = server.TryRecv(in[:1])
			must(n, err, 1)
			in[0].Reply()
			n, err = server.TrySend(in[:1])
			must(n, err, 1)
			n, err = c.TryRecv(in[1:2])
			must(n, err, 1)
		}
	})
	pin(t, "fields of a message's own", func() {
		one[0].Set, one[0].TTL, one[0].TOS = socket.FieldTTL|socket.FieldTOS, 3, 4
		n, err := client.TrySend(one)
		must(n, err, 1)
		one[0].Set = 0
		n, err = server.TryRecv(in[:1])
		must(n, err, 1)
	})
	train := mk(1, 3000)
	train[0].Set, train[0].SegmentSize = socket.FieldSegmentSize, 100
	pin(t, "a train", func() {
		n, err := client.TrySend(train)
		must(n, err, 1)
		n, err = server.TryRecv(in)
		must(n, err, 30)
	})
	pin(t, "an empty queue", func() { server.TryRecv(in) })
	checkLedger(t, a, b)
}

// Loopback, answers from inside notifications, and waiting do not allocate either.
func TestNotificationsDoNotAllocate(t *testing.T) {
	if packet.Checking {
		t.Skip("the race detector makes sync.Pool drop buffers at random")
	}
	a, _ := pair(t)
	server, client := a.open(t, "127.0.0.1:7"), a.connected(t, "", "127.0.0.1:7")
	echoer(t, server, func() {})
	out, in := []socket.Message{{Buf: make([]byte, 64)}}, []socket.Message{{Buf: make([]byte, 64)}}
	pin(t, "a round trip with an echoer", func() {
		if n, err := client.TrySend(out); n != 1 {
			t.Fatal(err)
		}
		if err := client.Wait(socket.Readable, nil); err != nil {
			t.Fatal(err)
		}
		if n, err := client.TryRecv(in); n != 1 {
			t.Fatal(err)
		}
	})
	checkLedger(t, a)
}

func TestForwardingDoesNotAllocate(t *testing.T) {
	if packet.Checking {
		t.Skip("the race detector makes sync.Pool drop buffers at random")
	}
	a, r := pair(t, Config{Name: "a", Seed: [32]byte{1}}, Config{Name: "r", Seed: [32]byte{2}, Forwarding: true})
	lr, lb := mem.Pair(mem.Config{})
	r.attach(t, "eth1", lr, "10.1.0.1/24")
	b := newHost(t, Config{Name: "b", Clock: a.clock}, lb, "10.1.0.2/24")
	a.route(t, "default via 10.0.0.2")
	server, client := b.open(t, "0.0.0.0:7"), a.connected(t, "", "10.1.0.2:7")
	out, in := []socket.Message{{Buf: make([]byte, 64)}}, []socket.Message{{Buf: make([]byte, 64)}}
	pin(t, "a datagram by a router", func() {
		if n, err := client.TrySend(out); n != 1 {
			t.Fatal(err)
		}
		if n, err := server.TryRecv(in); n != 1 {
			t.Fatal(err)
		}
	})
	checkLedger(t, a, r, b)
}

// heapOf returns the bytes that what n calls of f make keep alive, each.
func heapOf(n int, f func()) int {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range n {
		f()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	return int(after.HeapAlloc-before.HeapAlloc) / n
}

// The goals for memory: sockets and hosts come by the million and the ten
// thousand.
const (
	socketBytes = 640  // a bound idle socket, with its place in the port table
	hostBytes   = 8192 // a stack with one interface and one address
)

func boundSocketBytes(t testing.TB) int {
	h := newHost(t, Config{}, newCable(), "10.0.0.2/24")
	port := 0
	var all []*Socket
	size := heapOf(20000, func() {
		port++
		s, err := h.OpenSocket(socket.IPv4)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Bind(netip.AddrPortFrom(h.addr, uint16(port))); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	})
	runtime.KeepAlive(all)
	return size - 2*int(unsafe.Sizeof(all[0])) // of the slice, roughly
}

func stackBytes(t testing.TB) int {
	var all []*Stack
	size := heapOf(500, func() {
		s, err := New(Config{Seed: [32]byte{1}})
		if err != nil {
			t.Fatal(err)
		}
		l, _ := mem.Pair(mem.Config{Queues: 1}) // not itself part of the stack, but of a host
		i, err := s.AddInterface("eth0", l)
		if err != nil {
			t.Fatal(err)
		}
		if err := i.AddAddress(netip.MustParsePrefix("10.0.0.2/24")); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	})
	for _, s := range all {
		s.Close()
	}
	return size
}

func TestMemoryOfABoundSocket(t *testing.T) {
	if packet.Checking {
		t.Skip("the race detector makes allocations larger")
	}
	if n := boundSocketBytes(t); n > socketBytes {
		t.Errorf("a bound idle socket takes %d bytes, want at most %d", n, socketBytes)
	} else {
		t.Logf("%d bytes; the Socket itself %d", n, unsafe.Sizeof(Socket{}))
	}
}

func TestMemoryOfAStack(t *testing.T) {
	if packet.Checking {
		t.Skip("the race detector makes allocations larger")
	}
	if n := stackBytes(t); n > hostBytes {
		t.Errorf("a stack with one interface takes %d bytes, want at most %d", n, hostBytes)
	} else {
		t.Logf("%d bytes", n)
	}
}

func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(float64(boundSocketBytes(b)), "B/socket")
		b.ReportMetric(float64(stackBytes(b)), "B/stack")
	}
	b.ReportMetric(0, "ns/op")
}
