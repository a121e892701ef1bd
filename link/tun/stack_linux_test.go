package tun_test

import (
	"bytes"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/link/tun"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// A stack's socket and the kernel's exchange trains, and whoever does not ask for
// them reads datagrams.
func TestStackTrains(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tun.Config{HostAddresses: hosts})
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tun0, err := s.AddInterface("tun0", l)
	if err == nil {
		err = tun0.AddAddress(netip.PrefixFrom(us, 24))
	}
	if err != nil {
		t.Fatal(err)
	}
	ours, err := s.Open(socket.IPv4)
	if err == nil {
		err = ours.Bind(netip.AddrPortFrom(us, 9))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	kernel := listen(t, ns, 7000)
	want := pattern(1000*30 + 10)
	buf := make([]byte, 1<<16)

	m := socket.Message{Buf: want, Addr: netip.AddrPortFrom(host, 7000), Set: socket.FieldSegmentSize, SegmentSize: 1000}
	if n, err := ours.TrySend([]socket.Message{m}); n != 1 || err != nil {
		t.Fatalf("TrySend: %d, %v", n, err)
	}
	for rest := want; len(rest) > 0; rest = rest[min(1000, len(rest)):] {
		n, err := kernel.Read(buf)
		if err != nil || !bytes.Equal(buf[:n], rest[:min(1000, len(rest))]) {
			t.Fatalf("the kernel got %d bytes, %v", n, err)
		}
	}
	c := dial(t, ns, 9)
	segments(t, c, 1000)
	if _, err := c.Write(want); err != nil {
		t.Fatal(err)
	}
	for rest := want; len(rest) > 0; rest = rest[min(1000, len(rest)):] {
		if err := ours.Wait(socket.Readable, nil); err != nil {
			t.Fatal(err)
		}
		ms := []socket.Message{{Buf: buf}}
		n, err := ours.TryRecv(ms)
		if n != 1 || err != nil || !bytes.Equal(buf[:ms[0].Len], rest[:min(1000, len(rest))]) {
			t.Fatalf("the stack got %d bytes, %d, %v", ms[0].Len, n, err)
		}
	}
}

// A stack that is flooded with trains by several queues, and answers them, loses
// what it has no room for under a name and nothing else.
func TestStackFlooded(t *testing.T) {
	const flows, trains, count, size = 6, 60, 20, 500
	ns := netns.New(t)
	l := open(t, ns, "cn0", tun.Config{HostAddresses: hosts, Queues: 3})
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tun0, err := s.AddInterface("tun0", l)
	if err == nil {
		err = tun0.AddAddress(netip.PrefixFrom(us, 24))
	}
	var ours socket.Socket
	if err == nil {
		ours, err = s.Open(socket.IPv4)
	}
	if err == nil {
		err = ours.Bind(netip.AddrPortFrom(us, 9))
	}
	if err != nil {
		t.Fatal(err)
	}
	var senders sync.WaitGroup
	for range flows {
		c := dial(t, ns, 9)
		segments(t, c, size)
		senders.Go(func() {
			payload := pattern(count * size)
			for range trains {
				c.Write(payload)
			}
		})
	}
	cancel := new(socket.Cancel)
	echoed := make(chan int)
	go func() {
		ms := make([]socket.Message, 32)
		bufs := make([]byte, 32*2048)
		n := 0
		for {
			for i := range ms {
				ms[i] = socket.Message{Buf: bufs[i*2048:][:2048:2048]}
			}
			k, err := ours.TryRecv(ms)
			for i := range k {
				ms[i].Buf = ms[i].Buf[:ms[i].Len]
				ms[i].Set = 0
			}
			ours.TrySend(ms[:k])
			n += k
			if err != nil && ours.Wait(socket.Readable, cancel) != nil {
				echoed <- n
				return
			}
		}
	}()
	senders.Wait()
	// What the kernel has not dropped is with the stack when both are quiet.
	for before := uint64(0); ; {
		now := tun0.Stats().ReceivedPackets
		if now == before && now > 0 {
			break
		}
		before = now
		time.Sleep(50 * time.Millisecond)
	}
	l.Attach(nil) // joins the readers
	cancel.Fire()
	if n := <-echoed; n == 0 {
		t.Error("nothing was echoed")
	}
	ledger := s.Ledger()
	if !ledger.Balanced() {
		t.Errorf("the ledger does not balance: %+v", ledger)
	}
	if n := l.Drops().Total(); n != 0 {
		t.Errorf("the link dropped: %v", l.Drops().Map())
	}
	ours.Close()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
