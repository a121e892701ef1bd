package lab_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// headers is what a frame is longer than its payload.
const headers = wire.EthernetHeaderLen + wire.IPv4HeaderLen + wire.UDPHeaderLen

// wireTest sends numbered datagrams from h1 to h2, which know each other's
// addresses, and notes which arrive when.
type wireTest struct {
	send, receive lab.Faults // of h1's sending and of h2's receiving
	seed          uint64
	count         int
	every         time.Duration
	size          int // of the payload; at least 4

	lab      *lab.Lab
	h1, h2   *lab.Host
	arrivals []arrival
}

type arrival struct {
	number int
	at     time.Duration
	intact bool
}

func (w *wireTest) run(t testing.TB) *lab.Report {
	t.Helper()
	l := lab.New(lab.Config{Seed: w.seed})
	t.Cleanup(func() { l.Close() })
	w.lab = l
	w.size = max(w.size, 4)
	lan := l.AddSwitch("lan")
	w.h1, w.h2 = l.AddHost("h1"), l.AddHost("h2")
	attach(t, w.h1, lan, "10.0.0.1/24", lab.Faults{})
	attach(t, w.h2, lan, "10.0.0.2/24", lab.Faults{})
	know(t, w.h1, w.h2)
	must(t, w.h1.SetFaults("eth0", w.send, lab.Faults{}))
	must(t, w.h2.SetFaults("eth0", lab.Faults{}, w.receive))
	payload := make([]byte, w.size)
	for i := range payload {
		payload[i] = byte(i)
	}
	w.h2.Go("listen", func(ctx context.Context) error {
		c, err := (&castnet.Config{On: w.h2, ReadBuffer: 1 << 20}).Listen(ctx, "udp4", ":7")
		if err != nil {
			return err
		}
		buf := make([]byte, w.size)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return err
			}
			w.arrivals = append(w.arrivals, arrival{
				int(binary.BigEndian.Uint32(buf)), l.Elapsed(), n == w.size && bytes.Equal(buf[4:], payload[4:]),
			})
		}
	})
	w.h1.Go("send", func(ctx context.Context) error {
		c, err := dial(ctx, w.h1, "h2:7")
		if err != nil {
			return err
		}
		for i := range w.count {
			binary.BigEndian.PutUint32(payload, uint32(i))
			if _, err := c.Write(payload); err != nil {
				return err
			}
			if w.every > 0 {
				w.h1.Sleep(ctx, w.every)
			}
		}
		return nil
	})
	run(t, l, time.Duration(w.count)*w.every+time.Hour)
	return l.Report()
}

// know makes hosts neighbours of each other.
func know(t testing.TB, hosts ...*lab.Host) {
	t.Helper()
	for _, h := range hosts {
		for _, o := range hosts {
			is, _ := o.Interfaces()
			if h != o {
				must(t, h.Stack().Interface("eth0").AddNeighbor(is[1].Addresses[0].Addr(), is[1].HardwareAddr))
			}
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// order returns the numbers in the order of arrival.
func (w *wireTest) order() (numbers []int) {
	for _, a := range w.arrivals {
		numbers = append(numbers, a.number)
	}
	return numbers
}

func TestPerfectLink(t *testing.T) {
	// As many as no send buffer holds: the link takes them at once, and yet
	// the sender is not let ahead of what it can deliver.
	w := wireTest{count: 5000, size: 1000}
	r := w.run(t)
	if len(w.arrivals) != w.count || len(r.Dropped) != 0 {
		t.Fatalf("%d of %d arrived\n%v", len(w.arrivals), w.count, r)
	}
	for i, a := range w.arrivals {
		if a.number != i || a.at != 0 || !a.intact {
			t.Fatalf("datagram %d: %+v", i, a)
		}
	}
}

func TestDelay(t *testing.T) {
	w := wireTest{send: lab.Faults{Delay: 30 * time.Millisecond}, receive: lab.Faults{Delay: 12 * time.Millisecond}, count: 10, every: time.Second}
	w.run(t)
	for i, a := range w.arrivals {
		if want := time.Duration(i)*time.Second + 42*time.Millisecond; a.number != i || a.at != want {
			t.Errorf("datagram %d: %+v, want at %v", i, a, want)
		}
	}
	if len(w.arrivals) != 10 {
		t.Errorf("%d arrived", len(w.arrivals))
	}
}

func TestJitter(t *testing.T) {
	w := wireTest{send: lab.Faults{Delay: 100 * time.Millisecond, Jitter: 20 * time.Millisecond}, count: 2000, every: time.Millisecond}
	w.run(t)
	if len(w.arrivals) != w.count {
		t.Fatalf("%d arrived", len(w.arrivals))
	}
	low, high, sum, overtaken := time.Hour, time.Duration(0), time.Duration(0), 0
	for i, a := range w.arrivals {
		d := a.at - time.Duration(a.number)*w.every
		low, high, sum = min(low, d), max(high, d), sum+d
		if i > 0 && a.number < w.arrivals[i-1].number {
			overtaken++
		}
	}
	mean := sum / time.Duration(w.count)
	if low < 80*time.Millisecond || low > 81*time.Millisecond || high > 120*time.Millisecond || high < 119*time.Millisecond ||
		mean < 99*time.Millisecond || mean > 101*time.Millisecond {
		t.Errorf("delays from %v to %v, mean %v; want 80ms to 120ms, mean 100ms", low, high, mean)
	}
	if overtaken == 0 {
		t.Error("no datagram overtook another")
	}
	// More jitter than delay: none arrives before it is sent.
	w = wireTest{send: lab.Faults{Delay: time.Millisecond, Jitter: time.Second}, count: 100}
	w.run(t)
	if len(w.arrivals) != 100 {
		t.Errorf("%d arrived", len(w.arrivals))
	}
}

// near checks that a count is what a probability gives, within five standard
// deviations.
func near(t *testing.T, what string, got uint64, n int, p float64) {
	t.Helper()
	mean, deviation := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
	if math.Abs(float64(got)-mean) > 5*deviation {
		t.Errorf("%s: %d of %d; want about %.0f", what, got, n, mean)
	}
}

func TestLoss(t *testing.T) {
	for _, tt := range []struct {
		name string
		w    wireTest
	}{
		{"sending", wireTest{send: lab.Faults{Loss: 0.3}, count: 4000}},
		{"receiving", wireTest{receive: lab.Faults{Loss: 0.3}, count: 4000}},
		{"everything", wireTest{send: lab.Faults{Loss: 1}, count: 100}},
	} {
		r := tt.w.run(t)
		lost := r.Dropped[drop.LinkLoss]
		if int(lost)+len(tt.w.arrivals) != tt.w.count || len(r.Dropped) != 1 {
			t.Errorf("%s: %d arrived of %d\n%v", tt.name, len(tt.w.arrivals), tt.w.count, r)
		}
		near(t, tt.name, lost, tt.w.count, tt.w.send.Loss+tt.w.receive.Loss)
	}
}

func TestDuplicate(t *testing.T) {
	w := wireTest{send: lab.Faults{Duplicate: 0.25}, count: 4000}
	r := w.run(t)
	near(t, "duplicates", uint64(len(w.arrivals)-w.count), w.count, 0.25)
	if r.Links[0].Send.Duplicated != uint64(len(w.arrivals)-w.count) {
		t.Errorf("%d arrived, %d were duplicated", len(w.arrivals), r.Links[0].Send.Duplicated)
	}
	for i, a := range w.arrivals {
		if !a.intact || i > 0 && a.number != w.arrivals[i-1].number && a.number != w.arrivals[i-1].number+1 {
			t.Fatalf("%+v after %+v", a, w.arrivals[max(i-1, 0)])
		}
	}
	// As with netem, what is duplicated and lost arrives once.
	w = wireTest{send: lab.Faults{Duplicate: 1, Loss: 1}, count: 100}
	r = w.run(t)
	if len(w.arrivals) != 100 || r.Links[0].Send.Duplicated != 100 || r.Dropped[drop.LinkLoss] != 100 {
		t.Errorf("duplicated and lost: %d arrived\n%v", len(w.arrivals), r)
	}
}

func TestReorder(t *testing.T) {
	w := wireTest{send: lab.Faults{Delay: 100 * time.Millisecond, Reorder: 0.1}, count: 3000, every: 10 * time.Millisecond}
	w.run(t)
	early := uint64(0)
	for _, a := range w.arrivals {
		switch a.at - time.Duration(a.number)*w.every {
		case 0:
			early++
		case 100 * time.Millisecond:
		default:
			t.Fatalf("%+v: neither at once nor after the delay", a)
		}
	}
	near(t, "sent ahead", early, w.count, 0.1)
	if len(w.arrivals) != w.count {
		t.Errorf("%d arrived", len(w.arrivals))
	}
}

func TestCorrupt(t *testing.T) {
	w := wireTest{send: lab.Faults{Corrupt: 1}, count: 4000, size: 100}
	r := w.run(t)
	// One bit is wrong in every frame. It is noticed wherever a checksum
	// covers it, and no payload that is read is wrong: UDP's covers it all.
	for _, a := range w.arrivals {
		if !a.intact {
			t.Fatalf("%+v was read though it is corrupt", a)
		}
	}
	if bad := r.Dropped[drop.BadChecksum]; bad < 3000 {
		t.Errorf("BadChecksum: %d of %d", bad, w.count)
	}
	// Those that get through have a bit wrong that nobody looks at: the
	// source address of the Ethernet header, 6 bytes of 142.
	if n := len(w.arrivals); n > 400 {
		t.Errorf("%d of %d were read", n, w.count)
	}
	// A clone shares its bytes with the frame; corrupting one must not touch
	// the other.
	w = wireTest{receive: lab.Faults{Corrupt: 0.5, Duplicate: 1}, count: 1000}
	w.run(t)
	for _, a := range w.arrivals {
		if !a.intact {
			t.Fatalf("%+v was read though it is corrupt", a)
		}
	}
	if n := len(w.arrivals); n < 900 || n > 1300 {
		t.Errorf("%d copies of 1000 duplicated datagrams were read", n)
	}
}

func TestRate(t *testing.T) {
	// A frame of 1000 bytes at 8 Mbit/s takes a millisecond.
	w := wireTest{send: lab.Faults{Rate: 8_000_000, Delay: 5 * time.Millisecond}, count: 100, size: 1000 - headers}
	w.run(t)
	for i, a := range w.arrivals {
		if want := time.Duration(i+1)*time.Millisecond + 5*time.Millisecond; a.number != i || a.at != want {
			t.Errorf("datagram %d: %+v, want at %v", i, a, want)
		}
	}
	if len(w.arrivals) != w.count {
		t.Errorf("%d arrived", len(w.arrivals))
	}
	// The same in the receiving direction.
	w = wireTest{receive: lab.Faults{Rate: 8_000_000}, count: 100, size: 1000 - headers}
	w.run(t)
	for i, a := range w.arrivals {
		if want := time.Duration(i+1) * time.Millisecond; a.number != i || a.at != want {
			t.Errorf("receiving, datagram %d: %+v, want at %v", i, a, want)
		}
	}
}

func TestLimit(t *testing.T) {
	for _, tt := range []struct {
		name  string
		w     wireTest
		where int // of the Links, whose host drops
	}{
		{"waiting to be sent", wireTest{send: lab.Faults{Rate: 1_000_000, Limit: 10}, count: 100}, 0},
		{"on the wire", wireTest{send: lab.Faults{Delay: time.Second, Limit: 10}, count: 100}, 0},
		{"netem's default", wireTest{send: lab.Faults{Delay: time.Hour}, count: 1500, every: time.Millisecond}, 0},
		{"receiving", wireTest{receive: lab.Faults{Delay: time.Second, Limit: 10}, count: 100}, 1},
	} {
		r := tt.w.run(t)
		limit := max(tt.w.send.Limit, tt.w.receive.Limit)
		if limit == 0 {
			limit = 1000
		}
		if len(tt.w.arrivals) != limit {
			t.Errorf("%s: %d arrived, want %d", tt.name, len(tt.w.arrivals), limit)
		}
		full := uint64(tt.w.count - limit)
		// A sender is refused, and its stack drops; a receiver's link drops.
		got := r.Hosts[0].Dropped[drop.LinkQueueFull]
		if tt.where == 1 {
			got = r.Links[1].Receive.Dropped[drop.LinkQueueFull]
		}
		if got != full || r.Dropped[drop.LinkQueueFull] != full {
			t.Errorf("%s: LinkQueueFull %d, want %d\n%v", tt.name, got, full, r)
		}
	}
}

// TestDuplicateAtTheLimit has room for one of the two.
func TestDuplicateAtTheLimit(t *testing.T) {
	w := wireTest{send: lab.Faults{Duplicate: 1, Delay: time.Second, Limit: 3}, count: 3}
	r := w.run(t)
	if got := fmt.Sprint(w.order()); got != "[0 0 1]" {
		t.Errorf("arrived: %v", got)
	}
	if r.Links[0].Send.Dropped[drop.LinkQueueFull] != 1 || r.Hosts[0].Dropped[drop.LinkQueueFull] != 1 {
		t.Errorf("want one duplicate dropped by the link and one datagram refused\n%v", r)
	}
	w = wireTest{receive: lab.Faults{Duplicate: 1, Delay: time.Second, Limit: 3}, count: 3}
	r = w.run(t)
	if n := r.Links[1].Receive.Dropped[drop.LinkQueueFull]; n != 3 || len(w.arrivals) != 3 {
		t.Errorf("receiving: %d arrived, %d dropped; want 3 and 3\n%v", len(w.arrivals), n, r)
	}
}

// TestSendBufferIsChargedWhileWaiting: what waits for the rate is in the send
// buffer, what is on the wire is not.
func TestSendBufferIsChargedWhileWaiting(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	lan := l.AddSwitch("lan")
	h1, h2 := l.AddHost("h1"), l.AddHost("h2")
	attach(t, h1, lan, "10.0.0.1/24", lab.Faults{})
	attach(t, h2, lan, "10.0.0.2/24", lab.Faults{})
	know(t, h1, h2)
	must(t, h1.SetFaults("eth0", lab.Faults{Rate: 8_000_000, Delay: time.Second}, lab.Faults{}))
	h1.Go("send", func(ctx context.Context) error {
		c, err := dial(ctx, h1, "h2:7")
		if err != nil {
			return err
		}
		payload := make([]byte, 1000-headers)
		for range 3 {
			c.Write(payload)
		}
		one := c.Stats().SendQueued / 3
		if one < 1000 {
			t.Errorf("%d bytes are charged for each of three datagrams that wait", one)
		}
		for sent := 1; sent <= 3; sent++ {
			h1.Sleep(ctx, time.Millisecond)
			if got := c.Stats().SendQueued; got != (3-sent)*one {
				t.Errorf("with %d datagrams on the wire %d bytes are charged, want %d", sent, got, (3-sent)*one)
			}
		}
		// A writer blocks when the buffer is full, and goes on.
		if err := c.SetWriteBuffer(10 * one); err != nil {
			return err
		}
		start := l.Elapsed()
		for range 200 {
			if _, err := c.Write(payload); err != nil {
				return err
			}
		}
		if d := l.Elapsed() - start; d < 150*time.Millisecond || d > 200*time.Millisecond {
			t.Errorf("200 datagrams at one a millisecond were accepted in %v", d)
		}
		return nil
	})
	run(t, l, 10*time.Second)
}

func TestMTU(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	lan := l.AddSwitch("lan")
	h1, h2 := l.AddHost("h1"), l.AddHost("h2")
	attach(t, h1, lan, "10.0.0.1/24", lab.Faults{})
	if _, err := h2.Attach(lan, lab.LinkConfig{Addresses: prefixes("10.0.0.2/24"), MTU: 1000}); err != nil {
		t.Fatal(err)
	}
	know(t, h1, h2)
	h1.Go("send", func(ctx context.Context) error {
		c, err := dial(ctx, h1, "h2:7")
		if err != nil {
			return err
		}
		c.Write(make([]byte, 1000-28))
		_, err = c.Write(make([]byte, 1001-28))
		return err
	})
	run(t, l, time.Second)
	if n := l.Report().Dropped[drop.LinkTooBig]; n != 1 {
		t.Errorf("LinkTooBig: %d, want 1\n%v", n, l.Report())
	}
}

func TestSetFaultsWhileRunning(t *testing.T) {
	w := wireTest{count: 20, every: time.Second}
	// The lab is made by run; the changes come from a task that it starts.
	l := lab.New(lab.Config{})
	defer l.Close()
	lan := l.AddSwitch("lan")
	h1, h2 := l.AddHost("h1"), l.AddHost("h2")
	attach(t, h1, lan, "10.0.0.1/24", lab.Faults{})
	attach(t, h2, lan, "10.0.0.2/24", lab.Faults{})
	know(t, h1, h2)
	var heard []int
	s2, err := h2.Open(socket.IPv4)
	must(t, err)
	must(t, s2.Bind(netip.MustParseAddrPort("0.0.0.0:7")))
	var read func()
	read = func() {
		ms := []socket.Message{{Buf: make([]byte, 10)}}
		for {
			_, err := s2.TryRecv(ms)
			if err == socket.ErrClosed {
				return
			}
			if err != nil {
				break
			}
			heard = append(heard, int(ms[0].Buf[0]))
		}
		s2.Notify(socket.Readable, read)
	}
	s2.Notify(socket.Readable, read)
	h1.Go("send", func(ctx context.Context) error {
		c, err := dial(ctx, h1, "h2:7")
		if err != nil {
			return err
		}
		for i := range w.count {
			if _, err := c.Write([]byte{byte(i)}); err != nil {
				return err
			}
			h1.Sleep(ctx, time.Second)
		}
		return nil
	})
	at := func(after int, f func() error) {
		l.At(time.Duration(after)*time.Second+time.Second/2, func() { must(t, f()) })
	}
	at(2, func() error { return h1.SetLink("eth0", false) })
	at(4, func() error { return h1.SetLink("eth0", true) })
	at(6, func() error { return h2.SetFaults("eth0", lab.Faults{}, lab.Faults{Loss: 1}) })
	at(8, func() error { return h2.SetFaults("eth0", lab.Faults{}, lab.Faults{}) })
	at(10, func() error { return l.Partition([]string{"h1"}, []string{"h2"}) })
	at(12, func() error { return l.Partition() })
	at(14, func() error { return h2.SetLink("eth0", false) })
	at(16, func() error { return h2.SetLink("eth0", true) })
	run(t, l, 30*time.Second)
	if got := fmt.Sprint(heard); got != "[0 1 2 5 6 9 10 13 14 17 18 19]" {
		t.Errorf("heard %v", got)
	}
	r := l.Report()
	if r.Hosts[0].Dropped[drop.LinkDown] != 2 || r.Links[1].Receive.Dropped[drop.LinkDown] != 2 ||
		r.Links[1].Receive.Dropped[drop.LinkLoss] != 2 || r.Segments[0].Dropped[drop.LinkLoss] != 2 {
		t.Errorf("two datagrams should have been lost to each fault\n%v", r)
	}
	l.Close()
}

func TestFaultsAreChecked(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	h := l.AddHost("h")
	attach(t, h, l.AddSwitch("lan"), "10.0.0.1/24", lab.Faults{Loss: 0.5})
	for _, tt := range []struct {
		faults lab.Faults
		want   string
	}{
		{lab.Faults{Loss: -0.1}, "loss is -0.1"},
		{lab.Faults{Duplicate: 1.1}, "duplicate is 1.1"},
		{lab.Faults{Corrupt: math.NaN()}, "corrupt is NaN"},
		{lab.Faults{Delay: -1}, "delay is -1ns"},
		{lab.Faults{Jitter: 2000 * time.Hour}, "jitter is 2000h"},
		{lab.Faults{Rate: -5}, "rate is -5"},
		{lab.Faults{Limit: -1}, "limit is -1"},
		{lab.Faults{Reorder: 0.1}, "no frame waits"},
	} {
		for _, err := range []error{h.SetFaults("eth0", tt.faults, lab.Faults{}), h.SetFaults("eth0", lab.Faults{}, tt.faults)} {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%+v: %v, want one that says %q", tt.faults, err, tt.want)
			}
		}
	}
	if send, receive, err := h.Faults("eth0"); send != (lab.Faults{Loss: 0.5}) || receive != (lab.Faults{}) || err != nil {
		t.Errorf("refused faults have changed something: %+v, %+v, %v", send, receive, err)
	}
	for _, err := range []error{
		h.SetFaults("eth1", lab.Faults{}, lab.Faults{}), h.SetLink("lo", false),
		l.Partition([]string{"h"}, []string{"nobody"}), l.Partition([]string{"h"}, []string{"h"}),
	} {
		if err == nil {
			t.Error("a change of what does not exist succeeded")
		}
	}
}
