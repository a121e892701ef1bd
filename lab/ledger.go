package lab

import (
	"errors"
	"fmt"
)

// CheckLedger checks that every packet and every frame is accounted for: that
// each host's ledger balances, that it agrees with what the links counted as
// given to it and taken from it, that each bridge handed on or dropped what it
// got, that what entered each direction of a link and
// each segment either left it or was dropped there or is under way, and that
// what is under way is what waits in the lab's queue. It returns an error for
// each account that does not balance. It is meant for tests, between runs.
func (l *Lab) CheckLedger() error {
	l.lock()
	defer l.unlock()
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("lab: ledger: "+format, args...)) }

	underway := 0
	ins, outs := make(map[Segment]uint64), make(map[Segment]uint64)
	account := func(n *nic) {
		for _, d := range [...]*direction{&n.send, &n.get} {
			if dropped := d.drops.total(); d.in+d.cloned != d.out+dropped+uint64(d.underway) {
				wrong("%s: %d frames and %d duplicates %s, but %d arrived, %d were dropped and %d are under way",
					n.describe(), d.in, d.cloned, d.verb(), d.out, dropped, d.underway)
			}
			underway += d.underway
		}
		if n.send.in != n.accepted {
			wrong("%s: the link took %d frames, its direction %d", n.describe(), n.accepted, n.send.in)
		}
		if n.get.out != n.delivered {
			wrong("%s: the link handed over %d frames, its direction %d", n.describe(), n.delivered, n.get.out)
		}
		ins[n.on] += n.send.out
		outs[n.on] += n.get.in
	}
	for _, b := range l.bridges {
		account(b.nic)
		if dropped := b.lostIn.total(); b.in != b.nic.accepted+dropped {
			wrong("bridge %s: %d frames came from outside, but the segment took %d and %d were dropped", b.Name(), b.in, b.nic.accepted, dropped)
		}
		if dropped := b.lostOut.total(); b.nic.delivered != b.out+dropped {
			wrong("bridge %s: it got %d frames of the segment, but %d went outside and %d were dropped", b.Name(), b.nic.delivered, b.out, dropped)
		}
	}
	for _, h := range l.hosts {
		if g := h.stack.Ledger(); !g.Balanced() {
			wrong("host %s does not balance: %+v", h.name, g)
		}
		for _, n := range h.nics {
			account(n)
			if i := h.stack.Interface(n.name); i != nil {
				st := i.Stats()
				if st.SentPackets != n.accepted {
					wrong("%s: the stack sent %d packets, the link took %d", n.describe(), st.SentPackets, n.accepted)
				}
				if st.ReceivedPackets != n.delivered {
					wrong("%s: the stack received %d packets, the link handed over %d", n.describe(), st.ReceivedPackets, n.delivered)
				}
			}
		}
	}
	for _, seg := range l.segments {
		s := seg.base()
		if dropped := s.drops.total(); s.in+s.made+s.cloned != s.out+s.consumed+dropped {
			wrong("%s: %d frames entered, %d and %d copies were made, but %d left, %d were read and %d were dropped",
				s.name, s.in, s.made, s.cloned, s.out, s.consumed, dropped)
		}
		if s.in != ins[seg] {
			wrong("%s: %d frames entered, but hosts sent it %d", s.name, s.in, ins[seg])
		}
		if s.out != outs[seg] {
			wrong("%s: %d frames left, but hosts were sent %d", s.name, s.out, outs[seg])
		}
	}
	l.queue.lock()
	waiting := l.queue.frames()
	l.queue.unlock()
	if waiting != underway {
		wrong("%d frames are under way, but %d wait in the queue", underway, waiting)
	}
	return errors.Join(errs...)
}

// verb says what the host does with the frames of a direction.
func (d *direction) verb() string {
	if d.receive {
		return "received"
	}
	return "sent"
}
