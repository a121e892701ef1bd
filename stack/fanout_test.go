package stack

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// crowd returns n sockets on port 7 that hear the group, each among others.
func crowd(t testing.TB, h *host, n, groups int) []*Socket {
	t.Helper()
	list := make([]*Socket, n)
	for k := range list {
		s := h.open(t, "")
		setOption(t, s, socket.ReuseAddr, 1)
		if err := s.Bind(netip.MustParseAddrPort("0.0.0.0:7")); err != nil {
			t.Fatal(err)
		}
		for g := range groups {
			if err := s.ChangeGroup(socket.JoinGroup, groupOn(fmt.Sprintf("239.1.2.%d", 3+g), h.eth0)); err != nil {
				t.Fatal(err)
			}
		}
		list[k] = s
	}
	h.clock.Advance(time.Minute)
	return list
}

func groupFrame(to, payload string) []byte {
	return datagram{dst: to + ":7", ttl: 1, to: wire.MulticastMAC(groupAddr(to)), payload: payload}.frame()
}

// A datagram to a group is one buffer, whatever the number of its receivers, and costs
// no allocation.
func TestFanOutDoesNotAllocate(t *testing.T) {
	if packet.Checking {
		t.Skip("the race detector makes sync.Pool drop buffers at random")
	}
	for _, n := range []int{1, 10, 1000} {
		h, l := onCable(t, Config{})
		list := crowd(t, h, n, 3)
		l.take()
		frame := groupFrame(g1, "x")
		in := []socket.Message{{Buf: make([]byte, 64)}}
		bs := make([]*packet.Buffer, 1)
		sink := l.sink
		pin(t, fmt.Sprint(n, " receivers"), func() {
			bs[0] = newBuffer(frame)
			sink.Deliver(0, bs)
			for _, s := range list {
				if _, err := s.TryRecv(in); err != nil {
					t.Fatal(err)
				}
			}
		})
		checkLedger(t, h)
	}
}

// What a lane remembers of receivers is what it would find, whatever sockets do.
func TestRememberedReceiversAreThoseThatAreFound(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 3))
		h, _ := onCable(t, Config{})
		var sockets []*Socket
		lane := &h.eth0.lanes[0]
		lane.begin()
		hits := 0
		for range 2000 {
			if len(sockets) < 12 {
				s := h.open(t, "")
				setOption(t, s, socket.ReuseAddr, 1)
				sockets = append(sockets, s)
			}
			k := rng.IntN(len(sockets))
			s, group := sockets[k], []string{g1, g2}[rng.IntN(2)]
			switch rng.IntN(16) {
			case 0:
				s.Close()
				sockets = slices.Delete(sockets, k, k+1)
			case 1, 2:
				s.Bind(netip.MustParseAddrPort([]string{"0.0.0.0:7", group + ":7", "10.0.0.2:7"}[rng.IntN(3)]))
			case 3, 4, 5:
				s.ChangeGroup(socket.GroupChange(1+rng.IntN(6)), groupOn(group, h.eth0, fmt.Sprint(8+rng.IntN(2))))
			case 6:
				s.SetOption(socket.MulticastAll, rng.IntN(2))
			case 7:
				s.Connect([]netip.AddrPort{{}, netip.MustParseAddrPort("10.0.0.8:9")}[rng.IntN(2)])
			case 8:
				s.SetOption(socket.BindInterface, rng.IntN(3))
			}
			for range 3 {
				f := flow{
					src: addressOf(groupAddr(fmt.Sprint("10.0.0.", 8+rng.IntN(2)))), dst: addressOf(groupAddr(group)),
					ports: portPair(7, 9), device: int32(h.eth0.index),
				}
				got, why := lane.receivers(f)
				got = slices.Clone(got)
				want, reason := lane.findReceivers(f)
				if !slices.Equal(got, want) || why != reason {
					t.Fatalf("seed %d: remembered %d, %v; there are %d, %v", seed, len(got), why, len(want), reason)
				}
				hits += len(want)
			}
		}
		if hits == 0 {
			t.Fatal("nobody ever received")
		}
	}
}

// BenchmarkFanOut is a datagram that comes in to a group, for each of its receivers, who
// do not read it: what is queued is dropped in between.
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		for _, groups := range []int{0, 1, 20} {
			b.Run(fmt.Sprintf("receivers=%d/groups=%d", n, groups), func(b *testing.B) {
				h, l := onCable(b, Config{})
				list := crowd(b, h, n, groups)
				if groups == 0 {
					crowd(b, h, 1, 1)
				}
				frame := groupFrame(g1, "x")
				bs := make([]*packet.Buffer, 1)
				in := []socket.Message{{Buf: make([]byte, 64)}}
				const burst = 100
				b.ResetTimer()
				for k := 0; k < b.N; k++ {
					bs[0] = newBuffer(frame)
					l.sink.Deliver(0, bs)
					if k%burst == burst-1 {
						b.StopTimer()
						for _, s := range list {
							for _, err := s.TryRecv(in); err == nil; _, err = s.TryRecv(in) {
							}
						}
						b.StartTimer()
					}
				}
				b.StopTimer()
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(max(n, 1)), "ns/receiver")
			})
		}
	}
}

// BenchmarkDeafCrowd is a datagram to a group that one of many sockets on its port has
// joined; the others have joined 20 groups each, and hear nothing else.
func BenchmarkDeafCrowd(b *testing.B) {
	for _, n := range []int{10, 10000} {
		b.Run(fmt.Sprintf("sockets=%d", n), func(b *testing.B) {
			h, l := onCable(b, Config{})
			for k := range n {
				s := h.open(b, "")
				setOption(b, s, socket.ReuseAddr, 1)
				setOption(b, s, socket.MulticastAll, 0)
				if err := s.Bind(netip.MustParseAddrPort("0.0.0.0:7")); err != nil {
					b.Fatal(err)
				}
				for g := range 20 {
					if err := s.ChangeGroup(socket.JoinGroup, groupOn(fmt.Sprintf("239.%d.%d.%d", 10+g, k/256, k%256), h.eth0)); err != nil {
						b.Fatal(err)
					}
				}
			}
			s := crowd(b, h, 1, 1)[0]
			frame := groupFrame(g1, "x")
			bs := make([]*packet.Buffer, 1)
			in := []socket.Message{{Buf: make([]byte, 64)}}
			b.ResetTimer()
			for range b.N {
				bs[0] = newBuffer(frame)
				l.sink.Deliver(0, bs)
				if _, err := s.TryRecv(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkJoin is one of many sockets joining 20 groups with 10 sources each, all of
// them the same groups and other sources, when so many have done it already.
func BenchmarkJoin(b *testing.B) {
	for _, before := range []int{0, 1000, 10000} {
		b.Run(fmt.Sprintf("sockets=%d", before), func(b *testing.B) {
			h, _ := onCable(b, Config{})
			n := 0
			join := func(s *Socket) {
				n++
				for g := range 20 {
					for k := range 10 {
						r := groupOn(fmt.Sprintf("232.1.2.%d", g), h.eth0)
						r.Source = netip.AddrFrom4([4]byte{10, byte(n >> 12), byte(n >> 4), byte(n<<4 | k)})
						if err := s.ChangeGroup(socket.JoinSource, r); err != nil {
							b.Fatal(err)
						}
					}
				}
			}
			for range before {
				join(h.open(b, ""))
			}
			h.clock.Advance(time.Minute)
			b.ResetTimer()
			for range b.N {
				s := h.open(b, "")
				join(s)
				b.StopTimer()
				h.clock.Advance(time.Minute)
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/200, "ns/change")
		})
	}
}

// BenchmarkUnicastBesideGroups is unicast to a host where 10,000 sockets have joined 20
// groups each, with 10 sources a group, and to one where there are as many sockets
// that have joined none.
func BenchmarkUnicastBesideGroups(b *testing.B) {
	for _, groups := range []int{0, 20} {
		b.Run(fmt.Sprintf("groups=%d", groups), func(b *testing.B) {
			ha, hb := pair(b)
			server := hb.open(b, "10.0.0.2:7")
			client := ha.connected(b, "10.0.0.1:8", "10.0.0.2:7")
			for n := range 10000 {
				s := hb.open(b, fmt.Sprintf("10.0.0.2:%d", 1000+n))
				for g := range groups {
					for k := range 10 {
						r := groupOn(fmt.Sprintf("232.1.%d.%d", n%256, g), hb.eth0)
						r.Source = netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), byte(k)})
						if err := s.ChangeGroup(socket.JoinSource, r); err != nil {
							b.Fatal(err)
						}
					}
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
