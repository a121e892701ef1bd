package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/pcapng"
	"github.com/castnet-go/castnet/trace"
)

// capture writes what the hosts' cards send and receive, a file a host. It is
// the lab's Tracer too, from which it learns what is dropped: a packet that is
// dropped before the call is over by which it was sent or received has the
// reason as its comment; one that is dropped later is written once more, where
// that happens, with the comment.
type capture struct {
	lab   *Lab
	dir   string
	inner trace.Tracer // Config.Tracer
	ids   atomic.Uint64

	mu      sync.Mutex
	files   map[*Host]*captureFile
	holds   int // calls under way
	pending []pendingPacket
	err     error
}

// maxPending bounds the packets whose call is not over.
const maxPending = 1024

type captureFile struct {
	host *Host
	f    *os.File
	w    *pcapng.Writer
	nics map[string]int // the interfaces' numbers in the file
	ip   int            // that of packets without an Ethernet header; -1: none yet
}

// pendingPacket is a packet whose call is not over.
type pendingPacket struct {
	file      *captureFile
	iface     int
	id        uint64
	at        time.Time
	direction pcapng.Direction
	data      []byte
	comment   string
}

func newCapture(l *Lab, dir string) *capture {
	return &capture{lab: l, dir: dir, inner: l.cfg.Tracer, files: make(map[*Host]*captureFile)}
}

// open describes a nic in its host's file, which it makes if there is none yet.
func (c *capture) open(n *nic, on Segment) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.files[n.host]
	if f == nil {
		if err := os.MkdirAll(c.dir, 0o777); err != nil {
			return fmt.Errorf("capture: %w", err)
		}
		file, err := os.Create(filepath.Join(c.dir, n.host.name+".pcapng"))
		if err != nil {
			return fmt.Errorf("capture: %w", err)
		}
		f = &captureFile{host: n.host, f: file, nics: make(map[string]int), ip: -1}
		if f.w, err = pcapng.NewWriter(file, pcapng.Section{Application: "castnet", Comment: "host " + n.host.name}); err != nil {
			file.Close()
			return fmt.Errorf("capture: %w", err)
		}
		c.files[n.host] = f
	}
	id, err := f.w.AddInterface(pcapng.Interface{
		Name: n.name, Description: n.host.name + " " + n.name + " on " + on.Name(), LinkType: pcapng.Ethernet,
	})
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	f.nics[n.name] = id
	n.capture, n.captured = f, id
	return nil
}

// hold begins a call in which packets are added, and end ends it; calls nest.
func (c *capture) hold() {
	c.mu.Lock()
	c.holds++
	c.mu.Unlock()
}

func (c *capture) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.holds--; c.holds == 0 {
		c.write()
	}
}

// add notes a packet of a nic.
func (c *capture) add(n *nic, b *packet.Buffer, d pcapng.Direction) {
	if b.ID == 0 {
		b.ID = c.NewID()
	}
	at := c.lab.queue.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) >= maxPending {
		c.write()
	}
	c.note(n.capture, n.captured, b.ID, at, d, b.Bytes(), "")
}

func (c *capture) note(f *captureFile, iface int, id uint64, at time.Time, d pcapng.Direction, data []byte, comment string) {
	n := len(c.pending)
	if n == cap(c.pending) {
		c.pending = append(c.pending, pendingPacket{})
	}
	c.pending = c.pending[:n+1]
	p := &c.pending[n]
	*p = pendingPacket{file: f, iface: iface, id: id, at: at, direction: d, data: append(p.data[:0], data...), comment: comment}
}

// write writes what is pending.
func (c *capture) write() {
	for i := range c.pending {
		p := &c.pending[i]
		err := p.file.w.WritePacket(&pcapng.Packet{
			Interface: p.iface, Time: p.at, Data: p.data, Direction: p.direction, Comment: p.comment,
		})
		if err != nil && c.err == nil {
			c.err = fmt.Errorf("lab: capture of host %s: %w", p.file.host.name, err)
		}
	}
	c.pending = c.pending[:0]
}

// NewID returns a packet's number, the Tracer's if there is one.
func (c *capture) NewID() uint64 {
	if c.inner != nil {
		return c.inner.NewID()
	}
	return c.ids.Add(1)
}

// Trace looks for drops and tells the Tracer.
func (c *capture) Trace(e *trace.Event) {
	if e.Step == trace.Drop {
		c.dropped(e)
	}
	if c.inner != nil {
		c.inner.Trace(e)
	}
}

func (c *capture) dropped(e *trace.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// The latest packet of that number is the one that is dropped.
	for i := len(c.pending) - 1; i >= 0; i-- {
		if p := &c.pending[i]; p.id == e.Packet {
			if p.comment != "" {
				p.comment += "; "
			}
			p.comment += dropComment(e, p.file.host.name)
			return
		}
	}
	for _, f := range c.files {
		if f.host.name == e.Node {
			if err := c.later(f, e); err != nil && c.err == nil {
				c.err = fmt.Errorf("lab: capture of host %s: %w", f.host.name, err)
			}
		}
	}
}

// later writes a packet that was dropped after its call was over.
func (c *capture) later(f *captureFile, e *trace.Event) error {
	iface := -1
	switch e.Layer {
	case trace.LayerEthernet:
		if id, ok := f.nics[e.Interface]; ok {
			iface = id
		}
	case trace.LayerIP:
		if f.ip < 0 {
			var err error
			f.ip, err = f.w.AddInterface(pcapng.Interface{
				Name: "ip", Description: f.host.name + ", dropped without an Ethernet header", LinkType: pcapng.IP,
			})
			if err != nil {
				return err
			}
		}
		iface = f.ip
	}
	if iface < 0 {
		return nil // there is nothing to show
	}
	c.note(f, iface, e.Packet, e.Time, pcapng.UnknownDirection, e.Frame, dropComment(e, f.host.name))
	if c.holds == 0 {
		c.write()
	}
	return nil
}

// dropComment says why and, if it was not at the file's host, where.
func dropComment(e *trace.Event, host string) string {
	s := "dropped: " + e.Reason.String()
	if e.Node != host {
		s = "dropped at " + e.Node + ": " + e.Reason.String()
	} else if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	return s
}

// flush writes out everything that is buffered.
func (c *capture) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.write()
	errs := []error{c.err}
	c.err = nil
	for _, f := range c.files {
		if err := f.w.Flush(); err != nil {
			errs = append(errs, fmt.Errorf("lab: capture of host %s: %w", f.host.name, err))
		}
	}
	return errors.Join(errs...)
}

func (c *capture) close() error {
	err := c.flush()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.files {
		err = errors.Join(err, f.f.Close())
	}
	c.files = nil
	return err
}
