package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/socket"
)

// labRows are hops in a lab in virtual time: a frame's way over one link, of which
// a datagram from host to host by a switch takes two, sending and reading included.
func labRows() []row {
	const note = "the links' checksums are vouched for; ledger and fingerprint are kept"
	hosts := func(n int) row {
		return row{
			name: fmt.Sprintf("lab-%d", n), kind: ours, singlesOnly: true, vouched: true,
			about: fmt.Sprintf("%d hosts on switches of 100, all exchanging datagrams of 64 bytes with a neighbour over links of 100 µs", n),
			note:  note,
			open:  func(s setup, b *buffers) (path, error) { return openLab(s, b, n) },
		}
	}
	copies := func(name, about string, memory int) row {
		return row{
			name: name, kind: reference, singlesOnly: true,
			about: "a copy of 1400 bytes " + about, note: "no network: what the machine makes of its memory",
			open: func(_ setup, b *buffers) (path, error) { return openScattered(b, memory), nil },
		}
	}
	rows := in("lab", hosts(100), hosts(1000), hosts(10000),
		row{
			name: "lab-pingpong", kind: ours, roundTrip: true, singlesOnly: true, vouched: true,
			about: "castnet.Conn between two tasks on two hosts and a switch, without delay, there and back",
			note:  note + "; a figure is a round trip: two datagrams, four hops, two tasks resumed",
			open:  openLabPingPong,
		},
		copies("lab-copy", "that are in the cache", 0),
		copies("lab-copy-scattered", "between two places of 128 MiB, of which hardly any is", 128<<20),
	)
	return append(rows, in("amounts", row{
		name: "lab-hour", kind: ours, unit: "s",
		about: "the processor time of a virtual hour in which one of each of 100 pairs of hosts sends the other a datagram a second, ARP included", note: note,
		amount: func(setup) (float64, error) { return labHour() },
	}, row{
		name: "memory-lab", kind: ours, unit: "MiB",
		about: "what 10 000 hosts on switches of 100 take that exchange datagrams, each with a socket and its buffers", note: note,
		amount: func(setup) (float64, error) { return labMemory(10000) },
	})...)
}

// labNet is hosts in pairs that exchange datagrams, for ever or when told to.
type labNet struct {
	lab     *lab.Lab
	sockets []socket.Socket
	bufs    [][]socket.Message
	read    int // datagrams so far
	delay   time.Duration
}

func labAddr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 0, byte(i / 250), byte(i%250 + 1)})
}

// newLabNet makes the hosts, with static neighbours if there shall be nothing but
// datagrams: asking for addresses floods a switch. When a host gets a datagram, it
// calls got.
func newLabNet(hosts int, static bool, got func(n *labNet, host int)) (*labNet, error) {
	n := &labNet{lab: lab.New(lab.Config{Seed: 1}), delay: 100 * time.Microsecond}
	var lan *lab.Switch
	for i := range hosts {
		if i%100 == 0 {
			lan = n.lab.AddSwitch(fmt.Sprintf("lan%d", i/100))
		}
		if _, err := n.lab.AddHost(fmt.Sprintf("h%d", i)).Attach(lan, lab.LinkConfig{
			Addresses: []netip.Prefix{netip.PrefixFrom(labAddr(i), 16)},
			Faults:    lab.Faults{Delay: n.delay},
		}); err != nil {
			return nil, errors.Join(err, n.lab.Close())
		}
	}
	all := n.lab.Hosts()
	for i, h := range all {
		is, err := all[i^1].Interfaces()
		if err == nil && static {
			err = h.Stack().Interface("eth0").AddNeighbor(labAddr(i^1), is[1].HardwareAddr)
		}
		var s socket.Socket
		if err == nil {
			s, err = openSocket(h, netip.AddrPortFrom(labAddr(i), 7), netip.AddrPortFrom(labAddr(i^1), 7), true)
		}
		if err != nil {
			return nil, errors.Join(err, n.lab.Close())
		}
		ms := []socket.Message{{Buf: make([]byte, 64)}}
		n.sockets, n.bufs = append(n.sockets, s), append(n.bufs, ms)
		var readable func()
		readable = func() {
			if _, err := s.TryRecv(ms); err != nil {
				return // closed
			}
			n.read++
			ms[0].Addr = netip.AddrPort{}
			got(n, i)
			s.Notify(socket.Readable, readable)
		}
		s.Notify(socket.Readable, readable)
	}
	return n, nil
}

// send sends what the host has in its buffer to its neighbour.
func (n *labNet) send(host int) { n.sockets[host].TrySend(n.bufs[host]) }

// labPath is a labNet in which every datagram is answered. One of the first
// host's is replaced by a new one now and then, which has to come back.
type labPath struct {
	*labNet
	bufs  *buffers
	stage int // of the new datagram
}

const (
	labReplace = iota // the next one is to be replaced
	labAwait          // it is under way
	labBack           // it has come back
)

func openLab(s setup, bufs *buffers, hosts int) (path, error) {
	if s.corrupt {
		return nil, errCannotCorrupt
	}
	p := &labPath{bufs: bufs, stage: labBack}
	n, err := newLabNet(hosts, true, func(n *labNet, host int) {
		if host == 0 && p.stage != labBack {
			p.replace(n)
		}
		n.send(host)
	})
	if err != nil {
		return nil, err
	}
	p.labNet = n
	for i := 0; i < hosts; i += 2 {
		n.send(i)
	}
	return p, p.lab.Run(20 * n.delay)
}

// replace is called when the first host has read a datagram.
func (p *labPath) replace(n *labNet) {
	m := &n.bufs[0][0]
	switch p.stage {
	case labReplace:
		m.Buf = append(m.Buf[:0], p.bufs.out[0]...)
		p.stage = labAwait
	case labAwait:
		p.bufs.in[0] = append(p.bufs.in[0][:0], m.Buf...)
		p.stage = labBack
	}
}

func (p *labPath) carry(count int) error {
	_, err := p.run(count, 1)
	return err
}

// run reports the time of a hop, of which there are two a datagram.
func (p *labPath) run(batch, n int) (time.Duration, error) {
	before := p.read
	p.stage = labReplace
	start := processTime()
	for p.read-before < n*batch || p.stage != labBack {
		last := p.read
		if err := p.lab.Run(p.delay); err != nil {
			return 0, err
		}
		if p.read == last {
			return 0, errNotDelivered
		}
	}
	took := processTime() - start
	return time.Duration(float64(took) * float64(n*batch) / float64(p.read-before) / 2), nil
}

// close checks that nothing was lost.
func (p *labPath) close() error {
	return errors.Join(p.lab.CheckLedger(), p.lab.Close())
}

// labPingPong is two tasks of which one asks and the other echoes. The lab runs
// inside run, and the asking task counts.
type labPingPong struct {
	bufs *buffers
	lab  *lab.Lab
	want int // round trips
	done int
	err  error
}

func openLabPingPong(s setup, bufs *buffers) (path, error) {
	if s.corrupt {
		return nil, errCannotCorrupt
	}
	p := &labPingPong{bufs: bufs, lab: lab.New(lab.Config{Seed: 1, MaxEvents: math.MaxInt})}
	lan := p.lab.AddSwitch("lan")
	h1, h2 := p.lab.AddHost("h1"), p.lab.AddHost("h2")
	for i, h := range []*lab.Host{h1, h2} {
		if _, err := h.Attach(lan, lab.LinkConfig{Addresses: []netip.Prefix{netip.PrefixFrom(labAddr(i), 24)}}); err != nil {
			return nil, errors.Join(err, p.lab.Close())
		}
	}
	echo := netip.AddrPortFrom(labAddr(1), 7)
	h2.Go("echo", func(ctx context.Context) error {
		c, err := (&castnet.Config{On: h2}).Listen(ctx, "udp4", echo.String())
		if err != nil {
			return err
		}
		b := make([]byte, room)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return err
			}
			if _, err := c.WriteToUDPAddrPort(b[:n], from); err != nil {
				return err
			}
		}
	})
	h1.Go("ask", func(ctx context.Context) error {
		c, err := (&castnet.Config{On: h1}).Dial(ctx, "udp4", echo.String())
		if err != nil {
			return err
		}
		for {
			for p.done < p.want {
				if err := p.ask(c); err != nil {
					p.err = err
					return err
				}
				p.done++
			}
			if err := h1.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
		}
	})
	return p, nil
}

func (p *labPingPong) ask(c *castnet.Conn) error {
	if _, err := c.Write(p.bufs.out[0]); err != nil {
		return err
	}
	in := p.bufs.in[0][:room]
	n, err := c.Read(in)
	p.bufs.in[0] = in[:n]
	return err
}

func (p *labPingPong) carry(count int) error {
	_, err := p.run(count, 1)
	return err
}

func (p *labPingPong) run(batch, n int) (time.Duration, error) {
	p.want = p.done + n*batch
	start := processTime()
	for p.done < p.want && p.err == nil {
		if err := p.lab.Run(time.Millisecond); err != nil {
			return 0, err
		}
	}
	return processTime() - start, p.err
}

func (p *labPingPong) close() error { return errors.Join(p.lab.CheckLedger(), p.lab.Close()) }

// labHour has one of each of 100 pairs send a datagram a second, for an hour.
func labHour() (float64, error) {
	const pairs = 100
	n, err := newLabNet(2*pairs, false, func(*labNet, int) {})
	if err != nil {
		return 0, err
	}
	defer n.lab.Close()
	for pair := range pairs {
		host := 2 * pair
		h := n.lab.Hosts()[host]
		h.Go("ask", func(ctx context.Context) error {
			for {
				n.send(host)
				if err := h.Sleep(ctx, time.Second); err != nil {
					return nil // the lab is closed
				}
			}
		})
	}
	start := processTime()
	if err := n.lab.Run(time.Hour); err != nil {
		return 0, err
	}
	took := (processTime() - start).Seconds()
	if want := pairs * 3600; n.read < want {
		return 0, fmt.Errorf("%d datagrams were read in an hour, want %d", n.read, want)
	}
	return took, n.lab.CheckLedger()
}

// labMemory returns how much memory so many hosts keep.
func labMemory(hosts int) (float64, error) {
	before := heap()
	p, err := openLab(setup{}, newBuffers(rand.New(rand.NewPCG(1, 1))), hosts)
	if err != nil {
		return 0, err
	}
	after := heap()
	return float64(after-before) / (1 << 20), p.close()
}

// heap returns the bytes that are in use, having emptied the pools.
func heap() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// scattered copies between places of a memory, or the same two if it is small.
type scattered struct {
	bufs   *buffers
	memory []byte
	random uint64
}

func openScattered(bufs *buffers, size int) path {
	p := &scattered{bufs: bufs, memory: make([]byte, max(size, 4096))}
	for i := range p.memory {
		p.memory[i] = byte(i)
	}
	return p
}

func (p *scattered) carry(count int) error {
	_, err := p.run(count, 1)
	return err
}

func (p *scattered) run(batch, n int) (time.Duration, error) {
	const length, slot = 1400, 2048
	slots := uint64(len(p.memory) / slot)
	start := processTime()
	for range n * batch {
		p.random = p.random*6364136223846793005 + 1442695040888963407
		from, to := slot*(p.random>>20%slots), slot*(p.random>>40%slots)
		copy(p.memory[to:to+length], p.memory[from:from+length])
	}
	took := processTime() - start
	return took, copyPath{p.bufs}.carry(batch)
}

func (*scattered) close() error { return nil }
