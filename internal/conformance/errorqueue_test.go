//go:build linux

package conformance

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// queued reads the next entry of the error queue.
func (s *sock) queued() socket.ErrorMessage {
	s.t.Helper()
	m := socket.ErrorMessage{Buf: make([]byte, 0, 2000)}
	err := s.TryRecvError(&m)
	if err == syscall.EAGAIN && s.await(socket.ErrorQueued) {
		err = s.TryRecvError(&m)
	}
	if err != nil {
		s.t.Fatalf("the error queue of the socket at %v: %v", s.LocalAddr(), name(err))
	}
	return m
}

// wantQueued reads the next entry, which must have the errno.
func (s *sock) wantQueued(want syscall.Errno) socket.ErrorMessage {
	s.t.Helper()
	m := s.queued()
	if m.Errno != want {
		s.t.Errorf("the error queue of the socket at %v has %v, want %v", s.LocalAddr(), name(m.Errno), name(want))
	}
	return m
}

// wantNoneQueued checks that the error queue is empty.
func (s *sock) wantNoneQueued() {
	s.t.Helper()
	settle(s.t, s.n)
	var m socket.ErrorMessage
	if err := s.TryRecvError(&m); err != syscall.EAGAIN {
		s.t.Errorf("the error queue of the socket at %v: %v, %+v, want EAGAIN", s.LocalAddr(), name(err), m)
	}
	if got := s.Ready(socket.ErrorQueued); got != 0 {
		s.t.Error("the error queue is called not empty")
	}
}

// wantEntry compares an entry with all that is to be known of it.
func wantEntry(t *testing.T, got, want socket.ErrorMessage, payload string) {
	t.Helper()
	if string(got.Buf) != payload || got.Len != len(payload) {
		t.Errorf("the payload is %.40q of %d bytes, want %.40q", got.Buf, got.Len, payload)
	}
	got.Buf, got.Len = nil, 0
	if got.Addr != want.Addr || got.Errno != want.Errno || got.Origin != want.Origin || got.Type != want.Type ||
		got.Code != want.Code || got.Info != want.Info || got.Offender != want.Offender || got.Set != want.Set {
		t.Errorf("the entry is\n%+v, want\n%+v", got, want)
	}
}

// erring makes a socket with ReceiveErrors that is not connected, and lets it send
// a datagram.
func erring(t *testing.T, n *Machine, to, payload string) (*sock, *Packet) {
	t.Helper()
	s := bound(t, n, "0.0.0.0:0", socket.ReceiveErrors)
	s.send(to, payload)
	return s, n.Eth0.NextUDP(t, payload)
}

// unreachable sends the error about a packet, with all of it as the quote.
func unreachable(n *Machine, from string, p *Packet, typ wire.ICMPType, code wire.ICMPCode, rest [4]byte) {
	n.Eth0.SendIP(icmp(from, p.IP.Source().String(), typ, code, rest, p.Raw[:min(len(p.Raw), 548)]))
}

const destinationUnreachable = uint8(wire.ICMPDestinationUnreachable)

var errorQueueCases = []testCase{
	{name: "ErrorQueueEntry", rules: "D-ERR-15 D-ERR-16", needs: Wires, run: func(t *testing.T, n *Machine) {
		for _, connect := range []bool{false, true} {
			s := bound(t, n, "0.0.0.0:0", socket.ReceiveErrors)
			if connect {
				s.connect("198.51.100.1:9")
			}
			s.wantOption(socket.ReceiveErrors, 1)
			s.send("198.51.100.1:9", "the payload")
			p := n.Eth0.NextUDP(t, "the payload")
			s.wantNoneQueued()
			unreachable(n, "10.0.0.254", p, wire.ICMPDestinationUnreachable, wire.ICMPHostUnreachable, [4]byte{})
			s.wantErr(syscall.EHOSTUNREACH)
			s.wantNothing()
			wantEntry(t, s.queued(), socket.ErrorMessage{
				Addr: addrPort("198.51.100.1:9"), Errno: syscall.EHOSTUNREACH, Origin: socket.OriginICMP,
				Type: destinationUnreachable, Code: 1, Offender: netip.MustParseAddr("10.0.0.254"),
			}, "the payload")
			s.wantNoneQueued()
			s.wantNothing()
		}
	}},
	{name: "ErrorQueueQuote", rules: "D-ERRQ-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		payload := payloadOf(1400)
		s, p := erring(t, n, "10.0.0.2:9", payload)
		quote := func(k int) {
			n.Eth0.SendIP(icmp("10.0.0.2", "10.0.0.1", wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{}, p.Raw[:k]))
		}
		for _, k := range []int{28, 29, 100, 548, len(p.Raw)} {
			quote(k)
			s.wantErr(syscall.ECONNREFUSED)
			if m := s.wantQueued(syscall.ECONNREFUSED); len(m.Buf) != k-28 || m.Len != k-28 || string(m.Buf) != payload[:k-28] {
				t.Errorf("of a quote of %d bytes there are %d in the entry (Len %d)", k, len(m.Buf), m.Len)
			}
		}
		quote(27) // less than RFC 792 wants
		s.wantNothing()
		s.wantNoneQueued()

		quote(128)
		settle(t, n)
		m := socket.ErrorMessage{Buf: make([]byte, 0, 10)}
		if err := s.TryRecvError(&m); err != nil || len(m.Buf) != 10 || m.Len != 100 || !m.Truncated() {
			t.Errorf("into 10 bytes: %v, %d of %d", name(err), len(m.Buf), m.Len)
		}
		quote(128)
		settle(t, n)
		m = socket.ErrorMessage{}
		if err := s.TryRecvError(&m); err != nil || len(m.Buf) != 0 || m.Len != 100 {
			t.Errorf("into nothing: %v, %d of %d", name(err), len(m.Buf), m.Len)
		}
	}},
	{name: "ErrorQueueTypes", rules: "D-ERRQ-02 D-ERR-15", needs: Wires, run: func(t *testing.T, n *Machine) {
		s, p := erring(t, n, "10.0.0.2:9", "x")
		const unreach = wire.ICMPDestinationUnreachable
		for _, e := range []struct {
			typ  wire.ICMPType
			code wire.ICMPCode
			want syscall.Errno
			info uint32
		}{
			{unreach, 0, syscall.ENETUNREACH, 0},
			{unreach, 1, syscall.EHOSTUNREACH, 0},
			{unreach, 2, syscall.ENOPROTOOPT, 0},
			{unreach, 3, syscall.ECONNREFUSED, 0},
			{unreach, 4, syscall.EMSGSIZE, 0x0304},
			{unreach, 5, syscall.EOPNOTSUPP, 0},
			{unreach, 6, syscall.ENETUNREACH, 0},
			{unreach, 7, syscall.EHOSTDOWN, 0},
			{unreach, 8, syscall.ENONET, 0},
			{unreach, 9, syscall.ENETUNREACH, 0},
			{unreach, 10, syscall.EHOSTUNREACH, 0},
			{unreach, 11, syscall.ENETUNREACH, 0},
			{unreach, 12, syscall.EHOSTUNREACH, 0},
			{unreach, 13, syscall.EHOSTUNREACH, 0},
			{unreach, 14, syscall.EHOSTUNREACH, 0},
			{unreach, 15, syscall.EHOSTUNREACH, 0},
			{wire.ICMPTimeExceeded, wire.ICMPTTLExceeded, syscall.EHOSTUNREACH, 0},
			{wire.ICMPParameterProblem, 0, syscall.EPROTO, 0x21},
			{wire.ICMPParameterProblem, 1, syscall.EPROTO, 0x21},
		} {
			unreachable(n, "10.0.0.254", p, e.typ, e.code, [4]byte{0x21, 0x43, 3, 4})
			s.wantErr(e.want)
			wantEntry(t, s.queued(), socket.ErrorMessage{
				Addr: addrPort("10.0.0.2:9"), Errno: e.want, Origin: socket.OriginICMP,
				Type: uint8(e.typ), Code: uint8(e.code), Info: e.info, Offender: netip.MustParseAddr("10.0.0.254"),
			}, "x")
		}
		// Nobody hears of these.
		unreachable(n, "10.0.0.254", p, unreach, 16, [4]byte{})
		unreachable(n, "10.0.0.254", p, wire.ICMPSourceQuench, 0, [4]byte{})
		unreachable(n, "10.0.0.254", p, wire.ICMPTimeExceeded, wire.ICMPReassemblyTimeExceeded, [4]byte{})
		unreachable(n, "10.0.0.254", p, wire.ICMPRedirect, 1, [4]byte{10, 0, 0, 3})
		s.wantNothing()
		s.wantNoneQueued()
	}},
	{name: "ErrorQueueOrder", rules: "D-ERRQ-03 D-ERR-10", needs: Wires, run: func(t *testing.T, n *Machine) {
		s, p := erring(t, n, "10.0.0.2:9", "x")
		three := func() {
			for _, code := range []wire.ICMPCode{wire.ICMPNetUnreachable, wire.ICMPHostUnreachable, wire.ICMPPortUnreachable} {
				unreachable(n, "10.0.0.2", p, wire.ICMPDestinationUnreachable, code, [4]byte{})
			}
			settle(t, n)
		}
		three()
		s.wantErr(syscall.ECONNREFUSED) // the last
		s.wantNothing()
		s.wantQueued(syscall.ENETUNREACH)
		s.wantErr(syscall.EHOSTUNREACH) // the next entry's
		s.wantNothing()
		s.wantQueued(syscall.EHOSTUNREACH)
		s.wantQueued(syscall.ECONNREFUSED)
		s.wantNothing() // the last entry takes what is pending with it
		s.wantNoneQueued()

		three()
		s.wantOption(socket.Error, int(syscall.ECONNREFUSED))
		s.wantOption(socket.Error, 0)
		s.wantQueued(syscall.ENETUNREACH)
		s.wantOption(socket.Error, int(syscall.EHOSTUNREACH))
		s.wantQueued(syscall.EHOSTUNREACH)
		s.sendErr("10.0.0.2:9", "not sent", syscall.ECONNREFUSED)
		s.send("10.0.0.2:9", "sent")
		n.Eth0.NextUDP(t, "sent")
		s.wantQueued(syscall.ECONNREFUSED)
		s.wantNothing()
	}},
	{name: "ErrorQueueReady", rules: "D-ERRQ-04 D-ERR-11", needs: Wires, run: func(t *testing.T, n *Machine) {
		s, p := erring(t, n, "10.0.0.2:9", "x")
		const all = socket.Readable | socket.Writable | socket.ErrorQueued
		ready := func(want socket.Events) {
			t.Helper()
			if got := s.Ready(all); got != want {
				t.Errorf("ready for %03b, want %03b", got, want)
			}
		}
		ready(socket.Writable)
		calls := make(chan struct{}, 1)
		s.Notify(socket.ErrorQueued, func() { calls <- struct{}{} })
		done := make(chan error, 1)
		go func() { done <- s.Wait(socket.ErrorQueued, nil) }()
		// A datagram is none.
		n.Eth0.SendUDP("10.0.0.2:9", at("10.0.0.1", s.port()), "data")
		settle(t, n)
		select {
		case <-done:
			t.Error("a datagram ended the wait for errors")
		case <-calls:
			t.Error("notified of a datagram")
		case <-time.After(soon):
		}
		unreachable(n, "10.0.0.2", p, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{})
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Wait: %v", err)
			}
		case <-time.After(n.Patience):
			t.Fatal("an error does not wake")
		}
		<-calls
		ready(all)
		s.wantErr(syscall.ECONNREFUSED) // ahead of the data
		s.want("data")
		ready(socket.Writable | socket.ErrorQueued)
		s.wantQueued(syscall.ECONNREFUSED)
		ready(socket.Writable)
		unreachable(n, "10.0.0.2", p, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{})
		settle(t, n)
		ready(all)
		s.wantQueued(syscall.ECONNREFUSED)
		ready(socket.Writable)
		s.wantNothing()
	}},
	{name: "ErrorQueueOff", rules: "D-ERRQ-05", needs: Wires, run: func(t *testing.T, n *Machine) {
		s, p := erring(t, n, "10.0.0.2:9", "x")
		for range 3 {
			unreachable(n, "10.0.0.2", p, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{})
		}
		settle(t, n)
		s.set(socket.ReceiveErrors, 0)
		s.wantNoneQueued()
		s.wantErr(syscall.ECONNREFUSED) // what is pending stays
		s.wantNothing()
		s.set(socket.ReceiveErrors, 1)
		s.wantNoneQueued()
		s.set(socket.ReceiveErrors, 0)
		unreachable(n, "10.0.0.2", p, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{})
		s.wantNothing()
		s.wantNoneQueued()
	}},
	{name: "ErrorQueueTooLong", rules: "D-ERRQ-06", needs: Wires, run: func(t *testing.T, n *Machine) {
		narrow(t, n, "10.0.0.2:9", 1000)
		for _, connect := range []bool{false, true} {
			s := bound(t, n, "0.0.0.0:0", socket.ReceiveErrors, socket.DontFragment)
			to := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), 0)
			if connect {
				s.connect("10.0.0.2:9")
				to = addrPort("10.0.0.2:9")
			}
			for _, tc := range []struct {
				way  socket.Discovery
				size int
				mtu  uint32
			}{{socket.DiscoveryOn, 973, 1000}, {socket.DiscoveryProbe, 1473, 1500}, {socket.DiscoveryInterface, 1473, 1500}} {
				s.set(socket.MTUDiscovery, int(tc.way))
				s.sendErr("10.0.0.2:9", payloadOf(tc.size), syscall.EMSGSIZE)
				wantEntry(t, s.queued(), socket.ErrorMessage{
					Addr: to, Errno: syscall.EMSGSIZE, Origin: socket.OriginLocal, Info: tc.mtu,
				}, "")
				s.wantNoneQueued()
				s.wantNothing() // it is not pending
			}
			// As is what no packet can carry, up to what no length can say.
			for size, want := range map[int]bool{65508: true, 65535: true, 65536: false} {
				for _, way := range []socket.Discovery{socket.DiscoveryOn, socket.DiscoveryWant} {
					s.set(socket.MTUDiscovery, int(way))
					s.sendErr("10.0.0.2:9", payloadOf(size), syscall.EMSGSIZE)
					if want {
						wantEntry(t, s.queued(), socket.ErrorMessage{
							Addr: to, Errno: syscall.EMSGSIZE, Origin: socket.OriginLocal, Info: 1000,
						}, "")
					}
					s.wantNoneQueued()
				}
			}
			if connect {
				// On the way that is known already.
				s.send("", "known")
				n.Eth0.NextUDP(t, "known")
				s.sendErr("", payloadOf(65508), syscall.EMSGSIZE)
				s.wantQueued(syscall.EMSGSIZE)
			}
			// The error of a batch comes from the next call.
			s.set(socket.MTUDiscovery, int(socket.DiscoveryOn))
			ms := []socket.Message{{Buf: []byte("a")}, {Buf: []byte(payloadOf(973))}, {Buf: []byte("b")}}
			for i := range ms {
				ms[i].Addr = addrPort("10.0.0.2:9")
			}
			if k, err := s.TrySend(ms); k != 1 || err != nil {
				t.Errorf("TrySend of a batch: %d, %v, want 1", k, err)
			}
			n.Eth0.NextUDP(t, "a")
			if k, err := s.TrySend(ms[1:]); k != 0 || err != syscall.EMSGSIZE {
				t.Errorf("TrySend of its rest: %d, %v, want EMSGSIZE", k, name(err))
			}
			s.wantQueued(syscall.EMSGSIZE)
			// Without ReceiveErrors there is no entry.
			s.set(socket.ReceiveErrors, 0)
			s.sendErr("10.0.0.2:9", payloadOf(973), syscall.EMSGSIZE)
			s.set(socket.ReceiveErrors, 1)
			s.wantNoneQueued()
		}
	}},
	{name: "ErrorQueueMixed", rules: "D-ERRQ-03 D-ERRQ-06", needs: Wires, run: func(t *testing.T, n *Machine) {
		s, p := erring(t, n, "10.0.0.2:9", "x")
		s.set(socket.DontFragment, 1)
		unreachable(n, "10.0.0.2", p, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{})
		s.wantErr(syscall.ECONNREFUSED)
		s.sendErr("10.0.0.2:9", payloadOf(1473), syscall.EMSGSIZE)
		unreachable(n, "10.0.0.2", p, wire.ICMPDestinationUnreachable, wire.ICMPHostUnreachable, [4]byte{})
		s.wantErr(syscall.EHOSTUNREACH)
		s.wantQueued(syscall.ECONNREFUSED)
		s.wantNothing() // the next is none of ICMP
		s.wantQueued(syscall.EMSGSIZE)
		s.wantErr(syscall.EHOSTUNREACH)
		s.wantQueued(syscall.EHOSTUNREACH)
		s.wantNothing()
		// EMSGSIZE of the datagram itself comes before what is pending, which stays.
		unreachable(n, "10.0.0.2", p, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{})
		settle(t, n)
		s.sendErr("10.0.0.2:9", payloadOf(1473), syscall.EMSGSIZE)
		s.sendErr("10.0.0.2:9", "x", syscall.ECONNREFUSED)
	}},
	{name: "ErrorQueueNeighbor", rules: "D-ERR-14", needs: Wires, slow: true, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "0.0.0.0:0", socket.ReceiveErrors)
		s.set(socket.Report, int(socket.FieldLocal|socket.FieldInterface|socket.FieldTTL))
		s.send("10.0.0.200:9", "first")
		s.send("10.0.0.200:9", "second")
		plain := connected(t, n, "10.0.0.200:9")
		plain.send("", "third")
		// After three seconds, give or take what a busy machine is late.
		n.Elapse(1500 * time.Millisecond)
		s.wantNothing()
		s.wantNoneQueued()
		n.Elapse(3500 * time.Millisecond)
		s.wantErr(syscall.EHOSTUNREACH)
		s.wantNothing()
		for _, payload := range []string{"first", "second"} {
			m := s.queued()
			wantEntry(t, m, socket.ErrorMessage{
				Addr: addrPort("10.0.0.200:9"), Errno: syscall.EHOSTUNREACH, Origin: socket.OriginICMP,
				Type: destinationUnreachable, Code: 1, Offender: netip.MustParseAddr("10.0.0.1"),
				Set: socket.FieldLocal | socket.FieldInterface | socket.FieldTTL,
			}, payload)
			if m.Local.Addr() != netip.MustParseAddr("10.0.0.1") || m.TTL != 64 {
				t.Errorf("the entry came to %v with TTL %d", m.Local, m.TTL)
			}
		}
		s.wantNoneQueued()
		s.wantNothing()
		plain.wantNothing()
	}},
	{name: "ErrorQueueBounded", rules: "D-ERRQ-07", needs: Wires, run: func(t *testing.T, n *Machine) {
		s, p := erring(t, n, "10.0.0.2:9", "x")
		s.set(socket.ReceiveBuffer, 5000) // 10000
		for range 100 {
			unreachable(n, "10.0.0.2", p, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{})
			settle(t, n)
		}
		// There is no room for datagrams either.
		n.Eth0.SendUDP("10.0.0.2:9", at("10.0.0.1", s.port()), payloadOf(1000))
		settle(t, n)
		s.wantErr(syscall.ECONNREFUSED)
		s.wantNothing()
		// What found the queue full is pending all the same.
		unreachable(n, "10.0.0.2", p, wire.ICMPDestinationUnreachable, wire.ICMPHostUnreachable, [4]byte{})
		s.wantErr(syscall.EHOSTUNREACH)
		count := 0
		for ; s.Ready(socket.ErrorQueued) != 0; count++ {
			s.wantQueued(syscall.ECONNREFUSED)
		}
		if count < 5 || count > 40 {
			t.Errorf("10000 bytes hold %d errors", count)
		}
		n.Eth0.SendUDP("10.0.0.2:9", at("10.0.0.1", s.port()), "room again")
		s.want("room again")
	}},
	{name: "ErrorQueueFullDevice", rules: "D-ERR-18", needs: Wires | FullDevice, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.1.0.2:9")
		s.send("", "hello") // and its address is known
		n.Eth1.NextUDP(t, "hello")
		plain := connected(t, n, "10.1.0.2:9")
		for range 20 { // as many as there are, nothing is said
			plain.send("", payloadOf(1000))
		}
		s.set(socket.ReceiveErrors, 1)
		s.sendErr("", payloadOf(1000), syscall.ENOBUFS)
		s.sendErr("", payloadOf(3000), syscall.ENOBUFS) // in fragments
		ms := []socket.Message{{Buf: []byte(payloadOf(1001))}, {Buf: []byte(payloadOf(1002))}}
		if k, err := s.TrySend(ms); k != 0 || err != syscall.ENOBUFS {
			t.Errorf("TrySend of a batch: %d, %v, want ENOBUFS", k, name(err))
		}
		s.wantNothing() // it is not pending
		s.wantNoneQueued()
		s.set(socket.ReceiveErrors, 0)
		s.send("", payloadOf(1000))
	}},
	{name: "ErrorQueueFullDeviceBatch", rules: "D-ERR-22", needs: Wires | FullDevice, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.1.0.2:9")
		s.send("", "hello") // and its address is known
		n.Eth1.NextUDP(t, "hello")
		s.set(socket.ReceiveErrors, 1)
		s.set(socket.SendBuffer, 1<<20)
		var ms []socket.Message
		for k := range 30 {
			ms = append(ms, socket.Message{Buf: []byte(payloadOf(1000 + k))})
		}
		k, err := s.TrySend(ms)
		if k == 0 || k == len(ms) || err != nil {
			t.Fatalf("TrySend of a batch: %d, %v, want a part of it", k, name(err))
		}
		if st := s.Stats(); n.Kind == Stack && (int(st.Sent) != 1+k+1 || st.Dropped[drop.LinkQueueFull] != 1) {
			t.Errorf("of %d that are done and one that was refused: %+v", 1+k, st)
		}
		if k, err := s.TrySend(ms[k:]); k != 0 || err != syscall.ENOBUFS {
			t.Errorf("TrySend of the rest: %d, %v, want ENOBUFS", k, name(err))
		}
		if st := s.Stats(); n.Kind == Stack && st.Dropped[drop.LinkQueueFull] != 2 {
			t.Errorf("after two that were refused: %+v", st)
		}
		s.wantNoneQueued()
	}},
	{name: "ErrorQueueFields", rules: "D-ERRQ-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		fields := socket.FieldLocal | socket.FieldInterface | socket.FieldTTL | socket.FieldTOS | socket.FieldTime
		s := bound(t, n, "0.0.0.0:0", socket.ReceiveErrors)
		s.set(socket.Report, int(fields|socket.FieldDrops))
		s.send("10.0.0.2:9", "x")
		p := n.Eth0.NextUDP(t, "x")
		e := icmp("10.0.0.2", "10.0.0.1", wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{}, p.Raw)
		ip := (*wire.IPv4Header)(e)
		ip.SetTTL(33)
		ip.SetTOS(0x45)
		ip.UpdateChecksum(nil)
		n.Eth0.SendIP(e)
		m := s.wantQueued(syscall.ECONNREFUSED)
		if m.Set != fields || m.Local != addrPort(at("10.0.0.1", s.port())) || m.Interface != n.Index(t, "eth0") || m.TTL != 33 || m.TOS != 0x45 || m.Time.IsZero() {
			t.Errorf("the entry is %+v, want Set %b", m, fields)
		}
		// Of what the host itself says there is no message.
		s.set(socket.DontFragment, 1)
		s.sendErr("10.0.0.2:9", payloadOf(1473), syscall.EMSGSIZE)
		if m := s.wantQueued(syscall.EMSGSIZE); m.Set&^socket.FieldTime != 0 {
			t.Errorf("the entry is %+v", m)
		}
	}},
	{name: "ErrorQueueForged", rules: "D-ERR-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := bound(t, n, "0.0.0.0:0", socket.ReceiveErrors)
		s.send("10.0.0.2:9", "x")
		n.Eth0.NextUDP(t, "x")
		quoting := func(from, to string) []byte {
			q := Datagram{From: from, To: to, Payload: "x"}.Bytes()
			return icmp("10.0.0.2", "10.0.0.1", wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{}, q)
		}
		n.Eth0.SendIP(quoting(at("10.0.0.1", s.port()^1), "10.0.0.2:9")) // no such socket
		n.Eth0.SendIP(quoting("10.0.0.2:9", at("10.0.0.1", s.port())))   // what was sent to it
		s.wantNothing()
		s.wantNoneQueued()
	}},
	{name: "ErrorQueueLoopback", rules: "D-ERR-15 D-ERR-16", run: func(t *testing.T, n *Machine) {
		gone := bound(t, n, "127.0.0.1:0")
		to := gone.LocalAddr()
		gone.Close()
		s := bound(t, n, "127.0.0.1:0", socket.ReceiveErrors)
		for _, payload := range []string{"", "x", payloadOf(5000)} {
			s.send(to.String(), payload)
			s.wantErr(syscall.ECONNREFUSED)
			m := s.wantQueued(syscall.ECONNREFUSED)
			wantEntry(t, m, socket.ErrorMessage{
				Addr: to, Errno: syscall.ECONNREFUSED, Origin: socket.OriginICMP,
				Type: destinationUnreachable, Code: 3, Offender: to.Addr(),
			}, payload[:min(len(payload), 520)])
		}
		s.wantNoneQueued()
	}},
	{name: "ErrorQueueClosed", rules: "D-ERRQ-05 S-CLOSE-01", run: func(t *testing.T, n *Machine) {
		gone := bound(t, n, "127.0.0.1:0")
		to := gone.local()
		gone.Close()
		s := bound(t, n, "127.0.0.1:0", socket.ReceiveErrors)
		s.send(to, "x")
		settle(t, n)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.TryRecvError(new(socket.ErrorMessage)); err == nil || err == syscall.EAGAIN {
			t.Errorf("TryRecvError of a closed socket: %v", err)
		}
	}},
	{name: "ErrorQueueShutdown", rules: "D-ERRQ-09", needs: Wires, run: func(t *testing.T, n *Machine) {
		s, p := erring(t, n, "10.0.0.2:9", "x")
		_ = s.Shutdown(socket.ShutBoth)
		unreachable(n, "10.0.0.2", p, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{})
		s.wantQueued(syscall.ECONNREFUSED)
		s.wantNoneQueued()
	}},
}
