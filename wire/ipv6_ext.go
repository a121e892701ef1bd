package wire

import "encoding/binary"

// MaxIPv6Extensions is the number of extension headers that an [IPv6Walker] steps through
// before it calls the packet malformed. RFC 8200 recommends at most seven, and RFC 8504,
// section 5.3, allows a limit.
const MaxIPv6Extensions = 16

// IPv6Extension is one extension header of an IPv6 packet.
type IPv6Extension struct {
	// Protocol says which header it is: ProtocolIPv6HopByHop, ProtocolIPv6Routing,
	// ProtocolIPv6Fragment or ProtocolIPv6Destination.
	Protocol Protocol

	// Offset is where the header begins, in bytes from the beginning of the IPv6 header.
	Offset int

	// Data is the whole header, a multiple of 8 bytes.
	Data []byte
}

// NextHeader returns what follows the header, ProtocolNoNext if Data is empty.
func (e IPv6Extension) NextHeader() Protocol {
	if len(e.Data) == 0 {
		return ProtocolNoNext
	}
	return Protocol(e.Data[0])
}

// Options returns the options of a hop-by-hop or destination options header, having checked
// that each fits. Other headers give an error.
func (e IPv6Extension) Options() (IPv6Options, error) {
	if e.Protocol != ProtocolIPv6HopByHop && e.Protocol != ProtocolIPv6Destination {
		return nil, errIPv6OptionsKind
	}
	if len(e.Data) < 8 {
		return nil, errIPv6ExtensionShort
	}
	return ParseIPv6Options(e.Data[2:])
}

// Fragment returns the fragment header, and false if it is another header.
func (e IPv6Extension) Fragment() (*IPv6FragmentHeader, bool) {
	if e.Protocol != ProtocolIPv6Fragment || len(e.Data) < IPv6FragmentHeaderLen {
		return nil, false
	}
	return (*IPv6FragmentHeader)(e.Data), true
}

// Routing returns the fields of a routing header, and false if it is another header. A
// receiver that does not know the type ignores the header if no segments are left, and
// otherwise drops the packet with an ICMPv6 parameter problem that points to the type, 2 bytes
// behind the header's Offset (RFC 8200, section 4.4). Type 0 is to be treated as unknown
// (RFC 5095).
func (e IPv6Extension) Routing() (r IPv6Routing, ok bool) {
	if e.Protocol != ProtocolIPv6Routing || len(e.Data) < 8 {
		return IPv6Routing{}, false
	}
	return IPv6Routing{Type: e.Data[2], SegmentsLeft: e.Data[3], Data: e.Data[4:len(e.Data):len(e.Data)]}, true
}

// IPv6Routing holds the fields of a routing header.
type IPv6Routing struct {
	Type         uint8
	SegmentsLeft uint8
	Data         []byte // what follows, whose meaning depends on the type
}

var (
	errIPv6ExtensionShort  = truncated("ipv6 extension", "shorter than 8 bytes")
	errIPv6ExtensionBeyond = truncated("ipv6 extension", "header length exceeds the payload")
	errIPv6ExtensionOrder  = malformed("ipv6 extension", "hop-by-hop options not directly behind the ipv6 header")
	errIPv6ExtensionMany   = malformed("ipv6 extension", "more than 16 extension headers")
)

// An IPv6Walker steps through the extension headers of a packet:
//
//	w := wire.WalkIPv6(h, payload)
//	for {
//		ext, ok := w.Next()
//		if !ok {
//			break
//		}
//		// Act on ext.
//	}
//	if err := w.Err(); err != nil {
//		return err
//	}
//	deliver(w.Protocol(), w.Payload())
//
// It stops at the first header that is not hop-by-hop options, routing, fragment or
// destination options, and behind the header of a fragment that is not the first, since what
// follows that is the middle of something. It does not stop behind the header of a first
// fragment: a receiver that reassembles leaves its loop there.
type IPv6Walker struct {
	rest    []byte
	next    Protocol
	offset  int // of rest, from the beginning of the IPv6 header
	pointer int // of the next-header field that gave next
	count   int
	stopped bool
	err     error
}

// WalkIPv6 returns a walker over the extension headers of a packet, as [ParseIPv6] returned it.
func WalkIPv6(h *IPv6Header, payload []byte) IPv6Walker {
	return IPv6Walker{rest: payload, next: h.NextHeader(), offset: IPv6HeaderLen, pointer: 6}
}

// Next returns the next extension header, and false if there is none or it is malformed.
func (w *IPv6Walker) Next() (ext IPv6Extension, ok bool) {
	if w.stopped {
		return IPv6Extension{}, false
	}
	switch w.next {
	case ProtocolIPv6HopByHop:
		// RFC 8200, section 4.1: its value anywhere but in the IPv6 header is as good as an
		// unrecognised next header.
		if w.count > 0 {
			return w.fail(errIPv6ExtensionOrder)
		}
	case ProtocolIPv6Routing, ProtocolIPv6Fragment, ProtocolIPv6Destination:
	default:
		w.stopped = true
		return IPv6Extension{}, false
	}
	if w.count == MaxIPv6Extensions {
		return w.fail(errIPv6ExtensionMany)
	}
	if len(w.rest) < 8 {
		return w.fail(errIPv6ExtensionShort)
	}
	n := 8
	if w.next != ProtocolIPv6Fragment {
		n += 8 * int(w.rest[1])
	}
	if n > len(w.rest) {
		return w.fail(errIPv6ExtensionBeyond)
	}
	ext = IPv6Extension{Protocol: w.next, Offset: w.offset, Data: w.rest[:n:n]}
	if f, ok := ext.Fragment(); ok && f.FragmentOffset() != 0 {
		w.stopped = true
	}
	w.pointer = w.offset
	w.next = Protocol(w.rest[0])
	w.rest = w.rest[n:]
	w.offset += n
	w.count++
	return ext, true
}

func (w *IPv6Walker) fail(err error) (IPv6Extension, bool) {
	w.stopped = true
	w.err = err
	return IPv6Extension{}, false
}

// Err returns why the walk ended too early, or nil.
func (w *IPv6Walker) Err() error { return w.err }

// Protocol returns what follows the headers walked so far: after the last of them, the
// transport, which the stack may or may not know.
func (w *IPv6Walker) Protocol() Protocol { return w.next }

// Payload returns the bytes behind the headers walked so far.
func (w *IPv6Walker) Payload() []byte { return w.rest }

// Offset returns where Payload begins, in bytes from the beginning of the IPv6 header.
func (w *IPv6Walker) Offset() int { return w.offset }

// Pointer returns where the next-header field lies that gave Protocol, in bytes from the
// beginning of the IPv6 header: what an ICMPv6 parameter problem with code
// [ICMPv6UnknownNextHeader] points to.
func (w *IPv6Walker) Pointer() int { return w.pointer }

// IPv6FragmentHeaderLen is the length of a fragment header in bytes.
const IPv6FragmentHeaderLen = 8

// IPv6FragmentHeader is the fragment extension header (RFC 8200, section 4.5).
type IPv6FragmentHeader [IPv6FragmentHeaderLen]byte

var errIPv6FragmentShort = truncated("ipv6 fragment", "shorter than 8 bytes")

// ParseIPv6Fragment returns the fragment header at the beginning of b and what follows it.
func ParseIPv6Fragment(b []byte) (h *IPv6FragmentHeader, payload []byte, err error) {
	if len(b) < IPv6FragmentHeaderLen {
		return nil, nil, errIPv6FragmentShort
	}
	return (*IPv6FragmentHeader)(b), b[IPv6FragmentHeaderLen:len(b):len(b)], nil
}

// PutIPv6Fragment writes a whole fragment header over the first 8 bytes of b, and panics if b
// is shorter. The offset is in bytes, a multiple of 8 up to 65528.
func PutIPv6Fragment(b []byte, next Protocol, offset int, more bool, id uint32) *IPv6FragmentHeader {
	h := (*IPv6FragmentHeader)(b)
	*h = IPv6FragmentHeader{0: uint8(next)}
	word := uint16(offset) &^ 7
	if more {
		word |= 1
	}
	binary.BigEndian.PutUint16(h[2:4], word)
	binary.BigEndian.PutUint32(h[4:8], id)
	return h
}

// NextHeader returns what the fragmentable part of the packet begins with.
func (h *IPv6FragmentHeader) NextHeader() Protocol { return Protocol(h[0]) }

// FragmentOffset returns where in the fragmentable part this fragment belongs, in bytes.
func (h *IPv6FragmentHeader) FragmentOffset() int { return int(binary.BigEndian.Uint16(h[2:4]) &^ 7) }

// MoreFragments reports whether this is not the last fragment.
func (h *IPv6FragmentHeader) MoreFragments() bool { return h[3]&1 != 0 }

// IsAtomic reports whether the fragment is the whole packet, which is then not to be matched
// with other fragments (RFC 6946).
func (h *IPv6FragmentHeader) IsAtomic() bool { return h.FragmentOffset() == 0 && !h.MoreFragments() }

// ID returns the identification, which the fragments of a packet have in common.
func (h *IPv6FragmentHeader) ID() uint32 { return binary.BigEndian.Uint32(h[4:8]) }

// SetNextHeader sets what the fragmentable part of the packet begins with.
func (h *IPv6FragmentHeader) SetNextHeader(p Protocol) { h[0] = uint8(p) }
