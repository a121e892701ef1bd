// Package interop holds the tests of castnet's stack against programs it was
// not written with: the Linux kernel, socat, ping, dig, and tshark as the judge
// of every frame that was sent.
//
// They need root, a kernel with TAP devices and the programs, so they run only
// when asked for:
//
//	CASTNET_INTEROP=1 go test ./interop
package interop
