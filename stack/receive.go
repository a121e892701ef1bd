package stack

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// inBatch is what one call of TryRecv takes out of the queue at a time.
type inBatch struct {
	frames [runLength]*packet.Buffer
	lost   [runLength]uint32 // before each of them
}

var inBatches = sync.Pool{New: func() any { return new(inBatch) }}

// TryRecv takes up to len(ms) datagrams from the receive queue.
func (s *Socket) TryRecv(ms []socket.Message) (int, error) {
	if len(ms) == 0 {
		return 0, nil
	}
	if s.pending.Load() != 0 {
		if err := s.takeError(); err != nil {
			return 0, err
		}
	}
	reports := socket.Fields(s.reports.Load())
	if len(ms) == 1 && reports&socket.FieldSegmentSize == 0 {
		if reports == 0 && s.stack.tracer == nil && s.receiveSmall(&ms[0]) {
			return 1, nil
		}
		b, lost := s.pop()
		if b == nil {
			return s.receiveTrains(ms)
		}
		s.fill(&ms[0], b, b.TransportBytes()[wire.UDPHeaderLen:], lost)
		b.Release()
		return 1, nil
	}
	return s.receiveMany(ms)
}

func (s *Socket) receiveMany(ms []socket.Message) (int, error) {
	if socket.Fields(s.reports.Load())&socket.FieldSegmentSize != 0 {
		return s.receiveTrains(ms)
	}
	done := 0
	if s.reports.Load() == 0 && s.stack.tracer == nil {
		done = s.receiveManySmall(ms)
	}
	if done == len(ms) {
		return done, nil
	}
	in := inBatches.Get().(*inBatch)
	defer inBatches.Put(in)
	for done < len(ms) {
		most := min(len(ms)-done, runLength)
		n := s.popMany(in, most)
		for k, b := range in.frames[:n] {
			s.fill(&ms[done+k], b, b.TransportBytes()[wire.UDPHeaderLen:], in.lost[k])
		}
		packet.ReleaseAll(in.frames[:n])
		done += n
		if n < most {
			break
		}
	}
	if done < len(ms) {
		// Whether the queue is empty, or a train is at its front.
		n, err := s.receiveTrains(ms[done:])
		if done += n; done == 0 {
			return 0, err
		}
	}
	return done, nil
}

// nothing is the answer when the queue is empty.
func (s *Socket) nothing() error {
	if s.closed.Load() {
		return socket.ErrClosed
	}
	return syscall.EAGAIN
}

// TryPeek fills m with the first datagram and leaves it in the queue.
func (s *Socket) TryPeek(m *socket.Message) error {
	if s.pending.Load() != 0 {
		if err := s.takeError(); err != nil {
			return err
		}
	}
	s.queue.mu.Lock()
	if s.queue.count == 0 {
		s.queue.mu.Unlock()
		return s.nothing()
	}
	b := s.queue.first()
	b.Retain(1)
	from, to := s.part(b, cap(m.Buf))
	lost := s.queue.lost()
	s.queue.mu.Unlock()
	s.fillPart(m, b, from, to, lost)
	b.Release()
	return nil
}

// receiveSmall fills m with the first datagram, if that is so small that it can be
// copied with the queue's mutex held, and its buffer be kept with others.
func (s *Socket) receiveSmall(m *socket.Message) bool {
	q := &s.queue
	q.mu.Lock()
	if q.count == 0 || q.gaps != nil {
		q.mu.Unlock()
		return false
	}
	at := q.head & uint32(len(q.ring)-1)
	b := q.ring[at]
	if !b.Small() || b.SegmentSize != 0 {
		q.mu.Unlock()
		return false
	}
	payload := b.TransportBytes()[wire.UDPHeaderLen:]
	// The same as take, in one go.
	q.ring[at] = nil
	q.head++
	q.count--
	q.used -= b.TrueSize()
	q.received++
	q.bytes += uint64(len(payload))
	s.fill(m, b, payload, 0)
	q.spent.Release(b)
	q.mu.Unlock()
	return true
}

// receiveManySmall is receiveSmall for as many as there are places for, up to one that
// is not as small, or before which something was lost. It returns how many it took.
func (s *Socket) receiveManySmall(ms []socket.Message) (n int) {
	var spent packet.Chain
	q := &s.queue
	q.mu.Lock()
	if q.gaps == nil && q.count > 0 {
		most := min(len(ms), int(q.count), runLength)
		mask := uint32(len(q.ring) - 1)
		used, length := 0, 0
		for n < most {
			at := (q.head + uint32(n)) & mask
			b := q.ring[at]
			if !b.Small() || b.SegmentSize != 0 {
				break
			}
			// The same as takeMany, in one go.
			q.ring[at] = nil
			payload := b.TransportBytes()[wire.UDPHeaderLen:]
			used += b.TrueSize()
			length += len(payload)
			s.fillPlain(&ms[n], b, payload)
			spent.Release(b)
			n++
		}
		q.head += uint32(n)
		q.count -= uint32(n)
		q.used -= used
		q.received += uint64(n)
		q.bytes += uint64(length)
	}
	q.mu.Unlock()
	spent.End()
	return n
}

// pop takes the first datagram out of the queue and counts it as read. It
// returns nil if there is none, or a train, and how many were lost since the last
// read.
func (s *Socket) pop() (b *packet.Buffer, lost uint32) {
	q := &s.queue
	q.mu.Lock()
	if q.count != 0 {
		at := q.head & uint32(len(q.ring)-1)
		if b = q.ring[at]; b.SegmentSize != 0 {
			b = nil
		} else {
			b, lost = q.take()
		}
	}
	q.mu.Unlock()
	return b, lost
}

// popMany is pop for as many as there are places for, up to the first train.
func (s *Socket) popMany(in *inBatch, most int) (n int) {
	q := &s.queue
	q.mu.Lock()
	most = min(most, int(q.count))
	if q.gaps == nil {
		n = q.takeMany(in.frames[:most])
		clear(in.lost[:n])
	} else {
		for ; n < most && q.first().SegmentSize == 0; n++ {
			in.frames[n], in.lost[n] = q.take()
		}
	}
	q.mu.Unlock()
	return n
}

// payloadLen returns the length of a queued packet's payload.
func payloadLen(b *packet.Buffer) int { return b.TransportLen() - wire.UDPHeaderLen }

// nextSize returns the length of the first datagram in the queue, or 0.
func (s *Socket) nextSize() int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	if s.queue.count == 0 {
		return 0
	}
	from, to := s.part(s.queue.first(), maxLength)
	return to - from
}

// fill copies a payload, and what the socket reports of its packet, into m. The
// headers were checked on the way in.
func (s *Socket) fill(m *socket.Message, b *packet.Buffer, payload []byte, lost uint32) {
	s.fillPlain(m, b, payload)
	if s.reports.Load() != 0 {
		s.report(m, b, b.NetworkBytes(), b.TransportBytes(), lost)
	}
	if s.stack.tracer != nil {
		s.stack.trace(trace.Read, s.stack.interfaceOf(b), b, s.describe())
	}
}

// fillPlain is fill for a socket that has asked for no fields, on a stack that nobody traces.
func (s *Socket) fillPlain(m *socket.Message, b *packet.Buffer, payload []byte) {
	udp := b.TransportBytes()
	ip := b.NetworkBytes()
	m.Buf = m.Buf[:cap(m.Buf)]
	m.Buf = m.Buf[:copy(m.Buf, payload)]
	m.Len = len(payload)
	if s.six && ip[0]>>4 == 6 && ip[8] != 0xfe {
		m.Addr = netip.AddrPortFrom(netip.AddrFrom16([16]byte(ip[8:24])), binary.BigEndian.Uint16(udp))
	} else if s.six {
		m.Addr = netip.AddrPortFrom(s.sender6(b, ip), binary.BigEndian.Uint16(udp))
	} else {
		m.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:16])), binary.BigEndian.Uint16(udp))
	}
	m.Set = 0
}

// sender6 returns who sent a packet to a socket of IPv6.
func (s *Socket) sender6(b *packet.Buffer, ip []byte) netip.Addr {
	if ip[0]>>4 == 4 {
		return ipv4(binary.BigEndian.Uint32(ip[12:])).mapped()
	}
	if ip[8] == 0xfe && ip[9]>>6 == 2 {
		return s.shown(addressOf16([16]byte(ip[8:24])), int(b.Interface))
	}
	return netip.AddrFrom16([16]byte(ip[8:24]))
}

// destination6 returns to whom a packet to a socket of IPv6 was addressed.
func (s *Socket) destination6(b *packet.Buffer, ip []byte) netip.Addr {
	if ip[0]>>4 == 4 {
		return ipv4(binary.BigEndian.Uint32(ip[16:])).mapped()
	}
	return s.shown(addressOf16([16]byte(ip[24:40])), int(b.Interface))
}

// report fills in the fields that were asked for.
func (s *Socket) report(m *socket.Message, b *packet.Buffer, ip, udp []byte, lost uint32) {
	want := socket.Fields(s.reports.Load())
	m.Local, m.Interface, m.TTL, m.TOS = netip.AddrPort{}, 0, 0, 0
	m.SegmentSize, m.Time, m.Drops = 0, time.Time{}, 0
	if want&socket.FieldLocal != 0 {
		own := netip.AddrFrom4([4]byte(ip[16:20]))
		if s.six {
			own = s.destination6(b, ip)
		}
		m.Local = netip.AddrPortFrom(own, binary.BigEndian.Uint16(udp[2:]))
	}
	if want&socket.FieldInterface != 0 {
		m.Interface = int(b.Interface)
	}
	if want&socket.FieldTTL != 0 {
		if m.TTL = ip[8]; ip[0]>>4 == 6 {
			m.TTL = ip[7]
		}
	}
	if want&socket.FieldTOS != 0 {
		if m.TOS = ip[1]; ip[0]>>4 == 6 {
			m.TOS = (*wire.IPv6Header)(ip).TrafficClass()
		}
	}
	if want&socket.FieldTime != 0 {
		m.Time = s.stack.arrival(b)
	}
	if want&socket.FieldDrops != 0 {
		m.Drops = lost
	}
	if want&socket.FieldMark != 0 {
		m.Mark = b.Mark
	}
	m.Set = want &^ socket.FieldSegmentSize // which receiveTrains adds
}

// arrival is when a packet came in, or, if that was before somebody wanted to know, now.
func (s *Stack) arrival(b *packet.Buffer) time.Time {
	if b.Arrival == 0 {
		return s.cfg.Clock.Now()
	}
	return time.Unix(0, b.Arrival).UTC() // so that it prints alike everywhere
}
