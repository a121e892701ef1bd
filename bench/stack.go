package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

func stackRows() []row {
	const note = "checksums made and verified; batches by TrySend and TryRecv"
	return []row{{
		name: "stack", kind: ours,
		about: "castnet's stack at the seam, connected, two stacks over Ethernet and ARP",
		note:  note,
		open:  func(s setup, b *buffers) (path, error) { return openStack(s, b, true) },
	}, {
		name: "stack-unconnected", kind: ours,
		about: "castnet's stack at the seam, unconnected, two stacks over Ethernet and ARP",
		note:  note,
		open:  func(s setup, b *buffers) (path, error) { return openStack(s, b, false) },
	}, {
		name: "stack-v6", kind: ours,
		about: "row stack over IPv6 and neighbour discovery",
		note:  note,
		open:  openStack6,
	}, {
		name: "stack-pingpong", kind: ours,
		about:     "castnet's stack at the seam between two goroutines that wait for their sockets, there and back",
		note:      "checksums made and verified; a figure is a round trip: two datagrams and two wake-ups",
		roundTrip: true, singlesOnly: true,
		open: openStackPingPong,
	}, {
		name: "conn", kind: ours,
		about: "castnet.Conn on two such stacks, unconnected, WriteToUDPAddrPort and ReadFromUDPAddrPort",
		note:  "checksums made and verified; batches by WriteBatch and ReadBatch",
		open:  func(s setup, b *buffers) (path, error) { return openConn(s, b, false) },
	}, {
		name: "conn-connected", kind: ours,
		about: "castnet.Conn on two such stacks, connected, Write and Read",
		note:  "checksums made and verified; batches by WriteBatch and ReadBatch",
		open:  func(s setup, b *buffers) (path, error) { return openConn(s, b, true) },
	}, {
		name: "conn-netaddr", kind: ours, singlesOnly: true,
		about: "castnet.Conn on two such stacks, unconnected, WriteTo and ReadFrom",
		note:  "checksums made and verified; net.Addr, which has to be allocated",
		open:  openConnNetAddr,
	}, {
		name: "conn-pingpong", kind: ours,
		about:     "castnet.Conn on two such stacks between two goroutines, there and back",
		note:      "checksums made and verified; a figure is a round trip: two datagrams and two wake-ups",
		roundTrip: true, singlesOnly: true,
		open: openConnPingPong,
	}}
}

// stackNet is two of our stacks with a wire between them.
type stackNet struct{ a, b *stack.Stack }

// newWire is the wire between them: Ethernet in memory, which does not vouch
// for checksums.
func newWire() (a, b *mem.Link) {
	return mem.Pair(mem.Config{MTU: mtu, A: macA, B: macB})
}

func newStackNet(s setup) (*stackNet, error) {
	la, lb := newWire()
	n := new(stackNet)
	var err error
	if n.a, err = newStack("a", la, addrA, s); err != nil {
		return nil, err
	}
	if n.b, err = newStack("b", lb, addrB, s); err != nil {
		return nil, errors.Join(err, n.a.Close())
	}
	return n, nil
}

func newStack(name string, l link.Link, addr [4]byte, s setup) (*stack.Stack, error) {
	// Addresses of IPv6 are good at once: nobody looks for duplicates.
	st, err := stack.New(stack.Config{Name: name, DADTransmits: -1})
	if err != nil {
		return nil, err
	}
	if s.corrupt {
		l = corrupter{l}
	}
	i, err := st.AddInterface("eth0", l)
	if err == nil {
		err = i.AddAddress(netip.PrefixFrom(netip.AddrFrom4(addr), 24))
	}
	if err == nil {
		_, err = openOthers(st, netip.IPv4Unspecified(), s.others)
	}
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

func (n *stackNet) close() error { return errors.Join(n.a.Close(), n.b.Close()) }

// badChecksums is how many datagrams the receiving stack dropped for their checksum.
func (n *stackNet) badChecksums() uint64 { return n.b.Drops().Get(drop.BadChecksum) }

// isDatagram reports whether a frame is one of IPv4, or of IPv6 with UDP in it: neighbour
// discovery passes, as ARP does.
func isDatagram(frame []byte) bool {
	h, packet, err := wire.ParseEthernet(frame)
	if err != nil || h.Type() == wire.EtherTypeIPv4 {
		return err == nil
	}
	ip, _, err := wire.ParseIPv6(packet)
	return err == nil && h.Type() == wire.EtherTypeIPv6 && ip.NextHeader() == wire.ProtocolUDP
}

// A corrupter is a link that flips the last bit of each datagram it sends.
type corrupter struct{ link.Link }

func (l corrupter) Write(frames []*packet.Buffer) (int, error) {
	for i, b := range frames {
		if isDatagram(b.Bytes()) {
			frames[i] = b.Writable()
			frames[i].Bytes()[frames[i].Len()-1] ^= 1
		}
	}
	return l.Link.Write(frames)
}

type stackPath struct {
	*stackNet
	bufs     *buffers
	from, to socket.Socket
	out, in  [batchSize]socket.Message
	shared   bool // others use the stacks at the same time
	idle     int  // how often it had to wait for them
}

func openStack(s setup, bufs *buffers, connect bool) (path, error) {
	n, err := newStackNet(s)
	if err != nil {
		return nil, err
	}
	from := netip.AddrPortFrom(netip.AddrFrom4(addrA), portA)
	to := netip.AddrPortFrom(netip.AddrFrom4(addrB), portB)
	return n.path(bufs, from, to, connect)
}

// openStack6 is openStack over IPv6.
func openStack6(s setup, bufs *buffers) (path, error) {
	n, err := newStackNet(s)
	if err != nil {
		return nil, err
	}
	for _, h := range []struct {
		stack *stack.Stack
		addr  [16]byte
	}{{n.a, addrA6}, {n.b, addrB6}} {
		if err := h.stack.Interface("eth0").AddAddress(netip.PrefixFrom(netip.AddrFrom16(h.addr), 64)); err != nil {
			return nil, errors.Join(err, n.close())
		}
	}
	return n.path(bufs, netip.AddrPortFrom(netip.AddrFrom16(addrA6), portA), netip.AddrPortFrom(netip.AddrFrom16(addrB6), portB), true)
}

func (n *stackNet) path(bufs *buffers, from, to netip.AddrPort, connect bool) (path, error) {
	p := &stackPath{stackNet: n, bufs: bufs}
	var err error
	p.from, err = openSocket(n.a, from, to, connect)
	if err == nil {
		p.to, err = openSocket(n.b, to, from, connect)
	}
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	for i := range batchSize {
		if !connect {
			p.out[i].Addr = to
		}
		p.in[i].Buf = bufs.in[i]
	}
	return p, nil
}

func openSocket(n socket.Network, local, peer netip.AddrPort, connect bool) (socket.Socket, error) {
	family := socket.IPv4
	if local.Addr().Is6() {
		family = socket.IPv6
	}
	s, err := n.Open(family)
	if err != nil {
		return nil, err
	}
	if err := s.Bind(local); err != nil {
		return nil, err
	}
	if !connect {
		return s, nil
	}
	return s, s.Connect(peer)
}

// stage and collect keep the messages and the buffers in step.
func (p *stackPath) stage() {
	for i := range p.out {
		p.out[i].Buf = p.bufs.out[i]
	}
}

func (p *stackPath) collect() {
	for i := range p.in {
		p.bufs.in[i] = p.in[i].Buf
	}
}

func (p *stackPath) carry(count int) error {
	for sent := 0; sent < count; {
		n, err := p.from.TrySend(p.out[sent:count])
		if err != nil {
			return err
		}
		sent += n
	}
	for got := 0; got < count; {
		n, err := p.to.TryRecv(p.in[got:count])
		if err == syscall.EAGAIN && p.await() {
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errNotDelivered, err)
		}
		got += n
	}
	return nil
}

// await lets others work, if the path is not alone on its stacks: another
// goroutine that delivers by the same lane takes our frames along. It reports
// false if that is not so, or has lasted too long.
func (p *stackPath) await() bool {
	if !p.shared {
		return false
	}
	if p.idle++; p.idle > 10_000_000 {
		return false
	}
	runtime.Gosched()
	return true
}

// connOnStack is a connPath whose networks are ours.
type connOnStack struct {
	*connPath
	*stackNet
}

func (p connOnStack) close() error { return p.connPath.close() }

func openConn(s setup, bufs *buffers, connect bool) (path, error) {
	n, err := newStackNet(s)
	if err != nil {
		return nil, err
	}
	p, err := newConnPath(bufs, n.a, n.b,
		netip.AddrPortFrom(netip.AddrFrom4(addrA), portA),
		netip.AddrPortFrom(netip.AddrFrom4(addrB), portB), connect)
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	p.down = n.close
	return connOnStack{p, n}, nil
}

func openConnPingPong(s setup, bufs *buffers) (path, error) {
	opened, err := openConn(s, bufs, false)
	if err != nil {
		return nil, err
	}
	p := opened.(connOnStack)
	return newPingPong(bufs, p.from, p.to, p.dst, p.close), nil
}

// openStackPingPong is a stackPath there and another back.
func openStackPingPong(s setup, bufs *buffers) (path, error) {
	opened, err := openStack(s, bufs, true)
	if err != nil {
		return nil, err
	}
	p := &stackPingPong{stackPath: opened.(*stackPath), echoed: make(chan struct{})}
	go p.echo()
	return p, nil
}

// stackPingPong is pingPong at the seam.
type stackPingPong struct {
	*stackPath
	patience socket.Cancel // of who waits for the echo
	echoed   chan struct{} // closed when the echo has ended
}

func (p *stackPingPong) echo() {
	defer close(p.echoed)
	ms := []socket.Message{{Buf: make([]byte, room)}}
	for receive(p.to, ms, nil) == nil {
		ms[0].Addr = netip.AddrPort{}
		if _, err := p.to.TrySend(ms); err != nil {
			return
		}
	}
}

// receive waits for a datagram.
func receive(s socket.Socket, ms []socket.Message, cancel *socket.Cancel) error {
	for {
		_, err := s.TryRecv(ms)
		if err != syscall.EAGAIN {
			return err
		}
		if err := s.Wait(socket.Readable, cancel); err != nil {
			return err
		}
	}
}

func (p *stackPingPong) carry(count int) error {
	for i := range count {
		if _, err := p.from.TrySend(p.out[i : i+1]); err != nil {
			return err
		}
		if err := receive(p.from, p.in[i:i+1], &p.patience); err != nil {
			return fmt.Errorf("%w: %w", errNotDelivered, err)
		}
	}
	return nil
}

// expect makes reading fail, instead of block, when nothing comes within d.
func (p *stackPingPong) expect(d time.Duration) error {
	time.AfterFunc(d, p.patience.Fire)
	return nil
}

func (p *stackPingPong) close() error {
	err := p.stackPath.close()
	<-p.echoed
	return err
}

// connNetAddr is a connOnStack by the calls of net.PacketConn.
type connNetAddr struct {
	connOnStack
	to net.Addr
}

func openConnNetAddr(s setup, bufs *buffers) (path, error) {
	opened, err := openConn(s, bufs, false)
	if err != nil {
		return nil, err
	}
	p := opened.(connOnStack)
	return connNetAddr{p, net.UDPAddrFromAddrPort(p.dst)}, nil
}

func (p connNetAddr) carry(count int) error {
	for i := range count {
		if _, err := p.from.WriteTo(p.bufs.out[i], p.to); err != nil {
			return err
		}
		in := p.bufs.in[i][:room]
		n, _, err := p.connPath.to.ReadFrom(in)
		if err != nil {
			return err
		}
		p.bufs.in[i] = in[:n]
	}
	return nil
}
