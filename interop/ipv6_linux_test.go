package interop

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/stack"
)

// six is the family of those tests that are IPv6's alone.
var six = families[len(families)-1]

// newSixWorld returns a world whose kernel speaks IPv6 at the other end of our device.
func newSixWorld(t *testing.T, programs ...string) *world {
	t.Helper()
	w := newFamilyWorld(t, six, programs...)
	six.speak(t, w.ns, "default")
	return w
}

// ping asks the stack, by its address, by its link-local one, and by the group of all
// hosts, with what fits in a packet and what does not.
func TestPingIPv6(t *testing.T) {
	t.Parallel()
	w := newSixWorld(t, "ping")
	w.openDirect()
	near := w.linkLocal().String() + "%cn0"
	for _, test := range []struct {
		to   string
		size int
	}{
		{six.ours.String(), 0}, {six.ours.String(), 1}, {six.ours.String(), 56}, {six.ours.String(), 1452}, {six.ours.String(), 1453},
		{six.ours.String(), 9000}, {six.ours.String(), 65507}, {near, 56}, {near, 3000},
	} {
		// With -W it would not wait longer for the last than for the others. It sends
		// more until ten have come.
		out := start(t, w.ns, nil, "ping", "-6", "-n", "-c", "10", "-i", "0.01", "-w", "20", "-s", fmt.Sprint(test.size), test.to).end(0)
		if strings.Count(out, fmt.Sprintf("%d bytes from %s: icmp_seq=", test.size+8, test.to)) < 10 || strings.Contains(out, "DUP!") {
			t.Errorf("size %d: want ten answers of %s, nothing twice:\n%s", test.size, test.to, out)
		}
	}
	if out := start(t, w.ns, nil, "ping", "-6", "-n", "-L", "-c", "1", "-W", "5", "ff02::1%cn0").end(0); !strings.Contains(out, near) {
		t.Errorf("want an answer of %s to what all hosts are asked:\n%s", near, out)
	}
	w.wantDrops(map[drop.Reason]uint64{})
}

// linkLocal returns the address that our interface has made itself.
func (w *world) linkLocal() netip.Addr {
	w.t.Helper()
	for _, a := range w.iface.Addresses6() {
		if a.Origin == stack.OriginLinkLocal {
			return a.Prefix.Addr()
		}
	}
	w.t.Fatal("our interface has no link-local address")
	return netip.Addr{}
}

// kernelLinkLocal returns the kernel's link-local address on a device.
func (w *world) kernelLinkLocal(device string) netip.Addr {
	w.t.Helper()
	out := w.ns.Run(w.t, "ip", "-6", "-o", "addr", "show", "dev", device, "scope", "link")
	_, rest, _ := strings.Cut(out, "inet6 ")
	text, _, _ := strings.Cut(rest, "/")
	a, err := netip.ParseAddr(text)
	if err != nil {
		w.t.Fatalf("ip says %q: %v", out, err)
	}
	return a
}

// We ping the kernel, and it answers, whole and in pieces.
func TestWePingIPv6(t *testing.T) {
	t.Parallel()
	w := newSixWorld(t)
	w.openDirect()
	answers := make(chan stack.Echo, 1)
	port, err := w.stack.OpenEcho(func(e stack.Echo) {
		e.Payload = slices.Clone(e.Payload)
		answers <- e
	})
	must(t, err)
	defer port.Close()
	near := w.kernelLinkLocal("cn0").WithZone("cn0")
	for i, size := range []int{0, 56, 1452, 1453, 9000, 65507} {
		for _, to := range []netip.Addr{six.kernel[0], near} {
			want := payload(size)
			must(t, port.Send(to, uint16(i), want))
			if e := <-answers; e.Err != nil || string(e.Payload) != string(want) || e.Sequence != uint16(i) || e.From.WithZone("") != to.WithZone("") || e.TTL != 64 {
				t.Errorf("size %d: %v answers number %d with %d bytes and TTL %d, %v; want %v, %d, %d, 64", size, e.From, e.Sequence, len(e.Payload), e.TTL, e.Err, to, i, size)
			}
		}
	}
	w.wantDrops(map[drop.Reason]uint64{})
}

// Datagrams of every size arrive intact at either end, in as few packets as there can
// be.
func TestSizesIPv6(t *testing.T) {
	t.Parallel()
	w := newSixWorld(t)
	w.openDirect()
	k := six.kernelSocketOn(t, w.ns, "cn0", netip.AddrPortFrom(six.kernel[0], 7400))
	c := w.listenOn(netip.AddrPortFrom(six.ours, 0))
	must(t, c.Connect(netip.AddrPortFrom(six.kernel[0], 7400)))
	sizes := []int{0, 1, 1452, 1453, 9000, 65507, 65527}
	backAndForth(t, c, k, sizes...)

	// A fragment's payload is a multiple of eight, behind headers of 48 bytes.
	pieces, split := 0, 0
	for _, size := range sizes {
		if size+8 > 1500-40 {
			pieces += (size + 8 + 1447) / 1448
			split++
		}
	}
	for name, want := range map[string]int{
		"Ip6ReasmReqds": pieces, "Ip6ReasmOKs": split, "Ip6ReasmFails": 0, "Ip6FragOKs": split, "Ip6FragCreates": pieces, "Udp6InErrors": 0,
	} {
		if got := w.kernelCounter6(name); got != fmt.Sprint(want) {
			t.Errorf("the kernel's counter %s is %s, want %d", name, got, want)
		}
	}
	w.wantDrops(map[drop.Reason]uint64{})
	if got, want := len(w.ourFrames("udp || ipv6.fraghdr", "ipv6.plen")), pieces+len(sizes)-split; got != want {
		t.Errorf("we sent %d packets, want %d", got, want)
	}
}

// kernelCounter6 returns a counter of the namespace, as /proc/net/snmp6 has it.
func (w *world) kernelCounter6(name string) string {
	w.t.Helper()
	for line := range strings.Lines(w.ns.Run(w.t, "cat", "/proc/self/net/snmp6")) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			return f[1]
		}
	}
	w.t.Fatalf("the kernel has no counter %s", name)
	return ""
}

// The kernel's traceroute and tracepath see the lab's routers and the host behind them,
// and the smaller MTU of the last link.
func TestTracerouteIPv6(t *testing.T) {
	t.Parallel()
	w := newSixWorld(t, "traceroute", "tracepath", "ping")
	w.openLab(1280)
	six.settled(t, w.ns)
	far := six.lab.host.String()
	want := []string{"1 " + six.lab.first.String(), "2 " + six.lab.second.String(), "3 " + far}
	// Six errors a router may send at once, and then one a second.
	for _, command := range []string{
		"traceroute -6 -n -N 1 -q 1 -w 5 " + far,
		"traceroute -6 -n -I -N 1 -q 2 -w 5 " + far,
		"traceroute -6 -n -N 1 -q 1 -w 5 " + far + " 1000",
		"tracepath -6 -n " + far,
	} {
		args := strings.Fields(command)
		out := start(t, w.ns, nil, args[0], args[1:]...).end(0)
		if got := hops(out); !slices.Equal(got, want) || args[0] == "traceroute" && strings.ContainsAny(out, "*!") {
			t.Errorf("%s: the hops are %q, want %q, and no probe without an answer:\n%s", command, got, want, out)
		}
		if args[0] == "tracepath" && !strings.Contains(out, "pmtu 1280 hops 3 back 3") {
			t.Errorf("want a path MTU of 1280:\n%s", out)
		}
	}
	// Nobody has the address: the router next to it says so.
	p := start(t, w.ns, nil, "ping", "-6", "-n", "-c", "1", "-W", "10", six.lab.nobody.String())
	if out := p.end(1); !strings.Contains(out, "From "+six.lab.second.String()+" icmp_seq=1 Destination unreachable: Address unreachable") {
		t.Errorf("want to hear from the second router:\n%s", out)
	}
}

// The kernel's sockets and those of a host in the lab exchange datagrams of all sizes
// through two routers, of which none fragments: each end learns what the path carries,
// and the datagram that it learns from is lost.
func TestThroughLabIPv6(t *testing.T) {
	t.Parallel()
	w := newSixWorld(t)
	h := w.openLab(1280)
	k := six.kernelSocketOn(t, w.ns, "cn0", netip.AddrPortFrom(six.kernel[0], 7430))
	cfg := castnet.Config{On: h}
	c, err := cfg.Dial(t.Context(), "udp6", netip.AddrPortFrom(six.kernel[0], 7430).String())
	w.conn(c, err)
	_, err = k.WriteToUDPAddrPort(payload(1400), netip.AddrPortFrom(six.lab.host, 7431))
	must(t, err)
	eventually(t, "the kernel to learn the path MTU", func() bool {
		return strings.Contains(w.ns.Run(t, "ip", "-6", "route", "get", six.lab.host.String()), "mtu 1280")
	})
	backAndForth(t, c, k, 0, 1, 1280-48, 1280-48+1, 9000, 65507, 65527)
}

// A port where nobody is refuses what is sent to it, at either end.
func TestRefusedIPv6(t *testing.T) {
	t.Parallel()
	w := newSixWorld(t)
	w.openDirect()
	c := w.listenOn(netip.AddrPortFrom(six.ours, 0))
	must(t, c.Connect(netip.AddrPortFrom(six.kernel[0], closed)))
	_, err := c.Write([]byte("hello"))
	must(t, err)
	_, err = c.Read(make([]byte, 100))
	wantRefused(t, err, "read")

	var k *net.UDPConn
	w.ns.Do(func() {
		k, err = net.DialUDP("udp6", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(six.ours, closed)))
	})
	must(t, err)
	defer k.Close()
	k.SetDeadline(time.Now().Add(patience))
	_, err = k.Write([]byte("hello"))
	must(t, err)
	if _, err := k.Read(make([]byte, 100)); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("the kernel's socket reads %v, want %v", err, unix.ECONNREFUSED)
	}
	w.wantDrops(map[drop.Reason]uint64{drop.NoPort: 1})
}
