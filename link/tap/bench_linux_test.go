package tap_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/link/tap"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// BenchmarkWrite writes a frame to a device that is up. Nobody in the kernel
// wants its type, so that it is the driver's cost and not the receiver's.
func BenchmarkWrite(b *testing.B) {
	l := benchOpen(b, netns.New(b))
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

// BenchmarkRead reads what the kernel sends, which is part of what is measured.
func BenchmarkRead(b *testing.B) {
	ns := netns.New(b)
	l := benchOpen(b, ns)
	ns.Run(b, "ip", "neigh", "add", us.String(), "lladdr", l.Address().String(), "dev", l.Name())
	got := make(chan int, 1000)
	l.Attach(counter(got))
	var conn *net.UDPConn
	var err error
	ns.Do(func() { conn, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(us, 9))) })
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	payload := make([]byte, 64)
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
}

type counter chan int

func (c counter) Deliver(_ int, frames []*packet.Buffer) {
	n := len(frames)
	packet.ReleaseAll(frames)
	c <- n
}

func benchOpen(b *testing.B, ns *netns.Namespace) *tap.Link {
	b.Helper()
	var l *tap.Link
	var err error
	ns.Do(func() { l, err = tap.Open("cn0", tap.Config{HostAddresses: []netip.Prefix{hostPrefix}}) })
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}
