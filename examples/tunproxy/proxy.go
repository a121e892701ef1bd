package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/stack"
)

// A proxy is castnet's stack on a link of IP packets, with gVisor beside it.
type proxy struct {
	stack *stack.Stack
	udp   *udpProxy
	tcp   *tcpProxy
}

// A dialFunc opens a connection to where a client wants to go on; the network is "udp"
// or "tcp". Here is the place for rules of who may go where.
type dialFunc func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error)

// dialHost goes on by the operating system's network.
func dialHost(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	if network == "udp" {
		return new(castnet.Config).Dial(ctx, network, to.String())
	}
	return new(net.Dialer).DialContext(ctx, network, to.String())
}

// newProxy takes over the link. Whatever address a packet that comes in by it is to,
// the proxy answers.
func newProxy(l link.Link, dial dialFunc) (*proxy, error) {
	s, err := stack.New(stack.Config{Name: "tunproxy"})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	p := &proxy{stack: s}
	tun0, err := s.AddInterface("tun0", l)
	if err != nil {
		return nil, errors.Join(err, s.Close(), l.Close())
	}
	// From here on the link is the stack's.
	// It needs no addresses of its own for that, and so says nothing by IPv6 either.
	all4, all6 := netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")
	err = errors.Join(
		tun0.SetTransparent(all4, all6),
		s.AddRoute(stack.Route{Destination: all4, Interface: "tun0"}),
		s.AddRoute(stack.Route{Destination: all6, Interface: "tun0"}),
	)
	if err == nil {
		p.tcp, err = newTCPProxy(s, l.MTU(), dial)
	}
	if err == nil {
		p.udp, err = newUDPProxy(s, dial)
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// close ends every flow and connection and gives up the link.
func (p *proxy) close() error {
	var err error
	if p.udp != nil {
		err = p.udp.close()
	}
	if p.tcp != nil {
		p.tcp.close()
	}
	return errors.Join(err, p.stack.Close())
}

// summary says what became of it all, a line each.
func (p *proxy) summary() []string {
	lines := []string{p.udp.summary(), p.tcp.summary()}
	for reason, n := range p.stack.Drops().All() {
		lines = append(lines, fmt.Sprintf("%d packets dropped: %v", n, reason))
	}
	return lines
}
