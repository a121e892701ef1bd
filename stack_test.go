package castnet_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/conntest"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/stack"
)

// wire returns two stacks, 10.0.0.1 and 10.0.0.2, on a wire in memory.
func wire() (a, b *stack.Stack, err error) {
	la, lb := mem.Pair(mem.Config{})
	if a, err = host("a", la, "10.0.0.1/24"); err != nil {
		return nil, nil, err
	}
	if b, err = host("b", lb, "10.0.0.2/24"); err != nil {
		a.Close()
		return nil, nil, err
	}
	return a, b, nil
}

// host returns a stack with one interface.
func host(name string, l *mem.Link, addr string) (*stack.Stack, error) {
	s, err := stack.New(stack.Config{Name: name, DADTransmits: -1})
	if err != nil {
		return nil, err
	}
	eth0, err := s.AddInterface("eth0", l)
	if err == nil {
		err = eth0.AddAddress(netip.MustParsePrefix(addr))
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// stackPair is a conntest.Pair across the wire.
func stackPair() (*conntest.Pair, error) { return stackPairOf("udp4", "10.0.0.1:0", "10.0.0.2:0") }

// stackPair6 is one over IPv6, scopedPair one between link-local addresses.
func stackPair6() (*conntest.Pair, error) {
	return stackPairOf("udp6", "[2001:db8::1]:0", "[2001:db8::2]:0")
}
func scopedPair() (*conntest.Pair, error) {
	return stackPairOf("udp", "[fe80::1%eth0]:0", "[fe80::2%eth0]:0")
}

func stackPairOf(network, address1, address2 string) (*conntest.Pair, error) {
	a, b, err := wire()
	if err != nil {
		return nil, err
	}
	closeStacks := func() { errors.Join(a.Close(), b.Close()) }
	for k, s := range []*stack.Stack{a, b} {
		for _, p := range [][]string{{"2001:db8::1/64", "fe80::1/64"}, {"2001:db8::2/64", "fe80::2/64"}}[k] {
			if err := s.Interface("eth0").AddAddress(netip.MustParsePrefix(p)); err != nil {
				closeStacks()
				return nil, err
			}
		}
	}
	p, err := makePair(a, b, network, address1, address2, refuses(network))
	if err != nil {
		closeStacks()
		return nil, err
	}
	p.Stop = func() {
		p.C1.Close()
		p.C2.Close()
		closeStacks()
	}
	return p, nil
}

// refuses says what a stack does beyond what every network does.
func refuses(network string) func(*conntest.Pair) {
	return func(p *conntest.Pair) {
		p.Refuses = true
		if network != "udp4" {
			p.MaxDatagram = 65527 // the header of IPv6 is not counted
		}
	}
}

// loopbackPair is a conntest.Pair on one stack.
func loopbackPair() (*conntest.Pair, error) { return loopbackPairOf("udp4", "127.0.0.1:0") }

func loopbackPair6() (*conntest.Pair, error) { return loopbackPairOf("udp6", "[::1]:0") }

func loopbackPairOf(network, address string) (*conntest.Pair, error) {
	s, err := stack.New(stack.Config{})
	if err != nil {
		return nil, err
	}
	p, err := makePair(s, s, network, address, address, refuses(network))
	if err != nil {
		s.Close()
		return nil, err
	}
	p.Stop = func() {
		p.C1.Close()
		p.C2.Close()
		s.Close()
	}
	return p, nil
}

func TestStack(t *testing.T)                 { conntest.TestPacketConn(t, stackPair) }
func TestStackIPv6(t *testing.T)             { conntest.TestPacketConn(t, stackPair6) }
func TestStackIPv6InBubble(t *testing.T)     { conntest.TestPacketConnInBubble(t, stackPair6) }
func TestStackLinkLocal(t *testing.T)        { conntest.TestPacketConn(t, scopedPair) }
func TestStackInBubble(t *testing.T)         { conntest.TestPacketConnInBubble(t, stackPair) }
func TestStackLoopback(t *testing.T)         { conntest.TestPacketConn(t, loopbackPair) }
func TestStackLoopbackIPv6(t *testing.T)     { conntest.TestPacketConn(t, loopbackPair6) }
func TestStackLoopbackInBubble(t *testing.T) { conntest.TestPacketConnInBubble(t, loopbackPair) }

// What a Conn counts, and why what it lost was lost; after Close too.
func TestStats(t *testing.T) {
	p, err := loopbackPair()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	a, b := p.C1.(*castnet.Conn), p.C2.(*castnet.Conn)
	for range 3 {
		if _, err := a.WriteTo([]byte("four"), b.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.ReadFrom(make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if s := a.Stats(); s.Sent != 3 || s.SentBytes != 12 {
		t.Errorf("sent %d datagrams, %d bytes; want 3, 12", s.Sent, s.SentBytes)
	}
	if s := b.Stats(); s.Received != 1 || s.ReceivedBytes != 4 || s.Dropped[drop.SocketClosed] != 2 {
		t.Errorf("received %d datagrams, %d bytes, dropped %v; want 1, 4, SocketClosed 2", s.Received, s.ReceivedBytes, s.Dropped)
	}
}

// Broadcast is permitted from the start.
func TestBroadcast(t *testing.T) {
	a, b, err := wire()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	ctx := t.Context()
	// Without a route for it, 255.255.255.255 needs to be told by which
	// interface.
	sender := &castnet.Config{On: a, Interface: "eth0"}
	c1, err := sender.Listen(ctx, "udp4", ":7")
	if err != nil {
		t.Fatal(err)
	}
	defer c1.Close()
	receiver := &castnet.Config{On: b}
	c2, err := receiver.Listen(ctx, "udp4", ":7")
	if err != nil {
		t.Fatal(err)
	}
	defer c2.Close()
	buf := make([]byte, 10)
	for _, to := range []string{"10.0.0.255:7", "255.255.255.255:7"} {
		addr := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))
		if _, err := c1.WriteTo([]byte("all"), addr); err != nil {
			t.Fatalf("WriteTo %s: %v", to, err)
		}
		c2.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, from, err := c2.ReadFrom(buf)
		if err != nil || string(buf[:n]) != "all" || from.String() != "10.0.0.1:7" {
			t.Errorf("to %s: read %q from %v, %v", to, buf[:n], from, err)
		}
	}
}
