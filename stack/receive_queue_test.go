package stack

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// queued returns a buffer as it lies in a receive queue: a UDP datagram.
func queued(payload int) *packet.Buffer {
	b := packet.New(wire.UDPHeaderLen + payload)
	b.Append(wire.UDPHeaderLen + payload)
	b.SetTransport(0)
	return b
}

// The ring against a slice: growth, wrapping round, the limit, and the counts of
// what was lost, told by the datagram behind the gap.
func TestReceiveQueueAgainstASlice(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	type entry struct {
		b    *packet.Buffer
		lost uint32
	}
	for limit := range 6 {
		q := &receiveQueue{limit: limit * 1500}
		var want []entry
		var used int
		var lost uint32
		for range 5000 {
			if r.IntN(100) < 52 {
				b := queued(r.IntN(300))
				reason := q.push(b)
				fits := used+b.TrueSize() <= q.limit || len(want) == 0
				if fits != (reason == drop.None) {
					t.Fatalf("%d of %d bytes are used, a datagram of %d: %v", used, q.limit, b.TrueSize(), reason)
				}
				if !fits {
					b.Release()
					lost++
					continue
				}
				used += b.TrueSize()
				want = append(want, entry{b, lost})
				lost = 0
			} else if len(want) > 0 {
				if q.first() != want[0].b || q.lost() != want[0].lost {
					t.Fatalf("first, lost = %p, %d, want %p, %d", q.first(), q.lost(), want[0].b, want[0].lost)
				}
				b, n := q.take()
				if b != want[0].b || n != want[0].lost {
					t.Fatalf("took %p, %d lost, want %p, %d", b, n, want[0].b, want[0].lost)
				}
				used -= b.TrueSize()
				b.Release()
				want = want[1:]
			}
			if int(q.count) != len(want) || q.used != used {
				t.Fatalf("count %d, used %d, want %d, %d", q.count, q.used, len(want), used)
			}
			if n := len(q.ring); n&(n-1) != 0 {
				t.Fatalf("the ring has %d places", n)
			}
			if len(q.gaps) > len(want) {
				t.Fatalf("%d gaps among %d datagrams", len(q.gaps), len(want))
			}
		}
		for _, e := range want {
			e.b.Release()
		}
	}
}

// Datagrams without payload fill the buffer as well: what they cost is memory.
func TestEmptyDatagramsStayInsideTheReceiveBuffer(t *testing.T) {
	live := packet.Live()
	h, l := known(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	setOption(t, s, socket.ReceiveBuffer, 16<<10) // 32 KiB
	batch := make([][]byte, 100)
	for k := range batch {
		batch[k] = datagram{}.frame()
	}
	const total = 300_000
	for range total / len(batch) {
		l.deliver(batch...)
	}
	st := s.Stats()
	if st.ReceiveQueued > 32<<10 || st.ReceiveQueued < 30<<10 {
		t.Errorf("%d bytes are queued, want at most 32768 and hardly less", st.ReceiveQueued)
	}
	n := s.queueLen()
	if size := st.ReceiveQueued / n; size < 256 {
		t.Errorf("an empty datagram is charged %d bytes, less than its buffer", size)
	}
	if packet.Checking && packet.Live()-live != n {
		t.Errorf("%d buffers are out for %d datagrams", packet.Live()-live, n)
	}
	if got := st.Dropped[drop.ReceiveQueueFull]; got != uint64(total-n) {
		t.Errorf("%d dropped, want %d", got, total-n)
	}
	if len(payloads(t, s)) != n {
		t.Error("some are lost")
	}
	checkLedger(t, h)
}

// The first datagram is taken however large it is: a socket is never deaf.
func TestOneDatagramAlwaysFits(t *testing.T) {
	a, _ := pair(t)
	s := a.open(t, "127.0.0.1:7")
	setOption(t, s, socket.ReceiveBuffer, 0)
	c := a.open(t, "")
	for range 3 {
		send(t, c, string(make([]byte, 65507)), "127.0.0.1:7")
	}
	if got := payloads(t, s); len(got) != 1 || len(got[0]) != 65507 {
		t.Errorf("received %d", len(got))
	}
	checkDrops(t, a, drop.ReceiveQueueFull, 2)
	checkLedger(t, a)
}

// Of 208 KiB a datagram of one byte takes what it holds: a few hundred fit, as on Linux.
func TestDefaultReceiveBuffer(t *testing.T) {
	h, l := known(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	f := datagram{payload: "x"}.frame()
	for range 2000 {
		l.deliver(f)
	}
	if n := s.queueLen(); n < 256 || n > 832 {
		t.Errorf("%d datagrams of one byte fit into %d bytes", n, 212992)
	}
	checkLedger(t, h)
}

func TestDropsAreToldBehindTheGap(t *testing.T) {
	h, l := known(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	setOption(t, s, socket.Report, int(socket.FieldDrops))
	setOption(t, s, socket.ReceiveBuffer, 0) // 2304: a few
	f := func(n int) []byte { return datagram{payload: fmt.Sprint(n)}.frame() }
	fit := 0
	for ; h.Drops().Get(drop.ReceiveQueueFull) == 0; fit++ {
		l.deliver(f(fit))
	}
	fit--
	l.deliver(f(100), f(101)) // two more are lost, three in all
	read := func() (p string, drops int) {
		m := receive(t, s)
		if m.Set != socket.FieldDrops {
			t.Errorf("Set = %v", m.Set)
		}
		return string(m.Buf), int(m.Drops)
	}
	if p, n := read(); p != "0" || n != 0 {
		t.Errorf("first: %q, %d", p, n)
	}
	l.deliver(f(200)) // behind the gap
	l.deliver(f(201)) // lost
	for k := 1; k < fit; k++ {
		if p, n := read(); p != fmt.Sprint(k) || n != 0 {
			t.Errorf("%d: %q, %d", k, p, n)
		}
	}
	var m socket.Message
	m.Buf = make([]byte, 10)
	if err := s.TryPeek(&m); err != nil || m.Drops != 3 || string(m.Buf) != "200" {
		t.Errorf("peek: %q, %d, %v", m.Buf, m.Drops, err)
	}
	if p, n := read(); p != "200" || n != 3 {
		t.Errorf("behind the gap: %q, %d, want 3", p, n)
	}
	l.deliver(f(300), f(301))
	if p, n := read(); p != "300" || n != 1 {
		t.Errorf("behind the second gap: %q, %d, want 1", p, n)
	}
	if p, n := read(); p != "301" || n != 0 {
		t.Errorf("after it: %q, %d", p, n)
	}
	if q := &s.queue; q.gaps != nil {
		t.Errorf("gaps are left: %v", q.gaps)
	}
	checkLedger(t, h)
}

func TestClosingASocketWithDatagramsQueued(t *testing.T) {
	h, l := known(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	for range 20 {
		l.deliver(datagram{payload: "x"}.frame())
	}
	receive(t, s)
	s.Close()
	checkDrops(t, h, drop.SocketClosed, 19)
	st := s.Stats()
	if st.Received != 1 || st.ReceiveQueued != 0 || st.Dropped[drop.SocketClosed] != 19 {
		t.Errorf("its counters: %+v", st)
	}
	l.deliver(datagram{payload: "late"}.frame())
	checkDrops(t, h, drop.NoPort, 1)
	checkLedger(t, h)
}

// What was found for a socket that is closed before it is queued is not lost
// without a name.
func TestADatagramOnItsWayToASocketThatIsClosed(t *testing.T) {
	h, _ := known(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	b := newBuffer(datagram{}.frame())
	b.SetNetwork(14)
	b.SetTransport(34)
	s.Close()
	h.eth0.lanes[0].word.Add(2) // it came in
	s.enqueue(h.eth0, b.Single())
	checkDrops(t, h, drop.SocketClosed, 1)
	checkLedger(t, h)
}

func TestTheFieldsOfAReceivedMessage(t *testing.T) {
	h, l := known(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	in := datagram{payload: "x", ttl: 3, tos: 0xb9}.frame()
	m := socket.Message{Buf: make([]byte, 10), Interface: 77, TTL: 9}
	read := func() {
		l.deliver(in)
		ms := []socket.Message{m}
		if n, err := s.TryRecv(ms); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		m = ms[0]
	}
	read()
	if m.Set != 0 {
		t.Errorf("Set = %v without having asked", m.Set)
	}
	setOption(t, s, socket.Report, int(reportable))
	h.clock.Advance(time.Hour)
	read()
	if m.Set != reportable&^socket.FieldSegmentSize || m.Local.String() != "10.0.0.2:7" || m.Interface != h.eth0.Index() ||
		m.TTL != 3 || m.TOS != 0xb9 || !m.Time.Equal(h.clock.Now()) || m.Drops != 0 || m.SegmentSize != 0 {
		t.Errorf("%+v", m)
	}
	// The time is that of arrival, not of reading.
	l.deliver(in)
	at := h.clock.Now()
	h.clock.Advance(time.Minute)
	if m := receive(t, s); !m.Time.Equal(at) {
		t.Errorf("arrived %v, want %v", m.Time, at)
	}
	for _, v := range []int{-1, 1 << 16, int(socket.FieldMark) << 1} {
		if err := s.SetOption(socket.Report, v); err == nil {
			t.Errorf("Report = %#x was accepted", v)
		}
	}
	checkLedger(t, h)
}

func TestReceivingInBatches(t *testing.T) {
	h, l := known(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	var frames [][]byte
	for n := range 200 {
		frames = append(frames, datagram{payload: string(binary.BigEndian.AppendUint16(nil, uint16(n)))}.frame())
	}
	l.deliver(frames...)
	next := 0
	for _, size := range []int{1, 31, 32, 33, 64, 7, 100, 0} {
		ms := make([]socket.Message, size)
		for k := range ms {
			ms[k].Buf = make([]byte, 1+k%3) // some are cut
		}
		want := min(size, 200-next)
		n, err := s.TryRecv(ms)
		if n != want || err != nil {
			t.Fatalf("of %d: %d, %v", size, n, err)
		}
		for k, m := range ms[:n] {
			full := binary.BigEndian.AppendUint16(nil, uint16(next))
			if cut := full[:min(2, cap(m.Buf))]; !slices.Equal(m.Buf, cut) || m.Len != 2 || m.Truncated() != (len(cut) < 2) {
				t.Fatalf("datagram %d into %d bytes: % x, Len %d", next, 1+k%3, m.Buf, m.Len)
			}
			next++
		}
	}
	if next != 200 {
		t.Errorf("%d were read", next)
	}
	checkLedger(t, h)
}
