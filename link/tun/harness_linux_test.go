package tun_test

import (
	"bytes"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/tun"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

var (
	hostPrefix = netip.MustParsePrefix("10.0.0.1/24")
	host       = hostPrefix.Addr()
	us         = netip.MustParseAddr("10.0.0.2")
	hosts      = []netip.Prefix{hostPrefix}
)

// open opens a device, which is that of the namespace's thread.
func open(t testing.TB, ns *netns.Namespace, name string, cfg tun.Config) *tun.Link {
	t.Helper()
	l, err := tryOpen(ns, name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func tryOpen(ns *netns.Namespace, name string, cfg tun.Config) (l *tun.Link, err error) {
	ns.Do(func() { l, err = tun.Open(name, cfg) })
	return l, err
}

// listen returns a socket of the kernel, and dial one that is connected to us.
func listen(t testing.TB, ns *netns.Namespace, port uint16) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	var err error
	ns.Do(func() { c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, port))) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

func dial(t testing.TB, ns *netns.Namespace, port uint16) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	var err error
	ns.Do(func() { c, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(us, port))) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// setOption sets an option of a socket of the kernel.
func setOption(t testing.TB, c *net.UDPConn, level, option, value int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		e := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, value) })
		if err == nil {
			err = e
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// segments makes what is written to c leave as datagrams of that size.
func segments(t testing.TB, c *net.UDPConn, size int) {
	t.Helper()
	setOption(t, c, syscall.IPPROTO_UDP, unix.UDP_SEGMENT, size)
}

// A got is a packet that came in, and its marks.
type got struct {
	data    []byte
	segment int
	flags   packet.Flags
	size    int // TrueSize
	queue   int
}

// A receiver is a sink that hands over what it gets, and accepts what it says.
type receiver struct {
	accepts link.Capabilities
	got     chan got
}

func newReceiver(accepts link.Capabilities) *receiver {
	return &receiver{accepts, make(chan got, 10000)}
}

func (r *receiver) Accepts() link.Capabilities { return r.accepts }

func (r *receiver) Deliver(queue int, frames []*packet.Buffer) {
	for _, f := range frames {
		r.got <- got{bytes.Clone(f.Bytes()), int(f.SegmentSize), f.Flags, f.TrueSize(), queue}
	}
	packet.ReleaseAll(frames)
}

// next returns the next UDP packet.
func (r *receiver) next(t testing.TB) got {
	t.Helper()
	for {
		select {
		case g := <-r.got:
			if _, _, ok := link.UDPOffset(g.data, link.IP); ok {
				return g
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no packet came")
		}
	}
}

// payload returns what the UDP datagram carries, and fails if the packet's lengths
// or checksums are not as the marks say.
func (g got) payload(t testing.TB) []byte {
	t.Helper()
	h, options, datagram, err := wire.ParseIPv4(g.data)
	if err != nil {
		t.Fatal(err)
	}
	u, payload, err := wire.ParseUDP(datagram)
	if err != nil {
		t.Fatal(err)
	}
	if int(h.TotalLength()) != len(g.data) || int(u.Length()) != len(datagram) {
		t.Errorf("an IP packet of %d bytes says %d, its datagram of %d bytes %d", len(g.data), h.TotalLength(), len(datagram), u.Length())
	}
	if !h.ChecksumOK(options) {
		t.Error("the IP header's checksum is wrong")
	}
	if pseudo := h.PseudoSum(u.Length()); g.flags&packet.ChecksumPartial == 0 {
		if u.Checksum() == 0 || !u.ChecksumOK(pseudo, payload) {
			t.Errorf("the UDP checksum %#x is wrong", u.Checksum())
		}
	} else if u.Checksum() != pseudo {
		t.Errorf("the UDP checksum is %#x, want the pseudo-header's sum %#x", u.Checksum(), pseudo)
	}
	return payload
}

// datagram makes a packet from us to the kernel, or a train, if segment is not 0.
func datagram(port uint16, payload []byte, segment int) *packet.Buffer {
	n := wire.UDPHeaderLen + len(payload)
	b := packet.New(wire.IPv4HeaderLen + n)
	p := b.Append(wire.IPv4HeaderLen + n)
	h := wire.PutIPv4(p)
	h.SetTotalLength(uint16(len(p)))
	h.SetID(1000)
	h.SetTTL(64)
	h.SetProtocol(wire.ProtocolUDP)
	h.SetSource(us)
	h.SetDestination(host)
	h.UpdateChecksum(nil)
	u := wire.PutUDP(p[wire.IPv4HeaderLen:])
	u.SetSourcePort(9)
	u.SetDestinationPort(port)
	u.SetLength(uint16(n))
	copy(p[wire.IPv4HeaderLen+wire.UDPHeaderLen:], payload)
	if pseudo := h.PseudoSum(uint16(n)); segment == 0 {
		u.UpdateChecksum(pseudo, payload)
	} else {
		u.SetChecksum(pseudo)
		b.SegmentSize = uint16(segment)
		b.Flags |= packet.ChecksumPartial
	}
	return b
}

// pattern returns n bytes that do not repeat soon.
func pattern(n int) []byte {
	p := make([]byte, n)
	x := uint32(1)
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}

func write(t testing.TB, l link.Link, frames ...*packet.Buffer) {
	t.Helper()
	if n, err := l.Write(frames); n != len(frames) || err != nil {
		packet.ReleaseAll(frames[n:])
		t.Fatalf("Write: %d of %d, %v", n, len(frames), err)
	}
}
