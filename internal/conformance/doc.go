// Package conformance holds every network of castnet to one table of rules, with
// the Linux kernel as the oracle.
//
// A rule is one sentence under a stable identifier (D-BIND-03: "binding a bound
// socket is EINVAL"). A case is a short program against the seam of package
// socket that shows one rule or a few. Each case runs as /host, on the operating
// system's sockets, and as /stack, on package stack, and must pass on both: what
// Linux does is what the rule says.
//
//	go test ./internal/conformance                          # the table
//	go test ./internal/conformance -run TestRules -v        # rule → cases, and the rules without a case
//	go test ./internal/conformance -run 'TestTable/.*/host' # what the kernel says
//	sudo go test ./internal/conformance                     # with the cases that need namespaces
//
// # How it works
//
// A case is given a [Machine]. Its simplest form has a loopback interface only:
// for /host that is the machine on which the test runs. The other form has two
// Ethernet interfaces besides, with fixed addresses and routes, whose far ends
// (a [Wire] each) are in the hand of the case: it sees every frame the machine
// sends and may inject any. For /stack the wire is a link in memory. For /host
// it is a TAP device in a network namespace of its own, so the same frames go
// into the kernel and into package stack, and the same answers must come back.
//
// Results are compared: errnos, addresses, datagrams, fields, frames. Where a
// count is the kernel's own arithmetic (832 bytes a datagram), a case checks
// bounds.
//
// On /stack time is virtual, so a rule about seconds costs none; at the end of
// each case the stack's ledger must balance.
//
// # Limitations
//
// Namespaces need root. Without it the cases that need them do not run as /host;
// they are skipped by name and counted, and go test shows both with -v only, or if
// some other case fails: a plain "ok" does not say that they ran. With
// CASTNET_INTEROP=1 in the environment each is a failure instead.
package conformance
