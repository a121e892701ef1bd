package stack

import (
	"bytes"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// wantsTrains reports whether the socket is to be handed trains whole (UDP_GRO).
func (s *Socket) wantsTrains() bool {
	return socket.Fields(s.reports.Load())&socket.FieldSegmentSize != 0
}

// part says which bytes of a queued packet's payload one read of up to room bytes
// takes: a datagram, or, if the socket wants trains, as many of a train's whole
// datagrams as there is room for. The caller holds the queue's mutex.
func (s *Socket) part(b *packet.Buffer, room int) (from, to int) {
	end := payloadLen(b)
	segment := int(b.SegmentSize)
	if segment == 0 {
		return 0, end
	}
	from = int(s.queue.begun)
	n := 1
	if s.wantsTrains() {
		n = max(1, room/segment)
		if end-from <= room {
			return from, end
		}
	}
	return from, min(from+n*segment, end)
}

// receiveTrains is TryRecv where a train may be at the queue's front, or where
// datagrams in a row are to be read as one.
func (s *Socket) receiveTrains(ms []socket.Message) (int, error) {
	done := 0
	for done < len(ms) {
		n := 0
		if !s.wantsTrains() {
			n = s.receiveParts(ms[done:])
		} else if s.receiveTrain(&ms[done]) {
			n = 1
		}
		if n == 0 {
			break
		}
		done += n
	}
	if done == 0 {
		return 0, s.nothing()
	}
	return done, nil
}

// receiveParts fills Messages with the datagrams of the packet at the queue's front,
// as many as there are places for. It returns how many there were.
func (s *Socket) receiveParts(ms []socket.Message) (n int) {
	q := &s.queue
	q.mu.Lock()
	if q.count == 0 {
		q.mu.Unlock()
		return 0
	}
	b := q.first()
	segment, end := int(b.SegmentSize), payloadLen(b)
	from, to := int(q.begun), end
	if segment != 0 {
		to = min(from+len(ms)*segment, end)
	} else {
		segment = end // or an empty datagram's, 0
	}
	var lost uint32
	if to < end {
		lost = q.takePart(b, to-from, segment)
	} else {
		lost = q.takeRest(to-from, int(b.SegmentSize))
	}
	q.mu.Unlock()

	payload := b.TransportBytes()[wire.UDPHeaderLen:]
	for n == 0 || from < to {
		next := min(from+segment, to)
		s.fill(&ms[n], b, payload[from:next], lost)
		from, lost = next, 0
		n++
	}
	if d := b.Datagrams(); to == end && d > 1 {
		s.stack.own.split.Add(uint64(d - 1))
	}
	b.Release()
	return n
}

// receiveTrain fills one Message with what one read takes, where trains are
// wanted. It reports whether there was anything.
func (s *Socket) receiveTrain(m *socket.Message) bool {
	q := &s.queue
	q.mu.Lock()
	if q.count == 0 {
		q.mu.Unlock()
		return false
	}
	room := cap(m.Buf)
	b := q.first()
	from, to := s.part(b, room)
	segment := int(b.SegmentSize)
	if to < payloadLen(b) {
		lost := q.takePart(b, to-from, segment)
		q.mu.Unlock()
		s.fillPart(m, b, from, to, lost)
		b.Release()
		return true
	}
	lost := q.takeRest(to-from, segment)
	var in *inBatch
	joined := 0
	if size := to - from; segment == 0 && s.wantsTrains() && size > 0 {
		// Datagrams that came in one by one are joined here, where it costs
		// least: those of one flow and size that fit, and one shorter. As
		// many are joined as can be sent on as one train.
		segment, room = size, min(room, maxPayload)
		for total := size; joined < runLength && q.count > 0; {
			next := q.first()
			k := payloadLen(next)
			if total += k; k == 0 || k > size || total > room || q.lost() > 0 || !alike(b, next) {
				break
			}
			if in == nil {
				in = inBatches.Get().(*inBatch)
			}
			in.frames[joined], in.lost[joined] = q.take()
			if joined++; k < size {
				break
			}
		}
	}
	q.mu.Unlock()

	if n := b.Datagrams(); n > 1 {
		s.stack.own.split.Add(uint64(n - 1))
	}
	s.fillPart(m, b, from, to, lost)
	b.Release()
	if in != nil {
		for _, next := range in.frames[:joined] {
			m.Buf = append(m.Buf, next.TransportBytes()[wire.UDPHeaderLen:]...)
		}
		m.Len = len(m.Buf)
		s.markTrain(m, segment)
		packet.ReleaseAll(in.frames[:joined])
		inBatches.Put(in)
	}
	return true
}

// fillPart fills m with a part of a packet's payload.
func (s *Socket) fillPart(m *socket.Message, b *packet.Buffer, from, to int, lost uint32) {
	s.fill(m, b, b.TransportBytes()[wire.UDPHeaderLen:][from:to], lost)
	if segment := int(b.SegmentSize); segment != 0 && to-from > segment {
		s.markTrain(m, segment)
	}
}

// markTrain notes that m holds a train.
func (s *Socket) markTrain(m *socket.Message, segment int) {
	m.Set |= socket.FieldSegmentSize
	m.SegmentSize = uint16(segment)
}

// alike reports whether two plain datagrams have the same source, destination, mark
// and IP header, but for what numbers them: then one Message can tell of both.
func alike(a, b *packet.Buffer) bool {
	x, y := a.NetworkBytes(), b.NetworkBytes()
	if x[0]>>4 == 6 {
		// From the version to the flow label, the hop limit and the addresses.
		return b.SegmentSize == 0 && a.Interface == b.Interface && a.Mark == b.Mark && y[0]>>4 == 6 &&
			bytes.Equal(x[:4], y[:4]) && bytes.Equal(x[7:wire.IPv6HeaderLen], y[7:wire.IPv6HeaderLen]) &&
			bytes.Equal(a.TransportBytes()[:4], b.TransportBytes()[:4])
	}
	const addresses = 12
	return b.SegmentSize == 0 && y[0]>>4 == 4 && a.Interface == b.Interface && a.Mark == b.Mark &&
		x[1] == y[1] && x[8] == y[8] && // TOS, TTL
		bytes.Equal(x[addresses:addresses+8], y[addresses:addresses+8]) &&
		bytes.Equal(a.TransportBytes()[:4], b.TransportBytes()[:4])
}

// takePart counts n bytes at the front of a train as read, and leaves the rest of
// it in the queue. It returns how many datagrams were lost before.
func (q *receiveQueue) takePart(b *packet.Buffer, n, segment int) (lost uint32) {
	if q.gaps != nil {
		if lost = q.lost(); lost > 0 {
			q.told()
		}
	}
	b.Retain(1)
	q.begun += uint32(n)
	q.bytes += uint64(n)
	q.received += uint64(n / segment)
	return lost
}

// takeRest takes out a packet of which n bytes have not been read.
func (q *receiveQueue) takeRest(n, segment int) (lost uint32) {
	_, lost = q.take()
	q.bytes -= uint64(q.begun)
	q.begun = 0
	if segment != 0 {
		q.received += uint64((n+segment-1)/segment) - 1
	}
	return lost
}
