package main

import "github.com/castnet-go/castnet/wire"

func referenceRows() []row {
	return []row{{
		name: "copy", kind: reference,
		about: "one copy of the payload",
		note:  "no network: a datagram is copied at least twice",
		open:  func(_ setup, b *buffers) (path, error) { return copyPath{b}, nil },
	}, {
		name: "sum", kind: reference,
		about: "one checksum of the payload, by wire.Sum",
		note:  "no network: a datagram is summed twice where nobody vouches for it",
		open:  func(_ setup, b *buffers) (path, error) { return &sumPath{bufs: b}, nil },
	}}
}

type copyPath struct{ bufs *buffers }

func (p copyPath) carry(count int) error {
	for i := range count {
		in := p.bufs.in[i][:room]
		p.bufs.in[i] = in[:copy(in, p.bufs.out[i])]
	}
	return nil
}

func (copyPath) close() error { return nil }

// sumPath adds up the payloads and hands back the very bytes.
type sumPath struct {
	bufs *buffers
	sum  uint16 // so that the work is not for nothing
}

func (p *sumPath) carry(count int) error {
	for i := range count {
		p.sum ^= wire.Sum(p.bufs.out[i])
		p.bufs.in[i] = p.bufs.out[i]
	}
	return nil
}

func (*sumPath) close() error { return nil }
