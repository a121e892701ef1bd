//go:build linux

package conformance

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
)

// fill sends datagrams to the socket until one is dropped, and returns how many
// were queued. There must be room for no more than limit.
func fill(t *testing.T, r *sock, payload string, limit int) int {
	t.Helper()
	s := connected(t, r.n, r.local())
	defer s.Close()
	for range limit {
		s.send("", payload)
	}
	settle(t, r.n)
	return limit - int(r.Stats().Dropped[drop.ReceiveQueueFull])
}

// drain reads everything and returns how many datagrams there were.
func drain(t *testing.T, r *sock) int {
	t.Helper()
	total := 0
	ms := make([]socket.Message, 32)
	for {
		for i := range ms {
			ms[i] = socket.Message{Buf: make([]byte, 0, 16)}
		}
		n, err := r.TryRecv(ms)
		if err == syscall.EAGAIN {
			return total
		}
		if err != nil {
			t.Fatalf("TryRecv: %v", name(err))
		}
		total += n
	}
}

// defaultBuffer is net.core.rmem_default as Linux comes.
const defaultBuffer = 212992

var receiveCases = []testCase{
	{name: "ReceiveBoundaries", rules: "D-RECV-01", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		a, b := bound(t, n, "127.0.0.1:0"), bound(t, n, "127.0.0.2:0")
		for i := range 50 {
			a.send(r.local(), fmt.Sprintf("a%d", i))
			b.send(r.local(), strings.Repeat("b", i))
		}
		for i := range 50 {
			r.wantFrom(fmt.Sprintf("a%d", i), a.local())
			r.wantFrom(strings.Repeat("b", i), b.local())
		}
		r.wantNothing()
	}},
	{name: "ReceiveCut", rules: "D-RECV-02", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		s.send(r.local(), "0123456789")
		s.send(r.local(), "next")
		if !r.await(socket.Readable) {
			t.Fatal("nothing came")
		}
		ms := []socket.Message{{Buf: make([]byte, 0, 4)}}
		if k, err := r.TryRecv(ms); k != 1 || err != nil {
			t.Fatalf("TryRecv: %d, %v", k, err)
		}
		if m := ms[0]; string(m.Buf) != "0123" || m.Len != 10 || !m.Truncated() {
			t.Errorf("got %q, Len %d, want the first 4 bytes of 10", m.Buf, m.Len)
		}
		if m := r.want("next"); m.Len != 4 || m.Truncated() {
			t.Errorf("Len is %d, want 4", m.Len)
		}
	}},
	{name: "ReceiveToCapacity", rules: "D-RECV-02", run: func(t *testing.T, n *Machine) {
		// Buf counts by its capacity, whatever its length.
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		s.send(r.local(), "0123456789")
		r.await(socket.Readable)
		ms := []socket.Message{{Buf: make([]byte, 2, 10)}}
		if _, err := r.TryRecv(ms); err != nil {
			t.Fatalf("TryRecv: %v", err)
		}
		if string(ms[0].Buf) != "0123456789" || ms[0].Truncated() {
			t.Errorf("got %q, cut: %v", ms[0].Buf, ms[0].Truncated())
		}
	}},
	{name: "ReceivePeek", rules: "D-RECV-03 D-RECV-06", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := bound(t, n, "127.0.0.1:0")
		m := socket.Message{Buf: make([]byte, 0, 3)}
		if err := r.TryPeek(&m); err != syscall.EAGAIN {
			t.Errorf("TryPeek of nothing: %v, want EAGAIN", name(err))
		}
		s.send(r.local(), "first")
		s.send(r.local(), "second")
		r.await(socket.Readable)
		for range 3 {
			m := socket.Message{Buf: make([]byte, 0, 3)}
			if err := r.TryPeek(&m); err != nil {
				t.Fatalf("TryPeek: %v", name(err))
			}
			if string(m.Buf) != "fir" || m.Len != 5 || m.Addr != s.LocalAddr() {
				t.Errorf("TryPeek: %q, Len %d, from %v", m.Buf, m.Len, m.Addr)
			}
		}
		r.want("first")
		r.want("second")
	}},
	{name: "ReceiveEmpty", rules: "D-RECV-04 D-RECV-05", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := bound(t, n, "127.0.0.1:0")
		s.send(r.local(), "")
		s.send(r.local(), "abc")
		s.send(r.local(), "")
		r.await(socket.Readable)
		settle(t, n)
		r.wantOption(socket.NextSize, 0)
		if m := r.wantFrom("", s.local()); m.Len != 0 {
			t.Errorf("Len is %d", m.Len)
		}
		r.wantOption(socket.NextSize, 3)
		r.want("abc")
		r.wantFrom("", s.local())
		r.wantOption(socket.NextSize, 0)
		r.wantNothing()
		s.connect(r.local())
		s.send("", "")
		r.want("")
	}},
	{name: "ReceiveNextSize", rules: "D-RECV-05", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		r.wantOption(socket.NextSize, 0)
		s := open(t, n)
		s.send(r.local(), strings.Repeat("x", 1000))
		s.send(r.local(), "y")
		r.await(socket.Readable)
		r.wantOption(socket.NextSize, 1000)
		drain(t, r)
		r.wantOption(socket.NextSize, 0)
		open(t, n).wantOption(socket.NextSize, 0)
	}},
	{name: "ReceiveAgain", rules: "D-RECV-06", run: func(t *testing.T, n *Machine) {
		for _, s := range []*sock{open(t, n), bound(t, n, "127.0.0.1:0"), connected(t, n, "127.0.0.1:9")} {
			if k, err := s.TryRecv([]socket.Message{{Buf: make([]byte, 10)}}); k != 0 || err != syscall.EAGAIN {
				t.Errorf("TryRecv of nothing: %d, %v, want EAGAIN", k, name(err))
			}
		}
	}},
	{name: "ReceiveBufferSize", rules: "D-RECV-07", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.wantOption(socket.ReceiveBuffer, defaultBuffer)
		for _, v := range []struct{ set, want int }{
			{10000, 20000}, {1153, 2306}, {1152, 2304}, {1151, 2304}, {1, 2304}, {0, 2304}, {100000, 200000},
		} {
			s.set(socket.ReceiveBuffer, v.set)
			s.wantOption(socket.ReceiveBuffer, v.want)
		}
		// The cap is net.core.rmem_max, 4 MiB on Linux 6.18 and 212992
		// before; the stack's is its MaxReceiveBuffer.
		s.set(socket.ReceiveBuffer, 1<<30)
		if got := s.get(socket.ReceiveBuffer); got < 2*defaultBuffer || got > 1<<24 || got%2 != 0 {
			t.Errorf("1 GiB of receive buffer is %d", got)
		}
		largest := s.get(socket.ReceiveBuffer)
		s.set(socket.ReceiveBuffer, largest/2+1)
		s.wantOption(socket.ReceiveBuffer, largest)
	}},
	{name: "ReceiveCharge", rules: "D-RECV-08 D-RECV-09", needs: Wires, run: func(t *testing.T, n *Machine) {
		// 832 bytes for a datagram of one byte on Linux 6.18, less where
		// bookkeeping is smaller.
		r := bound(t, n, "127.0.0.1:0")
		got := fill(t, r, "x", 1500)
		if got < 200 || got > 1200 {
			t.Errorf("%d datagrams of one byte fit in %d bytes, want 200 to 1200", got, defaultBuffer)
		}
		if k := drain(t, r); k != got {
			t.Errorf("%d datagrams were queued, want %d", k, got)
		}
	}},
	{name: "ReceiveChargeLarge", rules: "D-RECV-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		payload := strings.Repeat("x", 8000)
		// Payload alone would let 26 in; Linux charges 16 KiB and more for
		// each, and lets 12 in.
		if got := fill(t, r, payload, 60); got < 10 || got > 27 {
			t.Errorf("%d datagrams of 8000 bytes fit in %d bytes, want 10 to 27", got, defaultBuffer)
		}
	}},
	{name: "ReceiveOverflow", rules: "D-RECV-09 D-RECV-10 D-RECV-12 D-CMSG-06 S-STATS-02", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		r.set(socket.ReceiveBuffer, 8192)
		r.set(socket.Report, int(socket.FieldDrops))
		s := connected(t, n, r.local())
		for i := range 100 {
			s.send("", fmt.Sprint(i))
		}
		settle(t, n)
		dropped := int(r.Stats().Dropped[drop.ReceiveQueueFull])
		if dropped < 20 || dropped > 99 {
			t.Fatalf("%d of 100 datagrams were dropped in a buffer of 16 KiB", dropped)
		}
		if q := r.Stats().ReceiveQueued; q < 1 || q > 16384+2048 {
			t.Errorf("ReceiveQueued is %d in a buffer of 16384", q)
		}
		for i := range 100 - dropped {
			// Drops happened behind them: none of these tells of any.
			if m := r.want(fmt.Sprint(i)); m.Drops != 0 {
				t.Errorf("datagram %d tells of %d drops", i, m.Drops)
			}
		}
		r.wantNothing()
		if q := r.Stats().ReceiveQueued; q != 0 {
			t.Errorf("ReceiveQueued is %d with nothing queued", q)
		}
		s.send("", "after")
		m := r.want("after")
		if m.Set&socket.FieldDrops == 0 || int(m.Drops) != dropped {
			t.Errorf("the next datagram tells of %d drops (set: %v), want %d", m.Drops, m.Set&socket.FieldDrops != 0, dropped)
		}
		s.send("", "later")
		if m := r.want("later"); m.Drops != 0 {
			t.Errorf("the one after it tells of %d more drops", m.Drops)
		}
		if got := int(r.Stats().Dropped[drop.ReceiveQueueFull]); got != dropped {
			t.Errorf("Stats count %d drops, want %d", got, dropped)
		}
	}},
	{name: "ReceiveEmptiesCharged", rules: "D-RECV-11", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		r.set(socket.ReceiveBuffer, 32768)
		if got := fill(t, r, "", 5000); got < 20 || got > 1000 {
			t.Errorf("%d empty datagrams fit in 64 KiB, want 20 to 1000", got)
		}
	}},
	{name: "ReceiveRoomAgain", rules: "D-RECV-12", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		r.set(socket.ReceiveBuffer, 8192)
		first := fill(t, r, "x", 200)
		if k := drain(t, r); k != first {
			t.Errorf("read %d, want %d", k, first)
		}
		before := int(r.Stats().Dropped[drop.ReceiveQueueFull])
		s := connected(t, n, r.local())
		for range first {
			s.send("", "x")
		}
		settle(t, n)
		if k := drain(t, r); k != first {
			t.Errorf("after reading everything %d fit, want %d", k, first)
		}
		if got := int(r.Stats().Dropped[drop.ReceiveQueueFull]); got != before {
			t.Errorf("%d were dropped with room for them", got-before)
		}
	}},
	{name: "ReceiveNoBytes", rules: "D-RECV-13 D-RECV-02", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := bound(t, n, "127.0.0.1:0")
		s.send(r.local(), "gone")
		s.send(r.local(), "next")
		r.await(socket.Readable)
		ms := []socket.Message{{}}
		if k, err := r.TryRecv(ms); k != 1 || err != nil {
			t.Fatalf("TryRecv: %d, %v", k, name(err))
		}
		if m := ms[0]; len(m.Buf) != 0 || m.Len != 4 || !m.Truncated() || m.Addr != s.LocalAddr() {
			t.Errorf("got %q, Len %d, from %v", m.Buf, m.Len, m.Addr)
		}
		r.want("next")
	}},
	{name: "ReceiveBatch", rules: "S-BATCH-01 D-RECV-01", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		a, b := bound(t, n, "127.0.0.1:0"), bound(t, n, "127.0.0.2:0")
		for i := range 5 {
			a.send(r.local(), fmt.Sprintf("a%d", i))
			b.send(r.local(), fmt.Sprintf("longer b%d", i))
		}
		r.await(socket.Readable)
		settle(t, n)
		ms := make([]socket.Message, 32)
		for i := range ms {
			ms[i].Buf = make([]byte, 0, 4)
		}
		k, err := r.TryRecv(ms[:3])
		if k != 3 || err != nil {
			t.Fatalf("TryRecv of 3: %d, %v", k, name(err))
		}
		k, err = r.TryRecv(ms[3:])
		if k != 7 || err != nil {
			t.Fatalf("TryRecv of the rest: %d, %v", k, name(err))
		}
		for i, m := range ms[:10] {
			want, from := fmt.Sprintf("a%d", i/2), a.LocalAddr()
			if i%2 == 1 {
				want, from = "long", b.LocalAddr()
			}
			if string(m.Buf) != want || m.Addr != from || m.Truncated() != (i%2 == 1) {
				t.Errorf("message %d: %q from %v, cut: %v; want %q from %v", i, m.Buf, m.Addr, m.Truncated(), want, from)
			}
		}
		if len(ms[10].Buf) != 0 || ms[10].Len != 0 || ms[10].Addr.IsValid() {
			t.Errorf("a message that was not filled was changed: %+v", ms[10])
		}
		if k, err := r.TryRecv(ms); k != 0 || err != syscall.EAGAIN {
			t.Errorf("TryRecv of nothing: %d, %v", k, name(err))
		}
	}},
}
