//go:build linux

package conformance

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// refused returns a connected socket with ECONNREFUSED pending, on loopback.
func refused(t *testing.T, n *Machine) *sock {
	t.Helper()
	closed := bound(t, n, "127.0.0.1:0")
	s := connected(t, n, closed.local())
	closed.Close()
	s.send("", "to a closed port")
	settle(t, n)
	return s
}

// soon is a wait for what must not come; the case goes on when it has passed.
const soon = 20 * time.Millisecond

var errorCases = []testCase{
	{name: "ErrorOnReceive", rules: "D-ERR-01", run: func(t *testing.T, n *Machine) {
		s := refused(t, n)
		s.wantErr(syscall.ECONNREFUSED)
		s.wantNothing()
		s.wantOption(socket.Error, 0)
		s.send("", "again")
		s.wantErr(syscall.ECONNREFUSED)
	}},
	{name: "ErrorOnSend", rules: "D-ERR-02", run: func(t *testing.T, n *Machine) {
		s := refused(t, n)
		r := bound(t, n, s.must(s.PeerAddr()))
		s.sendErr("", "not sent", syscall.ECONNREFUSED)
		r.wantNothing()
		s.send("", "sent")
		r.want("sent")
		s.wantNothing()
	}},
	{name: "ErrorOnSendElsewhere", rules: "D-ERR-02", run: func(t *testing.T, n *Machine) {
		s := refused(t, n)
		other := bound(t, n, "127.0.0.1:0")
		s.sendErr(other.local(), "not sent", syscall.ECONNREFUSED)
		s.send(other.local(), "sent")
		other.want("sent")
	}},
	{name: "ErrorByOption", rules: "D-ERR-03", run: func(t *testing.T, n *Machine) {
		s := refused(t, n)
		s.wantOption(socket.Error, int(syscall.ECONNREFUSED))
		s.wantOption(socket.Error, 0)
		s.wantNothing()
	}},
	{name: "ErrorAheadOfData", rules: "D-ERR-04", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		s.send("", "x")
		p := n.Eth0.NextUDP(t, "x")
		n.Eth0.SendUDP("10.0.0.2:9", s.local(), "data")
		n.Eth0.SendIP(ICMPError("10.0.0.2", p, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable))
		settle(t, n)
		s.wantErr(syscall.ECONNREFUSED)
		s.want("data")
		s.wantNothing()
	}},
	{name: "ErrorUnconnected", rules: "D-ERR-05", run: func(t *testing.T, n *Machine) {
		closed := bound(t, n, "127.0.0.1:0")
		to := closed.local()
		closed.Close()
		s := bound(t, n, "127.0.0.1:0")
		for range 3 {
			s.send(to, "x")
		}
		s.wantNothing()
		s.wantOption(socket.Error, 0)
	}},
	{name: "ErrorInvisible", rules: "D-ERR-06", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		s.send("", "x")
		p := n.Eth0.NextUDP(t, "x")
		for _, e := range []struct {
			typ  wire.ICMPType
			code wire.ICMPCode
		}{
			{wire.ICMPDestinationUnreachable, wire.ICMPNetUnreachable},
			{wire.ICMPDestinationUnreachable, wire.ICMPHostUnreachable},
			{wire.ICMPDestinationUnreachable, wire.ICMPSourceRouteFailed},
			{wire.ICMPDestinationUnreachable, wire.ICMPNetUnreachableForTOS},
			{wire.ICMPDestinationUnreachable, wire.ICMPHostUnreachableForTOS},
			{wire.ICMPTimeExceeded, wire.ICMPTTLExceeded},
			{wire.ICMPTimeExceeded, wire.ICMPReassemblyTimeExceeded},
			{wire.ICMPSourceQuench, 0},
		} {
			n.Eth0.SendIP(ICMPError("10.0.0.254", p, e.typ, e.code))
			settle(t, n)
			if got := s.get(socket.Error); got != 0 {
				t.Errorf("after ICMP %v code %d the error is %v", e.typ, e.code, name(syscall.Errno(got)))
			}
		}
		s.wantNothing()
	}},
	{name: "ErrorHard", rules: "D-ERR-07", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		s.send("", "x")
		p := n.Eth0.NextUDP(t, "x")
		// The kernel's icmp_err_convert, those that are fatal.
		for _, e := range []struct {
			typ  wire.ICMPType
			code wire.ICMPCode
			want syscall.Errno
		}{
			{wire.ICMPDestinationUnreachable, wire.ICMPProtocolUnreachable, syscall.ENOPROTOOPT},
			{wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, syscall.ECONNREFUSED},
			{wire.ICMPDestinationUnreachable, wire.ICMPNetUnknown, syscall.ENETUNREACH},
			{wire.ICMPDestinationUnreachable, wire.ICMPHostUnknown, syscall.EHOSTDOWN},
			{wire.ICMPDestinationUnreachable, wire.ICMPHostIsolated, syscall.ENONET},
			{wire.ICMPDestinationUnreachable, wire.ICMPNetProhibited, syscall.ENETUNREACH},
			{wire.ICMPDestinationUnreachable, wire.ICMPHostProhibited, syscall.EHOSTUNREACH},
			{wire.ICMPDestinationUnreachable, wire.ICMPAdminProhibited, syscall.EHOSTUNREACH},
			{wire.ICMPDestinationUnreachable, wire.ICMPPrecedenceViolation, syscall.EHOSTUNREACH},
			{wire.ICMPDestinationUnreachable, wire.ICMPPrecedenceCutoff, syscall.EHOSTUNREACH},
			{wire.ICMPParameterProblem, wire.ICMPPointerProblem, syscall.EPROTO},
		} {
			n.Eth0.SendIP(ICMPError("10.0.0.254", p, e.typ, e.code))
			settle(t, n)
			if got := syscall.Errno(s.get(socket.Error)); got != e.want {
				t.Errorf("after ICMP %v code %d the error is %v, want %v", e.typ, e.code, name(got), name(e.want))
			}
		}
		// Codes that nobody has defined are none.
		n.Eth0.SendIP(ICMPError("10.0.0.254", p, wire.ICMPDestinationUnreachable, 16))
		s.wantNothing()
	}},
	{name: "ErrorQuoteMustMatch", rules: "D-ERR-08", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		s.send("", "x")
		p := n.Eth0.NextUDP(t, "x")
		local := s.local()
		quoting := func(from, to string, protocol wire.Protocol) []byte {
			q := Datagram{From: from, To: to, Payload: "x", Protocol: protocol}.Bytes()
			return icmp("10.0.0.2", "10.0.0.1", wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{}, q[:28])
		}
		for _, q := range [][]byte{
			quoting(local, "10.0.0.2:10", 0),                     // another peer port
			quoting(local, "10.0.0.3:9", 0),                      // another peer
			quoting(at("10.0.0.1", s.port()+1), "10.0.0.2:9", 0), // another port of ours
			quoting(at("10.0.0.7", s.port()), "10.0.0.2:9", 0),   // another address of ours
			quoting("10.0.0.2:9", local, 0),                      // the wrong way round
			quoting(local, "10.0.0.2:9", wire.ProtocolTCP),
			icmp("10.0.0.2", "10.0.0.1", wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{}, p.Raw[:20]),
			icmp("10.0.0.2", "10.0.0.1", wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{}, p.Raw[:24]),
			icmp("10.0.0.2", "10.0.0.1", wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{}, nil),
		} {
			n.Eth0.SendIP(q)
			settle(t, n)
			if got := s.get(socket.Error); got != 0 {
				t.Errorf("an error that quotes % x was believed: %v", q[28:], name(syscall.Errno(got)))
			}
		}
		// From whom it comes does not matter, and 8 bytes behind the IP
		// header are enough.
		n.Eth0.SendIP(ICMPError("10.0.0.99", p, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable))
		s.wantErr(syscall.ECONNREFUSED)
	}},
	{name: "ErrorBadChecksum", rules: "D-ERR-09", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		s.send("", "x")
		e := ICMPError("10.0.0.2", n.Eth0.NextUDP(t, "x"), wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable)
		e[22] ^= 1
		n.Eth0.SendIP(e)
		s.wantNothing()
	}},
	{name: "ErrorLastCounts", rules: "D-ERR-10", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.2:9")
		s.send("", "x")
		p := n.Eth0.NextUDP(t, "x")
		n.Eth0.SendIP(ICMPError("10.0.0.2", p, wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable))
		n.Eth0.SendIP(ICMPError("10.0.0.2", p, wire.ICMPDestinationUnreachable, wire.ICMPProtocolUnreachable))
		settle(t, n)
		s.wantErr(syscall.ENOPROTOOPT)
		s.wantNothing()
	}},
	{name: "ErrorIsReadable", rules: "D-ERR-11", run: func(t *testing.T, n *Machine) {
		s := refused(t, n)
		if s.Ready(socket.Readable) == 0 {
			t.Error("with an error pending the socket is not readable")
		}
		s.wantErr(syscall.ECONNREFUSED)
		if s.Ready(socket.Readable) != 0 {
			t.Error("with the error reported the socket is still readable")
		}
		woken := make(chan error, 1)
		go func() { woken <- s.Wait(socket.Readable, nil) }()
		select {
		case <-woken:
			t.Error("Wait returned before anything came")
		case <-time.After(soon):
		}
		s.send("", "x")
		select {
		case err := <-woken:
			if err != nil {
				t.Errorf("Wait: %v", err)
			}
		case <-time.After(n.Patience):
			t.Fatal("the error wakes nobody")
		}
		s.wantErr(syscall.ECONNREFUSED)
	}},
	{name: "ErrorOnPeek", rules: "D-ERR-12", run: func(t *testing.T, n *Machine) {
		s := refused(t, n)
		m := socket.Message{Buf: make([]byte, 0, 10)}
		if err := s.TryPeek(&m); err != syscall.ECONNREFUSED {
			t.Errorf("TryPeek: %v, want ECONNREFUSED", name(err))
		}
		s.wantNothing()
	}},
	{name: "ErrorNoNeighbour", rules: "D-ERR-13 D-SEND-07 D-ARP-03", needs: Wires, slow: true, run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "10.0.0.200:9")
		s.send("", "x")
		for range 3 {
			r := n.Eth0.NextRequest(t)
			if r.ARP.TargetAddr().String() != "10.0.0.200" {
				t.Errorf("asked for %v", r.ARP.TargetAddr())
			}
			n.Elapse(1100 * time.Millisecond)
		}
		s.wantNothing()
		s.wantOption(socket.Error, 0)
		if got := s.get(socket.SendQueued); got != 0 {
			t.Errorf("%d bytes are still queued for a next hop that was given up", got)
		}
		select {
		case r := <-n.Eth0.requests:
			t.Errorf("a fourth request, for %v", r.ARP.TargetAddr())
		default:
		}
		s.send("", "again") // and everything begins anew
		n.Eth0.NextRequest(t)
		s.wantNothing()
	}},
	{name: "ErrorAfterOthers", rules: "D-ERR-21", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := refused(t, n)
		s.sendErr("127.0.0.1:9", strings.Repeat("x", 66000), syscall.EMSGSIZE)
		s.sendErr("127.0.0.1:0", "x", syscall.EINVAL)
		s.sendErr("[::1]:9", "x", syscall.EAFNOSUPPORT)
		s.sendErr("127.255.255.255:9", "x", syscall.EACCES)
		s.sendErr("10.0.0.2:9", "x", syscall.EINVAL) // from 127.0.0.1
		s.sendErr("192.0.2.129:9", "x", syscall.EINVAL)
		if err := s.trySend(socket.Message{Buf: []byte("x"), Set: socket.FieldTTL}); err != syscall.EINVAL {
			t.Errorf("with TTL 0: %v, want EINVAL", name(err))
		}
		s.shutdown(socket.ShutWrite)
		s.sendErr("", "x", syscall.ECONNREFUSED)
		s.sendErr("", "x", syscall.EPIPE)
	}},
	{name: "ErrorTrain", rules: "D-ERR-21 D-CMSG-13", run: func(t *testing.T, n *Machine) {
		s := refused(t, n)
		if err := s.trySend(train("", 1400, 1)); err != syscall.ECONNREFUSED {
			t.Errorf("a train too long: %v, want ECONNREFUSED", name(err))
		}
		if err := s.trySend(train("", 1400, 1)); err != syscall.EINVAL {
			t.Errorf("a train too long: %v, want EINVAL", name(err))
		}
	}},
	{name: "ErrorShared", rules: "D-ERR-20 D-LOOKUP-07", needs: Wires, run: func(t *testing.T, n *Machine) {
		a := bound(t, n, "10.0.0.1:4000", socket.ReuseAddr)
		a.connect("10.0.0.2:9")
		b := bound(t, n, "10.0.0.1:4000", socket.ReuseAddr)
		b.connect("10.0.0.2:9")
		n.Eth0.SendUDP("10.0.0.2:9", "10.0.0.1:4000", "who hears")
		b.want("who hears")
		a.send("", "x")
		n.Eth0.SendIP(ICMPError("10.0.0.2", n.Eth0.NextUDP(t, "x"), wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable))
		settle(t, n)
		b.wantOption(socket.Error, int(syscall.ECONNREFUSED))
		a.wantOption(socket.Error, 0)
	}},
	{name: "ErrorConnectedToPortZero", rules: "D-CONN-29 D-ERR-08", run: func(t *testing.T, n *Machine) {
		s := connected(t, n, "127.0.0.1:0")
		s.send("", "x")
		s.wantErr(syscall.ECONNREFUSED)
	}},
	{name: "ErrorStaysOverConnect", rules: "D-ERR-19", run: func(t *testing.T, n *Machine) {
		s := refused(t, n)
		peer := bound(t, n, "127.0.0.1:0")
		s.connect(peer.local())
		s.sendErr("", "x", syscall.ECONNREFUSED)
		s.send("", "y")
		peer.want("y")
		s = refused(t, n)
		s.disconnect()
		s.wantOption(socket.Error, int(syscall.ECONNREFUSED))
	}},
}
