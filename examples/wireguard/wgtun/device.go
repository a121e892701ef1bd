package wgtun

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/tun"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
)

// batchSize is how many packets go in one Read or Write.
const batchSize = conn.IdealBatchSize

// A Device is a tun.Device whose other side is in this process: a stack, or any
// link that carries IP packets. All methods may be called from any goroutine.
type Device struct {
	name  string
	mtu   func() int
	end   *end      // the stack's side, if New made the Device
	link  link.Link // the other side, if Of did
	queue queue     // packets for WireGuard to read
	drops drop.Counters
	done  atomic.Bool

	readMu sync.Mutex // of the two below: packets that were taken out of the queue
	taken  []*packet.Buffer
	cut    []*packet.Buffer // the datagrams of a train that was the first of those
	space  struct{ taken, cut [batchSize]*packet.Buffer }

	eventMu sync.Mutex
	events  chan tun.Event
	closed  bool
}

var _ tun.Device = (*Device)(nil)

// New returns a Device for a stack, which is given its [Device.Link].
func New(cfg Config) (*Device, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	d := newDevice(cfg)
	d.end = &end{d: d}
	d.end.mtu.Store(int64(cfg.MTU))
	d.mtu = d.end.MTU
	return d, nil
}

// Of returns a Device that reads what comes in by a link of IP packets and
// writes to it. From now on the link is the Device's, and Close closes it; if Of
// fails it remains the caller's.
func Of(l link.Link, cfg Config) (*Device, error) {
	if l.Kind() != link.IP {
		return nil, errors.New("wgtun: WireGuard carries IP packets, and the link has frames of another kind: make it with link.IP, or a TUN device of it")
	}
	cfg.MTU = l.MTU()
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	d := newDevice(cfg)
	d.link = l
	d.mtu = l.MTU
	if err := l.Attach((*taker)(d)); err != nil {
		return nil, fmt.Errorf("wgtun: %w", err)
	}
	return d, nil
}

func newDevice(cfg Config) *Device {
	d := &Device{name: cfg.Name, events: make(chan tun.Event, 1)}
	d.queue.init(cfg.QueueLength)
	d.events <- tun.EventUp
	return d
}

// Link returns the stack's side of a Device that New has made; nil if Of has.
func (d *Device) Link() link.Link {
	if d.end == nil {
		return nil
	}
	return d.end
}

// Name returns what Config.Name says.
func (d *Device) Name() (string, error) { return d.name, nil }

// File returns nil: there is no descriptor.
func (d *Device) File() *os.File { return nil }

// BatchSize returns how many packets Read and Write take at a time.
func (d *Device) BatchSize() int { return batchSize }

// MTU returns the longest IP packet, in bytes.
func (d *Device) MTU() (int, error) { return d.mtu(), nil }

// SetMTU changes the MTU of a Device that New has made, on both its sides.
func (d *Device) SetMTU(mtu int) error {
	if d.end == nil {
		return errors.New("wgtun: the MTU is the link's: change it there and call MTUChanged")
	}
	if err := checkMTU(mtu); err != nil {
		return err
	}
	d.end.mtu.Store(int64(mtu))
	d.MTUChanged()
	return nil
}

// MTUChanged tells WireGuard to ask for the MTU again.
func (d *Device) MTUChanged() {
	d.eventMu.Lock()
	defer d.eventMu.Unlock()
	if d.closed {
		return
	}
	event := tun.Event(tun.EventMTUUpdate)
	select {
	case waiting := <-d.events: // events are a set: nobody has to wait for their reader
		event |= waiting
	default:
	}
	d.events <- event
}

// Events returns the channel that says EventUp once, and EventMTUUpdate whenever
// the MTU has changed. Close closes it.
func (d *Device) Events() <-chan tun.Event { return d.events }

// Drops counts the packets that were lost in the Device: LinkQueueFull if WireGuard
// did not read what came in by a link fast enough, LinkTooBig if one did not fit its buffer,
// PacketMalformed if one that was marked as a train was none, LinkDown if it waited
// when the Device was closed; and of those from WireGuard LinkNoPeer,
// LinkTooBig and what else the link that they are written to refuses them for. A
// train counts as its datagrams.
func (d *Device) Drops() *drop.Counters { return &d.drops }

// Read waits for packets and copies them, one to a buffer, to where offset says. It
// needs a buffer at least. After Close it returns os.ErrClosed.
func (d *Device) Read(bufs [][]byte, sizes []int, offset int) (n int, err error) {
	d.readMu.Lock()
	defer d.readMu.Unlock()
	for n < len(bufs) {
		b := d.next(n == 0)
		if b == nil {
			break
		}
		if b.Len() <= len(bufs[n])-offset {
			sizes[n] = copy(bufs[n][offset:], b.Bytes())
			n++
		} else {
			d.drops.Add(drop.LinkTooBig, 1)
		}
		b.Release()
	}
	if n == 0 {
		return 0, os.ErrClosed
	}
	return n, nil
}

// next returns the next packet for WireGuard, whole and with its checksum. If there
// is none, it waits or returns nil; nil also if the Device is closed.
func (d *Device) next(wait bool) *packet.Buffer {
	for {
		if len(d.cut) > 0 {
			return pop(&d.cut)
		}
		if len(d.taken) == 0 {
			if !wait {
				return nil
			}
			d.taken = d.space.taken[:d.queue.take(d.space.taken[:])]
			if len(d.taken) == 0 {
				return nil
			}
		}
		b := pop(&d.taken)
		switch {
		case b.SegmentSize != 0:
			cut, err := link.Cut(d.space.cut[:0], b, link.IP)
			if err != nil {
				d.drops.Add(drop.PacketMalformed, 1)
			}
			d.cut = cut
			b.Release()
		case b.Flags&packet.ChecksumPartial != 0:
			return link.FinishChecksum(b, link.IP)
		default:
			return b
		}
	}
}

// pop takes the first packet off a slice.
func pop(ps *[]*packet.Buffer) *packet.Buffer {
	b := (*ps)[0]
	(*ps)[0] = nil
	*ps = (*ps)[1:]
	return b
}

// A batch is the packets of one Write.
type batch [batchSize]*packet.Buffer

var batches = sync.Pool{New: func() any { return new(batch) }}

// Write delivers the packets, which begin where offset says, on the other side,
// and returns how many it took. After Close it returns os.ErrClosed.
func (d *Device) Write(bufs [][]byte, offset int) (int, error) {
	ps := batches.Get().(*batch)
	defer batches.Put(ps)
	done := 0
	for done < len(bufs) {
		if d.done.Load() {
			return done, os.ErrClosed
		}
		n, lane := 0, 0
		for done < len(bufs) && n < len(ps) {
			p := bufs[done][offset:]
			done++
			switch {
			case len(p) == 0: // a keepalive is no packet
				continue
			case len(p) > packet.MaxSize:
				d.drops.Add(drop.LinkTooBig, 1)
				continue
			case n == 0:
				lane = laneOf(p)
			}
			ps[n] = packet.New(len(p))
			copy(ps[n].Append(len(p)), p)
			n++
		}
		if n > 0 {
			d.deliver(lane, ps[:n])
			clear(ps[:n])
		}
	}
	return done, nil
}

// deliver hands packets over to the other side.
func (d *Device) deliver(lane int, ps []*packet.Buffer) {
	var n int
	var err error
	if d.end != nil {
		n, err = d.end.deliver(lane, ps)
	} else {
		n, err = d.link.Write(ps)
	}
	if n < len(ps) {
		d.drops.Add(reasonOf(err), datagrams(ps[n:]))
		packet.ReleaseAll(ps[n:])
	}
}

// reasonOf names what is lost because a link refuses it.
func reasonOf(err error) drop.Reason {
	switch {
	case errors.Is(err, link.ErrQueueFull):
		return drop.LinkQueueFull
	case errors.Is(err, link.ErrTooBig):
		return drop.LinkTooBig
	case errors.Is(err, link.ErrNoPeer):
		return drop.LinkNoPeer
	case errors.Is(err, link.ErrDown), errors.Is(err, link.ErrClosed):
		return drop.LinkDown
	}
	return drop.LinkError
}

// Close ends Read and Write, and closes the link if Of was given one. What still
// waits is dropped. A stack on the other side goes on, and has its packets refused.
// A second Close returns os.ErrClosed.
func (d *Device) Close() error {
	if d.done.Swap(true) {
		return os.ErrClosed
	}
	lost := d.queue.close() // and with it a Read that waits
	d.readMu.Lock()
	lost += datagrams(d.taken) + datagrams(d.cut)
	packet.ReleaseAll(d.taken)
	packet.ReleaseAll(d.cut)
	d.taken, d.cut = nil, nil
	d.readMu.Unlock()
	d.drops.Add(drop.LinkDown, lost)
	d.eventMu.Lock()
	d.closed = true
	close(d.events)
	d.eventMu.Unlock()
	if d.link != nil {
		return d.link.Close()
	}
	return nil
}

// A taker is a Device as the link that Of was given sees it.
type taker Device

// Accepts says that trains and unfinished checksums are taken as they are.
func (t *taker) Accepts() link.Capabilities { return offloads }

// Deliver queues packets that came in by the link.
func (t *taker) Deliver(_ int, ps []*packet.Buffer) {
	n, err := t.queue.put(ps)
	if n < len(ps) {
		t.drops.Add(reasonOf(err), datagrams(ps[n:]))
		packet.ReleaseAll(ps[n:])
	}
}
