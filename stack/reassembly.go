package stack

import (
	"sort"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// An assembly is what has come so far of a datagram that was fragmented.
type assembly struct {
	key    assemblyKey
	runs   []fragmentRun // by rising offset; no two overlap
	end    int           // the payload's length, as far as is known
	last   bool          // the last fragment has come: the end will not move
	have   int           // bytes of payload in the runs
	count  int           // fragments in them
	size   int           // what it is charged
	ecn    ecnSet        // the marks that the fragments carry
	source *fragmentSource
	seen   uint32 // the source's count when the last fragment came

	deadline     instant
	older, newer *assembly // in the table's order of age
}

// assemblyKey says to which datagram a fragment belongs (RFC 791, section 3.2, and
// RFC 8200, section 4.5, which has no protocol and a longer identification). By
// which interface it came in does not matter, as on Linux outside a VRF.
type assemblyKey struct {
	src, dst address
	id       uint32
	protocol wire.Protocol // 0 for IPv6
}

// A fragmentRun is fragments that came one behind the other, linked.
type fragmentRun struct {
	at, end     int
	first, last *packet.Buffer
}

// ecnSet is a set of the four values of ECN, each as the bit 1<<value.
type ecnSet uint8

const (
	notECT ecnSet = 1 << 0
	ce     ecnSet = 1 << 3
)

// merge returns what the whole's ECN is given that of its fragments (RFC 3168,
// section 5.3, and Linux's ip_frag_ecn_table): the first fragment's, or CE if one
// has it. It reports false if some are capable of ECN and some are not, since the
// mark of a router would be lost.
func (e ecnSet) merge() (congested, ok bool) {
	if e&notECT != 0 && e != notECT {
		return false, false
	}
	return e&ce != 0, true
}

// A fragment is one piece as its header tells.
type fragment struct {
	b    *packet.Buffer // its TransportBytes are the piece
	at   int            // where the piece belongs in the payload
	more bool           // it is not the last one
	ecn  uint8
}

// add takes a fragment in. It returns why it does not; unless that is
// ReassemblyDuplicate, the whole datagram is spoilt.
//
// The rules, and their order, are those of Linux's ip_frag_queue: what comes twice
// is left out, but what overlaps otherwise is an attack or a mistake, and nobody can
// tell which bytes are right (RFC 5722, and RFC 8200, section 4.5). To come twice is
// to lie within what has come in a row.
func (a *assembly) add(f fragment) drop.Reason {
	end := f.at + f.b.TransportLen()
	if !f.more {
		if end < a.end || a.last && end != a.end {
			return drop.ReassemblyMalformed
		}
		a.last, a.end = true, end
	} else {
		end &^= 7 // only the last may end elsewhere
		if end > a.end {
			if a.last {
				return drop.ReassemblyMalformed
			}
			a.end = end
		}
	}
	if end <= f.at {
		return drop.ReassemblyMalformed // it would never come to an end
	}
	// The first run that does not lie before the fragment.
	k := sort.Search(len(a.runs), func(i int) bool { return a.runs[i].end > f.at })
	if k < len(a.runs) && a.runs[k].at < end {
		if r := &a.runs[k]; r.at <= f.at && end <= r.end {
			return drop.ReassemblyDuplicate
		}
		return drop.ReassemblyOverlap
	}
	if over := f.at + f.b.TransportLen() - end; over > 0 {
		f.b.TrimTo(f.b.Len() - over)
	}
	if k > 0 && k == len(a.runs) && a.runs[k-1].end == f.at {
		r := &a.runs[k-1]
		r.last.SetNext(f.b)
		r.last, r.end = f.b, end
	} else {
		a.runs = append(a.runs, fragmentRun{})
		copy(a.runs[k+1:], a.runs[k:])
		a.runs[k] = fragmentRun{f.at, end, f.b, f.b}
	}
	a.have += end - f.at
	a.count++
	a.ecn |= 1 << (f.ecn & 3)
	return drop.None
}

// complete reports whether nothing is missing.
func (a *assembly) complete() bool { return a.last && a.have == a.end }

// first returns the fragment that the payload begins with, or nil.
func (a *assembly) first() *packet.Buffer {
	if len(a.runs) == 0 || a.runs[0].at != 0 {
		return nil
	}
	return a.runs[0].first
}

// each takes the fragments out, in order, and hands them to f.
func (a *assembly) each(f func(*packet.Buffer)) {
	for _, r := range a.runs {
		for b := r.first; b != nil; {
			next := b.Next()
			b.SetNext(nil)
			f(b)
			b = next
		}
	}
	a.runs, a.have, a.count = nil, 0, 0
}

// whole makes one packet of an assembly that is complete, whose IP header begins
// behind prefix bytes: the first fragment's headers, the link's too if there is room,
// and everybody's payload. If that cannot be, it returns why. The fragments stay
// where they are.
func (a *assembly) whole(prefix int) (*packet.Buffer, drop.Reason) {
	congested, ok := a.ecn.merge()
	if !ok {
		return nil, drop.ReassemblyECN
	}
	first := a.first()
	n := first.Len() - len(first.NetworkBytes()) // of the link's header
	headers := len(first.NetworkBytes()) - first.TransportLen()
	if headers+a.end > maxPacket {
		return nil, drop.ReassemblyTooLong
	}
	b := packet.New(prefix + headers + a.end)
	b.Marks, b.Mark = first.Marks, first.Mark
	b.Flags &= packet.LinkBroadcast | packet.LinkMulticast | looped
	clear(b.Append(prefix))
	if prefix == n {
		copy(b.Bytes(), first.Bytes())
	}
	b.SetNetwork(prefix)
	b.SetTransport(prefix + headers)
	ip := b.Append(headers)
	copy(ip, first.NetworkBytes())
	for _, r := range a.runs {
		for f := r.first; f != nil; f = f.Next() {
			copy(b.Append(f.TransportLen()), f.TransportBytes())
		}
	}
	h := (*wire.IPv4Header)(ip)
	h.SetTotalLength(uint16(headers + a.end))
	h.SetMoreFragments(false)
	if congested {
		h.SetTOS(h.TOS() | 3)
	}
	h.UpdateChecksum(ip[wire.IPv4HeaderLen:])
	return b, drop.None
}

// maxPacket is the length of the longest IPv4 packet.
const maxPacket = 65535
