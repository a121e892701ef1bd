//go:build linux

package conformance

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
)

// reported is every field that the table's cases ask for.
const reported = socket.FieldLocal | socket.FieldInterface | socket.FieldTTL | socket.FieldTOS | socket.FieldTime

// train is a message of several datagrams.
func train(to string, size, segment int) socket.Message {
	var b strings.Builder
	for i := range size {
		b.WriteByte(byte('a' + i/max(segment, 1)%26))
	}
	m := socket.Message{Buf: []byte(b.String()), Set: socket.FieldSegmentSize, SegmentSize: uint16(segment)}
	if to != "" {
		m.Addr = addrPort(to)
	}
	return m
}

var fieldCases = []testCase{
	{name: "FieldsNone", rules: "D-CMSG-07", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		r.wantOption(socket.Report, 0)
		s.send(r.local(), "x")
		m := r.want("x")
		if m.Set != 0 || m.Local.IsValid() || m.Interface != 0 || m.TTL != 0 || m.TOS != 0 || !m.Time.IsZero() || m.Drops != 0 {
			t.Errorf("fields that nobody asked for: %+v", m)
		}
	}},
	{name: "FieldsEach", rules: "D-CMSG-01 D-CMSG-02 D-CMSG-03 D-CMSG-04 D-CMSG-05 D-CMSG-07", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "0.0.0.0:0")
		s := open(t, n)
		s.set(socket.TTL, 33)
		s.set(socket.TOS, 0x29)
		before := n.Clock().Now()
		for _, f := range []socket.Fields{socket.FieldLocal, socket.FieldInterface, socket.FieldTTL, socket.FieldTOS, socket.FieldTime, reported} {
			r.set(socket.Report, int(f))
			r.wantOption(socket.Report, int(f))
			s.send(at("127.0.0.9", r.port()), "x")
			m := r.want("x")
			// FieldLocal and FieldInterface are one control message
			// (IP_PKTINFO), but what was not asked for is not told.
			if m.Set != f {
				t.Errorf("asked for %b, told %b", f, m.Set)
			}
			if f&socket.FieldLocal != 0 && m.Local != addrPort(at("127.0.0.9", r.port())) {
				t.Errorf("Local is %v", m.Local)
			}
			if f&socket.FieldInterface != 0 && m.Interface != n.Index(t, "lo") {
				t.Errorf("Interface is %d", m.Interface)
			}
			if f&socket.FieldTTL != 0 && m.TTL != 33 {
				t.Errorf("TTL is %d, want 33", m.TTL)
			}
			if f&socket.FieldTOS != 0 && m.TOS != 0x29 {
				t.Errorf("TOS is %#x, want 0x29", m.TOS)
			}
			if f&socket.FieldTime != 0 && (m.Time.Before(before.Add(-time.Second)) || m.Time.After(n.Clock().Now().Add(time.Second))) {
				t.Errorf("Time is %v, now is %v", m.Time, n.Clock().Now())
			}
		}
	}},
	{name: "FieldsFromWire", rules: "D-CMSG-01 D-CMSG-02 D-CMSG-03 D-CMSG-04", needs: Wires, run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "0.0.0.0:4000")
		r.set(socket.Report, int(reported))
		for _, tc := range []struct {
			w        *Wire
			from, to string
			ttl, tos uint8
		}{
			{n.Eth0, "10.0.0.2:9", "10.0.0.1:4000", 1, 0},
			{n.Eth0, "10.0.0.2:9", "10.0.0.7:4000", 255, 0xff},
			{n.Eth1, "10.1.0.2:9", "10.1.0.1:4000", 64, 3},
			{n.Eth0, "10.0.0.2:9", "10.0.0.255:4000", 2, 0xb8},
			{n.Eth0, "10.0.0.2:9", "255.255.255.255:4000", 3, 1},
		} {
			tc.w.SendIP(Datagram{From: tc.from, To: tc.to, Payload: tc.to, TTL: tc.ttl, TOS: tc.tos}.Bytes())
			m := r.wantFrom(tc.to, tc.from)
			if m.Local != addrPort(tc.to) || m.Interface != n.Index(t, tc.w.Name) || m.TTL != tc.ttl || m.TOS != tc.tos {
				t.Errorf("to %s by %s: Local %v, Interface %d, TTL %d, TOS %#x", tc.to, tc.w.Name, m.Local, m.Interface, m.TTL, m.TOS)
			}
		}
	}},
	{name: "FieldsOnPeek", rules: "D-CMSG-16", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		r.set(socket.Report, int(reported))
		s := open(t, n)
		s.set(socket.TTL, 9)
		s.send(r.local(), "x")
		r.await(socket.Readable)
		m := socket.Message{Buf: make([]byte, 10)}
		if err := r.TryPeek(&m); err != nil {
			t.Fatal(err)
		}
		if m.Set != reported || m.TTL != 9 || m.Local != r.LocalAddr() {
			t.Errorf("a peek tells %b: %+v", m.Set, m)
		}
		if again := r.want("x"); again.Set != m.Set || again.TTL != 9 || !again.Time.Equal(m.Time) {
			t.Errorf("the receive tells %+v, the peek told %+v", again, m)
		}
	}},
	{name: "FieldsReportUnknown", rules: "D-CMSG-07", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		if err := s.SetOption(socket.Report, 1<<15); err == nil {
			t.Error("a field that does not exist can be asked for")
		}
		s.wantOption(socket.Report, 0)
	}},
	{name: "SendLocal", rules: "D-CMSG-08 D-CMSG-19", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "0.0.0.0:4000")
		msg := func(local string) socket.Message {
			return socket.Message{Buf: []byte("x"), Addr: addrPort("10.0.0.2:9"), Set: socket.FieldLocal, Local: addrPort(local)}
		}
		for _, a := range []string{"10.0.0.7", "10.1.0.1", "10.3.0.1"} {
			s.sendMessage(msg(a + ":1234"))
			if p := n.Eth0.NextUDP(t, "x"); p.Source() != addrPort(a+":4000") {
				t.Errorf("with Local %s it is from %v", a, p.Source())
			}
		}
		for a, want := range map[string]error{
			"10.0.0.2": syscall.ENETUNREACH, "203.0.113.1": syscall.ENETUNREACH, "10.0.0.255": syscall.ENETUNREACH,
			"255.255.255.255": syscall.EINVAL, "239.1.2.3": syscall.EINVAL,
		} {
			if err := s.trySend(msg(a + ":0")); err != want {
				t.Errorf("with Local %s: %v, want %v", a, name(err), name(want))
			}
		}
		s.send("10.0.0.2:9", "y")
		if p := n.Eth0.NextUDP(t, "y"); p.Source() != addrPort("10.0.0.1:4000") {
			t.Errorf("without Local it is from %v", p.Source())
		}
		c := connected(t, n, "10.0.0.2:9")
		m := msg("10.0.0.7:0")
		m.Addr = addrPort("10.0.0.2:9")
		c.sendMessage(m)
		if p := n.Eth0.NextUDP(t, "x"); p.Source() != addrPort(at("10.0.0.7", c.port())) {
			t.Errorf("connected, with Local, it is from %v", p.Source())
		}
		c.send("", "z")
		if p := n.Eth0.NextUDP(t, "z"); p.Source() != addrPort(at("10.0.0.1", c.port())) {
			t.Errorf("connected, without Local, it is from %v", p.Source())
		}
	}},
	{name: "SendLocalConnected", rules: "D-CMSG-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		c := connected(t, n, "10.0.0.2:9")
		c.sendMessage(socket.Message{Buf: []byte("x"), Set: socket.FieldLocal, Local: addrPort("10.0.0.7:0")})
		if p := n.Eth0.NextUDP(t, "x"); p.Source() != addrPort(at("10.0.0.7", c.port())) {
			t.Errorf("to the peer, with Local, it is from %v", p.Source())
		}
	}},
	{name: "SendInterface", rules: "D-CMSG-09 D-CMSG-19", needs: Wires | DefaultRoute, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "0.0.0.0:4000")
		s.set(socket.Broadcast, 1)
		msg := func(to, ifname string) socket.Message {
			return socket.Message{Buf: []byte("x"), Addr: addrPort(to), Set: socket.FieldInterface, Interface: n.Index(t, ifname)}
		}
		for _, tc := range []struct {
			to string
			w  *Wire
			// The source is the interface's, and where no route leads by it
			// the destination is taken to be on link.
			source string
		}{
			{"255.255.255.255:9", n.Eth0, "10.0.0.1"},
			{"255.255.255.255:9", n.Eth1, "10.1.0.1"},
			{"10.0.0.2:9", n.Eth0, "10.0.0.1"},
			{"10.0.0.2:9", n.Eth1, "10.1.0.1"},
			{"198.51.100.200:9", n.Eth1, "10.1.0.1"},
		} {
			s.sendMessage(msg(tc.to, tc.w.Name))
			if p := tc.w.NextUDP(t, "x"); p.Source() != addrPort(tc.source+":4000") || p.Destination() != addrPort(tc.to) {
				t.Errorf("to %s by %s: %v, want it from %s", tc.to, tc.w.Name, p, tc.source)
			}
		}
		// The less specific route leads by eth0, and only it counts there.
		s.sendMessage(msg("198.51.100.200:9", "eth0"))
		if p := n.Eth0.NextUDP(t, "x"); p.Source() != addrPort("10.0.0.1:4000") {
			t.Errorf("to 198.51.100.200 by eth0: %v", p)
		}
		s.send("255.255.255.255:9", "y") // the default route's again
		n.Eth0.NextUDP(t, "y")
		both := msg("255.255.255.255:9", "eth1")
		both.Set |= socket.FieldLocal
		both.Local = addrPort("10.0.0.7:0")
		s.sendMessage(both)
		if p := n.Eth1.NextUDP(t, "x"); p.Source() != addrPort("10.0.0.7:4000") {
			t.Errorf("with Interface and Local: %v, want it from 10.0.0.7", p)
		}
	}},
	{name: "SendInterfaceSource", rules: "D-CMSG-22 D-CMSG-09 D-CMSG-19", needs: Wires, run: func(t *testing.T, n *Machine) {
		for _, addr := range []string{"10.1.0.1:4000", "127.0.0.1:4000", "10.0.0.7:4000"} {
			s := bound(t, n, addr)
			s.sendMessage(socket.Message{Buf: []byte("x"), Addr: addrPort("10.0.0.2:9"), Set: socket.FieldInterface, Interface: n.Index(t, "eth0")})
			if p := n.Eth0.NextUDP(t, "x"); p.Source() != addrPort("10.0.0.1:4000") {
				t.Errorf("bound to %s, by eth0: %v, want it from 10.0.0.1", addr, p)
			}
			s.sendMessage(socket.Message{Buf: []byte("y"), Addr: addrPort("10.1.0.2:9"), Set: socket.FieldInterface}) // no interface
			if p := n.Eth1.NextUDP(t, "y"); p.Source() != addrPort("10.1.0.1:4000") {
				t.Errorf("bound to %s, by interface 0: %v, want it from 10.1.0.1", addr, p)
			}
			s.Close()
		}
		c := bound(t, n, "10.0.0.7:4000")
		c.connect("10.0.0.2:9")
		c.sendMessage(socket.Message{Buf: []byte("x"), Set: socket.FieldInterface, Interface: n.Index(t, "eth0")})
		if p := n.Eth0.NextUDP(t, "x"); p.Source() != addrPort("10.0.0.1:4000") {
			t.Errorf("connected, by eth0: %v, want it from 10.0.0.1", p)
		}
		c.send("", "y")
		if p := n.Eth0.NextUDP(t, "y"); p.Source() != addrPort("10.0.0.7:4000") {
			t.Errorf("connected, without: %v, want it from 10.0.0.7", p)
		}
	}},
	{name: "SendInterfaceBeforeDevice", rules: "D-CMSG-23", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.set(socket.BindInterface, n.Index(t, "eth0"))
		s.sendMessage(socket.Message{Buf: []byte("x"), Addr: addrPort("10.1.0.2:9"), Set: socket.FieldInterface, Interface: n.Index(t, "eth1")})
		if p := n.Eth1.NextUDP(t, "x"); p.IP.Source().String() != "10.1.0.1" {
			t.Errorf("%v, want it from 10.1.0.1", p)
		}
	}},
	{name: "SendInterfaceUnknown", rules: "D-CMSG-20", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		m := socket.Message{Buf: []byte("x"), Addr: addrPort("127.0.0.1:9"), Set: socket.FieldInterface, Interface: 9999}
		if err := s.trySend(m); err != syscall.ENODEV {
			t.Errorf("by interface 9999: %v, want ENODEV", name(err))
		}
		m.Interface = 0 // says nothing
		s.sendMessage(m)
	}},
	{name: "SendTTL", rules: "D-CMSG-10 D-CMSG-19 D-CMSG-03", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		r.set(socket.Report, int(socket.FieldTTL))
		s := open(t, n)
		s.set(socket.TTL, 50)
		for _, ttl := range []uint8{1, 7, 255} {
			s.sendMessage(socket.Message{Buf: []byte("x"), Addr: r.LocalAddr(), Set: socket.FieldTTL, TTL: ttl})
			if m := r.want("x"); m.TTL != ttl {
				t.Errorf("TTL is %d, want %d", m.TTL, ttl)
			}
		}
		err := s.trySend(socket.Message{Buf: []byte("x"), Addr: r.LocalAddr(), Set: socket.FieldTTL})
		if err != syscall.EINVAL {
			t.Errorf("with TTL 0: %v, want EINVAL", name(err))
		}
		s.send(r.local(), "y")
		if m := r.want("y"); m.TTL != 50 {
			t.Errorf("without, TTL is %d, want 50", m.TTL)
		}
		// Not set is not heeded.
		s.sendMessage(socket.Message{Buf: []byte("z"), Addr: r.LocalAddr(), TTL: 3, TOS: 4})
		if m := r.want("z"); m.TTL != 50 {
			t.Errorf("not set, TTL is %d, want 50", m.TTL)
		}
	}},
	{name: "SendTOS", rules: "D-CMSG-11 D-CMSG-19 D-CMSG-04", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		r.set(socket.Report, int(socket.FieldTOS))
		s := open(t, n)
		s.set(socket.TOS, 0x10)
		for _, tos := range []uint8{0, 1, 2, 3, 0xb8, 0xff} {
			s.sendMessage(socket.Message{Buf: []byte("x"), Addr: r.LocalAddr(), Set: socket.FieldTOS, TOS: tos})
			if m := r.want("x"); m.TOS != tos {
				t.Errorf("TOS is %#x, want %#x", m.TOS, tos)
			}
		}
		s.send(r.local(), "y")
		if m := r.want("y"); m.TOS != 0x10 {
			t.Errorf("without, TOS is %#x, want 0x10", m.TOS)
		}
	}},
	{name: "SendSegments", rules: "D-CMSG-12", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		for _, tc := range []struct{ size, segment int }{
			{1000, 100}, {1050, 100}, {100, 100}, {99, 100}, {101, 100}, {1, 1}, {5, 1}, {60000, 1000}, {0, 100},
		} {
			m := train(r.local(), tc.size, tc.segment)
			s.sendMessage(m)
			rest := string(m.Buf)
			for {
				k := min(tc.segment, len(rest))
				if got := r.wantFrom(rest[:k], at("127.0.0.1", s.port())); got.Set != 0 {
					t.Errorf("a datagram of a train tells %b", got.Set)
				}
				rest = rest[k:]
				if rest == "" {
					break
				}
			}
			r.wantNothing()
		}
		c := connected(t, n, r.local())
		c.sendMessage(train("", 250, 100))
		for _, k := range []int{100, 100, 50} {
			m, err := r.recv()
			if err != nil || m.Len != k {
				t.Errorf("got %d bytes, %v, want %d", m.Len, err, k)
			}
		}
	}},
	{name: "SendSegmentsOverWire", rules: "D-CMSG-12 D-CSUM-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		m := train("", 5000, 1472)
		s.sendMessage(m)
		for _, part := range []string{string(m.Buf[:1472]), string(m.Buf[1472:2944]), string(m.Buf[2944:4416]), string(m.Buf[4416:])} {
			if p := n.Eth0.NextUDP(t, part); p.Destination() != addrPort("10.0.0.2:9") {
				t.Errorf("a segment went to %v", p.Destination())
			}
		}
		m = train("", 300, 100)
		m.Set |= socket.FieldTTL | socket.FieldTOS
		m.TTL, m.TOS = 5, 0x42
		s.sendMessage(m)
		for range 3 {
			if p := n.Eth0.Next(t); p.IP.TTL() != 5 || p.IP.TOS() != 0x42 {
				t.Errorf("a segment has TTL %d and TOS %#x, want 5 and 0x42", p.IP.TTL(), p.IP.TOS())
			}
		}
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "SendSegmentsTooMany", rules: "D-CMSG-13", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		s.sendMessage(train(r.local(), 1280, 10))
		settle(t, n)
		if got := drain(t, r); got != 128 {
			t.Errorf("a train of 128 arrived as %d datagrams", got)
		}
		if err := s.trySend(train(r.local(), 1281, 10)); err != syscall.EINVAL {
			t.Errorf("129 segments: %v, want EINVAL", name(err))
		}
		r.wantNothing()
	}},
	{name: "SendSegmentsTooLong", rules: "D-CMSG-14", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		if err := s.trySend(train("", 3000, 1473)); err != syscall.EMSGSIZE {
			t.Errorf("segments of 1473 bytes: %v, want EMSGSIZE", name(err))
		}
		// A segment size over the payload counts by the payload.
		s.sendMessage(train("", 1000, 9000))
		if p := n.Eth0.Next(t); len(p.Data) != 1000 {
			t.Errorf("got %d bytes, want 1000", len(p.Data))
		}
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "SendSegmentsNoChecksum", rules: "D-CMSG-15", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		s.set(socket.NoChecksum, 1)
		if err := s.trySend(train(r.local(), 300, 100)); err != syscall.EINVAL {
			t.Errorf("segments and NoChecksum: %v, want EINVAL", name(err))
		}
		r.wantNothing()
		for _, size := range []int{0, 1, 99, 100} {
			m := train(r.local(), size, 100)
			s.sendMessage(m)
			r.want(string(m.Buf))
		}
	}},
	{name: "SendSegmentsLimits", rules: "D-CMSG-21", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		if err := s.trySend(train(r.local(), 65508, 1000)); err != syscall.EMSGSIZE {
			t.Errorf("a train of 65508 bytes: %v, want EMSGSIZE", name(err))
		}
		s.sendMessage(train(r.local(), 65507, 1000))
		settle(t, n)
		if got := drain(t, r); got != 66 {
			t.Errorf("a train of 65507 bytes arrived as %d datagrams, want 66", got)
		}
		m := train(r.local(), 300, 0)
		s.sendMessage(m)
		r.want(string(m.Buf))
	}},
	{name: "SendSegmentsBatch", rules: "D-CMSG-12 S-BATCH-02", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		ms := []socket.Message{
			{Buf: []byte("before"), Addr: r.LocalAddr()},
			train(r.local(), 6, 2),
			{Buf: []byte("after"), Addr: r.LocalAddr()},
		}
		if k, err := s.TrySend(ms); k != 3 || err != nil {
			t.Fatalf("TrySend: %d, %v", k, name(err))
		}
		for _, p := range []string{"before", "aa", "bb", "cc", "after"} {
			r.want(p)
		}
		if st := s.Stats(); st.Sent != 5 || st.SentBytes != 17 {
			t.Errorf("Stats: %d datagrams, %d bytes, want 5 and 17", st.Sent, st.SentBytes)
		}
	}},
	{name: "Reply", rules: "D-CMSG-17 D-CMSG-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "0.0.0.0:4000")
		s.set(socket.Report, int(reported))
		for i, to := range []string{"10.0.0.7:4000", "10.1.0.1:4000", "10.0.0.1:4000", "255.255.255.255:4000"} {
			payload := fmt.Sprint("question ", i)
			n.Eth0.SendUDP("10.0.0.2:9", to, payload)
			m := s.want(payload)
			m.Reply()
			m.Buf = []byte("answer")
			s.sendMessage(m)
			want := to
			if i == 3 {
				want = "10.0.0.1:4000" // a broadcast address is no source
			}
			if p := n.Eth0.NextUDP(t, "answer"); p.Source() != addrPort(want) || p.Destination() != addrPort("10.0.0.2:9") {
				t.Errorf("asked at %s the answer is %v", to, p)
			}
		}
	}},
}
