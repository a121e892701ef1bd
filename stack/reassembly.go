package stack

import (
	"math/bits"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// An assembly is what has come so far of a datagram that was fragmented.
type assembly struct {
	key         assemblyKey
	first, last *packet.Buffer // the fragments, linked in the order in which they came
	head        *packet.Buffer // of them, the one that the payload begins with; or nil
	covered     []uint64       // a bit for each eight bytes that have come
	begins      []uint64       // of them, those with which fragments in a row begin
	high        int            // the end of what has come
	end         int            // the payload's length, as far as is known
	ended       bool           // the last fragment has come: the end will not move
	have        int            // bytes of payload that have come
	count       int            // fragments
	size        int            // what it is charged
	ecn         ecnSet         // the marks that the fragments carry
	source      *fragmentSource
	seen        uint32 // the source's count when the last fragment came

	deadline     instant
	older, newer *assembly // in the table's order of age
}

// assemblyKey says to which datagram a fragment belongs (RFC 791, section 3.2, and
// RFC 8200, section 4.5, which has no protocol and a longer identification). By
// which interface it came in matters only where the destination may be several hosts',
// as on Linux outside a VRF.
type assemblyKey struct {
	src, dst address
	id       uint32
	protocol wire.Protocol // 0 for IPv6
	device   int32         // of IPv6 to what is good on one link only; else 0
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
		if end < a.end || a.ended && end != a.end {
			return drop.ReassemblyMalformed
		}
		a.ended, a.end = true, end
	} else {
		end &^= 7 // only the last may end elsewhere
		if end > a.end {
			if a.ended {
				return drop.ReassemblyMalformed
			}
			a.end = end
		}
	}
	if end <= f.at {
		return drop.ReassemblyMalformed // it would never come to an end
	}
	from, to := f.at/8, (end+7)/8
	if n := countBits(a.covered, from, to); n > 0 {
		if n == to-from && countBits(a.begins, from+1, to) == 0 {
			return drop.ReassemblyDuplicate
		}
		return drop.ReassemblyOverlap
	}
	a.cover(from, to, f.at != a.high || f.at == 0)
	if over := f.at + f.b.TransportLen() - end; over > 0 {
		f.b.TrimTo(f.b.Len() - over)
	}
	if a.first == nil {
		a.first = f.b
	} else {
		a.last.SetNext(f.b)
	}
	a.last = f.b
	if f.at == 0 {
		a.head = f.b
	}
	a.high = max(a.high, end)
	a.have += end - f.at
	a.count++
	a.size += f.b.TrueSize()
	a.ecn |= 1 << (f.ecn & 3)
	return drop.None
}

// cover notes that the eight bytes from one number up to another have come, and
// whether a row begins with them.
func (a *assembly) cover(from, to int, begins bool) {
	if words := len(a.covered); to > 64*words {
		words = max(words, 1)
		for to > 64*words {
			words *= 2
		}
		a.size += 16 * (words - len(a.covered))
		a.covered = append(make([]uint64, 0, words), a.covered...)[:words]
		a.begins = append(make([]uint64, 0, words), a.begins...)[:words]
	}
	if begins {
		a.begins[from/64] |= 1 << (from % 64)
	}
	for from < to {
		n := min(64-from%64, to-from)
		a.covered[from/64] |= bitsOf(from, n)
		from += n
	}
}

// countBits returns how many bits are set from one number up to another. Those
// beyond the end are not.
func countBits(m []uint64, from, to int) (count int) {
	for to = min(to, 64*len(m)); from < to; {
		n := min(64-from%64, to-from)
		count += bits.OnesCount64(m[from/64] & bitsOf(from, n))
		from += n
	}
	return count
}

// bitsOf returns n bits, from that of number from on, all in one word.
func bitsOf(from, n int) uint64 { return (^uint64(0) >> (64 - n)) << (from % 64) }

// complete reports whether nothing is missing.
func (a *assembly) complete() bool { return a.ended && a.have == a.end }

// each takes the fragments out and hands them to f.
func (a *assembly) each(f func(*packet.Buffer)) {
	for b := a.first; b != nil; {
		next := b.Next()
		b.SetNext(nil)
		f(b)
		b = next
	}
	a.first, a.last, a.head = nil, nil, nil
}

// whole makes one packet of an assembly that is complete, whose IP header begins
// behind prefix bytes: the first fragment's headers, the link's too if there is room,
// and everybody's payload. If that cannot be, it returns why. The fragments stay
// where they are.
func (a *assembly) whole(prefix int, six *version6) (*packet.Buffer, drop.Reason) {
	congested, ok := a.ecn.merge()
	if !ok {
		return nil, drop.ReassemblyECN
	}
	n := a.head.Len() - len(a.head.NetworkBytes()) // of the link's header
	headers := len(a.head.NetworkBytes()) - a.head.TransportLen()
	four := a.key.src.is4()
	most := maxPacket
	if !four {
		headers -= wire.IPv6FragmentHeaderLen
		most += wire.IPv6HeaderLen // which IPv6 does not count
	}
	if headers+a.end > most {
		return nil, drop.ReassemblyTooLong
	}
	b := packet.New(prefix + headers + a.end)
	b.Marks, b.Mark = a.head.Marks, a.head.Mark
	b.Flags &= packet.LinkBroadcast | packet.LinkMulticast | looped
	clear(b.Append(prefix))
	if prefix == n {
		copy(b.Bytes(), a.head.Bytes())
	}
	b.SetNetwork(prefix)
	b.SetTransport(prefix + headers)
	ip := b.Append(headers)
	copy(ip, a.head.NetworkBytes())
	payload := b.Append(a.end)
	for f := a.first; f != nil; f = f.Next() {
		copy(payload[placeOf(f, four):], f.TransportBytes())
	}
	if !four {
		six.wholeHeader(b, a.head, a.end, congested)
		return b, drop.None
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

// placeOf returns where a fragment's payload belongs in the whole's. Of IPv6 the fragment
// header is right before it.
func placeOf(f *packet.Buffer, four bool) int {
	ip := f.NetworkBytes()
	if four {
		return (*wire.IPv4Header)(ip).FragmentOffset()
	}
	return (*wire.IPv6FragmentHeader)(ip[len(ip)-f.TransportLen()-wire.IPv6FragmentHeaderLen:]).FragmentOffset()
}

// maxPacket is the length of the longest IPv4 packet.
const maxPacket = 65535
