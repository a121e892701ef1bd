package stack

import (
	"net/netip"
	"sync"
	"syscall"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// maxPayload is the longest payload that UDP over IPv4 can carry, maxPayload6 over
// IPv6, whose header is not counted. Of what is longer than maxLength Linux says so
// before it looks for the way, of the rest behind it.
const (
	maxLength   = 65535
	maxPayload  = maxLength - wire.IPv4HeaderLen - wire.UDPHeaderLen
	maxPayload6 = maxLength - wire.UDPHeaderLen
)

// outBatch is what one call of a link's Write is made with. Its frames hold
// buffers that were taken out of the pool together, from n to fresh.
type outBatch struct {
	n, fresh int
	size     int // for which the fresh ones were taken
	frames   [maxSegments]*packet.Buffer
}

// runLength is how many messages are made ready before they are handed to the
// link: enough to share the costs of a call, few enough to stay in the cache.
const runLength = 32

// next returns an empty buffer for size bytes in the place frames[n].
func (o *outBatch) next(size int) *packet.Buffer {
	if o.n >= o.fresh || size != o.size && !o.frames[o.n].Suits(size) {
		o.exchange(size)
	}
	o.n++
	return o.frames[o.n-1]
}

// exchange puts a buffer of another size into the place frames[n].
func (o *outBatch) exchange(size int) {
	b := packet.New(size)
	if o.n < o.fresh {
		o.frames[o.n].Release()
	}
	o.frames[o.n] = b
}

// refill takes buffers for want datagrams of a size out of the pool.
func (o *outBatch) refill(want, size int) {
	o.fresh, o.size = min(o.n+want, len(o.frames)), size
	packet.NewBatch(o.frames[o.n:o.fresh], size)
}

// spare gives back the buffers that were not needed.
func (o *outBatch) spare() {
	if o.n < o.fresh {
		packet.ReleaseAll(o.frames[o.n:o.fresh])
	}
	o.fresh = 0
}

var outBatches = sync.Pool{New: func() any { return new(outBatch) }}

// TrySend sends up to len(ms) datagrams.
func (s *Socket) TrySend(ms []socket.Message) (int, error) {
	if len(ms) == 1 && ms[0].Set&socket.FieldSegmentSize == 0 {
		return s.sendOne(&ms[0])
	}
	if len(ms) == 0 {
		return 0, nil
	}
	return s.sendMany(ms)
}

func (s *Socket) sendMany(ms []socket.Message) (int, error) {
	out := outBatches.Get().(*outBatch)
	defer outBatches.Put(out)
	done := 0
	for done < len(ms) {
		n, err := s.sendRun(ms[done:], out, done == 0)
		done += n
		if err != nil || n == 0 {
			if done > 0 {
				return done, nil
			}
			return 0, s.told(err)
		}
	}
	return done, nil
}

// sendOne is sendRun for the usual case, one datagram.
func (s *Socket) sendOne(m *socket.Message) (int, error) {
	s.mu.Lock()
	p := s.path
	if m.Set == 0 && m.Addr.Port() == 0 && !m.Addr.Addr().IsValid() && p != nil && p.forPeer && s.untroubled(p) {
		// Connected, and nothing has changed since the last datagram.
	} else {
		var err error
		if p, err = s.ready(m, true); err != nil {
			if err == errHooked {
				return s.sendHooked(p, m, true)
			}
			s.mu.Unlock()
			return 0, s.told(err)
		}
	}
	if p.tooLong(len(m.Buf)) {
		return s.sendLong(p, m)
	}
	b := p.stash.New(len(m.Buf))
	s.build(p, b, m.Buf)
	s.sent++
	s.bytes += uint64(len(m.Buf))
	iface, neighbor, link := p.iface, p.neighbor, p.link
	again := s.loopsBack(p)
	if link&usable != 0 {
		p.packets++
		p.bytes += uint64(b.Len())
		neighbor = nil
	}
	s.mu.Unlock()

	if again {
		iface.loopBack(b)
	}
	if neighbor != nil {
		s.stack.neighbors.hold(neighbor, b)
		return 1, nil
	}
	if s.stack.tracer != nil {
		s.stack.trace(trace.Transmit, iface, b, "")
	}
	frames := b.Single()
	if n, err := iface.link.Write(frames); n == 0 {
		iface.refuse(frames, err)
		if s.errors.Load() != nil {
			return 0, syscall.ENOBUFS
		}
	}
	return 1, nil
}

// loopsBack reports whether the host gets a copy of its own of what goes to
// many. The loopback interface brings it anyway.
func (s *Socket) loopsBack(p *path) bool {
	return (p.broadcast || p.multicast && s.opts.multicastLoop && p.iface.hears(p.dst, p.src)) && p.iface.kind != link.Loopback
}

// hears reports whether the interface hears what the host itself sends to a group.
func (i *Interface) hears(group, src address) bool {
	return i.groups.hears(group, src) == drop.None
}

// untroubled is what ready finds when there is nothing to say and p still leads
// where it did.
func (s *Socket) untroubled(p *path) bool {
	return !s.closed.Load() && s.pending.Load() == 0 && s.shut.Load() == 0 &&
		s.sendUsed.Load() < s.sendLimit.Load() && p.current(s.stack.state.Load())
}

// sendRun sends the datagrams at the front of ms that leave by one interface
// to resolved neighbours, in one batch; or one that does not. It returns how
// many messages it took. Only the first message of a call may take the pending
// error, since a call that has sent something does not return one.
func (s *Socket) sendRun(ms []socket.Message, out *outBatch, first bool) (int, error) {
	var (
		iface    *Interface
		neighbor *neighbor // of the one message whose next hop is unresolved
		again    bool
		taken    int
		failure  error
	)
	ms = ms[:min(len(ms), runLength)]
	if s.stack.tracer != nil && s.errors.Load() != nil {
		ms = ms[:1] // for none may be traced that is given back
	}
	out.n, out.fresh = 0, 0
	s.mu.Lock()
	for taken < len(ms) {
		m := &ms[taken]
		p, err := s.ready(m, first && taken == 0)
		if err == nil && iface != nil && p.iface != iface {
			break
		}
		if err == nil && !isTrain(m) && p.tooLong(len(m.Buf)) {
			if taken > 0 {
				break
			}
			return s.sendLong(p, m)
		}
		segment, count := len(m.Buf), 1
		if err == nil {
			segment, count, err = segments(m, p)
		}
		if err != nil {
			if err == errHooked && taken == 0 {
				return s.sendHooked(p, m, first)
			}
			failure = err
			break
		}
		if out.n+count > len(out.frames) {
			break
		}
		unresolved := p.link&usable == 0
		loops := s.loopsBack(p)
		if (unresolved || loops) && taken > 0 {
			break
		}
		iface = p.iface
		run := 1
		if p.trains && !p.plain && count == 1 {
			run = coupled(ms[taken:])
		}
		before := out.n
		if p.trains && run*count > 1 {
			total := 0
			for i := range ms[taken : taken+run] {
				total += len(ms[taken+i].Buf)
			}
			s.buildTrain(p, out.next(total), ms[taken:taken+run], segment)
			s.splits += uint64(run*count - 1)
			s.bytes += uint64(total)
			p.merged += uint64(run*count - 1)
		} else {
			if out.fresh == 0 {
				out.refill(len(ms)-taken, min(segment, p.most()))
			}
			rest := m.Buf
			for range count {
				k := min(segment, len(rest))
				s.build(p, out.next(k), rest[:k])
				rest = rest[k:]
			}
			s.splits += uint64(count - 1)
			s.bytes += uint64(len(m.Buf))
		}
		if !unresolved {
			for _, b := range out.frames[before:out.n] {
				p.packets++
				p.bytes += uint64(b.Len())
			}
		}
		s.sent++
		taken += run
		if unresolved || loops {
			again = loops
			if unresolved {
				neighbor = p.neighbor
			}
			break
		}
		if count == 1 && run == 1 && !p.trains {
			taken += s.sendLikewise(p, ms[taken:], out)
		}
	}
	s.mu.Unlock()
	out.spare()
	if taken == 0 {
		return 0, failure
	}
	frames := out.frames[:out.n]
	if again {
		for _, b := range frames {
			iface.loopBack(b)
		}
	}
	if neighbor != nil {
		for _, b := range frames {
			s.stack.neighbors.hold(neighbor, b)
		}
	} else if s.errors.Load() != nil {
		taken, failure = s.transmitOrFail(iface, frames, ms[:taken])
		clear(frames)
		return taken, failure
	} else {
		iface.transmit(frames)
	}
	clear(frames)
	return taken, nil
}

// sendLikewise makes packets of the plain datagrams at the front of ms that go the
// way of the one before them, which has just been looked at and so need not be
// again. It returns how many there are.
func (s *Socket) sendLikewise(p *path, ms []socket.Message, out *outBatch) (n int) {
	quick := p.usual && s.stack.tracer == nil
	mark := s.opts.mark
	most := min(p.mtu-p.header-wire.UDPHeaderLen, p.most())
	payload := 0
	for n < len(ms) && out.n < len(out.frames) {
		m := &ms[n]
		if m.Set != 0 || len(m.Buf) > most || !s.same(p, m.Addr) {
			break
		}
		if quick && len(m.Buf) == out.size && out.n < out.fresh {
			// The same as below, in one go.
			b := out.frames[out.n]
			out.n++
			b.Flow, b.Mark = s.flow, mark
			b.SetOwner(s)
			p.wrapUsual(b, m.Buf)
		} else {
			s.build(p, out.next(len(m.Buf)), m.Buf)
		}
		payload += len(m.Buf)
		n++
	}
	p.packets += uint64(n)
	p.bytes += uint64(payload + n*(p.linkLen()+p.header+wire.UDPHeaderLen))
	s.sent += uint64(n)
	s.bytes += uint64(payload)
	return n
}

// same reports whether the path leads to where a message without fields is to go.
func (s *Socket) same(p *path, to netip.AddrPort) bool {
	if to.Port() == 0 {
		return p.forPeer && !to.Addr().IsValid()
	}
	return to == p.to
}

// segments returns how a message's payload is cut into datagrams.
func segments(m *socket.Message, p *path) (size, count int, err error) {
	size, count = len(m.Buf), 1
	if !isTrain(m) {
		return size, count, nil
	}
	if p.plain && int(m.SegmentSize) < size {
		return 0, 0, syscall.EINVAL // as on Linux: segmentation needs checksums
	}
	if int(m.SegmentSize) < size {
		size = int(m.SegmentSize)
		count = (len(m.Buf) + size - 1) / size
		if count > maxSegments {
			return 0, 0, syscall.EINVAL
		}
	}
	if p.tooLong(size) {
		return 0, 0, syscall.EMSGSIZE
	}
	return size, count, nil
}

// sendFields are the fields of a Message that ask for a path of its own.
const sendFields = socket.SendFields &^ socket.FieldSegmentSize

// ready checks everything that can refuse a datagram before it is built, in
// Linux's order, and returns the path it will take. The pending error is taken
// if mayFail, and else ends the batch without being taken. The caller holds s.mu.
func (s *Socket) ready(m *socket.Message, mayFail bool) (*path, error) {
	if s.closed.Load() {
		return nil, socket.ErrClosed
	}
	// Linux binds before it looks at the message: a send that fails has bound.
	if err := s.autobind(); err != nil {
		return nil, err
	}
	if len(m.Buf) > maxLength && !s.six {
		return nil, syscall.EMSGSIZE
	}
	if m.Set&^socket.SendFields != 0 {
		return nil, syscall.EINVAL
	}
	p := s.path
	switch known := p != nil && m.Set&sendFields == 0 && p.current(s.stack.state.Load()); {
	case m.Addr == netip.AddrPort{}:
		if known && p.forPeer {
			break
		}
		if !s.peer.IsValid() {
			return nil, syscall.EDESTADDRREQ
		}
		var err error
		if p, err = s.findPath(m, s.peer); err != nil {
			return p, err
		}
		p.forPeer = p.to.IsValid()
	case known && p.to == m.Addr && m.Addr.Port() != 0:
	default:
		var err error
		if p, err = s.findPath(m, m.Addr); err != nil {
			return p, err
		}
	}
	if len(m.Buf) > p.most() || p.whole && !isTrain(m) && p.tooLong(len(m.Buf)) {
		if mayFail {
			s.queueTooLong(p)
		}
		return nil, syscall.EMSGSIZE
	}
	if s.pending.Load() != 0 {
		if !mayFail {
			return nil, syscall.EAGAIN // not returned: something was sent
		}
		if err := s.takeError(); err != nil {
			return nil, err
		}
	}
	if s.shut.Load()&uint32(socket.ShutWrite) != 0 {
		return nil, syscall.EPIPE
	}
	if s.sendUsed.Load() >= s.sendLimit.Load() {
		return nil, syscall.EAGAIN
	}
	return p, nil
}

// findPath looks up the way to a destination and keeps it in the socket. The
// caller holds s.mu.
func (s *Socket) findPath(m *socket.Message, to netip.AddrPort) (*path, error) {
	q, err := s.toward(to.Addr())
	if err != nil {
		return nil, err
	}
	if to.Port() == 0 && (m.Addr == to || s.six && q.dst.is4()) {
		// But a socket may be connected to port 0. One of IPv6 that is connected to a
		// v4-mapped peer names it in each call (udpv6_sendmsg).
		return nil, syscall.EINVAL
	}
	q.port = to.Port()
	if m.Set&sendFields != 0 {
		if q.dst.is4() {
			err = s.override(&q, m)
		} else {
			q, err = s.stack.six.override(s, q, m)
		}
		if err != nil {
			return nil, err
		}
	}
	if q.srcPort == 0 {
		return nil, syscall.EINVAL // it hears every port and has none of its own
	}
	if s.path == nil {
		s.path = new(path)
	}
	p := s.path
	if p.iface != nil {
		p.flushCounts()
	}
	p.to = netip.AddrPort{}
	if err := s.stack.routeInto(p, q); err != nil {
		return nil, err
	}
	if p.broadcast && !s.opts.broadcast {
		p.state = nil
		return nil, syscall.EACCES
	}
	p.plain = s.opts.noChecksum && !p.six
	p.usual = p.ethernet && !p.plain && !p.vouched && !p.counted && !p.six
	p.usual6 = p.ethernet && !p.vouched && p.six
	if m.Set&sendFields == 0 {
		p.to = to
	}
	if p.link&usable == 0 {
		p.setLink(s.stack.neighbors.use(p.neighbor))
	}
	if p.hook != nil {
		p.state = nil
		return p, errHooked
	}
	return p, nil
}

// override applies a message's own fields to the question.
func (s *Socket) override(q *query, m *socket.Message) error {
	if m.Set&(socket.FieldLocal|socket.FieldInterface) != 0 {
		q.src = address{} // IP_PKTINFO replaces the bound address, even by none
	}
	if m.Set&socket.FieldLocal != 0 {
		a := m.Local.Addr().Unmap()
		if !a.Is4() {
			return syscall.EINVAL
		}
		q.src = addressOf(a)
		if port := m.Local.Port(); port != 0 && s.opts.transparent {
			q.srcPort = port
		}
	}
	if m.Set&socket.FieldInterface != 0 && m.Interface != 0 {
		if m.Interface < 0 {
			return syscall.ENODEV
		}
		q.device = m.Interface // even by another interface than the socket is bound to
	}
	if m.Set&socket.FieldTTL != 0 {
		if m.TTL == 0 {
			return syscall.EINVAL
		}
		q.ttl = m.TTL
	}
	if m.Set&socket.FieldTOS != 0 {
		q.tos = m.TOS
	}
	return nil
}

// override6 is override for a destination of IPv6 (Linux's ip6_datagram_send_ctl): a
// source must be one of the host's addresses, and one that is good on one link only
// needs the interface that has it, which may be its zone.
func (s *Socket) override6(q query, m *socket.Message) (query, error) {
	if m.Set&(socket.FieldLocal|socket.FieldInterface) != 0 {
		st := s.stack.state.Load()
		device := 0
		if m.Set&socket.FieldLocal != 0 {
			var err error
			if device, err = st.zoneIndex(m.Local.Addr()); err != nil {
				return q, err
			}
		}
		if m.Set&socket.FieldInterface != 0 && m.Interface != 0 {
			device = m.Interface
		}
		if device != 0 {
			if q.device != device && (q.scoped || s.opts.device != 0) {
				return q, syscall.EINVAL
			}
			q.device = device
		}
		var on *netif
		if q.device != 0 {
			if on = st.byIndex(q.device); on == nil {
				return q, syscall.ENODEV
			}
		}
		if m.Set&socket.FieldLocal != 0 {
			a := addressOf(m.Local.Addr())
			switch {
			case !m.Local.Addr().Is6():
				return q, syscall.EINVAL
			case a == unspecified6: // the bound address stays
			case a.isLinkLocal() && on == nil:
				return q, syscall.EINVAL
			case !q.anySource && !s.opts.freeBind && st.local6(a, on.iface()) == nil:
				return q, syscall.EINVAL
			default:
				q.src = a
			}
			if port := m.Local.Port(); port != 0 && s.opts.transparent {
				q.srcPort = port
			}
		}
		q.loose = s.opts.device == 0 && !q.src.isUnspecified()
	}
	if m.Set&socket.FieldTTL != 0 {
		q.ttl, q.linkTTL = m.TTL, false
	}
	if m.Set&socket.FieldTOS != 0 {
		q.tos = m.TOS
	}
	return q, nil
}

// build makes the packet of one datagram in an empty buffer. The caller holds
// s.mu.
func (s *Socket) build(p *path, b *packet.Buffer, payload []byte) {
	b.Flow, b.Mark = s.flow, s.opts.mark
	b.SetOwner(s)
	p.wrap(b, payload, s.stack)
	if s.stack.tracer != nil {
		s.stack.trace(trace.Send, p.iface, b, s.describeLocked())
	}
}

// loopBack gives the host its own copy of what it sends to many.
func (i *Interface) loopBack(b *packet.Buffer) {
	c := b.Clone()
	i.stack.own.cloned.Add(1)
	i.lane(uint(c.Flow)).inject(c)
}

// setPath replaces the path, whose counts go to its interface. The caller
// holds s.mu.
func (s *Socket) setPath(p *path) {
	if s.path != nil && s.path.iface != nil {
		s.path.flushCounts()
	}
	s.path = p
}

// flushCounts adds what has left by the path to its interface's counters.
func (p *path) flushCounts() {
	p.iface.sent.packets.Add(p.packets)
	p.iface.sent.bytes.Add(p.bytes)
	p.iface.stack.own.merged.Add(p.merged)
	p.packets, p.bytes, p.merged = 0, 0, 0
}

// sentBy returns what the socket's present path has sent by i.
func (s *Socket) sentBy(i *Interface) (packets, bytes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path == nil || s.path.iface != i {
		return 0, 0
	}
	return s.path.packets, s.path.bytes
}
