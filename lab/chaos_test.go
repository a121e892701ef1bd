package lab_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/stack"
)

// everyFault is all of them at once.
var everyFault = lab.Faults{
	Delay: 3 * time.Millisecond, Jitter: 2 * time.Millisecond, Loss: 0.05, Duplicate: 0.05,
	Reorder: 0.05, Corrupt: 0.05, Rate: 20_000_000, Limit: 6,
}

// chaos is two LANs with a router between them, on which everybody talks with
// everybody, unicast and broadcast, to ports where somebody listens and to
// others, while links fail. tweak, if not nil, changes something first.
func chaos(t testing.TB, cfg lab.Config, tweak func(l *lab.Lab)) *lab.Lab {
	t.Helper()
	l := lab.New(cfg)
	t.Cleanup(func() { l.Close() })
	lans := []*lab.Switch{l.AddSwitch("lan0"), l.AddSwitch("lan1")}
	r := l.AddRouter("r")
	attach(t, &r.Host, lans[0], "10.0.0.254/24", everyFault)
	attach(t, &r.Host, lans[1], "10.0.1.254/24", everyFault)
	const perLAN = 4
	var hosts []*lab.Host
	var addrs []netip.Addr
	for i := range 2 * perLAN {
		h := l.AddHost(fmt.Sprint("h", i))
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i % 2), byte(i + 1)})
		if _, err := h.Attach(lans[i%2], lab.LinkConfig{
			Addresses: []netip.Prefix{netip.PrefixFrom(addr, 24)}, Faults: everyFault, Receive: everyFault,
		}); err != nil {
			t.Fatal(err)
		}
		must(t, h.AddRoute(stack.Route{Gateway: netip.AddrFrom4([4]byte{10, 0, byte(i % 2), 254})}))
		hosts, addrs = append(hosts, h), append(addrs, addr)
	}
	if tweak != nil {
		tweak(l)
	}
	for i, h := range hosts {
		h.Go("talk", func(ctx context.Context) error {
			c, err := (&castnet.Config{On: h, ReadBuffer: 8192}).Listen(ctx, "udp4", ":7")
			if err != nil {
				return err
			}
			defer c.Close()
			h.Go("hear", func(ctx context.Context) error {
				buf := make([]byte, 2000)
				for {
					n, from, err := c.ReadFromUDPAddrPort(buf)
					if err != nil {
						return nil // closed
					}
					if n > 8 && h.Rand().IntN(4) == 0 {
						c.WriteToUDPAddrPort(buf[:n/2], from)
					}
					if h.Rand().IntN(8) == 0 {
						h.Sleep(ctx, 20*time.Millisecond) // and the queue overflows
					}
				}
			})
			payload := make([]byte, 1472)
			for n := range 150 {
				binary.BigEndian.PutUint64(payload, uint64(i)<<32|uint64(n))
				to := netip.AddrPortFrom(addrs[h.Rand().IntN(len(addrs))], 7)
				switch h.Rand().IntN(12) {
				case 0:
					to = netip.AddrPortFrom(to.Addr(), 9) // nobody listens
				case 1:
					to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i % 2), 255}), 7)
				case 2:
					to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, 77}), 7) // nobody is there
				case 3:
					to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 7) // no route at the router
				}
				// What is refused is refused: that is part of it.
				c.WriteToUDPAddrPort(payload[:8+h.Rand().IntN(len(payload)-8)], to)
				if err := h.Sleep(ctx, time.Duration(h.Rand().Int64N(int64(4*time.Millisecond)))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	l.At(100*time.Millisecond, func() { hosts[1].SetLink("eth0", false) })
	l.At(150*time.Millisecond, func() { hosts[1].SetLink("eth0", true) })
	l.At(160*time.Millisecond, func() { l.Partition([]string{"h0", "h2"}, []string{"h4", "r"}) })
	l.At(200*time.Millisecond, func() { l.Partition() })
	if err := l.Run(300 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	checkLedger(t, l) // with frames under way
	if err := l.Run(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	checkLedger(t, l)
	return l
}

func TestLedgerBalancesUnderAllFaults(t *testing.T) {
	seeds := uint64(20)
	if packet.Checking {
		seeds = 5 // each takes ten times as long
	}
	for seed := range seeds {
		l := chaos(t, lab.Config{Seed: seed}, nil)
		r := l.Report()
		if seed > 0 {
			continue
		}
		// The chaos deserves its name: everything that can happen did.
		for _, reason := range []drop.Reason{
			drop.LinkLoss, drop.LinkDown, drop.LinkQueueFull, drop.BadChecksum, drop.NoRoute, drop.NoPort,
			drop.NeighborUnreachable, drop.ReceiveQueueFull, drop.MACFiltered,
		} {
			if r.Dropped[reason] == 0 {
				t.Errorf("nothing was dropped for %v\n%v", reason, r)
			}
		}
		if b, err := json.Marshal(r); err != nil || !strings.Contains(string(b), `"LinkLoss"`) {
			t.Errorf("as JSON: %s, %v", b, err)
		}
		// Nothing is left anywhere when the lab is closed.
		l.Close()
		checkLedger(t, l)
	}
}

func TestSameSeedSameFingerprint(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	want := chaos(t, lab.Config{Seed: 7}, nil).Fingerprint()
	for i := range 10 {
		runtime.GOMAXPROCS(1 + i%2)
		if got := chaos(t, lab.Config{Seed: 7}, nil).Fingerprint(); got != want {
			t.Fatalf("run %d with GOMAXPROCS %d: fingerprint %#x, want %#x", i, 1+i%2, got, want)
		}
	}
	if got := chaos(t, lab.Config{Seed: 8}, nil).Fingerprint(); got == want {
		t.Error("another seed has the same fingerprint")
	}
}

// TestOneAlteredDrop loses a single frame more.
func TestOneAlteredDrop(t *testing.T) {
	one := func(loss float64) uint64 {
		w := wireTest{count: 100, every: time.Second}
		l := lab.New(lab.Config{Seed: 1})
		defer l.Close()
		lan := l.AddSwitch("lan")
		h1, h2 := l.AddHost("h1"), l.AddHost("h2")
		attach(t, h1, lan, "10.0.0.1/24", lab.Faults{})
		attach(t, h2, lan, "10.0.0.2/24", lab.Faults{})
		know(t, h1, h2)
		echo(h2, ":7")
		l.At(50*time.Second+1, func() { h1.SetFaults("eth0", lab.Faults{Loss: loss}, lab.Faults{}) })
		l.At(51*time.Second+1, func() { h1.SetFaults("eth0", lab.Faults{}, lab.Faults{}) })
		h1.Go("send", func(ctx context.Context) error {
			c, err := dial(ctx, h1, "h2:7")
			if err != nil {
				return err
			}
			for range w.count {
				c.Write([]byte("x"))
				h1.Sleep(ctx, time.Second)
			}
			return nil
		})
		run(t, l, time.Hour)
		return l.Fingerprint()
	}
	if a, b := one(0), one(0); a != b {
		t.Fatalf("the same run twice: %#x, %#x", a, b)
	}
	if a, b := one(0), one(1); a == b {
		t.Error("one lost frame does not change the fingerprint")
	}
}

// TestAnotherHostDoesNotChangeTheOthers: what is drawn for a host follows from
// the seed and its name.
func TestAnotherHostDoesNotChangeTheOthers(t *testing.T) {
	losses := func(more bool) string {
		l := lab.New(lab.Config{Seed: 3})
		defer l.Close()
		lan := l.AddSwitch("lan")
		if more {
			h := l.AddHost("another")
			attach(t, h, lan, "10.0.0.9/24", lab.Faults{Loss: 0.5})
			h.Go("send", func(ctx context.Context) error {
				c, err := dial(ctx, h, "10.0.0.255:9")
				if err != nil {
					return err
				}
				for range 50 {
					c.Write([]byte("x"))
					h.Sleep(ctx, time.Second)
				}
				return nil
			})
		}
		h1, h2 := l.AddHost("h1"), l.AddHost("h2")
		attach(t, h1, lan, "10.0.0.1/24", lab.Faults{Loss: 0.5})
		attach(t, h2, lan, "10.0.0.2/24", lab.Faults{})
		know(t, h1, h2)
		var heard []byte
		h2.Go("listen", func(ctx context.Context) error {
			c, err := listen(ctx, h2, ":7")
			if err != nil {
				return err
			}
			buf := make([]byte, 1)
			for {
				_, from, err := c.ReadFromUDPAddrPort(buf)
				if err != nil {
					return err
				}
				heard = fmt.Append(heard, buf[0], " from port ", from.Port(), " ")
			}
		})
		h1.Go("send", func(ctx context.Context) error {
			c, err := dial(ctx, h1, "h2:7")
			if err != nil {
				return err
			}
			for i := range 50 {
				c.Write([]byte{byte(i)})
				h1.Sleep(ctx, time.Second)
			}
			return nil
		})
		run(t, l, time.Hour)
		is, _ := h1.Interfaces()
		return fmt.Sprint(string(heard), is[1].HardwareAddr)
	}
	if a, b := losses(false), losses(true); a != b {
		t.Errorf("h2 heard\n%s\nand, with another host,\n%s", a, b)
	}
}
