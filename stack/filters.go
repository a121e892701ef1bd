package stack

import (
	"net/netip"
	"slices"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// filter is one of those that a frame to a group passes on its way to programs.
type filter uint8

const (
	byCard    filter = iota // the card's, by hardware addresses
	byList                  // the interface's list of groups and their sources
	bySockets               // what each socket wants
)

// filtered is drop for what a filter refuses. In traces it says which and why, in words
// that begin with the filter's name: card, groups or sockets.
func (l *lane) filtered(b *packet.Buffer, reason drop.Reason, by filter) {
	if l.iface.stack.tracer == nil {
		l.drop(b, reason)
		return
	}
	l.iface.dropAs(b, reason, l.words(b, reason, by))
}

// words says why a filter refuses a packet.
func (l *lane) words(b *packet.Buffer, reason drop.Reason, by filter) string {
	if by == byCard {
		to := wire.MAC(b.Bytes())
		if !to.IsMulticast() {
			return "card: " + to.String() + " is another's"
		}
		return "card: no group that was joined here has " + to.String()
	}
	src, dst, port := ends(b)
	switch {
	case by == byList && reason == drop.NotAMember:
		return "groups: nobody here has joined " + dst.String() + l.alike(dst)
	case by == byList && reason == drop.SourceFiltered:
		return "groups: nobody here wants " + src.String() + " of " + dst.String()
	case by == bySockets && reason == drop.NoPort:
		return "sockets: nobody hears it on port " + text.Sprintf("%d", port)
	case by == bySockets:
		return "sockets: nobody wants it"
	}
	return ""
}

// alike says which group that was joined has the hardware address of another, if one
// has: that is how what nobody wants gets through the card's filter.
func (l *lane) alike(group netip.Addr) string {
	mac := wire.MulticastMAC(group)
	s := &l.iface.groups
	s.mu.RLock()
	defer s.mu.RUnlock()
	for g := s.first; g != nil; g = g.v.next {
		if g.v.users > 0 && macOfGroup(g.key) == mac {
			return "; " + g.key.netip().String() + " has the same hardware address"
		}
	}
	return ""
}

// ends returns the addresses of a packet, whose IP header is noted, and the port that
// it is for, if it is a datagram that is not cut.
func ends(b *packet.Buffer) (src, dst netip.Addr, port uint16) {
	data := b.NetworkBytes()
	if h, _, payload, err := wire.ParseIPv4(data); err == nil {
		if u, _, err := wire.ParseUDP(payload); err == nil && !h.IsFragment() {
			port = u.DestinationPort()
		}
		return h.Source(), h.Destination(), port
	}
	h, payload, err := wire.ParseIPv6(data)
	if err != nil {
		return netip.Addr{}, netip.Addr{}, 0
	}
	w := wire.WalkIPv6(h, payload)
	for _, ok := w.Next(); ok; _, ok = w.Next() {
	}
	if u, _, err := wire.ParseUDP(w.Payload()); err == nil {
		port = u.DestinationPort()
	}
	return h.Source(), h.Destination(), port
}

// withheld tells the tracer of each socket on the port of a datagram to many that gets
// no copy of it, and why not.
func (l *lane) withheld(b *packet.Buffer, f flow) {
	st := l.iface.stack
	src, dst, port := ends(b)
	var details []string
	st.sockets.each(func(s *Socket) {
		if own := s.LocalAddr(); own.Port() == port && own.Addr().Unmap().Is4() == dst.Is4() {
			if why := s.deaf(f, own.Addr().Unmap(), src, dst); why != "" {
				details = append(details, s.describe()+": "+why)
			}
		}
	})
	slices.Reverse(details) // the oldest first
	for _, d := range details {
		st.trace(trace.Withhold, l.iface, b, d)
	}
}

// deaf says why a socket that is bound to a port and an address does not hear a datagram
// to many on that port; nothing if it does.
func (s *Socket) deaf(f flow, own, src, dst netip.Addr) string {
	m := s.match.Load()
	switch {
	case !own.IsUnspecified() && own != dst:
		return "it is bound to another address"
	case !m.accepts(f):
		if peer, err := s.PeerAddr(); err == nil && (peer.Addr().Unmap() != src || peer.Port() != f.srcPort()) {
			return "it is connected to " + peer.String()
		}
		return "it is bound to another interface"
	case !dst.IsMulticast() || m.hears(addressOf(dst), addressOf(src), groupBit(addressOf(dst)), f.device):
		return ""
	case m.groups.find(addressOf(dst), f.device) >= 0:
		return "it does not want " + src.String() + " of " + dst.String()
	}
	return "it has not joined " + dst.String() + " here, and MULTICAST_ALL is off"
}
