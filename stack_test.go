package castnet_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet/conntest"
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
	s, err := stack.New(stack.Config{Name: name})
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
func stackPair() (*conntest.Pair, error) {
	a, b, err := wire()
	if err != nil {
		return nil, err
	}
	closeStacks := func() { errors.Join(a.Close(), b.Close()) }
	p, err := makePair(a, b, "udp4", "10.0.0.1:0", "10.0.0.2:0", func(p *conntest.Pair) {
		p.Refuses = true
		p.MaxDatagram = 1472 // of an Ethernet: the stack does not fragment
	})
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

// loopbackPair is a conntest.Pair on one stack.
func loopbackPair() (*conntest.Pair, error) {
	s, err := stack.New(stack.Config{})
	if err != nil {
		return nil, err
	}
	p, err := makePair(s, s, "udp4", "127.0.0.1:0", "127.0.0.1:0", func(p *conntest.Pair) { p.Refuses = true })
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
func TestStackInBubble(t *testing.T)         { conntest.TestPacketConnInBubble(t, stackPair) }
func TestStackLoopback(t *testing.T)         { conntest.TestPacketConn(t, loopbackPair) }
func TestStackLoopbackInBubble(t *testing.T) { conntest.TestPacketConnInBubble(t, loopbackPair) }
