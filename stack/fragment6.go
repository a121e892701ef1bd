package stack

import (
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// nextID6 returns an identification for a packet of IPv6 that is sent in fragments. It is
// made like IPv4's, of 32 bits: it comes back after 2^32 packets by its counter and not
// before, and tells nobody what comes next (RFC 7739, section 5).
func (s *Stack) nextID6(src, dst address) uint32 {
	key := s.ports.mix(s.ports.mix(src.hi, src.lo), s.ports.mix(dst.hi, dst.lo))
	return permute32(s.identifiers.count(key), key)
}

// permute32 is permute16 for numbers of 32 bits.
func permute32(n uint32, key uint64) uint32 {
	const rounds = 6
	left, right := n>>16, n&0xffff
	for r := range uint64(rounds) {
		left, right = right, left^uint32(scramble(key, r<<16|uint64(right)))
	}
	return left<<16 | right
}

// fragments6 is fragments for a packet of IPv6, of this host's own: it has no extension
// headers. Only who makes a packet cuts it (RFC 8200, section 4.5). The fragments have an
// identification of their own, and are not shorter than every link carries.
func (s *Stack) fragments6(b *packet.Buffer, at, mtu int) []*packet.Buffer {
	whole, payload, err := wire.ParseIPv6(b.Bytes()[at:])
	if err != nil {
		panic("stack: a packet to be fragmented whose header was not checked")
	}
	const header = wire.IPv6HeaderLen + wire.IPv6FragmentHeaderLen
	id := s.nextID6(addressOf16(whole.Source16()), addressOf16(whole.Destination16()))
	step := (max(mtu, wire.IPv6MinMTU) - header) &^ 7
	list := make([]*packet.Buffer, (len(payload)+step-1)/step)
	packet.NewBatch(list, at+header+min(step, len(payload)))
	for k, f := range list {
		f.Marks, f.Mark = b.Marks, b.Mark
		f.Flags &^= packet.ChecksumValid | packet.ChecksumPartial
		if o := b.Owner(); o != nil {
			f.SetOwner(o)
		}
		copy(f.Append(at+wire.IPv6HeaderLen), b.Bytes())
		n := min(step, len(payload))
		wire.PutIPv6Fragment(f.Append(wire.IPv6FragmentHeaderLen), whole.NextHeader(), k*step, n < len(payload), id)
		copy(f.Append(n), payload)
		payload = payload[n:]
		h := (*wire.IPv6Header)(f.Bytes()[at:])
		h.SetNextHeader(wire.ProtocolIPv6Fragment)
		h.SetPayloadLength(uint16(wire.IPv6FragmentHeaderLen + n))
		f.SetNetwork(at)
		f.SetTransport(at + header)
	}
	return list
}

// finish6 finishes the checksum of a packet of IPv6 that this host has made.
func finish6(b *packet.Buffer, at int) {
	h, datagram, err := wire.ParseIPv6(b.Bytes()[at:])
	if err != nil {
		panic("stack: a packet just made whose header is not good")
	}
	if b.Flags&(packet.ChecksumValid|packet.ChecksumPartial) != 0 && h.NextHeader() == wire.ProtocolUDP {
		u := (*wire.UDPHeader)(datagram)
		u.UpdateChecksum(h.PseudoSum(wire.ProtocolUDP, uint32(len(datagram))), datagram[wire.UDPHeaderLen:])
	}
	b.Flags &^= packet.ChecksumPartial
}
