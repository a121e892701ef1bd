package wgtun

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.zx2c4.com/wireguard/tun"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// headroom is the room in front of the packets that are given to a tun.Device: what
// wireguard-go itself leaves (device.MessageTransportHeaderSize). Some devices put
// a header of their own there.
const headroom = 16

// A Link is a link on a tun.Device. All methods may be called from any goroutine.
type Link struct {
	dev   tun.Device
	mtu   atomic.Int64
	down  atomic.Bool // the device has said so
	queue queue       // packets for the device
	drops drop.Counters
	wait  sync.WaitGroup // for the goroutines

	mu      sync.RWMutex // held while delivering, so that Attach(nil) can wait
	sink    link.Sink
	reading bool
	closed  bool

	failure   sync.Once
	done      chan struct{}
	doneError error // valid when done is closed
}

var _ link.Link = (*Link)(nil)

// NewLink makes a link of a tun.Device. From now on the device is the Link's, and
// Close closes it; if NewLink fails it remains the caller's.
func NewLink(dev tun.Device, cfg Config) (*Link, error) {
	mtu, err := dev.MTU()
	if err != nil {
		return nil, fmt.Errorf("wgtun: asking for the MTU: %w", err)
	}
	cfg.MTU = mtu
	if cfg, err = cfg.withDefaults(); err != nil {
		return nil, err
	}
	l := &Link{dev: dev, done: make(chan struct{})}
	l.mtu.Store(int64(cfg.MTU))
	l.queue.init(cfg.QueueLength)
	l.wait.Go(l.watch)
	l.wait.Go(l.write)
	return l, nil
}

// Kind, MTU, Address, Capabilities and Queues say what the link is.
func (l *Link) Kind() link.Kind                 { return link.IP }
func (l *Link) MTU() int                        { return int(l.mtu.Load()) }
func (l *Link) Address() wire.MAC               { return wire.MAC{} }
func (l *Link) Capabilities() link.Capabilities { return 0 }
func (l *Link) Queues() int                     { return 1 }

// SetFilter does nothing: everything is handed up.
func (l *Link) SetFilter(link.Filter) error { return nil }

// Drops counts the packets that the Link had accepted and that never left, as
// LinkError if the device refused them and as LinkDown if they waited when the
// Link was closed; and of those that came in LinkNoPeer if no sink was attached,
// LinkError if the device itself says that it has lost some.
func (l *Link) Drops() *drop.Counters { return &l.drops }

// Done is closed when the Link has stopped to work: closed, or its device gone.
func (l *Link) Done() <-chan struct{} { return l.done }

// Err returns why the Link has stopped to work; nil as long as it does.
func (l *Link) Err() error {
	select {
	case <-l.done:
		return l.doneError
	default:
		return nil
	}
}

// fail notes that the Link does not work any more.
func (l *Link) fail(err error) {
	l.failure.Do(func() {
		l.doneError = err
		close(l.done)
	})
}

// Attach makes sink the receiver of what comes in and starts to read; while one
// is attached another is link.ErrInUse. Attach(nil) detaches, and when it returns
// the sink is called no more; what comes in from then on is dropped.
func (l *Link) Attach(sink link.Sink) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case sink == nil:
	case l.closed:
		return link.ErrClosed
	case l.sink != nil:
		return link.ErrInUse
	case !l.reading:
		l.reading = true
		l.wait.Go(l.read)
	}
	l.sink = sink
	return nil
}

// Write queues packets for the device. The error is about the first that it did
// not take: link.ErrTooBig, link.ErrQueueFull, link.ErrDown if the device is down
// or gone, link.ErrClosed.
func (l *Link) Write(ps []*packet.Buffer) (int, error) {
	if err := l.Err(); err != nil {
		return 0, err
	}
	if l.down.Load() {
		return 0, link.ErrDown
	}
	fit, mtu := 0, l.MTU()
	for fit < len(ps) && ps[fit].Len() <= mtu {
		fit++
	}
	n, err := l.queue.put(ps[:fit])
	if err == nil && fit < len(ps) {
		err = link.ErrTooBig
	}
	return n, err
}

// Close detaches the sink, drops what waits, closes the device and joins the
// goroutines. A second Close returns link.ErrClosed.
func (l *Link) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return link.ErrClosed
	}
	l.closed, l.sink = true, nil
	l.mu.Unlock()
	l.fail(link.ErrClosed)
	l.drops.Add(drop.LinkDown, l.queue.close())
	err := l.dev.Close()
	l.wait.Wait()
	return err
}

// watch heeds what the device says of itself, until it is closed.
func (l *Link) watch() {
	for event := range l.dev.Events() {
		if event&tun.EventMTUUpdate != 0 {
			// An MTU that cannot be is not taken over.
			if mtu, err := l.dev.MTU(); err == nil && checkMTU(mtu) == nil {
				l.mtu.Store(int64(mtu))
			}
		}
		if event&tun.EventUp != 0 {
			l.down.Store(false)
		}
		if event&tun.EventDown != 0 {
			l.down.Store(true)
		}
	}
}

// read hands up what comes in until the device is closed, or fails.
func (l *Link) read() {
	const longest = headroom + 65535
	n := l.dev.BatchSize()
	bufs, sizes, ps := make([][]byte, n), make([]int, n), make([]*packet.Buffer, 0, n)
	for i, all := 0, make([]byte, n*longest); i < n; i++ {
		bufs[i] = all[i*longest : (i+1)*longest : (i+1)*longest]
	}
	for {
		n, err := l.dev.Read(bufs, sizes, headroom)
		for i, size := range sizes[:n] {
			if size > 0 {
				b := packet.New(size)
				copy(b.Append(size), bufs[i][headroom:])
				ps = append(ps, b)
			}
		}
		if len(ps) > 0 {
			l.deliver(ps)
			clear(ps)
			ps = ps[:0]
		}
		if errors.Is(err, tun.ErrTooManySegments) {
			l.drops.Add(drop.LinkError, 1) // at least; it goes on
			continue
		}
		if err != nil {
			l.fail(link.ErrDown)
			return
		}
	}
}

func (l *Link) deliver(ps []*packet.Buffer) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.sink == nil {
		l.drops.Add(drop.LinkNoPeer, len(ps))
		packet.ReleaseAll(ps)
		return
	}
	l.sink.Deliver(0, ps)
}

// write gives the device what waits, until the queue is closed.
func (l *Link) write() {
	size := l.dev.BatchSize()
	bufs, ps := make([][]byte, size), make([]*packet.Buffer, size)
	for {
		n := l.queue.take(ps)
		if n == 0 {
			return
		}
		for i, b := range ps[:n] {
			ps[i] = roomy(b)
			bufs[i] = ps[i].Bytes()
		}
		if _, err := l.dev.Write(bufs[:n], headroom); err != nil {
			l.drops.Add(drop.LinkError, n)
		}
		clear(bufs[:n])
		packet.ReleaseAll(ps[:n])
	}
}

// roomy returns b with headroom in front that belongs to its window, and nobody
// else reading its bytes: a device may write its header there and, to send many
// packets as one, append others.
func roomy(b *packet.Buffer) *packet.Buffer {
	b = b.Writable()
	if front, _ := b.Room(); front < headroom {
		c := packet.New(b.Len())
		copy(c.Append(b.Len()), b.Bytes())
		b.Release()
		b = c
	}
	b.Prepend(headroom)
	return b
}
