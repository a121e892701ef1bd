//go:build unix

package fd

import (
	"unsafe"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// tryReadHeaded is tryRead where frames come behind virtio-net headers, and may be
// trains. A frame is read into a buffer that holds the longest one, its header
// into the headroom: a train is handed up in it, anything shorter in a copy of its
// size.
func (q *queue) tryReadHeaded(fd uintptr) bool {
	q.readErr = nil
	for q.count < batchSize && q.bytes < batchBytes {
		n, ready := q.readOne(fd, q.arm())
		if n == 0 {
			return ready
		}
		if !q.take(n) {
			return true
		}
	}
	return true
}

// arm returns the room for a header and the longest frame.
func (q *queue) arm() []byte {
	if q.large == nil {
		q.large = packet.New(packet.MaxSize)
		frame := q.large.Append(packet.MaxSize)
		q.large.Prepend(q.l.header + fromCacheLine(frame, q.l.kind))
	}
	return q.large.Bytes()
}

// fromCacheLine returns by how many bytes a frame has to begin earlier than where it would
// for a UDP payload behind an IPv4 header without options to begin a cache line. The
// kernel copies a train to there in up to a sixth less of the time than to where its bytes
// would come to lie across those of its source.
func fromCacheLine(frame []byte, kind link.Kind) int {
	headers := wire.IPv4HeaderLen + wire.UDPHeaderLen
	if kind == link.Ethernet {
		headers += wire.EthernetHeaderLen
	}
	const line = 64
	at := uintptr(unsafe.Pointer(unsafe.SliceData(frame))) + uintptr(headers)
	if n := int(at % line); n <= packet.Headroom-vnetLenExtended-wire.EthernetHeaderLen {
		return n
	}
	return 0 // a router would find no room for other headers
}

// disarm gives back the room for what is read.
func (q *queue) disarm() {
	if q.large != nil {
		q.large.Release()
		q.large = nil
	}
	if q.many != nil {
		q.many.disarm()
	}
}

// take puts the frame that lies in the first n bytes of the room into the batch. It
// reports false if the batch is at its end.
func (q *queue) take(n int) bool {
	room := q.large.Bytes()
	h := parseVnet(room)
	frame := room[q.l.header:n]
	b := q.large
	if b.Suits(len(frame)) {
		b.TrimTo(n)
		b.TrimFront(q.l.header)
		q.large = nil
	} else {
		b = packet.New(len(frame))
		copy(b.Append(len(frame)), frame)
	}
	return q.accept(b, h)
}

// accept puts a frame with that header into the batch. It reports false if the
// batch is at its end.
func (q *queue) accept(b *packet.Buffer, h vnetHeader) bool {
	if !incoming(h, b, q.l.kind) {
		b.Release()
		q.l.drops.Add(drop.FrameMalformed, 1)
		return false
	}
	if b.SegmentSize != 0 && q.l.accepts&link.Segmentation == 0 {
		return q.takeCut(b)
	}
	if b.Flags&packet.ChecksumPartial != 0 && q.l.accepts&link.ChecksumTransmit == 0 && b.SegmentSize == 0 {
		b = link.FinishChecksum(b, q.l.kind)
	}
	q.frames[q.count] = b
	q.count++
	q.bytes += b.Len()
	return true
}

// takeCut puts the datagrams of a train into the batch, for a sink that takes no
// trains.
func (q *queue) takeCut(train *packet.Buffer) bool {
	frames, err := link.Cut(q.frames[:q.count], train, q.l.kind)
	q.bytes += train.Len()
	train.Release()
	if err != nil {
		q.l.drops.Add(drop.FrameMalformed, 1)
		return false
	}
	q.count = len(frames)
	return true
}

// writeHeaded writes a frame behind its virtio-net header, which goes into the
// frame's headroom unless its bytes are shared. The caller holds q.mu.
func (q *queue) writeHeaded(fd int, f *packet.Buffer) error {
	h := outgoing(f, q.l.kind)
	if front, _ := f.Room(); front >= q.l.header && !f.Shared() {
		h.put(f.Prepend(q.l.header))
		err := writeFrame(fd, f.Bytes())
		f.TrimFront(q.l.header)
		return err
	}
	if q.copied == nil {
		q.copied = make([]byte, vnetLenExtended+maxFrame)
	}
	h.put(q.copied[:q.l.header])
	n := copy(q.copied[q.l.header:], f.Bytes())
	return writeFrame(fd, q.copied[:q.l.header+n])
}
