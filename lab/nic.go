package lab

import (
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/pcapng"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// The MTUs that an interface may have, and which it has if nothing is said.
const (
	minMTU     = 68 // RFC 791
	maxMTU     = 65535
	defaultMTU = 1500
)

// nic is a host's network card and its link to a segment. It is the stack's
// link.Link.
type nic struct {
	// Every frame touches this cache line, and one more: that of send or that of get.
	lab     *Lab
	at      attachment // to the segment; nil once closed
	sink    link.Sink
	mtu     int32
	up      bool
	id      fingerprint // of host and name, for the lab's fingerprint
	capture *captureFile

	// accepted and delivered count what passed between the stack and its links a second
	// time, for the ledger.
	accepted uint64
	send     direction

	host     *Host
	on       Segment
	name     string
	captured int // the number of the interface in the file

	delivered uint64
	get       direction

	mac    wire.MAC
	router bool // LinkConfig.RouterPort

	_ [40]byte // to the end of a line
}

var _ link.Link = (*nic)(nil)

// attachment is a nic's place on a segment.
type attachment interface {
	// forward takes over a frame that the nic has sent.
	forward(b *packet.Buffer)
	// detach gives the place up.
	detach()
}

func (n *nic) Kind() link.Kind                 { return link.Ethernet }
func (n *nic) MTU() int                        { return int(n.mtu) }
func (n *nic) Address() wire.MAC               { return n.mac }
func (n *nic) Capabilities() link.Capabilities { return link.ChecksumVouched }
func (n *nic) Queues() int                     { return 1 }

// SetFilter is left to the stack, which filters anyway.
func (n *nic) SetFilter(link.Filter) error { return nil }

func (n *nic) Attach(s link.Sink) error {
	n.lab.lock()
	defer n.lab.unlock()
	if n.at == nil {
		return link.ErrClosed
	}
	if s != nil && n.sink != nil {
		return link.ErrInUse
	}
	n.sink = s
	return nil
}

func (n *nic) Close() error {
	n.lab.lock()
	defer n.lab.unlock()
	if n.at == nil {
		return link.ErrClosed
	}
	n.at.detach()
	n.at, n.sink, n.up = nil, nil, false
	return nil
}

// Write takes over the frames that the faults of sending do not refuse.
func (n *nic) Write(frames []*packet.Buffer) (int, error) {
	if n.lab.cfg.Realtime {
		n.lab.mu.Lock()
		defer n.lab.mu.Unlock()
		return n.writeAll(frames)
	}
	return n.writeAll(frames)
}

func (n *nic) writeAll(frames []*packet.Buffer) (int, error) {
	for i, b := range frames {
		if err := n.write(b); err != nil {
			return i, err
		}
	}
	return len(frames), nil
}

func (n *nic) write(b *packet.Buffer) error {
	switch {
	case n.at == nil:
		return link.ErrClosed
	case !n.up:
		return link.ErrDown
	case b.Len() > int(n.mtu)+wire.EthernetHeaderLen:
		return link.ErrTooBig
	}
	n.note(noteSend, uint64(b.Len()))
	b.Mark = 0 // it is the sender's own
	if n.capture != nil {
		n.lab.capture.hold()
		n.lab.capture.add(n, b, pcapng.Outbound)
		defer n.lab.capture.end()
		return n.enter(b)
	}
	return n.enter(b)
}

func (n *nic) enter(b *packet.Buffer) error {
	if !n.send.enter(b) {
		n.note(noteRefuse, uint64(b.Len()))
		return link.ErrQueueFull
	}
	n.accepted++
	return nil
}

// arrived takes the frames that have got to the host out of the books and keeps
// those that it gets, at the front of frames. It returns how many they are.
func (n *nic) arrived(frames []*packet.Buffer) int {
	d := &n.get
	kept := 0
	if n.capture != nil {
		n.lab.capture.hold()
	}
	for _, b := range frames {
		d.underway--
		switch {
		case !n.up || n.sink == nil:
			d.drop(b, drop.LinkDown)
			continue
		case b.Len() > int(n.mtu)+wire.EthernetHeaderLen:
			d.drop(b, drop.LinkTooBig)
			continue
		}
		d.out++
		n.delivered++
		n.note(noteDeliver, 0)
		n.lab.print.addBytes(b.Bytes())
		if n.capture != nil {
			n.lab.capture.add(n, b, pcapng.Inbound)
		}
		frames[kept] = b
		kept++
	}
	for i := kept; i < len(frames); i++ {
		frames[i] = nil
	}
	return kept
}

// takes is arrived and strip for one frame that nothing is in the way of; it
// reports false, having done nothing, if something is.
func (n *nic) takes(b *packet.Buffer) bool {
	if !n.up || n.sink == nil || n.capture != nil || b.Len() > int(n.mtu)+wire.EthernetHeaderLen {
		return false
	}
	d := &n.get
	d.underway--
	d.out++
	n.delivered++
	n.note(noteDeliver, 0)
	n.lab.print.addBytes(b.Bytes())
	strip(b)
	return true
}

// receive takes over a frame from the segment.
func (n *nic) receive(b *packet.Buffer) { n.get.enter(b) }

// dropped tells of a frame that a direction has lost.
func (n *nic) dropped(d *direction, b *packet.Buffer, r drop.Reason) {
	n.note(noteDrop, uint64(r))
	where := "sending"
	if d.receive {
		where = "receiving"
	}
	n.trace(trace.Drop, r, b, where)
}

func (n *nic) trace(step trace.Step, r drop.Reason, b *packet.Buffer, detail string) {
	if n.lab.tracer != nil {
		n.lab.traceFrame(trace.Event{Node: n.host.name, Interface: n.name, Step: step, Reason: r, Detail: detail}, b)
	}
}

// What the fingerprint is fed: kinds of events.
const (
	noteSend = iota + 1
	noteRefuse
	noteDeliver
	noteDrop
	noteSegmentDrop
	noteRead
	noteTask
	noteTaskEnd
)

// note feeds the fingerprint: when, what, by whom.
func (n *nic) note(kind, value uint64) {
	l := n.lab
	p := l.print
	p.add(uint64(l.queue.now()))
	p.add(kind<<48 ^ value)
	p.add(uint64(n.id))
	l.print = p
}

// describe names the nic in messages.
func (n *nic) describe() string { return n.host.name + " " + n.name }
