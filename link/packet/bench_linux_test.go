package packet_test

import (
	"fmt"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/link"
	device "github.com/castnet-go/castnet/link/packet"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// BenchmarkWrite writes frames to the other end of a veth pair, where nobody wants
// their type.
func BenchmarkWrite(b *testing.B) {
	for _, batch := range []int{1, 32} {
		b.Run(fmt.Sprintf("64/%d", batch), func(b *testing.B) {
			l := open(b, wired(b), device.Config{})
			frames := make([]*packet.Buffer, batch)
			b.ReportAllocs()
			for b.Loop() {
				packet.NewBatch(frames, 64)
				for _, f := range frames {
					h := wire.PutEthernet(f.Append(64))
					h.SetDestination(mac0)
					h.SetSource(mac1)
					h.SetType(experiment)
				}
				if n, err := l.Write(frames); n != batch || err != nil {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(batch), "ns/frame")
		})
	}
}

// BenchmarkRead reads what the kernel sends by the other end, which is part of what
// is measured, singly and in trains.
func BenchmarkRead(b *testing.B) {
	for _, count := range []int{1, 46} {
		b.Run(fmt.Sprintf("1400/%d", count), func(b *testing.B) {
			ns := wired(b)
			l := open(b, ns, device.Config{})
			got := make(counter, 1000)
			l.Attach(got)
			ns.Run(b, "ip", "neigh", "add", ours.String(), "lladdr", mac1.String(), "dev", "veth0")
			var c *net.UDPConn
			var err error
			ns.Do(func() { c, err = net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 9}) })
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			if raw, err := c.SyscallConn(); err != nil {
				b.Fatal(err)
			} else if count > 1 {
				raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), syscall.IPPROTO_UDP, unix.UDP_SEGMENT, 1400) })
			}
			payload := make([]byte, 1400*count)
			const window = 32
			underway := 0
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(payload); err != nil {
					b.Fatal(err)
				}
				for underway++; underway >= window; {
					underway -= <-got
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(count), "ns/datagram")
		})
	}
}

type counter chan int

func (counter) Accepts() link.Capabilities { return link.ChecksumTransmit | link.Segmentation }

func (c counter) Deliver(_ int, frames []*packet.Buffer) {
	n := len(frames)
	packet.ReleaseAll(frames)
	c <- n
}
