package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/link/nested"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

func gvisorRows() []row {
	const note = "checksums made and verified; batches one by one"
	return []row{{
		name: "gvisor-pipe", kind: peer,
		about: "gVisor netstack, Endpoint, connected, two stacks over a pipe of IP packets",
		note:  note,
		open:  func(s setup, b *buffers) (path, error) { return openGVisor(s, b, false) },
	}, {
		name: "gvisor", kind: peer,
		about: "gVisor netstack, Endpoint, connected, over Ethernet and ARP",
		note:  note,
		open:  func(s setup, b *buffers) (path, error) { return openGVisor(s, b, true) },
	}, {
		name: "gvisor-v6", kind: peer,
		about: "row gvisor over IPv6 and neighbour discovery",
		note:  note,
		open:  openGVisor6,
	}, {
		name: "gvisor-gonet", kind: peer,
		about: "gVisor gonet.UDPConn, WriteTo and ReadFrom, over Ethernet and ARP",
		note:  note + "; net.Addr",
		open:  openGonet,
	}}
}

// The addresses of the two stacks, in every row that has stacks.
var (
	addrA, addrB = [4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}
	addrA6       = [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1}
	addrB6       = [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 2}
	macA, macB   = [6]byte{2, 0, 0, 0, 0, 1}, [6]byte{2, 0, 0, 0, 0, 2}
)

const (
	portA, portB = 7001, 7002
	otherPorts   = 20000 // where the other sockets' ports begin
	mtu          = 1500
)

// gvisorNet is two stacks with a link between them.
type gvisorNet struct{ a, b *stack.Stack }

func newGVisorNet(s setup, withEthernet bool) (*gvisorNet, error) {
	la, lb := pipe.New(tcpip.LinkAddress(macA[:]), tcpip.LinkAddress(macB[:]), mtu)
	n := new(gvisorNet)
	var err error
	if n.a, err = newGVisorStack(la, addrA, s, withEthernet); err != nil {
		return nil, err
	}
	if n.b, err = newGVisorStack(lb, addrB, s, withEthernet); err != nil {
		n.a.Destroy()
		return nil, err
	}
	return n, nil
}

func newGVisorStack(l stack.LinkEndpoint, addr [4]byte, s setup, withEthernet bool) (*stack.Stack, error) {
	st := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{udp.NewProtocol},
	})
	if s.corrupt {
		l = newGVisorCorrupter(l)
	}
	if withEthernet {
		l = ethernet.New(l)
	}
	const nic = 1
	if err := st.CreateNIC(nic, l); err != nil {
		return nil, fmt.Errorf("gVisor: CreateNIC: %v", err)
	}
	if err := st.AddProtocolAddress(nic, tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(addr), PrefixLen: 24},
	}, stack.AddressProperties{}); err != nil {
		return nil, fmt.Errorf("gVisor: AddProtocolAddress: %v", err)
	}
	subnet := tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4([4]byte{10, 0, 0, 0}), PrefixLen: 24}.Subnet()
	st.SetRouteTable([]tcpip.Route{{Destination: subnet, NIC: nic}, {Destination: header.IPv6EmptySubnet, NIC: nic}})
	for i := range s.others {
		if _, err := newGVisorEndpoint(st, uint16(otherPorts+i)); err != nil {
			return nil, err
		}
	}
	return st, nil
}

func newGVisorEndpoint(st *stack.Stack, port uint16) (tcpip.Endpoint, error) {
	return openGVisorEndpoint(st, port, false)
}

// newGVisorSharing is one whose port others may have as well.
func newGVisorSharing(st *stack.Stack, port uint16) (tcpip.Endpoint, error) {
	return openGVisorEndpoint(st, port, true)
}

func openGVisorEndpoint(st *stack.Stack, port uint16, shared bool) (tcpip.Endpoint, error) {
	return openGVisorEndpointOf(st, ipv4.ProtocolNumber, port, shared)
}

func openGVisorEndpointOf(st *stack.Stack, family tcpip.NetworkProtocolNumber, port uint16, shared bool) (tcpip.Endpoint, error) {
	ep, err := st.NewEndpoint(udp.ProtocolNumber, family, new(waiter.Queue))
	if err != nil {
		return nil, fmt.Errorf("gVisor: NewEndpoint: %v", err)
	}
	ep.SocketOptions().SetReuseAddress(shared)
	if err := ep.Bind(tcpip.FullAddress{Port: port}); err != nil {
		return nil, fmt.Errorf("gVisor: Bind: %v", err)
	}
	// Its default of 32 KiB does not hold a batch of 1400 bytes each.
	ep.SocketOptions().SetReceiveBufferSize(1<<18, true)
	return ep, nil
}

func (n *gvisorNet) close() error {
	n.a.Destroy()
	n.b.Destroy()
	return nil
}

// badChecksums is how many datagrams the receiving stack dropped for their checksum.
func (n *gvisorNet) badChecksums() uint64 { return n.b.Stats().UDP.ChecksumErrors.Value() }

type gvisorPath struct {
	*gvisorNet
	bufs     *buffers
	from, to tcpip.Endpoint
	reader   bytes.Reader
	writer   tcpip.SliceWriter
}

func openGVisor(s setup, bufs *buffers, withEthernet bool) (path, error) {
	n, err := newGVisorNet(s, withEthernet)
	if err != nil {
		return nil, err
	}
	return n.path(s, bufs, ipv4.ProtocolNumber, tcpip.AddrFrom4(addrA), tcpip.AddrFrom4(addrB))
}

// openGVisor6 is openGVisor over IPv6.
func openGVisor6(s setup, bufs *buffers) (path, error) {
	n, err := newGVisorNet(s, true)
	if err != nil {
		return nil, err
	}
	for _, h := range []struct {
		stack *stack.Stack
		addr  [16]byte
	}{{n.a, addrA6}, {n.b, addrB6}} {
		if err := h.stack.AddProtocolAddress(1, tcpip.ProtocolAddress{
			Protocol:          ipv6.ProtocolNumber,
			AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFrom16(h.addr), PrefixLen: 64},
		}, stack.AddressProperties{}); err != nil {
			return nil, fmt.Errorf("gVisor: AddProtocolAddress: %v", err)
		}
	}
	return n.path(s, bufs, ipv6.ProtocolNumber, tcpip.AddrFrom16(addrA6), tcpip.AddrFrom16(addrB6))
}

func (n *gvisorNet) path(s setup, bufs *buffers, family tcpip.NetworkProtocolNumber, a, b tcpip.Address) (path, error) {
	p := &gvisorPath{gvisorNet: n, bufs: bufs}
	var err error
	if p.from, err = openGVisorEndpointOf(n.a, family, portA, false); err != nil {
		return nil, err
	}
	if p.to, err = openGVisorEndpointOf(n.b, family, portB, false); err != nil {
		return nil, err
	}
	if err := p.from.Connect(tcpip.FullAddress{Addr: b, Port: portB}); err != nil {
		return nil, fmt.Errorf("gVisor: Connect: %v", err)
	}
	if err := p.to.Connect(tcpip.FullAddress{Addr: a, Port: portA}); err != nil {
		return nil, fmt.Errorf("gVisor: Connect: %v", err)
	}
	return p, p.resolve(s)
}

// resolve sends one datagram and waits for it: gVisor sends what waited for an
// ARP reply from another goroutine.
func (p *gvisorPath) resolve(s setup) error {
	if _, err := p.from.Write(bytes.NewReader([]byte{0}), tcpip.WriteOptions{}); err != nil {
		return fmt.Errorf("gVisor: Write: %v", err)
	}
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if s.corrupt && p.badChecksums() > 0 {
			return nil
		}
		if _, err := p.to.Read(io.Discard, tcpip.ReadOptions{}); err == nil {
			return nil
		}
	}
	return fmt.Errorf("gVisor: ARP: %w", errNotDelivered)
}

func (p *gvisorPath) carry(count int) error {
	for i := range count {
		p.reader.Reset(p.bufs.out[i])
		if _, err := p.from.Write(&p.reader, tcpip.WriteOptions{}); err != nil {
			return fmt.Errorf("gVisor: Write: %v", err)
		}
	}
	for i := range count {
		in := p.bufs.in[i][:room]
		p.writer = in
		r, err := p.to.Read(&p.writer, tcpip.ReadOptions{})
		if err != nil {
			if _, empty := err.(*tcpip.ErrWouldBlock); empty {
				return errNotDelivered
			}
			return fmt.Errorf("gVisor: Read: %v", err)
		}
		p.bufs.in[i] = in[:r.Count]
	}
	return nil
}

type gonetPath struct {
	*gvisorNet
	bufs     *buffers
	from, to *gonet.UDPConn
	dst      net.Addr
}

func openGonet(s setup, bufs *buffers) (path, error) {
	n, err := newGVisorNet(s, true)
	if err != nil {
		return nil, err
	}
	p := &gonetPath{gvisorNet: n, bufs: bufs, dst: &net.UDPAddr{IP: net.IP(addrB[:]), Port: portB}}
	la := tcpip.FullAddress{NIC: 1, Addr: tcpip.AddrFrom4(addrA), Port: portA}
	lb := tcpip.FullAddress{NIC: 1, Addr: tcpip.AddrFrom4(addrB), Port: portB}
	if p.from, err = gonet.DialUDP(n.a, &la, nil, ipv4.ProtocolNumber); err != nil {
		return nil, err
	}
	if p.to, err = gonet.DialUDP(n.b, &lb, nil, ipv4.ProtocolNumber); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *gonetPath) carry(count int) error {
	for i := range count {
		if _, err := p.from.WriteTo(p.bufs.out[i], p.dst); err != nil {
			return err
		}
	}
	for i := range count {
		in := p.bufs.in[i][:room]
		n, _, err := p.to.ReadFrom(in)
		if err != nil {
			return err
		}
		p.bufs.in[i] = in[:n]
	}
	return nil
}

// expect makes reading fail, instead of block, when nothing comes within d.
func (p *gonetPath) expect(d time.Duration) error { return p.to.SetReadDeadline(time.Now().Add(d)) }

// gvisorCorrupter flips the last bit of each datagram that comes in, between the pipe and
// Ethernet; ARP and neighbour discovery pass.
type gvisorCorrupter struct{ nested.Endpoint }

func newGVisorCorrupter(l stack.LinkEndpoint) *gvisorCorrupter {
	c := new(gvisorCorrupter)
	c.Endpoint.Init(l, c)
	return c
}

func (c *gvisorCorrupter) DeliverNetworkPacket(proto tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	if proto != ipv4.ProtocolNumber && !isDatagram(pkt.ToView().AsSlice()) {
		c.Endpoint.DeliverNetworkPacket(proto, pkt)
		return
	}
	view := pkt.ToBuffer()
	b := view.Flatten()
	view.Release()
	b[len(b)-1] ^= 1
	broken := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b)})
	defer broken.DecRef()
	c.Endpoint.DeliverNetworkPacket(proto, broken)
}
