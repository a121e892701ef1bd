package lab

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
)

// TestLedgerNotices falsifies each account in turn.
func TestLedgerNotices(t *testing.T) {
	l := New(Config{})
	defer l.Close()
	lan := l.AddSwitch("lan")
	var hosts []*Host
	for i, name := range []string{"h1", "h2"} {
		h := l.AddHost(name)
		a := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)
		if _, err := h.Attach(lan, LinkConfig{Addresses: []netip.Prefix{a}, Faults: Faults{Delay: time.Second}}); err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, h)
	}
	s, err := hosts[0].Open(socket.IPv4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.TrySend([]socket.Message{{Buf: []byte("x"), Addr: netip.MustParseAddrPort("10.0.0.2:7")}}); err != nil {
		t.Fatal(err)
	}
	check := func() error { return l.CheckLedger() }
	for range 5 {
		if err := check(); err != nil {
			t.Fatal(err)
		}
		if err := l.Run(time.Second / 2); err != nil {
			t.Fatal(err)
		}
	}
	n, sw := hosts[0].nics[0], &lan.segment
	for _, tt := range []struct {
		name string
		n    *uint64
		want string
	}{
		{"sent", &n.send.in, "sent, but"},
		{"arrived", &n.send.out, "sent, but"},
		{"duplicated", &n.get.cloned, "received, but"},
		{"accepted", &n.accepted, "the link took"},
		{"delivered", &n.delivered, "the link handed over"},
		{"into the switch", &sw.in, "frames entered, but hosts sent it"},
		{"out of the switch", &sw.out, "frames left, but hosts were sent"},
		{"copied", &sw.cloned, "were made, but"},
		{"queries", &sw.made, "were made, but"},
		{"consumed", &sw.consumed, "were made, but"},
	} {
		*tt.n++
		if err := check(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want one that says %q", tt.name, err, tt.want)
		}
		*tt.n--
	}
	n.send.drops.add(drop.LinkLoss)
	if check() == nil {
		t.Error("a drop too many is not noticed")
	}
	n.send.drops.n[drop.LinkLoss]--
	n.send.underway++
	n.send.in++
	if err := check(); err == nil || !strings.Contains(err.Error(), "wait in the queue") {
		t.Errorf("a frame that is not in the queue: %v", err)
	}
	n.send.underway--
	n.send.in--
	hosts[0].stack.Drops().Add(drop.NoRoute, 1)
	if err := check(); err == nil || !strings.Contains(err.Error(), "host h1 does not balance") {
		t.Errorf("a stack that does not balance: %v", err)
	}
}
