package main

import (
	"errors"
	"net/netip"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/stack"
)

// A proxy is castnet's stack on a link of IP packets, with gVisor beside it.
type proxy struct {
	stack *stack.Stack
	udp   *udpProxy
	tcp   *tcpProxy
}

// newProxy takes over the link. Whatever address a packet that comes in by it is to,
// the proxy answers.
func newProxy(l link.Link) (*proxy, error) {
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
	err = errors.Join(
		tun0.SetTransparent(netip.MustParsePrefix("0.0.0.0/0")),
		s.AddRoute(stack.Route{Interface: "tun0"}),
	)
	if err == nil {
		p.tcp, err = newTCPProxy(s, l.MTU())
	}
	if err == nil {
		p.udp, err = newUDPProxy(s)
	}
	if err != nil {
		_, closing := p.close()
		return nil, errors.Join(err, closing)
	}
	return p, nil
}

// close ends every flow and connection and gives up the link. It returns what became
// of it all, a line each.
func (p *proxy) close() (summary []string, err error) {
	if p.udp != nil {
		summary = append(summary, p.udp.close())
	}
	if p.tcp != nil {
		summary = append(summary, p.tcp.close())
	}
	return summary, p.stack.Close()
}
