package loop

import (
	"cmp"
	"slices"

	"github.com/castnet-go/castnet/socket"
)

// How a socket's readiness is learned. Where the network has a Poller, the loop asks it
// in every turn, and waits in it: for the operating system's sockets nothing is cheaper.
// Else the socket calls, once, on whatever goroutine has brought the event about.
type pollState uint8

const (
	pollUnknown pollState = iota
	pollByPoller
	pollByNotify
)

// slots are the sockets that the poller knows, by number. A number has the slot's
// position in its low half and in its high half how often that was used: what the poller
// still tells of a socket that is gone is nobody's.
type slots struct {
	list []slot
	free []uint32
}

type slot struct {
	u    *UDP
	used uint32
}

func (s *slots) add(u *UDP) uint64 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		s.list[i].u = u
		return uint64(i) | uint64(s.list[i].used)<<32
	}
	s.list = append(s.list, slot{u: u})
	return uint64(len(s.list) - 1)
}

func (s *slots) get(number uint64) *UDP {
	i := uint32(number)
	if int(i) >= len(s.list) || s.list[i].used != uint32(number>>32) {
		return nil
	}
	return s.list[i].u
}

func (s *slots) remove(number uint64) {
	i := uint32(number)
	s.list[i].u = nil
	s.list[i].used++
	s.free = append(s.free, i)
}

// watch makes an event be told of.
func (u *UDP) watch(event socket.Events) {
	if u.watched&event == event {
		return
	}
	if u.polls == pollUnknown {
		u.choose()
	}
	u.watched |= event
	if u.polls == pollByPoller {
		if u.loop.poller.Watch(u.sock, u.watched, u.slot) == nil {
			return
		}
		u.loop.slots.remove(u.slot)
		u.polls = pollByNotify
	}
	for i := range u.notify {
		if event == socket.Readable<<i {
			if u.notify[i] == nil {
				u.notify[i] = func() { u.note(event) }
			}
			u.sock.Notify(event, u.notify[i])
		}
	}
}

// choose finds out who tells.
func (u *UDP) choose() {
	l := u.loop
	u.polls = pollByNotify
	n, ok := u.cfg.On.(socket.PollerNetwork)
	if !ok || l.cfg.Wake != nil { // a poller tells only who asks it, and nobody runs the loop to
		return
	}
	if l.poller == nil {
		p, err := n.NewPoller()
		if err != nil {
			return
		}
		l.mu.Lock()
		l.poller = p
		l.mu.Unlock()
	}
	u.polls = pollByPoller
	u.slot = l.slots.add(u)
}

// unwatch ends watch.
func (u *UDP) unwatch(event socket.Events) {
	if u.watched&event == 0 {
		return
	}
	u.watched &^= event
	if u.polls == pollByPoller {
		_ = u.loop.poller.Watch(u.sock, u.watched, u.slot)
		return
	}
	u.sock.Notify(event, nil)
}

// forget ends all watching: the socket is about to be closed.
func (u *UDP) forget() {
	if u.polls == pollByPoller {
		_ = u.loop.poller.Watch(u.sock, 0, u.slot)
		u.loop.slots.remove(u.slot)
	}
	u.polls = pollUnknown
	u.watched = 0
}

// note is called by the socket, on any goroutine, when an event holds.
func (u *UDP) note(event socket.Events) {
	l := u.loop
	l.mu.Lock()
	u.noted |= event
	if u.inNotes {
		l.mu.Unlock()
		return
	}
	u.inNotes = true
	l.notified = append(l.notified, u)
	l.wakeLocked()
}

// take moves what was noted to the loop's side. The loop is locked.
func (u *UDP) take() {
	u.got |= u.noted
	u.watched &^= u.noted
	u.noted, u.inNotes = 0, false
}

// join puts a socket that is ready among those that this poll phase serves.
func (l *Loop) join(u *UDP) {
	if !u.isReady {
		u.isReady = true
		l.polled = append(l.polled, u)
	}
}

// order puts the sockets of this poll phase in the order in which they were served last.
// Who has something for the first time since then finds nobody before it who has had a
// turn meanwhile: so of each socket that is flooded at most one turn comes between.
func (l *Loop) order() {
	earlier := func(a, b *UDP) int { return cmp.Compare(a.served, b.served) }
	if len(l.polled) > 1 && !slices.IsSortedFunc(l.polled, earlier) {
		slices.SortStableFunc(l.polled, earlier) // those never served stay as they came
	}
}

// again makes an event be served in the next poll phase, without waiting for it.
func (u *UDP) again(event socket.Events) {
	u.got |= event
	if !u.isReady {
		u.isReady = true
		u.loop.ready = append(u.loop.ready, u)
	}
}

// serve is a socket's turn in the poll phase.
func (u *UDP) serve() {
	if u.loop.failed { // the next run serves it
		u.again(0)
		return
	}
	u.loop.served++
	u.served = u.loop.served
	got := u.got
	u.got = 0
	if got&(socket.Readable|socket.ErrorQueued) != 0 && u.receives() && !u.closing {
		u.read(got)
	}
	if got&socket.Writable != 0 && !u.closing {
		u.flush()
		u.tell()
	}
}
