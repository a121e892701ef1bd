package stack

import "container/heap"

// due is when something is to be done about a group. The zero due is not in a queue.
type due struct {
	at    instant
	seq   uint64 // among equal times the first set comes first
	place int    // in the queue, counted from 1; 0: in none
	group *group
}

// dueQueue holds groups by the time when something is to be done about them.
type dueQueue struct {
	heap dueHeap
	seq  uint64
}

// set puts d into the queue, or moves it.
func (q *dueQueue) set(d *due, g *group, at instant) {
	q.seq++
	d.at, d.seq, d.group = at, q.seq, g
	if d.place == 0 {
		heap.Push(&q.heap, d)
	} else {
		heap.Fix(&q.heap, d.place-1)
	}
}

// cancel takes d out, if it is in the queue.
func (q *dueQueue) cancel(d *due) {
	if d.place != 0 {
		heap.Remove(&q.heap, d.place-1)
	}
}

// next returns the earliest time; never if there is none.
func (q *dueQueue) next() instant {
	if len(q.heap) == 0 {
		return never
	}
	return q.heap[0].at
}

// first returns the group whose time comes first; nil if there is none.
func (q *dueQueue) first() *group {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0].group
}

// take returns the groups whose time has come, in its order, and takes them out.
func (q *dueQueue) take(now instant) (list []*group) {
	for len(q.heap) > 0 && q.heap[0].at <= now {
		list = append(list, heap.Pop(&q.heap).(*due).group)
	}
	return list
}

type dueHeap []*due

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i+1, j+1
}

func (h *dueHeap) Push(x any) {
	d := x.(*due)
	*h = append(*h, d)
	d.place = len(*h)
}

func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	d.place = 0
	return d
}
