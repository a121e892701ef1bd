package stack

// A deadline is when something is due: a timer's function, or what is to be told of a
// group. The zero deadline is not set.
type deadline[T any] struct {
	at   instant
	seq  uint64 // among equal instants the first set comes first
	slot int    // in the heap, counted from 1; 0: not set
	due  T
}

// deadlines holds deadlines, the earliest first. The zero deadlines is empty. It is not
// container/heap's, which would compare and move them through an interface.
type deadlines[T any] struct {
	heap []*deadline[T]
	seq  uint64
}

func (d *deadline[T]) before(o *deadline[T]) bool {
	return d.at < o.at || d.at == o.at && d.seq < o.seq
}

// set sets d, whether it was set or not.
func (q *deadlines[T]) set(d *deadline[T], at instant) {
	q.seq++
	d.at, d.seq = at, q.seq
	if d.slot == 0 {
		q.heap = append(q.heap, d)
		d.slot = len(q.heap)
	}
	q.settle(d, d.slot-1)
}

// cancel takes d out, if it is set.
func (q *deadlines[T]) cancel(d *deadline[T]) {
	if d.slot == 0 {
		return
	}
	n := len(q.heap) - 1
	last := q.heap[n]
	q.heap[n] = nil
	q.heap = q.heap[:n]
	if last != d {
		q.settle(last, d.slot-1)
	}
	d.slot = 0
}

// settle puts d, which may go to place k, at the one where it belongs.
func (q *deadlines[T]) settle(d *deadline[T], k int) {
	h := q.heap
	for k > 0 && d.before(h[(k-1)/2]) {
		h[k] = h[(k-1)/2]
		h[k].slot = k + 1
		k = (k - 1) / 2
	}
	for {
		child := 2*k + 1
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if child >= len(h) || !h[child].before(d) {
			break
		}
		h[k] = h[child]
		h[k].slot = k + 1
		k = child
	}
	h[k] = d
	d.slot = k + 1
}

// next returns the earliest time; never if there is none.
func (q *deadlines[T]) next() instant {
	if len(q.heap) == 0 {
		return never
	}
	return q.heap[0].at
}

// take takes the earliest deadline out, if it has come, and else returns nil.
func (q *deadlines[T]) take(now instant) *deadline[T] {
	if q.next() > now || len(q.heap) == 0 {
		return nil
	}
	d := q.heap[0]
	q.cancel(d)
	return d
}
