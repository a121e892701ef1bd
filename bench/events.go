package main

import (
	"errors"
	"net/netip"
	"os/exec"
	"time"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/host"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// eventRows are event loops: one socket sends, each datagram in the callback of the one
// before, and another of the same loop receives. It is libuv's benchmark udp_pummel, one
// to one. What is measured is processor time. Everybody is a process of its own, so that
// nobody is burdened with what the others leave behind.
func eventRows() []row {
	const (
		note   = "kernel loopback; every datagram is addressed anew, as libuv's benchmark does it"
		paused = note + "; every 32nd datagram waits for setImmediate, or the loop would never receive"
		memory = "two stacks over Ethernet in memory, checksums made and verified"
	)
	of := func(name string, k kind, about, note string, h half, command func(string) (*exec.Cmd, error)) row {
		return row{name: name, kind: k, singlesOnly: true, vouched: true, about: about, note: note, open: openPummel(command, h)}
	}
	halves := func(name string, k kind, command func(string) (*exec.Cmd, error)) (all []row) {
		const alone = "kernel loopback; the other half is done by this process meanwhile, and not measured"
		all = append(all, in("events-send", of(name+"-send", k, "row "+name+", only to send", alone, sends, command))...)
		return append(all, in("events-receive", of(name+"-receive", k, "row "+name+", only to receive what is there", alone, receives, command))...)
	}
	all := in("events",
		of("dgram", ours, "dgram in Go: Send in the callback of Send", note, both, own("dgram")),
		of("dgram-batch", ours, "dgram in Go: SendBatch of 32 in the callback of SendBatch, OnMessages", note+"; 32 datagrams a system call, no segmentation", both, own("dgram-batch")),
		of("dgram-offload", ours, "dgram in Go: trains of 32 in the callback of SendMessage, received as trains", note+"; segmentation offload both ways", both, own("dgram-offload")),
		of("script", ours, "the script of row node in goja, on the operating system's network", paused, both, own("script")),
		of("libuv", peer, "the same in C on libuv", note+"; compiled when it is measured", both, libuv),
		of("node", peer, "the same on Node.js", paused, both, node(pummelJS)),
		of("bare", reference, "nothing but system calls: sendto 32 times, epoll_pwait, recvmmsg", note, both, own("bare")),
		of("bare-batch", reference, "nothing but system calls: sendmmsg of 32, epoll_pwait, recvmmsg", note, both, own("bare-batch")),
		of("bare-loopless", reference, "nothing but system calls, and no loop: sendmmsg of 32 on a connected socket, recvmmsg", "kernel loopback; no datagram is addressed, and nobody watches the sockets", both, own("bare-loopless")),
		of("dgram-stack", ours, "row dgram on castnet's stack", memory, both, own("dgram-stack")),
		of("dgram-stack-batch", ours, "row dgram-batch on castnet's stack", memory, both, own("dgram-stack-batch")),
		of("script-stack", ours, "row script on castnet's stack", "one stack's loopback interface; every 32nd datagram waits for setImmediate", both, own("script-stack")),
	)
	for _, name := range []string{"dgram", "dgram-batch"} {
		all = append(all, halves(name, ours, own(name))...)
	}
	all = append(all, halves("libuv", peer, libuv)...)
	all = append(all, halves("node", peer, node(halvesJS))...)
	for _, name := range []string{"bare", "bare-batch"} {
		all = append(all, halves(name, reference, own(name))...)
	}
	return all
}

// eventPath is two sockets of dgram on a loop.
type eventPath struct {
	loop     *loop.Loop
	stacks   *stackNet // nil: they are the operating system's
	a, b     *dgram.Socket
	way      way
	payloads *[batchSize][]byte
	to       netip.AddrPort
	half     half
	sent     int
	got      int
	want     int
	train    []byte
	batch    [batchSize]dgram.Message
}

// A way is how they send and receive.
type way struct {
	send   func(p *eventPath, n int) // begins to send n datagrams
	listen func(p *eventPath) error
}

var (
	singly    = way{(*eventPath).chain, (*eventPath).listenOne}
	inBatches = way{(*eventPath).batches, (*eventPath).listenMany}
	asTrains  = way{(*eventPath).trains, (*eventPath).listenTrains}
)

// onHost opens them on the operating system's network.
func onHost(w way) func() (contestant, error) {
	return func() (contestant, error) {
		const local = "127.0.0.1"
		return openEvents(w, host.Network{}, host.Network{}, local, local)
	}
}

// onStack opens them on two stacks.
func onStack(w way) func() (contestant, error) {
	return func() (contestant, error) {
		n, err := newStackNet(setup{})
		if err != nil {
			return nil, err
		}
		p, err := openEvents(w, n.a, n.b, netip.AddrFrom4(addrA).String(), netip.AddrFrom4(addrB).String())
		if err != nil {
			return nil, errors.Join(err, n.close())
		}
		p.stacks = n
		return p, nil
	}
}

func openEvents(w way, onA, onB socket.Network, atA, atB string) (*eventPath, error) {
	p := &eventPath{loop: loop.New(loop.Config{On: onA}), way: w}
	var err error
	open := func(on socket.Network, at string) *dgram.Socket {
		s, openErr := dgram.CreateSocket(dgram.Options{Type: "udp4", Loop: p.loop, On: on})
		if openErr == nil {
			_, openErr = s.BindSync(0, at)
		}
		if openErr == nil {
			openErr = s.SetRecvBufferSize(receiveBuffer)
		}
		err = errors.Join(err, openErr)
		return s
	}
	p.a, p.b = open(onA, atA), open(onB, atB)
	if err != nil {
		return nil, err
	}
	return p, w.listen(p)
}

// listenOne receives datagrams one by one, listenMany by the turn, listenTrains also as
// trains, and takes those apart.
func (p *eventPath) listenOne() error {
	p.b.OnMessage(func(msg []byte, _ *dgram.RemoteInfo) { p.received(msg) })
	return nil
}

func (p *eventPath) listenMany() error {
	p.b.OnMessages(func(ms []dgram.Message) {
		for i := range ms {
			p.received(ms[i].Buf)
		}
	})
	return nil
}

func (p *eventPath) listenTrains() error {
	if err := p.b.Handle().SetOption(socket.Report, int(socket.FieldSegmentSize)); err != nil {
		return err
	}
	p.b.OnMessages(func(ms []dgram.Message) {
		for i := range ms {
			m := &ms[i]
			size := len(m.Buf)
			if m.Set&socket.FieldSegmentSize != 0 && m.SegmentSize > 0 {
				size = int(m.SegmentSize)
			}
			for b := m.Buf; len(b) > 0; {
				cut := min(size, len(b))
				p.received(b[:cut])
				b = b[cut:]
			}
		}
	})
	return nil
}

// received counts a datagram that is the one to come, as the programs of others do, and
// ends the run with the last one.
func (p *eventPath) received(msg []byte) {
	want := p.payloads[p.got%batchSize]
	if len(msg) != len(want) || msg[0] != want[0] || msg[len(msg)-1] != want[len(want)-1] {
		return
	}
	if p.got++; p.got == p.want {
		p.loop.Stop()
	}
}

// gone counts datagrams whose sending is over, and reports whether that was the last.
func (p *eventPath) gone(n int) bool {
	p.sent += n
	if p.sent < p.want {
		return false
	}
	if p.half == sends {
		p.loop.Stop()
	}
	return true
}

// chain sends each datagram in the callback of the one before.
func (p *eventPath) chain(n int) {
	i := 0
	port, address := int(p.to.Port()), p.to.Addr().String()
	var next func(int, error)
	send := func() {
		msg := p.payloads[i%batchSize]
		i++
		if err := p.a.Send(msg, port, address, next); err != nil {
			p.fail(err)
		}
	}
	next = func(_ int, err error) {
		switch {
		case err != nil:
			p.fail(err)
		case !p.gone(1):
			send()
		}
	}
	send()
}

func (p *eventPath) fail(err error) { p.loop.Fail(err) }

// bursts calls send, with how many have been sent, in the turn after the callback of the
// last: else a turn's worth of them would be sent before any is received, and the buffer
// overflow.
func (p *eventPath) bursts(n int, send func(i, count int, done func(int, error)) error) {
	i, count := 0, 0
	var next func()
	done := func(_ int, err error) {
		switch {
		case err != nil:
			p.fail(err)
		case !p.gone(count):
			p.loop.SetImmediate(next)
		}
	}
	next = func() {
		count = min(n-i, batchSize)
		first := i
		i += count
		if err := send(first, count, done); err != nil {
			p.fail(err)
		}
	}
	next()
}

// batches sends batch after batch.
func (p *eventPath) batches(n int) {
	p.bursts(n, func(i, count int, done func(int, error)) error {
		for j := range count {
			p.batch[j] = dgram.Message{Buf: p.payloads[(i+j)%batchSize], Addr: p.to}
		}
		return p.a.SendBatch(p.batch[:count], done)
	})
}

// trains sends train after train.
func (p *eventPath) trains(n int) {
	p.bursts(n, func(i, count int, done func(int, error)) error {
		p.train = p.train[:0]
		for j := range count {
			p.train = append(p.train, p.payloads[(i+j)%batchSize]...)
		}
		m := dgram.Message{Buf: p.train, Addr: p.to}
		if count > 1 {
			m.Set, m.SegmentSize = socket.FieldSegmentSize, uint16(len(p.payloads[0]))
		}
		return p.a.SendMessage(&m, done)
	})
}

func (p *eventPath) receiver() netip.AddrPort {
	to, err := p.b.Address()
	if err != nil {
		panic(err) // it is bound
	}
	return to
}

// carry ends when the last datagram has been received, or has been sent if that is all.
func (p *eventPath) carry(h half, n int, payloads *[batchSize][]byte, to netip.AddrPort) (int, error) {
	p.half, p.payloads, p.to = h, payloads, to
	p.sent, p.got, p.want = 0, 0, n
	p.loop.UpdateTime() // it may have waited for long to be told
	limit := p.loop.NewTimer()
	_ = limit.Start(5*time.Second, 0, p.loop.Stop)
	if h != receives {
		p.loop.NextTick(func() { p.way.send(p, n) })
	}
	err := p.loop.Run()
	_ = limit.Close(nil)
	if h == sends {
		return p.sent, err
	}
	return p.got, err
}

func (p *eventPath) close() error {
	err := errors.Join(p.a.Close(nil), p.b.Close(nil), p.loop.Run(), p.loop.Close())
	if p.stacks != nil {
		err = errors.Join(err, p.stacks.close())
	}
	return err
}
