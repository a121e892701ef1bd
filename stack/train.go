package stack

import (
	"encoding/binary"

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

// maxSegments is the number of datagrams in one train (Linux's UDP_MAX_SEGMENTS).
const maxSegments = 128

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
	b.Flow = s.flow
	b.SetOwner(s)
	for i := range ms {
		copy(b.Append(len(ms[i].Buf)), ms[i].Buf)
	}
	p.wrapTrain(b, segment, s.stack)
	if s.stack.cfg.Tracer != nil {
		s.stack.trace(trace.Send, p.iface, b, s.describeLocked())
	}
}

// wrapTrain prepends the headers to a train's payload.
func (p *path) wrapTrain(b *packet.Buffer, segment int, st *Stack) {
	length := uint64(wire.UDPHeaderLen + b.Len())
	at := p.linkLen() + wire.IPv4HeaderLen
	f := b.Prepend(at + wire.UDPHeaderLen)
	p.put(f, wire.IPv4HeaderLen+length, st)
	binary.BigEndian.PutUint64(f[at:], p.udp0|length<<16|uint64(fold(p.udpSum+uint32(length))))
	b.SetTransport(at)
	b.SegmentSize = uint16(segment)
	b.Flags |= packet.ChecksumValid | packet.ChecksumPartial
}

// cut makes the packets of a train's datagrams, each beginning with its IP header,
// and hands them to each. The train's IP header begins at the offset; the train
// stays the caller's.
func cut(b *packet.Buffer, at int, each func(*packet.Buffer)) {
	whole, options, datagram, err := wire.ParseIPv4(b.Bytes()[at:])
	if err != nil || len(datagram) < wire.UDPHeaderLen {
		panic("stack: a train whose headers were not checked")
	}
	headers := wire.IPv4HeaderLen + len(options) + wire.UDPHeaderLen
	payload := datagram[wire.UDPHeaderLen:]
	for n := 0; len(payload) > 0; n++ {
		k := min(int(b.SegmentSize), len(payload))
		c := packet.New(headers + k)
		c.Marks = b.Marks
		c.SegmentSize = 0
		c.Flags &^= packet.ChecksumValid | packet.ChecksumPartial
		copy(c.Append(headers), b.Bytes()[at:])
		copy(c.Append(k), payload)
		payload = payload[k:]
		c.SetNetwork(0)
		c.SetTransport(headers - wire.UDPHeaderLen)

		binary.BigEndian.PutUint16(c.Bytes()[2:], uint16(c.Len())) // the total length
		h, options, datagram, err := wire.ParseIPv4(c.Bytes())
		if err != nil {
			panic("stack: the copy of a good header is not good")
		}
		if !whole.DontFragment() {
			h.SetID(whole.ID() + uint16(n)) // each may be fragmented
		}
		h.UpdateChecksum(options)
		setLengthAndChecksum(h, datagram)
		each(c)
	}
}

// setLengthAndChecksum writes what depends on the payload into the header of a UDP
// datagram.
func setLengthAndChecksum(h *wire.IPv4Header, datagram []byte) {
	length := uint16(len(datagram))
	u := (*wire.UDPHeader)(datagram)
	u.SetLength(length)
	u.UpdateChecksum(h.PseudoSum(length), datagram[wire.UDPHeaderLen:])
}

// completeChecksum fills in the UDP checksum of a packet that came in with the
// pseudo-header's sum alone, for a link that does not. The bytes must be the
// caller's to write; the IP header begins at the offset.
func completeChecksum(b *packet.Buffer, at int) {
	h, _, datagram, err := wire.ParseIPv4(b.Bytes()[at:])
	if err != nil || h.Protocol() != wire.ProtocolUDP || len(datagram) < wire.UDPHeaderLen {
		return
	}
	setLengthAndChecksum(h, datagram)
	b.Flags &^= packet.ChecksumPartial
}
