//go:build packetcheck || race

package packet

import "sync/atomic"

// Checking says whether this is the checking build.
const Checking = true

type checkState struct{ out atomic.Bool }

var live atomic.Int64

// Live returns the number of buffers that are out of the pools, clones included.
func Live() int { return int(live.Load()) }

func (b *Buffer) checkTake() {
	if b.state.out.Swap(true) {
		panic("packet: the pool handed out a buffer that is in use")
	}
	live.Add(1)
}

func (b *Buffer) checkUse() {
	if !b.state.out.Load() {
		panic("packet: buffer used or released after its release")
	}
}

func (b *Buffer) checkWrite() {
	b.checkUse()
	if b.Shared() {
		panic("packet: the window of a shared buffer was grown; ask for Writable first")
	}
}

// checkRelease overwrites the storage, so that a reader who kept a slice of it
// sees that it is not its any more.
func (b *Buffer) checkRelease() {
	if !b.state.out.Swap(false) {
		panic("packet: buffer released twice")
	}
	live.Add(-1)
	if b.class != cloneClass {
		for i := range b.store {
			b.store[i] = 0xdb
		}
	}
}
