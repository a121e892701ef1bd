package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	captures "github.com/castnet-go/castnet/internal/capture"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/pcapng"
	"github.com/castnet-go/castnet/trace"
)

// capture writes what the hosts' cards send and receive, a file a host. It is the
// lab's Tracer too, from which it learns what is dropped.
type capture struct {
	lab   *Lab
	dir   string
	inner trace.Tracer // Config.Tracer
	ids   atomic.Uint64
	book  captures.Book

	mu     sync.Mutex
	files  map[*Host]*captureFile
	opened []*os.File
	closed bool
}

type captureFile = captures.File

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
		if f, err = c.book.Open(n.host.name, file, "host "+n.host.name); err != nil {
			file.Close()
			return fmt.Errorf("capture: %w", err)
		}
		c.opened = append(c.opened, file)
		c.files[n.host] = f
	}
	id, err := f.AddInterface(n.name, n.host.name+" "+n.name+" on "+on.Name(), pcapng.Ethernet)
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	n.capture, n.captured = f, id
	return nil
}

// hold begins a call in which packets are added, and end ends it; calls nest.
func (c *capture) hold() { c.book.Hold() }
func (c *capture) end()  { c.book.End() }

// add notes a packet of a nic.
func (c *capture) add(n *nic, b *packet.Buffer, d pcapng.Direction) {
	if b.ID == 0 {
		b.ID = c.NewID()
	}
	n.capture.Add(nil, n.captured, b, c.lab.queue.Now(), d)
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
	c.book.Drop(e)
	if c.inner != nil {
		c.inner.Trace(e)
	}
}

// flush writes out everything that is buffered, unless the files are closed.
func (c *capture) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flushLocked()
}

func (c *capture) flushLocked() error {
	if c.closed {
		return nil
	}
	if err := c.book.Flush(); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	return nil
}

func (c *capture) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	errs := []error{c.flushLocked()}
	c.closed = true
	for _, f := range c.opened {
		errs = append(errs, f.Close())
	}
	c.opened = nil
	return errors.Join(errs...)
}
