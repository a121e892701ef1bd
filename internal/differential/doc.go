// Package differential runs random sequences of socket calls on the operating
// system and on package stack, and compares every result.
//
//	go test ./internal/differential                       # short
//	go test ./internal/differential -rapid.checks=20000   # long
//	sudo go test ./internal/differential                  # with wires, in a namespace, and IPv6
//
// # How it works
//
// A [Step] is one call, as data: which of a handful of sockets, and with what. A
// sequence of them is drawn at random, and run twice, each time on a Machine of
// package conformance; the results (errnos, addresses, datagrams, fields, the
// packets on the wires) are written down one line a step, and the lines must be
// equal. Ephemeral ports are random on both, so they are given names in the
// order in which they turn up.
//
// A sequence that differs is made as short as it can be and printed, together
// with where the two part. It is then worth a case in the conformance table.
//
// That the comparison can tell right from wrong is tested as well: a list of
// bugs is planted, one at a time, between the sequence and the stack, and each
// must be found.
//
// # Limitations
//
// What depends on secrets of the network is left out: which socket of a
// ReusePort group hears a flow. So is what depends on the kernel's arithmetic:
// buffers are never filled. So is what nobody means to do: sending by lo what is
// not for it. And so is what depends on the kernel's caches: that a connected
// socket is not asked again for a permission that was taken back, and that one
// whose next Connect failed sends to the addresses that failed.
//
// Of IPv6 these are left out besides, since the stack differs from Linux by choice:
// a socket that was disconnected hears everybody again, and not its former peer alone;
// one that had a peer of IPv4 and gets one of IPv6, or the other way round, goes by what
// it shows; connected to a peer of IPv6 it does not keep others from IPv4's port; and a
// host that does not forward answers nothing to what is for others, where Linux says
// that there is no route, if there is none.
//
// The sequences are the same on every run, so that a change is what makes the test
// fail; -rapid.seed=0 draws others.
package differential
