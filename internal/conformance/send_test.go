//go:build linux

package conformance

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// nobody is an address on eth0's subnet that does not answer ARP.
const nobody = "10.0.0.200"

// fillSend sends datagrams to the peer until the send buffer is full, and returns
// how many it took.
func fillSend(t *testing.T, s *sock, limit int) int {
	t.Helper()
	for i := range limit {
		switch err := s.try("", fmt.Sprint(i)); err {
		case nil:
		case syscall.EAGAIN:
			return i
		default:
			t.Fatalf("TrySend: %v", name(err))
		}
	}
	t.Fatalf("a send buffer of %d bytes took %d datagrams", s.get(socket.SendBuffer), limit)
	return 0
}

// clogged returns a socket whose send buffer, of the smallest size, is full of
// datagrams that wait for their next hop's address, and their number.
func clogged(t *testing.T, n *Machine) (*sock, int) {
	t.Helper()
	s := open(t, n)
	s.set(socket.SendBuffer, 0)
	s.connect(nobody + ":9")
	return s, fillSend(t, s, 64)
}

var sendCases = []testCase{
	{name: "SendBufferSize", rules: "D-SEND-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.wantOption(socket.SendBuffer, defaultBuffer)
		for _, v := range []struct{ set, want int }{
			{10000, 20000}, {2305, 4610}, {2304, 4608}, {2303, 4608}, {1, 4608}, {0, 4608}, {100000, 200000},
		} {
			s.set(socket.SendBuffer, v.set)
			s.wantOption(socket.SendBuffer, v.want)
		}
		s.set(socket.SendBuffer, 1<<30)
		largest := s.get(socket.SendBuffer)
		if largest < 2*defaultBuffer || largest > 1<<24 || largest%2 != 0 {
			t.Errorf("1 GiB of send buffer is %d", largest)
		}
		s.set(socket.SendBuffer, largest/2+1)
		s.wantOption(socket.SendBuffer, largest)
	}},
	{name: "SendBufferFull", rules: "D-SEND-02 D-SEND-03 D-SEND-06 S-STATS-02 D-ARP-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		s, k := clogged(t, n)
		if k < 2 || k > 30 {
			t.Errorf("a send buffer of 4608 bytes took %d datagrams of one byte, want 2 to 30", k)
		}
		if q := s.get(socket.SendQueued); q < k || q > 3*4608 {
			t.Errorf("SendQueued is %d with %d datagrams in a buffer of 4608", q, k)
		}
		if q := s.Stats().SendQueued; q != s.get(socket.SendQueued) {
			t.Errorf("Stats say %d bytes are queued, the option %d", q, s.get(socket.SendQueued))
		}
		if s.Ready(socket.Writable) != 0 {
			t.Error("with a full send buffer it is writable")
		}
		s.sendErr("", "x", syscall.EAGAIN)
		s.sendErr("10.0.0.2:9", "x", syscall.EAGAIN) // whatever the destination

		woken := make(chan error, 1)
		go func() { woken <- s.Wait(socket.Writable, nil) }()
		select {
		case err := <-woken:
			t.Errorf("Wait for writing returned %v with a full send buffer", err)
		case <-time.After(soon):
		}
		n.Eth0.ReplyARP(netip.MustParseAddr(nobody), netip.MustParseAddr("10.0.0.1"))
		select {
		case err := <-woken:
			if err != nil {
				t.Errorf("Wait: %v", err)
			}
		case <-time.After(n.Patience):
			t.Fatal("when the frames have left nobody is woken")
		}
		for i := range k {
			n.Eth0.NextUDP(t, fmt.Sprint(i))
		}
		s.wantOption(socket.SendQueued, 0)
		s.send("", "more")
		n.Eth0.NextUDP(t, "more")
	}},
	{name: "SendGivenUp", rules: "D-SEND-02 D-SEND-07 D-ERR-13", needs: Wires, slow: true, run: func(t *testing.T, n *Machine) {
		s, _ := clogged(t, n)
		n.Elapse(3500 * time.Millisecond)
		s.wantOption(socket.SendQueued, 0)
		if s.Ready(socket.Writable) == 0 {
			t.Error("when what waited was given up it is not writable")
		}
		s.wantOption(socket.Error, 0)
		wantQuiet(t, n, n.Eth0)
	}},
	{name: "SendPartialFull", rules: "D-SEND-02 D-SEND-04", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.set(socket.SendBuffer, 0)
		ms := make([]socket.Message, 64)
		for i := range ms {
			ms[i] = socket.Message{Buf: []byte(fmt.Sprint(i)), Addr: addrPort(nobody + ":9")}
		}
		k, err := s.TrySend(ms)
		if err != nil || k < 1 || k >= 64 {
			t.Fatalf("TrySend of 64 into 4608 bytes: %d, %v, want a part of them", k, name(err))
		}
		if more, err := s.TrySend(ms[k:]); more != 0 || err != syscall.EAGAIN {
			t.Errorf("TrySend of the rest: %d, %v, want EAGAIN", more, name(err))
		}
		n.Eth0.ReplyARP(netip.MustParseAddr(nobody), netip.MustParseAddr("10.0.0.1"))
		for i := range k {
			n.Eth0.NextUDP(t, fmt.Sprint(i))
		}
		if !s.await(socket.Writable) {
			t.Fatal("not writable")
		}
		more, err := s.TrySend(ms[k:])
		if err != nil || more < 1 {
			t.Fatalf("TrySend of the rest: %d, %v", more, name(err))
		}
		n.Eth0.NextUDP(t, fmt.Sprint(k)) // nothing was skipped or sent twice
	}},
	{name: "SendPartialError", rules: "D-SEND-04 S-BATCH-02", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		msg := func(to string, payload string) socket.Message {
			return socket.Message{Buf: []byte(payload), Addr: addrPort(to)}
		}
		ms := []socket.Message{
			msg(r.local(), "0"), msg(r.local(), "1"),
			msg(r.local(), strings.Repeat("x", 66000)),
			msg(r.local(), "3"),
		}
		if k, err := s.TrySend(ms); k != 2 || err != nil {
			t.Fatalf("TrySend: %d, %v, want 2", k, name(err))
		}
		if k, err := s.TrySend(ms[2:]); k != 0 || err != syscall.EMSGSIZE {
			t.Errorf("TrySend of the rest: %d, %v, want EMSGSIZE", k, name(err))
		}
		if k, err := s.TrySend(ms[3:]); k != 1 || err != nil {
			t.Errorf("TrySend of the last: %d, %v", k, name(err))
		}
		for _, p := range []string{"0", "1", "3"} {
			r.want(p)
		}
		r.wantNothing()
		// Each kind of error that a destination makes.
		for _, bad := range []struct {
			to   string
			want error
		}{{"127.0.0.1:0", syscall.EINVAL}, {"127.255.255.255:9", syscall.EACCES}, {"[::1]:9", syscall.EAFNOSUPPORT}} {
			ms := []socket.Message{msg(r.local(), "ok"), msg(bad.to, "bad"), msg(r.local(), "not reached")}
			if k, err := s.TrySend(ms); k != 1 || err != nil {
				t.Errorf("a batch with %s: %d, %v, want 1", bad.to, k, name(err))
			}
			if k, err := s.TrySend(ms[1:]); k != 0 || err != bad.want {
				t.Errorf("the rest from %s on: %d, %v, want %v", bad.to, k, name(err), name(bad.want))
			}
			r.want("ok")
			r.wantNothing()
		}
	}},
	{name: "SendBatchRefused", rules: "D-SEND-04 D-ERR-02", run: func(t *testing.T, n *Machine) {
		// The error of the first datagram's answer strikes in the middle.
		closed := bound(t, n, "127.0.0.1:0")
		s := connected(t, n, closed.local())
		closed.Close()
		ms := []socket.Message{{Buf: []byte("0")}, {Buf: []byte("1")}, {Buf: []byte("2")}}
		k, err := s.TrySend(ms)
		if err != nil || k < 1 {
			t.Fatalf("TrySend: %d, %v", k, name(err))
		}
		settle(t, n)
		if k, err := s.TrySend(ms[k%3:]); k != 0 || err != syscall.ECONNREFUSED {
			t.Errorf("TrySend after %d: %d, %v, want ECONNREFUSED", k, k, name(err))
		}
	}},
	{name: "SendBatch", rules: "S-BATCH-02", run: func(t *testing.T, n *Machine) {
		a, b := bound(t, n, "127.0.0.1:0"), bound(t, n, "127.0.0.2:0")
		s := connected(t, n, a.local())
		ms := make([]socket.Message, 80) // more than one system call takes
		for i := range ms {
			ms[i].Buf = []byte(fmt.Sprint(i))
			if i%2 == 1 {
				ms[i].Addr = b.LocalAddr()
			}
		}
		for done := 0; done < len(ms); {
			k, err := s.TrySend(ms[done:])
			if err != nil || k == 0 {
				t.Fatalf("TrySend after %d: %d, %v", done, k, name(err))
			}
			done += k
		}
		for i := range ms {
			if i%2 == 1 {
				b.want(fmt.Sprint(i))
			} else {
				a.want(fmt.Sprint(i))
			}
		}
		if st := s.Stats(); st.Sent != 80 || st.SentBytes != 10+2*70 {
			t.Errorf("Stats: %d datagrams, %d bytes, want 80 and 150", st.Sent, st.SentBytes)
		}
	}},
	{name: "SendNone", rules: "S-BATCH-03", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		if k, err := s.TrySend(nil); k != 0 || err != nil {
			t.Errorf("TrySend of nothing: %d, %v", k, name(err))
		}
		if k, err := s.TryRecv(nil); k != 0 || err != nil {
			t.Errorf("TryRecv into nothing: %d, %v", k, name(err))
		}
	}},
	{name: "SendSourceAnew", rules: "D-SEND-05 D-BIND-19", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		for range 2 {
			s.send("10.0.0.2:9", "x")
			if p := n.Eth0.NextUDP(t, "x"); p.Source() != addrPort(at("10.0.0.1", s.port())) {
				t.Errorf("to 10.0.0.2 from %v", p.Source())
			}
			s.send("10.1.0.2:9", "y")
			if p := n.Eth1.NextUDP(t, "y"); p.Source() != addrPort(at("10.1.0.1", s.port())) {
				t.Errorf("to 10.1.0.2 from %v", p.Source())
			}
			s.send("198.18.0.1:9", "z")
			if p := n.Eth0.NextUDP(t, "z"); p.Source() != addrPort(at("10.0.0.7", s.port())) {
				t.Errorf("to 198.18.0.1 from %v, want the route's preferred source", p.Source())
			}
			s.wantLocalAddr("0.0.0.0")
		}
		r := bound(t, n, "10.0.0.7:4000")
		s.send(r.local(), "own")
		r.wantFrom("own", at("10.0.0.1", s.port())) // the first of the subnet
	}},
	{name: "SendOwnAddress", rules: "D-SEND-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "0.0.0.0:4000")
		r.set(socket.Report, int(socket.FieldInterface|socket.FieldLocal))
		s := open(t, n)
		for _, tc := range []struct{ to, from, ifname string }{
			{"10.0.0.1", "10.0.0.1", "eth0"},
			{"10.0.0.7", "10.0.0.1", "eth0"}, // from the first address of its subnet
			{"10.1.0.1", "10.1.0.1", "eth1"},
			{"10.3.0.1", "10.3.0.1", "eth1"},
			{"127.0.0.1", "127.0.0.1", "lo"},
		} {
			// It counts as having come in by the interface whose address it is.
			s.send(tc.to+":4000", tc.to)
			m := r.wantFrom(tc.to, at(tc.from, s.port()))
			if m.Interface != n.Index(t, tc.ifname) || m.Local != addrPort(tc.to+":4000") {
				t.Errorf("to the own address %s it came by interface %d, to %v; want %s", tc.to, m.Interface, m.Local, tc.ifname)
			}
		}
		wantQuiet(t, n, n.Eth0)
		wantQuiet(t, n, n.Eth1)
	}},
	{name: "SendCloseWaiting", rules: "D-SEND-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		// What was accepted leaves, even if its socket is gone.
		s := connected(t, n, nobody+":9")
		s.send("", "last words")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		n.Eth0.ReplyARP(netip.MustParseAddr(nobody), netip.MustParseAddr("10.0.0.1"))
		n.Eth0.NextUDP(t, "last words")
	}},
	{name: "SendQueueOverflow", rules: "D-SEND-06", needs: Wires, run: func(t *testing.T, n *Machine) {
		// What waits for one next hop is bounded; the oldest go, and nobody
		// is told.
		s := connected(t, n, nobody+":9")
		s.set(socket.SendBuffer, 1<<30)
		const sent = 1200
		for i := range sent {
			if err := s.try("", fmt.Sprint(i)); err != nil {
				if errors.Is(err, syscall.EAGAIN) {
					break
				}
				t.Fatalf("TrySend: %v", name(err))
			}
		}
		total := int(s.Stats().Sent)
		n.Eth0.ReplyARP(netip.MustParseAddr(nobody), netip.MustParseAddr("10.0.0.1"))
		first := n.Eth0.Next(t)
		var from int
		if _, err := fmt.Sscan(string(first.Data), &from); err != nil {
			t.Fatal(err)
		}
		// As many as take 212992 bytes, which is each one's own arithmetic.
		if from == 0 || total-from < 200 || total-from > 700 {
			t.Errorf("%d datagrams waited of %d, want 200 to 700", total-from, total)
		}
		for i := from + 1; i < total; i++ {
			n.Eth0.NextUDP(t, fmt.Sprint(i))
		}
		s.wantOption(socket.SendQueued, 0)
		s.wantOption(socket.Error, 0)
		if n.Kind == Stack {
			if got := s.Stats().Dropped[drop.NeighborQueueFull]; int(got) != from {
				t.Errorf("%d drops were counted, want %d", got, from)
			}
		}
	}},
	{name: "SendTTLAndChecksums", rules: "D-CSUM-08 D-OPT-04", needs: Wires, run: func(t *testing.T, n *Machine) {
		// The wire checks every frame's checksums; here are payloads of odd
		// and even lengths and all bytes.
		s := connected(t, n, "10.0.0.2:9")
		var all strings.Builder
		for i := range 1400 {
			all.WriteByte(byte(i * 7))
		}
		for _, k := range []int{0, 1, 2, 3, 4, 31, 32, 33, 63, 64, 65, 127, 511, 512, 1399, 1400} {
			p := all.String()[:k]
			s.send("", p)
			if got := n.Eth0.NextUDP(t, p); got.UDP.Checksum() == 0 || got.IP.TTL() != 64 || got.IP.Protocol() != wire.ProtocolUDP {
				t.Errorf("%d bytes: checksum %#x, TTL %d", k, got.UDP.Checksum(), got.IP.TTL())
			}
		}
	}},
}
