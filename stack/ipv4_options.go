package stack

import (
	"encoding/binary"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// Kinds of timestamp options, in the lower half of their fourth byte (RFC 791).
const (
	timestampOnly      = 0
	timestampAddress   = 1 // with the address of who stamps
	timestampThese     = 3 // of those whose addresses are given
	timestampKind      = 0x0f
	timestampFull      = 0xf0 // how many found no room
	routeData          = 4    // where the first address of a route can be, as its pointer counts
	timestampData      = 5    // and the first timestamp
	millisecondsPerDay = 24 * 60 * 60 * 1000
)

// rejectOptions reports whether a packet is not let in for its options, and drops it
// then, telling the sender what is wrong. Source routes are not let in, since who
// follows one lets strangers choose his ways (RFC 7126, 4.3 and 4.4); Linux does not
// say so to the sender.
func (l *lane) rejectOptions(b *packet.Buffer, h *wire.IPv4Header, options []byte) bool {
	sourceRoute, wrong := checkOptions(options)
	if wrong < 0 && !sourceRoute {
		return false
	}
	if wrong >= 0 {
		l.flush()
		l.iface.stack.sendError(l.state, b, h, icmpError{
			t: wire.ICMPParameterProblem, code: wire.ICMPPointerProblem, pointer: uint8(wire.IPv4HeaderLen + wrong),
		})
	}
	l.drop(b, drop.OptionsRejected)
	return true
}

// checkOptions returns whether there is a source route among a packet's options, and
// where the first thing is that is wrong with them, counted from their beginning; -1
// if nothing is. The rules are those of Linux's __ip_options_compile: what it
// understands must be right, and of each kind there may be one.
func checkOptions(options []byte) (sourceRoute bool, wrong int) {
	var route, recorded, stamped bool
	for at := 0; at < len(options); {
		o := options[at:]
		kind := wire.IPv4OptionType(o[0])
		switch kind {
		case wire.IPv4EndOfOptions:
			return route, -1
		case wire.IPv4NoOperation:
			at++
			continue
		}
		if len(o) < 2 || o[1] < 2 || int(o[1]) > len(o) {
			return route, at
		}
		o = o[:o[1]]
		wrong := -1
		switch kind {
		case wire.IPv4LooseRoute, wire.IPv4StrictRoute:
			if wrong = wrongRoute(o, false); wrong < 0 && route {
				wrong = 0
			}
			route = true
		case wire.IPv4RecordRoute:
			if wrong = wrongRoute(o, true); recorded {
				wrong = 0
			}
			recorded = true
		case wire.IPv4Timestamp:
			if wrong = wrongTimestamp(o); stamped {
				wrong = 0
			}
			stamped = true
		case wire.IPv4RouterAlert:
			if len(o) < 4 {
				wrong = 1
			}
		}
		if wrong >= 0 {
			return route, at + wrong
		}
		at += len(o)
	}
	return route, -1
}

// wrongRoute returns what is wrong with a source route, or with one that is recorded
// and therefore needs room for an address unless it is full; -1 if nothing is.
func wrongRoute(o []byte, recorded bool) int {
	switch {
	case len(o) < 3:
		return 1
	case o[2] < routeData, recorded && int(o[2]) <= len(o) && int(o[2])+3 > len(o):
		return 2
	}
	return -1
}

// wrongTimestamp returns what is wrong with a timestamp option; -1 if nothing is.
func wrongTimestamp(o []byte) int {
	if len(o) < 4 {
		return 1
	}
	pointer, kind := int(o[2]), o[3]&timestampKind
	need := 3
	if kind == timestampAddress || kind == timestampThese {
		need = 7
	}
	switch {
	case pointer < timestampData:
		return 2
	case pointer > len(o):
		if kind != timestampThese && o[3]&timestampFull == timestampFull {
			return 3 // one more could not be counted
		}
	case pointer+need > len(o):
		return 2
	}
	return -1
}

// An optionWriter is what a router writes into the options of packets that it passes on.
type optionWriter struct {
	out   ipv4            // its address on the side where they leave: for routes
	in    ipv4            // and on that where they came in: for timestamps, as on Linux
	local func(ipv4) bool // whether an address is the router's own
	now   func() time.Time
}

// fillOptions does what the options of a packet ask of a router: it records itself in
// the route, and the time (RFC 1812, 5.3.13, and Linux's ip_forward_options). They
// were checked. It reports whether it has changed anything.
func (r optionWriter) fillOptions(options []byte) (changed bool) {
	for len(options) > 0 {
		switch kind := wire.IPv4OptionType(options[0]); kind {
		case wire.IPv4EndOfOptions:
			return changed
		case wire.IPv4NoOperation:
			options = options[1:]
			continue
		case wire.IPv4RecordRoute, wire.IPv4Timestamp:
			o := options[:options[1]]
			if kind == wire.IPv4RecordRoute {
				changed = r.record(o) || changed
			} else {
				changed = r.stamp(o) || changed
			}
		}
		options = options[options[1]:]
	}
	return changed
}

// record writes the router's address into a route, if there is room.
func (r optionWriter) record(o []byte) bool {
	at := int(o[2]) - 1
	if at >= len(o) {
		return false
	}
	binary.BigEndian.PutUint32(o[at:], uint32(r.out))
	o[2] += 4
	return true
}

// stamp writes the time into a timestamp option, if that is asked and there is room,
// or counts that there is none.
func (r optionWriter) stamp(o []byte) bool {
	at, kind := int(o[2])-1, o[3]&timestampKind
	if at >= len(o) {
		if kind == timestampThese {
			return false
		}
		o[3] += 0x10
		return true
	}
	switch kind {
	case timestampOnly:
	case timestampAddress:
		binary.BigEndian.PutUint32(o[at:], uint32(r.in))
		at += 4
	case timestampThese:
		if !r.local(ipv4(binary.BigEndian.Uint32(o[at:]))) {
			return false
		}
		at += 4
	default:
		return false
	}
	now := r.now().UTC()
	midnight := now.Truncate(24 * time.Hour)
	binary.BigEndian.PutUint32(o[at:], uint32(now.Sub(midnight).Milliseconds()%millisecondsPerDay))
	o[2] = byte(at + 4 + 1)
	return true
}
