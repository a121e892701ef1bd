package stack

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
)

// udpToMany gives a broadcast or group datagram to every socket that matches.
// They share one buffer.
func (l *lane) udpToMany(b *packet.Buffer, f flow) {
	st := l.iface.stack
	l.flush()
	found, reason := l.receivers(f)
	if st.tracer != nil {
		l.withheld(b, f)
	}
	if len(found) == 0 {
		l.filtered(b, reason, bySockets)
		return
	}
	for _, s := range found {
		if s.wantsTime() {
			b.Arrival = st.cfg.Clock.Now().UnixNano()
			break
		}
	}
	b.Retain(len(found) - 1)
	st.own.cloned.Add(uint64(len(found) - 1))
	for _, s := range found {
		if s.enqueueOne(l.iface, b) {
			l.woken = append(l.woken, s)
		}
	}
	clear(l.many)
	l.many = l.many[:0]
}

// A fan is who has received the last datagram of a flow: as long as nothing was bound
// or joined since, who receives the next one. So a stream to few of many sockets on a
// port costs what its receivers cost.
type fan struct {
	flow           flow
	changes, joins uint64 // as the port table counts
	sockets        []*Socket
	reason         drop.Reason // why there are none
}

// Bounds of what a lane remembers: flows, and the receivers of one; 128 KiB altogether.
// With more of them to look for them is the smaller part.
const (
	maxFans     = 16 // a power of two
	maxReceiver = 1024
)

// receivers returns the sockets for a broadcast or group datagram, or why there are
// none. The list is good until the next call.
func (l *lane) receivers(f flow) ([]*Socket, drop.Reason) {
	t := &l.iface.stack.ports
	changes, joins := t.changes.Load(), t.joins.Load()
	if l.fans == nil {
		l.fans = new([maxFans]fan)
	}
	k := &l.fans[t.mix(f.src.lo<<32^f.src.hi^f.dst.lo, uint64(f.ports)^f.dst.hi)%maxFans]
	if k.reason != drop.None && k.flow == f && k.changes == changes && k.joins == joins {
		return k.sockets, k.reason
	}
	found, reason := l.findReceivers(f)
	clear(k.sockets)
	k.sockets, k.reason = k.sockets[:0], drop.None
	if len(found) <= maxReceiver {
		*k = fan{f, changes, joins, append(k.sockets, found...), reason}
	}
	return found, reason
}

// findReceivers looks for them among all the sockets on the port.
func (l *lane) findReceivers(f flow) ([]*Socket, drop.Reason) {
	found, reason := l.many[:0], drop.NoPort
	src, dst, group := f.src, f.dst, f.dst.isMulticast()
	bit := groupBit(dst)
	keys, n := f.keys()
	for _, k := range keys[:n] {
		for _, s := range l.iface.stack.ports.all(&k) {
			m := s.match.Load()
			if m == &anything || m == &anything6 {
				found = append(found, s)
				continue
			}
			switch {
			case !m.accepts(f):
			case group && !m.hears(dst, src, bit, f.device):
				reason = drop.SourceFiltered
			default:
				found = append(found, s)
			}
		}
	}
	l.many = found
	return found, reason
}
