package netspec_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/netspec"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

func TestOpenHost(t *testing.T) {
	n, closer, err := netspec.Open(t.Context(), "host")
	if err != nil {
		t.Fatal(err)
	}
	if n != castnet.Host() {
		t.Errorf("got %v", n)
	}
	if err := closer.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := netspec.Open(ctx, "host"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// A Conn on the opened network and the kernel exchange datagrams.
func TestOpen(t *testing.T) {
	for _, test := range []struct {
		name, text      string
		setup           []string // of the kernel's side
		kernel, ours    string
		gateway, device string // of our default route
	}{
		{"tap", "tap,name=cn0,addr=10.0.0.2/24,host=10.0.0.1/24,gw=10.0.0.1,mtu=1400", nil, "10.0.0.1", "10.0.0.2", "10.0.0.1", "cn0"},
		{"tap without offload", "tap,name=cn0,addr=10.0.0.2/24,host=10.0.0.1/24,gw=10.0.0.1,queues=2,offload=none", nil,
			"10.0.0.1", "10.0.0.2", "10.0.0.1", "cn0"},
		{"tun", "tun,name=cn0,addr=10.0.0.2/24,host=10.0.0.1/24,queues=2,mtu=1400", nil, "10.0.0.1", "10.0.0.2", "", "cn0"},
		{"tun with a peer", "tun,name=cn0,addr=10.0.0.2/32,peer=10.9.9.9", nil, "10.9.9.9", "10.0.0.2", "", "cn0"},
		{"tun with a route", "tun,name=cn0,addr=10.7.0.2/32,host=10.0.0.1/24,route=10.7.0.0/16", nil, "10.0.0.1", "10.7.0.2", "", "cn0"},
		{"packet", "packet,dev=veth1,addr=10.0.0.2/24,gw=10.0.0.1,mac=02:00:00:00:00:07", []string{
			"ip link add veth0 type veth peer name veth1", "ip addr add 10.0.0.1/24 dev veth0",
			"ip link set veth0 up", "ip link set veth1 up",
		}, "10.0.0.1", "10.0.0.2", "10.0.0.1", "veth1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ns := netns.New(t)
			for _, line := range test.setup {
				words := strings.Fields(line)
				ns.Run(t, words[0], words[1:]...)
			}
			var network socket.Network
			var closer io.Closer
			var err error
			ns.Do(func() { network, closer, err = netspec.Open(t.Context(), test.text) })
			if err != nil {
				t.Fatal(err)
			}
			defer closer.Close()
			var gateway netip.Addr
			if test.gateway != "" {
				gateway = netip.MustParseAddr(test.gateway)
			}
			routes := network.(*stack.Stack).Routes()
			if last := routes[len(routes)-1]; last.Gateway != gateway || last.Interface != test.device || last.Destination.Bits() != 0 {
				t.Errorf("the default route: %+v", last)
			}
			exchange(t, ns, network, netip.MustParseAddr(test.kernel), netip.MustParseAddr(test.ours))
		})
	}
}

// exchange has the kernel ask us, and us answer.
func exchange(t *testing.T, ns *netns.Namespace, network socket.Network, theirs, us netip.Addr) {
	t.Helper()
	cfg := castnet.Config{On: network}
	ours, err := cfg.Listen(t.Context(), "udp4", ":7")
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	var kernel *net.UDPConn
	ns.Do(func() { kernel, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(us, 7))) })
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	deadline := time.Now().Add(10 * time.Second)
	ours.SetDeadline(deadline)
	kernel.SetDeadline(deadline)

	buf := make([]byte, 2000)
	if _, err := kernel.Write([]byte("ask")); err != nil {
		t.Fatal(err)
	}
	n, from, err := ours.ReadFromUDPAddrPort(buf)
	if err != nil || string(buf[:n]) != "ask" || from.Addr() != theirs {
		t.Fatalf("got %q from %v, %v", buf[:n], from, err)
	}
	if _, err := ours.WriteToUDPAddrPort([]byte("answer"), from); err != nil {
		t.Fatal(err)
	}
	if n, err = kernel.Read(buf); err != nil || string(buf[:n]) != "answer" {
		t.Fatalf("got %q, %v", buf[:n], err)
	}
}

// When opening fails half-way, nothing is left of it.
func TestOpenFailureLeavesNothing(t *testing.T) {
	ns := netns.New(t)
	var err error
	ns.Do(func() { _, _, err = netspec.Open(t.Context(), "tap,name=lo,addr=10.0.0.2/24") })
	if err == nil {
		t.Error("lo was opened as a TAP device")
	}
	// A subnet's broadcast address is refused, after the device is made.
	ns.Do(func() { _, _, err = netspec.Open(t.Context(), "tap,name=cn0,addr=10.0.0.255/24") })
	if err == nil || !strings.Contains(err.Error(), "10.0.0.255/24") {
		t.Errorf("got %v, want an error about the address", err)
	}
	if out := ns.Run(t, "ip", "link"); strings.Contains(out, "cn0") {
		t.Errorf("the device was left behind:\n%s", out)
	}
}
