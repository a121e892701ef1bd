package wire

import (
	"encoding/binary"
	"strconv"
)

// ICMPv6Type is the type of an ICMPv6 message.
type ICMPv6Type uint8

// Types of ICMPv6 messages (RFC 4443, RFC 4861, RFC 2710, RFC 3810).
const (
	ICMPv6DestinationUnreachable ICMPv6Type = 1
	ICMPv6PacketTooBig           ICMPv6Type = 2
	ICMPv6TimeExceeded           ICMPv6Type = 3
	ICMPv6ParameterProblem       ICMPv6Type = 4
	ICMPv6EchoRequest            ICMPv6Type = 128
	ICMPv6EchoReply              ICMPv6Type = 129
	ICMPv6MLDQuery               ICMPv6Type = 130
	ICMPv6MLDv1Report            ICMPv6Type = 131
	ICMPv6MLDv1Done              ICMPv6Type = 132
	ICMPv6RouterSolicitation     ICMPv6Type = 133
	ICMPv6RouterAdvertisement    ICMPv6Type = 134
	ICMPv6NeighborSolicitation   ICMPv6Type = 135
	ICMPv6NeighborAdvertisement  ICMPv6Type = 136
	ICMPv6Redirect               ICMPv6Type = 137
	ICMPv6MLDv2Report            ICMPv6Type = 143
)

// IsError reports whether messages of the type report an error about a packet, which they
// quote (RFC 4443, section 2.1). No error may be sent in answer to one, nor to a redirect.
func (t ICMPv6Type) IsError() bool { return t < 128 }

// String returns the type's name, or the number as "type 42".
func (t ICMPv6Type) String() string {
	switch t {
	case ICMPv6DestinationUnreachable:
		return "destination unreachable"
	case ICMPv6PacketTooBig:
		return "packet too big"
	case ICMPv6TimeExceeded:
		return "time exceeded"
	case ICMPv6ParameterProblem:
		return "parameter problem"
	case ICMPv6EchoRequest:
		return "echo request"
	case ICMPv6EchoReply:
		return "echo reply"
	case ICMPv6MLDQuery:
		return "multicast listener query"
	case ICMPv6MLDv1Report:
		return "multicast listener report"
	case ICMPv6MLDv1Done:
		return "multicast listener done"
	case ICMPv6RouterSolicitation:
		return "router solicitation"
	case ICMPv6RouterAdvertisement:
		return "router advertisement"
	case ICMPv6NeighborSolicitation:
		return "neighbor solicitation"
	case ICMPv6NeighborAdvertisement:
		return "neighbor advertisement"
	case ICMPv6Redirect:
		return "redirect"
	case ICMPv6MLDv2Report:
		return "version 2 multicast listener report"
	}
	return "type " + strconv.Itoa(int(t))
}

// ICMPv6Code refines the type of an ICMPv6 message. What a number means depends on the type.
type ICMPv6Code uint8

// Codes of destination unreachable (RFC 4443, section 3.1).
const (
	ICMPv6NoRoute              ICMPv6Code = 0
	ICMPv6AdminProhibited      ICMPv6Code = 1
	ICMPv6BeyondScope          ICMPv6Code = 2
	ICMPv6AddressUnreachable   ICMPv6Code = 3
	ICMPv6PortUnreachable      ICMPv6Code = 4
	ICMPv6SourcePolicyFailed   ICMPv6Code = 5
	ICMPv6RejectRoute          ICMPv6Code = 6
	ICMPv6SourceRoutingProblem ICMPv6Code = 7
)

// Codes of time exceeded and parameter problem (RFC 4443, sections 3.3 and 3.4).
const (
	ICMPv6HopLimitExceeded       ICMPv6Code = 0
	ICMPv6ReassemblyTimeExceeded ICMPv6Code = 1
	ICMPv6ErroneousField         ICMPv6Code = 0
	ICMPv6UnknownNextHeader      ICMPv6Code = 1
	ICMPv6UnknownOption          ICMPv6Code = 2
	ICMPv6IncompleteHeaderChain  ICMPv6Code = 3 // RFC 7112
)

// CodeString returns what the code means in messages of the type, or the number as "code 42".
func (t ICMPv6Type) CodeString(c ICMPv6Code) string {
	switch t {
	case ICMPv6DestinationUnreachable:
		switch c {
		case ICMPv6NoRoute:
			return "no route to destination"
		case ICMPv6AdminProhibited:
			return "communication administratively prohibited"
		case ICMPv6BeyondScope:
			return "beyond scope of source address"
		case ICMPv6AddressUnreachable:
			return "address unreachable"
		case ICMPv6PortUnreachable:
			return "port unreachable"
		case ICMPv6SourcePolicyFailed:
			return "source address failed policy"
		case ICMPv6RejectRoute:
			return "reject route to destination"
		case ICMPv6SourceRoutingProblem:
			return "error in source routing header"
		}
	case ICMPv6TimeExceeded:
		switch c {
		case ICMPv6HopLimitExceeded:
			return "hop limit exceeded in transit"
		case ICMPv6ReassemblyTimeExceeded:
			return "reassembly time exceeded"
		}
	case ICMPv6ParameterProblem:
		switch c {
		case ICMPv6ErroneousField:
			return "erroneous header field"
		case ICMPv6UnknownNextHeader:
			return "unrecognised next header"
		case ICMPv6UnknownOption:
			return "unrecognised option"
		case ICMPv6IncompleteHeaderChain:
			return "first fragment with incomplete header chain"
		}
	}
	return "code " + strconv.Itoa(int(c))
}

// ICMPv6HeaderLen is the length in bytes of type, code, checksum, and the four bytes behind
// them whose meaning depends on the type. Every ICMPv6 message this package reads has them.
const ICMPv6HeaderLen = 8

// ICMPv6Header is the header of an ICMPv6 message (RFC 4443).
type ICMPv6Header [ICMPv6HeaderLen]byte

var (
	errICMPv6Short        = truncated("icmpv6", "shorter than 8 bytes")
	errICMPv6NotError     = malformed("icmpv6", "a message that is no error quotes no packet")
	errICMPv6QuoteShort   = truncated("icmpv6", "quoted packet shorter than an ipv6 header and 8 bytes")
	errICMPv6QuoteVersion = malformed("icmpv6", "quoted packet is not ipv6")
)

// ParseICMPv6 returns the header of a message and what follows it. The checksum is not
// verified. The parsers of neighbor discovery and MLD take the whole message, header included.
func ParseICMPv6(b []byte) (h *ICMPv6Header, body []byte, err error) {
	if len(b) < ICMPv6HeaderLen {
		return nil, nil, errICMPv6Short
	}
	return (*ICMPv6Header)(b), b[ICMPv6HeaderLen:len(b):len(b)], nil
}

// PutICMPv6 lays a header, zero but for type and code, over the first 8 bytes of b, and panics
// if b is shorter.
func PutICMPv6(b []byte, t ICMPv6Type, c ICMPv6Code) *ICMPv6Header {
	h := (*ICMPv6Header)(b)
	*h = ICMPv6Header{uint8(t), uint8(c)}
	return h
}

// Type returns the type of the message.
func (h *ICMPv6Header) Type() ICMPv6Type { return ICMPv6Type(h[0]) }

// Code returns the code of the message.
func (h *ICMPv6Header) Code() ICMPv6Code { return ICMPv6Code(h[1]) }

// Checksum returns the checksum field.
func (h *ICMPv6Header) Checksum() uint16 { return binary.BigEndian.Uint16(h[2:4]) }

// Rest returns the four bytes whose meaning depends on the type.
func (h *ICMPv6Header) Rest() [4]byte { return [4]byte(h[4:8]) }

// EchoID returns the identifier of an echo request or reply.
func (h *ICMPv6Header) EchoID() uint16 { return binary.BigEndian.Uint16(h[4:6]) }

// EchoSequence returns the sequence number of an echo request or reply.
func (h *ICMPv6Header) EchoSequence() uint16 { return binary.BigEndian.Uint16(h[6:8]) }

// MTU returns, of a packet-too-big message, the MTU of the next hop in bytes.
func (h *ICMPv6Header) MTU() uint32 { return binary.BigEndian.Uint32(h[4:8]) }

// Pointer returns, of a parameter problem, the offset of the offending byte in the quoted
// packet, which may be longer than what is quoted of it.
func (h *ICMPv6Header) Pointer() uint32 { return binary.BigEndian.Uint32(h[4:8]) }

// SetType sets the type of the message.
func (h *ICMPv6Header) SetType(t ICMPv6Type) { h[0] = uint8(t) }

// SetCode sets the code of the message.
func (h *ICMPv6Header) SetCode(c ICMPv6Code) { h[1] = uint8(c) }

// SetChecksum sets the checksum field.
func (h *ICMPv6Header) SetChecksum(c uint16) { binary.BigEndian.PutUint16(h[2:4], c) }

// SetRest sets the four bytes whose meaning depends on the type.
func (h *ICMPv6Header) SetRest(rest [4]byte) { *(*[4]byte)(h[4:8]) = rest }

// SetEchoID sets the identifier of an echo request or reply.
func (h *ICMPv6Header) SetEchoID(id uint16) { binary.BigEndian.PutUint16(h[4:6], id) }

// SetEchoSequence sets the sequence number of an echo request or reply.
func (h *ICMPv6Header) SetEchoSequence(seq uint16) { binary.BigEndian.PutUint16(h[6:8], seq) }

// SetMTU sets the MTU of a packet-too-big message, in bytes.
func (h *ICMPv6Header) SetMTU(mtu uint32) { binary.BigEndian.PutUint32(h[4:8], mtu) }

// SetPointer sets the offset of a parameter problem.
func (h *ICMPv6Header) SetPointer(offset uint32) { binary.BigEndian.PutUint32(h[4:8], offset) }

// ChecksumOK reports whether the checksum field agrees with the pseudo-header, the header and
// the body; pseudo comes from [PseudoIPv6] with [ProtocolICMPv6] and the length of both.
func (h *ICMPv6Header) ChecksumOK(pseudo uint16, body []byte) bool {
	return h.sum(pseudo, body) == 0xffff
}

// UpdateChecksum sets the checksum field to agree with the pseudo-header, the header and the
// body.
func (h *ICMPv6Header) UpdateChecksum(pseudo uint16, body []byte) {
	h.SetChecksum(0)
	h.SetChecksum(^h.sum(pseudo, body))
}

func (h *ICMPv6Header) sum(pseudo uint16, body []byte) uint16 {
	return AddSum(pseudo, AddSum(Sum(h[:]), Sum(body)))
}

// UpdateICMPv6Checksum sets the checksum of a whole message, such as AppendTo of neighbor
// discovery and MLD writes, for a packet from src to dst. It panics if the message is shorter
// than an ICMPv6 header.
func UpdateICMPv6Checksum(message []byte, src, dst [16]byte) {
	h := (*ICMPv6Header)(message)
	h.UpdateChecksum(PseudoIPv6(src, dst, ProtocolICMPv6, uint32(len(message))), message[ICMPv6HeaderLen:])
}

// Quote returns the packet that an error message quotes in its body: its header, and as much
// of its payload as was quoted, which is at least 8 bytes, or all there was. Walk the payload
// with [WalkIPv6] to find the transport. RFC 4884 extensions behind the packet are cut off.
func (h *ICMPv6Header) Quote(body []byte) (q *IPv6Header, payload []byte, err error) {
	if !h.Type().IsError() {
		return nil, nil, errICMPv6NotError
	}
	switch h.Type() {
	case ICMPv6DestinationUnreachable, ICMPv6TimeExceeded:
		// RFC 4884, section 4.5: a length, in 64-bit words, says that extensions follow. The
		// quote is then at least 128 bytes long; what claims less is another use of the byte.
		if n := int(h[4]) * 8; n >= 128 && n < len(body) {
			body = body[:n]
		}
	}
	if len(body) < IPv6HeaderLen {
		return nil, nil, errICMPv6QuoteShort
	}
	q = (*IPv6Header)(body)
	if q.Version() != 6 {
		return nil, nil, errICMPv6QuoteVersion
	}
	total := IPv6HeaderLen + int(q.PayloadLength())
	if len(body) < min(IPv6HeaderLen+8, total) {
		return nil, nil, errICMPv6QuoteShort
	}
	end := min(total, len(body))
	return q, body[IPv6HeaderLen:end:end], nil
}
