package host

import (
	"bytes"
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

func TestRecvBatches(t *testing.T) {
	s, sender := open4(t), open4(t)
	for _, tc := range []struct{ queued, room, want int }{
		{3, 1, 1}, {3, 2, 2}, {3, 3, 3}, {3, 5, 3}, {32, 32, 32}, {33, 40, 33}, {100, 100, 100}, {100, 70, 70},
	} {
		t.Run(fmt.Sprintf("%d queued, room for %d", tc.queued, tc.room), func(t *testing.T) {
			for i := range tc.queued {
				send(t, sender, s.LocalAddr(), fmt.Sprint(i))
			}
			ms := make([]socket.Message, tc.room)
			for i := range ms {
				ms[i].Buf = make([]byte, 0, 10) // its capacity counts
			}
			n, err := s.TryRecv(ms)
			if n != tc.want || err != nil {
				t.Fatalf("TryRecv = %d, %v; want %d, nil", n, err, tc.want)
			}
			for i := range ms[:n] {
				if got := string(ms[i].Buf); got != fmt.Sprint(i) || ms[i].Addr != sender.LocalAddr() {
					t.Errorf("message %d = %q from %v", i, got, ms[i].Addr)
				}
			}
			for i := n; i < tc.queued; i++ {
				receive(t, s)
			}
			wantEmpty(t, s)
		})
	}
	if n, err := s.TryRecv(nil); n != 0 || err != nil {
		t.Errorf("TryRecv of nothing = %d, %v; want 0, nil", n, err)
	}
}

func TestRecvTruncates(t *testing.T) {
	s := open4(t)
	for range 2 { // recvmsg, recvmmsg
		send(t, s, s.LocalAddr(), "0123456789")
		send(t, s, s.LocalAddr(), "the next")
	}
	for n := 1; n <= 2; n++ {
		ms := make([]socket.Message, n)
		for i := range ms {
			ms[i].Buf = make([]byte, 4)
		}
		if got, err := s.TryRecv(ms); got != n || err != nil {
			t.Fatalf("TryRecv = %d, %v", got, err)
		}
		if m := ms[0]; string(m.Buf) != "0123" || m.Len != 10 || !m.Truncated() {
			if n == 1 {
				t.Errorf("received %q, Len %d; want 0123 of 10", m.Buf, m.Len)
			}
		}
	}
	wantLen(t, s, nil, 8)
}

// wantLen receives one datagram into buf and checks its length.
func wantLen(t *testing.T, s *Socket, buf []byte, want int) {
	t.Helper()
	ms := []socket.Message{{Buf: buf}}
	if n, err := s.TryRecv(ms); n != 1 || err != nil || ms[0].Len != want || len(ms[0].Buf) != min(want, cap(buf)) {
		t.Errorf("TryRecv = %d, %v, Len %d, %d bytes; want a datagram of %d", n, err, ms[0].Len, len(ms[0].Buf), want)
	}
}

func TestEmptyDatagram(t *testing.T) {
	s := open4(t)
	sendMessage(t, s, socket.Message{Addr: s.LocalAddr()})
	if got := get1(t, s, socket.NextSize); got != 0 {
		t.Errorf("NextSize of an empty datagram = %d", got)
	}
	wait(t, s, socket.Readable)
	wantLen(t, s, make([]byte, 10), 0)
	wantEmpty(t, s)
}

func TestPeek(t *testing.T) {
	s := open4(t)
	m := socket.Message{Buf: make([]byte, 3)}
	if err := s.TryPeek(&m); err != syscall.EAGAIN {
		t.Errorf("TryPeek of an empty queue = %v, want EAGAIN", err)
	}
	send(t, s, s.LocalAddr(), "first")
	send(t, s, s.LocalAddr(), "second")
	for range 2 {
		if err := s.TryPeek(&m); err != nil || string(m.Buf) != "fir" || m.Len != 5 || m.Addr != s.LocalAddr() {
			t.Errorf("TryPeek = %v, %q of %d from %v; want fir of 5", err, m.Buf, m.Len, m.Addr)
		}
	}
	if st := s.Stats(); st.Received != 0 {
		t.Errorf("peeking counted %d as received", st.Received)
	}
	if got := get1(t, s, socket.NextSize); got != 5 {
		t.Errorf("NextSize = %d, want 5", got)
	}
	if m := receive(t, s); string(m.Buf) != "first" {
		t.Errorf("received %q after peeking, want first", m.Buf)
	}
}

// What was in a Message before does not show through.
func TestRecvClearsOldFields(t *testing.T) {
	s := open4(t)
	send(t, s, s.LocalAddr(), "x")
	ms := []socket.Message{{Buf: make([]byte, 1), Set: socket.FieldTTL, TTL: 9, Drops: 3, SegmentSize: 1, Local: s.LocalAddr()}}
	if n, err := s.TryRecv(ms); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	ms[0].Buf = nil
	if want := (socket.Message{Len: 1, Addr: s.LocalAddr()}); fmt.Sprint(ms[0]) != fmt.Sprint(want) {
		t.Errorf("received %+v, want %+v", ms[0], want)
	}
}

// ECONNREFUSED is reported once, ahead of queued data, by whoever asks first.
func TestPendingError(t *testing.T) {
	for _, tc := range []struct {
		name string
		ask  func(t *testing.T, s *Socket) syscall.Errno
	}{
		{"TryRecv", func(t *testing.T, s *Socket) syscall.Errno {
			_, err := s.TryRecv([]socket.Message{{Buf: make([]byte, 100)}})
			return errnoOf(err)
		}},
		{"TryRecv batch", func(t *testing.T, s *Socket) syscall.Errno {
			_, err := s.TryRecv(make([]socket.Message, 3))
			return errnoOf(err)
		}},
		{"TryPeek", func(t *testing.T, s *Socket) syscall.Errno {
			return errnoOf(s.TryPeek(new(socket.Message)))
		}},
		{"TrySend", func(t *testing.T, s *Socket) syscall.Errno {
			_, err := s.TrySend([]socket.Message{{Buf: []byte("x")}})
			return errnoOf(err)
		}},
		{"Error", func(t *testing.T, s *Socket) syscall.Errno {
			return syscall.Errno(get1(t, s, socket.Error))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open4(t)
			send(t, s, s.LocalAddr(), "queued")
			must(t, s.Connect(closedPort(t)))
			send(t, s, netip.AddrPort{}, "x")
			untilError(t, s)
			if got := tc.ask(t, s); got != syscall.ECONNREFUSED {
				t.Errorf("first asked: %v, want ECONNREFUSED", got)
			}
			if m := receive(t, s); string(m.Buf) != "queued" {
				t.Errorf("then received %q, want what was queued", m.Buf)
			}
			if tc.name == "TrySend" {
				// It sent nothing: no second error will come.
				if sent := s.Stats().Sent; sent != 2 {
					t.Errorf("%d datagrams were sent, want 2", sent)
				}
			}
			wantEmpty(t, s)
			if got := get1(t, s, socket.Error); got != 0 {
				t.Errorf("Error afterwards = %v, want 0", syscall.Errno(got))
			}
		})
	}
}

func TestLargestDatagram(t *testing.T) {
	s := open4(t)
	set1(t, s, socket.ReceiveBuffer, 1<<20)
	payload := bytes.Repeat([]byte("castnet!"), 8192)
	sendMessage(t, s, socket.Message{Buf: payload[:65507], Addr: s.LocalAddr()})
	if m := receive(t, s); !bytes.Equal(m.Buf, payload[:65507]) {
		t.Errorf("received %d bytes, or not those that were sent", len(m.Buf))
	}
	if n, err := s.TrySend([]socket.Message{{Buf: payload[:65508], Addr: s.LocalAddr()}}); n != 0 || err != syscall.EMSGSIZE {
		t.Errorf("TrySend of 65508 bytes = %d, %v; want EMSGSIZE", n, err)
	}
}

func TestRecvAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes pools forget")
	}
	for _, tc := range []struct {
		name string
		open func(testing.TB) *Socket
	}{{"IPv4", open4}, {"IPv6", open6}, {"link-local", openLinkLocal}} {
		t.Run(tc.name, func(t *testing.T) {
			s := tc.open(t)
			set1(t, s, socket.Report, int(allFields))
			out := []socket.Message{{Buf: make([]byte, 64), Addr: s.LocalAddr()}}
			batch := make([]socket.Message, 32)
			for i := range batch {
				batch[i] = out[0]
			}
			in := make([]socket.Message, 32)
			for i := range in {
				in[i].Buf = make([]byte, 64)
			}
			for _, n := range []int{1, 32} {
				got := testing.AllocsPerRun(100, func() {
					if sent, err := s.TrySend(batch[:n]); sent != n || err != nil {
						t.Fatal(sent, err)
					}
					if err := s.Wait(socket.Readable, nil); err != nil {
						t.Fatal(err)
					}
					if s.Ready(socket.Readable) == 0 {
						t.Fatal("not ready")
					}
					if err := s.TryPeek(&in[0]); err != nil {
						t.Fatal(err)
					}
					if read, err := s.TryRecv(in[:n]); read != n || err != nil {
						t.Fatal(read, err)
					}
					if _, err := s.TryRecv(in[:n]); err != syscall.EAGAIN {
						t.Fatal(err)
					}
				})
				if got != 0 {
					t.Errorf("sending, waiting for, peeking at and receiving %d datagrams allocates %v times", n, got)
				}
			}
		})
	}
}

// What was sent or received into is not kept alive by the pools.
func TestPoolsKeepNoBuffers(t *testing.T) {
	s := open4(t)
	var freed atomic.Int32
	func() {
		ms := make([]socket.Message, 3)
		for i := range ms {
			ms[i].Buf, ms[i].Addr = make([]byte, 1000), s.LocalAddr()
			runtime.AddCleanup(&ms[i].Buf[0], func(int) { freed.Add(1) }, 0)
		}
		for range ms {
			if n, err := s.TrySend(ms); n != len(ms) || err != nil {
				t.Fatal(n, err)
			}
			if n, err := s.TryRecv(ms); n != len(ms) || err != nil {
				t.Fatal(n, err)
			}
		}
	}()
	runtime.GC() // one only: the next would free the pools
	until(t, func() bool { return freed.Load() == 3 })
}

// openLinkLocal returns a socket bound to a link-local address of this machine.
// What it sends to itself does not leave it.
func openLinkLocal(t testing.TB) *Socket {
	t.Helper()
	list, err := Network{}.Interfaces()
	must(t, err)
	for _, ifi := range list {
		for _, p := range ifi.Addresses {
			if p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() && ifi.Up {
				s := openUnbound(t, socket.IPv6)
				if err := s.Bind(netip.AddrPortFrom(p.Addr().WithZone(ifi.Name), 0)); err == nil {
					return s
				}
			}
		}
	}
	t.Skip("this machine has no link-local address")
	return nil
}
