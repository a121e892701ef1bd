package stack

import (
	"syscall"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// minMTU is the longest packet that everybody forwards whole (RFC 791): no link has
// less, and no path is believed to.
const minMTU = 68

// fragments cuts a packet, whose IP header begins at the offset, into fragments that
// are not longer than the MTU, each in a buffer of its own with a copy of the link's
// header and with the packet's owner. The packet, which is longer, may be a fragment
// itself; it stays the caller's. Its checksum must be complete (RFC 791, section 3.2,
// and Linux's ip_do_fragment).
//
// Don't-fragment is not set in fragments: who may cut a packet may do so again
// further on, and Linux sees it so.
func fragments(b *packet.Buffer, at, mtu int) []*packet.Buffer {
	whole, options, payload, err := wire.ParseIPv4(b.Bytes()[at:])
	if err != nil {
		panic("stack: a packet to be fragmented whose header was not checked")
	}
	header := whole.HeaderLen()
	step := (max(mtu, minMTU) - header) &^ 7
	list := make([]*packet.Buffer, (len(payload)+step-1)/step)
	packet.NewBatch(list, at+header+min(step, len(payload)))
	for k, f := range list {
		f.Marks, f.Mark = b.Marks, b.Mark
		f.Flags &^= packet.ChecksumValid | packet.ChecksumPartial
		if o := b.Owner(); o != nil {
			f.SetOwner(o)
		}
		copy(f.Append(at+wire.IPv4HeaderLen), b.Bytes())
		if len(options) > 0 {
			appendFragmentOptions(f, options, k == 0)
		}
		n := min(step, len(payload))
		copy(f.Append(n), payload)
		payload = payload[n:]

		h := (*wire.IPv4Header)(f.Bytes()[at:])
		own := f.Len() - n - at
		h.SetHeaderLen(own)
		h.SetTotalLength(uint16(own + n))
		h.SetDontFragment(false)
		h.SetMoreFragments(len(payload) > 0 || whole.MoreFragments())
		h.SetFragmentOffset(whole.FragmentOffset() + k*step)
		h.UpdateChecksum(f.Bytes()[at+wire.IPv4HeaderLen : at+own])
		f.SetNetwork(at)
		f.SetTransport(at + own)
	}
	return list
}

// appendFragmentOptions appends the options that a fragment carries: the first all of
// them, the others those that are to be copied.
func appendFragmentOptions(f *packet.Buffer, options []byte, first bool) {
	if first {
		copy(f.Append(len(options)), options)
		return
	}
	parsed, err := wire.ParseIPv4Options(options)
	if err != nil {
		return // they were let through; nobody can tell what they are
	}
	var room [wire.IPv4MaxHeaderLen - wire.IPv4HeaderLen]byte
	copied := parsed.AppendCopied(room[:0])
	copy(f.Append(len(copied)), copied)
}

// allowFragments makes a packet of this host's own, whose IP header begins at the
// offset, one that may be fragmented, which one that would have fitted is not to be,
// and finishes its checksum. The bytes are the caller's to write.
func (s *Stack) allowFragments(b *packet.Buffer, at int) {
	if b.Bytes()[at]>>4 == 6 {
		s.six.finish(b, at)
		return
	}
	h, options, datagram, err := wire.ParseIPv4(b.Bytes()[at:])
	if err != nil {
		panic("stack: a packet just made whose header is not good")
	}
	if h.DontFragment() {
		h.SetDontFragment(false)
		h.SetID(s.nextID(ipv4OfBytes(h.Source4()), ipv4OfBytes(h.Destination4()), h.Protocol()))
		h.UpdateChecksum(options)
	}
	if b.Flags&(packet.ChecksumValid|packet.ChecksumPartial) != 0 && h.Protocol() == wire.ProtocolUDP {
		u := (*wire.UDPHeader)(datagram)
		u.UpdateChecksum(h.PseudoSum(uint16(len(datagram))), datagram[wire.UDPHeaderLen:])
	}
	b.Flags &^= packet.ChecksumPartial
}

// sendFragments sends a packet that is longer than the MTU, and complete but for the
// neighbour's address, in fragments. It reports whether the link refused none.
func (s *Stack) sendFragments(i *Interface, n *neighbor, b *packet.Buffer, mtu int) bool {
	var list []*packet.Buffer
	if at := i.headerLen(); b.Bytes()[at]>>4 == 6 {
		list = s.six.fragments(s, b, at, mtu)
	} else {
		list = fragments(b, at, mtu)
	}
	s.own.split.Add(uint64(len(list) - 1))
	if s.tracer != nil {
		for k, f := range list {
			if k > 0 {
				f.ID = 0 // the first keeps the packet's number
			}
			s.trace(trace.Fragment, i, f, text.Sprintf("%d of %d of #%d", k+1, len(list), b.ID))
		}
	}
	b.Release()
	if n != nil {
		w := n.word.Load()
		if w&usable == 0 {
			w = s.neighbors.use(n)
		}
		if w&usable == 0 {
			for _, f := range list {
				s.neighbors.hold(n, f)
			}
			return true
		}
		mac := wordMAC(w)
		for _, f := range list {
			copy(f.Bytes(), mac[:])
		}
	}
	bytes := 0
	for _, f := range list {
		bytes += f.Len()
	}
	i.sent.packets.Add(uint64(len(list)))
	i.sent.bytes.Add(uint64(bytes))
	return i.transmitWhole(list)
}

// sendOnLong is sendOn for a packet that is longer than the MTU, or a train of such.
func (s *Stack) sendOnLong(out *Interface, hop address, b *packet.Buffer, mtu int) {
	if b.SegmentSize != 0 {
		var few [maxSegments]*packet.Buffer
		frames, err := link.Cut(few[:0], b, link.IP)
		if err != nil {
			out.drop(b, drop.DatagramMalformed)
			return
		}
		s.own.split.Add(uint64(len(frames) - 1))
		b.Release()
		for _, f := range frames {
			if f.Len() > mtu {
				s.sendOnLong(out, hop, f, mtu)
			} else {
				s.sendOn(out, hop, f)
			}
		}
		return
	}
	if b.Flags&(packet.ChecksumValid|packet.ChecksumPartial) != 0 {
		// Who vouches for the checksum need not have made it.
		b = link.FinishChecksum(b, link.IP)
	}
	s.sendFragments(out, s.frameFor(out, hop, b), b, mtu)
}

// holdsFragments reports whether the send buffer has room for the fragments of a
// payload of n bytes. As on Linux all but the last may take twice the buffer together
// with what is held already, even if they leave at once.
func (s *Socket) holdsFragments(p *path, n int) bool {
	header := p.header
	if p.six {
		header += wire.IPv6FragmentHeaderLen
	}
	step := (max(p.mtu, minMTU) - header) &^ 7
	charge := (wire.UDPHeaderLen + n - 1) / step * packet.TrueSizeFor(p.linkLen()+header+step)
	return int(s.sendUsed.Load())+charge <= 2*int(s.sendLimit.Load())
}

// sendLong sends a datagram that is longer than the path's MTU, if that may be
// fragmented. The caller holds s.mu, which it gives up.
func (s *Socket) sendLong(p *path, m *socket.Message) (int, error) {
	switch {
	case p.whole, len(m.Buf) > p.most():
		s.queueTooLong(p)
		s.mu.Unlock()
		return 0, s.told(syscall.EMSGSIZE)
	case !s.holdsFragments(p, len(m.Buf)):
		s.mu.Unlock()
		return 0, syscall.ENOBUFS
	}
	b := packet.New(len(m.Buf))
	s.build(p, b, m.Buf)
	s.stack.allowFragments(b, p.linkLen())
	s.sent++
	s.bytes += uint64(len(m.Buf))
	iface, neighbor, mtu, again := p.iface, p.neighbor, p.mtu, s.loopsBack(p)
	s.mu.Unlock()
	if again {
		iface.loopBack(b) // whole, as on Linux
	}
	if !s.stack.sendFragments(iface, neighbor, b, mtu) && s.errors.Load() != nil {
		return 0, syscall.ENOBUFS // as for every frame that the link refuses
	}
	return 1, nil
}
