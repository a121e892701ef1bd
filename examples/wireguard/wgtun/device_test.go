package wgtun

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/stack"
)

func TestDeviceSaysWhatItIs(t *testing.T) {
	d, err := New(Config{})
	must(t, err)
	defer d.Close()
	name, _ := d.Name()
	mtu, _ := d.MTU()
	if name != "castnet" || mtu != 1420 || d.BatchSize() != 128 || d.File() != nil {
		t.Errorf("name %q, MTU %d, batches of %d, file %v", name, mtu, d.BatchSize(), d.File())
	}
	if l := d.Link(); l.Kind() != link.IP || l.MTU() != 1420 {
		t.Errorf("the link is of kind %d and has an MTU of %d", l.Kind(), l.MTU())
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, tc := range []struct {
		cfg  Config
		want string
	}{
		{Config{MTU: 67}, "an MTU of 67"},
		{Config{MTU: 65536}, "an MTU of 65536"},
		{Config{QueueLength: -1}, "a queue of -1"},
	} {
		if d, err := New(tc.cfg); d != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("New(%+v): %v, %v", tc.cfg, d, err)
		}
	}
	a, b := mem.Pair(mem.Config{})
	if d, err := Of(a, Config{}); d != nil || err == nil || !strings.Contains(err.Error(), "link.IP") {
		t.Errorf("Of a link with Ethernet frames: %v, %v", d, err)
	}
	if err := b.Attach((*taker)(nil)); err != nil {
		t.Errorf("the link did not remain the caller's: %v", err)
	}
}

// What WireGuard decrypts arrives, each size as it was, and an answer can be read.
func TestBothWays(t *testing.T) {
	d, s := netTUN(t, 1420)
	c := listen(t, s, ":7")
	bufs, sizes := buffers(1, 1420)
	got := make([]byte, 2000)
	for size := range 1420 - 28 + 1 {
		sent := bytes.Repeat([]byte{byte(size)}, size)
		if n, err := d.Write([][]byte{datagram(7, sent)}, offset); n != 1 || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
		n, from, err := c.ReadFromUDPAddrPort(got)
		if err != nil || !bytes.Equal(got[:n], sent) || from.Addr() != theirs {
			t.Fatalf("%d bytes: Read = %d, %v, %v", size, n, from, err)
		}
		_, err = c.WriteToUDPAddrPort(got[:n], from)
		must(t, err)
		if n, err := d.Read(bufs, sizes, offset); n != 1 || err != nil || sizes[0] != size+28 {
			t.Fatalf("%d bytes: Read = %d of %d, %v", size, n, sizes[0], err)
		}
		if p := payload(t, bufs[0][offset:offset+sizes[0]]); !bytes.Equal(p, sent) {
			t.Fatalf("%d bytes were sent, and %d others read", size, len(p))
		}
	}
	if n := d.Drops().Total(); n != 0 {
		t.Errorf("dropped: %v", d.Drops().Map())
	}
}

// A batch that the stack sends as one train is read as its datagrams, by as many
// Reads as it takes.
func TestBatchesAndTrains(t *testing.T) {
	const count = 300
	d, s := netTUN(t, 1420)
	c := dial(t, s, "10.77.0.2:9")
	ms := make([]castnet.Message, count)
	for i := range ms {
		ms[i].Buf = bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 50)
	}
	if n, err := c.WriteBatch(ms[:100]); n != 100 || err != nil {
		t.Fatalf("WriteBatch = %d, %v", n, err)
	}
	done := make(chan error, 1)
	go func() { // waits for room, perhaps
		_, err := c.WriteBatch(ms[100:])
		done <- err
	}()
	bufs, sizes := buffers(7, 1420)
	for i := 0; i < count; {
		n, err := d.Read(bufs, sizes, offset)
		must(t, err)
		for j := range n {
			if p := payload(t, bufs[j][offset:offset+sizes[j]]); !bytes.Equal(p, ms[i].Buf) {
				t.Fatalf("datagram %d: read % x…, want % x…", i, p[:2], ms[i].Buf[:2])
			}
			i++
		}
	}
	must(t, <-done)

	in := listen(t, s, ":7")
	var out [][]byte
	for i := range 200 {
		out = append(out, datagram(7, ms[i].Buf), make([]byte, offset)) // and a keepalive
	}
	if n, err := d.Write(out, offset); n != len(out) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	got := make([]byte, 2000)
	for i := range 200 {
		if n, err := in.Read(got); err != nil || !bytes.Equal(got[:n], ms[i].Buf) {
			t.Fatalf("datagram %d: %d bytes, %v", i, n, err)
		}
	}
}

// A packet whose checksum was left to the link has it when it is read; a train that is
// none is dropped by name.
func TestUnfinished(t *testing.T) {
	d, _ := netTUN(t, 1420)
	b := packet.New(1420)
	p := datagram(7, []byte("unfinished"))[offset:]
	copy(b.Append(len(p)), p)
	b.Flags = packet.ChecksumPartial
	none := frame(100)
	none.SegmentSize = 10
	if n, err := d.Link().Write([]*packet.Buffer{none, b}); n != 2 || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	bufs, sizes := buffers(4, 1420)
	if n, err := d.Read(bufs, sizes, offset); n != 1 || err != nil {
		t.Fatalf("Read = %d, %v", n, err)
	}
	got := bufs[0][offset : offset+sizes[0]]
	if string(payload(t, got)) != "unfinished" || got[26] == 0 && got[27] == 0 {
		t.Errorf("read % x", got)
	}
	if n := d.Drops().Get(drop.PacketMalformed); n != 1 {
		t.Errorf("dropped: %v", d.Drops().Map())
	}
}

// A socket that is faster than WireGuard is kept waiting, and loses nothing.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := netTUN(t, 1420)
		c := dial(t, s, "10.77.0.2:9")
		sent, err := 0, error(nil)
		must(t, c.SetWriteDeadline(time.Now().Add(time.Second)))
		for ; ; sent++ {
			if _, err = c.Write(nil); err != nil {
				break
			}
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Write = %v, want that it blocks", err)
		}
		t.Logf("%d empty datagrams fill a send buffer", sent)
		if sent == 0 || sent >= defaultQueueLength {
			t.Errorf("%d datagrams found room in a queue of %d", sent, defaultQueueLength)
		}
		bufs, sizes := buffers(128, 1420)
		read := 0
		for read < sent {
			n, err := d.Read(bufs, sizes, offset)
			must(t, err)
			read += n
		}
		must(t, c.SetWriteDeadline(time.Time{}))
		_, err = c.Write(nil)
		must(t, err)
		if g := s.Ledger(); g.Dropped != 0 || d.Drops().Total() != 0 {
			t.Errorf("the stack dropped %v, the device %v", s.Drops().Map(), d.Drops().Map())
		}
	})
}

// Many sockets together can fill the queue. What finds no room has a name.
func TestQueueFull(t *testing.T) {
	d, s := netTUN(t, 1420)
	sent := 0
	for range 30 {
		c := dial(t, s, "10.77.0.2:9")
		for range 50 {
			_, err := c.Write(make([]byte, 10))
			must(t, err)
			sent++
		}
	}
	bufs, sizes := buffers(128, 1420)
	read := 0
	for read < defaultQueueLength {
		n, err := d.Read(bufs, sizes, offset)
		must(t, err)
		read += n
	}
	if n := s.Drops().Get(drop.LinkQueueFull); read != defaultQueueLength || int(n) != sent-read {
		t.Errorf("of %d datagrams %d were read and %d dropped as LinkQueueFull", sent, read, n)
	}
}

func TestTooBig(t *testing.T) {
	d, s := netTUN(t, 1420)
	l := d.Link()
	for _, tc := range []struct {
		name  string
		sizes []int
		n     int
		err   error
	}{
		{"within the MTU", []int{1420}, 1, nil},
		{"the second is not", []int{20, 1421, 20}, 1, link.ErrTooBig},
	} {
		var ps []*packet.Buffer
		for _, size := range tc.sizes {
			ps = append(ps, frame(size))
		}
		n, err := l.Write(ps)
		if n != tc.n || !errors.Is(err, tc.err) {
			t.Errorf("%s: Write = %d, %v", tc.name, n, err)
		}
		packet.ReleaseAll(ps[n:])
	}
	// A buffer that is too small for the first packet takes the second.
	bufs, sizes := buffers(1, 100)
	if n, err := d.Read(bufs, sizes, offset); n != 1 || err != nil || sizes[0] != 20 {
		t.Errorf("Read = %d of %d bytes, %v", n, sizes[0], err)
	}
	if n := d.Drops().Get(drop.LinkTooBig); n != 1 {
		t.Errorf("dropped: %v", d.Drops().Map())
	}
	if n, err := d.Write([][]byte{make([]byte, offset+70000)}, offset); n != 1 || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	if n := d.Drops().Get(drop.LinkTooBig); n != 2 {
		t.Errorf("dropped: %v", d.Drops().Map())
	}
	if n := s.Ledger().In; n != 0 {
		t.Errorf("%d packets reached the stack", n)
	}
}

// What WireGuard hands in is not trusted to be an IP packet.
func TestGarbageIn(t *testing.T) {
	d, s := netTUN(t, 1420)
	garbage := [][]byte{{0}, {0x45}, {0x60, 1, 2}, {0xff}, bytes.Repeat([]byte{0x45}, 19), bytes.Repeat([]byte{0x45}, 60), bytes.Repeat([]byte{0x66}, 60)}
	var bufs [][]byte
	for _, g := range garbage {
		bufs = append(bufs, append(make([]byte, offset), g...))
	}
	if n, err := d.Write(bufs, offset); n != len(bufs) || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	if g := s.Ledger(); g.In != uint64(len(garbage)) || g.Dropped != g.In {
		t.Errorf("%d came in and %d were dropped, as %v", g.In, g.Dropped, s.Drops().Map())
	}
}

func TestMTUEvents(t *testing.T) {
	d, s := netTUN(t, 1420)
	if e := <-d.Events(); e != tun.EventUp {
		t.Errorf("the first event is %d, want EventUp", e)
	}
	c := dial(t, s, "10.77.0.2:9")
	must(t, d.SetMTU(1280))
	must(t, d.SetMTU(1300)) // nobody has to listen
	if e := <-d.Events(); e != tun.EventMTUUpdate {
		t.Errorf("the event is %d, want EventMTUUpdate", e)
	}
	if mtu, err := d.MTU(); mtu != 1300 || err != nil {
		t.Errorf("MTU = %d, %v", mtu, err)
	}
	if is, err := s.Interfaces(); err != nil || is[1].MTU != 1300 {
		t.Errorf("the stack has interfaces %+v, %v", is, err)
	}
	must(t, c.SetDontFragment(true))
	if _, err := c.Write(make([]byte, 1300-28+1)); !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("Write = %v, want EMSGSIZE", err)
	}
	if err := d.SetMTU(67); err == nil {
		t.Error("an MTU of 67 was accepted")
	}
	must(t, d.Close())
	must(t, d.SetMTU(1400))
	if _, open := <-d.Events(); open {
		t.Error("the channel of events is open after Close")
	}
}

// Close ends what waits, and what comes later is refused; the stack goes on.
func TestClose(t *testing.T) {
	d, s := netTUN(t, 1420)
	c := dial(t, s, "10.77.0.2:9")
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			bufs, sizes := buffers(1, 1420)
			for {
				if _, err := d.Read(bufs, sizes, offset); err != nil {
					if !errors.Is(err, os.ErrClosed) {
						t.Errorf("Read = %v", err)
					}
					return
				}
			}
		})
	}
	for range 100 {
		_, err := c.Write([]byte("hello"))
		must(t, err)
	}
	must(t, d.Close())
	wg.Wait()
	if err := d.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the second Close = %v", err)
	}
	if n, err := d.Write([][]byte{datagram(7, nil)}, offset); n != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write = %d, %v", n, err)
	}
	before := s.Drops().Get(drop.LinkDown)
	_, err := c.Write([]byte("hello"))
	must(t, err)
	if n := s.Drops().Get(drop.LinkDown); n != before+1 {
		t.Errorf("the stack dropped %v, want LinkDown", s.Drops().Map())
	}
	must(t, s.Close())
}

// What waits when the Device is closed is counted, a train by its datagrams.
func TestCloseDropsWhatWaits(t *testing.T) {
	d, s := netTUN(t, 1420)
	c := dial(t, s, "10.77.0.2:9")
	ms := make([]castnet.Message, 40)
	for i := range ms {
		ms[i].Buf = make([]byte, 100)
	}
	for range 2 { // of which the first will be half read
		if n, err := c.WriteBatch(ms); n != len(ms) || err != nil {
			t.Fatalf("WriteBatch = %d, %v", n, err)
		}
	}
	bufs, sizes := buffers(10, 1420)
	if n, err := d.Read(bufs, sizes, offset); n != 10 || err != nil {
		t.Fatalf("Read = %d, %v", n, err)
	}
	must(t, d.Close())
	if n := d.Drops().Get(drop.LinkDown); n != 70 {
		t.Errorf("dropped: %v, want 70 as LinkDown", d.Drops().Map())
	}
	if q := c.Stats().SendQueued; q != 0 {
		t.Errorf("%d bytes are still charged to the socket", q)
	}
}

// The stack may go first. What WireGuard decrypts then has nowhere to go.
func TestStackClosedFirst(t *testing.T) {
	d, s := netTUN(t, 1420)
	must(t, s.Close())
	if n, err := d.Write([][]byte{datagram(7, nil)}, offset); n != 1 || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	if n := d.Drops().Get(drop.LinkNoPeer); n != 1 {
		t.Errorf("dropped: %v", d.Drops().Map())
	}
	l := d.Link()
	if err := l.Attach((*taker)(d)); !errors.Is(err, link.ErrClosed) {
		t.Errorf("Attach = %v", err)
	}
}

func TestOneSink(t *testing.T) {
	d, err := New(Config{})
	must(t, err)
	defer d.Close()
	first, second := (*taker)(d), (*taker)(d)
	must(t, d.Link().Attach(first))
	if err := d.Link().Attach(second); !errors.Is(err, link.ErrInUse) {
		t.Errorf("a second Attach = %v", err)
	}
	must(t, d.Link().Attach(nil))
	must(t, d.Link().Attach(second))
}

// A Device of a link, which a stack is at the other end of.
func TestOf(t *testing.T) {
	a, b := mem.Pair(mem.Config{Kind: link.IP, MTU: 1400, Segmentation: true})
	s, err := stack.New(stack.Config{})
	must(t, err)
	defer s.Close()
	tun0, err := s.AddInterface("tun0", a)
	must(t, err)
	must(t, tun0.AddAddress(prefixOf(ours)))
	must(t, s.AddRoute(stack.Route{Interface: "tun0"}))
	d, err := Of(b, Config{Name: "tun0", QueueLength: 4})
	must(t, err)
	if mtu, err := d.MTU(); mtu != 1400 || err != nil {
		t.Errorf("MTU = %d, %v", mtu, err)
	}
	if err := d.SetMTU(1300); err == nil || d.Link() != nil {
		t.Errorf("SetMTU = %v, Link = %v", err, d.Link())
	}
	c := listen(t, s, ":7")
	_, err = d.Write([][]byte{datagram(7, []byte("in"))}, offset)
	must(t, err)
	got := make([]byte, 10)
	n, from, err := c.ReadFromUDPAddrPort(got)
	must(t, err)
	if string(got[:n]) != "in" {
		t.Errorf("read %q", got[:n])
	}
	// Two trains and more single datagrams than the queue has room for.
	ms := make([]castnet.Message, 10)
	for i := range ms {
		ms[i] = castnet.Message{Buf: []byte{byte(i), 1, 2, 3}, Addr: from}
	}
	for range 2 {
		_, err = c.WriteBatch(ms)
		must(t, err)
	}
	for range 5 {
		_, err = c.WriteToUDPAddrPort([]byte("out"), from)
		must(t, err)
	}
	bufs, sizes := buffers(64, 1400)
	read := 0
	for read < 22 {
		n, err := d.Read(bufs, sizes, offset)
		must(t, err)
		for i := range n {
			p := payload(t, bufs[i][offset:offset+sizes[i]])
			if want := byte((read + i) % 10); read+i < 20 && (len(p) != 4 || p[0] != want) {
				t.Errorf("datagram %d is % x", read+i, p)
			}
		}
		read += n
	}
	if n := d.Drops().Get(drop.LinkQueueFull); read != 22 || n != 3 {
		t.Errorf("read %d, and %v were dropped", read, d.Drops().Map())
	}
	must(t, d.Close())
	if n, err := d.Read(bufs, sizes, offset); n != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read after Close = %d, %v", n, err)
	}
}

// Nothing is allocated for a packet, in either direction.
func TestAllocations(t *testing.T) {
	if packet.Checking {
		t.Skip("the checking build allocates")
	}
	d, s := netTUN(t, 1420)
	c := dial(t, s, "10.77.0.2:9")
	server := listen(t, s, ":7")
	out, b := make([]byte, 1000), make([]byte, 1000)
	bufs, sizes := buffers(1, 1420)
	in := [][]byte{datagram(7, out)}
	if n := testing.AllocsPerRun(1000, func() {
		c.Write(out)
		d.Read(bufs, sizes, offset)
	}); n != 0 {
		t.Errorf("a packet out costs %v allocations", n)
	}
	if n := testing.AllocsPerRun(1000, func() {
		d.Write(in, offset)
		server.ReadFromUDPAddrPort(b)
	}); n != 0 {
		t.Errorf("a packet in costs %v allocations", n)
	}
}

// Several peers' packets are written at the same time.
func TestConcurrentWrites(t *testing.T) {
	const writers, each = 4, 2000
	d, s := netTUN(t, 1420)
	c, err := (&castnet.Config{On: s, ReadBuffer: -1}).Listen(t.Context(), "udp4", ":7")
	must(t, err)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			b := datagram(7, make([]byte, 4))
			b[offset+15] = byte(10 + w) // a source of its own
			b[offset+10], b[offset+11] = 0, 0
			for i := range each {
				binary.BigEndian.PutUint32(b[offset+28:], uint32(i))
				ipChecksum(b[offset:])
				if _, err := d.Write([][]byte{b}, offset); err != nil {
					t.Error(err)
				}
			}
		})
	}
	read := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		got := make([]byte, 10)
		last := make(map[byte]uint32)
		for {
			n, from, err := c.ReadFromUDPAddrPort(got)
			if err != nil {
				return
			}
			host := from.Addr().As4()[3]
			i := binary.BigEndian.Uint32(got[:n])
			if before, seen := last[host]; seen && i <= before {
				t.Errorf("from %v came %d after %d", from, i, before)
			}
			last[host] = i
			read++
		}
	}()
	wg.Wait()
	eventually(t, "all was read", func() bool { return c.Stats().ReceiveQueued == 0 })
	must(t, c.Close())
	<-done
	if lost := s.Ledger().Dropped; read+int(lost) != writers*each {
		t.Errorf("%d were written, %d read, and the stack dropped %v", writers*each, read, s.Drops().Map())
	}
}

// A program that closes its socket while WireGuard is not reading is not held up.
func TestSocketClosedWhileQueued(t *testing.T) {
	d, s := netTUN(t, 1420)
	c := dial(t, s, "10.77.0.2:9")
	_, err := c.Write([]byte("last words"))
	must(t, err)
	must(t, c.Close())
	if _, err := c.Write(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write = %v", err)
	}
	bufs, sizes := buffers(1, 1420)
	if n, err := d.Read(bufs, sizes, offset); n != 1 || err != nil || string(payload(t, bufs[0][offset:offset+sizes[0]])) != "last words" {
		t.Errorf("Read = %d, %v", n, err)
	}
}
