package stack

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
)

// told is what a Message tells of a datagram, as text.
func told(m *socket.Message) string {
	return fmt.Sprintf("%x %d from %v to %v by %d %v ttl %d tos %d of %d at %v lost %d mark %d",
		m.Buf, m.Len, m.Addr, m.Local, m.Interface, m.Set, m.TTL, m.TOS, m.SegmentSize, m.Time, m.Drops, m.Mark)
}

// members returns two sockets that hear the same datagrams, and a function that sends one
// of segments.
func members(t *testing.T, buffer int, reports socket.Fields) (copied, lent *Socket, send func(payload []byte, segment int), hosts []*host) {
	a, b := pairOn(t, mem.Config{Segmentation: true})
	group := netip.MustParseAddr("239.1.2.3")
	for _, p := range []**Socket{&copied, &lent} {
		s := b.open(t, "")
		setOption(t, s, socket.ReuseAddr, 1)
		setOption(t, s, socket.ReceiveBuffer, buffer)
		setOption(t, s, socket.Report, int(reports))
		if err := s.Bind(netip.MustParseAddrPort("239.1.2.3:7")); err != nil {
			t.Fatal(err)
		}
		if err := s.ChangeGroup(socket.JoinGroup, socket.Group{Address: group, Interface: b.eth0.Index()}); err != nil {
			t.Fatal(err)
		}
		*p = s
	}
	from := a.open(t, "")
	setOption(t, from, socket.MulticastInterface, a.eth0.Index())
	if err := from.Connect(netip.MustParseAddrPort("239.1.2.3:7")); err != nil {
		t.Fatal(err)
	}
	return copied, lent, func(payload []byte, segment int) {
		m := socket.Message{Buf: payload, Set: socket.FieldSegmentSize, SegmentSize: uint16(segment)}
		if _, err := from.TrySend([]socket.Message{m}); err != nil {
			t.Fatal(err)
		}
	}, []*host{a, b}
}

func TestLentIsWhatIsRead(t *testing.T) {
	const all = reportable &^ socket.FieldSegmentSize
	for _, c := range []struct {
		name    string
		buffer  int
		reports socket.Fields
		drained bool // after each burst: else trains are left half read
	}{
		{"plain", 1 << 23, 0, false},
		{"reported", 1 << 23, all, false},
		{"with losses", 4096, all, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			copied, lent, send, hosts := members(t, c.buffer, c.reports)
			r := rand.New(rand.NewPCG(1, 2))
			in := make([]socket.Message, 40)
			for k := range in {
				in[k].Buf = make([]byte, 2000)
			}
			var want, got []string
			read := func(s *Socket, batch int) (n int) {
				n, err := s.TryRecv(in[:batch])
				if err != nil && err != syscall.EAGAIN {
					t.Fatal(err)
				}
				for k := range in[:n] {
					want = append(want, told(&in[k]))
				}
				return n
			}
			borrow := func(s *Socket, batch int) int {
				ms := make([]socket.Message, batch)
				n, loan, err := s.TryLend(ms)
				if err != nil && err != syscall.EAGAIN || (n == 0) != (loan == nil) {
					t.Fatal(n, loan, err)
				}
				for k := range ms[:n] {
					if cap(ms[k].Buf) != len(ms[k].Buf) {
						t.Fatal("there is room behind what is lent")
					}
					got = append(got, told(&ms[k]))
				}
				if loan != nil {
					loan.Return()
				}
				return n
			}
			for range 400 {
				for range r.IntN(3) {
					segment := 1 + r.IntN(1200)
					payload := make([]byte, r.IntN(30*segment))
					for k := range payload {
						payload[k] = byte(r.Uint32())
					}
					send(payload, segment)
				}
				for more := true; more; {
					more = read(copied, 1+r.IntN(40)) > 0 && c.drained
				}
				for more := true; more; {
					more = borrow(lent, 1+r.IntN(40)) > 0 && c.drained
				}
			}
			for read(copied, 40) > 0 {
			}
			for borrow(lent, 40) > 0 {
			}
			if len(want) < 1000 || !slices.Equal(got, want) {
				t.Errorf("%d were read, %d lent", len(want), len(got))
				for k := range min(len(got), len(want)) {
					if got[k] != want[k] {
						t.Fatalf("%d: read %s\nlent %s", k, want[k], got[k])
					}
				}
			}
			x, y := copied.Stats(), lent.Stats()
			if x.Received != y.Received || x.ReceivedBytes != y.ReceivedBytes || !maps.Equal(x.Dropped, y.Dropped) || x.ReceiveQueued != 0 || y.ReceiveQueued != 0 {
				t.Errorf("read: %+v\nlent: %+v", x, y)
			}
			checkLedger(t, hosts...)
		})
	}
}

func TestTrainsAreLentWhole(t *testing.T) {
	_, s, send, hosts := members(t, 1<<20, socket.FieldSegmentSize)
	train := []byte(strings.Repeat("0123456789", 10))
	send(train, 10)
	send([]byte("one"), 10)
	send([]byte("two"), 10)
	send(nil, 10)
	send(train[:95], 10)
	ms := make([]socket.Message, 10)
	n, loan, err := s.TryLend(ms)
	if n != 5 || err != nil {
		t.Fatal(n, err)
	}
	for k, want := range []struct {
		text    string
		segment uint16
	}{{string(train), 10}, {"one", 0}, {"two", 0}, {"", 0}, {string(train[:95]), 10}} {
		m := &ms[k]
		if string(m.Buf) != want.text || m.Len != len(want.text) || m.SegmentSize != want.segment || (m.Set&socket.FieldSegmentSize != 0) != (want.segment != 0) {
			t.Errorf("%d: %q of %d, %v", k, m.Buf, m.SegmentSize, m.Set)
		}
	}
	if st := s.Stats(); st.Received != 23 {
		t.Errorf("%d were received", st.Received)
	}
	loan.Return()
	checkLedger(t, hosts...)
}

// TestALoanOutlivesItsSocket lends what two sockets share.
func TestALoanOutlivesItsSocket(t *testing.T) {
	copied, lent, send, hosts := members(t, 1<<20, 0)
	before := packet.Live()
	payload := []byte(strings.Repeat("x", 1000))
	send(payload, 100)
	ms := make([]socket.Message, 4) // of ten: the rest stays in the queue
	n, loan, err := lent.TryLend(ms)
	if n != 4 || err != nil {
		t.Fatal(n, err)
	}
	if err := lent.Close(); err != nil {
		t.Fatal(err)
	}
	if got := payloads(t, copied); len(got) != 10 {
		t.Errorf("the other read %d", len(got))
	}
	for k := range ms {
		if string(ms[k].Buf) != string(payload[:100]) {
			t.Errorf("%d: %q", k, ms[k].Buf)
		}
	}
	loan.Return()
	if live := packet.Live(); live != before {
		t.Errorf("%d buffers are out, %d before", live, before)
	}
	checkLedger(t, hosts...)
	for _, call := range []struct {
		name string
		s    *Socket
		ms   []socket.Message
		err  error
	}{
		{"closed", lent, ms, socket.ErrClosed},
		{"empty", copied, ms, syscall.EAGAIN},
		{"for no messages", copied, nil, nil},
	} {
		if n, loan, err := call.s.TryLend(call.ms); n != 0 || loan != nil || err != call.err {
			t.Errorf("%s: %d, %v, %v", call.name, n, loan, err)
		}
	}
}

func TestAPendingErrorComesBeforeALoan(t *testing.T) {
	a, b := pair(t)
	s := a.connected(t, "", "10.0.0.2:9")
	send(t, s, "nobody is there", "")
	if n, loan, err := s.TryLend(make([]socket.Message, 1)); n != 0 || loan != nil || err != syscall.ECONNREFUSED {
		t.Error(n, loan, err)
	}
	checkLedger(t, a, b)
}

// TestLoansOfManyGoroutines has readers, a sender and one who changes the mind about trains.
func TestLoansOfManyGoroutines(t *testing.T) {
	_, s, send, hosts := members(t, 1<<22, 0)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			ms := make([]socket.Message, 20)
			for {
				n, loan, err := s.TryLend(ms)
				if err != nil {
					select {
					case <-done:
						return
					default:
						continue
					}
				}
				for k := range ms[:n] {
					for _, b := range ms[k].Buf {
						if b != 'x' {
							t.Error("read what is not there")
							return
						}
					}
				}
				loan.Return()
			}
		})
	}
	wg.Go(func() {
		defer close(done)
		for k := range 600 {
			send([]byte(strings.Repeat("x", 1+k%5000)), 100)
			setOption(t, s, socket.Report, k&1*int(socket.FieldSegmentSize))
		}
	})
	wg.Wait()
	checkLedger(t, hosts...)
}
