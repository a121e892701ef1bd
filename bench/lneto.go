package main

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"github.com/soypat/lneto"
	"github.com/soypat/lneto/internet"
	"github.com/soypat/lneto/udp"
	"github.com/soypat/lneto/x/xnet"
)

func lnetoRows() []row {
	const note = "checksums made and verified; batches one by one; no other sockets open (it asks each in turn what it has to send); peer's MAC configured, no ARP"
	return []row{{
		name: "lneto", kind: peer,
		about: "lneto, udp.Conn, connected, over its StackEthernet, StackIPv4 and StackPorts",
		note:  note + "; no lock but the Conn's",
		open: func(s setup, b *buffers) (path, error) {
			s.others = 0
			return openLneto(s, b, lnetoConn)
		},
	}, {
		name: "lneto-xnet", kind: peer,
		about: "lneto, udp.Conn, connected, over its ready-made xnet.StackAsync",
		note:  note + "; a lock a stack and one a Conn",
		open:  openLnetoAsync,
	}, {
		name: "lneto-bare", kind: peer,
		about: "lneto, udp.Handler, which has queues and no lock, in a node of ours, over the same stacks",
		note:  note + "; not safe for two goroutines: the least lneto can cost with a queue",
		open: func(s setup, b *buffers) (path, error) {
			s.others = 0
			return openLneto(s, b, lnetoHandler)
		},
	}, {
		name: "lneto-others", kind: peer,
		about: "row lneto with the other sockets open",
		note:  "as lneto, with the other sockets",
		open:  func(s setup, b *buffers) (path, error) { return openLneto(s, b, lnetoConn) },
	}}
}

// lnetoStack is one of its stacks, put together from its parts.
type lnetoStack struct {
	eth       internet.StackEthernet
	ip        internet.StackIPv4
	ports     internet.StackPorts
	validator lneto.Validator
}

func newLnetoStack(addr [4]byte, mac, gateway [6]byte, others int) (*lnetoStack, error) {
	s := new(lnetoStack)
	err := errors.Join(
		s.eth.Configure(internet.StackEthernetConfig{MTU: mtu, MaxNodes: 1, MAC: mac, Gateway: gateway}),
		s.ip.Reset(&s.validator, 1),
		s.ports.ResetUDP(uint16(others+1)),
		s.ip.Register4(&s.ports),
		s.eth.RegisterEthernet(&s.ip),
	)
	s.ip.SetAddr4(addr)
	for i := range others {
		c, e := newLnetoConn(256)
		err = errors.Join(err, e,
			c.Open(uint16(otherPorts+i), netip.AddrPortFrom(netip.AddrFrom4(gatewayOfOthers), 9)),
			s.ports.Register(c))
	}
	return s, err
}

// gatewayOfOthers is whom the other sockets are connected to; lneto's cannot
// be without a peer.
var gatewayOfOthers = [4]byte{10, 0, 0, 99}

func newLnetoConn(buffer int) (*udp.Conn, error) {
	c := new(udp.Conn)
	return c, c.Configure(udp.ConnConfig{
		RxBuf: make([]byte, buffer), TxBuf: make([]byte, buffer),
		RxQueueSize: 2 * batchSize, TxQueueSize: 2 * batchSize,
		RWBackoff: func(uint) time.Duration { runtime.Gosched(); return lneto.BackoffFlagNop },
	})
}

// An lnetoSocket sends and receives: its Conn, or its Handler made a node.
type lnetoSocket interface {
	lneto.StackNode
	Write([]byte) (int, error)
	Read([]byte) (int, error)
}

type lnetoMaker func(local uint16, peer netip.AddrPort) (lnetoSocket, error)

func lnetoConn(local uint16, peer netip.AddrPort) (lnetoSocket, error) {
	c, err := newLnetoConn(1 << 17)
	if err != nil {
		return nil, err
	}
	return c, c.Open(local, peer)
}

// lnetoNode makes a Handler a node of the stack, which it is not by itself.
type lnetoNode struct {
	udp.Handler
	id   uint64
	peer [4]byte
}

func lnetoHandler(local uint16, peer netip.AddrPort) (lnetoSocket, error) {
	n := &lnetoNode{peer: peer.Addr().As4()}
	return n, errors.Join(
		n.Configure(udp.ConnConfig{
			RxBuf: make([]byte, 1<<17), TxBuf: make([]byte, 1<<17),
			RxQueueSize: 2 * batchSize, TxQueueSize: 2 * batchSize,
		}),
		n.SetPorts(local, peer.Port()))
}

func (n *lnetoNode) Protocol() uint64              { return uint64(lneto.IPProtoUDP) }
func (n *lnetoNode) ConnectionID() *uint64         { return &n.id }
func (n *lnetoNode) Demux(b []byte, off int) error { return n.Recv(b[off:]) }
func (n *lnetoNode) Read(b []byte) (int, error)    { return n.ReadNext(b) }
func (n *lnetoNode) Encapsulate(b []byte, ip, off int) (int, error) {
	k, err := n.Send(b[off:])
	if k > 0 {
		copy(b[ip+16:ip+20], n.peer[:])
	}
	return k, err
}

type lnetoPath struct {
	bufs     *buffers
	a, b     *lnetoStack
	from, to lnetoSocket
	frame    [mtu + 14]byte
	corrupt  bool
}

func openLneto(s setup, bufs *buffers, socket lnetoMaker) (path, error) {
	p := &lnetoPath{bufs: bufs, corrupt: s.corrupt}
	var errs [6]error
	p.a, errs[0] = newLnetoStack(addrA, macA, macB, s.others)
	p.b, errs[1] = newLnetoStack(addrB, macB, macA, s.others)
	p.from, errs[2] = socket(portA, netip.AddrPortFrom(netip.AddrFrom4(addrB), portB))
	p.to, errs[3] = socket(portB, netip.AddrPortFrom(netip.AddrFrom4(addrA), portA))
	errs[4] = p.a.ports.Register(p.from)
	errs[5] = p.b.ports.Register(p.to)
	return p, errors.Join(errs[:]...)
}

func (p *lnetoPath) carry(count int) error {
	for i := range count {
		if _, err := p.from.Write(p.bufs.out[i]); err != nil {
			return fmt.Errorf("lneto: Write: %w", err)
		}
	}
	for range count {
		n, err := p.a.eth.Encapsulate(p.frame[:], -1, 0)
		if err != nil {
			return fmt.Errorf("lneto: Encapsulate: %w", err)
		}
		if p.corrupt {
			p.frame[n-1] ^= 1
		}
		if err := p.b.eth.Demux(p.frame[:n], 0); err != nil {
			return fmt.Errorf("%w: lneto: Demux: %w", errNotDelivered, err)
		}
	}
	for i := range count {
		in := p.bufs.in[i][:room]
		n, err := p.to.Read(in)
		if err != nil {
			return fmt.Errorf("lneto: Read: %w", err)
		}
		p.bufs.in[i] = in[:n]
	}
	return nil
}

func (p *lnetoPath) close() error { return nil }

type lnetoAsyncPath struct {
	bufs     *buffers
	a, b     *xnet.StackAsync
	from, to *udp.Conn
	frame    [mtu + 14]byte
	corrupt  bool
}

func openLnetoAsync(s setup, bufs *buffers) (path, error) {
	p := &lnetoAsyncPath{bufs: bufs, corrupt: s.corrupt, a: new(xnet.StackAsync), b: new(xnet.StackAsync)}
	err := errors.Join(
		p.a.Reset(xnet.StackConfig{Hostname: "a1", RandSeed: 1, StaticAddress4: addrA, HardwareAddress: macA, MaxActiveUDPPorts: 1, MTU: mtu}),
		p.b.Reset(xnet.StackConfig{Hostname: "b2", RandSeed: 2, StaticAddress4: addrB, HardwareAddress: macB, MaxActiveUDPPorts: 1, MTU: mtu}))
	p.a.SetGatewayHardwareAddr(macB)
	p.b.SetGatewayHardwareAddr(macA)
	var errA, errB error
	p.from, errA = newLnetoConn(1 << 17)
	p.to, errB = newLnetoConn(1 << 17)
	return p, errors.Join(err, errA, errB,
		p.a.DialUDP(p.from, portA, netip.AddrPortFrom(netip.AddrFrom4(addrB), portB)),
		p.b.DialUDP(p.to, portB, netip.AddrPortFrom(netip.AddrFrom4(addrA), portA)))
}

func (p *lnetoAsyncPath) carry(count int) error {
	for i := range count {
		if _, err := p.from.Write(p.bufs.out[i]); err != nil {
			return fmt.Errorf("lneto: Write: %w", err)
		}
	}
	for range count {
		n, err := p.a.EgressEthernet(p.frame[:])
		if err != nil {
			return fmt.Errorf("lneto: EgressEthernet: %w", err)
		}
		if p.corrupt {
			p.frame[n-1] ^= 1
		}
		if err := p.b.IngressEthernet(p.frame[:n]); err != nil {
			return fmt.Errorf("%w: lneto: IngressEthernet: %w", errNotDelivered, err)
		}
	}
	for i := range count {
		in := p.bufs.in[i][:room]
		n, err := p.to.Read(in)
		if err != nil {
			return fmt.Errorf("lneto: Read: %w", err)
		}
		p.bufs.in[i] = in[:n]
	}
	return nil
}

func (p *lnetoAsyncPath) close() error { return nil }
