package lab

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// Config says what a lab is like. The zero Config is one in virtual time with
// the seed 0.
type Config struct {
	// Seed is where all that is random in the lab comes from: faults, ports,
	// what tasks draw by Host.Rand. Zero is a seed like any other.
	Seed uint64

	// Realtime makes the lab live in the time of the clock on the wall, and
	// tasks goroutines. Nothing is then repeatable.
	Realtime bool

	// Tracer is told every step of every packet, on hosts, links and
	// switches. If nil, nobody is.
	Tracer trace.Tracer

	// Capture is a directory into which the lab writes what each host sends
	// and receives, a pcapng file a host. If empty, nothing is written.
	Capture string

	// Stack is what the hosts' stacks are like. Its Name, Clock, Seed,
	// Tracer and Forwarding are the lab's to set. If its DADTransmits is zero, IPv6
	// addresses are not tested, and so can be used from the beginning.
	Stack stack.Config

	// MaxEvents is how many events may happen at one instant before Run
	// gives up with an error, for what answers itself without any delay
	// would never let the time pass. If zero, ten million.
	MaxEvents int
}

// A Lab is a network in this process. Make it with [New].
//
// Unless it is in real time, a Lab, its hosts and their sockets are for one
// goroutine: the one that builds the lab and calls Run, and on its behalf tasks
// and callbacks. A task must not hand them to a goroutine that it starts.
type Lab struct {
	cfg    Config
	queue  queue
	tracer trace.Tracer
	ctx    context.Context
	cancel context.CancelFunc

	running atomic.Bool
	loopMu  sync.Mutex // held by the loop in real time

	mu       sync.Mutex // in real time only; it may be held when queue.mu is taken
	print    fingerprint
	closed   bool
	err      error // the first mistake in building the lab
	names    map[string]bool
	hosts    []*Host
	strays   []*Host // that are not part of the lab, by such a mistake
	segments []Segment
	bridges  []*Bridge
	macs     map[wire.MAC]bool
	capture  *capture

	partitioned bool // some hosts may be in different groups

	current  *task // that runs now
	tasks    []*task
	group    sync.WaitGroup // of the tasks in real time
	failures []error        // of tasks that have ended
	batch    [batchLen]*packet.Buffer
}

// New makes an empty lab.
func New(cfg Config) *Lab {
	if cfg.MaxEvents <= 0 {
		cfg.MaxEvents = 10_000_000
	}
	l := &Lab{cfg: cfg, tracer: cfg.Tracer, print: hashStart, names: make(map[string]bool), macs: make(map[wire.MAC]bool)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.queue.realtime = cfg.Realtime
	l.queue.start = clock.Epoch
	if cfg.Realtime {
		l.queue.start = time.Now()
		l.queue.kick = make(chan struct{}, 1)
	}
	if cfg.Capture != "" {
		l.capture = newCapture(l, cfg.Capture)
		l.tracer = l.capture
	}
	return l
}

// lock and unlock guard links and counters where any goroutine may send.
func (l *Lab) lock() {
	if l.cfg.Realtime {
		l.mu.Lock()
	}
}

func (l *Lab) unlock() {
	if l.cfg.Realtime {
		l.mu.Unlock()
	}
}

// Seed returns the lab's seed.
func (l *Lab) Seed() uint64 { return l.cfg.Seed }

// Clock returns the clock by which everything in the lab goes.
func (l *Lab) Clock() clock.Clock { return &l.queue }

// Elapsed returns how much of the lab's time has passed since it was made.
func (l *Lab) Elapsed() time.Duration { return time.Duration(l.queue.now()) }

// Fingerprint returns a hash of every event so far: what was sent, delivered,
// read and dropped, when, by whom, and of the bytes; and of the hosts' counters.
// Two runs of the same lab with the same seed have the same fingerprint, on any
// machine. In real time it means nothing.
func (l *Lab) Fingerprint() uint64 {
	l.lock()
	defer l.unlock()
	p := l.print
	for _, h := range l.hosts {
		p.addString(h.name)
		g := h.stack.Ledger()
		for _, n := range [...]uint64{g.In, g.Generated, g.Cloned, g.Split, g.Delivered, g.Sent, g.Consumed, g.Merged, g.Dropped, g.Held} {
			p.add(n)
		}
		for r, n := range h.stack.Drops().All() {
			p.add(uint64(r))
			p.add(n)
		}
	}
	return uint64(p)
}

// derive returns a seed of its own for a purpose of a host. It does not depend
// on what other hosts there are.
func (l *Lab) derive(host, purpose string) [32]byte {
	b := []byte("castnet lab\x00")
	b = binary.LittleEndian.AppendUint64(b, l.cfg.Seed)
	b = append(b, purpose...)
	b = append(b, 0)
	b = append(b, host...)
	return sha256.Sum256(b)
}

func (l *Lab) source(host, purpose string) *rand.Rand {
	s := l.derive(host, purpose)
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(s[:]), binary.LittleEndian.Uint64(s[8:])))
}

// mac returns an address for a host's interface: locally administered, the same
// whatever other hosts there are, and in this lab nobody else's.
func (l *Lab) mac(host, ifname string) wire.MAC {
	for try := 0; ; try++ {
		h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", host, ifname, try))
		m := wire.MAC{0x02, h[0], h[1], h[2], h[3], h[4]}
		if !l.macs[m] {
			l.macs[m] = true
			return m
		}
	}
}

// claim takes a name for a host or a segment. It must do as a file's name and
// as a host's, and not be an address.
func (l *Lab) claim(what, name string) error {
	if err := l.free(name); err != nil {
		err = fmt.Errorf("lab: %s %q: %w", what, name, err)
		if l.err == nil {
			l.err = err
		}
		return err
	}
	l.names[name] = true
	return nil
}

// free says why a name cannot be taken; nil: it can.
func (l *Lab) free(name string) error {
	err := CheckName(name)
	switch {
	case l.closed:
		err = errClosed
	case err == nil && l.names[name]:
		err = errors.New("the name is taken")
	}
	return err
}

// CheckName says what is wrong with a name for a host or a segment; nil: nothing.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("a name is needed")
	case len(name) > 63:
		return errors.New("the name is longer than 63 characters")
	case name == "localhost":
		return errors.New("localhost is every host's own name for itself")
	case name[0] == '.' || name[0] == '-':
		return errors.New("a name begins with a letter, a digit or _")
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return errors.New("a name consists of letters, digits, -, _ and dots")
		}
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return errors.New("the name is an address")
	}
	return nil
}

// AddSwitch adds a switch. If the name cannot be used, attaching to it and Run
// return the reason.
func (l *Lab) AddSwitch(name string) *Switch {
	l.lock()
	defer l.unlock()
	s := &Switch{stations: make(map[uint64]*station)}
	s.init(l, "switch", name)
	if s.err == nil {
		l.segments = append(l.segments, s)
	}
	return s
}

// AddCable adds a cable: a segment for two. If the name cannot be used,
// attaching to it and Run return the reason.
func (l *Lab) AddCable(name string) *Cable {
	l.lock()
	defer l.unlock()
	c := new(Cable)
	c.init(l, "cable", name)
	if c.err == nil {
		l.segments = append(l.segments, c)
	}
	return c
}

func (s *segment) init(l *Lab, what, name string) {
	s.lab, s.name, s.hash = l, name, hashStart
	s.hash.addString(name)
	s.err = l.claim(what, name)
}

// Hosts returns the lab's hosts, routers included, in the order of adding.
func (l *Lab) Hosts() []*Host {
	l.lock()
	defer l.unlock()
	return append([]*Host(nil), l.hosts...)
}

// Host returns the host or router of that name, or nil.
func (l *Lab) Host(name string) *Host {
	l.lock()
	defer l.unlock()
	return l.host(name)
}

func (l *Lab) host(name string) *Host {
	for _, h := range l.hosts {
		if h.name == name {
			return h
		}
	}
	return nil
}

// Partition parts the hosts that are named into groups. Frames from a host of
// one group to a host of another are lost (drop LinkLoss) where they would meet,
// on a segment to which both are attached; a router is a host too, and so is a
// bridge, which stands for all who are behind it. Hosts that are not named hear
// everybody and are heard. It replaces an earlier partition; with no groups it
// ends it.
func (l *Lab) Partition(groups ...[]string) error {
	l.lock()
	defer l.unlock()
	of := make(map[*Host]int)
	for i, g := range groups {
		for _, name := range g {
			h := l.station(name)
			if h == nil {
				return fmt.Errorf("lab: partition: there is no host %q", name)
			}
			if n, twice := of[h]; twice && n != i+1 {
				return fmt.Errorf("lab: partition: host %q is in two groups", name)
			}
			of[h] = i + 1
		}
	}
	for _, h := range l.hosts {
		h.group = of[h]
	}
	l.partitioned = len(of) > 0
	for _, b := range l.bridges {
		b.station.group = of[&b.station]
	}
	return nil
}

// station returns the host or bridge of that name, or nil.
func (l *Lab) station(name string) *Host {
	for _, b := range l.bridges {
		if b.station.name == name {
			return &b.station
		}
	}
	return l.host(name)
}

// parted reports whether a partition is between two hosts.
func (h *Host) parted(o *Host) bool { return h.group != o.group && h.group != 0 && o.group != 0 }

// traceFrame completes an event and tells the tracer. The frame begins with its
// Ethernet header.
func (l *Lab) traceFrame(e trace.Event, b *packet.Buffer) {
	if b.ID == 0 {
		b.ID = l.tracer.NewID()
	}
	e.Time, e.Packet, e.Frame, e.Layer = l.queue.Now(), b.ID, b.Bytes(), trace.LayerEthernet
	l.tracer.Trace(&e)
}
