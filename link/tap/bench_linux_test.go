package tap_test

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/tap"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// BenchmarkWrite writes a frame to a device that is up. Nobody in the kernel
// wants its type, so that it is the driver's cost and not the receiver's.
func BenchmarkWrite(b *testing.B) {
	l := benchOpen(b, netns.New(b), link.OffloadNone)
	frame := func() *packet.Buffer {
		f := packet.New(60)
		p := f.Append(60)
		clear(p)
		h := wire.PutEthernet(p)
		h.SetDestination(l.HostAddress())
		h.SetSource(l.Address())
		h.SetType(0x88b5) // for local experiments (IEEE 802)
		return f
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Write(frame().Single()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWriteTrain writes trains of 1000 bytes a datagram to a port of the kernel
// at which nobody listens, with the errors about it cut off.
func BenchmarkWriteTrain(b *testing.B) {
	ns := netns.New(b)
	l := benchOpen(b, ns, link.OffloadAll)
	ns.Run(b, "ip", "route", "add", "blackhole", us.String())
	const count = 60
	payload := make([]byte, 1000*count)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Write(train(l, payload).Single()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/count, "ns/datagram")
}

// BenchmarkRead reads what the kernel sends, which is part of what is measured.
func BenchmarkRead(b *testing.B) {
	for _, size := range []int{64, 1400} {
		b.Run(fmt.Sprintf("%d/plain", size), func(b *testing.B) { benchRead(b, link.OffloadNone, size, 1) })
		b.Run(fmt.Sprintf("%d/USO", size), func(b *testing.B) {
			benchRead(b, link.OffloadAll, size, min(link.MaxSegments, 65000/size))
		})
	}
}

func benchRead(b *testing.B, offload link.Offload, size, count int) {
	ns := netns.New(b)
	l := benchOpen(b, ns, offload)
	ns.Run(b, "ip", "neigh", "add", us.String(), "lladdr", l.Address().String(), "dev", l.Name())
	got := make(counter, 1000)
	l.Attach(got)
	var conn *net.UDPConn
	var err error
	ns.Do(func() { conn, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(us, 9))) })
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	if count > 1 {
		raw, err := conn.SyscallConn()
		if err != nil {
			b.Fatal(err)
		}
		raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), syscall.IPPROTO_UDP, unix.UDP_SEGMENT, size) })
		if err != nil {
			b.Fatal(err)
		}
	}
	payload := make([]byte, size*count)
	b.ReportAllocs()
	const window = 32 // fewer than the device's queue holds
	underway := 0
	for b.Loop() {
		if _, err := conn.Write(payload); err != nil {
			b.Fatal(err)
		}
		for underway++; underway >= window; {
			underway -= <-got
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(count), "ns/datagram")
}

type counter chan int

func (counter) Accepts() link.Capabilities { return link.ChecksumTransmit | link.Segmentation }

func (c counter) Deliver(_ int, frames []*packet.Buffer) {
	n := len(frames)
	packet.ReleaseAll(frames)
	c <- n
}

func benchOpen(b *testing.B, ns *netns.Namespace, offload link.Offload) *tap.Link {
	b.Helper()
	var l *tap.Link
	var err error
	ns.Do(func() {
		l, err = tap.Open("cn0", tap.Config{HostAddresses: []netip.Prefix{hostPrefix}, Offload: offload})
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}
