package host

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
)

// dual returns an IPv6 socket that also carries IPv4, bound to every address.
func dual(t testing.TB) *Socket {
	t.Helper()
	needIPv6(t)
	return openAt(t, socket.IPv6, "[::]:0")
}

// Each field is there if it was asked for, and only then, on IPv4, on IPv6 and on
// IPv4 through an IPv6 socket.
func TestReport(t *testing.T) {
	for _, tc := range []struct {
		name   string
		open   func(testing.TB) *Socket
		sender func(testing.TB) *Socket
		local  string // as the receiver shall see it
		dest   string
	}{
		{"IPv4", open4, open4, "127.0.0.1", "127.0.0.1"},
		{"IPv6", open6, open6, "::1", "::1"},
		{"IPv4 on IPv6", dual, open4, "::ffff:127.0.0.1", "127.0.0.1"},
		{"IPv6 on dual", dual, open6, "::1", "::1"},
		{"mapped to mapped", dual, dual, "::ffff:127.0.0.1", "127.0.0.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, sender := tc.open(t), tc.sender(t)
			port := s.LocalAddr().Port()
			to := netip.AddrPortFrom(netip.MustParseAddr(tc.dest), port)
			want := socket.Message{
				Local:     netip.AddrPortFrom(netip.MustParseAddr(tc.local), port),
				Interface: loopback(t),
				TTL:       77,
				TOS:       0x2e<<2 | 1,
			}
			for bit := range 8 {
				fields := socket.Fields(1) << bit
				switch {
				case bit == 7:
					fields = allFields
				case fields == socket.FieldSegmentSize:
					continue // only a train has one
				}
				set1(t, s, socket.Report, int(fields))
				if got := get1(t, s, socket.Report); got != int(fields) {
					t.Errorf("Report = %b, want %b", got, fields)
				}
				before := time.Now()
				sendMessage(t, sender, socket.Message{Buf: []byte("x"), Addr: to, Set: socket.FieldTTL | socket.FieldTOS, TTL: 77, TOS: want.TOS})
				m := receive(t, s)
				after := time.Now()
				if want := fields &^ socket.FieldSegmentSize; m.Set != want {
					t.Errorf("Report %b: fields %b, want %b", fields, m.Set, want)
				}
				if m.Set&socket.FieldLocal != 0 && m.Local != want.Local {
					t.Errorf("Local = %v, want %v", m.Local, want.Local)
				}
				if m.Set&socket.FieldInterface != 0 && m.Interface != want.Interface {
					t.Errorf("Interface = %d, want %d", m.Interface, want.Interface)
				}
				if m.Set&socket.FieldTTL != 0 && m.TTL != want.TTL {
					t.Errorf("TTL = %d, want %d", m.TTL, want.TTL)
				}
				if m.Set&socket.FieldTOS != 0 && m.TOS != want.TOS {
					t.Errorf("TOS = %#x, want %#x", m.TOS, want.TOS)
				}
				// The wall clock's reading: no monotonic one is there.
				if m.Set&socket.FieldTime != 0 && (m.Time.Before(before.Round(0).Add(-time.Millisecond)) || m.Time.After(after.Round(0).Add(time.Millisecond))) {
					t.Errorf("Time = %v, want between %v and %v", m.Time, before, after)
				}
				if m.Set&socket.FieldDrops != 0 && m.Drops != 0 {
					t.Errorf("Drops = %d", m.Drops)
				}
				m.Buf, m.Len, m.Addr, m.Set, m.Local, m.Interface, m.TTL, m.TOS, m.Time = nil, 0, netip.AddrPort{}, 0, netip.AddrPort{}, 0, 0, 0, time.Time{}
				if fields != allFields {
					continue
				}
				if fmt.Sprint(m) != fmt.Sprint(socket.Message{}) {
					t.Errorf("there is more: %+v", m)
				}
			}
			set1(t, s, socket.Report, 0)
			send(t, sender, to, "x")
			if m := receive(t, s); m.Set != 0 || m.Local.IsValid() || m.TTL != 0 {
				t.Errorf("fields after they were switched off: %+v", m)
			}
		})
	}
}

func TestReportRefuses(t *testing.T) {
	s := open4(t)
	set1(t, s, socket.Report, int(socket.FieldTTL))
	for _, value := range []int{-1, int(allFields) + 1, 1 << 20} {
		if err := s.SetOption(socket.Report, value); err != syscall.EINVAL {
			t.Errorf("Report %#x = %v, want EINVAL", value, err)
		}
	}
	if got := get1(t, s, socket.Report); got != int(socket.FieldTTL) {
		t.Errorf("Report = %b after it was refused, want %b", got, socket.FieldTTL)
	}
}

// The port of Local is known however the socket came by it.
func TestLocalPort(t *testing.T) {
	peer := open4(t)
	s := openUnbound(t, socket.IPv4)
	set1(t, s, socket.Report, int(socket.FieldLocal))
	check := func() {
		t.Helper()
		send(t, s, peer.LocalAddr(), "x")
		send(t, peer, receive(t, peer).Addr, "y")
		if m := receive(t, s); m.Local != netip.AddrPortFrom(addrPort("127.0.0.1:0").Addr(), s.LocalAddr().Port()) {
			t.Errorf("Local = %v, want port %d", m.Local, s.LocalAddr().Port())
		}
	}
	check() // bound by sending
	must(t, s.Connect(peer.LocalAddr()))
	check()
	must(t, s.Connect(netip.AddrPort{}))
	check() // bound anew
}

func TestSendFrom(t *testing.T) {
	hearer := openAt(t, socket.IPv4, "127.0.0.1:0")
	s := openAt(t, socket.IPv4, "0.0.0.0:0")
	for _, tc := range []struct {
		name   string
		local  string
		set    socket.Fields
		index  int
		source string
	}{
		{"source", "127.0.0.9:0", socket.FieldLocal, 0, "127.0.0.9"},
		{"mapped source", "[::ffff:127.0.0.9]:0", socket.FieldLocal, 0, "127.0.0.9"},
		{"source and interface", "127.0.0.9:0", socket.FieldLocal | socket.FieldInterface, loopback(t), "127.0.0.9"},
		{"interface", "0.0.0.0:0", socket.FieldInterface, loopback(t), "127.0.0.1"},
		{"any source", "0.0.0.0:0", socket.FieldLocal, 0, "127.0.0.1"},
		{"any interface", "0.0.0.0:0", socket.FieldInterface, 0, "127.0.0.1"},
	} {
		sendMessage(t, s, socket.Message{Addr: hearer.LocalAddr(), Set: tc.set, Local: addrPort(tc.local), Interface: tc.index})
		if m := receive(t, hearer); m.Addr.Addr().String() != tc.source {
			t.Errorf("%s: from %v, want %s", tc.name, m.Addr, tc.source)
		}
	}
	// Linux changed its mind about which of the two it is.
	n, err := s.TrySend([]socket.Message{{Addr: hearer.LocalAddr(), Set: socket.FieldLocal, Local: addrPort("198.51.100.1:0")}})
	if n != 0 || err != syscall.ENETUNREACH && err != syscall.EINVAL {
		t.Errorf("TrySend from an address that is not local = %d, %v; want ENETUNREACH or EINVAL", n, err)
	}
}

func TestSendFromIPv6(t *testing.T) {
	hearer, s := dual(t), dual(t)
	port := hearer.LocalAddr().Port()
	v4, mapped := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port), netip.AddrPortFrom(netip.MustParseAddr("::ffff:127.0.0.1"), port)
	v6 := netip.AddrPortFrom(netip.MustParseAddr("::1"), port)
	for _, tc := range []struct {
		to     netip.AddrPort
		local  string
		source string
	}{
		{v4, "127.0.0.9:0", "::ffff:127.0.0.9"},
		{mapped, "127.0.0.9:0", "::ffff:127.0.0.9"},
		{mapped, "[::ffff:127.0.0.9]:0", "::ffff:127.0.0.9"},
		{v6, "[::1]:0", "::1"},
		{v6, "[::]:0", "::1"},
	} {
		sendMessage(t, s, socket.Message{Addr: tc.to, Set: socket.FieldLocal | socket.FieldTTL | socket.FieldTOS | socket.FieldInterface, Local: addrPort(tc.local), TTL: 3, TOS: 4, Interface: loopback(t)})
		if m := receive(t, hearer); m.Addr.Addr().String() != tc.source {
			t.Errorf("to %v from %s: came from %v, want %s", tc.to, tc.local, m.Addr, tc.source)
		}
	}
	for _, m := range []socket.Message{
		{Addr: v4, Set: socket.FieldLocal, Local: addrPort("[::1]:0")},
		{Addr: v6, Set: socket.FieldLocal, Local: addrPort("127.0.0.1:0")},
	} {
		if n, err := s.TrySend([]socket.Message{m}); n != 0 || err != syscall.EINVAL {
			t.Errorf("TrySend to %v from %v = %d, %v; want EINVAL", m.Addr, m.Local, n, err)
		}
	}

	// Connected to an IPv4 peer, control messages are IPv4's too.
	must(t, s.Connect(mapped))
	if peer, err := s.PeerAddr(); peer != mapped || err != nil {
		t.Errorf("PeerAddr = %v, %v; want %v", peer, err, mapped)
	}
	set1(t, hearer, socket.Report, int(socket.FieldTTL))
	sendMessage(t, s, socket.Message{Set: socket.FieldTTL, TTL: 9})
	if m := receive(t, hearer); m.TTL != 9 {
		t.Errorf("TTL %d from a socket connected to an IPv4 address, want 9", m.TTL)
	}
	must(t, s.Connect(netip.AddrPort{}))
	must(t, s.Connect(v4)) // and so when it is written as one
	sendMessage(t, s, socket.Message{Set: socket.FieldTTL, TTL: 10})
	if m := receive(t, hearer); m.TTL != 10 {
		t.Errorf("TTL %d, want 10", m.TTL)
	}

	only := openUnbound(t, socket.IPv6)
	set1(t, only, socket.IPv6Only, 1)
	if n, err := only.TrySend([]socket.Message{{Addr: v4}}); n != 0 || err != syscall.ENETUNREACH {
		t.Errorf("TrySend to IPv4 from an IPv6 only socket = %d, %v; want ENETUNREACH", n, err)
	}
}

// A message that was received and turned round goes back from where it was sent
// to.
func TestReply(t *testing.T) {
	for _, tc := range []struct {
		server  func(testing.TB) *Socket
		client  func(testing.TB) *Socket
		address string
	}{
		{func(t testing.TB) *Socket { return openAt(t, socket.IPv4, "0.0.0.0:0") }, open4, "127.0.0.5"},
		{dual, open4, "127.0.0.5"},
		{dual, open6, "::1"},
		{dual, openLinkLocal, ""},
	} {
		server, client := tc.server(t), tc.client(t)
		set1(t, server, socket.Report, int(allFields))
		addr := client.LocalAddr().Addr()
		if tc.address != "" {
			addr = netip.MustParseAddr(tc.address)
		}
		to := netip.AddrPortFrom(addr, server.LocalAddr().Port())
		send(t, client, to, "there")
		m := receive(t, server)
		m.Reply()
		m.Buf = []byte("and back")
		sendMessage(t, server, m)
		if back := receive(t, client); back.Addr != to || string(back.Buf) != "and back" {
			t.Errorf("sent to %v, answered by %v with %q", to, back.Addr, back.Buf)
		}
	}
}

func TestZones(t *testing.T) {
	s := openLinkLocal(t)
	self := s.LocalAddr()
	if self.Addr().Zone() == "" {
		t.Fatalf("a link-local socket's own address is %v, without a zone", self)
	}
	set1(t, s, socket.Report, int(socket.FieldLocal|socket.FieldInterface))
	send(t, s, self, "by name")
	m := receive(t, s)
	if m.Addr != self || m.Local != self {
		t.Errorf("from %v to %v, want %v", m.Addr, m.Local, self)
	}
	// The index will do, and an interface that does not exist will not. The
	// datagram comes in by lo, but is of the zone it was sent in.
	var index int
	list, err := Network{}.Interfaces()
	must(t, err)
	for _, ifi := range list {
		if ifi.Name == self.Addr().Zone() {
			index = ifi.Index
		}
	}
	send(t, s, netip.AddrPortFrom(self.Addr().WithZone(strconv.Itoa(index)), self.Port()), "by index")
	receive(t, s)
	for _, zone := range []string{"nosuch0", "0", "-1", "a name that is longer than an interface's can be"} {
		to := netip.AddrPortFrom(self.Addr().WithZone(zone), self.Port())
		if n, err := s.TrySend([]socket.Message{{Addr: to}}); n != 0 || err != syscall.ENODEV {
			t.Errorf("TrySend to %v = %d, %v; want ENODEV", to, n, err)
		}
		from := socket.Message{Addr: self, Set: socket.FieldLocal, Local: to}
		if n, err := s.TrySend([]socket.Message{from}); n != 0 || err != syscall.ENODEV {
			t.Errorf("TrySend from %v = %d, %v; want ENODEV", to, n, err)
		}
	}
}

func TestTrains(t *testing.T) {
	s, plain, trains := open4(t), open4(t), open4(t)
	set1(t, trains, socket.Report, int(socket.FieldSegmentSize))
	payload := bytes.Repeat([]byte("0123456789"), 10)[:95]
	train := socket.Message{Buf: payload, Set: socket.FieldSegmentSize, SegmentSize: 10}

	train.Addr = plain.LocalAddr()
	sendMessage(t, s, train)
	var got []byte
	for i := range 10 {
		m := receive(t, plain)
		if want := min(10, 95-10*i); m.Len != want || m.Set != 0 {
			t.Errorf("datagram %d of a train has %d bytes and fields %b, want %d and none", i, m.Len, m.Set, want)
		}
		got = append(got, m.Buf...)
	}
	if !bytes.Equal(got, payload) {
		t.Errorf("received %q", got)
	}

	train.Addr = trains.LocalAddr()
	sendMessage(t, s, train)
	m := receive(t, trains)
	if !bytes.Equal(m.Buf, payload) || m.Set != socket.FieldSegmentSize || m.SegmentSize != 10 {
		t.Errorf("received %q in segments of %d (fields %b), want all of it in segments of 10", m.Buf, m.SegmentSize, m.Set)
	}
	if sent, read := s.Stats(), trains.Stats(); sent.Sent != 20 || sent.SentBytes != 190 || read.Received != 10 || read.ReceivedBytes != 95 {
		t.Errorf("sent %+v, received %+v; want 20 datagrams of 190 bytes, 10 of 95", sent, read)
	}

	// What is no train is a datagram.
	for _, m := range []socket.Message{
		{Buf: payload[:10], Set: socket.FieldSegmentSize, SegmentSize: 10},
		{Buf: payload[:10], Set: socket.FieldSegmentSize, SegmentSize: 11},
		{Buf: payload[:10], Set: socket.FieldSegmentSize},
	} {
		m.Addr = trains.LocalAddr()
		sendMessage(t, s, m)
		if got := receive(t, trains); got.Set != 0 || got.Len != 10 {
			t.Errorf("segments of %d: received %d bytes, fields %b; want 10 and none", m.SegmentSize, got.Len, got.Set)
		}
	}

	set1(t, trains, socket.Report, 0)
	sendMessage(t, s, train)
	if m := receive(t, trains); m.Len != 10 {
		t.Errorf("a train came as %d bytes after it was switched off, want 10", m.Len)
	}
}

func TestDrops(t *testing.T) {
	s, sender := open4(t), open4(t)
	overflow := func() (lost int) {
		t.Helper()
		before := s.Stats().Dropped[drop.ReceiveQueueFull]
		for range 500 {
			send(t, sender, s.LocalAddr(), "x")
		}
		return int(s.Stats().Dropped[drop.ReceiveQueueFull] - before)
	}
	drain := func() (read, told int) {
		t.Helper()
		ms := make([]socket.Message, 10)
		for {
			n, err := s.TryRecv(ms)
			if err == syscall.EAGAIN {
				return read, told
			}
			must(t, err)
			read += n
			for i := range ms[:n] {
				if ms[i].Set&socket.FieldDrops == 0 {
					t.Fatal("a datagram does not say what was lost")
				}
				told += int(ms[i].Drops)
			}
		}
	}

	set1(t, s, socket.ReceiveBuffer, 0)
	if lost := overflow(); lost == 0 {
		t.Fatal("nothing was lost in the smallest buffer")
	}
	// Those are past: only what is lost from now on is told.
	set1(t, s, socket.Report, int(socket.FieldDrops))
	_, _ = drain()
	send(t, sender, s.LocalAddr(), "x")
	if m := receive(t, s); m.Drops != 0 {
		t.Errorf("Drops = %d before anything was lost", m.Drops)
	}

	total := 0
	for range 3 {
		lost := overflow()
		if read, told := drain(); read+lost != 500 || told != 0 {
			t.Errorf("read %d and lost %d of 500; told of %d before there was a datagram behind them", read, lost, told)
		}
		send(t, sender, s.LocalAddr(), "after")
		peeked := socket.Message{}
		must(t, s.TryPeek(&peeked))
		m := receive(t, s)
		if int(m.Drops) != lost || int(peeked.Drops) != lost {
			t.Errorf("Drops = %d (peeked %d), want %d", m.Drops, peeked.Drops, lost)
		}
		total += lost
	}
	st := s.Stats()
	must(t, s.Close())
	if after := s.Stats(); after.Dropped[drop.ReceiveQueueFull] != st.Dropped[drop.ReceiveQueueFull] {
		t.Errorf("Dropped after Close = %v, before: %v", after.Dropped, st.Dropped)
	}
	if sender.Stats().Dropped != nil {
		t.Errorf("the sender dropped %v", sender.Stats().Dropped)
	}
}

// Several goroutines may read a total out of order; each loss is told once.
func TestDropsOutOfOrder(t *testing.T) {
	s := new(Socket)
	s.dropped.Store(1<<32 - 3)
	for _, tc := range []struct {
		total, want uint32
		peek        bool
	}{{1<<32 - 3, 0, false}, {1<<32 - 1, 2, true}, {1<<32 - 1, 2, false}, {1<<32 - 2, 0, false}, {4, 5, false}, {4, 0, false}, {2, 0, false}, {5, 1, false}} {
		if got := s.dropsSince(tc.total, tc.peek); got != tc.want {
			t.Errorf("dropsSince(%d, %v) = %d, want %d", tc.total, tc.peek, got, tc.want)
		}
	}
}

// Control messages that are cut short or of an unknown kind are passed over.
func TestReadControlHostile(t *testing.T) {
	s := open4(t)
	m := socket.Message{Set: socket.SendFields, Local: s.LocalAddr(), Interface: 1, TTL: 1, TOS: 1, SegmentSize: 1, Buf: []byte("xx")}
	for _, v4 := range []bool{true, false} {
		if !v4 {
			m.Local = addrPort("[::1]:0")
		}
		var c control
		good, errno := appendControl(c.b[:0], 0, &m, v4)
		if errno != 0 {
			t.Fatal(errno)
		}
		for n := range len(good) + 1 {
			for at := range n {
				for _, v := range []byte{0, 1, 0xff} {
					var d control
					b := d.b[:copy(d.b[:], good[:n])]
					b[at] = v
					var got socket.Message
					s.readControl(0, &got, allFields, b, false)
				}
			}
		}
	}
}
