// Package interop holds the tests of castnet's stack against what it was not
// written with: the Linux kernel at the other end of a TAP device, as a host, as a
// router with a smaller MTU, as a translator of addresses, and as a bridge that asks
// who hears which group and snoops on the answers; socat, ping, iperf, traceroute and
// tracepath, a DNS server and dig, ssmping and asmping, avahi, uftp, radvd; a hostile
// station made with scapy; and tshark as the judge of every frame that was sent.
//
//	sudo env CASTNET_INTEROP=1 go test ./interop
//
// # How it works
//
// Each test has a network namespace, a directory and a capture of its own. The
// capture is the kernel's, of what came out of the TAP device, and begins before
// there is one. When the test is over, tshark reads it, with the verification of
// checksums on; a frame of ours that it finds malformed, with a checksum that is
// wrong or that nobody verified, fails the test, and so does one that the stack
// counted and the capture has not. A test of its own shows that bad frames are
// found.
//
// What holds for IPv4 and for IPv6 is one test that is run for each family, beside the
// others that are (the type family has what they differ in):
//
//	sudo env CASTNET_INTEROP=1 go test -parallel 8 -run 'Group|Bridge|IPv6' ./interop
//
// uftp and avahi cannot be run over our stack. Of uftp's file every datagram comes in by
// a membership of ours, from the one source that it is for, and goes out again by a
// sender of ours to a membership of the kernel's (TestFileToGroup). avahi talks to
// libraries of Go's whose packets are those of a castnet.Conn (TestMulticastDNS).
//
// Other stations may be there to do harm: testdata/hostile.py and hostile6.py, with scapy,
// throw malformed and misleading frames at a stack (TestHostileFrames). They throw the same
// ones each time; CASTNET_HOSTILE_SEED=N draws others.
//
// Without CASTNET_INTEROP=1 each test skips and says how it is run. With it, a
// program or a privilege that is missing is a failure.
//
// # Limitations
//
// Linux only. How an older version of a querier is forgotten is shown with an interval
// of a second between its queries; the minutes that are usual are package stack's own
// tests, in virtual time. What the kernel sends is captured but not judged: on devices with
// offloads, of which veth is one, its checksums are made after the capture.
// tshark is told to look for no protocol above UDP, but for DNS in the test of
// DNS: the ephemeral ports are many, and some are those of a protocol that the
// payloads are not, as port 5000 is.
package interop
