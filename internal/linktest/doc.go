// Package linktest is what the tests of links on the kernel's devices have in common: a
// device that goes down or away, and what Open refuses.
//
//	linktest.DownAndGone(t, ns, "cn0", l, frame, nil)
//
// # Limitations
//
// Linux only, since the links are.
package linktest
