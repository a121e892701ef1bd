// Package wheel is an exact hierarchical timing wheel: a queue of events ordered
// by time, and among equal times by the order in which they were added.
//
//	var w wheel.Wheel[string]
//	e := &wheel.Event[string]{Value: "tick"}
//	w.Add(e, 1_000_000)
//	for e := w.Pop(2_000_000); e != nil; e = w.Pop(2_000_000) {
//		fmt.Println(w.Now(), e.Value) // 1000000 tick
//	}
//
// # How it works
//
// Time is a number of nanoseconds. Level l of the wheel has 64 slots of 64^l
// nanoseconds each, and covers the window of 64^(l+1) nanoseconds in which the
// present lies. An event waits in the lowest level whose window holds its time.
// When the present moves into a slot, the events in it move down, in the order
// in which they stand. So a slot of level 0 holds events of one time only, in
// the order of their adding, and no sequence number needs to be kept: an event
// that was added earlier is in a slot at least as high, and has come down by the
// time that a later one of the same time is put into the lower slot.
//
// Adding and removing cost the same however many events wait. Events are linked
// into the wheel themselves, so nothing is allocated.
//
// # Limitations
//
// A Wheel is used by one goroutine at a time. Its times are not negative, and it
// does not go back.
package wheel
