package stack

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// A fragmentSeen is what a test sees of a fragment.
type fragmentSeen struct {
	id       uint16
	at       int
	more, df bool
	options  string
	data     string
}

// seen parses the IPv4 frames sent since the last look, and checks that they are well
// formed and not over the MTU.
func (c *cable) seen(t testing.TB) (list []fragmentSeen) {
	t.Helper()
	for _, f := range c.take() {
		if c.kind == link.Ethernet {
			f = f[wire.EthernetHeaderLen:]
		}
		h, options, payload, err := wire.ParseIPv4(f)
		if err != nil || !h.ChecksumOK(options) || len(f) > c.mtu || len(f) != int(h.TotalLength()) {
			t.Fatalf("a packet of %d bytes is not well formed: %v", len(f), err)
		}
		list = append(list, fragmentSeen{h.ID(), h.FragmentOffset(), h.MoreFragments(), h.DontFragment(), string(options), string(payload)})
	}
	return list
}

// joined puts fragments that are in order together, and checks that they are one
// datagram's.
func joined(t testing.TB, list []fragmentSeen) (payload string) {
	t.Helper()
	for k, f := range list {
		if f.at != len(payload) || f.more != (k < len(list)-1) || f.df || f.id != list[0].id || f.more && len(f.data)%8 != 0 {
			t.Fatalf("fragment %d is of %d bytes at %d, more %v, DF %v, id %d, behind %d bytes", k, len(f.data), f.at, f.more, f.df, f.id, len(payload))
		}
		payload += f.data
	}
	return payload
}

// The sizes that matter: nothing, one byte, the MTU, one more, a jumbo frame's, the
// longest.
var endToEndSizes = []int{0, 1, 1472, 1473, 2952, 2953, 9000, 65507}

func TestLongDatagramsAreFragmented(t *testing.T) {
	for _, kind := range []link.Kind{link.Ethernet, link.IP} {
		for _, mtu := range []int{68, 69, 575, 576, 1500, 9000} {
			l := newCable()
			l.kind, l.mtu = kind, mtu
			h := newHost(t, Config{SendBuffer: 1 << 20}, l, "10.0.0.2/24") // by default too small for fragments of 48 bytes
			if kind == link.Ethernet {
				h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.9"), macPeer)
			}
			s := h.connected(t, "10.0.0.2:7", "10.0.0.9:9")
			for _, size := range endToEndSizes {
				payload := letters(size)
				send(t, s, payload, "")
				got := l.seen(t)
				step := (mtu - 20) &^ 7
				want := 1
				if size+28 > mtu {
					want = (size + 8 + step - 1) / step
					datagram := joined(t, got)
					u, data, err := wire.ParseUDP([]byte(datagram))
					if err != nil || string(data) != payload {
						t.Fatalf("MTU %d, %d bytes: they are not what was sent: %v", mtu, size, err)
					}
					pseudo := wire.PseudoIPv4([4]byte{10, 0, 0, 2}, [4]byte{10, 0, 0, 9}, wire.ProtocolUDP, u.Length())
					if wire.AddSum(pseudo, wire.Sum([]byte(datagram))) != 0xffff {
						t.Errorf("MTU %d, %d bytes: the checksum is wrong", mtu, size)
					}
				} else if !got[0].df || got[0].id != 0 {
					t.Errorf("MTU %d, %d bytes: fits, and DF is %v, the identification %d", mtu, size, got[0].df, got[0].id)
				}
				if len(got) != want {
					t.Errorf("MTU %d, %d bytes: %d fragments, want %d", mtu, size, len(got), want)
				}
			}
			if st := s.Stats(); st.Sent != uint64(len(endToEndSizes)) {
				t.Errorf("Stats count %d datagrams", st.Sent)
			}
			checkLedger(t, h)
			if st := h.eth0.Stats(); st.SentPackets != h.Ledger().Sent {
				t.Errorf("the interface counts %d packets, the ledger %d", st.SentPackets, h.Ledger().Sent)
			}
		}
	}
}

func TestLongDatagramsEndToEnd(t *testing.T) {
	for _, m := range []mem.Config{{}, {Kind: link.IP}, {MTU: 68}, {MTU: 9000}, {Segmentation: true}} {
		a, b := pairOn(t, m, Config{Seed: [32]byte{1}, SendBuffer: 1 << 20}, Config{Seed: [32]byte{2}, ReceiveBuffer: 4 << 20})
		server, client := b.open(t, "0.0.0.0:7"), a.connected(t, "", "10.0.0.2:7")
		for _, mode := range []int{-1, 0} { // Linux's default, and IP_PMTUDISC_DONT
			if mode == 0 {
				setOption(t, client, socket.DontFragment, 0)
			}
			var batch []socket.Message
			for _, size := range endToEndSizes {
				send(t, client, letters(size), "")
				if got := receive(t, server); string(got.Buf) != letters(size) {
					t.Errorf("%+v: %d bytes: received %d", m, size, got.Len)
				}
				batch = append(batch, message(letters(size), ""), message(fmt.Sprint("after ", size), ""))
			}
			// In a batch, and in its order.
			for sent := batch; len(sent) > 0; {
				n, err := client.TrySend(sent)
				if err != nil {
					t.Fatal(err)
				}
				sent = sent[n:]
			}
			got := payloads(t, server)
			if len(got) != len(batch) {
				t.Fatalf("%+v: of a batch of %d %d were received", m, len(batch), len(got))
			}
			for k := range batch {
				if got[k] != string(batch[k].Buf) {
					t.Errorf("%+v: datagram %d is not what was sent", m, k)
				}
			}
		}
		checkLedger(t, a, b)
		nothingHeld(t, b)
	}
}

// The modes of IP_MTU_DISCOVER.
func TestWhatMayBeFragmented(t *testing.T) {
	h, l := known(t, Config{})
	s := h.connected(t, "", "10.0.0.9:9")
	send(t, s, letters(1473), "")
	if n := len(l.seen(t)); n != 2 {
		t.Errorf("by default: %d fragments", n)
	}
	setOption(t, s, socket.DontFragment, 1)
	if err := try(s, letters(1473), ""); err != syscall.EMSGSIZE {
		t.Errorf("with DontFragment: %v", err)
	}
	if n, err := s.TrySend([]socket.Message{message("1", ""), message(letters(1473), ""), message("2", "")}); n != 1 || err != nil {
		t.Errorf("with DontFragment, in a batch: %d, %v", n, err)
	}
	l.take()
	setOption(t, s, socket.DontFragment, 0)
	send(t, s, letters(1472), "")
	send(t, s, letters(1473), "")
	got := l.seen(t)
	if len(got) != 3 || got[0].df || got[0].id == got[1].id || got[1].df {
		t.Errorf("without DontFragment: %+v", got)
	}
	checkLedger(t, h)
}

func TestFragmentsWaitForTheNeighbour(t *testing.T) {
	for _, batch := range []bool{false, true} {
		h, l := onCable(t, Config{})
		s := h.connected(t, "", "10.0.0.9:9")
		payload := letters(9000)
		if batch {
			if n, err := s.TrySend([]socket.Message{message(payload, ""), message("2", "")}); n != 2 {
				t.Fatal(n, err)
			}
		} else {
			send(t, s, payload, "")
		}
		if n := len(l.take()); n != 1 { // the question
			t.Fatalf("%d frames", n)
		}
		used, _ := s.Option(socket.SendQueued)
		if used < 9000 || used > 30000 {
			t.Errorf("%d bytes are charged", used)
		}
		if g := h.Ledger(); g.Held != 7+uint64(asInt(batch)) {
			t.Errorf("%+v", g)
		}
		l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
		got := l.seen(t)
		if data := joined(t, got[:7]); data[8:] != payload {
			t.Error("the bytes are others")
		}
		if used, _ := s.Option(socket.SendQueued); used != 0 {
			t.Errorf("%d bytes are charged in the end", used)
		}
		checkLedger(t, h)
	}
}

// A link that takes some fragments and refuses the others.
func TestFragmentsThatAreRefused(t *testing.T) {
	h, l := known(t, Config{})
	s := h.connected(t, "", "10.0.0.9:9")
	frames := 0
	l.onSent = func([]byte) {
		if frames++; frames == 3 {
			l.mu.Lock()
			l.refuse = link.ErrQueueFull
			l.mu.Unlock()
		}
	}
	send(t, s, letters(9000), "")
	if n := len(l.take()); n != 3 {
		t.Errorf("%d frames were sent", n)
	}
	checkDrops(t, h, drop.LinkQueueFull, 4)
	if st := s.Stats(); st.Dropped[drop.LinkQueueFull] != 4 {
		t.Errorf("the socket's drops: %v", st.Dropped)
	}
	checkLedger(t, h)
}

// A link with a rate holds each fragment at the socket's charge.
func TestFragmentsAreCharged(t *testing.T) {
	h, l := known(t, Config{})
	l.keep = true
	s := h.connected(t, "", "10.0.0.9:9")
	send(t, s, letters(9000), "")
	if used, _ := s.Option(socket.SendQueued); used < 9000 || used > 30000 {
		t.Errorf("%d bytes are charged", used)
	}
	l.letGo()
	if used, _ := s.Option(socket.SendQueued); used != 0 {
		t.Errorf("%d bytes are charged in the end", used)
	}
	checkLedger(t, h)
}

// As on Linux, fragments may take twice the send buffer, and no more.
func TestFragmentsBeyondTheSendBuffer(t *testing.T) {
	h, l := known(t, Config{})
	s := h.connected(t, "", "10.0.0.9:9")
	setOption(t, s, socket.SendBuffer, 0)
	send(t, s, letters(3000), "")
	if n := len(l.take()); n != 3 {
		t.Errorf("%d fragments", n)
	}
	if err := try(s, letters(65507), ""); err != syscall.ENOBUFS {
		t.Errorf("65507 bytes: %v", err)
	}
	l.expect(t, "65507 bytes")
	if st := s.Stats(); st.Sent != 1 {
		t.Errorf("%d datagrams were sent", st.Sent)
	}
	checkLedger(t, h)
}

// The host's own copy of what it sends to many is whole.
func TestLongBroadcasts(t *testing.T) {
	h, l := onCable(t, Config{})
	s := h.open(t, "0.0.0.0:7")
	setOption(t, s, socket.Broadcast, 1)
	payload := letters(5000)
	for _, batch := range []bool{false, true} {
		if batch {
			ms := []socket.Message{message(payload, "10.0.0.255:7"), message("2", "10.0.0.255:7")}
			if n, err := s.TrySend(ms); n != 2 {
				t.Fatal(n, err)
			}
		} else {
			send(t, s, payload, "10.0.0.255:7")
		}
		if got := payloads(t, s); len(got) != 1+asInt(batch) || got[0] != payload {
			t.Errorf("heard %d datagrams of one's own", len(got))
		}
		if got := joined(t, l.seen(t)[:4]); got[8:] != payload {
			t.Error("sent something else")
		}
	}
	checkLedger(t, h)
}

func TestIdentificationsOfFragments(t *testing.T) {
	h, l := known(t, Config{})
	s := h.connected(t, "", "10.0.0.9:9")
	seen := make(map[uint16]bool)
	steps := make(map[uint16]int)
	var last uint16
	for range 2000 {
		send(t, s, letters(1473), "")
		id := l.seen(t)[0].id
		if seen[id] {
			t.Fatalf("the identification %d comes twice within 2000 datagrams", id)
		}
		seen[id] = true
		steps[id-last]++
		last = id
	}
	for step, n := range steps {
		if n > 10 {
			t.Errorf("%d times the next identification is %d more", n, step)
		}
	}
}

func TestARouterFragments(t *testing.T) {
	const mtu = 300
	options := []byte{7, 7, 8, 1, 2, 3, 4, 148, 4, 0, 0, 0} // not to be copied; to be copied; padding
	for _, c := range []struct {
		what string
		in   []byte
		want []fragmentSeen // but for the data
		left string         // the options of the later ones
	}{
		{"plain", pieceOf(datagram{dst: "10.1.0.9:7", payload: letters(1000)}, 77, piece{0, 1008, true}), nil, ""},
		{"of zero identification", pieceOf(datagram{dst: "10.1.0.9:7", payload: letters(1000)}, 0, piece{0, 1008, true}), nil, ""},
		{"a fragment", pieceOf(datagram{dst: "10.1.0.9:7", payload: letters(2000)}, 77, piece{800, 1600, false}), nil, ""},
		{"the last fragment", pieceOf(datagram{dst: "10.1.0.9:7", payload: letters(2000)}, 77, piece{800, 2008, true}), nil, ""},
		{"with options", pieceOf(datagram{dst: "10.1.0.9:7", payload: letters(1000), options: options}, 77, piece{0, 1008, true}), nil, "\x94\x04\x00\x00"},
	} {
		t.Run(c.what, func(t *testing.T) {
			h, l0, l1 := newRouter(t, Config{})
			l1.mtu = mtu
			l0.deliver(c.in)
			in, inOptions, payload, _ := wire.ParseIPv4(c.in[wire.EthernetHeaderLen:])
			at, data := in.FragmentOffset(), string(payload)
			got := l1.seen(t)
			step := (mtu - in.HeaderLen()) &^ 7
			if want := (len(payload) + step - 1) / step; len(got) != want {
				t.Fatalf("%d fragments, want %d", len(got), want)
			}
			for k, f := range got {
				want := c.left
				if k == 0 {
					want = string(inOptions)
				}
				if f.id != in.ID() || f.at != at || f.df || f.options != want || f.more != (k < len(got)-1 || in.MoreFragments()) || !strings.HasPrefix(data, f.data) {
					t.Errorf("fragment %d: %+v", k, f)
				}
				at += len(f.data)
				data = data[len(f.data):]
			}
			if data != "" {
				t.Errorf("%d bytes are missing", len(data))
			}
			if g := h.Ledger(); g.In != 1 || g.Sent != uint64(len(got)) || g.Split != uint64(len(got)-1) {
				t.Errorf("%+v", g)
			}
			checkLedger(t, h)
		})
	}
}

// A router does not put together what it passes on, and what it cut the receiver
// can.
func TestFragmentsThroughRouters(t *testing.T) {
	a, r := pair(t, Config{Name: "a", Seed: [32]byte{1}}, Config{Name: "r", Seed: [32]byte{2}, Forwarding: true})
	lr, lb := mem.Pair(mem.Config{MTU: 576})
	r.attach(t, "eth1", lr, "10.1.0.1/24")
	b := newHost(t, Config{Name: "b", Clock: a.clock}, lb, "10.1.0.2/24")
	a.route(t, "default via 10.0.0.2")
	b.route(t, "default via 10.1.0.1")
	server, client := b.open(t, "0.0.0.0:7"), a.connected(t, "", "10.1.0.2:7")
	setOption(t, client, socket.DontFragment, 0) // or routers may not
	setOption(t, server, socket.ReceiveBuffer, 1<<20)
	for _, size := range endToEndSizes {
		send(t, client, letters(size), "")
		if got := payloads(t, server); len(got) != 1 || got[0] != letters(size) {
			t.Errorf("%d bytes: %d datagrams, drops %v %v", size, len(got), r.Drops().Map(), b.Drops().Map())
		}
	}
	nothingHeld(t, r)
	nothingHeld(t, b)
	checkLedger(t, a, r, b)
}

// A train whose datagrams are over the MTU of the way out is cut, and then they are.
func TestATrainIsForwardedInFragments(t *testing.T) {
	h, l0, l1 := newRouter(t, Config{})
	l1.mtu = 300
	d := datagram{dst: "10.1.0.9:7", payload: letters(1150)}
	b := newBuffer(d.frame())
	b.SegmentSize = 500
	b.Flags |= packet.ChecksumValid | packet.ChecksumPartial
	l0.sink.Deliver(0, b.Single())
	got := l1.seen(t)
	if len(got) != 5 { // two of two fragments, and one that fits
		t.Fatalf("%d packets, drops %v", len(got), h.Drops().Map())
	}
	var text string
	for _, part := range [][]fragmentSeen{got[0:2], got[2:4]} {
		text += joined(t, part)[8:]
	}
	if text += got[4].data[8:]; text != d.payload {
		t.Error("the bytes are others")
	}
	checkLedger(t, h)
}

func TestEchoesInFragments(t *testing.T) {
	h, l := known(t, Config{})
	body := []byte(letters(5000))
	d := datagram{protocol: wire.ProtocolICMP, payload: icmpBody(wire.ICMPEchoRequest, 0, [4]byte{1, 2, 3, 4}, body)}
	for at := 0; at < 5008; at += 1480 {
		l.deliver(pieceOf(d, 9, piece{at, min(at+1480, 5008), at+1480 >= 5008}))
	}
	m, data, err := wire.ParseICMP([]byte(joined(t, l.seen(t))))
	if err != nil || m.Type() != wire.ICMPEchoReply || !m.ChecksumOK(data) || !bytes.Equal(data, body) {
		t.Errorf("the answer is %v, %d bytes, %v", m, len(data), err)
	}
	checkLedger(t, h)
}

func TestTracesOfSendingFragments(t *testing.T) {
	steps := new(stepTracer)
	h, l := known(t, Config{Tracer: steps})
	s := h.connected(t, "", "10.0.0.9:9")
	send(t, s, letters(3000), "")
	want := []string{"#1 send", "#1 fragment 1 of 3 of #1", "#2 fragment 2 of 3 of #1", "#3 fragment 3 of 3 of #1",
		"#1 transmit", "#2 transmit", "#3 transmit"}
	if !slices.Equal(steps.list, want) {
		t.Errorf("steps %q, want %q", steps.list, want)
	}
	l.take()
}

// BenchmarkFragments sends a datagram in fragments and receives it whole.
func BenchmarkFragments(b *testing.B) {
	for _, size := range []int{1473, 9000, 65507} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			x, y := pair(b)
			server, client := y.open(b, "0.0.0.0:7"), x.connected(b, "", "10.0.0.2:7")
			out, in := []socket.Message{{Buf: make([]byte, size)}}, []socket.Message{{Buf: make([]byte, size)}}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if n, err := client.TrySend(out); n != 1 {
					b.Fatal(err)
				}
				if n, err := server.TryRecv(in); n != 1 {
					b.Fatal(err)
				}
			}
		})
	}
}
