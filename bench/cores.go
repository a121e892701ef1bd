package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// coreRows are pairs of sockets that have nothing to do with each other but for
// the two stacks that they are on, each pair used by a goroutine of its own.
func coreRows() []row {
	const note = "checksums made and verified; a figure is the time in which all cores together carry a datagram"
	stacks := func(name string, cores int) row {
		return row{
			name: name, kind: ours,
			about: fmt.Sprintf("row stack %d times on the same two stacks, at once", cores),
			note:  note,
			open:  func(s setup, b *buffers) (path, error) { return openCores(s, b, cores) },
		}
	}
	machine := func(name string, cores int) row {
		return row{
			name: name, kind: reference,
			about: fmt.Sprintf("%d goroutines that do nothing but checksums of 1400 bytes of their own", cores),
			note:  "no network: what the machine makes of a second core",
			open:  func(s setup, b *buffers) (path, error) { return openSums(b, cores) },
		}
	}
	return in("cores", stacks("cores-one", 1), stacks("cores-two", 2), machine("cores-sum-one", 1), machine("cores-sum-two", 2))
}

func enoughCores(cores int) error {
	if n := runtime.GOMAXPROCS(0); n < cores {
		return fmt.Errorf("%w: the process has %d core", errUnavailable, n)
	}
	return nil
}

// atOnce calls f for each worker at the same time, and returns the time that the
// whole of the work would take at the pace that they kept.
func atOnce(workers int, f func(worker int) error) (time.Duration, error) {
	var (
		ready atomic.Int32
		group sync.WaitGroup
		errs  = make([]error, workers)
		took  = make([]time.Duration, workers)
	)
	for w := range workers {
		group.Go(func() {
			// Nobody begins before all are there: starting a core takes long.
			for ready.Add(1); int(ready.Load()) < workers; {
				runtime.Gosched()
			}
			start := time.Now()
			errs[w] = f(w)
			took[w] = time.Since(start)
		})
	}
	group.Wait()
	pace := 0.0
	for _, t := range took {
		pace += 1 / float64(max(t, 1))
	}
	return time.Duration(float64(workers) / pace), errors.Join(errs...)
}

// corePath is as many pairs of sockets on two stacks as there are cores.
type corePath struct {
	*stackNet
	pairs []*stackPath
}

func openCores(s setup, bufs *buffers, cores int) (path, error) {
	if err := enoughCores(cores); err != nil {
		return nil, err
	}
	n, err := newStackNet(s)
	if err != nil {
		return nil, err
	}
	p := &corePath{stackNet: n}
	for k := range cores {
		pair := &stackPath{stackNet: n, bufs: bufs, shared: cores > 1}
		if k > 0 {
			pair.bufs = newBuffers(rand.New(rand.NewPCG(uint64(k), 0)))
		}
		from := netip.AddrPortFrom(netip.AddrFrom4(addrA), uint16(portA+10*k))
		to := netip.AddrPortFrom(netip.AddrFrom4(addrB), uint16(portB+10*k))
		if pair.from, err = openSocket(n.a, from, to, true); err == nil {
			pair.to, err = openSocket(n.b, to, from, true)
		}
		if err != nil {
			return nil, errors.Join(err, n.close())
		}
		for i := range batchSize {
			pair.in[i].Buf = pair.bufs.in[i]
		}
		p.pairs = append(p.pairs, pair)
	}
	return p, nil
}

// stage gives each pair the payloads of the first, in memory of its own.
func (p *corePath) stage() {
	for _, pair := range p.pairs {
		for i, out := range p.pairs[0].bufs.out {
			pair.bufs.out[i] = append(pair.bufs.out[i][:0], out...)
		}
		pair.stage()
	}
}

func (p *corePath) collect() {
	for _, pair := range p.pairs {
		pair.collect()
	}
}

func (p *corePath) carry(count int) error {
	for _, pair := range p.pairs {
		if err := pair.carry(count); err != nil {
			return err
		}
	}
	return nil
}

func (p *corePath) run(batch, n int) (time.Duration, error) {
	each := n/len(p.pairs) + 1
	took, err := atOnce(len(p.pairs), func(w int) error {
		for range each {
			if err := p.pairs[w].carry(batch); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, pair := range p.pairs {
		pair.collect()
		if err := pair.bufs.check(batch); err != nil {
			return 0, err
		}
	}
	return time.Duration(float64(took) * float64(n) / float64(each*len(p.pairs))), nil
}

// sumsPath is what the machine can do.
type sumsPath struct {
	bufs  *buffers
	cores int
}

func openSums(bufs *buffers, cores int) (path, error) {
	return &sumsPath{bufs, cores}, enoughCores(cores)
}

func (p *sumsPath) carry(count int) error { return copyPath{p.bufs}.carry(count) }

func (p *sumsPath) run(batch, n int) (time.Duration, error) {
	each := n*batch/p.cores + 1
	took, err := atOnce(p.cores, func(int) error {
		data := make([]byte, 1400)
		for range each {
			wire.PutUDP(data).SetChecksum(wire.Sum(data))
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return time.Duration(float64(took) * float64(n*batch) / float64(each*p.cores)), p.carry(batch)
}

func (*sumsPath) close() error { return nil }
