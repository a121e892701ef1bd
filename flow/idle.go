package flow

import "time"

// pulse changes when a flow has received or sent something.
type pulse struct {
	received, sent uint64
	queued         int // in its receive buffer
}

func (f *Flow) pulse() pulse {
	st := f.Stats()
	return pulse{st.Received, st.Sent, st.ReceiveQueued}
}

// check looks whether the flow has been active since the last look, and if so
// moves it to the end of the list. The caller holds the mutex.
func (s *Server) check(f *Flow, now time.Time) {
	if p := f.pulse(); p != f.seen {
		f.seen, f.active = p, now
		s.flows.remove(f)
		s.flows.append(f)
	}
}

// maxLooks bounds how many flows are looked at to find the idlest.
const maxLooks = 64

// idlest returns the flow that has been silent for the longest time, as far as a
// few looks can tell: those that were active since they were last looked at go to
// the end of the list. There is at least one flow. The caller holds the mutex.
func (s *Server) idlest() *Flow {
	now := s.clock.Now()
	for range maxLooks {
		f := s.flows.first
		if s.check(f, now); s.flows.first == f {
			return f
		}
	}
	return s.flows.first
}

// arm sets the timer for the next look. The caller holds the mutex.
func (s *Server) arm() {
	if s.timer == nil {
		s.timer = s.clock.AfterFunc(s.look, s.sweep)
	} else {
		s.timer.Reset(s.look)
	}
}

// sweep ends flows that have been silent for too long.
func (s *Server) sweep() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	now := s.clock.Now()
	var idle []*Flow
	for f, last := s.flows.first, s.flows.last; f != nil; {
		next := f.next
		if f == last {
			next = nil // what is behind it was moved there
		}
		if s.check(f, now); now.Sub(f.active) >= s.cfg.IdleTimeout {
			idle = append(idle, f)
		}
		f = next
	}
	for _, f := range idle {
		s.flows.remove(f)
	}
	s.stats.Idle += uint64(len(idle))
	if s.flows.count > 0 {
		s.arm()
	}
	s.mu.Unlock()
	for _, f := range idle {
		f.end(ErrIdle)
	}
}
