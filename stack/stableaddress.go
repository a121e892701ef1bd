package stack

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/castnet-go/castnet/link"
)

// linkLocalPrefix is fe80::/64.
var linkLocalPrefix = address{hi: 0xfe80 << 48}

// linkLocal makes the interface's link-local address.
func (x *interface6) linkLocal(tries uint8) *address6 {
	a := x.stable(linkLocalPrefix, tries)
	a.origin = OriginLinkLocal
	return a
}

// stable makes an address of a prefix of 64 bits: one that stays the same in a network
// and says nothing about the host in another (RFC 7217), or, if Config.EUI64 is set,
// one with the hardware address in it (RFC 4291, appendix A).
func (x *interface6) stable(prefix address, tries uint8) *address6 {
	a := &address6{bits: 64, tries: tries, preferred: never, valid: never, at: never}
	if x.iface.eui64() {
		m := x.iface.macWord
		a.addr = address{prefix.hi, (m>>40<<40 | 0xfffe<<24 | m>>16&0xffffff) ^ 1<<57}
		return a
	}
	for ; ; a.tries++ {
		a.addr = address{prefix.hi, x.iface.stack.stableID(prefix, x.iface.name, a.tries)}
		if !reservedID(a.addr.lo) {
			return a
		}
	}
}

// eui64 reports whether addresses have the interface's hardware address in them.
func (i *Interface) eui64() bool { return i.stack.cfg.EUI64 && i.kind == link.Ethernet }

// stableID is the function F of RFC 7217, section 5, with the stack's seed for the
// secret and the interface's name for Net_Iface. A stack with the same seed has the
// same addresses. F is what ChaCha8 yields first with the secret, changed by the other
// arguments, for its key: from that neither the secret nor another identifier follows,
// and a program needs no package of cryptography for it, whose initialisation is
// larger than the rest of a small program.
func (s *Stack) stableID(prefix address, name string, tries uint8) uint64 {
	var block [32]byte
	binary.BigEndian.PutUint64(block[:], prefix.hi)
	block[8], block[9] = tries, byte(len(name)) // which is not zero: the seed's own stream is another
	copy(block[16:], name)                      // 15 bytes at most
	for k := range block {
		block[k] ^= s.cfg.Seed[k]
	}
	return rand.NewChaCha8(block).Uint64()
}

// reservedID reports whether an interface identifier is set aside (RFC 5453): that of
// the routers' anycast address, and those of other anycast addresses.
func reservedID(id uint64) bool {
	return id == 0 ||
		id >= 0x02005efffe000000 && id <= 0x02005efffe005213 ||
		id >= 0xfdffffffffffff80 && id <= 0xfdffffffffffffff
}
