package flow

import (
	"context"
	"net/netip"
	"time"

	"github.com/castnet-go/castnet"
)

// A Flow is what one client and one destination say to each other: a Conn that is
// connected to the client (RemoteAddr), from the address and port that the client
// has sent to (LocalAddr), whoever has that.
type Flow struct {
	*castnet.Conn
	server *Server
	ctx    context.Context
	cancel context.CancelCauseFunc

	// Guarded by the server's mutex.
	prev, next *Flow
	listed     bool
	active     time.Time // when something had been received or sent at the last look
	seen       pulse     // what had been then
	told       time.Time // when the client may be told of as many errors as ever again
}

// Client returns the address of who began the flow.
func (f *Flow) Client() netip.AddrPort { return addrPort(f.RemoteAddr()) }

// Destination returns the address that the client sends to.
func (f *Flow) Destination() netip.AddrPort { return addrPort(f.LocalAddr()) }

func addrPort(a interface{ String() string }) netip.AddrPort {
	if u, ok := a.(interface{ AddrPort() netip.AddrPort }); ok {
		p := u.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}

// Context is done when the flow has ended; context.Cause then says why: ErrIdle,
// ErrEvicted, ErrServerClosed, or context.Canceled if the handler has returned.
func (f *Flow) Context() context.Context { return f.ctx }

// Go starts a goroutine that belongs to the flow, for a handler that needs two. The
// Server waits for it, as for the handler. It must return soon after the flow has
// ended.
func (f *Flow) Go(fn func()) { f.server.start(fn) }

// end ends the flow.
func (f *Flow) end(cause error) {
	s := f.server
	s.mu.Lock()
	if f.listed {
		s.flows.remove(f)
	}
	s.mu.Unlock()
	f.cancel(cause)
	f.Conn.Close()
}

// flowList are flows in the order in which they were last seen active.
type flowList struct {
	first, last *Flow
	count       int
}

func (l *flowList) append(f *Flow) {
	f.prev, f.next, f.listed = l.last, nil, true
	if l.last != nil {
		l.last.next = f
	} else {
		l.first = f
	}
	l.last = f
	l.count++
}

func (l *flowList) remove(f *Flow) {
	if f.prev != nil {
		f.prev.next = f.next
	} else {
		l.first = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	} else {
		l.last = f.prev
	}
	f.prev, f.next, f.listed = nil, nil, false
	l.count--
}
