package lab

import (
	"errors"
	"fmt"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
)

// A Bridge joins a segment of the lab to a link that leads out of it: a TAP
// device, and by it the kernel and whatever the kernel reaches. Stations out
// there are as if they were on the segment. Make it with [Lab.Bridge].
type Bridge struct {
	station Host // what stands at the segment; it has no stack
	nic     *nic
	outside link.Link

	// What came from outside and what went there, under the lab's lock.
	// in = accepted by the nic + dropped on the way in,
	// delivered by the nic = out + dropped on the way out.
	in, out         uint64
	lostIn, lostOut dropCounts
}

// Bridge joins a segment to a link that leads out of the lab. The lab must be in
// real time (Config.Realtime): what is outside does not wait. The bridge takes
// in every frame, whomever it is for, so the link must be one of Ethernet frames,
// to which nothing is attached.
//
// Faults strike what comes from outside, Receive what goes there. Addresses must
// be empty, since a bridge is no host. If MTU is zero, it is the link's.
//
// The lab closes the link when it is closed. If there is an error, nothing has
// changed, and the link is still the caller's.
func (l *Lab) Bridge(name string, to Segment, outside link.Link, cfg LinkConfig) (*Bridge, error) {
	b := &Bridge{outside: outside}
	if err := l.bridge(b, name, to, cfg); err != nil {
		return nil, fmt.Errorf("lab: bridge %q: %w", name, err)
	}
	return b, nil
}

func (l *Lab) bridge(b *Bridge, name string, to Segment, cfg LinkConfig) error {
	switch {
	case b.outside == nil:
		return errors.New("to no link")
	case !l.cfg.Realtime:
		return errors.New("what is outside does not go by the lab's virtual time: set Config.Realtime")
	case b.outside.Kind() != link.Ethernet:
		return errors.New("the link does not carry Ethernet frames")
	case len(cfg.Addresses) > 0:
		return errors.New("a bridge has no addresses; those outside have theirs")
	}
	if cfg.MTU == 0 {
		cfg.MTU = b.outside.MTU()
	}
	if err := b.outside.SetFilter(link.Filter{Mode: link.Promiscuous}); err != nil {
		return fmt.Errorf("setting the link's filter: %w", err)
	}
	l.lock()
	h := &b.station
	h.lab, h.name, h.id = l, name, hashStart
	h.id.addString(name)
	h.faults = l.source(name, "faults")
	err := l.free(name)
	if err == nil {
		l.names[name] = true
	}
	l.unlock()
	if err != nil {
		return err
	}
	if b.nic, err = h.plug(to, cfg); err == nil {
		// A link may deliver from inside the call: no lock is held.
		if err = b.nic.Attach((*bridgeInside)(b)); err == nil {
			err = b.outside.Attach((*bridgeOutside)(b))
		}
		if err == nil {
			err = l.keep(b)
		}
		if err != nil {
			b.nic.Close()
		}
	}
	if err != nil {
		l.lock()
		delete(l.names, name)
		l.unlock()
	}
	return err
}

// keep makes a bridge the lab's, unless the lab was closed meanwhile.
func (l *Lab) keep(b *Bridge) error {
	l.lock()
	closed := l.closed
	if !closed {
		l.bridges = append(l.bridges, b)
	}
	l.unlock()
	if closed {
		b.outside.Attach(nil)
		return errClosed
	}
	return nil
}

// Name returns the bridge's name.
func (b *Bridge) Name() string { return b.station.name }

// close closes the link, and detaches the bridge from the segment.
func (b *Bridge) close() error {
	err := b.outside.Close()
	b.nic.Close()
	if err != nil {
		err = fmt.Errorf("lab: bridge %q: %w", b.station.name, err)
	}
	return err
}

// bridgeOutside is the bridge as the receiver of what comes from outside.
type bridgeOutside Bridge

// Deliver sends frames from outside into the segment.
func (b *bridgeOutside) Deliver(_ int, frames []*packet.Buffer) {
	l := b.nic.lab
	l.lock()
	defer l.unlock()
	for _, f := range frames {
		b.in++
		if err := b.nic.write(f); err != nil {
			b.lostIn.add(reasonOf(err))
			b.nic.trace(trace.Drop, reasonOf(err), f, "coming in")
			f.Release()
		}
	}
}

// bridgeInside is the bridge as the receiver of what the segment has for it.
type bridgeInside Bridge

// Deliver sends frames of the segment to the outside.
func (b *bridgeInside) Deliver(_ int, frames []*packet.Buffer) {
	l := b.nic.lab
	count, lost := len(frames), 0
	if b.outside.Capabilities()&link.ChecksumTransmit == 0 {
		// In the lab nobody completes them, for nobody would look.
		for i, f := range frames {
			if f.Flags&packet.ChecksumPartial != 0 {
				frames[i] = link.FinishChecksum(f, link.Ethernet)
			}
		}
	}
	for len(frames) > 0 {
		n, err := b.outside.Write(frames)
		frames = frames[n:]
		if len(frames) == 0 || err == nil && n > 0 {
			continue
		}
		// The one that was refused. Those behind it may fare better.
		reason := reasonOf(err)
		lost++
		l.lock()
		b.lostOut.add(reason)
		b.nic.trace(trace.Drop, reason, frames[0], "going out")
		l.unlock()
		frames[0].Release()
		frames = frames[1:]
	}
	l.lock()
	b.out += uint64(count - lost)
	l.unlock()
}

// reasonOf names the loss of a frame that a link refused.
func reasonOf(err error) drop.Reason {
	switch {
	case errors.Is(err, link.ErrQueueFull):
		return drop.LinkQueueFull
	case errors.Is(err, link.ErrTooBig):
		return drop.LinkTooBig
	case errors.Is(err, link.ErrDown), errors.Is(err, link.ErrClosed):
		return drop.LinkDown
	case errors.Is(err, link.ErrNoPeer):
		return drop.LinkNoPeer
	}
	return drop.LinkError
}
