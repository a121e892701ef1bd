package lab_test

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/socket"
)

// BenchmarkHops sends datagrams to and fro between pairs of hosts, 100 on a
// switch, by callbacks, and reports packet-hops: a hop is a frame's way over one
// link.
func BenchmarkHops(b *testing.B) {
	for _, hosts := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprint(hosts), func(b *testing.B) {
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			l := lab.New(lab.Config{Seed: 1})
			defer l.Close()
			var lan *lab.Switch
			done, hops := 0, 0
			addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i / 250), byte(i%250 + 1)}) }
			for i := range hosts {
				if i%100 == 0 {
					lan = l.AddSwitch(fmt.Sprintf("lan%d", i/100))
				}
				h := l.AddHost(fmt.Sprintf("h%d", i))
				if _, err := h.Attach(lan, lab.LinkConfig{
					Addresses: []netip.Prefix{netip.PrefixFrom(addr(i), 16)},
					Faults:    lab.Faults{Delay: 100 * time.Microsecond},
				}); err != nil {
					b.Fatal(err)
				}
			}
			// Neighbours are static: resolving floods the LAN.
			for i, h := range l.Hosts() {
				peer := i ^ 1
				is, _ := l.Hosts()[peer].Interfaces()
				h.Stack().Interface("eth0").AddNeighbor(addr(peer), is[1].HardwareAddr)
			}
			for i, h := range l.Hosts() {
				s, err := h.Open(socket.IPv4)
				if err != nil {
					b.Fatal(err)
				}
				s.Bind(netip.AddrPortFrom(addr(i), 7))
				s.Connect(netip.AddrPortFrom(addr(i^1), 7))
				ms := []socket.Message{{Buf: make([]byte, 64)}}
				var answer func()
				answer = func() {
					if _, err := s.TryRecv(ms); err != nil {
						return // closed
					}
					done++
					hops += 2
					ms[0].Addr = netip.AddrPort{}
					s.TrySend(ms)
					s.Notify(socket.Readable, answer)
				}
				s.Notify(socket.Readable, answer)
				if i%2 == 0 {
					s.TrySend(ms)
				}
			}
			l.Run(10 * time.Millisecond)
			runtime.GC()
			runtime.ReadMemStats(&after)
			hops = 0
			b.ResetTimer()
			b.ReportAllocs()
			start := time.Now()
			for target := done + b.N; done < target; {
				l.Run(time.Millisecond)
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(hosts), "B/host")
			b.ReportMetric(float64(hops)/time.Since(start).Seconds(), "hops/s")
		})
	}
}

// BenchmarkPingPong is a round trip between two tasks on two hosts, by
// castnet.Conn: two datagrams, four hops, two tasks resumed.
func BenchmarkPingPong(b *testing.B) {
	for _, delay := range []time.Duration{0, time.Microsecond} {
		b.Run(fmt.Sprint(delay), func(b *testing.B) {
			l := lab.New(lab.Config{MaxEvents: math.MaxInt})
			defer l.Close()
			lan := l.AddSwitch("lan")
			h1, h2 := l.AddHost("h1"), l.AddHost("h2")
			attach(b, h1, lan, "10.0.0.1/24", lab.Faults{Delay: delay})
			attach(b, h2, lan, "10.0.0.2/24", lab.Faults{Delay: delay})
			know(b, h1, h2)
			echo(h2, ":7")
			b.ReportAllocs()
			done := false
			h1.Go("ask", func(ctx context.Context) error {
				defer func() { done = true }()
				c, err := dial(ctx, h1, "h2:7")
				if err != nil {
					return err
				}
				buf := make([]byte, 64)
				b.ResetTimer()
				for range b.N {
					c.Write(buf)
					if _, err := c.Read(buf); err != nil {
						return err
					}
				}
				b.StopTimer()
				return nil
			})
			for !done {
				if err := l.Run(time.Millisecond); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkGroup sends datagrams to a group that one of 100 hosts on a switch has
// joined: flooded, each card gets it; snooped, the member's alone.
func BenchmarkGroup(b *testing.B) {
	for _, snooping := range []bool{false, true} {
		b.Run(map[bool]string{false: "flooded", true: "snooped"}[snooping], func(b *testing.B) {
			l := lab.New(lab.Config{Seed: 1, MaxEvents: math.MaxInt})
			defer l.Close()
			lan := l.AddSwitch("lan")
			if snooping {
				if err := lan.Snoop(lab.SnoopingConfig{}); err != nil {
					b.Fatal(err)
				}
			}
			group := netip.MustParseAddrPort("239.1.1.1:7")
			for i := range 100 {
				attach(b, l.AddHost(fmt.Sprint("h", i)), lan, fmt.Sprintf("10.0.0.%d/24", i+1), lab.Faults{Delay: time.Microsecond})
			}
			open := func(i int, bind string) socket.Socket {
				s, err := l.Hosts()[i].Open(socket.IPv4)
				if err != nil {
					b.Fatal(err)
				}
				s.Bind(netip.MustParseAddrPort(bind))
				s.SetOption(socket.MulticastInterface, l.Hosts()[i].Stack().Interface("eth0").Index())
				return s
			}
			in, out := open(1, "0.0.0.0:7"), open(0, "0.0.0.0:0")
			eth0 := l.Hosts()[1].Stack().Interface("eth0").Index()
			if err := in.ChangeGroup(socket.JoinGroup, socket.Group{Address: group.Addr(), Interface: eth0}); err != nil {
				b.Fatal(err)
			}
			l.Run(2 * time.Second)
			ms, got := []socket.Message{{Buf: make([]byte, 64), Addr: group}}, []socket.Message{{Buf: make([]byte, 64)}}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if _, err := out.TrySend(ms); err != nil {
					b.Fatal(err)
				}
				l.Run(10 * time.Microsecond)
				if _, err := in.TryRecv(got); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
