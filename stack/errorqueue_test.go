package stack

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// refusedBy says that the datagram from a socket to dst met a closed port.
func refusedBy(s *Socket, dst, payload string) []byte {
	src := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), s.LocalAddr().Port()).String()
	host, _, _ := net.SplitHostPort(dst)
	return icmpAbout(host, src, dst, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{}, payload)
}

// queuedErrors empties a socket's error queue into one line an entry.
func queuedErrors(t testing.TB, s *Socket) (list []string) {
	t.Helper()
	for {
		m := socket.ErrorMessage{Buf: make([]byte, 0, 2000)}
		switch err := s.TryRecvError(&m); err {
		case nil:
			list = append(list, m.Origin.String()+" "+m.Errno.Error()+" "+m.Addr.String()+" "+string(m.Buf))
		case syscall.EAGAIN, socket.ErrClosed:
			return list
		default:
			t.Fatal(err)
		}
	}
}

// The queue's entries are charged to the receive buffer and given back, whichever
// way they go.
func TestErrorQueueIsCharged(t *testing.T) {
	h, l := known(t, Config{})
	s := h.open(t, "10.0.0.2:7")
	setOption(t, s, socket.ReceiveErrors, 1)
	setOption(t, s, socket.ReceiveBuffer, 8000)
	queued := func() int { return s.Stats().ReceiveQueued }
	fill := func() (n int) {
		for range 200 {
			l.deliver(refusedBy(s, "10.0.0.9:9", strings.Repeat("x", 500)))
		}
		if used := queued(); used > 16000 || used < 10000 {
			t.Errorf("%d of 16000 bytes are used", used)
		}
		return len(s.errors.Load().entries)
	}
	n := fill()
	if got := len(queuedErrors(t, s)); got != n || n < 5 || n > 30 {
		t.Errorf("%d entries were read of %d", got, n)
	}
	if got := queued(); got != 0 {
		t.Errorf("all was read, and %d bytes are used", got)
	}
	fill()
	setOption(t, s, socket.ReceiveErrors, 0)
	if got := queued(); got != 0 {
		t.Errorf("turned off, %d bytes are used", got)
	}
	setOption(t, s, socket.ReceiveErrors, 1)
	fill()
	// Datagrams have no room, and have it again.
	l.deliver(datagram{payload: strings.Repeat("no room ", 170)}.frame())
	s.TryRecv(make([]socket.Message, 1)) // the pending error
	if got := payloads(t, s); len(got) != 0 {
		t.Errorf("read %q", got)
	}
	checkDrops(t, h, drop.ReceiveQueueFull, 1)
	queuedErrors(t, s)
	l.deliver(datagram{payload: "room"}.frame())
	if got := payloads(t, s); len(got) != 1 {
		t.Errorf("read %q", got)
	}
	fill()
	s.Close() // TestMain counts the buffers
	if got := queued(); got != 0 {
		t.Errorf("closed, %d bytes are used", got)
	}
	if err := s.TryRecvError(new(socket.ErrorMessage)); err != socket.ErrClosed {
		t.Errorf("closed: %v", err)
	}
	checkLedger(t, h)
}

// A next hop that does not answer is told by the host itself, after three seconds.
func TestErrorQueueOfDeadNeighbor(t *testing.T) {
	h, l := onCable(t, Config{})
	s := h.open(t, "")
	setOption(t, s, socket.ReceiveErrors, 1)
	send(t, s, "hello", "10.0.0.77:9")
	send(t, s, "again", "10.0.0.77:9")
	h.clock.Advance(3*time.Second - 1)
	if got := queuedErrors(t, s); got != nil {
		t.Errorf("too early: %q", got)
	}
	h.clock.Advance(1)
	if s.Ready(allEvents) != allEvents {
		t.Errorf("ready for %03b", s.Ready(allEvents))
	}
	want := "icmp no route to host 10.0.0.77:9 hello|icmp no route to host 10.0.0.77:9 again"
	if got := strings.Join(queuedErrors(t, s), "|"); got != want {
		t.Errorf("the error queue has %q, want %q", got, want)
	}
	if v, err := s.Option(socket.Error); v != 0 || err != nil {
		t.Errorf("Error = %d, %v after the last was read", v, err)
	}
	checkDrops(t, h, drop.NeighborUnreachable, 2)
	l.take()
	checkLedger(t, h)
}

// A link that refuses a frame is ENOBUFS with ReceiveErrors, and else nothing but a
// drop that has a name.
func TestRefusedFrames(t *testing.T) {
	h, l := known(t, Config{})
	s := h.connected(t, "10.0.0.2:7", "10.0.0.9:9")
	l.refuse = link.ErrQueueFull
	if err := try(s, "x", ""); err != nil {
		t.Errorf("without ReceiveErrors: %v", err)
	}
	batch := []socket.Message{message("1", ""), message("2", ""), message("3", "")}
	if n, err := s.TrySend(batch); n != 3 || err != nil {
		t.Errorf("a batch without ReceiveErrors: %d, %v", n, err)
	}
	checkDrops(t, h, drop.LinkQueueFull, 4)
	setOption(t, s, socket.ReceiveErrors, 1)
	if err := try(s, "x", ""); err != syscall.ENOBUFS {
		t.Errorf("with ReceiveErrors: %v, want ENOBUFS", err)
	}
	if n, err := s.TrySend(batch); n != 0 || err != syscall.ENOBUFS {
		t.Errorf("a batch with ReceiveErrors: %d, %v, want ENOBUFS", n, err)
	}
	train := socket.Message{Buf: make([]byte, 2500), Set: socket.FieldSegmentSize, SegmentSize: 1000}
	if n, err := s.TrySend([]socket.Message{train}); n != 0 || err != syscall.ENOBUFS {
		t.Errorf("a train with ReceiveErrors: %d, %v, want ENOBUFS", n, err)
	}
	checkDrops(t, h, drop.LinkQueueFull, 4+1+1+3)
	if st := s.Stats(); st.Sent != 4+1+1+3 {
		t.Errorf("sent: %+v", st)
	}
	if s.Ready(allEvents) != writable || queuedErrors(t, s) != nil {
		t.Error("ENOBUFS is pending, or queued")
	}
	l.refuse = nil
	if n, err := s.TrySend(batch); n != 3 || err != nil {
		t.Errorf("a link that has room again: %d, %v", n, err)
	}
	l.take()
	checkLedger(t, h)
}

// Of a batch that the link takes a part of, the messages in that part are done, the one
// that it refuses is lost, and those behind it are as if nobody had asked: what the
// kernel's sendmmsg does on an interface whose queue is full.
func TestPartlyRefusedBatch(t *testing.T) {
	for _, c := range []struct {
		room int // frames that the link takes
		want int
		err  error
		lost int
	}{{0, 0, syscall.ENOBUFS, 1}, {1, 1, nil, 3}, {2, 2, nil, 2 + 1}, {4, 2, nil, 1}, {5, 3, nil, 1}, {6, 4, nil, 0}} {
		room := &roomy{cable: newCable()}
		h := newHost(t, Config{}, room, "10.0.0.2/24")
		h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.9"), macPeer)
		s := h.connected(t, "10.0.0.2:7", "10.0.0.9:9")
		setOption(t, s, socket.ReceiveErrors, 1)
		room.room = c.room
		train := socket.Message{Buf: make([]byte, 2500), Set: socket.FieldSegmentSize, SegmentSize: 1000}
		batch := []socket.Message{message("a", ""), train, message("b", ""), message("c", "")}
		n, err := s.TrySend(batch)
		if n != c.want || err != c.err {
			t.Errorf("room for %d frames: %d, %v, want %d, %v", c.room, n, err, c.want, c.err)
		}
		checkDrops(t, h, drop.LinkQueueFull, uint64(c.lost))
		if st := s.Stats(); int(st.Sent) != c.room+c.lost {
			t.Errorf("room for %d frames: sent are %d, want %d and %d lost", c.room, st.Sent, c.room, c.lost)
		}
		if st := h.eth0.Stats(); int(st.SentPackets) != c.room {
			t.Errorf("room for %d frames: %d have left", c.room, st.SentPackets)
		}
		checkLedger(t, h)
		// Who goes on where it stopped loses no more.
		room.room = 6
		if k, err := s.TrySend(batch[n:]); k != len(batch)-n || k > 0 && err != nil {
			t.Errorf("room for %d frames: the rest: %d, %v", c.room, k, err)
		}
		checkDrops(t, h, drop.LinkQueueFull, uint64(c.lost))
		checkLedger(t, h)
		bytes := 0
		for _, f := range room.take() {
			bytes += len(f)
		}
		if st := h.eth0.Stats(); int(st.SentBytes) != bytes {
			t.Errorf("room for %d frames: %d bytes have left, and are counted as %d", c.room, bytes, st.SentBytes)
		}
	}
}

// Where messages share a train of the stack's making, one of them is lost with it.
func TestRefusedTrainOfSeveral(t *testing.T) {
	room := &roomy{cable: newCable(), rails: true}
	h := newHost(t, Config{}, room, "10.0.0.2/24")
	h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.9"), macPeer)
	s := h.connected(t, "10.0.0.2:7", "10.0.0.9:9")
	setOption(t, s, socket.ReceiveErrors, 1)
	explicit, _ := train(3, 9, 9)
	batch := []socket.Message{message("single", "")}
	for k := range 5 {
		batch = append(batch, message(fmt.Sprintf("%07d", k), ""))
	}
	batch = append(batch, message("longer than those", ""), explicit, message("end", ""), message("end", ""))
	room.room = 1 // for the first alone
	n, err := s.TrySend(batch)
	if n != 1 || err != nil {
		t.Errorf("TrySend: %d, %v, want 1", n, err)
	}
	checkDrops(t, h, drop.LinkQueueFull, 1)
	if st := s.Stats(); st.Sent != 2 || st.SentBytes != 6+7 {
		t.Errorf("sent: %+v", st)
	}
	checkLedger(t, h)
	room.room = 100
	if k, err := s.TrySend(batch[n:]); k != len(batch)-n || err != nil {
		t.Errorf("the rest: %d, %v", k, err)
	}
	if st := s.Stats(); st.Sent != 2+5+1+3+2 {
		t.Errorf("sent: %+v", st)
	}
	checkLedger(t, h)
	room.take()
}

// A frame that is refused does not take those behind it along.
func TestRefusedForItself(t *testing.T) {
	room := &roomy{cable: newCable(), refuses: "not this"}
	h := newHost(t, Config{}, room, "10.0.0.2/24")
	h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.9"), macPeer)
	s := h.connected(t, "10.0.0.2:7", "10.0.0.9:9")
	room.room = 100
	batch := []socket.Message{message("a", ""), message("not this", ""), message("b", ""), message("not this", "")}
	if n, err := s.TrySend(batch); n != 4 || err != nil {
		t.Errorf("TrySend: %d, %v", n, err)
	}
	checkDrops(t, h, drop.LinkTooBig, 2)
	checkLedger(t, h)
	if got := len(room.take()); got != 2 {
		t.Errorf("%d frames have left, want 2", got)
	}
}

// roomy is a cable that has room for so many frames, and none at all for some.
type roomy struct {
	*cable
	room    int
	rails   bool   // it takes trains
	refuses string // what it finds too long
}

func (r *roomy) Capabilities() link.Capabilities {
	if r.rails {
		return link.Segmentation | link.ChecksumTransmit
	}
	return 0
}

func (r *roomy) Write(frames []*packet.Buffer) (int, error) {
	for n, b := range frames {
		switch {
		case r.room == 0:
			return n, link.ErrQueueFull
		case r.refuses != "" && bytes.HasSuffix(b.Bytes(), []byte(r.refuses)):
			return n, link.ErrTooBig
		}
		r.room--
		if _, err := r.cable.Write(frames[n : n+1]); err != nil {
			return n, err
		}
	}
	return len(frames), nil
}

// Who waits for errors is woken by them, and nobody else is kept awake.
func TestWaitForErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, l := known(t, Config{})
		s := h.open(t, "10.0.0.2:7")
		setOption(t, s, socket.ReceiveErrors, 1)
		done := make(chan error, 3)
		var cancel socket.Cancel
		go func() { done <- s.Wait(socket.ErrorQueued, &cancel) }()
		calls := 0
		s.Notify(socket.ErrorQueued, func() { calls++ })
		l.deliver(datagram{payload: "a datagram"}.frame())
		synctest.Wait()
		if len(done) != 0 || calls != 0 {
			t.Fatal("a datagram woke who waits for errors")
		}
		l.deliver(refusedBy(s, "10.0.0.9:9", "x"))
		if err := <-done; err != nil || calls != 1 {
			t.Errorf("Wait: %v, notified %d times", err, calls)
		}
		s.TryRecv(make([]socket.Message, 2))
		s.TryRecv(make([]socket.Message, 2))
		go func() { done <- s.Wait(readable, &cancel) }()
		synctest.Wait()
		if len(done) != 0 {
			t.Fatal("the error queue keeps who waits for datagrams awake")
		}
		cancel.Fire()
		if err := <-done; err != socket.ErrCancelled {
			t.Errorf("Wait: %v", err)
		}
		// One notification for several events is called once.
		queuedErrors(t, s)
		s.Notify(allEvents&^writable, func() { calls++ })
		l.deliver(refusedBy(s, "10.0.0.9:9", "x"))
		if calls != 2 {
			t.Errorf("notified %d times, want 2", calls)
		}
		queuedErrors(t, s)
		s.Notify(socket.ErrorQueued, func() { calls++ })
		go func() { done <- s.Wait(socket.ErrorQueued, nil) }()
		synctest.Wait()
		s.Close()
		if err := <-done; err != socket.ErrClosed || calls != 3 {
			t.Errorf("Wait of a closed socket: %v, notified %d times", err, calls)
		}
	})
}

// Time stands still for who reads; what the entry says is when the message came.
func TestErrorQueueTells(t *testing.T) {
	h, l := known(t, Config{})
	s := h.open(t, "10.0.0.2:7")
	setOption(t, s, socket.ReceiveErrors, 1)
	setOption(t, s, socket.Report, int(reportable))
	came := h.clock.Now()
	l.deliver(refusedBy(s, "10.0.0.9:9", "x"))
	h.clock.Advance(time.Second)
	var m socket.ErrorMessage
	if err := s.TryRecvError(&m); err != nil {
		t.Fatal(err)
	}
	want := socket.FieldLocal | socket.FieldInterface | socket.FieldTTL | socket.FieldTOS | socket.FieldTime
	if m.Set != want || !m.Time.Equal(came) || m.Interface != h.eth0.Index() || m.Local.String() != "10.0.0.2:7" || m.TTL != 64 || !m.Truncated() {
		t.Errorf("the entry is %+v", m)
	}
}
