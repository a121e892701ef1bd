package stack

import "container/heap"

// due is when something is to be done about a group. The zero due is not in a queue.
type due struct {
	at    instant
	place int // in the queue, counted from 1; 0: in none
	group *group
}

// dueQueue holds groups by the time when something is to be done about them.
type dueQueue []*due

// set puts d into the queue, or moves it.
func (q *dueQueue) set(d *due, g *group, at instant) {
	d.at, d.group = at, g
	if d.place == 0 {
		heap.Push(q, d)
	} else {
		heap.Fix(q, d.place-1)
	}
}

// cancel takes d out, if it is in the queue.
func (q *dueQueue) cancel(d *due) {
	if d.place != 0 {
		heap.Remove(q, d.place-1)
	}
}

// next returns the earliest time; never if there is none.
func (q dueQueue) next() instant {
	if len(q) == 0 {
		return never
	}
	return q[0].at
}

// take returns the groups whose time has come, in its order, and takes them out.
func (q *dueQueue) take(now instant) (list []*group) {
	for q.next() <= now {
		list = append(list, heap.Pop(q).(*due).group)
	}
	return list
}

func (q dueQueue) Len() int           { return len(q) }
func (q dueQueue) Less(i, j int) bool { return q[i].at < q[j].at }
func (q dueQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i+1, j+1
}

func (q *dueQueue) Push(x any) {
	d := x.(*due)
	*q = append(*q, d)
	d.place = len(*q)
}

func (q *dueQueue) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	d.place = 0
	return d
}
