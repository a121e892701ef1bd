// Package clock is the time that everything in castnet goes by.
//
// A program on the operating system's network lives in the system's time; one
// in a lab lives in virtual time, where an hour may pass in a millisecond and
// nothing waits. Code written against [Clock] cannot tell the difference.
//
//	func remind(c clock.Clock) {
//		start := c.Now()
//		c.AfterFunc(time.Second, func() { fmt.Println(c.Now().Sub(start)) })
//	}
//
//	v := clock.NewVirtual(time.Time{})
//	remind(v)
//	v.Advance(time.Hour) // prints 1s, at once
//
// # How it works
//
// [System] is package time: inside a testing/synctest bubble it is the
// bubble's time. [Virtual] keeps its timers in a hierarchical wheel and calls
// them in the order of (time, order of arming), on the goroutine that advances
// it. [Manual] tells the time by a function and never calls anything, for who
// drives a state machine by hand.
//
// # Limitations
//
// A Clock does not put goroutines to sleep. Who wants to block uses the
// network's means: a socket's Wait, or a task's Sleep in a lab.
package clock
