package dgram

import (
	"context"
	"net/netip"
	"sync"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// A Socket is Node's dgram.Socket. Make it with [CreateSocket].
type Socket struct {
	opts   Options
	loop   *loop.Loop
	handle *loop.UDP // nil: closed
	last   *loop.UDP // handle, also after that
	family socket.Family

	bindState    bindState
	connectState connectState
	peer         netip.AddrPort // to whom it is connected
	waiting      *waitQueue     // for the bind; nil: nothing waits
	lookups      lookups
	bindFailed   func() // called if the bind under way fails
	closeWaits   bool   // Close was called while something waited

	receiving bool
	batched   bool // by OnMessages

	gather      []byte         // scratch, of SendList
	message     socket.Message // scratch, of Send
	literalText string         // the address that was written out last, and suits
	literalIP   netip.Addr     // what it says
	spare       []*completion  // for reuse
	later       []*completion  // callbacks that the check phase will call
	first       int            // of later, that is to be called
	soon        bool           // and will
	next        func()         // by this
	calling     bool           // it does
	turn        uint64         // of the loop, in which
	calls       int            // callbacks of sends were called
	closesLater bool           // 'close' waits for later to be called
	detach      func()         // from Options.Signal

	onMessage   event[func([]byte, *RemoteInfo)]
	onMessages  event[func([]socket.Message)]
	onListening event[func()]
	onConnect   event[func()]
	onClose     event[func()]
	onError     event[func(error)]
}

type bindState uint8

const (
	unbound bindState = iota
	binding
	bound
)

type connectState uint8

const (
	disconnected connectState = iota
	connecting
	connected
)

// CreateSocket makes a socket, bound to nothing.
//
// ErrSocketBadType: Options.Type. ErrOutOfRange: a buffer's size.
func CreateSocket(opts Options) (*Socket, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	opts.fill()
	s := &Socket{opts: opts, loop: opts.Loop, family: socket.IPv4}
	if opts.Type == "udp6" {
		s.family = socket.IPv6
	}
	var err error
	if s.handle, err = s.loop.NewUDP(loop.UDPConfig{On: opts.On, MaxQueued: opts.MaxQueued}); err != nil {
		return nil, sysError("socket", err)
	}
	s.last = s.handle
	s.lookups.init()
	s.next = s.callLater
	s.watchSignal(opts.Signal)
	created(s)
	return s, nil
}

// Type returns "udp4" or "udp6".
func (s *Socket) Type() string { return s.opts.Type }

// Loop returns the loop that calls back.
func (s *Socket) Loop() *loop.Loop { return s.loop }

// Handle returns what is beneath: Node's udp_wrap. It is nil after Close.
func (s *Socket) Handle() *loop.UDP { return s.handle }

// Close closes the socket. callback, unless it is nil, is one more listener for the
// event 'close'. While sends or Connect wait for the bind, the socket is closed after
// them. ErrSocketDgramNotRunning: it is closed.
func (s *Socket) Close(callback func()) error {
	if s.handle == nil {
		return ErrSocketDgramNotRunning
	}
	if callback != nil {
		s.onClose.once(callback)
	}
	if s.waiting != nil {
		s.closeWaits = true
		return nil
	}
	s.close()
	return nil
}

func (s *Socket) close() {
	h := s.handle
	s.handle = nil
	s.receiving = false
	if s.detach != nil {
		s.detach()
		s.detach = nil
	}
	_ = h.Close(nil)
	s.lookups.cancel()
	s.loop.NextTick(s.emitClose)
}

// emitClose is the event 'close', which comes after the callbacks of what was sent
// before.
func (s *Socket) emitClose() {
	if s.waitsLater() {
		s.closesLater = true
		return
	}
	s.onClose.emit(call)
}

// Closed reports whether the socket is closed.
func (s *Socket) Closed() bool { return s.handle == nil }

// watchSignal closes the socket when the context is done.
func (s *Socket) watchSignal(ctx context.Context) {
	if ctx == nil {
		return
	}
	abort := func() {
		if ctx.Err() != nil && s.handle != nil {
			s.waiting.drop(context.Cause(ctx))
			s.waiting = nil
			s.close()
		}
	}
	if ctx.Err() != nil {
		abort()
		return
	}
	if h, ok := s.loop.On().(loop.Scheduler); ok && !h.Realtime() {
		// A context tells of its end on a goroutine, of which there are none
		// in virtual time.
		p := s.loop.NewPrepare()
		p.Unref()
		_ = p.Start(abort)
		s.detach = func() { _ = p.Close(nil) }
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = s.loop.Post(abort) })
	s.detach = func() { stop() }
}

// Ref makes the loop run as long as the socket is open, which it does unless Unref
// was called.
func (s *Socket) Ref() {
	if s.handle != nil {
		s.handle.Ref()
	}
}

// Unref lets the loop end although the socket is open.
func (s *Socket) Unref() {
	if s.handle != nil {
		s.handle.Unref()
	}
}

// HasRef reports whether the loop waits for the socket.
func (s *Socket) HasRef() bool { return s.handle != nil && s.handle.HasRef() }

// Address returns the socket's own address.
//
// EBADF: it is not bound. ErrSocketDgramNotRunning: it is closed.
func (s *Socket) Address() (netip.AddrPort, error) {
	if s.handle == nil {
		return netip.AddrPort{}, ErrSocketDgramNotRunning
	}
	a, err := s.handle.LocalAddr()
	if err != nil {
		return netip.AddrPort{}, sysError("getsockname", err)
	}
	return a, nil
}

// RemoteAddress returns the peer.
//
// ErrSocketDgramNotConnected: there is none. ErrSocketDgramNotRunning: it is closed.
func (s *Socket) RemoteAddress() (netip.AddrPort, error) {
	switch {
	case s.handle == nil:
		return netip.AddrPort{}, ErrSocketDgramNotRunning
	case s.connectState != connected:
		return netip.AddrPort{}, ErrSocketDgramNotConnected
	}
	a, err := s.handle.PeerAddr()
	if err != nil {
		return netip.AddrPort{}, sysError("getpeername", err)
	}
	return a, nil
}

// Stats are a socket's counters.
type Stats struct {
	socket.Stats
	Blocked uint64 // datagrams that Options.ReceiveBlockList has dropped: Dropped[drop.BlockListed]
}

// Stats returns the counters, also after Close. A datagram is received or dropped: what
// came from a blocked address is dropped as BlockListed, and what had been read when the
// socket was closed, and that nobody was told of, as SocketClosed.
func (s *Socket) Stats() Stats {
	st := s.last.Stats()
	return Stats{st, st.Dropped[drop.BlockListed]}
}

// subscribers are those who want to know of every socket.
var subscribers struct {
	sync.Mutex
	event[func(*Socket)]
}

// Subscribe makes f be called with every socket that is created from now on, before
// CreateSocket returns, on the goroutine that creates it. It is the diagnostics channel
// "udp.socket".
func Subscribe(f func(*Socket)) (cancel func()) {
	subscribers.Lock()
	defer subscribers.Unlock()
	remove := subscribers.add(f)
	return func() {
		subscribers.Lock()
		defer subscribers.Unlock()
		remove()
	}
}

func created(s *Socket) {
	subscribers.Lock()
	list := subscribers.listeners
	subscribers.Unlock()
	for _, l := range list {
		l.f(s)
	}
}
