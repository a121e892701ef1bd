package flow

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
)

// Policy says what becomes of a new flow when there are MaxFlows already.
type Policy uint8

// The policies.
const (
	RefuseNew   Policy = iota // its datagrams are dropped as drop.FlowTableFull
	EvictIdlest               // the flow that has been silent for the longest time makes room
)

// Config says how flows are served. A Handler is needed; the rest may be zero.
type Config struct {
	// Handler serves one flow, in a goroutine of its own, and closes nothing:
	// when it returns the flow has ended. It must return soon after its calls
	// return net.ErrClosed.
	Handler func(*Flow)

	// IdleTimeout is how long a flow may be silent in both directions, by the
	// network's clock. If zero, two minutes, less than which RFC 4787 (4.3)
	// permits no NAT. If negative, flows never idle out.
	IdleTimeout time.Duration

	// MaxFlows is how many flows there may be at once. If zero, 4096. Each
	// holds up to its receive buffer.
	MaxFlows int

	// Full is what becomes of one flow more. If zero, it is refused.
	Full Policy

	// ReadBuffer is the size of each flow's receive buffer, in bytes of true
	// size; see castnet.Conn.SetReadBuffer. If zero, that of the Conn that
	// flows are accepted from.
	ReadBuffer int

	// Admit is asked about each new flow: a reason other than drop.None drops
	// its datagram under it. It must not block. If nil, all are admitted.
	Admit func(client, destination netip.AddrPort) drop.Reason

	// Go starts a goroutine that calls f, and has to: Serve waits until every f
	// has returned. If nil, it starts a task of the network's, if that runs tasks
	// of its own as a lab's hosts do, and else a goroutine.
	Go func(f func())
}

// The defaults.
const (
	defaultIdleTimeout = 2 * time.Minute
	defaultMaxFlows    = 4096
)

// Why a flow has ended, if not by its handler: context.Cause of Flow.Context.
var (
	ErrIdle         = errors.New("flow: idle for too long")
	ErrEvicted      = errors.New("flow: evicted in favour of another")
	ErrServerClosed = errors.New("flow: server closed")
)

// Stats are a Server's counters.
type Stats struct {
	Flows    int    // at the moment
	Accepted uint64 // flows begun
	Refused  uint64 // datagrams dropped as FlowTableFull
	Evicted  uint64 // flows that made room for others
	Idle     uint64 // flows that were silent for too long
}

// A Server serves the flows of one Conn. All methods may be called from any
// goroutine.
type Server struct {
	conn  *castnet.Conn
	cfg   Config
	clock clock.Clock
	look  time.Duration // from one look for idle flows to the next; 0: none

	park socket.Socket // hears nothing: somewhere to wait
	rest socket.Cancel // fires when nothing is left to wait for

	mu      sync.Mutex
	flows   flowList
	running int // handlers and what they have started
	served  bool
	closed  bool
	timer   clock.Timer
	stats   Stats
}

// New returns a Server for the flows that are heard by c: one that intercepts, or
// one that listens on a port. Serve runs it. The Conn belongs to the Server, and is
// closed with it.
func New(c *castnet.Conn, cfg Config) (*Server, error) {
	switch {
	case c == nil:
		return nil, errors.New("flow: New needs a Conn to accept flows from, and got nil: castnet.Config.Intercept makes one")
	case cfg.Handler == nil:
		return nil, errors.New("flow: Config.Handler is nil; flow.Proxy makes one that forwards")
	case cfg.MaxFlows < 0:
		return nil, fmt.Errorf("flow: MaxFlows is %d; it cannot be negative", cfg.MaxFlows)
	case cfg.Full > EvictIdlest:
		return nil, fmt.Errorf("flow: there is no Policy %d", cfg.Full)
	}
	if cfg.MaxFlows == 0 {
		cfg.MaxFlows = defaultMaxFlows
	}
	if cfg.IdleTimeout == 0 {
		cfg.IdleTimeout = defaultIdleTimeout
	}
	if cfg.Go == nil {
		cfg.Go = starter(c.Network())
	}
	s := &Server{conn: c, cfg: cfg, clock: c.Network().Clock()}
	if cfg.IdleTimeout > 0 {
		s.look = (cfg.IdleTimeout + 3) / 4
	}
	var err error
	if s.park, err = c.Network().Open(socket.IPv4); err != nil {
		s.park, err = c.Network().Open(socket.IPv6)
	}
	if err != nil {
		return nil, fmt.Errorf("flow: %w", err)
	}
	return s, nil
}

// A tasker is a network that runs tasks, which alone may block on its sockets.
type tasker interface {
	Go(name string, task func(ctx context.Context) error)
}

// starter returns what starts a handler on a network.
func starter(n castnet.Network) func(f func()) {
	if t, ok := n.(tasker); ok {
		return func(f func()) {
			t.Go("flow", func(context.Context) error {
				f()
				return nil
			})
		}
	}
	return func(f func()) { go f() }
}

// Serve accepts flows and serves them. It returns when the Server was closed, with
// nil, or its Conn has failed, with why; in both cases when every handler has
// returned. A Server serves once.
func (s *Server) Serve() error {
	s.mu.Lock()
	if s.served || s.closed {
		s.mu.Unlock()
		return ErrServerClosed
	}
	s.served = true
	s.mu.Unlock()

	var err error
	for {
		var c *castnet.Conn
		if c, err = s.conn.Accept(s.admit); err != nil {
			break
		}
		s.begin(c)
	}
	s.mu.Lock()
	if s.closed {
		err = nil
	}
	s.mu.Unlock()
	s.Close()
	if !s.idle() {
		s.park.Wait(socket.Readable, &s.rest)
	}
	s.park.Close()
	return err
}

// Close ends every flow, and Serve. It does not wait for handlers; Serve does. A
// second Close returns net.ErrClosed.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return net.ErrClosed
	}
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	var all []*Flow
	for f := s.flows.first; f != nil; f = f.next {
		all = append(all, f)
	}
	s.mu.Unlock()
	err := s.conn.Close()
	for _, f := range all {
		f.end(ErrServerClosed)
	}
	s.mu.Lock()
	if !s.served {
		s.park.Close() // nobody will wait
	}
	s.mu.Unlock()
	if errors.Is(err, net.ErrClosed) {
		err = nil // it was what ended Serve
	}
	return err
}

// Stats returns the Server's counters.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Flows = s.flows.count
	return st
}

// Flows calls yield for each flow, the one that has been silent for the longest
// time first. The flows may end at any time.
func (s *Server) Flows(yield func(*Flow) bool) {
	s.mu.Lock()
	var all []*Flow
	for f := s.flows.first; f != nil; f = f.next {
		all = append(all, f)
	}
	s.mu.Unlock()
	for _, f := range all {
		if !yield(f) {
			return
		}
	}
}

// admit decides about a new flow.
func (s *Server) admit(client, destination netip.AddrPort) drop.Reason {
	if s.cfg.Admit != nil {
		if reason := s.cfg.Admit(client, destination); reason != drop.None {
			return reason
		}
	}
	s.mu.Lock()
	var victim *Flow
	full := s.flows.count >= s.cfg.MaxFlows
	switch {
	// Handlers of flows that have ended take their time, but not for ever.
	case full && s.cfg.Full == EvictIdlest && s.running < 2*s.cfg.MaxFlows:
		victim = s.idlest()
		s.flows.remove(victim)
		s.stats.Evicted++
	case full, s.running >= 2*s.cfg.MaxFlows:
		s.stats.Refused++
		s.mu.Unlock()
		return drop.FlowTableFull
	}
	s.mu.Unlock()
	if victim != nil {
		victim.end(ErrEvicted)
	}
	return drop.None
}

// begin starts the handler of a flow.
func (s *Server) begin(c *castnet.Conn) {
	if s.cfg.ReadBuffer != 0 {
		c.SetReadBuffer(s.cfg.ReadBuffer)
	}
	f := &Flow{Conn: c, server: s}
	f.ctx, f.cancel = context.WithCancelCause(context.Background())
	f.seen = f.pulse()
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.stats.Accepted++
		f.active = s.clock.Now()
		s.flows.append(f)
		if s.look > 0 && s.flows.count == 1 {
			s.arm()
		}
	}
	s.mu.Unlock()
	if closed {
		f.end(ErrServerClosed)
		return
	}
	s.start(func() {
		defer f.end(nil)
		s.cfg.Handler(f)
	})
}

// start runs f in a goroutine that Serve waits for.
func (s *Server) start(f func()) {
	s.mu.Lock()
	s.running++
	s.mu.Unlock()
	s.cfg.Go(func() {
		defer func() {
			s.mu.Lock()
			s.running--
			s.mu.Unlock()
			s.idle()
		}()
		f()
	})
}

// idle reports whether the Server is closed and nothing is left to wait for, and
// tells Serve.
func (s *Server) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed || s.running > 0 {
		return false
	}
	s.rest.Fire()
	return true
}
