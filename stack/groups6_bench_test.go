package stack

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
)

// joinMany makes the n-th of many sockets join the same 20 groups as the others, each
// with 10 sources of its own.
func joinMany(tb testing.TB, h *host, s *Socket, n int) {
	for g := range 20 {
		r := socket.Group{Interface: h.eth0.index}
		for k := range 10 {
			if s.Family() == socket.IPv4 {
				r.Address = netip.AddrFrom4([4]byte{232, 1, 2, byte(g)})
				r.Source = netip.AddrFrom4([4]byte{10, byte(n >> 12), byte(n >> 4), byte(n<<4 | k)})
			} else {
				r.Address = netip.AddrFrom16([16]byte{0: 0xff, 1: 0x35, 15: byte(g)})
				r.Source = netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 13: byte(n >> 12), 14: byte(n >> 4), 15: byte(n<<4 | k)})
			}
			if err := s.ChangeGroup(socket.JoinSource, r); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// Joining allocates no more when thousands have joined than when few have, in either
// family, but where a table grows, which it does ever more rarely.
func TestTheLastJoinsAsTheFirst(t *testing.T) {
	for _, family := range []socket.Family{socket.IPv4, socket.IPv6} {
		h, _ := onCable6(t, Config{})
		if err := h.eth0.AddAddress(netip.MustParsePrefix("10.0.0.2/24")); err != nil {
			t.Fatal(err)
		}
		n := 0
		least := func() (fewest float64) {
			for try := range 8 {
				s, err := h.OpenSocket(family)
				if err != nil {
					t.Fatal(err)
				}
				n++
				// AllocsPerRun runs the function once before it counts.
				done := false
				allocs := testing.AllocsPerRun(1, func() {
					if done {
						joinMany(t, h, s, n)
					}
					done = true
				})
				if try == 0 || allocs < fewest {
					fewest = allocs
				}
			}
			return fewest
		}
		first := least()
		for range 1500 {
			s, err := h.OpenSocket(family)
			if err != nil {
				t.Fatal(err)
			}
			n++
			joinMany(t, h, s, n)
		}
		if last := least(); last > first*1.05 {
			t.Errorf("%v: joining takes %v allocations after %d sockets, %v before", family, last, n, first)
		}
		h.Close()
	}
}

// BenchmarkJoinV6 is BenchmarkJoin for IPv6.
func BenchmarkJoinV6(b *testing.B) {
	for _, before := range []int{0, 1000, 10000} {
		b.Run(fmt.Sprintf("sockets=%d", before), func(b *testing.B) {
			h, _ := onCable6(b, Config{})
			n := 0
			for ; n < before; n++ {
				joinMany(b, h, h.open6(b, ""), n)
			}
			h.clock.Advance(time.Minute)
			b.ResetTimer()
			for range b.N {
				s := h.open6(b, "")
				n++
				joinMany(b, h, s, n)
				b.StopTimer()
				h.clock.Advance(time.Minute)
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/200, "ns/change")
		})
	}
}

// BenchmarkUnicastBesideGroupsV6 is BenchmarkUnicastBesideGroups for IPv6.
func BenchmarkUnicastBesideGroupsV6(b *testing.B) {
	for _, groups := range []bool{false, true} {
		b.Run(fmt.Sprintf("groups=%v", groups), func(b *testing.B) {
			ha, hb := pair6(b)
			to := "[" + hb.addr.String() + "]:7"
			server := hb.open6(b, to)
			client := ha.connected6(b, "", to)
			for n := range 10000 {
				s := hb.open6(b, fmt.Sprintf("[%v]:%d", hb.addr, 1000+n))
				if groups {
					joinMany(b, hb, s, n)
				}
			}
			hb.clock.Advance(time.Minute)
			out, in := []socket.Message{{Buf: make([]byte, 64)}}, []socket.Message{{Buf: make([]byte, 64)}}
			b.ResetTimer()
			for range b.N {
				if n, err := client.TrySend(out); n != 1 {
					b.Fatal(err)
				}
				if n, err := server.TryRecv(in); n != 1 {
					b.Fatal(err)
				}
			}
		})
	}
}
