package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/castnet-go/castnet"
)

// What an [Event] can be.
const (
	Sent    = "sent"    // send or echo sent a datagram
	Heard   = "heard"   // echo or listen read one
	Reply   = "reply"   // send read one
	Failed  = "error"   // a call of a program returned an error
	Printed = "printed" // a script printed a line
	Change  = "change"  // the timeline changed the network
)

// An Event is something that a program did or got, or that was done to the
// network. Its JSON names are stable.
type Event struct {
	Event   string         `json:"event"` // Sent, Heard…
	At      time.Duration  `json:"at_ns"` // since the start, of the lab's time
	Host    string         `json:"host,omitempty"`
	Program string         `json:"program,omitempty"`
	Peer    netip.AddrPort `json:"peer,omitzero"`     // of a datagram
	Size    int            `json:"size,omitempty"`    // of its payload, in bytes
	Payload []byte         `json:"payload,omitempty"` // base64; in a Result, its first 64 bytes
	Text    string         `json:"text,omitempty"`    // Payload, if it is UTF-8
	Call    string         `json:"call,omitempty"`    // that returned the error
	Error   string         `json:"error,omitempty"`   // its name: ECONNREFUSED
	Message string         `json:"message,omitempty"` // what the error says; what was changed, or printed
}

// String returns the event on one line, without its host and program.
func (e *Event) String() string {
	at := seconds(e.At)
	switch e.Event {
	case Failed:
		return fmt.Sprintf("%s  %s: %s", at, e.Error, e.Message)
	case Change, Printed:
		return fmt.Sprintf("%s  %s", at, e.Message)
	case Sent:
		return fmt.Sprintf("%s  to %v  %s", at, e.Peer, preview(e.Payload, e.Size))
	}
	return fmt.Sprintf("%s  from %v  %s", at, e.Peer, preview(e.Payload, e.Size))
}

// seconds writes a time as seconds to the microsecond.
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 6, 64) }

// previewLen is how much of a payload is shown.
const previewLen = 40

// preview shows the beginning of a payload of size bytes.
func preview(b []byte, size int) string {
	if size == 0 {
		return "0 B"
	}
	text, cut := string(b), size > previewLen
	if cut {
		text = text[:min(len(text), previewLen)]
		for !utf8.ValidString(text) && len(text) > previewLen-utf8.UTFMax {
			text = text[:len(text)-1]
		}
	}
	dots := ""
	if cut {
		dots = fmt.Sprintf("… %d B", size)
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' }) {
		return fmt.Sprintf("%x%s", text[:min(len(text), previewLen/2)], fmt.Sprintf("… %d B", size))
	}
	return strconv.Quote(text) + dots
}

// keptEvents and keptBytes are how much a Result holds of a program's events.
const (
	keptEvents = 100
	keptBytes  = 64
)

// note counts an event, tells it, and keeps it if it is among the first.
func (p *process) note(e *Event, count func()) {
	e.Host, e.Program = p.result.Host, p.result.Name
	p.run.lock()
	defer p.run.unlock()
	if p.run.over {
		return
	}
	e.At = p.run.now()
	count()
	for _, w := range p.watch {
		w.see(e)
	}
	if e.Payload != nil && utf8.Valid(e.Payload) {
		e.Text = string(e.Payload)
	}
	if p.run.tell != nil {
		p.run.tell(e)
	}
	if e.Event == Sent {
		return
	}
	if len(p.result.Events) >= keptEvents {
		p.result.More++
		return
	}
	if len(e.Payload) > keptBytes {
		e.Text = ""
		e.Payload = e.Payload[:keptBytes]
	}
	e.Payload = append([]byte(nil), e.Payload...)
	p.result.Events = append(p.result.Events, *e)
}

// keptPeers is how many peers a Result tells apart.
const keptPeers = 100

// from counts a datagram by its peer.
func (r *ProgramResult) from(peer netip.AddrPort) {
	i := slices.IndexFunc(r.Peers, func(k PeerResult) bool { return k.Peer == peer })
	switch {
	case i >= 0:
		r.Peers[i].Datagrams++
	case len(r.Peers) < keptPeers:
		r.Peers = append(r.Peers, PeerResult{peer, 1})
	}
}

func (p *process) heard(kind string, m *castnet.Message) {
	peer := unmapped(m.Addr)
	p.note(&Event{Event: kind, Peer: peer, Size: m.Len, Payload: m.Buf}, func() {
		p.result.from(peer)
		if kind == Reply {
			p.result.Replies++
		} else {
			p.result.Heard++
		}
	})
}

func (p *process) sent(peer netip.AddrPort, b []byte) {
	p.note(&Event{Event: Sent, Peer: unmapped(peer), Size: len(b), Payload: b}, func() { p.result.Sent++ })
}

// failed notes an error, and returns it.
func (p *process) failed(err error) error { return p.fault(err, false) }

// barred is failed, for an error because of which the program cannot begin.
func (p *process) barred(err error) error { return p.fault(err, true) }

func (p *process) fault(err error, first bool) error {
	e := &Event{Event: Failed}
	e.Error, e.Message = errorName(err)
	var call *os.SyscallError
	if errors.As(err, &call) {
		e.Call = call.Syscall
	}
	p.note(e, func() {
		if p.result.Errors == nil {
			p.result.Errors = make(map[string]uint64)
		}
		p.result.Errors[e.Error]++
		if first {
			p.result.NotBegun = e.Error + ": " + e.Message
			p.result.foreseen = slices.ContainsFunc(p.watch, func(w *watch) bool { return w.foresees(e.Error) })
		}
	})
	return err
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	if !a.IsValid() {
		return a
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
