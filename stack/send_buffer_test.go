package stack

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/socket"
)

func TestFramesThatTheLinkRefuses(t *testing.T) {
	for what, c := range map[string]struct {
		err  error
		want drop.Reason
	}{
		"full":    {link.ErrQueueFull, drop.LinkQueueFull},
		"too big": {link.ErrTooBig, drop.LinkTooBig},
		"down":    {link.ErrDown, drop.LinkDown},
		"closed":  {fmt.Errorf("tap: %w", link.ErrClosed), drop.LinkDown},
		"no peer": {link.ErrNoPeer, drop.LinkNoPeer},
		"else":    {errors.New("input/output error"), drop.LinkError},
	} {
		t.Run(what, func(t *testing.T) {
			h, l := known(t, Config{})
			s := h.connected(t, "", "10.0.0.9:9")
			send(t, s, "good", "")
			before := h.eth0.Stats()
			l.refuse = c.err
			send(t, s, "single", "") // as on Linux, without IP_RECVERR nobody is told
			if n, err := s.TrySend(make([]socket.Message, 10)); n != 10 || err != nil {
				t.Fatal(n, err)
			}
			l.deliver(datagram{}.frame()) // an answer of the stack's own
			l.deliver(arpRequest(macPeer, "10.0.0.9", "10.0.0.2"))
			checkDrops(t, h, c.want, 13)
			after := h.eth0.Stats()
			if after.SentPackets != before.SentPackets || after.SentBytes != before.SentBytes || after.Dropped[c.want] != 13 {
				t.Errorf("the interface's counters were %+v and are %+v", before, after)
			}
			if st := s.Stats(); st.Sent != 12 || st.Dropped[c.want] != 11 {
				t.Errorf("the socket's counters: %+v", st)
			}
			checkLedger(t, h)
		})
	}
}

func TestALinkThatTakesPartOfABatch(t *testing.T) {
	h, l := known(t, Config{})
	s := h.connected(t, "", "10.0.0.9:9")
	n := 0
	l.onSent = func([]byte) {
		if n++; n == 5 {
			l.mu.Lock()
			l.refuse = link.ErrQueueFull
			l.mu.Unlock()
		}
	}
	ms := make([]socket.Message, 20)
	if n, err := s.TrySend(ms); n != 20 || err != nil {
		t.Fatal(n, err)
	}
	if got := len(l.datagrams(t)); got != 5 {
		t.Errorf("%d were sent", got)
	}
	checkDrops(t, h, drop.LinkQueueFull, 15)
	checkLedger(t, h)
}

func TestFramesHeldByALinkChargeTheSendBuffer(t *testing.T) {
	h, l := known(t, Config{})
	l.keep = true
	s := h.connected(t, "", "10.0.0.9:9")
	setOption(t, s, socket.SendBuffer, 0)
	n := 0
	for try(s, "x", "") == nil {
		n++
	}
	if err := try(s, "x", ""); err != syscall.EAGAIN || n < 2 || n > 30 {
		t.Errorf("after %d: %v", n, err)
	}
	told := 0
	var fn func()
	fn = func() {
		told++
		if try(s, "again", "") != nil {
			t.Error("told of room that is not there")
		}
		s.Notify(socket.Writable, fn)
	}
	s.Notify(socket.Writable, fn)
	l.letGo()
	if told != 0 {
		t.Error("told inside a call of the link")
	}
	h.clock.Advance(0)
	if told == 0 {
		t.Error("not told")
	}
	s.Notify(socket.Writable, nil)
	l.letGo()
	if used, _ := s.Option(socket.SendQueued); used != 0 {
		t.Errorf("%d bytes are charged", used)
	}
	checkLedger(t, h)
}

func TestABatchStopsWhereTheSendBufferIsFull(t *testing.T) {
	h, l := known(t, Config{})
	l.keep = true
	s := h.connected(t, "", "10.0.0.9:9")
	setOption(t, s, socket.SendBuffer, 20000)
	ms := make([]socket.Message, 500)
	for k := range ms {
		ms[k].Buf = []byte(fmt.Sprint(k))
	}
	var got []string
	calls := 0
	for done := 0; done < len(ms); calls++ {
		n, err := s.TrySend(ms[done:])
		if err == syscall.EAGAIN {
			l.letGo()
			continue
		}
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		done += n
		got = append(got, texts(l.datagrams(t))...)
		if used, _ := s.Option(socket.SendQueued); used > 40000+runLength*1024 {
			t.Fatalf("%d bytes are charged", used)
		}
	}
	if calls < 3 {
		t.Error("the buffer was never full")
	}
	for k, p := range got {
		if p != fmt.Sprint(k) {
			t.Fatalf("datagram %d is %q", k, p)
		}
	}
	checkLedger(t, h)
}
