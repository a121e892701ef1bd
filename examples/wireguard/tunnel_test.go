package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/conn"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/examples/wireguard/wgbind"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/packet"
)

// mtu is that of the tunnel, and longest the longest datagram that fits in it.
const (
	mtu     = 1420
	longest = mtu - 20 - 8
)

// connect makes a tunnel between two peers, the second of which is at bobAt, and
// ends it with the test.
func connect(t *testing.T, annBind, bobBind conn.Bind, bobAt netip.Addr) (ann, bob *peer) {
	t.Helper()
	return connectAs(t, "10.77.0.1", "10.77.0.2", annBind, bobBind, bobAt)
}

// connectAs is connect with other addresses in the tunnel.
func connectAs(t *testing.T, annIs, bobIs string, annBind, bobBind conn.Bind, bobAt netip.Addr) (ann, bob *peer) {
	t.Helper()
	ann, err := newPeer("ann", netip.MustParseAddr(annIs), annBind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, ann) })
	bob, err = newPeer("bob", netip.MustParseAddr(bobIs), bobBind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, bob) })
	must(t, ann.add(bob, netip.AddrPortFrom(bobAt, bob.port)))
	must(t, bob.add(ann, netip.AddrPort{}))
	return ann, bob
}

// end closes what the test has not closed.
func end(t *testing.T, p *peer) {
	t.Helper()
	if err := p.close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// outerLab returns a lab in real time with two hosts on a cable, and runs it.
func outerLab(t *testing.T, faults lab.Faults) (l *lab.Lab, ann, bob *lab.Host) {
	t.Helper()
	l = lab.New(lab.Config{Realtime: true})
	cable := l.AddCable("cable")
	ann, bob = l.AddHost("ann"), l.AddHost("bob")
	attach(t, ann, cable, "192.0.2.1/24", faults)
	attach(t, bob, cable, "192.0.2.2/24", faults)
	runLab(t, l)
	return l, ann, bob
}

func attach(t *testing.T, h *lab.Host, to lab.Segment, address string, faults lab.Faults) {
	t.Helper()
	_, err := h.Attach(to, lab.LinkConfig{Addresses: []netip.Prefix{netip.MustParsePrefix(address)}, Faults: faults})
	must(t, err)
}

// runLab runs a lab until the test ends.
func runLab(t *testing.T, l *lab.Lab) {
	t.Helper()
	ran := make(chan struct{})
	go func() { l.Run(1000 * time.Hour); close(ran) }()
	t.Cleanup(func() { must(t, l.Close()); <-ran })
}

func listen(t *testing.T, on castnet.Network, address string) *castnet.Conn {
	t.Helper()
	c, err := (&castnet.Config{On: on}).Listen(t.Context(), "udp4", address)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func dial(t *testing.T, on castnet.Network, address string) *castnet.Conn {
	t.Helper()
	c, err := (&castnet.Config{On: on}).Dial(context.Background(), "udp4", address)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// serve answers until the test ends with what answer makes of a datagram.
func serve(t *testing.T, c *castnet.Conn, answer func([]byte)) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 2000); ; {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			answer(buf[:n])
			c.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
}

// outers are the networks that the tunnel is tested on.
var outers = []struct {
	name string
	make func(*testing.T) (ann, bob conn.Bind, bobAt netip.Addr)
}{
	{"lab", func(t *testing.T) (conn.Bind, conn.Bind, netip.Addr) {
		_, ann, bob := outerLab(t, lab.Faults{})
		return wgbind.New(castnet.Config{On: ann}), wgbind.New(castnet.Config{On: bob}), netip.MustParseAddr("192.0.2.2")
	}},
	{"host", func(t *testing.T) (conn.Bind, conn.Bind, netip.Addr) {
		return wgbind.New(castnet.Config{}), wgbind.New(castnet.Config{}), netip.MustParseAddr("127.0.0.1")
	}},
	{"default bind", func(t *testing.T) (conn.Bind, conn.Bind, netip.Addr) {
		return conn.NewDefaultBind(), conn.NewDefaultBind(), netip.MustParseAddr("127.0.0.1")
	}},
}

// TestEverySize asks for every size of datagram that fits into the tunnel, and for
// one that does not; the answer is as long and has other bytes.
func TestEverySize(t *testing.T) {
	for _, outer := range outers {
		t.Run(outer.name, func(t *testing.T) {
			annBind, bobBind, bobAt := outer.make(t)
			ann, bob := connect(t, annBind, bobBind, bobAt)
			serve(t, listen(t, bob.inner, ":7"), func(b []byte) {
				for i := range b {
					b[i] ^= 0xff
				}
			})
			c := dial(t, ann.inner, "10.77.0.2:7")
			must(t, c.SetDeadline(time.Now().Add(time.Minute)))
			random := rand.NewChaCha8([32]byte{1})
			sent, want, got := make([]byte, longest), make([]byte, longest), make([]byte, 2000)
			for size := range longest + 1 {
				random.Read(sent[:size])
				for i, b := range sent[:size] {
					want[i] = b ^ 0xff
				}
				_, err := c.Write(sent[:size])
				must(t, err)
				n, err := c.Read(got)
				must(t, err)
				if !bytes.Equal(got[:n], want[:size]) {
					t.Fatalf("%d bytes were answered with %d, or others", size, n)
				}
			}
			checkBytes(t, ann, bob)
			for _, p := range []*peer{ann, bob} {
				if n := p.tun.Drops().Total(); n != 0 {
					t.Errorf("dropped: %v", p.tun.Drops().Map())
				}
			}
		})
	}
}

// TestIPv6Inside asks and is answered by IPv6 in the tunnel, in fragments too.
func TestIPv6Inside(t *testing.T) {
	for _, outer := range outers {
		t.Run(outer.name, func(t *testing.T) {
			annBind, bobBind, bobAt := outer.make(t)
			ann, bob := connectAs(t, "fd77::1", "fd77::2", annBind, bobBind, bobAt)
			server, err := (&castnet.Config{On: bob.inner}).Listen(t.Context(), "udp", "[::]:7")
			must(t, err)
			serve(t, server, func([]byte) {})
			c, err := (&castnet.Config{On: ann.inner}).Dial(t.Context(), "udp6", "[fd77::2]:7")
			must(t, err)
			defer c.Close()
			must(t, c.SetDeadline(time.Now().Add(time.Minute)))
			got := make([]byte, 2001)
			for _, size := range []int{0, 1, mtu - 48, mtu - 47, 2000} {
				want := bytes.Repeat([]byte{byte(size)}, size)
				_, err := c.Write(want)
				must(t, err)
				if n, err := c.Read(got); err != nil || !bytes.Equal(got[:n], want) {
					t.Errorf("%d bytes were answered with %d, or others; %v", size, n, err)
				}
			}
			if from := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr(); from != netip.MustParseAddr("fd77::1") {
				t.Errorf("the source is %v", from)
			}
		})
	}
}

// checkBytes compares what WireGuard counts with what went through the tunnel: each
// datagram has an IP and an UDP header, is padded to a multiple of 16, but not over
// the MTU, and has 32 bytes around it.
func checkBytes(t *testing.T, ann, bob *peer) {
	t.Helper()
	least := 0
	for size := range longest + 1 {
		least += min((size+28+15)/16*16, mtu) + 32
	}
	for _, p := range []*peer{ann, bob} {
		for _, name := range []string{"tx_bytes", "rx_bytes"} {
			// A handshake, 148 and 92 bytes, and perhaps a keepalive or two,
			// are beside it. WireGuard counts a packet after it was sent.
			n := counter(t, p, name)
			for end := time.Now().Add(5 * time.Second); n < least+92 && time.Now().Before(end); n = counter(t, p, name) {
				runtime.Gosched()
			}
			if n < least+92 || n > least+500 {
				t.Errorf("%v: %s = %d, want %d and a little for the handshake", p.address, name, n, least)
			}
		}
	}
}

// counter returns one of WireGuard's counters.
func counter(t *testing.T, p *peer, name string) int {
	t.Helper()
	value, err := p.setting(name)
	must(t, err)
	n, err := strconv.Atoi(value)
	must(t, err)
	return n
}

// TestManyBothWays sends ten thousand datagrams each way at a time, a few of them
// on their way at once, and none is lost.
func TestManyBothWays(t *testing.T) {
	count, window := 10_000, 32
	if packet.Checking {
		count = 1000 // a race detector takes its time
	}
	for _, outer := range outers {
		t.Run(outer.name, func(t *testing.T) {
			annBind, bobBind, bobAt := outer.make(t)
			ann, bob := connect(t, annBind, bobBind, bobAt)
			serve(t, listen(t, ann.inner, ":7"), func([]byte) {})
			serve(t, listen(t, bob.inner, ":7"), func([]byte) {})
			var wg sync.WaitGroup
			for _, way := range []struct {
				from *peer
				to   string
			}{{ann, "10.77.0.2:7"}, {bob, "10.77.0.1:7"}} {
				c := dial(t, way.from.inner, way.to)
				wg.Go(func() {
					if err := ask(c, count, window); err != nil {
						t.Errorf("asking %s: %v", way.to, err)
					}
				})
				if way.from == ann { // Bob learns by her first datagram where she is
					first := dial(t, ann.inner, "10.77.0.2:7")
					must(t, ask(first, 1, 1))
				}
			}
			wg.Wait()
			for _, p := range []*peer{ann, bob} {
				if s := p.inner.Ledger(); s.Dropped != 0 || p.tun.Drops().Total() != 0 {
					t.Errorf("%v dropped %v in its stack and %v on the way to it", p.address, p.inner.Drops().Map(), p.tun.Drops().Map())
				}
			}
		})
	}
}

// ask sends count numbered datagrams to an echo server and waits for all of the
// answers, of which at most window are missing at any time.
func ask(c *castnet.Conn, count, window int) error {
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	out, in := make([]byte, 1000), make([]byte, 2000)
	answered := make([]bool, count)
	for sent, got := 0, 0; got < count; {
		for ; sent < count && sent-got < window; sent++ {
			binary.BigEndian.PutUint32(out, uint32(sent))
			if _, err := c.Write(out[:4+sent%996]); err != nil {
				return err
			}
		}
		n, err := c.Read(in)
		if err != nil {
			return fmt.Errorf("after %d answers: %w", got, err)
		}
		i := int(binary.BigEndian.Uint32(in))
		if i >= sent || answered[i] || n != 4+i%996 {
			return fmt.Errorf("answer %d of %d bytes was not expected", i, n)
		}
		answered[i] = true
		got++
	}
	return nil
}
