package trace

import (
	"strconv"

	"github.com/castnet-go/castnet/wire"
)

// Describe says on one line what a packet is, in the way in which tcpdump does:
//
//	10.0.0.1:5000 > 10.0.1.2:7 UDP 5 B "hello"
//	10.0.1.2 > 10.0.0.1 ICMP port unreachable [10.0.0.1:5000 > 10.0.1.2:7 UDP]
//	ARP who has 10.0.0.2? tell 10.0.0.1
//
// The frame begins with layer. It may be cut short or malformed: what can be
// read is said, and why the rest cannot. The lengths are those of payloads.
func Describe(frame []byte, layer Layer) string {
	return string(AppendDescription(nil, frame, layer))
}

// AppendDescription appends what Describe returns to dst.
func AppendDescription(dst, frame []byte, layer Layer) []byte {
	switch layer {
	case LayerEthernet:
		return appendEthernet(dst, frame)
	case LayerIP:
		return appendIP(dst, frame)
	case LayerPayload:
		return appendPayload(dst, frame)
	}
	return dst
}

func appendEthernet(dst, b []byte) []byte {
	h, payload, err := wire.ParseEthernet(b)
	if err != nil {
		return appendMalformed(dst, len(b), err)
	}
	switch h.Type() {
	case wire.EtherTypeIPv4, wire.EtherTypeIPv6:
		return appendIP(dst, payload)
	case wire.EtherTypeARP:
		return appendARP(dst, payload)
	}
	dst = append(dst, h.Source().String()...)
	dst = append(dst, " > "...)
	dst = append(dst, h.Destination().String()...)
	dst = append(dst, " type "...)
	dst = append(dst, h.Type().String()...)
	return appendLength(dst, len(payload))
}

func appendARP(dst, b []byte) []byte {
	p, err := wire.ParseARP(b)
	if err != nil {
		return appendMalformed(dst, len(b), err)
	}
	sender, target := p.SenderAddr(), p.TargetAddr()
	dst = append(dst, "ARP "...)
	switch op := p.Operation(); {
	case op == wire.ARPRequest && sender == target:
		dst = append(dst, "announcement: "...)
		dst = sender.AppendTo(dst)
		dst = append(dst, " is at "...)
		return append(dst, p.SenderMAC().String()...)
	case op == wire.ARPRequest:
		dst = append(dst, "who has "...)
		dst = target.AppendTo(dst)
		dst = append(dst, "? tell "...)
		return sender.AppendTo(dst)
	case op == wire.ARPReply:
		dst = sender.AppendTo(dst)
		dst = append(dst, " is at "...)
		return append(dst, p.SenderMAC().String()...)
	default:
		return append(dst, op.String()...)
	}
}

func appendIP(dst, b []byte) []byte {
	if len(b) > 0 && b[0]>>4 == 6 {
		dst = append(dst, "IPv6"...)
		return appendLength(dst, len(b))
	}
	h, _, payload, err := wire.ParseIPv4(b)
	if err != nil {
		return appendMalformed(dst, len(b), err)
	}
	if h.IsFragment() {
		dst = appendHosts(dst, h)
		dst = append(dst, h.Protocol().String()...)
		dst = append(dst, " fragment at "...)
		dst = strconv.AppendInt(dst, int64(h.FragmentOffset()), 10)
		return appendLength(dst, len(payload))
	}
	switch h.Protocol() {
	case wire.ProtocolUDP:
		u, data, err := wire.ParseUDP(payload)
		if err != nil {
			return appendMalformed(appendHosts(dst, h), len(payload), err)
		}
		dst = appendPorts(dst, h, u)
		dst = append(dst, " UDP "...)
		return appendPayload(dst, data)
	case wire.ProtocolICMP:
		i, body, err := wire.ParseICMP(payload)
		if err != nil {
			return appendMalformed(appendHosts(dst, h), len(payload), err)
		}
		return appendICMP(appendHosts(dst, h), i, body)
	}
	dst = appendHosts(dst, h)
	dst = append(dst, h.Protocol().String()...)
	return appendLength(dst, len(payload))
}

func appendICMP(dst []byte, h *wire.ICMPHeader, body []byte) []byte {
	dst = append(dst, "ICMP "...)
	t := h.Type()
	switch t {
	case wire.ICMPEchoRequest, wire.ICMPEchoReply:
		dst = append(dst, t.String()...)
		dst = append(dst, " id "...)
		dst = strconv.AppendUint(dst, uint64(h.EchoID()), 10)
		dst = append(dst, " seq "...)
		dst = strconv.AppendUint(dst, uint64(h.EchoSequence()), 10)
		return appendLength(dst, len(body))
	case wire.ICMPDestinationUnreachable, wire.ICMPTimeExceeded, wire.ICMPRedirect, wire.ICMPParameterProblem:
		dst = append(dst, t.CodeString(h.Code())...)
		if t == wire.ICMPDestinationUnreachable && h.Code() == wire.ICMPFragmentationNeeded {
			dst = append(dst, " MTU "...)
			dst = strconv.AppendUint(dst, uint64(h.MTU()), 10)
		}
	default:
		dst = append(dst, t.String()...)
	}
	q, _, payload, err := h.Quote(body)
	if err != nil {
		return dst
	}
	dst = append(dst, " ["...)
	if u, ok := wire.QuotedUDP(payload); ok && q.Protocol() == wire.ProtocolUDP && q.FragmentOffset() == 0 {
		dst = appendPorts(dst, q, u)
		dst = append(dst, ' ')
	} else {
		dst = appendHosts(dst, q)
	}
	dst = append(dst, q.Protocol().String()...)
	return append(dst, ']')
}

func appendHosts(dst []byte, h *wire.IPv4Header) []byte {
	dst = h.Source().AppendTo(dst)
	dst = append(dst, " > "...)
	dst = h.Destination().AppendTo(dst)
	return append(dst, ' ')
}

func appendPorts(dst []byte, h *wire.IPv4Header, u *wire.UDPHeader) []byte {
	dst = h.Source().AppendTo(dst)
	dst = append(dst, ':')
	dst = strconv.AppendUint(dst, uint64(u.SourcePort()), 10)
	dst = append(dst, " > "...)
	dst = h.Destination().AppendTo(dst)
	dst = append(dst, ':')
	return strconv.AppendUint(dst, uint64(u.DestinationPort()), 10)
}

// previewLen is how much of a payload that is text is shown.
const previewLen = 24

// appendPayload says how long a payload is, and shows it if it is plain text.
func appendPayload(dst, b []byte) []byte {
	dst = strconv.AppendInt(dst, int64(len(b)), 10)
	dst = append(dst, " B"...)
	for _, c := range b {
		if c < ' ' || c > '~' {
			return dst
		}
	}
	switch {
	case len(b) == 0:
	case len(b) > previewLen:
		dst = append(dst, ' ')
		dst = strconv.AppendQuote(dst, string(b[:previewLen]))
		dst = append(dst, "..."...)
	default:
		dst = append(dst, ' ')
		dst = strconv.AppendQuote(dst, string(b))
	}
	return dst
}

func appendLength(dst []byte, n int) []byte {
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(n), 10)
	return append(dst, " B"...)
}

func appendMalformed(dst []byte, n int, err error) []byte {
	dst = append(dst, "malformed:"...)
	dst = appendLength(dst, n)
	dst = append(dst, ", "...)
	return append(dst, err.Error()...)
}
