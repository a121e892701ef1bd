package interop

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/wire"
)

// far is a host two hops away, behind the kernel as a router.
var far = netip.MustParseAddr("10.0.1.2")

// behindRouter returns a namespace that is joined to the world's by a veth, and
// whose host is far. The world's kernel forwards.
func (w *world) behindRouter() *netns.Namespace {
	w.t.Helper()
	ns := netns.New(w.t)
	w.stations = []wire.MAC{{2, 0xca, 0x57, 0, 1, 1}, {2, 0xca, 0x57, 0, 1, 2}}
	var thread int
	ns.Do(func() { thread = unix.Gettid() })
	w.ns.Sysctl(w.t, "ipv4/ip_forward", "1")
	for _, line := range []string{
		fmt.Sprintf("link add near0 address %v type veth peer name far0 address %v netns /proc/%d/ns/net", w.stations[0], w.stations[1], thread),
		"addr add 10.0.1.1/24 dev near0",
		"link set near0 up",
	} {
		w.ns.Run(w.t, "ip", strings.Fields(line)...)
	}
	for _, line := range []string{
		"addr add 10.0.1.2/24 dev far0",
		"link set far0 up",
		"route add default via 10.0.1.1",
	} {
		ns.Run(w.t, "ip", strings.Fields(line)...)
	}
	return ns
}

// gateway is what makes the kernel our router.
const gateway = ",gw=10.0.0.1"

// A host behind the kernel's router, on a veth, whose checksums are left to be
// made by whoever takes the packet off the machine. That is the TAP device.
func TestThroughRouter(t *testing.T) {
	w := newWorld(t, "socat", "ping")
	farNS := w.behindRouter()
	w.open(gateway)

	t.Run("ping", func(t *testing.T) {
		out := start(t, farNS, nil, "ping", "-n", "-c", "5", "-i", "0.01", "-W", "5", ours.String()).end(0)
		if !strings.Contains(out, "icmp_seq=5 ttl=63") {
			t.Errorf("want five answers, the last with a TTL of 63:\n%s", out)
		}
	})
	t.Run("socat", func(t *testing.T) {
		start(t, farNS, nil, "socat", "-b", "65536", "UDP4-RECVFROM:7030,fork", "PIPE")
		bound(t, farNS, 7030)
		c := w.dial(netip.AddrPortFrom(far, 7030))
		buf := make([]byte, 2000)
		for _, size := range []int{1, 1472} {
			want := payload(size)
			if _, err := c.Write(want); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Read(buf); err != nil || !bytes.Equal(buf[:n], want) {
				t.Errorf("size %d: %d bytes came back, %v", size, n, err)
			}
		}
	})
	t.Run("refused", func(t *testing.T) {
		c := w.dial(netip.AddrPortFrom(far, closed))
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		_, err := c.Read(make([]byte, 100))
		wantRefused(t, err, "read")
	})
	w.wantDrops(map[drop.Reason]uint64{})
}

// castnet ping says what the router says of an address that it has no way to.
func TestRouterHasNoRoute(t *testing.T) {
	w := newWorld(t)
	w.behindRouter()
	p := w.castnet(nil, gateway, "ping", "192.0.2.1", "--count", "1", "--timeout", "10s")
	if s := p.summary(1); s.Sent != 1 || s.Received != 0 {
		t.Errorf("%d of %d were answered", s.Received, s.Sent)
	}
	list := p.events("error")
	if len(list) != 1 || list[0].Error != unix.ENETUNREACH.Error() {
		t.Errorf("got %+v, want %q", list, unix.ENETUNREACH.Error())
	}
}
