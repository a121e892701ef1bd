package pcap

import (
	"fmt"
	"io"
	"sync/atomic"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/internal/capture"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/pcapng"
	"github.com/castnet-go/castnet/trace"
)

// Config says how to capture. The zero Config is good.
type Config struct {
	// Node is the name of the stack whose drops are noted. If empty, all of
	// which the Capture is told.
	Node string

	// Clock is what the times of packets are taken from; it should be the
	// stack's. If nil, the system's.
	Clock clock.Clock

	// Tracer, if not nil, is told what the Capture is told.
	Tracer trace.Tracer

	// Comment is written into the file's header, if not empty.
	Comment string
}

// A Capture is one file. It is a trace.Tracer, by which a stack tells it what it
// drops. Its methods may be called from any goroutine.
type Capture struct {
	cfg  Config
	book capture.Book
	file *capture.File
	ids  atomic.Uint64
}

var _ trace.Tracer = (*Capture)(nil)

// New begins a capture on w, which stays the caller's. What is written is buffered
// until Flush.
func New(w io.Writer, cfg Config) (*Capture, error) {
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	c := &Capture{cfg: cfg}
	var err error
	if c.file, err = c.book.Open(cfg.Node, w, cfg.Comment); err != nil {
		return nil, fmt.Errorf("pcap: %w", err)
	}
	return c, nil
}

// Link returns a link that passes everything on to l and from it, and captures it as
// the traffic of an interface of that name, by which the stack should know it too.
// What is attached already to l is not captured. Closing the Link closes l.
func (c *Capture) Link(name string, l link.Link) (*Link, error) {
	kind := pcapng.IP
	if l.Kind() == link.Ethernet {
		kind = pcapng.Ethernet
	}
	id, err := c.file.AddInterface(name, "", kind)
	if err != nil {
		return nil, fmt.Errorf("pcap: %w", err)
	}
	return &Link{Link: l, capture: c, id: id}, nil
}

// NewID returns a packet's number, the Tracer's if there is one.
func (c *Capture) NewID() uint64 {
	if c.cfg.Tracer != nil {
		return c.cfg.Tracer.NewID()
	}
	return c.ids.Add(1)
}

// Trace notes a drop.
func (c *Capture) Trace(e *trace.Event) {
	c.book.Drop(e)
	if c.cfg.Tracer != nil {
		c.cfg.Tracer.Trace(e)
	}
}

// Flush writes out what is buffered. It returns the first error of the file since it
// was called last.
func (c *Capture) Flush() error {
	if err := c.book.Flush(); err != nil {
		return fmt.Errorf("pcap: %w", err)
	}
	return nil
}

// A Link is a link whose traffic is captured; [Capture.Link] makes one.
type Link struct {
	link.Link
	capture *Capture
	id      int
}

var _ link.Link = (*Link)(nil)

// Unwrap returns the link whose traffic it is.
func (l *Link) Unwrap() link.Link { return l.Link }

// Write sends the frames by the link, and captures those that it takes over.
func (l *Link) Write(frames []*packet.Buffer) (int, error) {
	c := l.capture
	c.book.Hold()
	defer c.book.End()
	// Captured before they are sent, for an answer may come in meanwhile, and
	// struck out if they are refused.
	var few [8]uint64
	tickets := few[:0]
	ends := make([]int, 0, 32) // of each frame's tickets
	for _, f := range frames {
		tickets = l.add(tickets, f, pcapng.Outbound)
		ends = append(ends, len(tickets))
	}
	n, err := l.Link.Write(frames)
	if n < len(frames) {
		kept := 0
		if n > 0 {
			kept = ends[n-1]
		}
		for _, t := range tickets[kept:] {
			c.book.Withdraw(t)
		}
	}
	return n, err
}

// add captures a frame and appends its tickets.
func (l *Link) add(tickets []uint64, f *packet.Buffer, d pcapng.Direction) []uint64 {
	c := l.capture
	if f.ID == 0 {
		f.ID = c.NewID()
	}
	return c.file.Add(tickets, l.id, f, c.cfg.Clock.Now(), d)
}

// Attach makes sink the receiver of what comes in, and captures that.
func (l *Link) Attach(inner link.Sink) error {
	if inner == nil {
		return l.Link.Attach(nil)
	}
	return l.Link.Attach(&sink{l, inner})
}

// sink is a sink whose frames are captured.
type sink struct {
	link  *Link
	inner link.Sink
}

var _ link.OffloadSink = (*sink)(nil)

// Accepts returns what the inner sink accepts.
func (s *sink) Accepts() link.Capabilities {
	if o, ok := s.inner.(link.OffloadSink); ok {
		return o.Accepts()
	}
	return 0
}

func (s *sink) Deliver(queue int, frames []*packet.Buffer) {
	b := &s.link.capture.book
	b.Hold()
	defer b.End()
	for _, f := range frames {
		var few [8]uint64
		s.link.add(few[:0], f, pcapng.Inbound)
	}
	s.inner.Deliver(queue, frames)
}
