package dgram

// A waitQueue is what waits for the bind: sends and a connect, in order. Each is called
// with nil when its turn has come, or with the error that the bind ended with.
type waitQueue struct{ list []func(err error) }

// wait queues f until the socket is bound. It is flushed as a listener of 'listening'
// that was added with the first, as Node does it.
func (s *Socket) wait(f func(err error)) {
	if s.waiting == nil {
		w := new(waitQueue)
		s.waiting = w
		remove := s.onListening.once(func() {
			if s.waiting == w {
				s.flush()
			}
		})
		w.list = append(w.list, func(err error) {
			if err != nil {
				remove()
			}
		})
	}
	s.waiting.list = append(s.waiting.list, f)
}

// flush lets what has waited go on.
func (s *Socket) flush() {
	w := s.waiting
	s.waiting = nil
	for _, f := range w.list {
		f(nil)
	}
	if s.closeWaits {
		s.closeWaits = false
		if s.handle != nil {
			s.close()
		}
	}
}

// drop tells all who wait that it was in vain. A nil queue is empty.
func (w *waitQueue) drop(err error) {
	if w != nil {
		for _, f := range w.list {
			f(err)
		}
	}
}
