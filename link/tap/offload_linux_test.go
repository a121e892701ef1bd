package tap_test

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
	"github.com/castnet-go/castnet/link/tap"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// A trainReceiver is a receiver that takes trains, and notes their segments.
type trainReceiver struct {
	receiver
	segments chan int
}

func (trainReceiver) Accepts() link.Capabilities { return link.ChecksumTransmit | link.Segmentation }

func (r trainReceiver) Deliver(q int, frames []*packet.Buffer) {
	for _, f := range frames {
		if _, _, ok := link.UDPOffset(f.Bytes(), link.Ethernet); ok {
			r.segments <- int(f.SegmentSize)
		}
	}
	r.receiver.Deliver(q, frames)
}

// Trains pass whole in both directions, or as datagrams if that is asked for.
func TestTrains(t *testing.T) {
	for _, test := range []struct {
		offload link.Offload
		want    link.Capabilities
	}{
		{link.OffloadAll, link.ChecksumTransmit | link.Segmentation},
		{link.OffloadChecksums, link.ChecksumTransmit},
		{link.OffloadNone, 0},
	} {
		t.Run(test.offload.String(), func(t *testing.T) {
			ns := netns.New(t)
			l := open(t, ns, "cn0", tap.Config{HostAddresses: []netip.Prefix{hostPrefix}, Offload: test.offload, Queues: 2})
			if got := l.Capabilities(); got != test.want || l.Queues() != 2 {
				t.Fatalf("capabilities %b, want %b; %d queues", got, test.want, l.Queues())
			}
			r := trainReceiver{make(receiver, 100), make(chan int, 100)}
			l.Attach(r)
			ns.Run(t, "ip", "neigh", "add", us.String(), "lladdr", l.Address().String(), "dev", "cn0")

			// In.
			var c *net.UDPConn
			var err error
			ns.Do(func() {
				c, err = net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 7000}, net.UDPAddrFromAddrPort(netip.AddrPortFrom(us, 9)))
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			raw, err := c.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), syscall.IPPROTO_UDP, unix.UDP_SEGMENT, 1000) })
			if err != nil {
				t.Fatal(err)
			}
			payload := bytes.Repeat([]byte("0123456789"), 350)
			if _, err := c.Write(payload); err != nil {
				t.Fatal(err)
			}
			trains := test.want&link.Segmentation != 0
			for rest := payload; len(rest) > 0; {
				_, packet := r.next(t, wire.EtherTypeIPv4)
				k, segment := 1000, 0
				if trains {
					k, segment = len(rest), 1000
				}
				k = min(k, len(rest))
				if got := <-r.segments; got != segment || !bytes.Equal(packet[28:], rest[:k]) {
					t.Fatalf("%d bytes in segments of %d, want %d in segments of %d", len(packet)-28, got, k, segment)
				}
				rest = rest[k:]
			}

			// Out: the same back.
			f := train(l, payload)
			if n, err := l.Write(f.Single()); !trains {
				if n != 0 || err != link.ErrTooBig {
					t.Errorf("Write of a train: %d, %v; want %v", n, err, link.ErrTooBig)
				}
				f.Release()
				return
			} else if n != 1 || err != nil {
				t.Fatalf("Write: %d, %v", n, err)
			}
			c.SetReadDeadline(time.Now().Add(10 * time.Second))
			buf := make([]byte, 2000)
			for rest := payload; len(rest) > 0; {
				n, err := c.Read(buf)
				k := min(1000, len(rest))
				if err != nil || !bytes.Equal(buf[:n], rest[:k]) {
					t.Fatalf("the kernel read %d bytes, %v", n, err)
				}
				rest = rest[k:]
			}
		})
	}
}

// train is a frame from us to the kernel, in segments of 1000 bytes.
func train(l *tap.Link, payload []byte) *packet.Buffer {
	n := wire.UDPHeaderLen + len(payload)
	b := packet.New(n + wire.IPv4HeaderLen)
	u := wire.PutUDP(b.Append(n))
	copy(b.Bytes()[wire.UDPHeaderLen:], payload)
	u.SetSourcePort(9)
	u.SetDestinationPort(7000)
	u.SetLength(uint16(n))
	h := wire.PutIPv4(b.Prepend(wire.IPv4HeaderLen))
	h.SetTotalLength(uint16(b.Len()))
	h.SetTTL(64)
	h.SetProtocol(wire.ProtocolUDP)
	h.SetSource(us)
	h.SetDestination(hostPrefix.Addr())
	h.UpdateChecksum(nil)
	u.SetChecksum(h.PseudoSum(uint16(n)))
	e := wire.PutEthernet(b.Prepend(wire.EthernetHeaderLen))
	e.SetDestination(l.HostAddress())
	e.SetSource(l.Address())
	e.SetType(wire.EtherTypeIPv4)
	b.SegmentSize, b.Flags = 1000, packet.ChecksumPartial
	return b
}

// The device hands us what its filter lets pass.
func TestFilter(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tap.Config{Persistent: true})
	r := make(receiver, 100)
	l.Attach(r)
	group, other, station := wire.MAC{1, 0, 0x5e, 1, 2, 3}, wire.MAC{1, 0, 0x5e, 9, 9, 9}, wire.MAC{2, 9, 9, 9, 9, 9}
	all := []wire.MAC{l.Address(), wire.Broadcast, group, other, station}

	var raw int
	var err error
	var device *net.Interface
	ns.Do(func() {
		if device, err = net.InterfaceByName("cn0"); err == nil {
			raw, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(raw)
	// received sends a frame to each of all, and one that ends the row, and
	// returns which came.
	received := func(r receiver, end wire.MAC) (list []wire.MAC) {
		t.Helper()
		for _, to := range append(all, end) {
			frame := make([]byte, 60)
			h := wire.PutEthernet(frame)
			h.SetDestination(to)
			h.SetType(0x88b5)
			if err := unix.Sendto(raw, frame, 0, &unix.SockaddrLinklayer{Ifindex: device.Index}); err != nil {
				t.Fatal(err)
			}
		}
		for {
			h, _ := r.next(t, 0x88b5)
			list = append(list, h.Destination())
			if h.Destination() == end && len(list) > 1 {
				return list[:len(list)-1]
			}
		}
	}
	for _, test := range []struct {
		filter link.Filter
		want   []wire.MAC
	}{
		{link.Filter{}, all[:2]},
		{link.Filter{Groups: []wire.MAC{group}}, all[:3]},
		{link.Filter{Mode: link.AllMulticast}, all[:4]},
		{link.Filter{Mode: link.Promiscuous}, all},
	} {
		if err := l.SetFilter(test.filter); err != nil {
			t.Fatal(err)
		}
		if got := received(r, l.Address()); len(got) != len(test.want) {
			t.Errorf("%+v: frames to %v came, want %v", test.filter, got, test.want)
		}
	}
	if err := l.SetFilter(link.Filter{Groups: []wire.MAC{station}}); err == nil {
		t.Error("a station's address was taken for a group's")
	}
	// A filter does not outlive the Link, though the device does.
	if err := l.SetFilter(link.Filter{}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := l.SetFilter(link.Filter{}); err != net.ErrClosed {
		t.Errorf("SetFilter after Close: %v, want %v", err, net.ErrClosed)
	}
	l = open(t, ns, "cn0", tap.Config{})
	r = make(receiver, 100)
	l.Attach(r)
	if got := received(r, station); len(got) != len(all)-1 {
		t.Errorf("opened again, frames to %v came, want %v", got, all)
	}
}
