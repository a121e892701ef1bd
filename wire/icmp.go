package wire

import (
	"encoding/binary"
	"strconv"
)

// ICMPType is the type of an ICMP message for IPv4.
type ICMPType uint8

// Types of ICMP messages (RFC 792, RFC 1256).
const (
	ICMPEchoReply              ICMPType = 0
	ICMPDestinationUnreachable ICMPType = 3
	ICMPSourceQuench           ICMPType = 4
	ICMPRedirect               ICMPType = 5
	ICMPEchoRequest            ICMPType = 8
	ICMPRouterAdvertisement    ICMPType = 9
	ICMPRouterSolicitation     ICMPType = 10
	ICMPTimeExceeded           ICMPType = 11
	ICMPParameterProblem       ICMPType = 12
	ICMPTimestampRequest       ICMPType = 13
	ICMPTimestampReply         ICMPType = 14
)

// IsError reports whether messages of the type report an error about a datagram, which they
// quote. No error may be sent in answer to one (RFC 1122, section 3.2.2).
func (t ICMPType) IsError() bool {
	switch t {
	case ICMPDestinationUnreachable, ICMPSourceQuench, ICMPRedirect, ICMPTimeExceeded, ICMPParameterProblem:
		return true
	}
	return false
}

// String returns the type's name, or the number as "type 42".
func (t ICMPType) String() string {
	switch t {
	case ICMPEchoReply:
		return "echo reply"
	case ICMPDestinationUnreachable:
		return "destination unreachable"
	case ICMPSourceQuench:
		return "source quench"
	case ICMPRedirect:
		return "redirect"
	case ICMPEchoRequest:
		return "echo request"
	case ICMPRouterAdvertisement:
		return "router advertisement"
	case ICMPRouterSolicitation:
		return "router solicitation"
	case ICMPTimeExceeded:
		return "time exceeded"
	case ICMPParameterProblem:
		return "parameter problem"
	case ICMPTimestampRequest:
		return "timestamp request"
	case ICMPTimestampReply:
		return "timestamp reply"
	}
	return "type " + strconv.Itoa(int(t))
}

// ICMPCode refines the type of an ICMP message. What a number means depends on the type.
type ICMPCode uint8

// Codes of destination unreachable (RFC 792, RFC 1122, RFC 1812).
const (
	ICMPNetUnreachable        ICMPCode = 0
	ICMPHostUnreachable       ICMPCode = 1
	ICMPProtocolUnreachable   ICMPCode = 2
	ICMPPortUnreachable       ICMPCode = 3
	ICMPFragmentationNeeded   ICMPCode = 4
	ICMPSourceRouteFailed     ICMPCode = 5
	ICMPNetUnknown            ICMPCode = 6
	ICMPHostUnknown           ICMPCode = 7
	ICMPHostIsolated          ICMPCode = 8
	ICMPNetProhibited         ICMPCode = 9
	ICMPHostProhibited        ICMPCode = 10
	ICMPNetUnreachableForTOS  ICMPCode = 11
	ICMPHostUnreachableForTOS ICMPCode = 12
	ICMPAdminProhibited       ICMPCode = 13
	ICMPPrecedenceViolation   ICMPCode = 14
	ICMPPrecedenceCutoff      ICMPCode = 15
)

// Codes of redirect, time exceeded and parameter problem.
const (
	ICMPRedirectNet            ICMPCode = 0
	ICMPRedirectHost           ICMPCode = 1
	ICMPTTLExceeded            ICMPCode = 0
	ICMPReassemblyTimeExceeded ICMPCode = 1
	ICMPPointerProblem         ICMPCode = 0
	ICMPOptionMissing          ICMPCode = 1
	ICMPBadLength              ICMPCode = 2
)

var icmpUnreachableNames = [...]string{
	ICMPNetUnreachable:        "network unreachable",
	ICMPHostUnreachable:       "host unreachable",
	ICMPProtocolUnreachable:   "protocol unreachable",
	ICMPPortUnreachable:       "port unreachable",
	ICMPFragmentationNeeded:   "fragmentation needed",
	ICMPSourceRouteFailed:     "source route failed",
	ICMPNetUnknown:            "network unknown",
	ICMPHostUnknown:           "host unknown",
	ICMPHostIsolated:          "source host isolated",
	ICMPNetProhibited:         "network prohibited",
	ICMPHostProhibited:        "host prohibited",
	ICMPNetUnreachableForTOS:  "network unreachable for type of service",
	ICMPHostUnreachableForTOS: "host unreachable for type of service",
	ICMPAdminProhibited:       "communication administratively prohibited",
	ICMPPrecedenceViolation:   "host precedence violation",
	ICMPPrecedenceCutoff:      "precedence cutoff in effect",
}

// CodeString returns what the code means in messages of the type, or the number as "code 42".
func (t ICMPType) CodeString(c ICMPCode) string {
	switch {
	case t == ICMPDestinationUnreachable && int(c) < len(icmpUnreachableNames):
		return icmpUnreachableNames[c]
	case t == ICMPRedirect && c == ICMPRedirectNet:
		return "redirect for network"
	case t == ICMPRedirect && c == ICMPRedirectHost:
		return "redirect for host"
	case t == ICMPTimeExceeded && c == ICMPTTLExceeded:
		return "TTL exceeded in transit"
	case t == ICMPTimeExceeded && c == ICMPReassemblyTimeExceeded:
		return "reassembly time exceeded"
	case t == ICMPParameterProblem && c == ICMPPointerProblem:
		return "pointer indicates the error"
	case t == ICMPParameterProblem && c == ICMPOptionMissing:
		return "required option missing"
	case t == ICMPParameterProblem && c == ICMPBadLength:
		return "bad length"
	}
	return "code " + strconv.Itoa(int(c))
}

// ICMPHeaderLen is the length in bytes of the header that all ICMP messages have: type, code,
// checksum, and four bytes whose meaning depends on the type.
const ICMPHeaderLen = 8

// ICMPHeader is the header of an ICMP message for IPv4 (RFC 792).
type ICMPHeader [ICMPHeaderLen]byte

var (
	errICMPShort        = truncated("icmp", "shorter than 8 bytes")
	errICMPNotError     = malformed("icmp", "a message that is no error quotes no datagram")
	errICMPQuoteShort   = truncated("icmp", "quoted datagram shorter than an ipv4 header and 8 bytes")
	errICMPQuoteVersion = malformed("icmp", "quoted datagram is not ipv4")
	errICMPQuoteLength  = malformed("icmp", "quoted datagram has impossible lengths")
)

// ParseICMP returns the header of a message and what follows it. The checksum is not verified.
func ParseICMP(b []byte) (h *ICMPHeader, body []byte, err error) {
	if len(b) < ICMPHeaderLen {
		return nil, nil, errICMPShort
	}
	return (*ICMPHeader)(b), b[ICMPHeaderLen:len(b):len(b)], nil
}

// PutICMP lays a header, zero but for type and code, over the first 8 bytes of b, and panics
// if b is shorter.
func PutICMP(b []byte, t ICMPType, c ICMPCode) *ICMPHeader {
	h := (*ICMPHeader)(b)
	*h = ICMPHeader{uint8(t), uint8(c)}
	return h
}

// Type returns the type of the message.
func (h *ICMPHeader) Type() ICMPType { return ICMPType(h[0]) }

// Code returns the code of the message.
func (h *ICMPHeader) Code() ICMPCode { return ICMPCode(h[1]) }

// Checksum returns the checksum field.
func (h *ICMPHeader) Checksum() uint16 { return binary.BigEndian.Uint16(h[2:4]) }

// Rest returns the four bytes whose meaning depends on the type.
func (h *ICMPHeader) Rest() [4]byte { return [4]byte(h[4:8]) }

// EchoID returns the identifier of an echo request or reply.
func (h *ICMPHeader) EchoID() uint16 { return binary.BigEndian.Uint16(h[4:6]) }

// EchoSequence returns the sequence number of an echo request or reply.
func (h *ICMPHeader) EchoSequence() uint16 { return binary.BigEndian.Uint16(h[6:8]) }

// MTU returns, of a fragmentation-needed message, the MTU of the next hop in bytes
// (RFC 1191): zero from routers that do not say.
func (h *ICMPHeader) MTU() uint16 { return binary.BigEndian.Uint16(h[6:8]) }

// Pointer returns, of a parameter problem, the offset of the offending byte in the quoted
// datagram.
func (h *ICMPHeader) Pointer() uint8 { return h[4] }

// SetType sets the type of the message.
func (h *ICMPHeader) SetType(t ICMPType) { h[0] = uint8(t) }

// SetCode sets the code of the message.
func (h *ICMPHeader) SetCode(c ICMPCode) { h[1] = uint8(c) }

// SetChecksum sets the checksum field.
func (h *ICMPHeader) SetChecksum(c uint16) { binary.BigEndian.PutUint16(h[2:4], c) }

// SetRest sets the four bytes whose meaning depends on the type.
func (h *ICMPHeader) SetRest(rest [4]byte) { *(*[4]byte)(h[4:8]) = rest }

// SetEchoID sets the identifier of an echo request or reply.
func (h *ICMPHeader) SetEchoID(id uint16) { binary.BigEndian.PutUint16(h[4:6], id) }

// SetEchoSequence sets the sequence number of an echo request or reply.
func (h *ICMPHeader) SetEchoSequence(seq uint16) { binary.BigEndian.PutUint16(h[6:8], seq) }

// SetMTU sets the MTU of a fragmentation-needed message, in bytes.
func (h *ICMPHeader) SetMTU(mtu uint16) { binary.BigEndian.PutUint16(h[6:8], mtu) }

// SetPointer sets the offset of a parameter problem.
func (h *ICMPHeader) SetPointer(offset uint8) { h[4] = offset }

// ChecksumOK reports whether the checksum field agrees with the header and the body.
func (h *ICMPHeader) ChecksumOK(body []byte) bool { return h.sum(body) == 0xffff }

// UpdateChecksum sets the checksum field to agree with the header and the body.
func (h *ICMPHeader) UpdateChecksum(body []byte) {
	h.SetChecksum(0)
	h.SetChecksum(^h.sum(body))
}

func (h *ICMPHeader) sum(body []byte) uint16 { return AddSum(Sum(h[:]), Sum(body)) }

// Quote returns the datagram that an error message quotes in its body: its header, options
// and as much of its payload as was quoted, which is at least 8 bytes, or all there was. The
// payload therefore holds a UDP header, but the lengths that the quoted headers name exceed
// what is quoted, so [ParseUDP] would refuse it; use [QuotedUDP].
//
// RFC 4884 extensions behind the datagram, and padding, are cut off. The checksum of the quoted
// header is not worth verifying: some senders change the header before they quote it.
func (h *ICMPHeader) Quote(body []byte) (q *IPv4Header, options, payload []byte, err error) {
	if !h.Type().IsError() {
		return nil, nil, nil, errICMPNotError
	}
	switch h.Type() {
	case ICMPDestinationUnreachable, ICMPTimeExceeded, ICMPParameterProblem:
		// RFC 4884, section 4.5: a length, in 32-bit words, says that extensions follow. The
		// quote is then at least 128 bytes long; what claims less is another use of the byte.
		if n := int(h[5]) * 4; n >= 128 && n < len(body) {
			body = body[:n]
		}
	}
	if len(body) < IPv4HeaderLen {
		return nil, nil, nil, errICMPQuoteShort
	}
	q = (*IPv4Header)(body)
	if q.Version() != 4 {
		return nil, nil, nil, errICMPQuoteVersion
	}
	n, total := q.HeaderLen(), int(q.TotalLength())
	if n < IPv4HeaderLen || total < n {
		return nil, nil, nil, errICMPQuoteLength
	}
	if len(body) < min(n+8, total) {
		return nil, nil, nil, errICMPQuoteShort
	}
	end := min(total, len(body))
	return q, body[IPv4HeaderLen:n:n], body[n:end:end], nil
}

// QuotedUDP returns the UDP header at the beginning of the payload that an ICMP error quotes,
// without regard to its length field, and false if there are not 8 bytes.
func QuotedUDP(payload []byte) (h *UDPHeader, ok bool) {
	if len(payload) < UDPHeaderLen {
		return nil, false
	}
	return (*UDPHeader)(payload), true
}
