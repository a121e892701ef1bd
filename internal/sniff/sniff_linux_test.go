package sniff

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/wire"
)

var (
	mac0 = wire.MAC{2, 0, 0, 0, 0, 0xa0}
	mac1 = wire.MAC{2, 0, 0, 0, 0, 0xa1}
)

// wired returns a namespace with a veth pair that is up.
func wired(t *testing.T) *netns.Namespace {
	t.Helper()
	ns := netns.New(t)
	ns.Run(t, "ip", "link", "add", "veth0", "address", mac0.String(), "type", "veth", "peer", "name", "veth1", "address", mac1.String())
	ns.Run(t, "ip", "link", "set", "veth0", "up")
	ns.Run(t, "ip", "link", "set", "veth1", "up")
	for start := time.Now(); strings.Count(ns.Run(t, "ip", "link", "show", "type", "veth"), "state UP") != 2; {
		if time.Since(start) > 20*time.Second {
			t.Fatal("the veth pair does not come up")
		}
	}
	return ns
}

func open(t *testing.T, ns *netns.Namespace, interfaces ...string) *Sniffer {
	t.Helper()
	var s *Sniffer
	var err error
	ns.Do(func() { s, err = Open(Config{Interfaces: interfaces}) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.SetReadDeadline(time.Now().Add(20 * time.Second))
	return s
}

// transmit sends frames by an interface.
func transmit(t *testing.T, ns *netns.Namespace, name string, frames ...[]byte) {
	t.Helper()
	var err error
	ns.Do(func() {
		var i *net.Interface
		if i, err = net.InterfaceByName(name); err != nil {
			return
		}
		var fd int
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return
		}
		defer unix.Close(fd)
		for _, f := range frames {
			if err = unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: i.Index}); err != nil {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// frame4 returns an Ethernet frame with an IPv4 packet of that protocol, whose payload is
// one byte that tells it from others.
func frame4(p wire.Protocol, mark byte) []byte {
	group := netip.MustParseAddr("239.1.2.3")
	b := ethernet(group, wire.EtherTypeIPv4)
	h := wire.PutIPv4(b[wire.EthernetHeaderLen:][:20])
	h.SetTotalLength(21)
	h.SetTTL(1)
	h.SetProtocol(p)
	h.SetSource(netip.MustParseAddr("10.0.0.9"))
	h.SetDestination(group)
	h.UpdateChecksum(nil)
	return append(b[:wire.EthernetHeaderLen+20], mark)
}

// frame6 returns one with an IPv6 packet, with hop-by-hop options or without, and an ICMPv6
// message of that type, or what else the protocol is.
func frame6(options bool, p wire.Protocol, kind wire.ICMPv6Type) []byte {
	group := netip.MustParseAddr("ff15::123")
	b := ethernet(group, wire.EtherTypeIPv6)
	h := wire.PutIPv6(b[wire.EthernetHeaderLen:][:40])
	h.SetNextHeader(p)
	h.SetHopLimit(1)
	h.SetSource(netip.MustParseAddr("fe80::9"))
	h.SetDestination(group)
	b = b[:wire.EthernetHeaderLen+40]
	if options {
		h.SetNextHeader(wire.ProtocolIPv6HopByHop)
		b = append(b, byte(p), 0, 5, 2, 0, 0, 1, 0)
	}
	b = append(b, byte(kind), 0, 0, 0)
	h.SetPayloadLength(uint16(len(b) - wire.EthernetHeaderLen - 40))
	return b
}

func ethernet(group netip.Addr, t wire.EtherType) []byte {
	b := make([]byte, 100)
	h := wire.PutEthernet(b)
	h.SetDestination(wire.MulticastMAC(group))
	h.SetSource(mac1)
	h.SetType(t)
	return b
}

// What comes in and what leaves is seen, of IGMP and MLD and of nothing else.
func TestWhatIsSeen(t *testing.T) {
	ns := wired(t)
	s := open(t, ns)
	if got := s.Interfaces(); len(got) != 2 || !slices.Contains(got, "veth0") || !slices.Contains(got, "veth1") {
		t.Errorf("interfaces %q", got)
	}
	seen := [][]byte{
		frame4(wire.ProtocolIGMP, 1),
		frame6(true, wire.ProtocolICMPv6, wire.ICMPv6MLDQuery), frame6(true, wire.ProtocolICMPv6, wire.ICMPv6MLDv1Report),
		frame6(true, wire.ProtocolICMPv6, wire.ICMPv6MLDv1Done), frame6(true, wire.ProtocolICMPv6, wire.ICMPv6MLDv2Report),
		frame6(false, wire.ProtocolICMPv6, wire.ICMPv6MLDQuery), frame6(false, wire.ProtocolICMPv6, wire.ICMPv6MLDv1Report),
		frame6(false, wire.ProtocolICMPv6, wire.ICMPv6MLDv1Done), frame6(false, wire.ProtocolICMPv6, wire.ICMPv6MLDv2Report),
	}
	unseen := [][]byte{
		frame4(wire.ProtocolUDP, 2), frame4(wire.ProtocolICMP, 3),
		frame6(false, wire.ProtocolICMPv6, 129), frame6(false, wire.ProtocolICMPv6, 133), frame6(false, wire.ProtocolICMPv6, 135),
		frame6(false, wire.ProtocolUDP, 130), frame6(true, wire.ProtocolUDP, 130),
	}
	arp := frame4(wire.ProtocolIGMP, 4)
	arp[12], arp[13] = 8, 6
	for i, f := range seen {
		transmit(t, ns, "veth1", append(slices.Clone(unseen), arp, f)...)
		for _, want := range []struct {
			iface    string
			outgoing bool
		}{{"veth1", true}, {"veth0", false}} {
			p, err := s.Read()
			if err != nil {
				t.Fatal(err)
			}
			if p.Interface != want.iface || p.Outgoing != want.outgoing || p.MAC != mac1 || string(p.Data) != string(f[wire.EthernetHeaderLen:]) {
				t.Errorf("packet %d: %+v, want % x by %+v", i, p, f[wire.EthernetHeaderLen:], want)
			}
		}
	}
	if n := s.Lost(); n != 0 {
		t.Errorf("%d are lost", n)
	}
}

// Other interfaces than those that were named are not looked at.
func TestNamedInterfaces(t *testing.T) {
	ns := wired(t)
	s := open(t, ns, "veth0", "veth0")
	if got := s.Interfaces(); !slices.Equal(got, []string{"veth0"}) {
		t.Errorf("interfaces %q", got)
	}
	transmit(t, ns, "veth1", frame4(wire.ProtocolIGMP, 1), frame4(wire.ProtocolIGMP, 2))
	for mark := byte(1); mark <= 2; mark++ {
		p, err := s.Read()
		if err != nil || p.Interface != "veth0" || p.Outgoing || p.Data[20] != mark {
			t.Errorf("%+v, %v, want number %d", p, err, mark)
		}
	}
}

// Interfaces are told to receive all groups, and no more so after Close.
func TestAllGroups(t *testing.T) {
	ns := wired(t)
	all := func() bool { return strings.Contains(ns.Run(t, "ip", "-d", "link", "show", "veth0"), "allmulti 1") }
	s := open(t, ns, "veth0")
	if !all() {
		t.Error("veth0 receives the groups of this host only")
	}
	s.Close()
	if all() {
		t.Error("veth0 receives all groups still")
	}
}

// An interface that goes down and comes up again is looked at still.
func TestInterfaceDownAndUp(t *testing.T) {
	ns := wired(t)
	s := open(t, ns)
	ns.Run(t, "ip", "link", "set", "veth0", "down")
	ns.Run(t, "ip", "link", "set", "veth0", "up")
	for start := time.Now(); strings.Count(ns.Run(t, "ip", "link", "show", "type", "veth"), "state UP") != 2; {
		if time.Since(start) > 20*time.Second {
			t.Fatal("the veth pair does not come up")
		}
	}
	transmit(t, ns, "veth1", frame4(wire.ProtocolIGMP, 1))
	for {
		p, err := s.Read()
		if err != nil {
			t.Fatal(err)
		}
		if p.Interface == "veth0" && p.Data[20] == 1 {
			return
		}
	}
}

func TestOpenErrors(t *testing.T) {
	ns := netns.New(t)
	var err error
	ns.Do(func() { _, err = Open(Config{}) })
	if !errors.Is(err, unix.ENODEV) {
		t.Errorf("nothing but loopback: %v", err)
	}
	ns.Do(func() { _, err = Open(Config{Interfaces: []string{"lo", "nosuch0"}}) })
	if !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), "nosuch0") {
		t.Errorf("no such interface: %v", err)
	}
}

func TestDeadlineAndClose(t *testing.T) {
	ns := wired(t)
	s := open(t, ns)
	s.SetReadDeadline(time.Unix(1, 0))
	if _, err := s.Read(); err != os.ErrDeadlineExceeded {
		t.Errorf("after the deadline: %v", err)
	}
	s.SetReadDeadline(time.Time{})
	ended := make(chan error)
	go func() {
		_, err := s.Read()
		ended <- err
	}()
	s.Close()
	if err := <-ended; err != net.ErrClosed {
		t.Errorf("closed: %v", err)
	}
}
