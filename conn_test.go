package castnet

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"reflect"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/castnet-go/castnet/socket"
)

// Conn is what package net says a packet connection and a connection are.
var (
	_ net.PacketConn = (*Conn)(nil)
	_ net.Conn       = (*Conn)(nil)
)

func TestConnHasTheMethodsOfUDPConn(t *testing.T) {
	without := map[string]bool{"SyscallConn": true, "File": true}
	have := reflect.TypeFor[*Conn]()
	want := reflect.TypeFor[*net.UDPConn]()
	for i := range want.NumMethod() {
		w := want.Method(i)
		h, ok := have.MethodByName(w.Name)
		if without[w.Name] {
			if ok {
				t.Errorf("Conn has %s, which only HostConn may have", w.Name)
			}
			continue
		}
		if !ok {
			t.Errorf("Conn lacks %s", w.Name)
			continue
		}
		if got, want := signature(h), signature(w); got != want {
			t.Errorf("%s is %s, want %s", w.Name, got, want)
		}
	}
	if _, ok := reflect.TypeFor[*HostConn]().MethodByName("SyscallConn"); !ok {
		t.Error("HostConn lacks SyscallConn")
	}
}

// signature is a method's type without its receiver.
func signature(m reflect.Method) string {
	var in, out []reflect.Type
	for i := 1; i < m.Type.NumIn(); i++ {
		in = append(in, m.Type.In(i))
	}
	for i := range m.Type.NumOut() {
		out = append(out, m.Type.Out(i))
	}
	return reflect.FuncOf(in, out, m.Type.IsVariadic()).String()
}

func TestZeroConnIsEINVAL(t *testing.T) {
	for name, c := range map[string]*Conn{"nil": nil, "zero": new(Conn)} {
		v := reflect.ValueOf(c)
		for i := range v.NumMethod() {
			m := v.Type().Method(i)
			args := make([]reflect.Value, m.Type.NumIn()-1)
			for j := range args {
				args[j] = reflect.Zero(m.Type.In(j + 1))
			}
			results := v.Method(i).Call(args)
			last := results[len(results)-1]
			if err, ok := last.Interface().(error); ok && err != syscall.EINVAL {
				t.Errorf("%s Conn: %s returned %v, want EINVAL", name, m.Name, err)
			} else if !ok && last.Type() == reflect.TypeFor[error]() {
				t.Errorf("%s Conn: %s returned no error, want EINVAL", name, m.Name)
			}
		}
	}
}

func listen(t testing.TB, cfg Config, network, address string) *Conn {
	t.Helper()
	c, err := cfg.Listen(context.Background(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func dial(t testing.TB, cfg Config, network, address string) *Conn {
	t.Helper()
	c, err := cfg.Dial(context.Background(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestEcho(t *testing.T) {
	cfg := Config{On: newFake()}
	a := listen(t, cfg, "udp4", "127.0.0.1:0")
	b := dial(t, cfg, "udp4", a.LocalAddr().String())
	if n, err := b.Write([]byte("hello")); n != 5 || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	buf := make([]byte, 100)
	n, from, err := a.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "hello" {
		t.Fatalf("ReadFrom = %q, %v", buf[:n], err)
	}
	if n, err := a.WriteTo([]byte("world!"), from); n != 6 || err != nil {
		t.Fatalf("WriteTo = %d, %v", n, err)
	}
	if n, err := b.Read(buf); err != nil || string(buf[:n]) != "world!" {
		t.Fatalf("Read = %q, %v", buf[:n], err)
	}
}

func mustAddrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// Connect, and the zero AddrPort to disconnect: what the Conn says of itself
// and which writes it takes follow.
func TestConnect(t *testing.T) {
	n := newFake()
	cfg := Config{On: n}
	a := listen(t, cfg, "udp4", "127.0.0.1:0")
	b := listen(t, cfg, "udp4", "127.0.0.1:0")
	to := b.LocalAddr().(*net.UDPAddr).AddrPort()

	if err := a.Connect(to); err != nil {
		t.Fatal(err)
	}
	if a.RemoteAddr().String() != to.String() {
		t.Errorf("RemoteAddr = %v, want %v", a.RemoteAddr(), to)
	}
	if _, err := a.Write([]byte("x")); err != nil {
		t.Errorf("Write: %v", err)
	}
	if _, err := a.WriteToUDPAddrPort(nil, to); !errors.Is(err, net.ErrWriteToConnected) {
		t.Errorf("WriteTo, connected: %v, want net.ErrWriteToConnected", err)
	}

	if err := a.Connect(netip.AddrPort{}); err != nil {
		t.Fatal(err)
	}
	if a.RemoteAddr() != nil {
		t.Errorf("RemoteAddr, disconnected, = %v, want nil", a.RemoteAddr())
	}
	if _, err := a.WriteToUDPAddrPort([]byte("x"), to); err != nil {
		t.Errorf("WriteTo, disconnected: %v", err)
	}
	if port := a.LocalAddr().(*net.UDPAddr).Port; port == 0 {
		t.Error("LocalAddr does not know of the port that the write bound")
	}

	n.connect = map[netip.Addr]syscall.Errno{netip.MustParseAddr("192.0.2.9"): syscall.ENETUNREACH}
	for _, tc := range []struct {
		peer netip.AddrPort
		want string
	}{
		{mustAddrPort("192.0.2.9:7"), "connect: network is unreachable"},
		{mustAddrPort("[2001:db8::1]:7"), "address 2001:db8::1: non-IPv4 address"},
		{netip.AddrPortFrom(netip.Addr{}, 7), "missing address"},
	} {
		err := a.Connect(tc.peer)
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "connect" || op.Err.Error() != tc.want {
			t.Errorf("Connect(%v) = %v, want a net.OpError with %q", tc.peer, err, tc.want)
		}
	}
	if a.RemoteAddr() != nil {
		t.Errorf("a Connect that failed left the peer %v", a.RemoteAddr())
	}
}

// After CloseRead comes what had arrived, then the end; who blocks is woken.
func TestCloseRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{On: newFake()}
		a := listen(t, cfg, "udp4", "127.0.0.1:0")
		b := dial(t, cfg, "udp4", a.LocalAddr().String())
		if err := a.Connect(b.LocalAddr().(*net.UDPAddr).AddrPort()); err != nil {
			t.Fatal(err)
		}
		blocked := make(chan error, 1)
		go func() {
			_, err := b.Read(make([]byte, 10))
			blocked <- err
		}()
		synctest.Wait()
		if err := b.CloseRead(); err != nil {
			t.Errorf("CloseRead: %v", err)
		}
		if err := <-blocked; err != io.EOF {
			t.Errorf("Read when CloseRead came: %v, want io.EOF", err)
		}
		a.Write([]byte("late"))
		buf := make([]byte, 10)
		if n, err := b.Read(buf); err != nil || string(buf[:n]) != "late" {
			t.Errorf("Read of what arrived = %q, %v", buf[:n], err)
		}
		if _, _, err := b.ReadFrom(buf); err != io.EOF {
			t.Errorf("ReadFrom: %v, want io.EOF", err)
		}
		if _, err := b.ReadBatch(make([]Message, 1)); err != io.EOF {
			t.Errorf("ReadBatch: %v, want io.EOF", err)
		}
	})
	c := listen(t, Config{On: newFake()}, "udp4", "127.0.0.1:0")
	err := c.CloseRead()
	if want := "close udp4 " + c.LocalAddr().String() + ": shutdown: transport endpoint is not connected"; err == nil || err.Error() != want {
		t.Errorf("CloseRead without a peer = %v, want %s", err, want)
	}
	if _, _, err := c.ReadFrom(make([]byte, 1)); err != io.EOF {
		t.Errorf("ReadFrom after it: %v, want io.EOF all the same", err)
	}
}

// A zone goes to the network as it was given, which knows its interfaces.
func TestZone(t *testing.T) {
	n := newFake()
	c := listen(t, Config{On: n}, "udp6", "[::1]:0")
	peer := listen(t, Config{On: n}, "udp6", "[::1]:0")
	to := &net.UDPAddr{IP: net.ParseIP("fe80::1"), Zone: "fake0", Port: peer.LocalAddr().(*net.UDPAddr).Port}
	if _, err := c.WriteTo(nil, to); err != nil {
		t.Fatal(err)
	}
	if got := n.opened[0].lastTo; got.Addr().Zone() != "fake0" {
		t.Errorf("sent to %v, want the zone fake0", got)
	}
	d := dial(t, Config{On: n}, "udp", "[fe80::1%fake0]:9")
	if got := d.RemoteAddr().String(); got != "[fe80::1%fake0]:9" {
		t.Errorf("RemoteAddr = %s, want [fe80::1%%fake0]:9", got)
	}
}

// A source that is said in a control message takes the socket's form.
func TestControlSourceForm(t *testing.T) {
	n := newFake()
	c := listen(t, Config{On: n}, "udp", ":0")
	peer := listen(t, Config{On: n}, "udp4", "127.0.0.1:0")
	oob := control(levelIP, ipPktinfo, 0, 0, 0, 0, 127, 0, 0, 7, 0, 0, 0, 0)
	if _, _, err := c.WriteMsgUDP(nil, oob, peer.LocalAddr().(*net.UDPAddr)); err != nil {
		t.Fatal(err)
	}
	if got, want := n.sockets[peer.LocalAddr().(*net.UDPAddr).AddrPort().Port()].queue[0].Local, mustAddrPort("[::ffff:127.0.0.7]:0"); got != want {
		t.Errorf("sent from %v, want %v", got, want)
	}
}

// An IPv4 address is the same address plain and v4-mapped, on sockets of both
// families.
func TestMappedAddress(t *testing.T) {
	n := newFake()
	peer := listen(t, Config{On: n}, "udp4", "127.0.0.1:0")
	plain := peer.LocalAddr().(*net.UDPAddr).AddrPort()
	mapped := netip.AddrPortFrom(netip.AddrFrom16(plain.Addr().As16()), plain.Port())
	for i, network := range []string{"udp4", "udp"} {
		c := listen(t, Config{On: n}, network, ":0")
		for _, to := range []netip.AddrPort{plain, mapped} {
			if _, err := c.WriteToUDPAddrPort(nil, to); err != nil {
				t.Errorf("%s: WriteToUDPAddrPort to %v: %v", network, to, err)
			}
			if _, _, err := c.WriteMsgUDPAddrPort(nil, nil, to); err != nil {
				t.Errorf("%s: WriteMsgUDPAddrPort to %v: %v", network, to, err)
			}
			if got, want := n.opened[i+1].lastTo, []netip.AddrPort{plain, mapped}[i]; got != want {
				t.Errorf("%s: to %v was sent to %v, want %v", network, to, got, want)
			}
		}
		for _, to := range []netip.AddrPort{plain, mapped} {
			if err := c.Connect(to); err != nil {
				t.Errorf("%s: Connect(%v): %v", network, to, err)
			}
			if got := c.RemoteAddr().String(); got != plain.String() {
				t.Errorf("%s: connected to %v, RemoteAddr = %s, want %v", network, to, got, plain)
			}
		}
	}
}

// The zero AddrPort is the peer's, if there is one.
func TestWriteMsgWithoutAddress(t *testing.T) {
	n := newFake()
	c := listen(t, Config{On: n}, "udp4", "127.0.0.1:0")
	d := dial(t, Config{On: n}, "udp4", c.LocalAddr().String())
	if n, _, err := d.WriteMsgUDPAddrPort([]byte("hello"), nil, netip.AddrPort{}); n != 5 || err != nil {
		t.Errorf("connected: %d, %v; want 5", n, err)
	}
	_, _, err := c.WriteMsgUDPAddrPort([]byte("hello"), nil, netip.AddrPort{})
	if want := "write udp4 " + c.LocalAddr().String() + "->invalid AddrPort: missing address"; err == nil || err.Error() != want {
		t.Errorf("unconnected: %v, want %s", err, want)
	}
}

// A receivingSocket is a fakeSocket that is a socket.Receiver: it tries and waits
// in turns, and counts.
type receivingSocket struct {
	*fakeSocket
	calls atomic.Int32
}

func (s *receivingSocket) Receive(ms []socket.Message, cancel *socket.Cancel) (int, error) {
	s.calls.Add(1)
	for first := true; ; first = false {
		if cancel.Fired() {
			return 0, socket.ErrCancelled
		}
		if n, err := s.TryRecv(ms); err != syscall.EAGAIN || !first {
			return n, err
		}
		if err := s.Wait(socket.Readable, cancel); err != nil {
			return 0, err
		}
	}
}

// Where the socket can wait and receive in one step, every read does, and what
// ends it is what ends it elsewhere.
func TestReceiver(t *testing.T) {
	for _, tc := range []struct {
		name  string
		end   func(c *Conn)
		check func(n int, err error) bool
	}{
		{"a datagram", func(c *Conn) { c.WriteTo([]byte("hello"), c.LocalAddr()) }, func(n int, err error) bool { return n == 5 && err == nil }},
		{"a deadline", func(c *Conn) { c.SetReadDeadline(time.Now().Add(time.Hour)) }, func(n int, err error) bool {
			return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
		}},
		{"a deadline that is moved", func(c *Conn) {
			c.SetReadDeadline(time.Unix(1, 0))
			c.SetReadDeadline(time.Time{})
			c.WriteTo([]byte("hello"), c.LocalAddr())
		}, func(n int, err error) bool {
			return n == 5 && err == nil || n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
		}},
		{"CloseRead", func(c *Conn) { c.CloseRead() }, func(n int, err error) bool { return n == 0 && err == io.EOF }},
		{"Close", func(c *Conn) { c.Close() }, func(n int, err error) bool { return n == 0 && errors.Is(err, net.ErrClosed) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newFake()
				plain := listen(t, Config{On: n}, "udp4", "127.0.0.1:0")
				s := &receivingSocket{fakeSocket: n.opened[0]}
				c := newConn(s, "udp4", n, zeroAddrPort)
				if plain.r != nil || c.r == nil {
					t.Fatal("the Conn does not know what its socket can do")
				}
				type result struct {
					n   int
					err error
				}
				done := make(chan result, 1)
				go func() {
					n, _, err := c.ReadFrom(make([]byte, 10))
					done <- result{n, err}
				}()
				synctest.Wait()
				if s.calls.Load() != 1 {
					t.Errorf("%d calls of Receive, want 1", s.calls.Load())
				}
				tc.end(c)
				if r := <-done; !tc.check(r.n, r.err) {
					t.Errorf("ReadFrom = %d, %v", r.n, r.err)
				}
				c.Close()
			})
		})
	}
}
