package packet

import (
	"bytes"
	"testing"
	"unsafe"
)

func filled(s string) *Buffer {
	b := New(len(s))
	copy(b.Append(len(s)), s)
	return b
}

func TestWindow(t *testing.T) {
	b := filled("payload")
	copy(b.Prepend(4), "head")
	if got := string(b.Bytes()); got != "headpayload" {
		t.Errorf("after Prepend: %q", got)
	}
	b.SetNetwork(4)
	b.SetTransport(7)
	b.TrimFront(4)
	b.TrimTo(5)
	if got := string(b.Bytes()); got != "paylo" {
		t.Errorf("after the trims: %q", got)
	}
	if n, tr := string(b.NetworkBytes()), string(b.TransportBytes()); n != "paylo" || tr != "lo" {
		t.Errorf("NetworkBytes, TransportBytes = %q, %q", n, tr)
	}
	copy(b.Extend(2, 1), "<")
	if got := string(b.Bytes()[2:7]); got != "paylo" || b.Len() != 8 {
		t.Errorf("after Extend: %q of %d bytes", got, b.Len())
	}
	b.Release()
}

func TestSizeClasses(t *testing.T) {
	for _, size := range []int{0, 1, 176, 177, 944, 945, 1968, 1969, 10160, 10161, 65535, MaxSize} {
		b := New(size)
		if _, back := b.Room(); back < size {
			t.Errorf("New(%d) has room for %d", size, back)
		}
		if got, least := b.TrueSize(), size+Headroom+int(unsafe.Sizeof(*b)); got < least {
			t.Errorf("New(%d).TrueSize() = %d, less than what it holds (%d)", size, got, least)
		}
		if got := TrueSizeFor(size); got != b.TrueSize() {
			t.Errorf("TrueSizeFor(%d) = %d, want %d", size, got, b.TrueSize())
		}
		b.Release()
	}
	for _, size := range []int{-1, MaxSize + 1} {
		if !panics(func() { New(size) }) {
			t.Errorf("New(%d) did not panic", size)
		}
	}
}

func TestCloneSharesAndWritableCopies(t *testing.T) {
	b := filled("abc")
	c := b.Clone()
	d := c.Clone()
	if !b.Shared() || !c.Shared() || !d.Shared() {
		t.Fatal("clones do not count as shared")
	}
	c.TrimFront(1)
	if got := string(b.Bytes()); got != "abc" {
		t.Errorf("trimming a clone changed the original's window: %q", got)
	}
	w := c.Writable() // releases c
	w.Bytes()[0] = 'X'
	if got := string(d.Bytes()); got != "abc" {
		t.Errorf("writing to a Writable copy changed a clone: %q", got)
	}
	if got := string(w.Bytes()); got != "Xc" {
		t.Errorf("copy = %q, want %q", got, "Xc")
	}
	b.Release()
	if d.Shared() {
		t.Error("the last clone still counts as shared")
	}
	if got := d.Writable(); got != d {
		t.Error("Writable copied what nobody shares")
	}
	d.Release()
	w.Release()
}

func TestWritableKeepsMarks(t *testing.T) {
	b := filled("headpayload")
	b.SetNetwork(0)
	b.SetTransport(4)
	b.ID, b.SegmentSize = 7, 9
	c := b.Clone()
	w := c.Writable()
	if got := string(w.TransportBytes()); got != "payload" || w.ID != 7 || w.SegmentSize != 9 {
		t.Errorf("copy: transport %q, ID %d, SegmentSize %d", got, w.ID, w.SegmentSize)
	}
	w.Release()
	b.Release()
}

type account int

func (a *account) Charge(n int)   { *a += account(n) }
func (a *account) Uncharge(n int) { *a -= account(n) }

func TestOwnerIsChargedWhileHeld(t *testing.T) {
	var a account
	b := filled("x")
	b.SetOwner(&a)
	if a != 0 {
		t.Errorf("charged %d before Hold", a)
	}
	b.Hold()
	b.Hold()
	if int(a) != b.TrueSize() {
		t.Errorf("charged %d while held, want %d", a, b.TrueSize())
	}
	c := b.Clone()
	w := c.Writable()
	b.Release()
	if a != 0 {
		t.Errorf("charged %d after the release", a)
	}
	w.Release()
}

func TestReleaseAll(t *testing.T) {
	before := Live()
	bs := make([]*Buffer, 40)
	NewBatch(bs[:32], 64)
	NewBatch(bs[32:39], 1400)
	bs[3].Retain(1)
	kept := bs[3]
	ReleaseAll(bs)
	for i, b := range bs {
		if b != nil {
			t.Fatalf("ReleaseAll left bs[%d]", i)
		}
	}
	if Checking && Live() != before+1 {
		t.Errorf("Live() = %d, want %d: the retained one", Live(), before+1)
	}
	kept.Release()
	if Live() != before {
		t.Errorf("Live() = %d after all releases, want %d", Live(), before)
	}
}

func TestCheckingBuildFindsMisuse(t *testing.T) {
	if !Checking {
		t.Skip("not the checking build: run with -tags packetcheck or -race")
	}
	b := filled("secret")
	kept := b.Bytes()
	b.Release()
	if !panics(b.Release) {
		t.Error("a double release did not panic")
	}
	if !panics(func() { b.Clone() }) {
		t.Error("cloning a released buffer did not panic")
	}
	if bytes.Contains(kept, []byte("secret")) {
		t.Error("released bytes were not overwritten")
	}
	c := filled("x")
	c.Retain(1)
	if !panics(func() { c.Prepend(1) }) {
		t.Error("growing a shared window did not panic")
	}
	c.Release()
	c.Release()
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

func TestNoAllocations(t *testing.T) {
	if Checking {
		t.Skip("the race detector makes sync.Pool drop buffers at random")
	}
	bs := make([]*Buffer, 32)
	if n := testing.AllocsPerRun(1000, func() { NewBatch(bs, 64); ReleaseAll(bs) }); n > 0.1 {
		t.Errorf("a batch allocates %v times", n)
	}
	if n := testing.AllocsPerRun(1000, func() { New(1400).Release() }); n > 0.1 {
		t.Errorf("a buffer allocates %v times", n)
	}
}

func BenchmarkNewRelease(b *testing.B) {
	for b.Loop() {
		New(64).Release()
	}
}

func BenchmarkBatch32(b *testing.B) {
	bs := make([]*Buffer, 32)
	for b.Loop() {
		NewBatch(bs, 64)
		ReleaseAll(bs)
	}
}
