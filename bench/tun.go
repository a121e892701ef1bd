package main

import "fmt"

// tunRows are datagrams between a stack and a socket of the kernel by a TUN device,
// one way. What is measured is the processor time of the whole process, less that
// of the thread that stands for the kernel's program.
func tunRows() []row {
	const (
		plain = "checksums made and verified on both sides"
		uso   = "a batch is one train; checksums are left to the kernel, which makes none"
	)
	var all []row
	for _, r := range []struct {
		name, about, note string
		kind              kind
		uso, write        bool
		open              func(bufs *buffers, uso, write bool) (path, error)
	}{
		{"tun-write", "castnet's stack to a socket of the kernel, packet by packet", plain, ours, false, true, openTUN},
		{"tun-uso-write", "the same with the vnet header and UDP segmentation", uso, ours, true, true, openTUN},
		{"tun-gvisor-write", "gVisor netstack over fdbased to a socket of the kernel", plain, peer, false, true, openTUNGVisor},
		{"tun-read", "a socket of the kernel to castnet's stack, packet by packet", plain, ours, false, false, openTUN},
		{"tun-uso-read", "the same with the vnet header and UDP segmentation", uso, ours, true, false, openTUN},
		{"tun-lent", "tun-read by TryLend: what is read is not copied by the stack", plain, ours, false, false, openTUNLent},
		{"tun-uso-lent", "tun-uso-read by TryLend", uso, ours, true, false, openTUNLent},
		{"tun-gvisor-read", "a socket of the kernel to gVisor netstack over fdbased", plain, peer, false, false, openTUNGVisor},
	} {
		all = append(all, row{
			name: r.name, kind: r.kind, about: r.about, note: r.note, vouched: true,
			open: func(s setup, b *buffers) (path, error) {
				if s.corrupt {
					return nil, fmt.Errorf("over a TUN device: %w", errCannotCorrupt)
				}
				return r.open(b, r.uso, r.write)
			},
		})
	}
	return in("tun", all...)
}
