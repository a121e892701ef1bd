package stack

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// onRails returns two hosts on a wire that carries trains.
func onRails(t testing.TB) (a, b *host) {
	t.Helper()
	return pairOn(t, mem.Config{Segmentation: true})
}

// train returns a message whose datagrams tell their number, and what they are.
func train(count, size, last int) (m socket.Message, datagrams []string) {
	for n := range count {
		if n == count-1 {
			size = last
		}
		d := fmt.Sprintf("%03d", n) + strings.Repeat(string(rune('a'+n%26)), size-3)
		datagrams = append(datagrams, d)
		m.Buf = append(m.Buf, d...)
	}
	m.Set, m.SegmentSize = socket.FieldSegmentSize, uint16(len(datagrams[0]))
	return m, datagrams
}

func TestTrainIsReadAsDatagrams(t *testing.T) {
	for _, one := range []bool{true, false} {
		a, b := onRails(t)
		r := b.open(t, "10.0.0.2:9")
		s := a.connected(t, "", "10.0.0.2:9")
		send(t, s, "before", "")
		m, want := train(20, 100, 40)
		if n, err := s.TrySend([]socket.Message{m}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		send(t, s, "behind", "")
		if got := b.eth0.Stats().ReceivedPackets; got != 3+1 { // and ARP
			t.Errorf("%d frames came in, want 4: the train in one", got)
		}
		want = append(append([]string{"before"}, want...), "behind")
		var got []string
		if one {
			got = payloads(t, r)
		} else {
			ms := make([]socket.Message, 64)
			for k := range ms {
				ms[k].Buf = make([]byte, 0, 200)
			}
			for {
				n, err := r.TryRecv(ms[:5])
				if err != nil {
					break
				}
				for _, m := range ms[:n] {
					got = append(got, string(m.Buf))
				}
				checkLedger(t, a, b)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("one by one %v: got %q, want %q", one, got, want)
		}
		checkLedger(t, a, b)
		if st := r.Stats(); st.Received != 22 || st.ReceivedBytes != 6+19*100+40+6 || st.ReceiveQueued != 0 {
			t.Errorf("received: %+v", st)
		}
		if st := s.Stats(); st.Sent != 22 {
			t.Errorf("sent: %+v", st)
		}
	}
}

func TestTrainIsReadWhole(t *testing.T) {
	a, b := onRails(t)
	r := b.open(t, "10.0.0.2:9")
	setOption(t, r, socket.Report, int(socket.FieldSegmentSize|socket.FieldTTL))
	s := a.connected(t, "", "10.0.0.2:9")
	m, _ := train(20, 100, 40)
	for range 2 {
		if _, err := s.TrySend([]socket.Message{m}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := r.Option(socket.NextSize); n != len(m.Buf) || err != nil {
		t.Errorf("NextSize: %d, %v", n, err)
	}
	got := socket.Message{Buf: make([]byte, 0, 65536)}
	if err := r.TryPeek(&got); err != nil || !bytes.Equal(got.Buf, m.Buf) || got.SegmentSize != 100 {
		t.Errorf("peeked %d bytes by %d, %v", len(got.Buf), got.SegmentSize, err)
	}
	got = receive(t, r)
	if !bytes.Equal(got.Buf, m.Buf) || got.SegmentSize != 100 || got.Set != socket.FieldSegmentSize|socket.FieldTTL {
		t.Errorf("read %d bytes by %d, fields %b", len(got.Buf), got.SegmentSize, got.Set)
	}
	// With less room, as many whole datagrams as fit, and none is lost.
	ms := []socket.Message{{Buf: make([]byte, 0, 350)}}
	var whole []byte
	for _, want := range []int{300, 300, 300, 300, 300, 300, 140} {
		if n, err := r.TryRecv(ms); n != 1 || err != nil || len(ms[0].Buf) != want || ms[0].Truncated() || ms[0].SegmentSize != 100 {
			t.Fatalf("%d, %v: %d bytes of %d by %d, want %d", n, err, len(ms[0].Buf), ms[0].Len, ms[0].SegmentSize, want)
		}
		whole = append(whole, ms[0].Buf...)
		checkLedger(t, a, b)
	}
	if !bytes.Equal(whole, m.Buf) {
		t.Error("the bytes are others")
	}
	if st := r.Stats(); st.Received != 40 {
		t.Errorf("received: %+v", st)
	}
}

// TestDatagramsAreJoined is UDP_GRO where no link has joined anything.
func TestDatagramsAreJoined(t *testing.T) {
	a, b := pair(t)
	r := b.open(t, "10.0.0.2:9")
	setOption(t, r, socket.Report, int(socket.FieldSegmentSize))
	s := a.connected(t, "", "10.0.0.2:9")
	other := a.connected(t, "", "10.0.0.2:9")
	for _, p := range []string{"aaa", "bbb", "c", "ddd", "", "eee", "fff", "gggg", "hhhh"} {
		send(t, s, p, "")
	}
	send(t, other, "iiii", "")
	setOption(t, other, socket.TTL, 7)
	send(t, other, "jjjj", "")
	for _, want := range []struct {
		payload string
		segment uint16
	}{{"aaabbbc", 3}, {"ddd", 0}, {"", 0}, {"eeefff", 3}, {"gggghhhh", 4}, {"iiii", 0}, {"jjjj", 0}} {
		m := receive(t, r)
		if string(m.Buf) != want.payload || m.SegmentSize != want.segment || (m.Set != 0) != (want.segment != 0) || m.Len != len(m.Buf) {
			t.Errorf("read %q by %d, want %q by %d", m.Buf, m.SegmentSize, want.payload, want.segment)
		}
	}
	checkLedger(t, a, b)
	// What does not fit waits.
	for range 3 {
		send(t, s, "0123", "")
	}
	ms := []socket.Message{{Buf: make([]byte, 0, 10)}, {Buf: make([]byte, 0, 10)}, {Buf: make([]byte, 0, 10)}}
	if n, err := r.TryRecv(ms); n != 2 || err != nil || string(ms[0].Buf) != "01230123" || string(ms[1].Buf) != "0123" {
		t.Errorf("%d, %v: %q, %q", n, err, ms[0].Buf, ms[1].Buf)
	}
	checkLedger(t, a, b)
}

func TestBatchBecomesTrains(t *testing.T) {
	a, b := onRails(t)
	r := b.open(t, "10.0.0.2:9")
	s := a.connected(t, "", "10.0.0.2:9")
	send(t, s, "who is there", "")
	payloads(t, r)
	before := b.eth0.Stats().ReceivedPackets
	var ms []socket.Message
	var want []string
	for _, size := range []int{50, 50, 50, 20, 50, 0, 60, 60, 61, 61, 61} {
		p := strings.Repeat(string(rune('a'+len(want))), size)
		want = append(want, p)
		ms = append(ms, socket.Message{Buf: []byte(p)})
	}
	if n, err := s.TrySend(ms); n != len(ms) || err != nil {
		t.Fatal(n, err)
	}
	if got := b.eth0.Stats().ReceivedPackets - before; got != 5 {
		t.Errorf("%d frames, want 5", got)
	}
	if got := payloads(t, r); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	// Not without checksums, which a train's datagrams have to be given.
	setOption(t, s, socket.NoChecksum, 1)
	before = b.eth0.Stats().ReceivedPackets
	if n, err := s.TrySend(ms); n != len(ms) || err != nil {
		t.Fatal(n, err)
	}
	if got := b.eth0.Stats().ReceivedPackets - before; got != uint64(len(ms)) {
		t.Errorf("%d frames without checksums, want %d", got, len(ms))
	}
	if st := s.Stats(); st.Sent != uint64(1+2*len(ms)) {
		t.Errorf("sent %d", st.Sent)
	}
	checkLedger(t, a, b)
}

// TestTrainIsForwarded sends a train through a router, to a link that carries
// trains and to one that does not.
func TestTrainIsForwarded(t *testing.T) {
	for _, rails := range []bool{true, false} {
		la, ra := mem.Pair(mem.Config{Segmentation: true})
		h := newHost(t, Config{Name: "h"}, la, "10.0.0.1/24")
		h.route(t, "default via 10.0.0.254")
		router := newHost(t, Config{Name: "router", Forwarding: true}, ra, "10.0.0.254/24")
		rb, lb := mem.Pair(mem.Config{Segmentation: rails})
		router.attach(t, "eth1", rb, "10.1.0.254/24")
		far := newHost(t, Config{Name: "far"}, lb, "10.1.0.1/24")
		far.route(t, "default via 10.1.0.254")
		r := far.open(t, "10.1.0.1:9")
		s := h.connected(t, "", "10.1.0.1:9")
		setOption(t, s, socket.DontFragment, 0) // so that each has an identification
		send(t, s, "who is there", "")
		payloads(t, r)
		before := far.eth0.Stats().ReceivedPackets
		m, want := train(30, 1000, 7)
		if _, err := s.TrySend([]socket.Message{m}); err != nil {
			t.Fatal(err)
		}
		frames := far.eth0.Stats().ReceivedPackets - before
		if rails && frames != 1 || !rails && frames != 30 {
			t.Errorf("trains on the second link %v: %d frames", rails, frames)
		}
		if got := payloads(t, r); !slices.Equal(got, want) {
			t.Errorf("trains on the second link %v: got %d datagrams", rails, len(got))
		}
		checkLedger(t, h, router, far)
	}
}

func TestTrainToNobody(t *testing.T) {
	a, b := onRails(t)
	s := a.connected(t, "", "10.0.0.2:9")
	m, _ := train(20, 100, 40)
	if _, err := s.TrySend([]socket.Message{m}); err != nil {
		t.Fatal(err)
	}
	checkDrops(t, b, drop.NoPort, 20)
	checkLedger(t, a, b)
	// Half read, and closed.
	r := b.open(t, "10.0.0.2:9")
	if _, err := s.TrySend([]socket.Message{m}); err == nil {
		t.Error("the port was said to be closed, and nobody heard")
	}
	if _, err := s.TrySend([]socket.Message{m}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		receive(t, r)
	}
	r.Close()
	checkDrops(t, b, drop.SocketClosed, 15)
	checkLedger(t, a, b)
}

// TestTrainClaims lets a link hand in what is no train and says that it is one.
func TestTrainClaims(t *testing.T) {
	h, l := known(t, Config{})
	r := h.open(t, "10.0.0.2:9")
	claim := func(frame []byte, segment uint16) {
		b := packet.New(len(frame))
		copy(b.Append(len(frame)), frame)
		b.SegmentSize = segment
		b.Flags |= packet.ChecksumValid
		l.sink.Deliver(0, b.Single())
	}
	claim(datagram{src: "10.0.0.9:9", dst: "10.0.0.2:9", payload: "abcdef"}.frame(), 6)
	claim(datagram{src: "10.0.0.9:9", dst: "10.0.0.2:9", payload: "abcdef"}.frame(), 7)
	claim(datagram{src: "10.0.0.9:9", dst: "10.0.0.2:9", payload: "abcdef"}.frame(), 5)
	claim(datagram{src: "10.0.0.9:9", dst: "10.0.0.2:9"}.frame(), 5)
	icmp := datagram{src: "10.0.0.9:9", dst: "10.0.0.2:9"}.frame()
	icmp[wire.EthernetHeaderLen+9] = byte(wire.ProtocolICMP)
	claim(icmp, 1)
	if got, want := payloads(t, r), []string{"abcdef", "abcdef", "abcde", "f", ""}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	checkLedger(t, h)
}

// What is joined has one mark, and can be sent on as one train.
func TestJoinedReadsAreTrains(t *testing.T) {
	a, b := pairOn(t, mem.Config{MTU: 9000})
	s, r := a.connected(t, "", "10.0.0.2:7"), b.open(t, "0.0.0.0:7")
	setOption(t, r, socket.Report, int(socket.FieldSegmentSize|socket.FieldMark))
	setOption(t, r, socket.ReceiveBuffer, 1<<20)
	for range 31 {
		send(t, s, letters(2184), "")
	}
	for _, want := range []int{29 * 2184, 2 * 2184} {
		if m := receive(t, r); len(m.Buf) != want || m.SegmentSize != 2184 {
			t.Errorf("%d bytes by %d, want %d by 2184", len(m.Buf), m.SegmentSize, want)
		}
	}
	setHooks(t, b, Hooks{Input: func(p *Packet) drop.Reason {
		p.Mark = uint32(p.Payload[0])
		return drop.None
	}})
	for _, p := range []string{"a1", "a2", "b1", "b2"} {
		send(t, s, p, "")
	}
	for _, want := range []string{"a1a2", "b1b2"} {
		if m := receive(t, r); string(m.Buf) != want || m.Mark != uint32(want[0]) {
			t.Errorf("read %q with mark %d, want %q", m.Buf, m.Mark, want)
		}
	}
	checkLedger(t, a, b)
}
