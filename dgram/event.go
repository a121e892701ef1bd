package dgram

import "slices"

// An event is the listeners of one. The list is never changed but replaced, so that
// who goes through it need not care who comes and goes.
type event[F any] struct{ listeners []*listener[F] }

type listener[F any] struct {
	f    F
	once bool
}

// add adds a listener and returns what removes it.
func (e *event[F]) add(f F) func() {
	return e.listen(&listener[F]{f: f})
}

func (e *event[F]) once(f F) func() {
	return e.listen(&listener[F]{f: f, once: true})
}

func (e *event[F]) listen(l *listener[F]) func() {
	e.listeners = append(slices.Clip(e.listeners), l)
	return func() { e.remove(l) }
}

func (e *event[F]) remove(l *listener[F]) {
	if i := slices.Index(e.listeners, l); i >= 0 {
		e.listeners = slices.Concat(e.listeners[:i], e.listeners[i+1:])
	}
}

// emit calls those who listen now, in the order of adding.
func (e *event[F]) emit(call func(F)) {
	for _, l := range e.listeners {
		if l.once {
			e.remove(l)
		}
		call(l.f)
	}
}

// OnMessage adds a listener for datagrams: msg and from are its until it returns.
func (s *Socket) OnMessage(f func(msg []byte, from *RemoteInfo)) (remove func()) {
	return s.onMessage.add(f)
}

// OnListening adds a listener for when the socket is bound and receives.
func (s *Socket) OnListening(f func()) (remove func()) { return s.onListening.add(f) }

// OnConnect adds a listener for when the socket is connected.
func (s *Socket) OnConnect(f func()) (remove func()) { return s.onConnect.add(f) }

// OnClose adds a listener for when the socket is closed.
func (s *Socket) OnClose(f func()) (remove func()) { return s.onClose.add(f) }

// OnError adds a listener for errors that no callback is told of. Without a listener
// such an error ends the loop, whose Run returns it.
func (s *Socket) OnError(f func(err error)) (remove func()) { return s.onError.add(f) }

// emitError is the event 'error'.
func (s *Socket) emitError(err error) {
	if len(s.onError.listeners) == 0 {
		s.loop.Fail(err)
		return
	}
	s.onError.emit(func(f func(error)) { f(err) })
}

func call(f func()) { f() }
