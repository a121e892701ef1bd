package stack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// sentDatagram is a UDP datagram as it lies in a frame, its checks passed.
type sentDatagram struct {
	to       wire.MAC
	ip       *wire.IPv4Header
	udp      *wire.UDPHeader
	payload  string
	checksum bool // it has one
}

// datagrams checks every frame sent since the last look to the last byte, and
// returns the UDP datagrams.
func (c *cable) datagrams(t testing.TB) (list []sentDatagram) {
	t.Helper()
	for _, f := range c.take() {
		e, packet, err := wire.ParseEthernet(f)
		if err != nil || e.Source() != c.mac || len(f) > c.mtu+wire.EthernetHeaderLen {
			t.Fatalf("a frame that cannot be: %v, % x", err, f)
		}
		if e.Type() != wire.EtherTypeIPv4 {
			continue
		}
		ip, options, body, err := wire.ParseIPv4(packet)
		if err != nil || len(options) != 0 || !ip.ChecksumOK(nil) || int(ip.TotalLength()) != len(packet) || ip.IsFragment() {
			t.Fatalf("a packet that cannot be: %v, % x", err, packet)
		}
		if ip.Protocol() != wire.ProtocolUDP {
			continue
		}
		udp, payload, err := wire.ParseUDP(body)
		if err != nil || int(udp.Length()) != len(body) {
			t.Fatalf("a datagram that cannot be: %v, % x", err, body)
		}
		sum := wire.AddSum(ip.PseudoSum(udp.Length()), wire.Sum(body))
		if udp.Checksum() != 0 && sum != 0xffff {
			t.Fatalf("a wrong UDP checksum: % x", body)
		}
		list = append(list, sentDatagram{e.Destination(), ip, udp, string(payload), udp.Checksum() != 0})
	}
	return list
}

func texts(list []sentDatagram) (out []string) {
	for _, d := range list {
		out = append(out, d.payload)
	}
	return out
}

// Every length from nothing to the MTU, odd and even, with every way in which a
// checksum can come out.
func TestSentDatagramsOfEveryLength(t *testing.T) {
	h, l := known(t, Config{})
	s := h.connected(t, "", "10.0.0.9:9")
	payload := make([]byte, 1472)
	for k := range payload {
		payload[k] = byte(k * 7)
	}
	for size := range len(payload) + 1 {
		send(t, s, string(payload[:size]), "")
		got := l.datagrams(t)
		if len(got) != 1 || got[0].payload != string(payload[:size]) || !got[0].checksum {
			t.Fatalf("size %d: %d datagrams", size, len(got))
		}
	}
	setOption(t, s, socket.DontFragment, 1)
	if err := try(s, string(make([]byte, 1473)), ""); err != syscall.EMSGSIZE {
		t.Errorf("one byte over the MTU: %v, want EMSGSIZE", err)
	}
	checkLedger(t, h)
}

// RFC 768: zero says that there is no checksum, so a sum of zero is sent as ones.
func TestAChecksumOfZeroIsSentAsOnes(t *testing.T) {
	h, l := known(t, Config{})
	s := h.connected(t, "10.0.0.2:7", "10.0.0.9:9")
	send(t, s, "\x00\x00", "")
	sum := l.datagrams(t)[0].udp.Checksum()
	send(t, s, string([]byte{byte(sum >> 8), byte(sum)}), "") // brings the sum to zero
	frames := l.take()
	if got := binary.BigEndian.Uint16(frames[0][40:]); got != 0xffff {
		t.Errorf("the checksum is %#04x, want 0xffff", got)
	}
	checkLedger(t, h)
}

func TestNoChecksum(t *testing.T) {
	a, b := pair(t)
	h, l := known(t, Config{})
	s := h.connected(t, "", "10.0.0.9:9")
	for _, on := range []int{1, 0} {
		setOption(t, s, socket.NoChecksum, on)
		send(t, s, "x", "")
		if d := l.datagrams(t); len(d) != 1 || d[0].checksum != (on == 0) {
			t.Errorf("NoChecksum %d: %+v", on, d)
		}
	}
	server := b.open(t, "0.0.0.0:7")
	c := a.open(t, "")
	setOption(t, c, socket.NoChecksum, 1)
	send(t, c, "x", "10.0.0.2:7")
	if m := receive(t, server); string(m.Buf) != "x" {
		t.Errorf("received %q", m.Buf)
	}
	checkLedger(t, a, b, h)
}

func TestTheLongestDatagram(t *testing.T) {
	a, _ := pair(t)
	s := a.open(t, "127.0.0.1:7")
	c := a.open(t, "")
	payload := strings.Repeat("abcdefg", 65507/7+1)[:65507]
	send(t, c, payload, "127.0.0.1:7")
	if m := receive(t, s); string(m.Buf) != payload || m.Len != 65507 {
		t.Errorf("received %d bytes", len(m.Buf))
	}
	if err := try(c, payload+"x", "127.0.0.1:7"); err != syscall.EMSGSIZE {
		t.Errorf("65508 bytes: %v, want EMSGSIZE", err)
	}
	if n, err := c.TrySend([]socket.Message{message("x", "127.0.0.1:7"), message(payload+"x", "127.0.0.1:7"), message("y", "127.0.0.1:7")}); n != 1 || err != nil {
		t.Errorf("a batch with one too long in its middle: %d, %v, want 1", n, err)
	}
	if got := payloads(t, s); !slices.Equal(got, []string{"x"}) {
		t.Errorf("received %q", got)
	}
	checkLedger(t, a)
}

// A jumbo link carries what a datagram can be, no more.
func TestLinksWithOtherMTUs(t *testing.T) {
	for _, mtu := range []int{68, 576, 9000, 65535, 70000} {
		a, b := pairOn(t, mem.Config{MTU: mtu})
		s := b.open(t, "0.0.0.0:7")
		setOption(t, s, socket.ReceiveBuffer, 1<<20)
		c := a.open(t, "")
		most := min(mtu, 65535) - 28
		send(t, c, string(make([]byte, most)), "10.0.0.2:7")
		if m := receive(t, s); m.Len != most {
			t.Errorf("MTU %d: received %d", mtu, m.Len)
		}
		setOption(t, c, socket.DontFragment, 1)
		if err := try(c, string(make([]byte, most+1)), "10.0.0.2:7"); err != syscall.EMSGSIZE {
			t.Errorf("MTU %d: %v, want EMSGSIZE", mtu, err)
		}
		checkLedger(t, a, b)
	}
	l := newCable()
	l.mtu = 67
	h := newHost(t, Config{}, nil)
	if _, err := h.AddInterface("eth0", l); err == nil {
		t.Error("a link with an MTU below IPv4's least was accepted")
	}
}

// A batch may go to several peers by several interfaces, known and unknown; it
// arrives in the order in which it was given, and says how far it got.
func TestBatchesToSeveralPeers(t *testing.T) {
	h, l0, l1 := twoCables(t, Config{})
	h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.9"), macPeer)
	h.Interface("eth1").AddNeighbor(netip.MustParseAddr("10.1.0.9"), macOther)
	s := h.open(t, "")
	own := h.open(t, "127.0.0.1:7")
	setOption(t, s, socket.Broadcast, 1)
	dsts := []string{"10.0.0.9:9", "10.0.0.9:9", "10.1.0.9:9", "10.0.0.77:9", "127.0.0.1:7", "10.0.0.255:9", "10.0.0.9:9"}
	var ms []socket.Message
	want := make(map[string][]string)
	for n := range 100 {
		dst := dsts[n%len(dsts)]
		ms = append(ms, message(fmt.Sprint(n), dst))
		want[dst] = append(want[dst], fmt.Sprint(n))
	}
	if n, err := s.TrySend(ms); n != 100 || err != nil {
		t.Fatal(n, err)
	}
	l0.deliver(arpReply(macPeer, "10.0.0.77", "10.0.0.2"))
	got := make(map[string][]string)
	for _, d := range append(l0.datagrams(t), l1.datagrams(t)...) {
		to := netip.AddrPortFrom(d.ip.Destination(), d.udp.DestinationPort()).String()
		got[to] = append(got[to], d.payload)
	}
	got["127.0.0.1:7"] = payloads(t, own)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("sent %v\nwant %v", got, want)
	}
	if st := s.Stats(); st.Sent != 100 {
		t.Errorf("counted %d", st.Sent)
	}
	checkLedger(t, h)
}

// An error in the middle ends a batch; the next call reports it, if it still holds.
func TestABatchThatFailsInTheMiddle(t *testing.T) {
	h, l := known(t, Config{})
	h.route(t, "prohibit 192.0.2.0/24")
	bad := map[string]struct {
		m    socket.Message
		want error
	}{
		"no route":    {message("x", "198.51.100.1:9"), syscall.ENETUNREACH},
		"prohibited":  {message("x", "192.0.2.1:9"), syscall.EACCES},
		"port 0":      {message("x", "10.0.0.9:0"), syscall.EINVAL},
		"no address":  {message("x", ""), syscall.EDESTADDRREQ},
		"IPv6":        {message("x", "[::1]:9"), syscall.EAFNOSUPPORT},
		"too long":    {message(strings.Repeat("x", 65508), "10.0.0.9:9"), syscall.EMSGSIZE},
		"a broadcast": {message("x", "10.0.0.255:9"), syscall.EACCES},
		"TTL 0":       {socket.Message{Buf: []byte("x"), Addr: netip.MustParseAddrPort("10.0.0.9:9"), Set: socket.FieldTTL}, syscall.EINVAL},
		"129 segments": {socket.Message{Buf: make([]byte, 129), Addr: netip.MustParseAddrPort("10.0.0.9:9"),
			Set: socket.FieldSegmentSize, SegmentSize: 1}, syscall.EINVAL},
	}
	for what, c := range bad {
		for _, at := range []int{0, 1, 31, 32, 33, 64} {
			s := h.open(t, "")
			var ms []socket.Message
			for n := range at {
				ms = append(ms, message(fmt.Sprint(n), "10.0.0.9:9"))
			}
			ms = append(ms, c.m, message("after", "10.0.0.9:9"))
			n, err := s.TrySend(ms)
			if at > 0 {
				if n != at || err != nil {
					t.Fatalf("%s at %d: %d, %v", what, at, n, err)
				}
				n, err = s.TrySend(ms[n:])
			}
			if n != 0 || !errors.Is(err, c.want) {
				t.Errorf("%s at %d: %d, %v, want %v", what, at, n, err, c.want)
			}
			if got := l.datagrams(t); len(got) != at {
				t.Errorf("%s at %d: %d were sent", what, at, len(got))
			}
			if st := s.Stats(); st.Sent != uint64(at) {
				t.Errorf("%s at %d: %d were counted", what, at, st.Sent)
			}
			s.Close()
		}
	}
	checkLedger(t, h)
}

// A train leaves as the datagrams that it is.
// Trains and plain datagrams in one batch, more than one call of the link can take.
// A message's own fields hold for that message and no other.
func TestFieldsOfAMessageToBeSent(t *testing.T) {
	h, l0, l1 := twoCables(t, Config{})
	h.eth0.AddAddress(netip.MustParsePrefix("10.0.0.3/24"))
	for _, a := range []string{"10.0.0.9", "10.1.0.9"} {
		h.eth0.AddNeighbor(netip.MustParseAddr(a), macPeer)
		h.Interface("eth1").AddNeighbor(netip.MustParseAddr(a), macPeer)
	}
	s := h.connected(t, "", "10.0.0.9:9")
	type header struct {
		by       string
		src      string
		ttl, tos uint8
	}
	plain := header{"eth0", "10.0.0.2", 64, 0}
	for _, c := range []struct {
		what string
		m    socket.Message
		want header
	}{
		{"nothing", socket.Message{}, plain},
		{"TTL", socket.Message{Set: socket.FieldTTL, TTL: 3}, header{"eth0", "10.0.0.2", 3, 0}},
		{"TOS", socket.Message{Set: socket.FieldTOS, TOS: 0xb9}, header{"eth0", "10.0.0.2", 64, 0xb9}},
		{"Local", socket.Message{Set: socket.FieldLocal, Local: netip.MustParseAddrPort("10.0.0.3:1")}, header{"eth0", "10.0.0.3", 64, 0}},
		{"Local of another interface", socket.Message{Set: socket.FieldLocal, Local: netip.MustParseAddrPort("10.1.0.2:1")}, header{"eth0", "10.1.0.2", 64, 0}},
		{"Interface", socket.Message{Set: socket.FieldInterface, Interface: 3}, header{"eth1", "10.1.0.2", 64, 0}},
		{"all of them", socket.Message{Set: socket.FieldInterface | socket.FieldLocal | socket.FieldTTL | socket.FieldTOS, Interface: 3,
			Local: netip.MustParseAddrPort("10.0.0.3:1"), TTL: 1, TOS: 2}, header{"eth1", "10.0.0.3", 1, 2}},
		{"fields that are not set", socket.Message{Interface: 3, TTL: 9, TOS: 9, Local: netip.MustParseAddrPort("10.0.0.3:1")}, plain},
	} {
		for _, batch := range []bool{false, true} {
			ms := []socket.Message{{Buf: []byte("before")}, c.m, {Buf: []byte("after")}}
			ms[1].Buf = []byte("own")
			if batch {
				if n, err := s.TrySend(ms); n != 3 || err != nil {
					t.Fatalf("%s: %d, %v", c.what, n, err)
				}
			} else {
				for k := range ms {
					if n, err := s.TrySend(ms[k : k+1]); n != 1 || err != nil {
						t.Fatalf("%s: %d, %v", c.what, n, err)
					}
				}
			}
			got := make(map[string]header)
			for k, l := range []*cable{l0, l1} {
				for _, d := range l.datagrams(t) {
					got[d.payload] = header{fmt.Sprint("eth", k), d.ip.Source().String(), d.ip.TTL(), d.ip.TOS()}
				}
			}
			if want := map[string]header{"before": plain, "own": c.want, "after": plain}; !reflect.DeepEqual(got, want) {
				t.Errorf("%s, batch %v: %v, want %v", c.what, batch, got, want)
			}
		}
	}
	for what, m := range map[string]socket.Message{
		"a TTL of 0":                {Set: socket.FieldTTL},
		"a source that is not ours": {Set: socket.FieldLocal, Local: netip.MustParseAddrPort("10.0.0.4:1")},
		"a source of nothing":       {Set: socket.FieldLocal},
		"no such interface":         {Set: socket.FieldInterface, Interface: 9},
		"a negative interface":      {Set: socket.FieldInterface, Interface: -1},
		"fields to receive only":    {Set: socket.FieldTime},
	} {
		if n, err := s.TrySend([]socket.Message{m}); n != 0 || err == nil {
			t.Errorf("%s: %d, %v", what, n, err)
		}
	}
	send(t, s, "still", "")
	if d := l0.datagrams(t); len(d) != 1 || d[0].ip.Source().String() != "10.0.0.2" {
		t.Errorf("after refused fields: %+v", d)
	}
	checkLedger(t, h)
}

func TestBroadcastsAndTheHostsOwnCopy(t *testing.T) {
	h, l := known(t, Config{})
	sharing := func(bind string) *Socket {
		s := h.open(t, "")
		setOption(t, s, socket.ReuseAddr, 1)
		if err := s.Bind(netip.MustParseAddrPort(bind)); err != nil {
			t.Fatal(err)
		}
		return s
	}
	hears := map[string]*Socket{"any": sharing("0.0.0.0:7"), "broadcast": sharing("10.0.0.255:7")}
	deaf := map[string]*Socket{"unicast": sharing("10.0.0.2:7"), "another port": h.open(t, "0.0.0.0:8")}
	s := h.open(t, "10.0.0.2:9")
	setOption(t, s, socket.Broadcast, 1)
	send(t, s, "one", "10.0.0.255:7")
	if n, err := s.TrySend([]socket.Message{message("two", "10.0.0.255:7"), message("uni", "10.0.0.9:9"), message("three", "10.0.0.255:7")}); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	for what, k := range hears {
		if got := payloads(t, k); !slices.Equal(got, []string{"one", "two", "three"}) {
			t.Errorf("%s heard %q", what, got)
		}
	}
	for what, k := range deaf {
		if got := payloads(t, k); len(got) != 0 {
			t.Errorf("%s heard %q", what, got)
		}
	}
	got := l.datagrams(t)
	if !slices.Equal(texts(got), []string{"one", "two", "uni", "three"}) || got[0].to != wire.Broadcast || got[2].to != macPeer {
		t.Errorf("sent %q", texts(got))
	}
	// Nobody listens: the copy is dropped by name.
	hears["any"].Close()
	hears["broadcast"].Close()
	send(t, s, "four", "255.255.255.255:7")
	checkDrops(t, h, drop.NoPort, 1)
	l.take()
	checkLedger(t, h)
}

// Broadcasts to several sockets share one buffer; each reads its own.
func TestManyReceiversShareOneBuffer(t *testing.T) {
	h, l := known(t, Config{})
	var all []*Socket
	for range 20 {
		s := h.open(t, "")
		setOption(t, s, socket.ReuseAddr, 1)
		if err := s.Bind(netip.MustParseAddrPort("0.0.0.0:7")); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	for n := range 5 {
		l.deliver(datagram{dst: "10.0.0.255:7", to: wire.Broadcast, payload: fmt.Sprint(n)}.frame())
	}
	all[3].Close()
	for k, s := range all {
		if k == 3 {
			continue
		}
		if got := payloads(t, s); !slices.Equal(got, []string{"0", "1", "2", "3", "4"}) {
			t.Errorf("socket %d read %q", k, got)
		}
	}
	if l := h.Ledger(); l.Cloned != 5*19 {
		t.Errorf("ledger: %+v", l)
	}
	checkLedger(t, h)
}

// A link that takes part of a batch leaves the rest to be dropped, by name.
// A link with a rate holds frames back: the socket's buffer stays charged until
// they have left.
// A batch stops where the buffer is full, and goes on from there.
// What is sent on a connected socket to other peers changes nothing for the peer.
func TestAConnectedSocketSendsElsewhere(t *testing.T) {
	h, l := known(t, Config{})
	h.eth0.AddNeighbor(netip.MustParseAddr("10.0.0.8"), macOther)
	s := h.connected(t, "", "10.0.0.9:9")
	for _, to := range []string{"", "10.0.0.8:8", "", "10.0.0.9:10", "10.0.0.9:9", "", "10.0.0.8:8"} {
		send(t, s, to, to)
	}
	var got []string
	for _, d := range l.datagrams(t) {
		got = append(got, fmt.Sprintf("%v:%d %v", d.ip.Destination(), d.udp.DestinationPort(), d.to == macPeer))
	}
	want := []string{"10.0.0.9:9 true", "10.0.0.8:8 false", "10.0.0.9:9 true", "10.0.0.9:10 true", "10.0.0.9:9 true", "10.0.0.9:9 true", "10.0.0.8:8 false"}
	if !slices.Equal(got, want) {
		t.Errorf("sent to %q, want %q", got, want)
	}
	checkLedger(t, h)
}

// What may be fragmented has an identifier; what may not needs none (RFC 6864).
func TestIdentifiers(t *testing.T) {
	h, l := known(t, Config{})
	s := h.connected(t, "", "10.0.0.9:9")
	setOption(t, s, socket.DontFragment, 0)
	seen := make(map[uint16]bool)
	for range 100 {
		send(t, s, "x", "")
		d := l.datagrams(t)[0]
		if d.ip.DontFragment() {
			t.Fatal("don't fragment is set")
		}
		seen[d.ip.ID()] = true
	}
	if len(seen) < 98 {
		t.Errorf("100 datagrams have %d identifiers", len(seen))
	}
	setOption(t, s, socket.DontFragment, 1)
	send(t, s, "x", "")
	if d := l.datagrams(t)[0]; !d.ip.DontFragment() {
		t.Error("don't fragment is not set")
	}
}
