// Package interop holds the tests of castnet's stack against what it was not
// written with: the Linux kernel at the other end of a TAP device, as a host, as a
// router with a smaller MTU and as a translator of addresses; socat, ping, iperf,
// traceroute and tracepath, a DNS server and dig; a hostile station made with scapy;
// and tshark as the judge of every frame that was sent.
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
// Other stations may be there to do harm: testdata/hostile.py, with scapy, throws
// malformed and misleading frames at a stack (TestHostileFrames). It throws the same
// ones each time; CASTNET_HOSTILE_SEED=N draws others.
//
// Without CASTNET_INTEROP=1 each test skips and says how it is run. With it, a
// program or a privilege that is missing is a failure.
//
// # Limitations
//
// Linux only. What the kernel sends is captured but not judged: on devices with
// offloads, of which veth is one, its checksums are made after the capture.
// tshark is told to look for no protocol above UDP, but for DNS in the test of
// DNS: the ephemeral ports are many, and some are those of a protocol that the
// payloads are not, as port 5000 is.
package interop
