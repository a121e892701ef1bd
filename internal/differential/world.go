package differential

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/internal/conformance"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// A World says what there is to bind, connect and send to.
type World struct {
	Addresses []string
	Ports     []uint16 // bound and sent to by number; 0 asks for one
	Wires     bool
	// Families are the sockets'. The zero value stands for IPv4.
	Families [sockets]socket.Family
}

// Loopback is what any machine has. The group and the foreign address are no
// place to send to without a route of which both networks think the same.
// The ports are to be filled in with some that are free.
var Loopback = World{Ports: []uint16{0}, Addresses: []string{
	"127.0.0.1", "0.0.0.0", "127.0.0.2", "127.255.255.255", "255.255.255.255", "239.1.2.3", "192.0.2.200", "::1",
}}

// Wired is the plan of package conformance.
var Wired = World{Wires: true, Ports: []uint16{0, 4000, 4001, 9}, Addresses: []string{
	"127.0.0.1", "0.0.0.0", "127.0.0.2", "10.0.0.1", "10.0.0.7", "10.1.0.1", "10.0.0.255", "255.255.255.255",
	"239.1.2.3", "10.0.0.2", "10.0.0.3", "10.1.0.2", "198.51.100.1", "198.18.0.1", "192.0.2.1", "192.0.2.65",
	"192.0.2.129", "203.0.113.1", "::1",
}}

// sendable reports whether a Where may be sent to: on loopback alone the other
// addresses depend on the machine's routes.
func (w World) sendable(where int) bool {
	if where >= ownOf || w.Wires {
		// Groups come later; and what is sent to 0.0.0.0 comes in by lo, wherever
		// the address belongs that it ends at.
		return where >= ownOf || w.Addresses[where] != "239.1.2.3" && !netip.MustParseAddr(w.Addresses[where]).Unmap().IsUnspecified()
	}
	a := w.Addresses[where]
	return strings.HasPrefix(a, "127.") || a == "0.0.0.0" || a == "::1"
}

// maxInjected is how many datagrams one far host sends in a sequence: so many
// ICMP errors are sent to one host in a row, and no more.
const maxInjected = 6

// A player runs a sequence on one machine and writes down what happens.
type player struct {
	tb    testing.TB
	m     *conformance.Machine
	w     World
	socks [sockets]socket.Socket

	names map[uint16]string // of ephemeral ports
	named int
	ports [sockets]uint16 // that the sockets had at the last look

	connected [sockets]bool // or were once
	errors    [sockets]bool // ReceiveErrors is set, or was once
	closed    [sockets]bool
	injected  map[string]int
	last      *conformance.Packet // the last datagram sent by eth0
	last6     *conformance.Packet6
	learned6  bool // of a path of IPv6
	payload   int
	out       []string
}

// Play runs a sequence on a machine and returns a line a step, and at the end what
// is left in the sockets and on the wires.
func Play(tb testing.TB, m *conformance.Machine, w World, steps []Step) []string {
	p := &player{tb: tb, m: m, w: w, names: map[uint16]string{}, injected: map[string]int{}}
	defer func() {
		for _, s := range p.socks {
			if s != nil {
				s.Close()
			}
		}
	}()
	m.ForgetPaths()
	for i := range p.socks {
		p.open(i)
	}
	for _, s := range steps {
		p.out = append(p.out, p.step(s))
		p.look()
	}
	p.end()
	return p.out
}

// end reads everything that is left.
func (p *player) end() {
	p.m.Settle(p.tb)
	for i := range p.socks {
		for {
			ms := []socket.Message{{Buf: make([]byte, 0, 2000)}}
			_, err := p.socks[i].TryRecv(ms)
			p.out = append(p.out, fmt.Sprintf("at the end, socket %d: %s", i, p.message(&ms[0], err)))
			if err == syscall.EAGAIN || err == socket.ErrClosed {
				break
			}
		}
	}
	p.out = append(p.out, "at the end, "+p.wires())
	for i, s := range p.socks {
		p.out = append(p.out, fmt.Sprintf("at the end, socket %d: %s", i, p.state(i, nil)))
		s.Close()
	}
	if p.learned6 {
		p.m.ForgetPaths6(p.tb)
	}
	if err := p.m.Check(); err != nil {
		p.out = append(p.out, err.Error())
	}
}

func (p *player) open(i int) {
	s, err := p.m.Open(p.family(i))
	if err != nil {
		p.tb.Fatalf("Open: %v", err)
	}
	if p.socks[i] != nil {
		p.socks[i].Close()
	}
	if i%2 == 0 {
		// From the beginning: of what was queued before Linux knows less.
		if err := s.SetOption(socket.Report, int(reports)); err != nil {
			p.tb.Fatalf("SetOption(Report): %v", err)
		}
	}
	if i == 1 || i == 2 {
		// Some, so that there is something to be read.
		if err := s.SetOption(socket.ReceiveErrors, 1); err != nil {
			p.tb.Fatalf("SetOption(ReceiveErrors): %v", err)
		}
	}
	p.socks[i], p.ports[i], p.connected[i], p.errors[i], p.closed[i] = s, 0, false, i == 1 || i == 2, false
}

// look gives names to ports that sockets have been given since the last look. A
// number that comes up again is a new port: on the other network it did not.
func (p *player) look() {
	for i, s := range p.socks {
		if p.closed[i] {
			continue // its port may be another's by now
		}
		port := s.LocalAddr().Port()
		if port != p.ports[i] && !slices.Contains(p.w.Ports, port) {
			p.names[port] = fmt.Sprint("p", p.named)
			p.named++
		}
		p.ports[i] = port
	}
}

// addr is an address in which ephemeral ports have names.
func (p *player) addr(a netip.AddrPort) string {
	p.look()
	if slices.Contains(p.w.Ports, a.Port()) {
		return a.String()
	}
	return fmt.Sprintf("%v:%s", a.Addr(), cmp.Or(p.names[a.Port()], "unknown"))
}

// where is the address that a Step means on this machine.
func (p *player) where(s Step) netip.AddrPort {
	if p.w.six() {
		return p.where6(s)
	}
	if s.Where >= ownOf {
		a := p.socks[s.Where-ownOf].LocalAddr()
		if x := a.Addr(); x.IsUnspecified() || x.IsMulticast() || !p.w.Wires && (!x.IsLoopback()) {
			// Any own address leads there, or none would on both.
			return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), a.Port())
		}
		return a
	}
	return netip.AddrPortFrom(netip.MustParseAddr(p.w.Addresses[s.Where]), p.w.Ports[s.Port])
}

// data is a payload that no other step of the sequence sends.
func (p *player) data(size int) []byte {
	p.payload++
	b := []byte(fmt.Sprintf("%03d", p.payload))
	for len(b) < size {
		b = append(b, byte('a'+len(b)%26))
	}
	return b[:size]
}

// step does one step and says what came of it.
func (p *player) step(s Step) string {
	sk := p.socks[s.Socket]
	switch s.Kind {
	case Open:
		p.open(s.Socket)
		return "opened"
	case Close:
		p.closed[s.Socket] = true
		return result(sk.Close())
	case Bind:
		to := p.where(s)
		if p.keptByPeer(s.Socket, to) {
			return "left alone"
		}
		return p.state(s.Socket, sk.Bind(to))
	case Connect:
		to := p.where(s)
		if p.crosses(s.Socket, to) {
			return "left alone"
		}
		p.connected[s.Socket] = true
		err := sk.Connect(to)
		line := p.state(s.Socket, err)
		if _, none := sk.PeerAddr(); err != nil && none == nil {
			// Linux writes the addresses that failed over those it sends by
			// (inet->cork.fl), and what is sent with the route that it remembers
			// goes out to them.
			line += "; then disconnected, " + p.disconnect(s.Socket)
		}
		return line
	case Disconnect:
		return p.disconnect(s.Socket)
	case Send, SendBatch, SendFields:
		return p.send(s)
	case Receive:
		p.m.Settle(p.tb)
		return p.receive(s.Socket, s.Size)
	case Peek:
		p.m.Settle(p.tb)
		m := socket.Message{Buf: make([]byte, 0, s.Size)}
		return p.message(&m, sk.TryPeek(&m))
	case ReceiveError:
		p.m.Settle(p.tb)
		return p.receiveError(s.Socket, s.Size)
	case Shutdown:
		return result(sk.Shutdown(s.How))
	case Set:
		v := s.Value
		if s.Option == socket.BindInterface {
			if p.w.Wires {
				v = wayOut(v)
			} else if now, _ := sk.Option(s.Option); now != 0 {
				return "left alone: to change it needs CAP_NET_RAW"
			}
		}
		if s.Option == socket.ReceiveErrors {
			p.m.Settle(p.tb)
			p.errors[s.Socket] = true
		}
		return p.state(s.Socket, sk.SetOption(s.Option, v))
	case Get:
		p.m.Settle(p.tb)
		v, err := sk.Option(s.Option)
		switch {
		case s.Option == socket.Error && err == nil:
			again, _ := sk.Option(s.Option)
			return fmt.Sprint("the error is ", result(errnoOf(v)), ", then ", result(errnoOf(again)))
		case s.Option == socket.SendQueued:
			return fmt.Sprint(v > 0, " ", result(err)) // the number is the network's own
		}
		return fmt.Sprint(v, " ", result(err))
	case Ready:
		p.m.Settle(p.tb)
		if p.errors[s.Socket] {
			// Package host has to take over what is pending, to say for what, and
			// then tells of it before it looks at what is wrong with a message.
			return "not asked"
		}
		return fmt.Sprintf("ready for %03b", sk.Ready(socket.Readable|socket.Writable|socket.ErrorQueued))
	case Inject:
		return p.inject(s)
	case Unreach:
		return p.unreach(s)
	case Wires:
		return p.wires()
	}
	panic("no such step")
}

func errnoOf(v int) error {
	if v == 0 {
		return nil
	}
	return syscall.Errno(v)
}

// state is a result, and where the socket is now.
func (p *player) state(i int, err error) string {
	sk := p.socks[i]
	if p.closed[i] {
		return result(err)
	}
	line := result(err) + ", at " + p.addr(sk.LocalAddr())
	if peer, err := sk.PeerAddr(); err == nil {
		line += ", connected to " + p.addr(peer)
	} else {
		line += ", peer " + result(err)
	}
	return line + p.only(i)
}

func (p *player) send(s Step) string {
	sk := p.socks[s.Socket]
	m := socket.Message{Buf: p.data(s.Size), Set: s.Fields}
	if s.Where >= 0 {
		m.Addr = p.where(s)
	}
	if p.errors[s.Socket] {
		// Linux sees a train that comes back to it as one packet.
		m.Set &^= socket.FieldSegmentSize
	}
	m.TTL, m.TOS, m.SegmentSize, m.Interface = uint8(s.Value), uint8(s.Value), uint16(s.Value), wayOut(s.Value)
	if k := s.Value; k != 0 && s.Size/k > 10 && s.Size/k < 128 {
		m.SegmentSize = uint16(s.Size/10 + 1) // few enough not to fill a buffer
	}
	if s.Fields&socket.FieldLocal != 0 {
		local := netip.MustParseAddr(p.w.Addresses[s.Value%len(p.w.Addresses)])
		to := m.Addr
		if s.Where < 0 {
			to, _ = sk.PeerAddr()
		}
		if p.family(s.Socket) == socket.IPv6 && !to.Addr().Unmap().Is4() {
			local = local6(local)
		} else if local = local.Unmap(); local.Is6() {
			local = netip.IPv4Unspecified() // which the kernel would not be asked about
		}
		m.Local = netip.AddrPortFrom(local, 0)
	}
	if m.Set&socket.FieldSegmentSize != 0 {
		// Linux clears DF in a train that is over the MTU as a whole, though it
		// never leaves as one; the stack goes by the datagrams.
		m.Buf = m.Buf[:min(len(m.Buf), 1400)]
	}
	ms := []socket.Message{m}
	if s.Kind == SendBatch {
		bad, last := m, m
		bad.Buf, last.Buf = p.data(s.Size), p.data(s.Size)
		bad.Addr = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 0)
		if s.Value%2 == 0 {
			bad.Addr = m.Addr
		}
		// Connected, an ICMP error may strike in the middle or behind.
		if !p.connected[s.Socket] && !p.errors[s.Socket] {
			ms = append(ms, bad, last)
		}
	}
	n, err := sk.TrySend(ms)
	p.m.Settle(p.tb)
	return fmt.Sprint(n, " ", p.state(s.Socket, err))
}

func (p *player) receive(i, size int) string {
	ms := []socket.Message{{Buf: make([]byte, 0, size)}}
	_, err := p.socks[i].TryRecv(ms)
	return p.message(&ms[0], err)
}

// message is a received message, or why there is none.
func (p *player) message(m *socket.Message, err error) string {
	if err != nil {
		return result(err)
	}
	line := fmt.Sprintf("%.12q (%d of %d) from %s", m.Buf, len(m.Buf), m.Len, p.addr(m.Addr))
	if m.Set != 0 {
		// The port is the socket's, which may have changed meanwhile.
		line += fmt.Sprintf(" %b to %v by %d TTL %d TOS %#x", m.Set, m.Local.Addr(), m.Interface, m.TTL, m.TOS)
	}
	return line
}

// receiveError reads an entry of the error queue. What the ICMP message is told of is
// compared as of datagrams.
func (p *player) receiveError(i, size int) string {
	m := socket.ErrorMessage{Buf: make([]byte, 0, size)}
	if err := p.socks[i].TryRecvError(&m); err != nil {
		return result(err)
	}
	offender := m.Offender.String()
	if m.Addr.Addr().Is6() && m.Addr.Addr().IsLinkLocalUnicast() {
		offender = "somebody" // asked by another link, Linux answers from an address of that
	}
	line := fmt.Sprintf("%v %v %d/%d info %d from %v about %.12q (%d of %d) to %s", m.Origin, result(m.Errno), m.Type, m.Code, m.Info,
		offender, m.Buf, len(m.Buf), m.Len, p.addr(m.Addr))
	if m.Set != 0 {
		line += fmt.Sprintf(" %b to %v TTL %d TOS %#x", m.Set, m.Local.Addr(), m.TTL, m.TOS)
	}
	return line
}

// inject lets a datagram come in for a socket, by either wire.
func (p *player) inject(s Step) string {
	if !p.w.Wires {
		return ""
	}
	from := []string{"10.0.0.2", "10.0.0.3", "10.1.0.2", "198.51.100.1"}[s.Value%4]
	if p.injected[from]++; p.injected[from] > maxInjected {
		return "enough"
	}
	to := p.where(s)
	if p.w.six() && !to.Addr().Unmap().Is4() {
		return p.inject6(s, to)
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if !to.Addr().Is4() {
		return ""
	}
	w := p.m.Eth0
	if from == "10.1.0.2" {
		w = p.m.Eth1
	}
	if s.Where >= ownOf && to.Addr().IsLoopback() {
		to = netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), to.Port())
	}
	w.SendIP(conformance.Datagram{
		From: from + ":9", To: to.String(), Payload: string(p.data(s.Size)), TTL: uint8(1 + s.Value), TOS: uint8(s.Value),
	}.Bytes())
	return "injected to " + p.addr(to)
}

// unreach answers the last datagram that left by eth0 with an ICMP error.
func (p *player) unreach(s Step) string {
	if !p.w.Wires {
		return ""
	}
	line := p.wires()
	if p.last6 != nil {
		return line + p.unreach6(s)
	}
	if p.last == nil {
		return line + "; nothing to answer"
	}
	if s.Value > 16 {
		mtu := []int{1000, 600, 400, 1501}[s.Value%4]
		p.m.Eth0.SendIP(conformance.FragmentationNeeded("10.0.0.254", p.last, mtu))
		p.m.Settle(p.tb)
		return fmt.Sprintf("%s; answered that the path has an MTU of %d", line, mtu)
	}
	code := wire.ICMPCode(s.Value)
	p.m.Eth0.SendIP(conformance.ICMPError("10.0.0.254", p.last, wire.ICMPDestinationUnreachable, code))
	p.m.Settle(p.tb)
	return fmt.Sprintf("%s; answered with code %d", line, code)
}

// wires are the packets sent by the wires since the last look.
func (p *player) wires() string {
	if !p.w.Wires {
		return ""
	}
	var b strings.Builder
	for _, w := range []*conformance.Wire{p.m.Eth0, p.m.Eth1} {
		fmt.Fprintf(&b, "%s:", w.Name)
		sent := p.m.Sent(p.tb, w)
		// What had to wait for ARP may come later on the one than on the other.
		slices.SortStableFunc(sent, func(a, b *conformance.Packet) int {
			return cmp.Or(bytes.Compare(a.Data, b.Data), a.IP.Destination().Compare(b.IP.Destination()))
		})
		for _, k := range sent {
			switch {
			case k.UDP != nil:
				fmt.Fprintf(&b, " %s->%s %v %.4q/%d TTL %d TOS %#x DF %v zero %v", p.addr(k.Source()), p.addr(k.Destination()), k.To,
					k.Data, len(k.Data), k.IP.TTL(), k.IP.TOS(), k.IP.DontFragment(), k.UDP.Checksum() == 0)
				if w == p.m.Eth0 {
					p.last, p.last6 = k, nil
				}
			case k.IP.IsFragment():
				fmt.Fprintf(&b, " %v->%v %v fragment %d/%d more %v DF %v TTL %d TOS %#x", k.IP.Source(), k.IP.Destination(), k.To,
					k.IP.FragmentOffset(), len(k.Data), k.IP.MoreFragments(), k.IP.DontFragment(), k.IP.TTL(), k.IP.TOS())
			case k.ICMP != nil:
				fmt.Fprintf(&b, " ICMP %v->%v %v/%d", k.IP.Source(), k.IP.Destination(), k.ICMP.Type(), k.ICMP.Code())
			default:
				fmt.Fprintf(&b, " %v", k)
			}
			b.WriteByte(';')
		}
		p.wire6(&b, w)
	}
	return b.String()
}

// Warm makes the neighbours of the plan known to the machine, so that what is sent
// to them need not wait.
func Warm(tb testing.TB, m *conformance.Machine) {
	tb.Helper()
	s, err := m.Open(socket.IPv4)
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	defer s.Close()
	for _, to := range []string{"10.0.0.2:9", "10.0.0.3:9", "10.0.0.90:9", "198.51.100.1:9", "10.1.0.2:9", "10.1.0.90:9", "198.51.100.200:9"} {
		if _, err := s.TrySend([]socket.Message{{Addr: netip.MustParseAddrPort(to)}}); err != nil {
			tb.Fatalf("TrySend to %s: %v", to, err)
		}
	}
	m.Sent(tb, m.Eth0)
	m.Sent(tb, m.Eth1)
}

// wayOut is the index of an interface, or 0. It is never that of lo where there are
// others: whatever is sent by lo Linux delivers on the host, as if it were its own.
func wayOut(v int) int {
	if v > 0 {
		v %= 4
	}
	if v == 1 {
		v = 2
	}
	return v
}

// result is an error in words that are the same on every network.
func result(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, socket.ErrNotSupported):
		return "not supported"
	}
	return err.Error()
}

// Difference returns the first line in which two plays differ, or -1.
func Difference(a, b []string) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return -1
}

// Shorten returns a sequence that still differs with as many steps taken out of it
// as can be, one at a time.
func Shorten(steps []Step, differs func([]Step) bool) []Step {
	for again := true; again; {
		again = false
		for i := len(steps) - 1; i >= 0; i-- {
			fewer := slices.Delete(slices.Clone(steps), i, i+1)
			if differs(fewer) {
				steps, again = fewer, true
			}
		}
	}
	return steps
}

// Report sets two plays of a sequence side by side, up to where they differ.
func Report(steps []Step, host, stack []string) string {
	var b strings.Builder
	d := Difference(host, stack)
	at := func(lines []string, i int) string {
		if i < len(lines) {
			return lines[i]
		}
		return "(nothing)"
	}
	for i := 0; i <= d; i++ {
		what := ""
		if i < len(steps) {
			what = steps[i].String()
		}
		if i < d {
			fmt.Fprintf(&b, "%2d %s\n     both:  %s\n", i, what, at(host, i))
		} else {
			fmt.Fprintf(&b, "%2d %s\n     host:  %s\n     stack: %s\n", i, what, at(host, i), at(stack, i))
		}
	}
	fmt.Fprintf(&b, "the sequence:\n%s\n", literal(steps))
	return b.String()
}
