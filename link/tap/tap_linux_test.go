package tap_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/internal/linktest"
	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/tap"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

var (
	hostPrefix = netip.MustParsePrefix("10.0.0.1/24")
	us         = netip.MustParseAddr("10.0.0.2")
)

// open opens a device in a namespace of its own.
func open(t *testing.T, ns *netns.Namespace, name string, cfg tap.Config) *tap.Link {
	t.Helper()
	l, err := tryOpen(ns, name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func tryOpen(ns *netns.Namespace, name string, cfg tap.Config) (l *tap.Link, err error) {
	ns.Do(func() { l, err = tap.Open(name, cfg) })
	return l, err
}

// A receiver is a sink that hands over what it gets.
type receiver chan []byte

func (r receiver) Deliver(_ int, frames []*packet.Buffer) {
	for _, f := range frames {
		r <- bytes.Clone(f.Bytes())
	}
	packet.ReleaseAll(frames)
}

// next returns the next frame of that type.
func (r receiver) next(t *testing.T, want wire.EtherType) (*wire.EthernetHeader, []byte) {
	t.Helper()
	for {
		select {
		case b := <-r:
			if h, payload, err := wire.ParseEthernet(b); err == nil && h.Type() == want {
				return h, payload
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no %v frame came", want)
		}
	}
}

// send writes one frame to the kernel's end.
func send(t *testing.T, l *tap.Link, to wire.MAC, typ wire.EtherType, payload []byte) {
	t.Helper()
	b := packet.New(len(payload))
	copy(b.Append(len(payload)), payload)
	h := wire.PutEthernet(b.Prepend(wire.EthernetHeaderLen))
	h.SetDestination(to)
	h.SetSource(l.Address())
	h.SetType(typ)
	if n, err := l.Write(b.Single()); n != 1 || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
}

func TestOpenMakesDevice(t *testing.T) {
	ns := netns.New(t)
	mac := wire.MAC{2, 0, 0, 0, 0, 7}
	l := open(t, ns, "cn0", tap.Config{MTU: 1400, Address: mac, HostAddresses: []netip.Prefix{hostPrefix, hostPrefix}})
	if l.Name() != "cn0" || l.Kind() != link.Ethernet || l.MTU() != 1400 || l.Address() != mac || l.Queues() != 1 {
		t.Errorf("got %s, kind %d, MTU %d, address %v, %d queues", l.Name(), l.Kind(), l.MTU(), l.Address(), l.Queues())
	}
	d := ns.Devices(t)["cn0"]
	if d.MTU != 1400 || !strings.Contains(strings.Join(d.Flags, " "), "UP") {
		t.Errorf("the device has MTU %d, flags %v", d.MTU, d.Flags)
	}
	if d.Address != l.HostAddress() || d.Address == mac {
		t.Errorf("the kernel's end has %v, HostAddress says %v, ours is %v", d.Address, l.HostAddress(), mac)
	}
	if out := ns.Run(t, "ip", "-4", "addr", "show", "dev", "cn0"); !strings.Contains(out, "inet 10.0.0.1/24 brd 10.0.0.255 scope global") {
		t.Errorf("the address is missing:\n%s", out)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := ns.Devices(t)["cn0"]; ok {
		t.Error("the device outlived the Link")
	}
}

func TestNames(t *testing.T) {
	ns := netns.New(t)
	if l := open(t, ns, "", tap.Config{}); l.Name() != "tap0" {
		t.Errorf("got %s", l.Name())
	}
	if l := open(t, ns, "cn%d", tap.Config{}); l.Name() != "cn0" {
		t.Errorf("got %s", l.Name())
	}
}

func TestDefaultAddress(t *testing.T) {
	ns := netns.New(t)
	a, b := open(t, ns, "", tap.Config{}), open(t, ns, "", tap.Config{})
	for _, l := range []*tap.Link{a, b} {
		m := l.Address()
		if m.IsMulticast() || m[0]&2 == 0 || m == l.HostAddress() {
			t.Errorf("%v is not a unicast address of our own, locally administered", m)
		}
		if l.MTU() != 1500 {
			t.Errorf("MTU %d", l.MTU())
		}
	}
	if a.Address() == b.Address() {
		t.Errorf("two links have the address %v", a.Address())
	}
}

func TestPersistent(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tap.Config{Persistent: true, MTU: 1300})
	l.Close()
	if d := ns.Devices(t)["cn0"]; d.MTU != 1300 {
		t.Fatalf("the device did not outlive the Link: %+v", d)
	}
	// Opening it again takes it as it is.
	l = open(t, ns, "cn0", tap.Config{})
	if l.MTU() != 1300 {
		t.Errorf("MTU %d, want the device's 1300", l.MTU())
	}
	l.Close()
	if _, ok := ns.Devices(t)["cn0"]; !ok {
		t.Error("a device that was there before went with the Link")
	}
}

func TestARPAndUDPWithTheKernel(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tap.Config{HostAddresses: []netip.Prefix{hostPrefix}})
	r := make(receiver, 1000)
	if err := l.Attach(r); err != nil {
		t.Fatal(err)
	}
	var conn *net.UDPConn
	var err error
	ns.Do(func() { conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 7000}) })
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	// In: the kernel asks who has our address.
	if _, err := conn.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(us, 9)); err != nil {
		t.Fatal(err)
	}
	h, payload := r.next(t, wire.EtherTypeARP)
	if h.Source() != l.HostAddress() || h.Destination() != wire.Broadcast {
		t.Errorf("the request went from %v to %v", h.Source(), h.Destination())
	}
	ask, err := wire.ParseARP(payload)
	if err != nil || ask.TargetAddr() != us {
		t.Fatalf("the kernel asked for %v, %v", ask, err)
	}
	// Out: we answer, and the datagram comes.
	answer := make([]byte, wire.ARPPacketLen)
	wire.PutARP(answer, wire.ARPReply, l.Address(), us, ask.SenderMAC(), ask.SenderAddr())
	send(t, l, ask.SenderMAC(), wire.EtherTypeARP, answer)
	h, payload = r.next(t, wire.EtherTypeIPv4)
	if h.Destination() != l.Address() || !bytes.HasSuffix(payload, []byte("hello")) {
		t.Errorf("to %v came %q", h.Destination(), payload)
	}
}

func TestDeviceDownAndGone(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tap.Config{})
	l.Attach(make(receiver, 1000))
	frame := func() *packet.Buffer {
		b := packet.New(60)
		clear(b.Append(60))
		return b
	}
	linktest.DownAndGone(t, ns, "cn0", l, frame, nil)
}

func TestSetMTU(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tap.Config{})
	var err error
	ns.Do(func() { err = l.SetMTU(9000) })
	if err != nil {
		t.Fatal(err)
	}
	if d := ns.Devices(t)["cn0"]; d.MTU != 9000 || l.MTU() != 9000 {
		t.Errorf("MTU %d at the device, %d at the Link", d.MTU, l.MTU())
	}
	ns.Do(func() { err = l.SetMTU(65535) }) // over what the kernel allows
	if err == nil || l.MTU() != 9000 {
		t.Errorf("SetMTU(65535): %v, and the MTU is %d", err, l.MTU())
	}
}

func TestOpenRefuses(t *testing.T) {
	ns := netns.New(t)
	ns.Run(t, "ip", "tuntap", "add", "dev", "tun7", "mode", "tun")
	open(t, ns, "taken", tap.Config{})
	ns.Run(t, "ip", "tuntap", "add", "dev", "same", "mode", "tap")
	same := ns.Devices(t)["same"].Address
	linktest.Refuse(t, ns, "tap", tryOpen, []linktest.Refusal[tap.Config]{
		{Name: "taken", Is: unix.EBUSY, Want: "another program has it open"},
		{Name: "tun7", Is: unix.EINVAL, Want: "no TAP device"},
		{Name: "lo", Is: unix.EINVAL, Want: "no TAP device"},
		{Name: "a/b", Is: unix.EINVAL, Want: "not a name"},
		{Name: "more-than-fifteen", Is: unix.EINVAL, Want: "not a name"},
		{Name: "same", Config: tap.Config{Address: same}, Want: "ours must be another"},
		{Name: "mtu", Config: tap.Config{MTU: 10}, Is: unix.EINVAL, Want: "MTU to 10"},
		{Name: "group", Config: tap.Config{Address: wire.Broadcast}, Want: "group's address"},
		{Name: "address", Config: tap.Config{HostAddresses: make([]netip.Prefix, 1)}, Want: "zero prefix"},
	})
}

func TestWithoutCapability(t *testing.T) {
	ns := netns.New(t)
	ns.DropCapabilities(t, unix.CAP_NET_ADMIN)
	for _, test := range []struct {
		name, op, device string // what is asked for, refused, and to be made
		renamed          bool
	}{
		{"cn0", "cn0", "cn0", false},
		{"", "tap%d", "tap0", true},
		{"cn%d", "cn%d", "cn0", true},
	} {
		_, err := tryOpen(ns, test.name, tap.Config{})
		var refused *link.CapabilityError
		if !errors.As(err, &refused) || !errors.Is(err, os.ErrPermission) {
			t.Fatalf("%q: got %v, want a CapabilityError that is os.ErrPermission", test.name, err)
		}
		for _, want := range []string{
			"tap: " + test.op + ": ", "CAP_NET_ADMIN", "sudo setcap cap_net_admin+ep /",
			"ip tuntap add dev " + test.device + " mode tap user $USER && sudo ip link set " + test.device + " up",
		} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: error %q does not say %q", test.name, err, want)
			}
		}
		if strings.Contains(refused.Grant, "%") {
			t.Errorf("%q: a command that cannot be typed: %s", test.name, refused.Grant)
		}
		if got := strings.Contains(refused.Grant, "name="+test.device); got != test.renamed {
			t.Errorf("%q: says to open %s by name: %v, want %v: %s", test.name, test.device, got, test.renamed, refused.Grant)
		}
	}
}

// A device that was made for a user needs no capability to be opened.
func TestPreparedDeviceNeedsNoCapability(t *testing.T) {
	ns := netns.New(t)
	ns.Run(t, "ip", "tuntap", "add", "dev", "cn0", "mode", "tap", "user", "0")
	ns.Run(t, "ip", "link", "set", "cn0", "up")
	ns.DropCapabilities(t, unix.CAP_NET_ADMIN)
	open(t, ns, "cn0", tap.Config{})
}
