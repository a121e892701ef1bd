package trace

import (
	"strconv"

	"github.com/castnet-go/castnet/wire"
)

// headerNames are what extension headers are called on a line.
var headerNames = map[wire.Protocol]string{
	wire.ProtocolIPv6HopByHop: "hop-by-hop", wire.ProtocolIPv6Routing: "routing",
	wire.ProtocolIPv6Fragment: "fragment", wire.ProtocolIPv6Destination: "destination options",
}

// appendIPv6 describes a packet of IPv6. The extension headers are named in
// brackets, but for the hop-by-hop options that every message of MLD has.
func appendIPv6(dst, b []byte) []byte {
	h, payload, err := wire.ParseIPv6(b)
	if err != nil {
		return appendMalformed(dst, len(b), err)
	}
	src, dest := h.Source(), h.Destination()
	w := wire.WalkIPv6(h, payload)
	headers, count := "", 0
	for {
		ext, ok := w.Next()
		if !ok {
			break
		}
		if f, ok := ext.Fragment(); ok && !f.IsAtomic() {
			dst = append(appendHosts(dst, src, dest), bracketed(headers)...)
			dst = append(dst, f.NextHeader().String()...)
			return appendFragment(dst, f.FragmentOffset(), len(w.Payload()))
		}
		if count++; count > 1 {
			headers += ", "
		}
		headers += headerNames[ext.Protocol]
	}
	if err := w.Err(); err != nil {
		return appendMalformed(append(appendHosts(dst, src, dest), bracketed(headers)...), len(w.Payload()), err)
	}
	rest := w.Payload()
	switch w.Protocol() {
	case wire.ProtocolUDP:
		return appendUDP(dst, src, dest, bracketed(headers), rest)
	case wire.ProtocolICMPv6:
		dst = appendHosts(dst, src, dest)
		if count != 1 || headers != headerNames[wire.ProtocolIPv6HopByHop] || !isMLD(rest) {
			dst = append(dst, bracketed(headers)...)
		}
		return appendICMPv6(dst, rest)
	}
	dst = append(appendHosts(dst, src, dest), bracketed(headers)...)
	dst = append(dst, w.Protocol().String()...)
	return appendLength(dst, len(rest))
}

func bracketed(headers string) string {
	if headers == "" {
		return ""
	}
	return "[" + headers + "] "
}

func appendICMPv6(dst, message []byte) []byte {
	h, body, err := wire.ParseICMPv6(message)
	if err != nil {
		return appendMalformed(dst, len(message), err)
	}
	if isMLD(message) {
		return appendMLD(dst, message)
	}
	dst = append(dst, "ICMPv6 "...)
	t := h.Type()
	switch t {
	case wire.ICMPv6EchoRequest, wire.ICMPv6EchoReply:
		return appendEcho(dst, t.String(), h.EchoID(), h.EchoSequence(), len(body))
	case wire.ICMPv6RouterSolicitation, wire.ICMPv6RouterAdvertisement, wire.ICMPv6NeighborSolicitation,
		wire.ICMPv6NeighborAdvertisement, wire.ICMPv6Redirect:
		return appendNDP(dst, t, message)
	case wire.ICMPv6PacketTooBig:
		dst = append(dst, "packet too big, MTU "...)
		dst = strconv.AppendUint(dst, uint64(h.MTU()), 10)
	case wire.ICMPv6DestinationUnreachable, wire.ICMPv6TimeExceeded:
		dst = append(dst, t.CodeString(h.Code())...)
	case wire.ICMPv6ParameterProblem:
		dst = append(dst, t.CodeString(h.Code())...)
		dst = append(dst, " at byte "...)
		dst = strconv.AppendUint(dst, uint64(h.Pointer()), 10)
	default:
		dst = append(dst, t.String()...)
		return appendLength(dst, len(body))
	}
	q, payload, err := h.Quote(body)
	if err != nil {
		return dst
	}
	// The quote may end anywhere: what of it can be walked is.
	w := wire.WalkIPv6(q, payload)
	whole := true
	for ext, ok := w.Next(); ok; ext, ok = w.Next() {
		if f, is := ext.Fragment(); is && f.FragmentOffset() != 0 {
			whole = false
		}
	}
	dst = append(dst, " ["...)
	if u, ok := wire.QuotedUDP(w.Payload()); ok && w.Protocol() == wire.ProtocolUDP && w.Err() == nil && whole {
		dst = appendPorts(dst, q.Source(), q.Destination(), u)
		dst = append(dst, ' ')
	} else {
		dst = appendHosts(dst, q.Source(), q.Destination())
	}
	dst = append(dst, w.Protocol().String()...)
	return append(dst, ']')
}

// appendNDP describes neighbour discovery in the words of ARP where they say as much.
func appendNDP(dst []byte, t wire.ICMPv6Type, message []byte) []byte {
	bad := func(err error) []byte {
		dst = append(dst, t.String()...)
		dst = append(dst, ' ')
		return appendMalformed(dst, len(message), err)
	}
	switch t {
	case wire.ICMPv6RouterSolicitation:
		m, err := wire.ParseRouterSolicitation(message)
		if err != nil {
			return bad(err)
		}
		dst = append(dst, "routers?"...)
		if mac, ok := m.Options.LinkLayerAddress(wire.NDPSourceLinkLayerAddress); ok {
			dst = append(dst, " tell "...)
			dst = append(dst, mac.String()...)
		}
	case wire.ICMPv6RouterAdvertisement:
		m, err := wire.ParseRouterAdvertisement(message)
		if err != nil {
			return bad(err)
		}
		return appendAdvertisement(dst, &m)
	case wire.ICMPv6NeighborSolicitation:
		m, err := wire.ParseNeighborSolicitation(message)
		if err != nil {
			return bad(err)
		}
		dst = append(dst, "who has "...)
		dst = m.Target.AppendTo(dst)
		dst = append(dst, '?')
		if mac, ok := m.Options.LinkLayerAddress(wire.NDPSourceLinkLayerAddress); ok {
			dst = append(dst, " tell "...)
			dst = append(dst, mac.String()...)
		}
	case wire.ICMPv6NeighborAdvertisement:
		m, err := wire.ParseNeighborAdvertisement(message)
		if err != nil {
			return bad(err)
		}
		dst = m.Target.AppendTo(dst)
		if mac, ok := m.Options.LinkLayerAddress(wire.NDPTargetLinkLayerAddress); ok {
			dst = append(dst, " is at "...)
			dst = append(dst, mac.String()...)
		} else {
			dst = append(dst, " is there"...)
		}
		for _, f := range [...]struct {
			set  bool
			name string
		}{{m.Router, "router"}, {m.Solicited, "solicited"}, {m.Override, "override"}} {
			if f.set {
				dst = append(dst, ", "...)
				dst = append(dst, f.name...)
			}
		}
	case wire.ICMPv6Redirect:
		m, err := wire.ParseRedirect(message)
		if err != nil {
			return bad(err)
		}
		dst = append(dst, "redirect: "...)
		dst = m.Destination.AppendTo(dst)
		dst = append(dst, " by "...)
		dst = m.Target.AppendTo(dst)
	}
	return dst
}

func appendAdvertisement(dst []byte, m *wire.RouterAdvertisement) []byte {
	dst = append(dst, "router for "...)
	dst = append(dst, m.RouterLifetime.String()...)
	if m.Preference != wire.PreferenceMedium {
		dst = append(dst, ", preference "...)
		dst = append(dst, m.Preference.String()...)
	}
	if m.Managed {
		dst = append(dst, ", addresses by DHCPv6"...)
	} else if m.Other {
		dst = append(dst, ", more by DHCPv6"...)
	}
	shown := 0
	for o := range m.Options.All() {
		if shown == maxListed {
			return append(dst, ", ..."...)
		}
		switch o.Type {
		case wire.NDPPrefixInformation:
			p, ok := o.PrefixInformation()
			if !ok {
				continue
			}
			dst = append(dst, ", prefix "...)
			dst = p.Prefix.AppendTo(dst)
		case wire.NDPMTU:
			mtu, ok := o.MTU()
			if !ok {
				continue
			}
			dst = append(dst, ", MTU "...)
			dst = strconv.AppendUint(dst, uint64(mtu), 10)
		case wire.NDPSourceLinkLayerAddress:
			mac, ok := o.LinkLayerAddress()
			if !ok {
				continue
			}
			dst = append(dst, ", at "...)
			dst = append(dst, mac.String()...)
		default:
			continue
		}
		shown++
	}
	return dst
}
