package tun_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/internal/linktest"
	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/tun"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

func TestOpenMakesDevice(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tun.Config{MTU: 1400, HostAddresses: hosts, HostRoutes: []netip.Prefix{netip.MustParsePrefix("10.7.0.0/16")}})
	if l.Name() != "cn0" || l.Kind() != link.IP || l.MTU() != 1400 || !l.Address().IsZero() || l.Queues() != 1 {
		t.Errorf("got %s, kind %d, MTU %d, address %v, %d queues", l.Name(), l.Kind(), l.MTU(), l.Address(), l.Queues())
	}
	d := ns.Devices(t)["cn0"]
	if d.MTU != 1400 || !strings.Contains(strings.Join(d.Flags, " "), "UP") {
		t.Errorf("the device has MTU %d, flags %v", d.MTU, d.Flags)
	}
	if out := ns.Run(t, "ip", "-4", "addr", "show", "dev", "cn0"); !strings.Contains(out, "inet 10.0.0.1/24") {
		t.Errorf("the address is missing:\n%s", out)
	}
	if out := ns.Run(t, "ip", "route"); !strings.Contains(out, "10.7.0.0/16 dev cn0") {
		t.Errorf("the route is missing:\n%s", out)
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
	if l := open(t, ns, "", tun.Config{}); l.Name() != "tun0" {
		t.Errorf("got %s", l.Name())
	}
	if l := open(t, ns, "cn%d", tun.Config{}); l.Name() != "cn0" {
		t.Errorf("got %s", l.Name())
	}
}

func TestPeer(t *testing.T) {
	ns := netns.New(t)
	open(t, ns, "cn0", tun.Config{
		HostAddresses: []netip.Prefix{netip.MustParsePrefix("10.1.1.1/32")}, Peer: netip.MustParseAddr("10.9.9.9"),
	})
	if out := ns.Run(t, "ip", "-4", "addr", "show", "dev", "cn0"); !strings.Contains(out, "inet 10.1.1.1 peer 10.9.9.9/32") {
		t.Errorf("the address:\n%s", out)
	}
	if out := ns.Run(t, "ip", "route"); !strings.Contains(out, "10.9.9.9 dev cn0") {
		t.Errorf("no route to the peer:\n%s", out)
	}
}

// A route that is there already is left alone, if it is the same.
func TestHostRoutes(t *testing.T) {
	ns := netns.New(t)
	all := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("10.7.0.0/16")}
	l := open(t, ns, "cn0", tun.Config{HostRoutes: all, Persistent: true})
	l.Close()
	l = open(t, ns, "cn0", tun.Config{HostRoutes: all})
	defer l.Close()
	if out := ns.Run(t, "ip", "route"); strings.Count(out, "dev cn0") != 2 {
		t.Errorf("the routes:\n%s", out)
	}
	_, err := tryOpen(ns, "cn1", tun.Config{HostRoutes: all[1:]})
	if !errors.Is(err, unix.EEXIST) || !strings.Contains(err.Error(), "10.7.0.0/16") {
		t.Errorf("a route that is another device's: %v", err)
	}
	if _, ok := ns.Devices(t)["cn1"]; ok {
		t.Error("the device was left behind")
	}
}

func TestPersistent(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tun.Config{Persistent: true, MTU: 1300})
	l.Close()
	if d := ns.Devices(t)["cn0"]; d.MTU != 1300 {
		t.Fatalf("the device did not outlive the Link: %+v", d)
	}
	// Opened without offload it must not give what only offload explains.
	l = open(t, ns, "cn0", tun.Config{Offload: link.OffloadNone, HostAddresses: hosts})
	r := newReceiver(0)
	l.Attach(r)
	if l.MTU() != 1300 {
		t.Errorf("MTU %d, want the device's 1300", l.MTU())
	}
	if _, err := dial(t, ns, 7).Write(pattern(100)); err != nil {
		t.Fatal(err)
	}
	if g := r.next(t); !bytes.Equal(g.payload(t), pattern(100)) {
		t.Errorf("got %x", g.data)
	}
}

func TestOpenRefuses(t *testing.T) {
	ns := netns.New(t)
	ns.Run(t, "ip", "tuntap", "add", "dev", "tap7", "mode", "tap")
	ns.Run(t, "ip", "tuntap", "add", "dev", "single", "mode", "tun")
	open(t, ns, "taken", tun.Config{})
	linktest.Refuse(t, ns, "tun", tryOpen, []linktest.Refusal[tun.Config]{
		{Name: "taken", Is: unix.EBUSY, Want: "another program has it open"},
		{Name: "tap7", Is: unix.EINVAL, Want: "no TUN device"},
		{Name: "lo", Is: unix.EINVAL, Want: "no TUN device"},
		{Name: "single", Config: tun.Config{Queues: 2}, Is: unix.EINVAL, Want: "no TUN device with several queues"},
		{Name: "a/b", Is: unix.EINVAL, Want: "not a name"},
		{Name: "more-than-fifteen", Is: unix.EINVAL, Want: "not a name"},
		{Name: "mtu", Config: tun.Config{MTU: 10}, Is: unix.EINVAL, Want: "MTU to 10"},
		{Name: "queues", Config: tun.Config{Queues: 257}, Want: "1 to 256"},
		{Name: "queues", Config: tun.Config{Queues: -1}, Want: "1 to 256"},
		{Name: "address", Config: tun.Config{HostAddresses: make([]netip.Prefix, 1)}, Want: "zero prefix"},
		{Name: "route", Config: tun.Config{HostRoutes: make([]netip.Prefix, 1)}, Want: "zero prefix"},
		{Name: "peer", Config: tun.Config{HostAddresses: hosts, Peer: netip.MustParseAddr("fd00::1")}, Want: "another family"},
	})
}

func TestWithoutCapability(t *testing.T) {
	ns := netns.New(t)
	ns.Run(t, "ip", "tuntap", "add", "dev", "mine", "mode", "tun", "user", "0")
	ns.Run(t, "ip", "link", "set", "mine", "up")
	ns.DropCapabilities(t, unix.CAP_NET_ADMIN)
	_, err := tryOpen(ns, "cn0", tun.Config{})
	var refused *link.CapabilityError
	if !errors.As(err, &refused) || !errors.Is(err, os.ErrPermission) {
		t.Fatalf("got %v, want a CapabilityError that is os.ErrPermission", err)
	}
	for _, want := range []string{"tun: cn0: ", "CAP_NET_ADMIN", "sudo setcap cap_net_admin+ep /",
		"ip tuntap add dev cn0 mode tun user $USER && sudo ip link set cn0 up"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	// A device that was made for a user needs no capability, offload included.
	l, err := tryOpen(ns, "mine", tun.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if l.Capabilities()&link.Segmentation == 0 {
		t.Error("a user's own device takes no trains")
	}
	l.Close()
}

func TestDeviceDownAndGone(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tun.Config{HostAddresses: hosts, Queues: 2})
	l.Attach(newReceiver(0))
	train := func() *packet.Buffer { return datagram(9, pattern(3000), 1000) }
	linktest.DownAndGone(t, ns, "cn0", l, train, nil)
}

// Close returns while the kernel sends and others write, and nothing is delivered
// afterwards. (TestMain finds what would not have been released.)
func TestCloseUnderLoad(t *testing.T) {
	ns := netns.New(t)
	for range 20 {
		l := open(t, ns, "cn0", tun.Config{HostAddresses: hosts, Queues: 2})
		arrived := make(chan struct{}, 1)
		var closed bool
		l.Attach(sinkFunc(func(frames []*packet.Buffer) {
			if closed {
				t.Error("delivered after Close")
			}
			packet.ReleaseAll(frames)
			select {
			case arrived <- struct{}{}:
			default:
			}
		}))
		stop, done := make(chan struct{}), make(chan struct{}, 2)
		c := dial(t, ns, 7)
		segments(t, c, 1000)
		payload := pattern(5000)
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				select {
				case <-stop:
					return
				default:
					c.Write(payload)
				}
			}
		}()
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				f := datagram(9, payload, 1000)
				n, err := l.Write(f.Single())
				if n == 0 {
					f.Release()
				}
				if err == link.ErrClosed {
					return
				}
			}
		}()
		<-arrived
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		closed = true // the readers have been joined
		close(stop)
		<-done
		<-done
		c.Close()
	}
}

type sinkFunc func([]*packet.Buffer)

func (f sinkFunc) Deliver(_ int, frames []*packet.Buffer) { f(frames) }
func (sinkFunc) Accepts() link.Capabilities               { return link.Segmentation | link.ChecksumTransmit }

// Each flow comes in by one queue, in order, and by the queue by which it went out.
func TestQueues(t *testing.T) {
	const queues, flows, each = 4, 20, 20 // fewer datagrams than a queue holds
	ns := netns.New(t)
	l := open(t, ns, "cn0", tun.Config{HostAddresses: hosts, Queues: queues})
	if got := l.Queues(); got != queues {
		t.Fatalf("%d queues, want %d", got, queues)
	}
	r := newReceiver(link.ChecksumTransmit | link.Segmentation)
	l.Attach(r)
	var conns []*net.UDPConn
	for range flows {
		conns = append(conns, dial(t, ns, 9))
	}
	for i := range uint32(each) {
		for _, c := range conns {
			if _, err := c.Write(binary.BigEndian.AppendUint32(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	queueOf := make(map[uint16]int)
	next := make(map[uint16]uint32)
	used := make(map[int]bool)
	for range flows * each {
		g := r.next(t)
		port := (*wire.UDPHeader)(g.data[wire.IPv4HeaderLen:]).SourcePort()
		if got := binary.BigEndian.Uint32(g.payload(t)); got != next[port] {
			t.Errorf("flow %d: datagram %d came as number %d", port, got, next[port])
		}
		next[port]++
		if q, ok := queueOf[port]; ok && q != g.queue {
			t.Errorf("flow %d came by queue %d and then by %d", port, q, g.queue)
		}
		queueOf[port] = g.queue
		used[g.queue] = true
	}
	if len(used) < 2 {
		t.Errorf("%d flows came by %d queue", flows, len(used))
	}

	// The kernel answers by the queue by which the flow came last.
	c := listen(t, ns, 7000)
	for want := range queues {
		f := datagram(7000, []byte("ask"), 0)
		f.Flow = uint32(want)
		(*wire.UDPHeader)(f.Bytes()[wire.IPv4HeaderLen:]).SetSourcePort(uint16(2000 + want))
		f.Bytes()[wire.IPv4HeaderLen+6], f.Bytes()[wire.IPv4HeaderLen+7] = 0, 0 // no checksum
		write(t, l, f)
		buf := make([]byte, 100)
		_, from, err := c.ReadFromUDPAddrPort(buf)
		if err == nil {
			_, err = c.WriteToUDPAddrPort(buf[:3], from)
		}
		if err != nil {
			t.Fatal(err)
		}
		if g := r.next(t); g.queue != want {
			t.Errorf("asked by queue %d, answered by %d", want, g.queue)
		}
	}
}

// TCP leaves its checksum to the device too, and nobody above here finishes it.
func TestOtherProtocolsAreFinished(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tun.Config{HostAddresses: hosts})
	r := newReceiver(link.ChecksumTransmit | link.Segmentation)
	l.Attach(r)
	ns.Do(func() {
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			t.Cleanup(func() { unix.Close(c) })
			err = unix.Connect(c, &unix.SockaddrInet4{Port: 80, Addr: us.As4()})
		}
		if err != unix.EINPROGRESS {
			t.Errorf("connect: %v", err)
		}
	})
	for g := range r.got {
		h, _, segment, err := wire.ParseIPv4(g.data)
		if err != nil || h.Protocol() != wire.ProtocolTCP {
			continue
		}
		pseudo := wire.PseudoIPv4(h.Source4(), h.Destination4(), wire.ProtocolTCP, uint16(len(segment)))
		if sum := wire.AddSum(pseudo, wire.Sum(segment)); sum != 0xffff || g.flags&packet.ChecksumPartial != 0 {
			t.Errorf("a TCP segment with the sum %#x, flags %b", sum, g.flags)
		}
		return
	}
}
