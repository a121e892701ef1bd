package wgbind

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"golang.zx2c4.com/wireguard/conn"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/internal/leak"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/stack"
)

func TestMain(m *testing.M) { leak.Main(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stacks returns two stacks on a wire, 192.0.2.1 and 192.0.2.2.
func stacks(t testing.TB) (a, b *stack.Stack) {
	t.Helper()
	one, two := mem.Pair(mem.Config{Kind: link.IP})
	return onWire(t, one, "192.0.2.1/24"), onWire(t, two, "192.0.2.2/24")
}

func onWire(t testing.TB, l link.Link, address string) *stack.Stack {
	t.Helper()
	s, err := stack.New(stack.Config{})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	eth0, err := s.AddInterface("eth0", l)
	must(t, err)
	must(t, eth0.AddAddress(netip.MustParsePrefix(address)))
	return s
}

// open opens a Bind until the test ends.
func open(t testing.TB, on castnet.Network) (*Bind, conn.ReceiveFunc, uint16) {
	t.Helper()
	b := New(castnet.Config{On: on})
	fns, port, err := b.Open(0)
	must(t, err)
	if len(fns) != 1 || port == 0 {
		t.Fatalf("Open = %d functions, port %d", len(fns), port)
	}
	t.Cleanup(func() { must(t, b.Close()) })
	return b, fns[0], port
}

// room is what WireGuard receives into.
type room struct {
	bufs  [][]byte
	sizes []int
	eps   []conn.Endpoint
}

func newRoom(n int) *room {
	r := &room{make([][]byte, n), make([]int, n), make([]conn.Endpoint, n)}
	for i := range r.bufs {
		r.bufs[i] = make([]byte, 2000)
	}
	return r
}

// receive takes count packets, however many there are at a time.
func (r *room) receive(t testing.TB, f conn.ReceiveFunc, count int) (packets [][]byte, from []conn.Endpoint) {
	t.Helper()
	for len(packets) < count {
		n, err := f(r.bufs, r.sizes, r.eps)
		must(t, err)
		for i := range n {
			packets = append(packets, bytes.Clone(r.bufs[i][:r.sizes[i]]))
		}
		from = append(from, r.eps[:n]...)
	}
	return packets, from
}

// networks are pairs that a Bind is tested on, and the second one's address.
var networks = []struct {
	name string
	make func(testing.TB) (a, b castnet.Network, to string)
}{
	{"host, IPv4", func(testing.TB) (a, b castnet.Network, to string) {
		return castnet.Host(), castnet.Host(), "127.0.0.1"
	}},
	{"host, IPv6", func(t testing.TB) (a, b castnet.Network, to string) {
		c, err := castnet.Listen("udp6", "[::1]:0")
		if err != nil {
			t.Skipf("no IPv6 here: %v", err)
		}
		must(t, c.Close())
		return castnet.Host(), castnet.Host(), "[::1]"
	}},
	{"stack", func(t testing.TB) (a, b castnet.Network, to string) {
		one, two := stacks(t)
		return one, two, "192.0.2.2"
	}},
}

// Batches of all sizes go there, and come back to whom the endpoint says.
func TestSendAndReceive(t *testing.T) {
	for _, nw := range networks {
		t.Run(nw.name, func(t *testing.T) {
			on, off, to := nw.make(t)
			a, fromB, _ := open(t, on)
			b, fromA, port := open(t, off)
			ep, err := a.ParseEndpoint(fmt.Sprintf("%s:%d", to, port))
			must(t, err)
			r := newRoom(conn.IdealBatchSize)
			for _, sizes := range [][]int{{1}, {148}, slices.Repeat([]int{1452}, 128), {1, 2, 3, 1000, 1000, 1000, 20}, slices.Repeat([]int{32}, 128)} {
				var sent [][]byte
				for i, size := range sizes {
					sent = append(sent, bytes.Repeat([]byte{byte(i)}, size))
				}
				must(t, a.Send(sent, ep))
				got, from := r.receive(t, fromA, len(sent))
				if !slices.EqualFunc(got, sent, bytes.Equal) {
					t.Fatalf("%d packets of %v bytes did not arrive as they were", len(sent), sizes)
				}
				if src := from[0].SrcIP(); fmt.Sprint(src) != ep.DstIP().String() {
					t.Errorf("they came to %v, want %v", src, ep.DstIP())
				}
				must(t, b.Send(sent, from[0]))
				if got, _ := r.receive(t, fromB, len(sent)); !slices.EqualFunc(got, sent, bytes.Equal) {
					t.Fatalf("%d packets of %v bytes did not come back as they were", len(sent), sizes)
				}
			}
		})
	}
}

// Close ends a receive that waits, and those to come; the Bind can be opened again,
// on the same port.
func TestOpenAndClose(t *testing.T) {
	for _, nw := range networks {
		t.Run(nw.name, func(t *testing.T) {
			on, _, _ := nw.make(t)
			b := New(castnet.Config{On: on})
			must(t, b.Close())
			fns, port, err := b.Open(0)
			must(t, err)
			if _, _, err := b.Open(0); !errors.Is(err, conn.ErrBindAlreadyOpen) {
				t.Errorf("a second Open = %v", err)
			}
			ended := make(chan error)
			go func() {
				r := newRoom(1)
				_, err := fns[0](r.bufs, r.sizes, r.eps)
				ended <- err
			}()
			must(t, b.Close())
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("receiving ended with %v", err)
			}
			r := newRoom(1)
			if _, err := fns[0](r.bufs, r.sizes, r.eps); !errors.Is(err, net.ErrClosed) {
				t.Errorf("receiving after Close = %v", err)
			}
			ep, err := b.ParseEndpoint("192.0.2.2:1")
			must(t, err)
			if err := b.Send(r.bufs, ep); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Send after Close = %v", err)
			}
			_, again, err := b.Open(port)
			if err != nil || again != port {
				t.Errorf("Open(%d) = %d, %v", port, again, err)
			}
			must(t, b.Close())
		})
	}
}

func TestPortInUse(t *testing.T) {
	s, _ := stacks(t)
	_, _, port := open(t, s)
	if _, _, err := New(castnet.Config{On: s}).Open(port); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Open = %v, want EADDRINUSE", err)
	}
}

// An endpoint is made once, and made again when its source was cleared.
func TestEndpoints(t *testing.T) {
	one, two := stacks(t)
	a, _, _ := open(t, one)
	_, fromA, port := open(t, two)
	ep, err := a.ParseEndpoint(fmt.Sprintf("[::ffff:192.0.2.2]:%d", port))
	must(t, err)
	if ep.DstIP() != netip.MustParseAddr("192.0.2.2") || ep.SrcToString() != "" || ep.SrcIP().IsValid() {
		t.Errorf("to %v from %q", ep.DstToString(), ep.SrcToString())
	}
	r := newRoom(4)
	next := func() conn.Endpoint {
		t.Helper()
		must(t, a.Send([][]byte{{1}}, ep))
		_, from := r.receive(t, fromA, 1)
		return from[0]
	}
	first := next()
	if first.DstIP() != netip.MustParseAddr("192.0.2.1") || first.SrcToString() != "192.0.2.2" {
		t.Errorf("from %v to %v", first.DstToString(), first.SrcToString())
	}
	if again := next(); again != first {
		t.Error("the second packet has another endpoint")
	}
	first.ClearSrc()
	if again := next(); again == first || again.SrcToString() != "192.0.2.2" || first.SrcIP().IsValid() {
		t.Error("the source that was cleared is known again, or the endpoint is not new")
	}
	if b := first.DstToBytes(); len(b) != 6 {
		t.Errorf("DstToBytes = % x", b)
	}
	if _, err := a.ParseEndpoint("example.org:51820"); err == nil {
		t.Error("a name was understood as an address")
	}
	if err := a.Send([][]byte{{1}}, &conn.StdNetEndpoint{}); !errors.Is(err, conn.ErrWrongEndpointType) {
		t.Errorf("Send to an endpoint of another Bind = %v", err)
	}
}

// However many addresses packets come from, a bounded number is remembered.
func TestEndpointsAreBounded(t *testing.T) {
	es := make(endpoints)
	for i := range 3 * maxEndpoints {
		m := castnet.Message{Addr: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(i))}
		if e := es.of(&m); e.to != m.Addr || es.of(&m) != e {
			t.Fatalf("the endpoint of %v is %v, or made twice", m.Addr, e.to)
		}
		if len(es) > maxEndpoints {
			t.Fatalf("%d endpoints are remembered", len(es))
		}
	}
}

// An answer from an address that has gone is sent from another.
func TestSourceHasGone(t *testing.T) {
	one, two := stacks(t)
	eth0 := two.Interface("eth0")
	must(t, eth0.AddAddress(netip.MustParsePrefix("192.0.2.3/24")))
	a, fromB, _ := open(t, one)
	b, fromA, port := open(t, two)
	ep, err := a.ParseEndpoint(fmt.Sprintf("192.0.2.3:%d", port))
	must(t, err)
	r := newRoom(4)
	must(t, a.Send([][]byte{{1}}, ep))
	_, from := r.receive(t, fromA, 1)
	for _, want := range []string{"192.0.2.3", "192.0.2.2"} {
		must(t, b.Send([][]byte{{2}, {3}}, from[0]))
		got, back := r.receive(t, fromB, 2)
		if len(got) != 2 || back[0].DstIP().String() != want || back[1].DstIP().String() != want {
			t.Errorf("the answers came from %v and %v, want %v", back[0].DstToString(), back[1].DstToString(), want)
		}
		if want == "192.0.2.3" {
			must(t, eth0.RemoveAddress(netip.MustParsePrefix("192.0.2.3/24")))
		}
	}
	if from[0].SrcIP().IsValid() {
		t.Errorf("the endpoint's source is still %v", from[0].SrcIP())
	}
}

// A packet that cannot be sent does not keep the others back.
func TestRefusedPacket(t *testing.T) {
	one, two := stacks(t)
	a, _, _ := open(t, one)
	_, fromA, port := open(t, two)
	ep, err := a.ParseEndpoint(fmt.Sprintf("192.0.2.2:%d", port))
	must(t, err)
	err = a.Send([][]byte{{1}, make([]byte, 70000), {2}, make([]byte, 70000), {3}}, ep)
	if !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("Send = %v, want EMSGSIZE", err)
	}
	got, _ := newRoom(4).receive(t, fromA, 3)
	for i, p := range got {
		if len(p) != 1 || p[0] != byte(i+1) {
			t.Errorf("packet %d is % x", i, p)
		}
	}
	six, err := a.ParseEndpoint("[2001:db8::1]:1")
	must(t, err)
	if err := a.Send([][]byte{{1}}, six); err == nil {
		t.Error("a network without IPv6 sent to an IPv6 address")
	}
}

func TestMarkIsRefused(t *testing.T) {
	b := New(castnet.Config{})
	must(t, b.SetMark(0))
	if err := b.SetMark(1); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SetMark(1) = %v", err)
	}
}

// Nothing is allocated for a packet.
func TestAllocations(t *testing.T) {
	if packet.Checking {
		t.Skip("the checking build allocates")
	}
	for _, nw := range networks {
		t.Run(nw.name, func(t *testing.T) {
			on, off, to := nw.make(t)
			a, _, _ := open(t, on)
			_, fromA, port := open(t, off)
			ep, err := a.ParseEndpoint(fmt.Sprintf("%s:%d", to, port))
			must(t, err)
			r := newRoom(conn.IdealBatchSize)
			batch := slices.Repeat([][]byte{make([]byte, 1000)}, 50)
			if n := testing.AllocsPerRun(100, func() {
				if err := a.Send(batch, ep); err != nil {
					t.Fatal(err)
				}
				for left := len(batch); left > 0; {
					n, err := fromA(r.bufs, r.sizes, r.eps)
					if err != nil {
						t.Fatal(err)
					}
					left -= n
				}
			}); n != 0 {
				t.Errorf("a batch costs %v allocations", n)
			}
		})
	}
}
