package capture

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/pcapng"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// A Book keeps the files of one or more hosts. The zero Book is ready to use. Its
// methods, and those of its Files, may be called from any goroutine, with locks
// held.
type Book struct {
	mu      sync.Mutex
	files   []*File
	holds   int // calls under way
	pending []pendingPacket
	tickets uint64
	err     error
}

// maxPending bounds the packets whose call is not over.
const maxPending = 1024

// A File is the capture of one host.
type File struct {
	book       *Book
	node       string
	w          *pcapng.Writer
	interfaces map[string]place
	kinds      []pcapng.LinkType // of the interfaces, by number
	ip         int               // the interface of packets that have no other and no Ethernet header; -1: none yet
}

// A place is an interface in a File.
type place struct {
	id   int
	kind pcapng.LinkType
}

// pendingPacket is a packet whose call is not over.
type pendingPacket struct {
	file      *File
	iface     int
	id        uint64
	ticket    uint64
	at        time.Time
	direction pcapng.Direction
	data      []byte
	comment   string
	void      bool
}

// Open begins the capture of a host of that name on w, which stays the caller's. If
// the name is empty, whatever is dropped is taken for the host's.
func (b *Book) Open(node string, w io.Writer, comment string) (*File, error) {
	pw, err := pcapng.NewWriter(w, pcapng.Section{Application: "castnet", Comment: comment})
	if err != nil {
		return nil, err
	}
	f := &File{book: b, node: node, w: pw, interfaces: make(map[string]place), ip: -1}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.files = append(b.files, f)
	return f, nil
}

// AddInterface describes an interface, and returns the number for Add.
func (f *File) AddInterface(name, description string, kind pcapng.LinkType) (int, error) {
	f.book.mu.Lock()
	defer f.book.mu.Unlock()
	id, err := f.w.AddInterface(pcapng.Interface{Name: name, Description: description, LinkType: kind})
	if err == nil {
		f.interfaces[name] = place{id, kind}
		f.described(id, kind)
	}
	return id, err
}

// described notes the kind of an interface. The caller holds the lock.
func (f *File) described(id int, kind pcapng.LinkType) {
	for len(f.kinds) <= id {
		f.kinds = append(f.kinds, kind)
	}
	f.kinds[id] = kind
}

func (f *File) kindOf(id int) pcapng.LinkType {
	f.book.mu.Lock()
	defer f.book.mu.Unlock()
	return f.kinds[id]
}

// Hold begins a call in which packets are added, and End ends it; calls nest.
func (b *Book) Hold() {
	b.mu.Lock()
	b.holds++
	b.mu.Unlock()
}

// End ends what Hold began.
func (b *Book) End() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.holds--; b.holds == 0 {
		b.write()
	}
}

// Add notes a frame of an interface, of which it keeps a copy: finished, and of a
// train each datagram. It appends to tickets what Withdraw needs.
func (f *File) Add(tickets []uint64, iface int, frame *packet.Buffer, at time.Time, d pcapng.Direction) []uint64 {
	kind := link.IP
	if f.kindOf(iface) == pcapng.Ethernet {
		kind = link.Ethernet
	}
	if frame.SegmentSize != 0 {
		var room [link.MaxSegments]*packet.Buffer
		if cut, err := link.Cut(room[:0], frame, kind); err == nil {
			for _, s := range cut {
				tickets = append(tickets, f.add(iface, frame.ID, at, d, s.Bytes()))
			}
			packet.ReleaseAll(cut)
			return tickets
		}
	} else if frame.Flags&packet.ChecksumPartial != 0 {
		whole := link.FinishChecksum(frame.Clone(), kind)
		tickets = append(tickets, f.add(iface, frame.ID, at, d, whole.Bytes()))
		whole.Release()
		return tickets
	}
	return append(tickets, f.add(iface, frame.ID, at, d, frame.Bytes()))
}

func (f *File) add(iface int, id uint64, at time.Time, d pcapng.Direction, data []byte) (ticket uint64) {
	b := f.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.pending) >= maxPending {
		b.write()
	}
	f.note(iface, id, at, d, data, "")
	return b.tickets
}

// note adds a packet to those that are pending. The caller holds the lock.
func (f *File) note(iface int, id uint64, at time.Time, d pcapng.Direction, data []byte, comment string) {
	b := f.book
	n := len(b.pending)
	if n == cap(b.pending) {
		b.pending = append(b.pending, pendingPacket{})
	}
	b.pending = b.pending[:n+1]
	p := &b.pending[n]
	b.tickets++
	*p = pendingPacket{
		file: f, iface: iface, id: id, ticket: b.tickets, at: at, direction: d, data: append(p.data[:0], data...), comment: comment,
	}
}

// Withdraw strikes out a packet that did not pass after all, unless so many came
// behind it that it has been written.
func (b *Book) Withdraw(ticket uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.pending) - 1; i >= 0; i-- {
		if b.pending[i].ticket == ticket {
			b.pending[i].void = true
			return
		}
	}
}

// write writes what is pending. The caller holds the lock.
func (b *Book) write() {
	for i := range b.pending {
		p := &b.pending[i]
		if p.void {
			continue
		}
		err := p.file.w.WritePacket(&pcapng.Packet{
			Interface: p.iface, Time: p.at, Data: p.data, Direction: p.direction, Comment: p.comment,
		})
		if err != nil && b.err == nil {
			b.err = p.file.failed(err)
		}
	}
	b.pending = b.pending[:0]
}

func (f *File) failed(err error) error {
	if f.node == "" {
		return fmt.Errorf("capture: %w", err)
	}
	return fmt.Errorf("capture of host %s: %w", f.node, err)
}

// Drop is to be called with each step of a Tracer; it looks at those that are
// drops.
func (b *Book) Drop(e *trace.Event) {
	if e.Step != trace.Drop {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	// The latest packet of that number is the one that is dropped. A train is
	// several, one behind the other.
	found := false
	for i := len(b.pending) - 1; i >= 0; i-- {
		p := &b.pending[i]
		if p.id != e.Packet || p.void {
			if found {
				return
			}
			continue
		}
		if found && (p.file != b.pending[i+1].file || p.iface != b.pending[i+1].iface || p.direction != b.pending[i+1].direction) {
			return
		}
		if p.comment != "" {
			p.comment += "; "
		}
		p.comment += dropComment(e, p.file.node)
		found = true
	}
	if found {
		return
	}
	for _, f := range b.files {
		if f.node == e.Node || f.node == "" {
			if err := f.later(e); err != nil && b.err == nil {
				b.err = f.failed(err)
			}
		}
	}
}

// later writes a packet that was dropped after its call was over.
func (f *File) later(e *trace.Event) error {
	at, known := f.interfaces[e.Interface]
	iface := -1
	switch {
	case e.Layer == trace.LayerEthernet && known && at.kind == pcapng.Ethernet, e.Layer == trace.LayerIP && known && at.kind == pcapng.IP:
		iface = at.id
	case e.Layer == trace.LayerIP:
		if f.ip < 0 {
			description := "dropped without an Ethernet header"
			if f.node != "" {
				description = f.node + ", " + description
			}
			var err error
			f.ip, err = f.w.AddInterface(pcapng.Interface{Name: "ip", Description: description, LinkType: pcapng.IP})
			if err != nil {
				return err
			}
			f.described(f.ip, pcapng.IP)
		}
		iface = f.ip
	}
	if iface < 0 {
		return nil // there is nothing to show
	}
	frame := finished(e.Frame, e.Layer)
	f.note(iface, e.Packet, e.Time, pcapng.UnknownDirection, frame.Bytes(), dropComment(e, f.node))
	frame.Release()
	if f.book.holds == 0 {
		f.book.write()
	}
	return nil
}

// finished returns a copy of a frame that an event shows, which does not say whether
// its checksum is finished. To finish one that looks as if it were not does no harm:
// if it was, it is the same afterwards.
func finished(data []byte, layer trace.Layer) *packet.Buffer {
	data = data[:min(len(data), packet.MaxSize)]
	b := packet.New(len(data))
	copy(b.Append(len(data)), data)
	kind := link.IP
	if layer == trace.LayerEthernet {
		kind = link.Ethernet
	}
	if ip, udp, ok := link.UDPOffset(data, kind); ok && data[ip]>>4 == 4 {
		u := (*wire.UDPHeader)(data[udp:])
		if u.Checksum() == (*wire.IPv4Header)(data[ip:]).PseudoSum(u.Length()) {
			b = link.FinishChecksum(b, kind)
		}
	}
	return b
}

// dropComment says why and, if it was not at the file's host, where.
func dropComment(e *trace.Event, host string) string {
	s := "dropped: " + e.Reason.String()
	if e.Node != host && host != "" {
		s = "dropped at " + e.Node + ": " + e.Reason.String()
	} else if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	return s
}

// Flush writes out everything that is buffered, and returns the first error since
// it was called last.
func (b *Book) Flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.write()
	errs := []error{b.err}
	b.err = nil
	for _, f := range b.files {
		if err := f.w.Flush(); err != nil {
			errs = append(errs, f.failed(err))
		}
	}
	return errors.Join(errs...)
}
