package lab_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

// outsider is a stack that is no part of a lab, and the other end of its cable.
func outsider(t *testing.T, address string) (*stack.Stack, *mem.Link) {
	t.Helper()
	s, err := stack.New(stack.Config{Name: "outsider"})
	must(t, err)
	near, far := mem.Pair(mem.Config{})
	i, err := s.AddInterface("eth0", near)
	must(t, err)
	must(t, i.AddAddress(netip.MustParsePrefix(address)))
	t.Cleanup(func() { s.Close() })
	return s, far
}

// ask sends a datagram to an echo server and waits for the answer, a second at
// most.
func ask(n castnet.Network, server string) error {
	c, err := dial(context.Background(), n, server)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte("hello")); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 10))
	return err
}

// TestBridge lets a stack outside the lab talk to a host behind a router in it,
// both ways, and counts.
func TestBridge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lab.New(lab.Config{Realtime: true, Capture: t.TempDir()})
		near, far := l.AddSwitch("near"), l.AddSwitch("far")
		r, h := l.AddRouter("r"), l.AddHost("h")
		attach(t, &r.Host, near, "10.0.0.1/24", lab.Faults{})
		attach(t, &r.Host, far, "10.0.1.1/24", lab.Faults{})
		attach(t, h, far, "10.0.1.2/24", lab.Faults{})
		must(t, h.AddRoute(stack.Route{Gateway: netip.MustParseAddr("10.0.1.1")}))
		out, cable := outsider(t, "10.0.0.9/24")
		must(t, out.AddRoute(stack.Route{Gateway: netip.MustParseAddr("10.0.0.1")}))
		b, err := l.Bridge("out", near, cable, lab.LinkConfig{Faults: lab.Faults{Delay: 30 * time.Millisecond}})
		must(t, err)
		if b.Name() != "out" {
			t.Errorf("the bridge's name is %q", b.Name())
		}
		echo(h, ":7")
		ran := make(chan error, 1)
		go func() { ran <- l.Run(time.Hour) }()

		start := time.Now()
		if err := ask(out, "10.0.1.2:7"); err != nil {
			t.Errorf("asking from outside: %v\n%v", err, l.Report())
		}
		// The ARP answer and the datagram: what comes from outside is late.
		if d := time.Since(start); d != 60*time.Millisecond {
			t.Errorf("an answer after %v, want 60ms", d)
		}
		server, err := listen(context.Background(), out, ":8")
		must(t, err)
		defer server.Close()
		go func() {
			buf := make([]byte, 100)
			n, from, err := server.ReadFromUDPAddrPort(buf)
			if err == nil {
				server.WriteToUDPAddrPort(buf[:n], from)
			}
		}()
		if err := ask(h, "10.0.0.9:8"); err != nil {
			t.Errorf("asking from inside: %v\n%v", err, l.Report())
		}
		checkLedger(t, l)

		must(t, l.Partition([]string{"out"}, []string{"r"}))
		if err := ask(out, "10.0.1.2:7"); err == nil {
			t.Error("an answer through a partition")
		}
		must(t, l.Partition())
		checkLedger(t, l)

		out.Close() // and with it its end of the cable
		if err := ask(h, "10.0.0.9:8"); err == nil {
			t.Error("an answer from a stack that is closed")
		}
		checkLedger(t, l)
		report := l.Report()
		if got := report.Bridges; len(got) != 1 || got[0].In < 4 || got[0].Out < 3 || got[0].Segment != "near" || got[0].Dropped[drop.LinkNoPeer] == 0 {
			t.Errorf("the report has %+v", got)
		}
		if report.Dropped[drop.LinkNoPeer] == 0 || !strings.Contains(report.String(), "\n  out > near") {
			t.Errorf("the report is\n%v", report)
		}
		must(t, l.Close())
		<-ran
		checkLedger(t, l)
		if err := cable.Attach(nopSink{}); err != nil {
			t.Errorf("the link is not free after Close: %v", err)
		}
		cable.Close()
	})
	if n := packet.Live(); n != 0 {
		t.Errorf("%d buffers are left", n)
	}
}

// A verifier is a link that verifies the checksums of what is written to it.
type verifier struct {
	*mem.Link
	good, bad atomic.Int64
}

func (v *verifier) Write(frames []*packet.Buffer) (int, error) {
	for _, f := range frames {
		if ip, options, p, err := wire.ParseIPv4(f.Bytes()[wire.EthernetHeaderLen:]); err == nil && ip.Protocol() == wire.ProtocolUDP {
			u, data, err := wire.ParseUDP(p)
			if err == nil && ip.ChecksumOK(options) && u.ChecksumOK(ip.PseudoSum(u.Length()), data) {
				v.good.Add(1)
			} else {
				v.bad.Add(1)
			}
		}
	}
	return v.Link.Write(frames)
}

// TestBridgeCompletesChecksums which nobody in the lab looks at, whether they come
// from next to the bridge or through a router.
func TestBridgeCompletesChecksums(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lab.New(lab.Config{Realtime: true})
		defer l.Close()
		near, far := l.AddSwitch("near"), l.AddSwitch("far")
		r, h := l.AddRouter("r"), l.AddHost("h")
		attach(t, &r.Host, near, "10.0.0.1/24", lab.Faults{})
		attach(t, &r.Host, far, "10.0.1.1/24", lab.Faults{})
		attach(t, h, far, "10.0.1.2/24", lab.Faults{})
		must(t, h.AddRoute(stack.Route{Gateway: netip.MustParseAddr("10.0.1.1")}))
		out, cable := outsider(t, "10.0.0.9/24")
		must(t, out.AddRoute(stack.Route{Gateway: netip.MustParseAddr("10.0.0.1")}))
		v := &verifier{Link: cable}
		_, err := l.Bridge("out", near, v, lab.LinkConfig{})
		must(t, err)
		go l.Run(time.Hour)
		for _, from := range []*lab.Host{&r.Host, h} {
			c, err := listen(context.Background(), from, ":9")
			must(t, err)
			for _, size := range []int{0, 1, 999} {
				_, err := c.WriteToUDPAddrPort(make([]byte, size), netip.MustParseAddrPort("10.0.0.9:9"))
				must(t, err)
			}
			time.Sleep(time.Millisecond)
			c.Close()
		}
		if good, bad := v.good.Load(), v.bad.Load(); good != 6 || bad != 0 {
			t.Errorf("%d good and %d bad checksums went outside, want 6 and 0", good, bad)
		}
	})
}

type nopSink struct{}

func (nopSink) Deliver(_ int, frames []*packet.Buffer) { packet.ReleaseAll(frames) }

// TestBridgeDropsWhatIsTooLong both ways: what the segment has is longer than the
// link outside takes, and what comes from there longer than the bridge does.
func TestBridgeDropsWhatIsTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lab.New(lab.Config{Realtime: true})
		defer l.Close()
		lan := l.AddSwitch("lan")
		h := l.AddHost("h")
		_, err := h.Attach(lan, lab.LinkConfig{MTU: 2000, Addresses: prefixes("10.0.0.1/24")})
		must(t, err)
		out, cable := outsider(t, "10.0.0.9/24")
		_, err = l.Bridge("out", lan, cable, lab.LinkConfig{MTU: 1000})
		must(t, err)
		go l.Run(time.Hour)
		echo(h, ":7")
		synctest.Wait()
		must(t, ask(out, "10.0.0.1:7"))
		send := func(n castnet.Network, to string, size int) {
			t.Helper()
			c, err := dial(context.Background(), n, to)
			must(t, err)
			defer c.Close()
			_, err = c.Write(make([]byte, size))
			must(t, err)
			synctest.Wait()
			time.Sleep(time.Millisecond)
		}
		send(out, "10.0.0.1:7", 1200)
		if got := l.Report().Bridges[0].Dropped[drop.LinkTooBig]; got != 1 {
			t.Errorf("%d frames from outside were too big, want 1", got)
		}
		send(h, "10.0.0.9:8", 1200)
		if got := l.Report().Bridges[0].Receive.Dropped[drop.LinkTooBig]; got != 1 {
			t.Errorf("%d frames to the outside were too big, want 1", got)
		}
		checkLedger(t, l)
	})
}

// TestBridgeRefuses changes nothing when it does.
func TestBridgeRefuses(t *testing.T) {
	l := lab.New(lab.Config{Realtime: true})
	lan := l.AddSwitch("lan")
	_, cable := mem.Pair(mem.Config{})
	_, tunnel := mem.Pair(mem.Config{Kind: link.IP})
	_, used := mem.Pair(mem.Config{})
	must(t, used.Attach(nopSink{}))
	virtual := lab.New(lab.Config{})
	defer virtual.Close()
	for _, tt := range []struct {
		lab  *lab.Lab
		name string
		to   lab.Segment
		link link.Link
		cfg  lab.LinkConfig
		want string
	}{
		{l, "out", lan, nil, lab.LinkConfig{}, "to no link"},
		{l, "out", nil, cable, lab.LinkConfig{}, "to no segment"},
		{l, "lan", lan, cable, lab.LinkConfig{}, "the name is taken"},
		{l, "a b", lan, cable, lab.LinkConfig{}, "letters"},
		{l, "out", lan, tunnel, lab.LinkConfig{}, "Ethernet"},
		{l, "out", lan, used, lab.LinkConfig{}, "attached"},
		{l, "out", lan, cable, lab.LinkConfig{Addresses: prefixes("10.0.0.1/24")}, "no addresses"},
		{l, "out", lan, cable, lab.LinkConfig{MTU: 10}, "MTU"},
		{l, "out", lan, cable, lab.LinkConfig{Faults: lab.Faults{Loss: 2}}, "loss"},
		{virtual, "out", virtual.AddSwitch("lan"), cable, lab.LinkConfig{}, "Config.Realtime"},
	} {
		b, err := tt.lab.Bridge(tt.name, tt.to, tt.link, tt.cfg)
		if b != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want an error with %q", err, tt.want)
		}
	}
	if _, err := l.Bridge("out", lan, used, lab.LinkConfig{}); !errors.Is(err, link.ErrInUse) {
		t.Errorf("a link in use: %v, want %v", err, link.ErrInUse)
	}
	// None of them took the name or the link.
	if _, err := l.Bridge("out", lan, cable, lab.LinkConfig{}); err != nil {
		t.Error(err)
	}
	if n := len(l.Report().Bridges); n != 1 {
		t.Errorf("the lab has %d bridges, want 1", n)
	}
	must(t, l.Close())
	if _, err := l.Bridge("late", lan, cable, lab.LinkConfig{}); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("bridging a lab that is closed: %v", err)
	}
}
