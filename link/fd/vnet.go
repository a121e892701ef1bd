package fd

import (
	"encoding/binary"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// The lengths of struct virtio_net_hdr (Virtual I/O Device 1.2, 5.1.6), without
// and with the number of buffers.
const (
	vnetLen         = 10
	vnetLenExtended = 12
)

// Of a vnetHeader: its flags, and its kinds of segmentation.
const (
	vnetNeedsChecksum = 1 // VIRTIO_NET_HDR_F_NEEDS_CSUM

	vnetGSONone  = 0
	vnetGSOUDP   = 3    // a UDP datagram to be fragmented, from long ago
	vnetGSOUDPL4 = 5    // a train
	vnetGSOECN   = 0x80 // besides the kind, of TCP
)

// udpChecksumAt is where the checksum stands in a UDP header.
const udpChecksumAt = 6

// A vnetHeader says what is unfinished in the frame behind it.
type vnetHeader struct {
	flags, gso     uint8
	headers        uint16 // the length of the frame's headers, a hint
	segment        uint16 // bytes of payload in each segment
	checksumStart  uint16 // where that begins which the checksum covers
	checksumOffset uint16 // and where it stands, counted from there
}

// parseVnet reads a header from the front of b, which must hold it. Its numbers are
// in the machine's byte order.
func parseVnet(b []byte) vnetHeader {
	b = b[:vnetLen]
	ne := binary.NativeEndian
	return vnetHeader{
		flags: b[0], gso: b[1], headers: ne.Uint16(b[2:]), segment: ne.Uint16(b[4:]),
		checksumStart: ne.Uint16(b[6:]), checksumOffset: ne.Uint16(b[8:]),
	}
}

// put writes the header to b, which is as long as headers are on this link.
func (h vnetHeader) put(b []byte) {
	ne := binary.NativeEndian
	clear(b[vnetLen:])
	b[0], b[1] = h.flags, h.gso
	ne.PutUint16(b[2:], h.headers)
	ne.PutUint16(b[4:], h.segment)
	ne.PutUint16(b[6:], h.checksumStart)
	ne.PutUint16(b[8:], h.checksumOffset)
}

// outgoing returns the header for a frame: what its marks say is unfinished.
func outgoing(f *packet.Buffer, kind link.Kind) (h vnetHeader) {
	if f.Flags&packet.ChecksumPartial == 0 && f.SegmentSize == 0 {
		return h
	}
	_, udp, ok := link.UDPOffset(f.Bytes(), kind)
	if !ok {
		return h
	}
	h.flags = vnetNeedsChecksum
	h.checksumStart, h.checksumOffset = uint16(udp), udpChecksumAt
	h.headers = uint16(udp + wire.UDPHeaderLen)
	if f.SegmentSize != 0 && f.Len() > int(h.headers)+int(f.SegmentSize) {
		h.gso, h.segment = vnetGSOUDPL4, f.SegmentSize
	}
	return h
}

// incoming marks a frame with what its header says is unfinished, and finishes what
// no mark says. The frame is the caller's alone. It reports false if the header
// contradicts the frame.
func incoming(h vnetHeader, f *packet.Buffer, kind link.Kind) bool {
	if h.flags&vnetNeedsChecksum == 0 {
		return h.gso == vnetGSONone
	}
	start, at := int(h.checksumStart), int(h.checksumStart)+int(h.checksumOffset)
	if at+2 > f.Len() {
		return false
	}
	_, udp, ok := link.UDPOffset(f.Bytes(), kind)
	switch kind := h.gso &^ vnetGSOECN; {
	case ok && udp == start && h.checksumOffset == udpChecksumAt && (kind == vnetGSONone || kind == vnetGSOUDPL4):
		f.Flags |= packet.ChecksumPartial | packet.ChecksumValid
		if payload := f.Len() - udp - wire.UDPHeaderLen; kind == vnetGSOUDPL4 && payload > int(h.segment) {
			f.SegmentSize = h.segment
			return h.segment != 0
		}
		return true
	case kind == vnetGSOUDPL4 || kind == vnetGSOUDP:
		return false
	}
	// Another transport, perhaps a TCP segment that is longer than the MTU:
	// with its checksum right it is a segment as good as any other.
	b := f.Bytes()
	c := ^wire.Sum(b[start:])
	if c == 0 {
		c = 0xffff // the same number, which does not mean none in UDP
	}
	binary.BigEndian.PutUint16(b[at:], c)
	return true
}
