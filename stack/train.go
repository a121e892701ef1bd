package stack

import (
	"encoding/binary"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// A train is a packet that stands for several datagrams of one flow and one
// size, the last of which may be shorter: it goes its way once, and is cut where
// somebody wants datagrams. A socket makes one of what it sends, if the link
// carries trains; a link that receives trains hands them in whole. What a train's
// headers hold is written in package link.

// maxSegments is the number of datagrams in one train.
const maxSegments = link.MaxSegments

// isTrain reports whether a message is to be sent as several datagrams.
func isTrain(m *socket.Message) bool {
	return m.Set&socket.FieldSegmentSize != 0 && m.SegmentSize != 0
}

// coupled returns how many of the messages, from the first on, can be sent as one
// train: those to the same peer of the same length, and one shorter at the end.
// The first is not a train itself.
func coupled(ms []socket.Message) int {
	first := &ms[0]
	size := len(first.Buf)
	if first.Set != 0 || size == 0 {
		return 1
	}
	total := size
	for n := 1; n < len(ms); n++ {
		m := &ms[n]
		k := len(m.Buf)
		if total += k; m.Set != 0 || m.Addr != first.Addr || k == 0 || k > size || total > maxPayload {
			return n
		}
		if k < size {
			return n + 1
		}
	}
	return len(ms)
}

// buildTrain makes one packet of the payloads of several messages, in an empty
// buffer. The caller holds s.mu.
func (s *Socket) buildTrain(p *path, b *packet.Buffer, ms []socket.Message, segment int) {
	b.Flow, b.Mark = s.flow, s.opts.mark
	b.SetOwner(s)
	for i := range ms {
		copy(b.Append(len(ms[i].Buf)), ms[i].Buf)
	}
	p.wrapTrain(b, segment, s.stack)
	if s.stack.tracer != nil {
		s.stack.trace(trace.Send, p.iface, b, s.describeLocked())
	}
}

// wrapTrain prepends the headers to a train's payload.
func (p *path) wrapTrain(b *packet.Buffer, segment int, st *Stack) {
	length := uint64(wire.UDPHeaderLen + b.Len())
	at := p.linkLen() + p.header
	f := b.Prepend(at + wire.UDPHeaderLen)
	p.put(f, uint64(p.header)+length, st)
	binary.BigEndian.PutUint64(f[at:], p.udp0|length<<16|uint64(fold(p.pseudoSum+uint32(length))))
	b.SetTransport(at)
	b.SegmentSize = uint16(segment)
	b.Flags |= packet.ChecksumValid | packet.ChecksumPartial
}

// finished makes a forwarded packet, which begins with its IP header, fit for a
// link: it cuts trains up, and completes checksums, if the link neither does nor
// vouches for frames. It hands what there is to send to each.
func (i *Interface) finished(b *packet.Buffer, each func(*packet.Buffer)) {
	switch {
	case b.SegmentSize != 0 && i.caps&link.Segmentation == 0:
		var few [maxSegments]*packet.Buffer
		frames, err := link.Cut(few[:0], b, link.IP)
		if err != nil {
			i.drop(b, drop.DatagramMalformed)
			return
		}
		i.stack.own.split.Add(uint64(len(frames) - 1))
		b.Release()
		for _, f := range frames {
			each(f)
		}
	case b.SegmentSize == 0 && b.Flags&packet.ChecksumPartial != 0 && i.caps&(link.ChecksumTransmit|link.ChecksumVouched) == 0:
		each(link.FinishChecksum(b, link.IP))
	default:
		each(b)
	}
}
