package interop

import (
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

// neighbor returns what our stack knows of a neighbour.
func (w *world) neighbor(a netip.Addr) stack.Neighbor {
	for _, n := range w.stack.Neighbors() {
		if n.Addr == a {
			return n
		}
	}
	return stack.Neighbor{}
}

// A kernelNeighbor is what the kernel knows of one.
type kernelNeighbor struct {
	Addr  netip.Addr `json:"dst"`
	MAC   wire.MAC   `json:"lladdr"`
	State []string   `json:"state"`
	// Router is there, and nothing, if it says that it is one.
	Router json.RawMessage `json:"router"`
}

func (w *world) kernelNeighbor(a netip.Addr) kernelNeighbor {
	w.t.Helper()
	var list []kernelNeighbor
	if err := json.Unmarshal([]byte(w.ns.Run(w.t, "ip", "-json", "neigh", "show", "dev", "cn0")), &list); err != nil {
		w.t.Fatal(err)
	}
	for _, n := range list {
		if n.Addr == a {
			return n
		}
	}
	return kernelNeighbor{}
}

// kernelMAC returns the hardware address of the kernel's end.
func (w *world) kernelMAC() (mac wire.MAC) {
	w.t.Helper()
	var dev *net.Interface
	var err error
	w.ns.Do(func() { dev, err = net.InterfaceByName("cn0") })
	if err != nil {
		w.t.Fatal(err)
	}
	return wire.MAC(dev.HardwareAddr)
}

// wantARP ends the capture and fails the test unless we have sent one ARP packet:
// operation, sender, target and destination.
func (w *world) wantARP(want ...string) {
	w.t.Helper()
	got := w.ourFrames("arp", "arp.opcode", "arp.src.hw_mac", "arp.src.proto_ipv4", "arp.dst.hw_mac", "arp.dst.proto_ipv4", "eth.dst")
	if len(got) != 1 || !slices.Equal(got[0], want) {
		w.t.Errorf("we sent by ARP %q, want %q", got, want)
	}
}

// The kernel asks who we are, and learns it from our answer.
func TestKernelResolvesUs(t *testing.T) {
	w := newWorld(t)
	w.open("")
	c := w.listen(7010)
	k := w.kernelSocket(0)
	if _, err := k.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(ours, 7010)); err != nil {
		t.Fatal(err)
	}
	if n, from, err := c.ReadFromUDPAddrPort(make([]byte, 100)); err != nil || n != 5 || from.Addr() != kernel {
		t.Fatalf("%d bytes from %v, %v", n, from, err)
	}
	if n := w.kernelNeighbor(ours); n.MAC != ourMAC || !slices.Contains(n.State, "REACHABLE") {
		t.Errorf("the kernel knows %+v", n)
	}
	// What it said of itself when it asked is known, too.
	if n := w.neighbor(kernel); n.MAC != w.kernelMAC() {
		t.Errorf("we know %+v, and the kernel's address is %v", n, w.kernelMAC())
	}
	mac := w.kernelMAC().String()
	w.wantARP("2", ourMAC.String(), "10.0.0.2", mac, "10.0.0.1", mac)
}

// We ask who the kernel is; what is sent meanwhile waits, and is not overtaken by
// what is sent when the answer comes.
func TestWeResolveKernel(t *testing.T) {
	w := newWorld(t)
	w.open("")
	k := w.kernelSocket(7011)
	c := w.dial(netip.AddrPortFrom(kernel, 7011))
	const n = 50
	for i := range n {
		if _, err := c.Write([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 100)
	for i := range n {
		if l, from, err := k.ReadFromUDPAddrPort(buf); err != nil || l != 1 || buf[0] != byte(i) || from.Addr() != ours {
			t.Fatalf("datagram %d: %x from %v, %v", i, buf[:l], from, err)
		}
	}
	if n := w.neighbor(kernel); n.MAC != w.kernelMAC() || n.State != stack.NeighborReachable {
		t.Errorf("we know %+v, want %v, reachable", n, w.kernelMAC())
	}
	w.wantDrops(map[drop.Reason]uint64{})
	w.wantARP("1", ourMAC.String(), "10.0.0.2", "00:00:00:00:00:00", "10.0.0.1", "ff:ff:ff:ff:ff:ff")
}

// A station that changes its hardware address says so by gratuitous ARP, and is
// believed.
func TestKernelAnnouncesNewAddress(t *testing.T) {
	w := newWorld(t)
	w.open("")
	k := w.kernelSocket(7012)
	c := w.dial(netip.AddrPortFrom(kernel, 7012))
	buf := make([]byte, 100)
	exchange := func() {
		t.Helper()
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	exchange()
	before, after := w.kernelMAC(), wire.MAC{2, 0xca, 0x57, 0, 0, 9}
	w.ns.Sysctl(t, "ipv4/conf/cn0/arp_notify", "1")
	w.ns.Run(t, "ip", "link", "set", "dev", "cn0", "address", after.String())
	eventually(t, "the new address to be known", func() bool { return w.neighbor(kernel).MAC == after })
	exchange()
	want := [][]string{{before.String()}, {after.String()}}
	if got := w.ourFrames("udp", "eth.dst"); !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("datagrams went to %q, want %q", got, want)
	}
}

// Nobody has the address: three questions, a second apart, and the datagram is
// dropped with its reason. A socket that does not ask for errors is told
// nothing.
func TestUnreachableNeighbor(t *testing.T) {
	w := newWorld(t)
	w.open("")
	c := w.dial(netip.MustParseAddrPort("10.0.0.77:7013"))
	sent := time.Now()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the datagram to be dropped", func() bool { return w.stack.Drops().Get(drop.NeighborUnreachable) > 0 })
	if took := time.Since(sent); took < 2900*time.Millisecond {
		t.Errorf("it was given up after %v, want three seconds", took)
	}
	w.wantDrops(map[drop.Reason]uint64{drop.NeighborUnreachable: 1})
	if n := w.neighbor(netip.MustParseAddr("10.0.0.77")); n.State != stack.NeighborFailed {
		t.Errorf("we know %+v, want failed", n)
	}
	if s := c.Stats(); s.Dropped[drop.NeighborUnreachable] != 1 || s.SendQueued != 0 {
		t.Errorf("the socket has %+v", s)
	}
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := c.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v, want a timeout", err)
	}
	asked := w.ourFrames("arp.opcode==1 && arp.dst.proto_ipv4==10.0.0.77 && eth.dst==ff:ff:ff:ff:ff:ff", "frame.time_epoch")
	if len(asked) != 3 {
		t.Fatalf("%d questions were asked, want 3", len(asked))
	}
	for i := range asked[1:] {
		gap := seconds(t, asked[i+1][0]) - seconds(t, asked[i][0])
		if gap < 0.95 || gap > 5 {
			t.Errorf("%.3f seconds between questions, want 1", gap)
		}
	}
}

func seconds(t *testing.T, text string) float64 {
	t.Helper()
	s, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
