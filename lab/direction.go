package lab

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
)

// direction is one direction of a link between a host and a segment: what the
// host sends, or what it gets. It is where faults strike. What every frame
// touches stands in front, in one cache line.
type direction struct {
	nic     *nic
	receive bool // toward the host
	// onlyDelay: the faults do nothing but delay, by as much.
	onlyDelay bool
	delay     int64
	underway  int // frames that have entered and not arrived

	// Each frame is counted once on either side of
	// in + cloned = out + dropped + underway.
	in, out uint64
	cloned  uint64
	drops   dropCounts

	busy   int64 // until when earlier frames are being sent
	faults Faults
}

// set replaces the faults.
func (d *direction) set(f Faults) {
	d.faults = f
	d.delay = int64(f.Delay)
	limit := f.Limit
	f.Delay, f.Limit = 0, 0
	d.onlyDelay = f == Faults{} && limit == 0
}

func (d *direction) draw(p float64) bool { return p > 0 && d.nic.host.faults.Float64() < p }

// enter takes over a frame. It reports false, and takes nothing, if the frame is
// refused because too many are under way. Past the sender nobody can be refused
// anything: the frame is dropped.
func (d *direction) enter(b *packet.Buffer) bool {
	if d.onlyDelay && (d.delay == 0 || d.underway < defaultLimit) {
		// It is what is left of struck if nothing strikes.
		d.in++
		d.underway++
		q := &d.nic.lab.queue
		now := q.now()
		switch {
		case d.delay != 0:
			b.Orphan()
			q.scheduleFrame(b, d, now+d.delay)
		case d.receive:
			b.Hold()
			q.scheduleFrame(b, d, now)
		default:
			d.arrive(b)
		}
		return true
	}
	return d.struck(b)
}

// struck is enter where there are faults.
func (d *direction) struck(b *packet.Buffer) bool {
	f := &d.faults
	duplicate, lost := d.draw(f.Duplicate), d.draw(f.Loss)
	if lost && !duplicate {
		d.in++
		d.drop(b, drop.LinkLoss)
		return true
	}
	twice := duplicate && !lost
	if f.Delay|f.Jitter != 0 || f.Rate != 0 {
		switch room := f.limit() - d.underway; {
		case room <= 0 && !d.receive:
			return false
		case room <= 0:
			d.in++
			if duplicate {
				d.lose(b, drop.LinkQueueFull)
			}
			d.drop(b, drop.LinkQueueFull)
			return true
		case room == 1 && twice:
			twice = false
			d.lose(b, drop.LinkQueueFull)
		}
	}
	d.in++
	if duplicate && lost {
		d.lose(b, drop.LinkLoss)
	}
	if twice {
		d.cloned++
		d.nic.trace(trace.Carry, drop.None, b, "duplicated")
		c := b.Clone()
		d.transmit(c, f)
	}
	d.transmit(b, f)
	return true
}

// lose counts a copy of b that was never made: drawn, and lost at once.
func (d *direction) lose(b *packet.Buffer, r drop.Reason) {
	d.cloned++
	d.drops.add(r)
	d.nic.dropped(d, b, r)
}

// transmit sends a frame on its way.
func (d *direction) transmit(b *packet.Buffer, f *Faults) {
	if f.Corrupt > 0 && d.draw(f.Corrupt) {
		b = d.corrupt(b)
	}
	q := &d.nic.lab.queue
	now := q.now()
	sent, arrival := now, now
	if !d.draw(f.Reorder) {
		if f.Rate != 0 {
			sent = min(max(d.busy, now)+f.transmission(b.Len()), maxTime)
			d.busy = sent
		}
		arrival = sent + int64(f.Delay)
		if f.Jitter != 0 {
			arrival += d.nic.host.faults.Int64N(2*int64(f.Jitter)+1) - int64(f.Jitter)
			arrival = max(arrival, sent)
		}
	}
	d.underway++
	switch {
	case sent > now && !d.receive:
		// It waits in its sender's queue.
		b.Hold()
		q.scheduleSent(b, d, sent, arrival)
	case arrival == now && !d.receive:
		d.arrive(b)
	case arrival == now:
		// It arrives at this instant, but not inside the call in which
		// it was sent. A sender who does not wait would fill the memory
		// with such frames if they were not charged to it.
		b.Hold()
		q.scheduleFrame(b, d, now)
	default:
		b.Orphan()
		q.scheduleFrame(b, d, arrival)
	}
}

// sent is called when a frame that waited to be sent has been: it is on the
// wire now.
func (d *direction) sent(b *packet.Buffer, arrival int64) {
	b.Orphan()
	if arrival <= d.nic.lab.queue.now() {
		d.arrive(b)
		return
	}
	d.nic.lab.queue.scheduleFrame(b, d, arrival)
}

// arrive is called when a frame has got to the segment.
func (d *direction) arrive(b *packet.Buffer) {
	d.underway--
	if !d.nic.up {
		d.drop(b, drop.LinkDown)
		return
	}
	d.out++
	d.nic.at.forward(b)
}

// corrupt flips one random bit.
func (d *direction) corrupt(b *packet.Buffer) *packet.Buffer {
	if b.Len() == 0 {
		return b
	}
	if b.Flags&packet.ChecksumPartial != 0 {
		b = link.FinishChecksum(b, link.Ethernet) // or it would notice nothing
	}
	b = b.Writable()
	bit := d.nic.host.faults.IntN(8 * b.Len())
	b.Bytes()[bit/8] ^= 1 << (bit % 8)
	b.Flags &^= packet.ChecksumValid
	d.nic.trace(trace.Carry, drop.None, b, "corrupted")
	return b
}

// drop ends a frame's journey.
func (d *direction) drop(b *packet.Buffer, r drop.Reason) {
	d.drops.add(r)
	d.nic.dropped(d, b, r)
	b.Release()
}

// dropCounts count drops by reason; they take no room until the first.
type dropCounts struct{ n *[drop.Count]uint64 }

func (d *dropCounts) add(r drop.Reason) {
	if d.n == nil {
		d.n = new([drop.Count]uint64)
	}
	d.n[r]++
}

func (d *dropCounts) total() (sum uint64) {
	if d.n != nil {
		for _, n := range d.n {
			sum += n
		}
	}
	return sum
}

// addTo adds the counts to m, which may be nil, and returns it.
func (d *dropCounts) addTo(m map[drop.Reason]uint64) map[drop.Reason]uint64 {
	if d.n == nil {
		return m
	}
	for r, n := range d.n {
		if n != 0 {
			if m == nil {
				m = make(map[drop.Reason]uint64)
			}
			m[drop.Reason(r)] += n
		}
	}
	return m
}
