package interop

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
)

// sizes are those at the edges: of a datagram, of a frame, of a jumbo frame, of
// an IP packet.
var sizes = []int{0, 1, 1472, 1473, 9000, 65507}

// backAndForth sends datagrams of all sizes from our Conn to the kernel's socket
// and back, and fails the test unless each arrives as it was sent.
func backAndForth(t *testing.T, c *castnet.Conn, k *net.UDPConn, sizes ...int) {
	t.Helper()
	buf := make([]byte, 65536)
	for _, size := range sizes {
		want := payload(size)
		if _, err := c.Write(want); err != nil {
			t.Fatalf("sending %d bytes to the kernel: %v", size, err)
		}
		n, from, err := k.ReadFromUDPAddrPort(buf)
		if err != nil || !bytes.Equal(buf[:n], want) {
			t.Fatalf("of %d bytes to the kernel %d came, %.20x, want %.20x; %v", size, n, buf[:n], want, err)
		}
		if _, err := k.WriteToUDPAddrPort(want, from); err != nil {
			t.Fatalf("sending %d bytes to us: %v", size, err)
		}
		if n, err := c.Read(buf); err != nil || !bytes.Equal(buf[:n], want) {
			t.Fatalf("of %d bytes from the kernel %d came, %.20x, want %.20x; %v", size, n, buf[:n], want, err)
		}
	}
}

// fragmentsOf returns how many packets a datagram becomes on a path of that MTU.
func fragmentsOf(size, mtu int) int {
	each := (mtu - 20) / 8 * 8
	if size+8 <= mtu-20 {
		return 1
	}
	return (size + 8 + each - 1) / each
}

// Datagrams of every size arrive intact at either end, in as few packets as
// there can be.
func TestSizes(t *testing.T) {
	w := newWorld(t)
	w.open("")
	k := w.kernelSocket(7040)
	c := w.dial(netip.AddrPortFrom(kernel, 7040))
	backAndForth(t, c, k, sizes...)

	split, each := 0, 0
	for _, size := range sizes {
		n := fragmentsOf(size, 1500)
		each += n
		if n > 1 {
			split++
		}
	}
	for name, want := range map[string]int{
		"ReasmReqds": each - (len(sizes) - split), "ReasmOKs": split, "ReasmFails": 0, "FragOKs": split, "InHdrErrors": 0,
	} {
		if got := w.kernelCounter("Ip", name); got != fmt.Sprint(want) {
			t.Errorf("the kernel's counter Ip %s is %s, want %d", name, got, want)
		}
	}
	w.wantDrops(map[drop.Reason]uint64{})
	if got := len(w.ourFrames("ip", "ip.id")); got != each {
		t.Errorf("we sent %d packets, want %d", got, each)
	}
}

// Many large ones in a row, whose fragments must not be taken for each other's.
func TestManyLarge(t *testing.T) {
	w := newWorld(t)
	w.open("")
	k := w.kernelSocket(7041)
	c := w.dial(netip.AddrPortFrom(kernel, 7041))
	const n = 200
	var list []int
	for i := range n {
		list = append(list, 1473+i*321)
	}
	backAndForth(t, c, k, list...)
	if got := w.kernelCounter("Ip", "ReasmOKs"); got != fmt.Sprint(n) {
		t.Errorf("the kernel put together %s datagrams, want %d", got, n)
	}
	w.wantDrops(map[drop.Reason]uint64{})
}
