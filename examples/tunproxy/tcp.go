package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	gvisor "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

// Bounds of the TCP side.
const (
	maxHandshakes  = 1024 // connections being opened
	maxConnections = 4096
	queueLength    = 1024 // packets that gVisor sends and castnet has not taken
	dialPatience   = 10 * time.Second
)

// A tcpProxy is gVisor's TCP beside castnet's stack: it is given the packets of that
// protocol by a handler, accepts every connection in the name of whomever it is to,
// and carries on by a socket of the host's.
type tcpProxy struct {
	beside *stack.Stack
	gvisor *gvisor.Stack
	link   *channel.Endpoint
	dial   dialFunc

	ctx    context.Context // of the connections
	cancel context.CancelFunc

	mu      sync.Mutex
	open    int            // connections, those included that are being made
	closing bool           // no more of them
	wait    sync.WaitGroup // for them
	sender  sync.WaitGroup // for send
	handler bool           // receive is the stack's handler

	total   atomic.Int64 // connections that were made
	refused atomic.Int64 // packets that castnet's stack did not send
}

// nic is the number of gVisor's only interface.
const nic = 1

// newTCPProxy starts gVisor beside s, until close is called.
func newTCPProxy(s *stack.Stack, mtu int, dial dialFunc) (*tcpProxy, error) {
	p := &tcpProxy{
		beside: s,
		dial:   dial,
		link:   channel.New(queueLength, uint32(mtu), ""),
		gvisor: gvisor.New(gvisor.Options{
			NetworkProtocols:   []gvisor.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
			TransportProtocols: []gvisor.TransportProtocolFactory{tcp.NewProtocol},
		}),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.sender.Go(p.send)
	if err := p.configure(); err != nil {
		p.close()
		return nil, fmt.Errorf("gVisor: %v", err)
	}
	if err := s.Handle(wire.ProtocolTCP, p.receive); err != nil {
		p.close()
		return nil, err
	}
	p.handler = true
	return p, nil
}

// configure makes gVisor's stack accept packets to any address, answer from it, and
// hand each new connection to accept.
func (p *tcpProxy) configure() tcpip.Error {
	if err := p.gvisor.CreateNIC(nic, p.link); err != nil {
		return err
	}
	if err := p.gvisor.SetPromiscuousMode(nic, true); err != nil {
		return err
	}
	if err := p.gvisor.SetSpoofing(nic, true); err != nil {
		return err
	}
	p.gvisor.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nic},
		{Destination: header.IPv6EmptySubnet, NIC: nic},
	})
	sack := tcpip.TCPSACKEnabled(true)
	if err := p.gvisor.SetTransportProtocolOption(tcp.ProtocolNumber, &sack); err != nil {
		return err
	}
	f := tcp.NewForwarder(p.gvisor, 0, maxHandshakes, p.accept)
	p.gvisor.SetTransportProtocolHandler(tcp.ProtocolNumber, f.HandlePacket)
	return nil
}

// receive takes over a packet that came in by castnet's stack.
func (p *tcpProxy) receive(b *packet.Buffer) {
	pkt := gvisor.NewPacketBuffer(gvisor.PacketBufferOptions{Payload: buffer.MakeWithData(b.Bytes())}) // a copy
	family := ipv4.ProtocolNumber
	if b.Bytes()[0]>>4 == 6 {
		family = ipv6.ProtocolNumber
	}
	b.Release()
	p.link.InjectInbound(family, pkt)
	pkt.DecRef()
}

// send hands what gVisor sends to castnet's stack, until the link is closed. What is
// refused is lost, and TCP sends it again.
func (p *tcpProxy) send() {
	for {
		pkt := p.link.ReadContext(context.Background())
		if pkt == nil {
			return
		}
		b := packet.New(pkt.Size())
		for _, part := range pkt.AsSlices() {
			copy(b.Append(len(part)), part)
		}
		pkt.DecRef()
		if err := p.beside.SendPacket(b); err != nil {
			p.refused.Add(1)
		}
	}
}

// accept opens a connection to where a client wants to be connected to, and only then
// accepts the client's; if that cannot be, the client is told by a reset. gVisor calls
// it on a goroutine of its own.
func (p *tcpProxy) accept(r *tcp.ForwarderRequest) {
	if !p.enter() {
		r.Complete(true)
		return
	}
	defer p.leave()
	server, err := p.reach(r.ID())
	if err != nil {
		r.Complete(true)
		return
	}
	defer server.Close()
	client, err := p.handshake(r)
	r.Complete(err != nil)
	if err != nil {
		return
	}
	defer client.Close()
	p.total.Add(1)
	stop := context.AfterFunc(p.ctx, func() { abort(client, server) })
	defer stop()
	relay(client, server)
}

// enter counts a connection, unless there are too many or the proxy is closing, which
// waits for those that have entered.
func (p *tcpProxy) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing || p.open >= maxConnections {
		return false
	}
	p.open++
	p.wait.Add(1)
	return true
}

func (p *tcpProxy) leave() {
	p.mu.Lock()
	p.open--
	p.mu.Unlock()
	p.wait.Done()
}

// reach returns a connection to where a client wants to go.
func (p *tcpProxy) reach(id gvisor.TransportEndpointID) (half, error) {
	ctx, cancel := context.WithTimeout(p.ctx, dialPatience)
	defer cancel()
	to, _ := netip.AddrFromSlice(id.LocalAddress.AsSlice())
	c, err := p.dial(ctx, "tcp", netip.AddrPortFrom(to, id.LocalPort))
	if err != nil {
		return nil, err
	}
	return c.(half), nil
}

// handshake completes a client's connection. A client that does not go on keeps gVisor
// waiting for minutes, unless the proxy is closed.
func (p *tcpProxy) handshake(r *tcp.ForwarderRequest) (half, error) {
	var events waiter.Queue
	done := make(chan struct{})
	defer close(done)
	stop := context.AfterFunc(p.ctx, func() {
		// When it is notified gVisor looks whether there is a connection, and
		// gives up if not. It may not be waiting yet.
		again := time.NewTicker(10 * time.Millisecond)
		defer again.Stop()
		for {
			events.Notify(waiter.WritableEvents)
			select {
			case <-done:
				return
			case <-again.C:
			}
		}
	})
	defer stop()
	endpoint, err := r.CreateEndpoint(&events)
	if err != nil {
		return nil, errors.New(err.String())
	}
	return gonet.NewTCPConn(&events, endpoint), nil
}

// A half is a connection each direction of which ends by itself.
type half interface {
	net.Conn
	CloseWrite() error
}

// relay copies both ways until both are at their end, or one has failed, and closes
// both.
func relay(a, b half) {
	defer a.Close()
	defer b.Close()
	copyTo := func(to, from half) {
		if _, err := io.Copy(to, from); err != nil || to.CloseWrite() != nil {
			abort(a, b)
		}
	}
	var wait sync.WaitGroup
	wait.Go(func() { copyTo(a, b) })
	copyTo(b, a)
	wait.Wait()
}

// abort ends all that waits for a connection. Close alone would not: gVisor's goes on
// until the peer has closed too.
func abort(connections ...half) {
	for _, c := range connections {
		c.SetDeadline(time.Unix(1, 0))
	}
}

// close ends the connections, and gVisor.
func (p *tcpProxy) close() {
	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()
	p.cancel()
	p.wait.Wait()
	if p.handler {
		p.beside.Handle(wire.ProtocolTCP, nil)
	}
	p.gvisor.Close() // resets what is still open
	p.link.Close()
	p.sender.Wait()
}

// summary says what became of it all.
func (p *tcpProxy) summary() string {
	s := fmt.Sprintf("%d TCP connections", p.total.Load())
	if n := p.refused.Load(); n > 0 {
		s += fmt.Sprintf(" (%d packets could not be sent)", n)
	}
	return s
}
