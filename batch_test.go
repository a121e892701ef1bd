package castnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
)

// messages returns n messages to addr, each with its number as payload.
func messages(n int, to netip.AddrPort) []Message {
	ms := make([]Message, n)
	for i := range ms {
		ms[i] = Message{Buf: fmt.Appendf(nil, "%d", i), Addr: to}
	}
	return ms
}

// readAll reads what is there, in batches, and checks that it is the messages
// first to last in order.
func readAll(t *testing.T, c *Conn, first, last int) {
	t.Helper()
	in := make([]Message, 7)
	for next := first; next <= last; {
		for i := range in {
			in[i].Buf = make([]byte, 10)
		}
		n, err := c.ReadBatch(in)
		if err != nil || n == 0 {
			t.Fatalf("ReadBatch = %d, %v", n, err)
		}
		for _, m := range in[:n] {
			if string(m.Buf) != fmt.Sprint(next) {
				t.Fatalf("read %q, want %d", m.Buf, next)
			}
			next++
		}
	}
}

func TestBatch(t *testing.T) {
	n := newFake()
	server := listen(t, Config{On: n}, "udp4", "127.0.0.1:0")
	to := server.LocalAddr().(*net.UDPAddr).AddrPort()
	for _, tc := range []struct {
		name   string
		client *Conn
		to     netip.AddrPort
	}{
		{"unconnected", listen(t, Config{On: n}, "udp4", "127.0.0.1:0"), to},
		{"connected", dial(t, Config{On: n}, "udp4", to.String()), netip.AddrPort{}},
		{"connected, to another", dial(t, Config{On: n}, "udp4", "127.0.0.1:9"), to},
		{"IPv4 addresses on an IPv6 socket", listen(t, Config{On: n}, "udp", ":0"), to},
		{"v4-mapped addresses on an IPv4 socket", listen(t, Config{On: n}, "udp4", ":0"), netip.AddrPortFrom(netip.AddrFrom16(to.Addr().As16()), to.Port())},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ms := messages(80, tc.to)
			if n, err := tc.client.WriteBatch(ms); n != len(ms) || err != nil {
				t.Fatalf("WriteBatch = %d, %v; want %d", n, err, len(ms))
			}
			for i := range ms {
				if ms[i].Addr != tc.to {
					t.Fatalf("WriteBatch changed the address of message %d to %v", i, ms[i].Addr)
				}
			}
			readAll(t, server, 0, len(ms)-1)
		})
	}
}

// A message may say where it is to come from; that takes the socket's form too.
func TestBatchLocalForm(t *testing.T) {
	n := newFake()
	server := listen(t, Config{On: n}, "udp4", "127.0.0.1:0")
	client := listen(t, Config{On: n}, "udp", ":0")
	m := Message{Addr: server.LocalAddr().(*net.UDPAddr).AddrPort(), Set: FieldLocal, Local: mustAddrPort("127.0.0.7:0")}
	if _, err := client.WriteBatch([]Message{m}); err != nil {
		t.Fatal(err)
	}
	n.mu.Lock()
	got := n.sockets[m.Addr.Port()].queue[0].Local
	n.mu.Unlock()
	if want := mustAddrPort("[::ffff:127.0.0.7]:0"); got != want {
		t.Errorf("sent from %v, want %v", got, want)
	}
	m.Local = netip.AddrPort{}
	if n, err := client.WriteBatch([]Message{m}); n != 0 || err == nil {
		t.Errorf("WriteBatch with FieldLocal and no address = %d, %v", n, err)
	}
}

// The error is about ms[n], and names it; what is before has gone and what is
// behind has not.
func TestBatchError(t *testing.T) {
	n := newFake()
	server := listen(t, Config{On: n}, "udp4", "127.0.0.1:0")
	to := server.LocalAddr().(*net.UDPAddr).AddrPort()
	for _, tc := range []struct {
		name    string
		network string
		spoil   func(m *Message)
		want    error
		addr    string
	}{
		{"too long", "udp4", func(m *Message) { m.Buf = make([]byte, 65508) }, syscall.EMSGSIZE, to.String()},
		{"too long, mapped", "udp", func(m *Message) { m.Buf = make([]byte, 65508) }, syscall.EMSGSIZE, to.String()},
		{"no address", "udp4", func(m *Message) { m.Addr = netip.AddrPort{} }, syscall.EDESTADDRREQ, ""},
		{"wrong family", "udp4", func(m *Message) { m.Addr = mustAddrPort("[2001:db8::1]:7") }, nil, "[2001:db8::1]:7"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client := listen(t, Config{On: n}, tc.network, ":0")
			ms := messages(6, to)
			tc.spoil(&ms[3])
			n, err := client.WriteBatch(ms)
			var op *net.OpError
			if n != 3 || !errors.As(err, &op) || op.Op != "write" {
				t.Fatalf("WriteBatch = %d, %v; want 3 and a net.OpError", n, err)
			}
			if tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("WriteBatch: %v, want %v", err, tc.want)
			}
			var ae *net.AddrError
			if tc.want == nil && !errors.As(err, &ae) {
				t.Errorf("WriteBatch: %v, want a net.AddrError", err)
			}
			if got := fmt.Sprint(op.Addr); tc.addr != "" && got != tc.addr || tc.addr == "" && op.Addr != nil {
				t.Errorf("the error is about %s, want %s", got, tc.addr)
			}
			readAll(t, server, 0, 2)
			if n, err := client.WriteBatch(ms[n+1:]); n != 2 || err != nil {
				t.Errorf("WriteBatch of the rest = %d, %v", n, err)
			}
			readAll(t, server, 4, 5)
		})
	}
}

// A batch that the send buffer has no room for waits, and goes on where it was.
func TestBatchWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFake()
		server := listen(t, Config{On: n}, "udp4", "127.0.0.1:0")
		client := dial(t, Config{On: n}, "udp4", server.LocalAddr().String())
		s := n.opened[1]
		s.set(func() { s.room = 4 })
		type result struct {
			n   int
			err error
		}
		// With room for the result: a test that fails before it is taken
		// would else leave a goroutine in the bubble, which is a panic.
		done := make(chan result, 1)
		go func() {
			n, err := client.WriteBatch(messages(10, netip.AddrPort{}))
			done <- result{n, err}
		}()
		synctest.Wait()
		readAll(t, server, 0, 3)
		s.set(func() { s.room, s.sendFull = 100, false })
		if r := <-done; r.n != 10 || r.err != nil {
			t.Errorf("WriteBatch = %d, %v; want 10", r.n, r.err)
		}
		readAll(t, server, 4, 9)
	})
}

func TestEmptyBatch(t *testing.T) {
	c := listen(t, Config{On: newFake()}, "udp4", "127.0.0.1:0")
	if n, err := c.ReadBatch(nil); n != 0 || err != nil {
		t.Errorf("ReadBatch(nil) = %d, %v", n, err)
	}
	if n, err := c.WriteBatch(nil); n != 0 || err != nil {
		t.Errorf("WriteBatch(nil) = %d, %v", n, err)
	}
	c.Close()
	if _, err := c.ReadBatch(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ReadBatch(nil), closed: %v", err)
	}
	if _, err := c.WriteBatch(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WriteBatch(nil), closed: %v", err)
	}
}

// Singles that several goroutines borrow at once do not get mixed up; with
// -race this finds one that is lent twice.
func TestSingles(t *testing.T) {
	var d singles
	a, b := d.borrow([]byte("a")), d.borrow([]byte("b"))
	if a == b || a != &d.own {
		t.Fatal("the Conn's own message was lent twice, or not first")
	}
	d.giveBack(b)
	if c := d.borrow(nil); c == a {
		t.Error("the Conn's own message was lent while it was out")
	}
	d.giveBack(a)
	if a.ms[0].Buf != nil {
		t.Error("what is given back keeps the caller's buffer")
	}
	if c := d.borrow(nil); c != a {
		t.Error("the Conn's own message was not lent again")
	}
}
