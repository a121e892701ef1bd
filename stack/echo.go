package stack

import (
	"net/netip"
	"sync"
	"syscall"

	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// An Echo is what came back for an echo request: a reply, or an error message
// about it.
type Echo struct {
	From     netip.Addr // who answered
	To       netip.Addr // who was asked
	Sequence uint16
	TTL      uint8  // of the reply; its hop limit
	Payload  []byte // of the reply; valid until the function returns
	Err      error  // an error message's meaning, as a syscall.Errno; nil: a reply
}

// echoPorts are the identifiers for which somebody waits for echo replies.
type echoPorts struct {
	mu   sync.Mutex
	open map[uint16]*EchoPort
}

// An EchoPort sends echo requests under an identifier of its own and hands the
// answers to a function: what "ping" is made of.
type EchoPort struct {
	stack *Stack
	id    uint16
	fn    func(Echo)
}

// OpenEcho opens an echo port. fn is called for each answer on the goroutine
// that delivers it, and must not block.
func (s *Stack) OpenEcho(fn func(Echo)) (*EchoPort, error) {
	e := &s.echo
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.state.Load().closed {
		return nil, socket.ErrClosed
	}
	if len(e.open) >= s.cfg.Limits.EchoPorts {
		return nil, text.Errorf("stack: %d echo ports are open already", len(e.open))
	}
	if e.open == nil {
		e.open = make(map[uint16]*EchoPort)
	}
	p := &EchoPort{stack: s, fn: fn}
	for p.id = uint16(s.random.uint64()); e.open[p.id] != nil; p.id++ {
	}
	e.open[p.id] = p
	return p, nil
}

// Send sends one echo request. The errors are those of a socket's TrySend.
func (p *EchoPort) Send(dst netip.Addr, sequence uint16, payload []byte) error {
	q := query{dst: addressOf(dst), ttl: defaultTTL, linkTTL: true, fragment: fragmentAllow}
	switch {
	case !dst.IsValid(), !q.dst.is4() && p.stack.six == nil:
		return syscall.EAFNOSUPPORT
	case len(payload) > maxPayload:
		return syscall.EMSGSIZE
	}
	if zone, err := p.stack.state.Load().zoneIndex(dst); err != nil {
		return err
	} else if q.device = zone; zone == 0 && q.dst.isLinkLocal() {
		return syscall.EINVAL
	}
	var way path
	if err := p.stack.routeInto(&way, q); err != nil {
		return err
	}
	if way.broadcast {
		return syscall.EACCES
	}
	// An echo message of ICMPv6 has the same form.
	b := packet.New(wire.ICMPHeaderLen + len(payload))
	m := wire.PutICMP(b.Append(wire.ICMPHeaderLen), wire.ICMPEchoRequest, 0)
	m.SetEchoID(p.id)
	m.SetEchoSequence(sequence)
	body := b.Append(len(payload))
	copy(body, payload)
	if way.six {
		m.SetType(wire.ICMPType(wire.ICMPv6EchoRequest))
		return p.stack.output(q, wire.ProtocolICMPv6, b)
	}
	m.UpdateChecksum(body)
	return p.stack.output(q, wire.ProtocolICMP, b)
}

// Close closes the port: its function is not called for what comes later.
func (p *EchoPort) Close() error {
	e := &p.stack.echo
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open[p.id] != p {
		return socket.ErrClosed
	}
	delete(e.open, p.id)
	return nil
}

func (e *echoPorts) close() {
	e.mu.Lock()
	e.open = nil
	e.mu.Unlock()
}

func (e *echoPorts) find(id uint16) *EchoPort {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.open[id]
}

// reply hands a reply to whoever asked, and reports whether somebody did.
func (e *echoPorts) reply(from netip.Addr, id, sequence uint16, ttl uint8, body []byte) bool {
	p := e.find(id)
	if p == nil {
		return false
	}
	p.fn(Echo{From: from, To: from, Sequence: sequence, TTL: ttl, Payload: body})
	return true
}

// fail hands an error about a request, quoted up to 8 bytes or more, to whoever
// sent it.
func (e *echoPorts) fail(peer ipv4, quoted []byte, errno syscall.Errno, offender ipv4) bool {
	m, _, err := wire.ParseICMP(quoted)
	if err != nil || m.Type() != wire.ICMPEchoRequest {
		return false
	}
	p := e.find(m.EchoID())
	if p == nil {
		return false
	}
	p.fn(Echo{From: offender.netip(), To: peer.netip(), Sequence: m.EchoSequence(), Err: errno})
	return true
}

// fail6 is fail for IPv6.
func (e *echoPorts) fail6(to netip.Addr, quoted []byte, errno syscall.Errno, offender netip.Addr) bool {
	m, _, err := wire.ParseICMPv6(quoted)
	if err != nil || m.Type() != wire.ICMPv6EchoRequest {
		return false
	}
	p := e.find(m.EchoID())
	if p == nil {
		return false
	}
	p.fn(Echo{From: offender, To: to, Sequence: m.EchoSequence(), Err: errno})
	return true
}

// answerEcho answers an echo request (RFC 1122, 3.2.2.6): from the address that
// was asked, with the payload and the type of service of the request.
func (s *Stack) answerEcho(h *wire.IPv4Header, m *wire.ICMPHeader, body []byte, src, dst ipv4) {
	b := packet.New(wire.ICMPHeaderLen + len(body))
	r := wire.PutICMP(b.Append(wire.ICMPHeaderLen), wire.ICMPEchoReply, 0)
	r.SetRest(m.Rest())
	data := b.Append(len(body))
	copy(data, body)
	r.UpdateChecksum(data)
	s.output(query{src: dst.address(), anySource: true, dst: src.address(), ttl: defaultTTL, tos: h.TOS(), fragment: fragmentAllow}, wire.ProtocolICMP, b)
}
