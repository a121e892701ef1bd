// Package netns gives tests network namespaces of their own, in which they may
// make devices and addresses without touching the machine's. It needs root.
//
//	ns := netns.New(t)
//	ns.Do(func() { l, err = tap.Open("cn0", tap.Config{}) })
//	out := ns.Run(t, "ip", "addr", "show")
//
// # How it works
//
// A namespace is that of one OS thread, which a locked goroutine keeps. Do calls
// a function there: sockets and devices that it opens, and programs that it
// starts, live in the namespace for good, and may be used from anywhere.
// Goroutines that it starts run elsewhere.
//
// # Limitations
//
// Linux only; elsewhere New skips the test.
package netns
