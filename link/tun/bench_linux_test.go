package tun_test

import (
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/tun"
	"github.com/castnet-go/castnet/packet"
)

// benchmarks calls f for single datagrams and for trains, of two sizes, and reports
// what a datagram costs.
func benchmarks(b *testing.B, f func(b *testing.B, ns *netns.Namespace, l *tun.Link, size, count int)) {
	for _, size := range []int{64, 1400} {
		for _, offload := range []link.Offload{link.OffloadNone, link.OffloadAll} {
			name, count := "plain", 1
			if offload == link.OffloadAll {
				name, count = "USO", min(link.MaxSegments, 65000/size)
			}
			b.Run(fmt.Sprintf("%d/%s", size, name), func(b *testing.B) {
				ns := netns.New(b)
				l := open(b, ns, "cn0", tun.Config{HostAddresses: hosts, Offload: offload})
				b.ReportAllocs()
				f(b, ns, l, size, count)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(count), "ns/datagram")
			})
		}
	}
}

// BenchmarkWrite writes to a socket of the kernel whose buffer is full, which takes
// trains: what is measured is the way there, without somebody who reads.
func BenchmarkWrite(b *testing.B) {
	benchmarks(b, func(b *testing.B, ns *netns.Namespace, l *tun.Link, size, count int) {
		c := listen(b, ns, 7000)
		setOption(b, c, syscall.SOL_SOCKET, unix.SO_RCVBUF, 1)
		setOption(b, c, syscall.IPPROTO_UDP, unix.UDP_GRO, 1)
		segment := 0
		if count > 1 {
			segment = size
		}
		payload := pattern(size * count)
		b.ResetTimer()
		for b.Loop() {
			// Made anew, as a sender must: one copy is part of it.
			if _, err := l.Write(datagram(7000, payload, segment).Single()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRead reads what a socket of the kernel sends, which is part of what is
// measured.
func BenchmarkRead(b *testing.B) {
	benchmarks(b, func(b *testing.B, ns *netns.Namespace, l *tun.Link, size, count int) {
		counted := counter{make(chan int, 1000)}
		l.Attach(counted)
		c := dial(b, ns, 9)
		if count > 1 {
			segments(b, c, size)
		}
		payload := pattern(size * count)
		const window = 32 // fewer than the device's queue holds
		underway := 0
		b.ResetTimer()
		for b.Loop() {
			if _, err := c.Write(payload); err != nil {
				b.Fatal(err)
			}
			for underway++; underway >= window; {
				underway -= <-counted.frames
			}
		}
	})
}

// A counter is a sink that takes everything and says how much it was.
type counter struct{ frames chan int }

func (c counter) Accepts() link.Capabilities { return link.ChecksumTransmit | link.Segmentation }

func (c counter) Deliver(_ int, frames []*packet.Buffer) {
	n := len(frames)
	packet.ReleaseAll(frames)
	c.frames <- n
}

func TestAllocations(t *testing.T) {
	if packet.Checking {
		t.Skip("the checking build allocates")
	}
	ns := netns.New(t)
	l := open(t, ns, "cn0", tun.Config{HostAddresses: hosts})
	counted := counter{make(chan int, 1)}
	l.Attach(counted)
	out, in := listen(t, ns, 7000), dial(t, ns, 9)
	setOption(t, out, syscall.SOL_SOCKET, unix.SO_RCVBUF, 1)
	payload := pattern(20000)
	for _, segment := range []int{0, 1000} {
		segments(t, in, segment)
		if segment == 0 {
			payload = payload[:1000]
		} else {
			payload = payload[:20000]
		}
		both := func() {
			l.Write(datagram(7000, payload, segment).Single())
			in.Write(payload)
			<-counted.frames
		}
		for range 100 {
			both()
		}
		if got := testing.AllocsPerRun(1000, both); got != 0 {
			t.Errorf("segments of %d: %v allocations for a packet each way, want 0", segment, got)
		}
	}
}
