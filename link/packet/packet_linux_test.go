package packet_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/leak"
	"github.com/castnet-go/castnet/internal/linktest"
	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/link"
	device "github.com/castnet-go/castnet/link/packet"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

var (
	theirs = netip.MustParseAddr("10.0.0.1") // the kernel's, on veth0
	ours   = netip.MustParseAddr("10.0.0.2") // on veth1, which the kernel uses not
	mac0   = wire.MAC{2, 0, 0, 0, 0, 0xa0}
	mac1   = wire.MAC{2, 0, 0, 0, 0, 0xa1}
)

// wired returns a namespace with a veth pair whose checksums are left unfinished,
// as they are unless somebody turns that off.
func wired(t testing.TB) *netns.Namespace {
	t.Helper()
	ns := netns.New(t)
	ns.Run(t, "ip", "link", "add", "veth0", "address", mac0.String(), "type", "veth", "peer", "name", "veth1", "address", mac1.String())
	ns.Run(t, "ip", "addr", "add", "10.0.0.1/24", "dev", "veth0")
	ns.Run(t, "ip", "link", "set", "veth0", "up")
	ns.Run(t, "ip", "link", "set", "veth1", "up")
	ready(t, ns)
	return ns
}

// ready waits until both ends are up: until the kernel has noticed that, a while
// after they are, it drops what is sent.
func ready(t testing.TB, ns *netns.Namespace) {
	t.Helper()
	for start := time.Now(); strings.Count(ns.Run(t, "ip", "link", "show", "type", "veth"), "state UP") != 2; {
		if time.Since(start) > 20*time.Second {
			t.Fatal("the veth pair does not come up")
		}
	}
}

func open(t testing.TB, ns *netns.Namespace, cfg device.Config) *device.Link {
	t.Helper()
	l, err := tryOpen(ns, "veth1", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func tryOpen(ns *netns.Namespace, name string, cfg device.Config) (l *device.Link, err error) {
	ns.Do(func() { l, err = device.Open(name, cfg) })
	return l, err
}

// A world is a stack on veth1 and a socket of each, connected.
type world struct {
	ns     *netns.Namespace
	link   *device.Link
	stack  *stack.Stack
	ours   socket.Socket
	kernel *net.UDPConn
}

func newWorld(t testing.TB, cfg device.Config) *world {
	t.Helper()
	w := &world{ns: wired(t)}
	var err error
	if w.stack, err = stack.New(stack.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.stack.Close() })
	w.link = open(t, w.ns, cfg)
	eth0, err := w.stack.AddInterface("eth0", w.link)
	if err == nil {
		err = eth0.AddAddress(netip.PrefixFrom(ours, 24))
	}
	if err == nil {
		w.ours, err = w.stack.Open(socket.IPv4)
	}
	if err == nil {
		err = w.ours.Bind(netip.AddrPortFrom(ours, 7))
	}
	if err == nil {
		err = w.ours.Connect(netip.AddrPortFrom(theirs, 7000))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.ours.Close() })
	w.ns.Do(func() {
		w.kernel, err = net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 7000}, &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 7})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.kernel.Close() })
	w.kernel.SetReadDeadline(time.Now().Add(20 * time.Second))
	return w
}

// segments makes what the kernel's socket writes leave as datagrams of that size.
func (w *world) segments(t testing.TB, size int) {
	t.Helper()
	raw, err := w.kernel.SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), syscall.IPPROTO_UDP, unix.UDP_SEGMENT, size) })
	}
	if err != nil {
		t.Fatal(err)
	}
}

// read returns the next datagram of our socket.
func (w *world) read(t testing.TB) []byte {
	t.Helper()
	cancel := new(socket.Cancel)
	timer := time.AfterFunc(20*time.Second, cancel.Fire)
	defer timer.Stop()
	ms := []socket.Message{{Buf: make([]byte, 1<<16)}}
	for {
		n, err := w.ours.TryRecv(ms)
		if n == 1 {
			return ms[0].Buf[:ms[0].Len]
		}
		if err == syscall.EAGAIN {
			err = w.ours.Wait(socket.Readable, cancel)
		}
		if err != nil {
			t.Fatal(err, w.link.Drops().Map(), w.stack.Ledger())
		}
	}
}

func pattern(n int) []byte {
	p := make([]byte, n)
	x := uint32(1)
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}

// Datagrams and trains pass both ways, though nobody finishes the checksums of a
// veth pair, and whatever is left to the kernel.
func TestKernelOverVeth(t *testing.T) {
	for _, cfg := range []device.Config{
		{},
		{Address: wire.MAC{2, 0, 0, 0, 0, 7}},
		{Offload: link.OffloadChecksums},
		{Offload: link.OffloadNone, Queues: 3},
		{Queues: 2}, // and the card does nothing
	} {
		t.Run(fmt.Sprintf("%v,%v,%d", cfg.Offload, cfg.Address, cfg.Queues), func(t *testing.T) {
			w := newWorld(t, cfg)
			if cfg.Queues == 2 {
				w.ns.Run(t, "ethtool", "-K", "veth1", "tx", "off", "gso", "off")
			}
			if want := cfg.Address; want.IsZero() && w.link.Address() != mac1 || !want.IsZero() && w.link.Address() != want {
				t.Errorf("address %v", w.link.Address())
			}
			buf := make([]byte, 1<<16)
			for _, n := range []int{0, 1, 64, 1471, 1472} {
				want := pattern(n)
				if _, err := w.kernel.Write(want); err != nil {
					t.Fatal(err)
				}
				if got := w.read(t); !bytes.Equal(got, want) {
					t.Errorf("of %d bytes came %d, or others", n, len(got))
				}
				if n, err := w.ours.TrySend([]socket.Message{{Buf: want}}); n != 1 || err != nil {
					t.Fatalf("TrySend: %d, %v", n, err)
				}
				if got, err := w.kernel.Read(buf); err != nil || !bytes.Equal(buf[:got], want) {
					t.Errorf("of %d bytes went %d, or others: %v", n, got, err)
				}
			}
			for _, train := range []struct{ length, segment int }{{1400 * 46, 1400}, {2001, 1000}, {64 * 128, 64}} {
				want := pattern(train.length)
				w.segments(t, train.segment)
				if _, err := w.kernel.Write(want); err != nil {
					t.Fatal(err)
				}
				for rest := want; len(rest) > 0; {
					k := min(train.segment, len(rest))
					if got := w.read(t); !bytes.Equal(got, rest[:k]) {
						t.Fatalf("%v: got %d bytes, want %d", train, len(got), k)
					}
					rest = rest[k:]
				}
				m := socket.Message{Buf: want, Set: socket.FieldSegmentSize, SegmentSize: uint16(train.segment)}
				if n, err := w.ours.TrySend([]socket.Message{m}); n != 1 || err != nil {
					t.Fatalf("TrySend: %d, %v", n, err)
				}
				for rest := want; len(rest) > 0; {
					k := min(train.segment, len(rest))
					if n, err := w.kernel.Read(buf); err != nil || !bytes.Equal(buf[:n], rest[:k]) {
						t.Fatalf("%v: %d bytes before the end the kernel got %d, want %d; %v", train, len(rest), n, k, err)
					}
					rest = rest[k:]
				}
			}
			if n := w.link.Drops().Total(); n != 0 {
				t.Errorf("drops: %v", w.link.Drops().Map())
			}
		})
	}
}

// A frame that came in.
type got struct {
	data    []byte
	segment int
	queue   int
}

type receiver chan got

func (r receiver) Accepts() link.Capabilities { return link.ChecksumTransmit | link.Segmentation }

func (r receiver) Deliver(queue int, frames []*packet.Buffer) {
	for _, f := range frames {
		r <- got{bytes.Clone(f.Bytes()), int(f.SegmentSize), queue}
	}
	packet.ReleaseAll(frames)
}

// next returns the next frame of that type.
func (r receiver) next(t testing.TB, want wire.EtherType) got {
	t.Helper()
	for {
		select {
		case g := <-r:
			if h, _, err := wire.ParseEthernet(g.data); err == nil && h.Type() == want {
				return g
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no %v frame came", want)
		}
	}
}

// raw is a socket of the kernel's end that sends frames.
func raw(t testing.TB, ns *netns.Namespace) func(frame []byte) {
	t.Helper()
	var s int
	var dev *net.Interface
	var err error
	ns.Do(func() {
		if dev, err = net.InterfaceByName("veth0"); err == nil {
			s, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(s) })
	return func(frame []byte) {
		t.Helper()
		if err := unix.Sendto(s, frame, 0, &unix.SockaddrLinklayer{Ifindex: dev.Index}); err != nil {
			t.Fatal(err)
		}
	}
}

const experiment = 0x88b5 // for local experiments (IEEE 802)

// frameTo makes a frame, with a VLAN's tag unless that is 0.
func frameTo(to wire.MAC, vlan uint16, payload []byte) []byte {
	b := make([]byte, wire.EthernetHeaderLen, 200)
	h := wire.PutEthernet(b)
	h.SetDestination(to)
	h.SetType(experiment)
	if vlan != 0 {
		h.SetType(0x8100)
		b = binary.BigEndian.AppendUint16(b, vlan)
		b = binary.BigEndian.AppendUint16(b, experiment)
	}
	return append(append(b, payload...), make([]byte, 46)...)
}

// A train that the kernel sends comes in whole.
func TestTrainsIn(t *testing.T) {
	ns := wired(t)
	l := open(t, ns, device.Config{})
	r := make(receiver, 100)
	l.Attach(r)
	ns.Run(t, "ip", "neigh", "add", ours.String(), "lladdr", mac1.String(), "dev", "veth0")
	w := &world{ns: ns}
	var err error
	ns.Do(func() { w.kernel, err = net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 7}) })
	if err != nil {
		t.Fatal(err)
	}
	defer w.kernel.Close()
	w.segments(t, 1000)
	want := pattern(30000)
	if _, err := w.kernel.Write(want); err != nil {
		t.Fatal(err)
	}
	if g := r.next(t, wire.EtherTypeIPv4); g.segment != 1000 || !bytes.HasSuffix(g.data, want) {
		t.Errorf("%d bytes in segments of %d", len(g.data), g.segment)
	}
}

func TestFilter(t *testing.T) {
	ns := wired(t)
	send := raw(t, ns)
	group, other, station := wire.MAC{1, 0, 0x5e, 1, 2, 3}, wire.MAC{1, 0, 0x5e, 9, 9, 9}, wire.MAC{2, 9, 9, 9, 9, 9}
	l := open(t, ns, device.Config{})
	r := make(receiver, 100)
	l.Attach(r)
	all := []wire.MAC{mac1, wire.Broadcast, group, other, station}
	check := func(name string, want ...wire.MAC) {
		t.Helper()
		send(frameTo(mac1, 7, nil)) // of a VLAN
		// What this end sends is not for it.
		if f := packet.New(60); true {
			copy(f.Append(60), frameTo(wire.Broadcast, 0, nil))
			if n, err := l.Write(f.Single()); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		for i, to := range append(all, mac1) {
			send(frameTo(to, 0, []byte{byte(i)}))
		}
		var got []wire.MAC
		for {
			g := r.next(t, experiment)
			if g.data[wire.EthernetHeaderLen] == byte(len(all)) {
				break
			}
			got = append(got, wire.MAC(g.data))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: frames to %v came, want %v", name, got, want)
		}
	}
	groups := func() string { return ns.Run(t, "ip", "maddress", "show", "dev", "veth1") }
	check("at first", all[:4]...)
	for _, test := range []struct {
		name   string
		filter link.Filter
		want   []wire.MAC
	}{
		{"normal", link.Filter{}, all[:2]},
		{"a group", link.Filter{Groups: []wire.MAC{group}}, all[:3]},
		{"all groups", link.Filter{Mode: link.AllMulticast}, all[:4]},
		{"promiscuous", link.Filter{Mode: link.Promiscuous}, all},
		{"too many groups", link.Filter{Groups: make600()}, all[:4]},
		{"a group again", link.Filter{Groups: []wire.MAC{other, other}}, []wire.MAC{mac1, wire.Broadcast, other}},
	} {
		if err := l.SetFilter(test.filter); err != nil {
			t.Fatal(err)
		}
		check(test.name, test.want...)
		if got, want := strings.Contains(groups(), "01:00:5e:01:02:03"), test.name == "a group"; got != want {
			t.Errorf("%s: the interface is told of the group: %v, want %v\n%s", test.name, got, want, groups())
		}
		// The interface's promiscuity is the reference count.
		details := ns.Run(t, "ip", "-d", "link", "show", "veth1")
		if got, want := strings.Contains(details, "promiscuity 1"), test.name == "promiscuous"; got != want {
			t.Errorf("%s: promiscuous %v, want %v", test.name, got, want)
		}
	}
	if err := l.SetFilter(link.Filter{Groups: []wire.MAC{station}}); err == nil {
		t.Error("a station's address was taken for a group's")
	}
	check("after a filter that was refused", mac1, wire.Broadcast, other)
	l.Close()
	if err := l.SetFilter(link.Filter{}); err != net.ErrClosed {
		t.Errorf("SetFilter after Close: %v, want %v", err, net.ErrClosed)
	}
}

func make600() (list []wire.MAC) {
	for i := range 600 {
		list = append(list, wire.MAC{1, 0, 0x5e, 0, byte(i >> 8), byte(i)})
	}
	return list
}

// What the socket's buffer could not hold is counted, under a name.
func TestOverrun(t *testing.T) {
	ns := wired(t)
	l := open(t, ns, device.Config{ReadBuffer: 1})
	send := raw(t, ns)
	const sent = 1000
	for range sent { // nobody reads
		send(frameTo(mac1, 0, nil))
	}
	lost := l.Drops().Get(drop.LinkOverrun)
	r := make(receiver, sent)
	l.Attach(r)
	came := 0
	send2 := frameTo(mac1, 0, []byte{1})
	for {
		// The last may be lost too, until there is room.
		send(send2)
		g := r.next(t, experiment)
		if g.data[wire.EthernetHeaderLen] == 1 {
			break
		}
		came++
	}
	if lost == 0 || int(lost)+came < sent || int(lost)+came > sent+came {
		t.Errorf("of %d frames %d came and %d were lost", sent, came, lost)
	}
	if again := l.Drops().Get(drop.LinkOverrun); again < lost {
		t.Errorf("%d drops became %d", lost, again)
	}
}

// Each flow comes in by one queue, in order.
func TestQueues(t *testing.T) {
	const queues, flows, each = 4, 20, 20
	ns := wired(t)
	l := open(t, ns, device.Config{Queues: queues})
	if l.Queues() != queues {
		t.Fatalf("%d queues", l.Queues())
	}
	r := make(receiver, 1000)
	l.Attach(r)
	ns.Run(t, "ip", "neigh", "add", ours.String(), "lladdr", mac1.String(), "dev", "veth0")
	var conns []*net.UDPConn
	for range flows {
		var c *net.UDPConn
		var err error
		ns.Do(func() { c, err = net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 7}) })
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	for i := range uint32(each) {
		for _, c := range conns {
			if _, err := c.Write(binary.BigEndian.AppendUint32(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	queueOf, next, used := make(map[uint16]int), make(map[uint16]uint32), make(map[int]bool)
	for range flows * each {
		g := r.next(t, wire.EtherTypeIPv4)
		at := wire.EthernetHeaderLen + wire.IPv4HeaderLen
		port := (*wire.UDPHeader)(g.data[at:]).SourcePort()
		if got := binary.BigEndian.Uint32(g.data[at+wire.UDPHeaderLen:]); got != next[port] {
			t.Errorf("flow %d: datagram %d came as number %d", port, got, next[port])
		}
		next[port]++
		if q, ok := queueOf[port]; ok && q != g.queue {
			t.Errorf("flow %d came by queue %d and then by %d", port, q, g.queue)
		}
		queueOf[port], used[g.queue] = g.queue, true
	}
	if len(used) < 2 {
		t.Errorf("%d flows came by %d queue", flows, len(used))
	}
}

// An interface that goes down comes back; one that is deleted does not.
func TestDownAndGone(t *testing.T) {
	w := newWorld(t, device.Config{})
	ping := func() {
		t.Helper()
		if _, err := w.kernel.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if got := w.read(t); string(got) != "ping" {
			t.Errorf("got %q", got)
		}
	}
	ping()
	frame := func() *packet.Buffer {
		f := packet.New(60)
		copy(f.Append(60), frameTo(mac0, 0, nil))
		return f
	}
	linktest.DownAndGone(t, w.ns, "veth1", w.link, frame, func() {
		ready(t, w.ns)
		w.ns.Run(t, "ip", "neigh", "replace", ours.String(), "lladdr", mac1.String(), "dev", "veth0")
		ping()
	})
}

func TestOpenRefuses(t *testing.T) {
	ns := wired(t)
	ns.Run(t, "ip", "tuntap", "add", "dev", "tun7", "mode", "tun")
	linktest.Refuse(t, ns, "packet", tryOpen, []linktest.Refusal[device.Config]{
		{Name: "eth9", Is: unix.ENODEV, Want: "there are lo, veth"},
		{Name: "", Is: unix.ENODEV, Want: "there are lo, veth"},
		{Name: "tun7", Is: unix.EINVAL, Want: "no Ethernet address"},
		{Name: "lo", Is: unix.EINVAL, Want: "no Ethernet address"},
		{Name: "veth1", Config: device.Config{MTU: 1501}, Want: "more than the interface's 1500"},
		{Name: "veth1", Config: device.Config{MTU: 60}, Want: "an MTU of 60"},
		{Name: "veth1", Config: device.Config{Queues: 65}, Want: "1 to 64"},
		{Name: "veth1", Config: device.Config{Address: wire.Broadcast}, Want: "group's address"},
	})
}

func TestWithoutCapability(t *testing.T) {
	ns := wired(t)
	ns.DropCapabilities(t, unix.CAP_NET_RAW)
	_, err := tryOpen(ns, "veth1", device.Config{})
	var refused *link.CapabilityError
	if !errors.As(err, &refused) || !errors.Is(err, os.ErrPermission) {
		t.Fatalf("got %v, want a CapabilityError that is os.ErrPermission", err)
	}
	for _, want := range []string{"packet: veth1: ", "CAP_NET_RAW", "sudo setcap cap_net_raw+ep /"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

func TestMain(m *testing.M) { leak.Main(m) }
