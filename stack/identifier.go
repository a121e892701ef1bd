package stack

import (
	"sync/atomic"

	"github.com/castnet-go/castnet/wire"
)

// identifierBuckets is the number of counters that identifications are drawn by.
const identifierBuckets = 512

// identifiers gives packets that may be fragmented their identification. Two such
// packets between the same hosts must not have the same one while fragments of the
// first may still be about (RFC 6864, 4.3), and none should tell an outsider what
// comes next, or how much is sent to others (RFC 7739).
//
// Sixteen random bits would repeat after 300 packets on average. So there are
// counters, of which a pair of hosts and a protocol use one, found by a secret hash;
// and what is sent is not the count but what a permutation, which the same hash
// chooses, makes of it. An identification then comes back after 65,536 packets by its
// counter and not before, and two receivers on one counter see nothing of each other.
// The datagrams of a train that is cut are numbered in a row from what was drawn.
//
// Packets that may not be fragmented, which are nearly all, have the identification
// 0 and cost nothing.
type identifiers struct {
	counters atomic.Pointer[[identifierBuckets]atomic.Uint32] // nil until the first
}

// count counts one more packet between those that a key stands for.
func (i *identifiers) count(key uint64) uint32 {
	c := i.counters.Load()
	if c == nil {
		i.counters.CompareAndSwap(nil, new([identifierBuckets]atomic.Uint32))
		c = i.counters.Load()
	}
	return c[key%identifierBuckets].Add(1)
}

// nextID returns an identification for a packet that may be fragmented.
func (s *Stack) nextID(src, dst ipv4, proto wire.Protocol) uint16 {
	key := s.ports.mix(uint64(src)<<32|uint64(dst), uint64(proto))
	return permute16(uint16(s.identifiers.count(key)), key)
}

// permute16 is one of many permutations of the numbers of 16 bits: a Feistel network
// over their halves, whose rounds the key decides.
func permute16(n uint16, key uint64) uint16 {
	const rounds = 6
	left, right := n>>8, n&0xff
	for r := range uint64(rounds) {
		left, right = right, left^scramble(key, r<<8|uint64(right))>>8
	}
	return left<<8 | right
}

// scramble returns 16 bits that depend on all of the key's and of x: the finalizer
// of splitmix64.
func scramble(key, x uint64) uint16 {
	z := key ^ x*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return uint16(z >> 48)
}
