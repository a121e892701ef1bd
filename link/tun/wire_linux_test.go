package tun_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/tun"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// A kernel that routes our trains on to a card that can neither cut them up nor
// finish checksums does both: what comes out on the wire is right to the last bit.
func TestTrainsOnTheWire(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tun.Config{HostAddresses: hosts})
	for _, line := range []string{
		"ip link add veth0 type veth peer name veth1",
		"ip link set veth0 up", "ip link set veth1 up", "ip addr add 10.5.0.1/24 dev veth0",
		"ip neigh add 10.5.0.2 lladdr 02:00:00:00:00:02 dev veth0 nud permanent",
		"ethtool -K veth0 tx off gso off",
	} {
		words := strings.Fields(line)
		ns.Run(t, words[0], words[1:]...)
	}
	ns.Sysctl(t, "ipv4/ip_forward", "1")
	for start := time.Now(); strings.Count(ns.Run(t, "ip", "link", "show", "type", "veth"), "state UP") != 2; {
		if time.Since(start) > 20*time.Second {
			t.Fatal("the veth pair does not come up")
		}
	}
	c := capture(t, ns, "veth1")

	to := netip.MustParseAddr("10.5.0.2")
	for _, test := range []struct{ payload, segment int }{
		{1400 * 10, 1400}, {5001, 1000}, {128, 1}, {64*128 - 1, 64}, {999, 1000}, // a train of one
	} {
		want := pattern(test.payload)
		write(t, l, datagramTo(to, want, test.segment))
		for i := 0; len(want) > 0; i++ {
			p := c.next(t, to)
			h, options, datagram, err := wire.ParseIPv4(p)
			if err != nil {
				t.Fatal(err)
			}
			u, payload, err := wire.ParseUDP(datagram)
			if err != nil {
				t.Fatal(err)
			}
			k := min(test.segment, len(want))
			if !bytes.Equal(payload, want[:k]) || !h.ChecksumOK(options) || u.Checksum() == 0 || !u.ChecksumOK(h.PseudoSum(u.Length()), payload) {
				t.Fatalf("%v: datagram %d: %d bytes, want %d; IP checksum right %v, UDP checksum %#x right %v", test, i, len(payload), k,
					h.ChecksumOK(options), u.Checksum(), u.ChecksumOK(h.PseudoSum(u.Length()), payload))
			}
			if h.ID() != uint16(1000+i) {
				t.Errorf("%v: datagram %d has the identification %d", test, i, h.ID())
			}
			want = want[k:]
		}
	}
}

// datagramTo is datagram with another destination.
func datagramTo(to netip.Addr, payload []byte, segment int) *packet.Buffer {
	b := datagram(7000, payload, segment)
	h := (*wire.IPv4Header)(b.Bytes())
	h.SetDestination(to)
	h.UpdateChecksum(nil)
	u := (*wire.UDPHeader)(b.Bytes()[wire.IPv4HeaderLen:])
	u.SetChecksum(h.PseudoSum(u.Length()))
	return b
}

// A capturer sees what comes in by an interface as it is, nothing finished.
type capturer struct{ fd int }

func capture(t *testing.T, ns *netns.Namespace, name string) *capturer {
	t.Helper()
	c := new(capturer)
	var err error
	ns.Do(func() {
		var dev *net.Interface
		ethIP := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_IP))
		if dev, err = net.InterfaceByName(name); err != nil {
			return
		}
		if c.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return
		}
		err = unix.Bind(c.fd, &unix.SockaddrLinklayer{Protocol: ethIP, Ifindex: dev.Index})
	})
	if err == nil {
		err = unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(c.fd) })
	return c
}

// next returns the next packet for that address.
func (c *capturer) next(t *testing.T, to netip.Addr) []byte {
	t.Helper()
	buf := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(c.fd, buf, 0)
		if err != nil {
			t.Fatalf("nothing came: %v", err)
		}
		if h, _, _, err := wire.ParseIPv4(buf[:n]); err == nil && h.Destination() == to {
			return buf[:n]
		}
	}
}

// IPv6 has trains too.
func TestIPv6Trains(t *testing.T) {
	ns := netns.New(t)
	ns.Sysctl(t, "ipv6/conf/default/disable_ipv6", "0")
	l := open(t, ns, "cn0", tun.Config{})
	ns.Run(t, "ip", "-6", "addr", "add", "fd00::1/64", "dev", "cn0", "nodad")
	// The address is used before packets to it are taken in.
	for start := time.Now(); !strings.Contains(ns.Run(t, "ip", "-6", "route", "show", "table", "local"), "local fd00::1 "); {
		if time.Since(start) > 20*time.Second {
			t.Fatal("the address does not become the kernel's own")
		}
	}
	r := newReceiver(link.ChecksumTransmit | link.Segmentation)
	l.Attach(r)
	var c *net.UDPConn
	var err error
	ns.Do(func() {
		c, err = net.DialUDP("udp6", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("[fd00::1]:7000")),
			net.UDPAddrFromAddrPort(netip.MustParseAddrPort("[fd00::2]:9")))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	segments(t, c, 1000)
	want := pattern(20500)
	if _, err := c.Write(want); err != nil {
		t.Fatal(err)
	}
	g := r.next(t)
	if g.segment != 1000 || !bytes.HasSuffix(g.data, want) || len(g.data) != len(want)+48 {
		t.Fatalf("%d bytes came in segments of %d", len(g.data), g.segment)
	}
	// Back as it came, but for the addresses and ports, which change places and so
	// leave the pseudo-header's sum as it is.
	b := packet.New(len(g.data))
	p := b.Append(len(g.data))
	copy(p, g.data)
	copy(p[8:], g.data[24:40])
	copy(p[24:], g.data[8:24])
	binary.BigEndian.PutUint16(p[40:], 9)
	binary.BigEndian.PutUint16(p[42:], 7000)
	b.SegmentSize, b.Flags = uint16(g.segment), g.flags
	write(t, l, b)
	buf := make([]byte, 2000)
	for rest := want; len(rest) > 0; {
		n, err := c.Read(buf)
		k := min(1000, len(rest))
		if err != nil || !bytes.Equal(buf[:n], rest[:k]) {
			t.Fatalf("the kernel read %d bytes, want %d; %v", n, k, err)
		}
		rest = rest[k:]
	}
}
