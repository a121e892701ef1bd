package wgtun

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/stack"
)

// A stack on wireguard-go's own TUN device for Linux, the kernel at its other end.
func TestLinkOnNativeDevice(t *testing.T) {
	if os.Getenv("CASTNET_INTEROP") == "" {
		t.Skip("needs root: run it with CASTNET_INTEROP=1")
	}
	ns := netns.New(t)
	var dev tun.Device
	var err error
	ns.Do(func() { dev, err = tun.CreateTUN("wgtest0", 1420) })
	must(t, err)
	ns.Run(t, "ip", "addr", "add", "10.77.0.1/24", "dev", "wgtest0")
	ns.Run(t, "ip", "link", "set", "wgtest0", "up")
	var s *stack.Stack
	var l *Link
	ns.Do(func() { s, l = stackOn(t, dev) }) // the device is asked for its MTU where it lives
	server := listen(t, s, ":7")
	served := make(chan struct{})
	go func() {
		defer close(served)
		for buf := make([]byte, 2000); ; {
			n, from, err := server.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			server.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	var c *net.UDPConn
	ns.Do(func() {
		c, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(theirs, 7)))
	})
	must(t, err)
	defer c.Close()
	must(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
	got := make([]byte, 2000)
	for _, size := range []int{0, 1, 100, 1391, 1392} {
		sent := bytes.Repeat([]byte{byte(size)}, size)
		_, err := c.Write(sent)
		must(t, err)
		if n, err := c.Read(got); err != nil || !bytes.Equal(got[:n], sent) {
			t.Errorf("%d bytes came back as %d, %v", size, n, err)
		}
	}
	// Many at once, which the device may send as one.
	for range 20 {
		const burst = 50
		for i := range burst {
			_, err := c.Write(bytes.Repeat([]byte{byte(i)}, 1000))
			must(t, err)
		}
		for i := range burst {
			if n, err := c.Read(got); err != nil || n != 1000 || got[0] != byte(i) || got[999] != byte(i) {
				t.Fatalf("answer %d of a burst: %d bytes of %d, %v", i, n, got[0], err)
			}
		}
	}
	must(t, server.Close())
	<-served
	if n := l.Drops().Total(); n != 0 {
		t.Errorf("dropped: %v", l.Drops().Map())
	}
	must(t, s.Close())
}
