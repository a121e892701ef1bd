package netspec_test

import (
	"context"
	"errors"
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
func TestOpenTAP(t *testing.T) {
	ns := netns.New(t)
	var network socket.Network
	var closer interface{ Close() error }
	var err error
	ns.Do(func() {
		network, closer, err = netspec.Open(t.Context(), "tap,name=cn0,addr=10.0.0.2/24,host=10.0.0.1/24,gw=10.0.0.1,mtu=1400")
	})
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	routes := network.(*stack.Stack).Routes()
	if last := routes[len(routes)-1]; last.Gateway != netip.MustParseAddr("10.0.0.1") || last.Interface != "cn0" {
		t.Errorf("no default route: %v", routes)
	}
	cfg := castnet.Config{On: network}
	ours, err := cfg.Listen(t.Context(), "udp4", ":7")
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	var kernel *net.UDPConn
	ns.Do(func() { kernel, err = net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 7}) })
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
	if err != nil || string(buf[:n]) != "ask" || from.Addr() != netip.MustParseAddr("10.0.0.1") {
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
	// The stack does not speak IPv6 yet, so this fails after the device is made.
	ns.Do(func() { _, _, err = netspec.Open(t.Context(), "tap,name=cn0,addr=fd00::2/64") })
	if err == nil || !strings.Contains(err.Error(), "fd00::2/64") {
		t.Errorf("got %v, want an error about the address", err)
	}
	if out := ns.Run(t, "ip", "link"); strings.Contains(out, "cn0") {
		t.Errorf("the device was left behind:\n%s", out)
	}
}
