package stack

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
)

func TestTrains(t *testing.T) {
	h, l := known(t, Config{})
	for _, c := range []struct {
		size, segment, want int // want: datagrams
		err                 error
	}{
		{1000, 100, 10, nil},
		{1001, 100, 11, nil},
		{128, 1, 128, nil},
		{129, 1, 0, syscall.EINVAL},
		{100, 100, 1, nil},
		{100, 200, 1, nil},
		{100, 0, 1, nil},
		{0, 100, 1, nil},
		{14720, 1472, 10, nil},
		{14730, 1473, 0, syscall.EMSGSIZE},
		{1473, 1472, 2, nil},
		{65507, 1472, 45, nil},
		{65507, 511, 0, syscall.EINVAL},
		{65508, 1472, 0, syscall.EMSGSIZE},
	} {
		s := h.connected(t, "", "10.0.0.9:9")
		payload := make([]byte, c.size)
		for k := range payload {
			payload[k] = byte(k / 3)
		}
		m := socket.Message{Buf: payload, Set: socket.FieldSegmentSize, SegmentSize: uint16(c.segment)}
		n, err := s.TrySend([]socket.Message{m})
		if err != c.err || (n == 1) != (err == nil) {
			t.Errorf("%d bytes by %d: %d, %v, want %v", c.size, c.segment, n, err, c.err)
		}
		got := texts(l.datagrams(t))
		if len(got) != c.want {
			t.Errorf("%d bytes by %d: %d datagrams, want %d", c.size, c.segment, len(got), c.want)
		}
		if c.want > 0 {
			for k, p := range got[:c.want-1] {
				if len(p) != c.segment {
					t.Errorf("%d bytes by %d: datagram %d has %d", c.size, c.segment, k, len(p))
				}
			}
			if strings.Join(got, "") != string(payload) {
				t.Errorf("%d bytes by %d: the bytes are others", c.size, c.segment)
			}
		}
		if st := s.Stats(); st.Sent != uint64(c.want) || c.want > 0 && st.SentBytes != uint64(c.size) {
			t.Errorf("%d bytes by %d: counted %d datagrams, %d bytes", c.size, c.segment, st.Sent, st.SentBytes)
		}
		s.Close()
	}
	if l := h.Ledger(); l.Split == 0 {
		t.Errorf("ledger: %+v", l)
	}
	checkLedger(t, h)
}

func TestTrainsInBatches(t *testing.T) {
	h, l := known(t, Config{})
	s := h.connected(t, "", "10.0.0.9:9")
	var ms []socket.Message
	var want []string
	for n := range 40 {
		m := socket.Message{Buf: []byte(fmt.Sprintf("%02d", n))}
		if n%3 != 0 {
			count := 1 + n*3
			m.Buf = []byte(strings.Repeat(fmt.Sprintf("%02d.", n), count))
			m.Set, m.SegmentSize = socket.FieldSegmentSize, 3
			for range count {
				want = append(want, fmt.Sprintf("%02d.", n))
			}
		} else {
			want = append(want, string(m.Buf))
		}
		ms = append(ms, m)
	}
	if n, err := s.TrySend(ms); n != len(ms) || err != nil {
		t.Fatal(n, err)
	}
	if got := texts(l.datagrams(t)); !slices.Equal(got, want) {
		t.Errorf("sent %d datagrams, want %d:\n%q", len(got), len(want), got)
	}
	// To somebody unknown they wait, each for itself.
	h2, l2 := onCable(t, Config{})
	s2 := h2.connected(t, "", "10.0.0.9:9")
	m := socket.Message{Buf: make([]byte, 128), Set: socket.FieldSegmentSize, SegmentSize: 1}
	if n, err := s2.TrySend([]socket.Message{m}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	checkDrops(t, h2, drop.NeighborQueueFull, 0)
	checkLedger(t, h2)
	l2.take()
	l2.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
	if n := len(l2.datagrams(t)); n != 128 {
		t.Errorf("%d were sent", n)
	}
	checkLedger(t, h, h2)
}
