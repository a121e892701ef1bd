package trace

import (
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/castnet-go/castnet/drop"
)

// A Printer is a Tracer that writes each step on a line, in columns: seconds
// since the start, the packet, where it is, the step, and what the packet is.
//
//	0.000000 #1     h1 eth0      transmit 10.0.0.1:5000 > 10.0.0.2:7 UDP 5 B "hello"
//	0.000000 #1     lan          carry    10.0.0.1:5000 > 10.0.0.2:7 UDP 5 B "hello"
//	0.010000 #1     h2 eth0      drop     NoPort: 10.0.0.1:5000 > 10.0.0.2:7 UDP 5 B "hello"
type Printer struct {
	ids atomic.Uint64

	mu    sync.Mutex
	w     io.Writer
	start time.Time
	line  []byte
	place int // width of the column that says where
	err   error
}

var _ Tracer = (*Printer)(nil)

// NewPrinter returns a Printer that writes to w, a line a call. Times are
// counted from start; if it is zero, from the first step.
func NewPrinter(w io.Writer, start time.Time) *Printer {
	return &Printer{w: w, start: start, place: 12}
}

// NewID returns 1, 2, 3…
func (p *Printer) NewID() uint64 { return p.ids.Add(1) }

// Trace writes a line. After an error of the writer it writes no more.
func (p *Printer) Trace(e *Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return
	}
	if p.start.IsZero() {
		p.start = e.Time
	}
	b := p.line[:0]
	b = appendSeconds(b, e.Time.Sub(p.start))
	b = append(b, " #"...)
	at := len(b)
	b = strconv.AppendUint(b, e.Packet, 10)
	b = fill(b, at, 5)

	b = append(b, ' ')
	at = len(b)
	b = append(b, e.Node...)
	if e.Interface != "" {
		b = append(b, ' ')
		b = append(b, e.Interface...)
	}
	p.place = max(p.place, len(b)-at)
	b = fill(b, at, p.place)

	b = append(b, ' ')
	at = len(b)
	b = append(b, e.Step.String()...)
	b = fill(b, at, len("transmit"))
	b = append(b, ' ')
	if e.Reason != drop.None {
		b = append(b, e.Reason.String()...)
		b = append(b, ": "...)
	}
	b = AppendDescription(b, e.Frame, e.Layer)
	if e.Detail != "" {
		b = append(b, " ("...)
		b = append(b, e.Detail...)
		b = append(b, ')')
	}
	b = append(b, '\n')
	p.line = b
	_, p.err = p.w.Write(b)
}

// Err returns the error that ended the printing, if there was one.
func (p *Printer) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// fill appends blanks until what begins at start is width long.
func fill(b []byte, start, width int) []byte {
	for len(b)-start < width {
		b = append(b, ' ')
	}
	return b
}

// appendSeconds appends d in seconds to the microsecond, right-aligned as
// "  0.000000".
func appendSeconds(b []byte, d time.Duration) []byte {
	if d < 0 {
		b = append(b, '-')
		d = -d
	}
	whole, micros := int64(d/time.Second), int64(d%time.Second/time.Microsecond)
	for limit := int64(100); limit > 1 && whole < limit; limit /= 10 {
		b = append(b, ' ')
	}
	b = strconv.AppendInt(b, whole, 10)
	b = append(b, '.')
	for limit := int64(100_000); limit > 1 && micros < limit; limit /= 10 {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, micros, 10)
}
