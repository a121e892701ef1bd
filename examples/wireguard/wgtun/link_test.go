package wgtun

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/tun"
	"golang.zx2c4.com/wireguard/tun/tuntest"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/stack"
)

// stackOn returns a stack with the address theirs on a Link of dev.
func stackOn(t *testing.T, dev tun.Device) (*stack.Stack, *Link) {
	t.Helper()
	l, err := NewLink(dev, Config{})
	must(t, err)
	s, err := stack.New(stack.Config{})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	tun0, err := s.AddInterface("tun0", l)
	must(t, err)
	must(t, tun0.AddAddress(prefixOf(theirs)))
	return s, l
}

// Two stacks, the Device of one being what the Link of the other is on.
func TestLinkOnDevice(t *testing.T) {
	d, a := netTUN(t, 1420)
	b, l := stackOn(t, d)
	server := listen(t, b, ":7")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 2000); ; {
			n, from, err := server.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			server.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	c := dial(t, a, "10.77.0.2:7")
	must(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
	got := make([]byte, 2000)
	for size := range 1420 - 28 + 1 {
		sent := bytes.Repeat([]byte{byte(size)}, size)
		_, err := c.Write(sent)
		must(t, err)
		if n, err := c.Read(got); err != nil || !bytes.Equal(got[:n], sent) {
			t.Fatalf("%d bytes came back as %d, %v", size, n, err)
		}
	}
	// Hundreds at a time, as trains where they begin.
	ms := make([]castnet.Message, 200)
	for i := range ms {
		ms[i].Buf = make([]byte, 100)
	}
	for range 10 {
		_, err := c.WriteBatch(ms)
		must(t, err)
		for i := range ms {
			if n, err := c.Read(got); err != nil || n != 100 {
				t.Fatalf("answer %d: %d bytes, %v", i, n, err)
			}
		}
	}
	must(t, server.Close())
	<-done
	if l.Drops().Total()+d.Drops().Total() != 0 {
		t.Errorf("dropped %v by the link, %v by the device", l.Drops().Map(), d.Drops().Map())
	}
	must(t, b.Close()) // and with it the Link, and with that the Device
	if err := l.Err(); !errors.Is(err, link.ErrClosed) {
		t.Errorf("Err = %v", err)
	}
	if err := d.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Close of the Device = %v, want that it was closed", err)
	}
}

// On a tun.Device that is not ours, and hands over one packet at a time.
func TestLinkOnAnother(t *testing.T) {
	other := tuntest.NewChannelTUN()
	s, l := stackOn(t, other.TUN())
	if l.MTU() != tuntest.DefaultMTU {
		t.Errorf("MTU = %d, want %d", l.MTU(), tuntest.DefaultMTU)
	}
	c := listen(t, s, ":7")
	for _, sent := range []string{"", "a", "a few more bytes"} {
		p := datagram(7, []byte(sent))[offset:]
		*(*[4]byte)(p[12:]), *(*[4]byte)(p[16:]) = ours.As4(), theirs.As4()
		other.Outbound <- p
		got := make([]byte, 100)
		n, from, err := c.ReadFromUDPAddrPort(got)
		if err != nil || string(got[:n]) != sent || from.Addr() != ours {
			t.Errorf("read %q from %v, %v", got[:n], from, err)
		}
		_, err = c.WriteToUDPAddrPort([]byte(sent), from)
		must(t, err)
		if back := payload(t, <-other.Inbound); string(back) != sent {
			t.Errorf("wrote %q, want %q", back, sent)
		}
	}
	must(t, s.Close())
}

// A slow device has its packets queued, and the rest refused; Close does not wait
// for it.
func TestSlowDevice(t *testing.T) {
	other := tuntest.NewChannelTUN() // nobody reads Inbound
	l, err := NewLink(other.TUN(), Config{QueueLength: 10})
	must(t, err)
	written := 0
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		b := frame(100)
		if n, err := l.Write(b.Single()); n == 0 {
			b.Release()
			if !errors.Is(err, link.ErrQueueFull) {
				t.Fatalf("Write = %v", err)
			}
			break
		}
		written++
	}
	if written < 10 || written > 11 { // one may be with the device
		t.Errorf("%d packets found room in a queue of 10", written)
	}
	must(t, l.Close())
	if n := l.Drops().Total(); int(n) != written {
		t.Errorf("of %d packets that nobody took %v were dropped", written, l.Drops().Map())
	}
	b := frame(100)
	if n, err := l.Write(b.Single()); n != 0 || !errors.Is(err, link.ErrClosed) {
		t.Errorf("Write after Close = %d, %v", n, err)
	}
	b.Release()
	if err := l.Close(); !errors.Is(err, link.ErrClosed) {
		t.Errorf("the second Close = %v", err)
	}
	if err := l.Attach(sinkFunc(nil)); !errors.Is(err, link.ErrClosed) {
		t.Errorf("Attach after Close = %v", err)
	}
}

type sinkFunc func([]*packet.Buffer)

func (f sinkFunc) Deliver(_ int, ps []*packet.Buffer) { f(ps) }

// A fakeDevice says and does what the test wants.
type fakeDevice struct {
	events chan tun.Event
	mtu    atomic.Int64
	read   chan []byte // a packet that comes in; nil: some were lost
	wrote  chan []byte
	fail   atomic.Bool // writing
}

func newFakeDevice() *fakeDevice {
	d := &fakeDevice{events: make(chan tun.Event), read: make(chan []byte), wrote: make(chan []byte, 100)}
	d.mtu.Store(1500)
	return d
}

func (d *fakeDevice) File() *os.File           { return nil }
func (d *fakeDevice) MTU() (int, error)        { return int(d.mtu.Load()), nil }
func (d *fakeDevice) Name() (string, error)    { return "fake", nil }
func (d *fakeDevice) Events() <-chan tun.Event { return d.events }
func (d *fakeDevice) BatchSize() int           { return 4 }
func (d *fakeDevice) Close() error             { close(d.events); close(d.read); return nil }

func (d *fakeDevice) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	p, open := <-d.read
	switch {
	case !open:
		return 0, os.ErrClosed
	case p == nil:
		return 0, tun.ErrTooManySegments
	}
	sizes[0] = copy(bufs[0][offset:], p)
	return 1, nil
}

func (d *fakeDevice) Write(bufs [][]byte, offset int) (int, error) {
	if d.fail.Load() {
		return 0, errors.New("out of order")
	}
	for _, b := range bufs {
		clear(b[:offset]) // it is the device's
		select {
		case d.wrote <- bytes.Clone(b[offset:]):
		default: // nobody wants to know
		}
	}
	return len(bufs), nil
}

// eventually waits for what another goroutine brings about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("it did not happen that %s", what)
		}
	}
}

func TestLinkHeedsEvents(t *testing.T) {
	dev := newFakeDevice()
	l, err := NewLink(dev, Config{})
	must(t, err)
	dev.mtu.Store(1300)
	dev.events <- tun.EventMTUUpdate
	eventually(t, "the MTU is 1300", func() bool { return l.MTU() == 1300 })
	dev.mtu.Store(7)
	dev.events <- tun.EventMTUUpdate | tun.EventDown
	b := frame(100)
	eventually(t, "the link is down", func() bool {
		n, err := l.Write(b.Single())
		if n == 1 {
			b = frame(100)
		}
		return errors.Is(err, link.ErrDown)
	})
	b.Release()
	if l.MTU() != 1300 {
		t.Errorf("MTU = %d; that of 7 cannot be", l.MTU())
	}
	dev.events <- tun.EventUp
	eventually(t, "the link is up", func() bool {
		b := frame(100)
		n, _ := l.Write(b.Single())
		if n == 0 {
			b.Release()
		}
		return n == 1
	})
	b = frame(1301)
	if n, err := l.Write(b.Single()); n != 0 || !errors.Is(err, link.ErrTooBig) {
		t.Errorf("Write of 1301 bytes = %d, %v", n, err)
	}
	b.Release()
	must(t, l.Close())
}

func TestLinkCountsWhatIsLost(t *testing.T) {
	dev := newFakeDevice()
	l, err := NewLink(dev, Config{})
	must(t, err)
	got := make(chan int, 10)
	must(t, l.Attach(sinkFunc(func(ps []*packet.Buffer) {
		got <- ps[0].Len()
		packet.ReleaseAll(ps)
	})))
	if err := l.Attach(sinkFunc(nil)); !errors.Is(err, link.ErrInUse) {
		t.Errorf("a second Attach = %v", err)
	}
	dev.read <- make([]byte, 33)
	if n := <-got; n != 33 {
		t.Errorf("delivered %d bytes, want 33", n)
	}
	dev.read <- nil
	dev.read <- make([]byte, 34)
	if n := <-got; n != 34 {
		t.Errorf("delivered %d bytes, want 34", n)
	}
	must(t, l.Attach(nil))
	dev.read <- make([]byte, 35)
	dev.fail.Store(true)
	if n, err := l.Write(frame(36).Single()); n != 1 || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	eventually(t, "one was dropped for want of a sink, and two by the device", func() bool {
		return l.Drops().Get(drop.LinkNoPeer) == 1 && l.Drops().Get(drop.LinkError) == 2
	})
	must(t, l.Close())
}

// A packet whose bytes others read, or without room in front, is copied for the
// device, which writes there.
func TestLinkLeavesSharedBytesAlone(t *testing.T) {
	dev := newFakeDevice()
	l, err := NewLink(dev, Config{})
	must(t, err)
	defer l.Close()
	shared := packet.New(40)
	copy(shared.Append(40), bytes.Repeat([]byte{0x11}, 40))
	clone := shared.Clone()
	clone.TrimFront(20)
	full := frame(20)
	front, _ := full.Room()
	for i := range full.Prepend(front) {
		full.Bytes()[i] = 0x22
	}
	for _, b := range []*packet.Buffer{clone, full} {
		want := bytes.Clone(b.Bytes())
		if n, err := l.Write(b.Single()); n != 1 || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
		if got := <-dev.wrote; !bytes.Equal(got, want) {
			t.Errorf("wrote % x, want % x", got, want)
		}
	}
	if !bytes.Equal(shared.Bytes(), bytes.Repeat([]byte{0x11}, 40)) {
		t.Errorf("the shared bytes are now % x", shared.Bytes())
	}
	shared.Release()
}

func TestNewLinkRefuses(t *testing.T) {
	dev := newFakeDevice()
	dev.mtu.Store(60)
	if l, err := NewLink(dev, Config{}); l != nil || err == nil {
		t.Errorf("NewLink = %v, %v", l, err)
	}
	must(t, dev.Close()) // it remained ours
}
