package link

import (
	"encoding/binary"
	"errors"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// UDPOffset returns where the UDP header of a frame begins, and where its IP
// header does, in bytes from the front of the frame. ok is false if there is no
// UDP header, or none whose datagram is whole: in a fragment, or if the IP header
// says that the packet is longer than the frame.
func UDPOffset(frame []byte, kind Kind) (ip, udp int, ok bool) {
	if kind == Ethernet {
		if len(frame) < wire.EthernetHeaderLen {
			return 0, 0, false
		}
		switch wire.EtherType(binary.BigEndian.Uint16(frame[12:])) {
		case wire.EtherTypeIPv4, wire.EtherTypeIPv6:
		default:
			return 0, 0, false
		}
		ip = wire.EthernetHeaderLen
	}
	b := frame[ip:]
	if len(b) == 0 {
		return 0, 0, false
	}
	rest := 0 // from the UDP header to the packet's end
	switch b[0] >> 4 {
	case 4:
		h, options, payload, err := wire.ParseIPv4(b)
		if err != nil || h.IsFragment() || h.Protocol() != wire.ProtocolUDP {
			return 0, 0, false
		}
		udp, rest = ip+wire.IPv4HeaderLen+len(options), len(payload)
	case 6:
		h, payload, err := wire.ParseIPv6(b)
		if err != nil {
			return 0, 0, false
		}
		w := wire.WalkIPv6(h, payload)
		for {
			ext, more := w.Next()
			if !more {
				break
			}
			if _, fragment := ext.Fragment(); fragment {
				return 0, 0, false
			}
		}
		if w.Err() != nil || w.Protocol() != wire.ProtocolUDP {
			return 0, 0, false
		}
		rest = len(w.Payload())
		udp = ip + wire.IPv6HeaderLen + len(payload) - rest
	default:
		return 0, 0, false
	}
	return ip, udp, rest >= wire.UDPHeaderLen
}

// pseudoSum returns the sum of the pseudo-header of a UDP datagram of that length
// in the packet b.
func pseudoSum(b []byte, length int) uint16 {
	if b[0]>>4 == 6 {
		return (*wire.IPv6Header)(b).PseudoSum(wire.ProtocolUDP, uint32(length))
	}
	return (*wire.IPv4Header)(b).PseudoSum(uint16(length))
}

// finish writes the length and the checksum of the UDP datagram at b[udp:], which
// ends where b does, into its header.
func finish(b []byte, udp int) {
	u := (*wire.UDPHeader)(b[udp:])
	length := len(b) - udp
	u.SetLength(uint16(length))
	u.UpdateChecksum(pseudoSum(b, length), b[udp+wire.UDPHeaderLen:])
}

// FinishChecksum writes the checksum of a frame that is marked
// packet.ChecksumPartial and takes the mark away. It returns the buffer to go on
// with: another, if the bytes were shared. It is not for trains. A frame that
// carries no whole UDP datagram stays as it is.
func FinishChecksum(f *packet.Buffer, kind Kind) *packet.Buffer {
	f.Flags &^= packet.ChecksumPartial
	ip, udp, ok := UDPOffset(f.Bytes(), kind)
	if !ok {
		return f
	}
	f = f.Writable()
	b := f.Bytes()[ip:]
	udp -= ip
	length := int((*wire.UDPHeader)(b[udp:]).Length())
	if length < wire.UDPHeaderLen || length > len(b)-udp {
		return f // somebody will complain of it
	}
	finish(b[:udp+length], udp)
	return f
}

var errNoTrain = errors.New("link: marked as a train, and is none")

// Cut appends to dst the frames that a train stands for, each finished and with the
// train's marks and owner. The train stays the caller's.
//
// It is an error if the frame carries no whole UDP datagram, or one of more than
// MaxSegments segments.
func Cut(dst []*packet.Buffer, train *packet.Buffer, kind Kind) ([]*packet.Buffer, error) {
	frame, size := train.Bytes(), int(train.SegmentSize)
	ip, udp, ok := UDPOffset(frame, kind)
	if !ok || size == 0 {
		return dst, errNoTrain
	}
	headers := udp + wire.UDPHeaderLen
	length := int((*wire.UDPHeader)(frame[udp:]).Length())
	if length < wire.UDPHeaderLen || length > len(frame)-udp {
		return dst, errNoTrain
	}
	payload := frame[headers : udp+length]
	count := max(1, (len(payload)+size-1)/size)
	if count > MaxSegments {
		return dst, errNoTrain
	}
	for i := range count {
		k := min(size, len(payload))
		f := packet.New(headers + k)
		b := f.Append(headers + k)
		copy(b, frame[:headers])
		copy(b[headers:], payload[:k])
		payload = payload[k:]
		f.ID, f.Arrival, f.Flow, f.Interface = train.ID, train.Arrival, train.Flow, train.Interface
		f.Flags = train.Flags &^ packet.ChecksumPartial
		f.SetOwner(train.Owner())
		setIPLength(b[ip:], i)
		finish(b[ip:], udp-ip)
		dst = append(dst, f)
	}
	return dst, nil
}

// setIPLength writes what differs in the IP header of the segment of that number.
func setIPLength(b []byte, number int) {
	if b[0]>>4 == 6 {
		(*wire.IPv6Header)(b).SetPayloadLength(uint16(len(b) - wire.IPv6HeaderLen))
		return
	}
	h := (*wire.IPv4Header)(b)
	h.SetTotalLength(uint16(len(b)))
	if !h.DontFragment() {
		h.SetID(h.ID() + uint16(number))
	}
	h.UpdateChecksum(b[wire.IPv4HeaderLen:h.HeaderLen()])
}
