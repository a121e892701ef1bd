package trace

import (
	"net/netip"
	"strconv"

	"github.com/castnet-go/castnet/wire"
)

// Describe says on one line what a packet is, in the way in which tcpdump does:
//
//	10.0.0.1:5000 > 10.0.1.2:7 UDP 5 B "hello"
//	10.0.1.2 > 10.0.0.1 ICMP port unreachable [10.0.0.1:5000 > 10.0.1.2:7 UDP]
//	ARP who has 10.0.0.2? tell 10.0.0.1
//	10.0.0.4 > 224.0.0.22 IGMPv3 report 239.1.1.1 TO_EX {}
//	fe80::1 > ff02::1:ff00:2 ICMPv6 who has fe80::2? tell 02:00:00:00:00:01
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
		return appendIPv6(dst, b)
	}
	h, _, payload, err := wire.ParseIPv4(b)
	if err != nil {
		return appendMalformed(dst, len(b), err)
	}
	src, dest := h.Source(), h.Destination()
	if h.IsFragment() {
		dst = appendHosts(dst, src, dest)
		dst = append(dst, h.Protocol().String()...)
		return appendFragment(dst, h.FragmentOffset(), len(payload))
	}
	switch h.Protocol() {
	case wire.ProtocolUDP:
		return appendUDP(dst, src, dest, "", payload)
	case wire.ProtocolICMP:
		i, body, err := wire.ParseICMP(payload)
		if err != nil {
			return appendMalformed(appendHosts(dst, src, dest), len(payload), err)
		}
		return appendICMP(appendHosts(dst, src, dest), i, body)
	case wire.ProtocolIGMP:
		return appendIGMP(appendHosts(dst, src, dest), payload)
	}
	dst = appendHosts(dst, src, dest)
	dst = append(dst, h.Protocol().String()...)
	return appendLength(dst, len(payload))
}

// appendUDP describes a datagram; what is said of headers before it stands behind the
// addresses.
func appendUDP(dst []byte, src, dest netip.Addr, headers string, b []byte) []byte {
	u, data, err := wire.ParseUDP(b)
	if err != nil {
		return appendMalformed(append(appendHosts(dst, src, dest), headers...), len(b), err)
	}
	dst = appendPorts(dst, src, dest, u)
	dst = append(dst, ' ')
	dst = append(dst, headers...)
	dst = append(dst, "UDP "...)
	return appendPayload(dst, data)
}

func appendFragment(dst []byte, offset, n int) []byte {
	dst = append(dst, " fragment at "...)
	dst = strconv.AppendInt(dst, int64(offset), 10)
	return appendLength(dst, n)
}

func appendICMP(dst []byte, h *wire.ICMPHeader, body []byte) []byte {
	dst = append(dst, "ICMP "...)
	t := h.Type()
	switch t {
	case wire.ICMPEchoRequest, wire.ICMPEchoReply:
		return appendEcho(dst, t.String(), h.EchoID(), h.EchoSequence(), len(body))
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
		dst = appendPorts(dst, q.Source(), q.Destination(), u)
		dst = append(dst, ' ')
	} else {
		dst = appendHosts(dst, q.Source(), q.Destination())
	}
	dst = append(dst, q.Protocol().String()...)
	return append(dst, ']')
}

func appendEcho(dst []byte, kind string, id, seq uint16, n int) []byte {
	dst = append(dst, kind...)
	dst = append(dst, " id "...)
	dst = strconv.AppendUint(dst, uint64(id), 10)
	dst = append(dst, " seq "...)
	dst = strconv.AppendUint(dst, uint64(seq), 10)
	return appendLength(dst, n)
}

func appendHosts(dst []byte, src, dest netip.Addr) []byte {
	dst = src.AppendTo(dst)
	dst = append(dst, " > "...)
	dst = dest.AppendTo(dst)
	return append(dst, ' ')
}

func appendPorts(dst []byte, src, dest netip.Addr, u *wire.UDPHeader) []byte {
	dst = netip.AddrPortFrom(src, u.SourcePort()).AppendTo(dst)
	dst = append(dst, " > "...)
	return netip.AddrPortFrom(dest, u.DestinationPort()).AppendTo(dst)
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
