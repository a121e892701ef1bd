package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// An expecter is a path whose sockets block when there is nothing to read.
type expecter interface{ expect(time.Duration) error }

// A verifier is a path that counts what it drops for a bad checksum.
type verifier interface{ badChecksums() uint64 }

func openForTest(t testing.TB, r row, s setup) (path, *buffers) {
	t.Helper()
	bufs := newBuffers(rand.New(rand.NewPCG(1, 1)))
	p, err := r.open(s, bufs)
	if errors.Is(err, errUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p, bufs
}

func TestRowsCarryDatagramsIntact(t *testing.T) {
	for _, r := range rows() {
		if r.open == nil {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			p, bufs := openForTest(t, r, setup{others: 20, many: 2000})
			if e, ok := p.(expecter); ok {
				if err := e.expect(2 * time.Second); err != nil {
					t.Fatal(err)
				}
			}
			random := rand.New(rand.NewPCG(1, 1))
			for _, c := range groupOf(r.group).cells {
				if r.singlesOnly && c.batch > 1 {
					continue
				}
				for range 3 { // the queues' rings wrap
					bufs.fill(random, c.size)
					stage(p)
					if err := p.carry(c.batch); err != nil {
						t.Fatalf("%v: %v", c, err)
					}
					collect(p)
					if err := bufs.check(c.batch); err != nil {
						t.Fatalf("%v: %v", c, err)
					}
				}
			}
		})
	}
}

func TestRowsVerifyChecksums(t *testing.T) {
	for _, r := range rows() {
		if r.kind == reference || r.open == nil {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			bufs := newBuffers(rand.New(rand.NewPCG(1, 1)))
			p, err := r.open(setup{corrupt: true, many: 1}, bufs)
			if errors.Is(err, errUnavailable) {
				t.Skip(err)
			}
			if errors.Is(err, errCannotCorrupt) {
				if !r.vouched {
					t.Fatal("the row cannot be shown to verify checksums, and does not say that it does not")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer p.close()
			if r.vouched {
				t.Fatal("the row says that the link vouches for checksums, and yet its frames can be corrupted")
			}
			if e, ok := p.(expecter); ok {
				if err := e.expect(50 * time.Millisecond); err != nil {
					t.Fatal(err)
				}
			}
			before := uint64(0)
			v, counts := p.(verifier)
			if counts {
				before = v.badChecksums()
			}
			bufs.fill(rand.New(rand.NewPCG(1, 1)), 64)
			stage(p)
			err = p.carry(1)
			if !errors.Is(err, errNotDelivered) && !errors.Is(err, os.ErrDeadlineExceeded) && !isTimeout(err) {
				t.Errorf("carrying a corrupted frame: %v, want that nothing came", err)
			}
			if counts {
				// gonet's first datagram waits for ARP in another goroutine.
				for range 1000 {
					if v.badChecksums() > before {
						return
					}
					time.Sleep(time.Millisecond)
				}
				t.Error("nothing was dropped for its checksum")
			}
		})
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func TestCheckSeesWhatIsWrong(t *testing.T) {
	bufs := newBuffers(rand.New(rand.NewPCG(1, 1)))
	bufs.fill(rand.New(rand.NewPCG(1, 1)), 64)
	if err := bufs.check(1); err == nil {
		t.Error("check: no error though nothing was read")
	}
	bufs.in[0] = append(bufs.in[0], bufs.out[0]...)
	if err := bufs.check(1); err != nil {
		t.Errorf("check of what was read right: %v", err)
	}
	bufs.in[0][63] ^= 1
	if err := bufs.check(1); err == nil {
		t.Error("check: no error though a bit is wrong")
	}
}
