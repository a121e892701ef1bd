//go:build linux

package conformance

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
)

// The cases here are of what package socket decided where the kernel leaves a
// choice, or where its own words are for more than one thing.

// contractRules are rules that belong to these cases alone.
var contractRules = []Rule{
	{ID: "S-ADDR-01", Text: "an AddrPort with a port and no address is EAFNOSUPPORT, to bind, to connect and to send to"},
	{ID: "S-ADDR-02", Text: "a v4-mapped address on an IPv4 socket is EAFNOSUPPORT, to bind, to connect and to send to"},
	{ID: "S-BUF-01", Text: "a negative ReceiveBuffer or SendBuffer is the network's maximum"},
	{ID: "S-IFACE-02", Text: "an interface that does not exist is ENODEV to BindInterface, EADDRNOTAVAIL to MulticastInterface, and changes nothing"},
	{ID: "S-MSG-01", Text: "a message to be sent that sets FieldTime, FieldDrops or an unknown field is EINVAL, and nothing is sent"},
	{ID: "S-STATS-03", Text: "a train counts as its datagrams, where it is sent and where it is read"},
	{ID: "S-WAIT-06", Text: "a Cancel that has fired ends a wait for what holds already, and Close comes before it"},
	{ID: "S-WAIT-07", Text: "Wait for no event is EINVAL"},
	{ID: "S-RECEIVE-01", Text: "Receive takes what is there, and else what comes"},
	{ID: "S-RECEIVE-02", Text: "Receive returns ErrCancelled when its Cancel fires, socket.ErrClosed after Close, and takes nothing then"},
	{ID: "S-RECEIVE-03", Text: "Receive on an empty queue that is shut down for reading is EAGAIN"},
}

func init() {
	Rules = append(Rules, contractRules...)
	table = append(table, contractCases...)
}

var contractCases = []testCase{
	{name: "AddrPortWithoutAddress", rules: "S-ADDR-01", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		nowhere := netip.AddrPortFrom(netip.Addr{}, 9)
		for range 2 { // unbound, then bound
			if err := s.Bind(nowhere); err != syscall.EAFNOSUPPORT {
				t.Errorf("Bind: %v, want EAFNOSUPPORT", name(err))
			}
			if err := s.Connect(nowhere); err != syscall.EAFNOSUPPORT {
				t.Errorf("Connect: %v, want EAFNOSUPPORT", name(err))
			}
			s.wantNoPeer()
			if err := s.trySend(socket.Message{Buf: []byte("x"), Addr: nowhere}); err != syscall.EAFNOSUPPORT {
				t.Errorf("TrySend: %v, want EAFNOSUPPORT", name(err))
			}
			s = bound(t, n, "127.0.0.1:0")
		}
		// It is not the peer that is meant either.
		r := bound(t, n, "127.0.0.1:0")
		s.connect(r.local())
		if err := s.trySend(socket.Message{Buf: []byte("x"), Addr: nowhere}); err != syscall.EAFNOSUPPORT {
			t.Errorf("TrySend, connected: %v, want EAFNOSUPPORT", name(err))
		}
		r.wantNothing()
	}},
	{name: "MappedAddress", rules: "S-ADDR-02 D-BIND-09 D-CONN-17 D-SIZE-05", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		mapped := at("[::ffff:127.0.0.1]", r.port())
		s := open(t, n)
		s.bindErr("[::ffff:127.0.0.1]:0", syscall.EAFNOSUPPORT)
		s.connectErr(mapped, syscall.EAFNOSUPPORT)
		s.wantNoPeer()
		s.sendErr(mapped, "x", syscall.EAFNOSUPPORT)
		s.connect(r.local())
		s.connectErr(mapped, syscall.EAFNOSUPPORT)
		s.wantPeer(r.local())
		s.sendErr(mapped, "x", syscall.EAFNOSUPPORT)
		r.wantNothing()
		s.send("", "x")
		r.want("x")
	}},
	{name: "BufferNegative", rules: "S-BUF-01 D-RECV-07 D-SEND-01", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		for _, o := range []socket.Option{socket.ReceiveBuffer, socket.SendBuffer} {
			s.set(o, 1<<31-1) // capped
			most := s.get(o)
			for _, v := range []int{-1, -1 << 31} {
				s.set(o, 5000)
				s.wantOption(o, 10000)
				s.set(o, v)
				s.wantOption(o, most)
			}
		}
	}},
	{name: "InterfaceUnknown", rules: "S-IFACE-02 D-OPT-10 D-OPT-12", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		lo := n.Index(t, "lo")
		s.set(socket.MulticastInterface, lo)
		for _, index := range []int{9999, 1<<31 - 1} {
			s.setErr(socket.BindInterface, index, syscall.ENODEV)
			s.wantOption(socket.BindInterface, 0)
			s.setErr(socket.MulticastInterface, index, syscall.EADDRNOTAVAIL)
			s.wantOption(socket.MulticastInterface, lo)
		}
	}},
	{name: "SendReceivedFields", rules: "S-MSG-01", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		for _, set := range []socket.Fields{
			socket.FieldTime, socket.FieldDrops, socket.FieldTime | socket.FieldDrops, socket.FieldTOS | socket.FieldTime,
			socket.FieldDrops << 1, 1 << 15,
		} {
			bad := socket.Message{Buf: []byte("bad"), Addr: r.LocalAddr(), Set: set}
			if err := s.trySend(bad); err != syscall.EINVAL {
				t.Errorf("with the fields %#x: %v, want EINVAL", set, name(err))
			}
			// In a batch it ends that, and is met again.
			ms := []socket.Message{{Buf: []byte("good"), Addr: r.LocalAddr()}, bad, {Buf: []byte("never"), Addr: r.LocalAddr()}}
			if k, err := s.TrySend(ms); k != 1 || err != nil {
				t.Errorf("a batch with the fields %#x in the middle: %d, %v, want 1", set, k, name(err))
			}
			if k, err := s.TrySend(ms[1:]); k != 0 || err != syscall.EINVAL {
				t.Errorf("and the rest of it: %d, %v, want EINVAL", k, name(err))
			}
			r.want("good")
			r.wantNothing()
		}
		// What came can be answered, whatever it told.
		r.set(socket.Report, int(socket.FieldTime|socket.FieldDrops|socket.FieldLocal))
		s.send(r.local(), "question")
		m := r.want("question")
		m.Reply()
		r.sendMessage(m)
		s.want("question")
	}},
	{name: "StatsTrain", rules: "S-STATS-03 S-STATS-01", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		s.sendMessage(train(r.local(), 250, 100))
		s.sendMessage(train(r.local(), 100, 100))
		s.sendMessage(train(r.local(), 7, 100))
		if st := s.Stats(); st.Sent != 5 || st.SentBytes != 357 {
			t.Errorf("sent %d datagrams, %d bytes, want 5 and 357", st.Sent, st.SentBytes)
		}
		settle(t, n)
		if got := drain(t, r); got != 5 {
			t.Errorf("%d datagrams arrived, want 5", got)
		}
		if st := r.Stats(); st.Received != 5 || st.ReceivedBytes != 357 {
			t.Errorf("read %d datagrams, %d bytes, want 5 and 357", st.Received, st.ReceivedBytes)
		}
		// One that is refused counts nothing.
		if err := s.trySend(train(r.local(), 65508, 1000)); err != syscall.EMSGSIZE {
			t.Errorf("a train of 65508 bytes: %v", name(err))
		}
		if st := s.Stats(); st.Sent != 5 {
			t.Errorf("with one that was refused %d were sent, want 5", st.Sent)
		}
	}},
	{name: "WaitCancelledWins", rules: "S-WAIT-06 S-WAIT-03", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		s.send(r.local(), "x")
		settle(t, n)
		var c socket.Cancel
		c.Fire()
		masks := []socket.Events{socket.Readable, socket.Writable, socket.Readable | socket.Writable}
		for _, mask := range masks {
			if err := r.Wait(mask, &c); err != socket.ErrCancelled {
				t.Errorf("Wait(%b) with a Cancel that has fired: %v, want ErrCancelled", mask, err)
			}
		}
		c.Reset()
		for _, mask := range masks {
			if err := r.Wait(mask, &c); err != nil {
				t.Errorf("Wait(%b) after Reset: %v", mask, err)
			}
		}
		c.Fire()
		r.Close()
		for _, mask := range masks {
			if err := r.Wait(mask, &c); err != socket.ErrClosed {
				t.Errorf("Wait(%b) after Close with a Cancel that has fired: %v, want socket.ErrClosed", mask, err)
			}
		}
	}},
	{name: "WaitForNothing", rules: "S-WAIT-07", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		s.send(r.local(), "x")
		settle(t, n)
		if err := r.Wait(0, nil); err != syscall.EINVAL {
			t.Errorf("Wait(0): %v, want EINVAL", name(err))
		}
		if got := r.Ready(0); got != 0 {
			t.Errorf("Ready(0) is %b, want nothing", got)
		}
		r.want("x")
	}},
	{name: "Receive", rules: "S-RECEIVE-01", run: bothWays(func(t *testing.T, n *Machine, way func(*sock) socket.Receiver) {
		r := bound(t, n, "127.0.0.1:0")
		rr := way(r)
		s := open(t, n)
		ms := []socket.Message{{Buf: make([]byte, 10)}, {Buf: make([]byte, 10)}, {Buf: make([]byte, 10)}}
		s.send(r.local(), "1")
		s.send(r.local(), "2")
		settle(t, n)
		if k, err := rr.Receive(ms, nil); k != 2 || err != nil || string(ms[0].Buf) != "1" || string(ms[1].Buf) != "2" || ms[1].Addr.Port() != s.port() {
			t.Errorf("Receive of two: %d, %v, %q and %q from %v", k, err, ms[0].Buf, ms[1].Buf, ms[1].Addr)
		}
		if k, err := rr.Receive(nil, nil); k != 0 || err != nil {
			t.Errorf("Receive of none: %d, %v", k, err)
		}
		done := receiving(t, rr, ms, nil)
		s.send(r.local(), "3")
		wantDone(t, n, done, nil)
		if string(ms[0].Buf) != "3" {
			t.Errorf("received %q, want 3", ms[0].Buf)
		}
	})},
	{name: "ReceiveEnds", rules: "S-RECEIVE-02 S-WAIT-06", run: bothWays(func(t *testing.T, n *Machine, way func(*sock) socket.Receiver) {
		r := bound(t, n, "127.0.0.1:0")
		rr := way(r)
		s := open(t, n)
		ms := []socket.Message{{Buf: make([]byte, 10)}}
		var c, other socket.Cancel
		done := receiving(t, rr, ms, &c)
		stays := receiving(t, rr, []socket.Message{{Buf: make([]byte, 10)}}, &other)
		c.Fire()
		wantDone(t, n, done, socket.ErrCancelled)
		s.send(r.local(), "x")
		wantDone(t, n, stays, nil)

		s.send(r.local(), "y")
		settle(t, n)
		if k, err := rr.Receive(ms, &c); k != 0 || err != socket.ErrCancelled {
			t.Errorf("Receive with a Cancel that has fired: %d, %v", k, err)
		}
		r.want("y")
		done = receiving(t, rr, ms, &other)
		r.Close()
		wantDone(t, n, done, socket.ErrClosed)
		for _, cancel := range []*socket.Cancel{nil, &c} {
			if k, err := rr.Receive(ms, cancel); k != 0 || err != socket.ErrClosed {
				t.Errorf("Receive after Close: %d, %v, want socket.ErrClosed", k, err)
			}
		}
	})},
	{name: "ReceiveShutDown", rules: "S-RECEIVE-03", run: bothWays(func(t *testing.T, n *Machine, way func(*sock) socket.Receiver) {
		for _, connect := range []bool{true, false} {
			r := bound(t, n, "127.0.0.1:0")
			rr := way(r)
			s := bound(t, n, "127.0.0.1:0")
			if connect {
				r.connect(s.local())
			}
			ms := []socket.Message{{Buf: make([]byte, 10)}}
			a := receiving(t, rr, ms, nil)
			b := receiving(t, rr, []socket.Message{{Buf: make([]byte, 10)}}, nil)
			if err := r.Shutdown(socket.ShutRead); (err == nil) != connect {
				t.Errorf("Shutdown: %v", err)
			}
			wantDone(t, n, a, syscall.EAGAIN)
			wantDone(t, n, b, syscall.EAGAIN)
			s.send(r.local(), "x")
			settle(t, n)
			if k, err := rr.Receive(ms, nil); k != 1 || err != nil || string(ms[0].Buf) != "x" {
				t.Errorf("Receive of what came after: %d, %v, %q", k, err, ms[0].Buf)
			}
			if k, err := rr.Receive(ms, nil); k != 0 || err != syscall.EAGAIN {
				t.Errorf("Receive of nothing: %d, %v, want EAGAIN", k, err)
			}
		}
	})},
}

// bothWays runs a case about Receive with the socket's own, if it is a Receiver,
// and with what a program has on every network: to try and to wait in turns. They
// must come to the same.
func bothWays(run func(t *testing.T, n *Machine, way func(*sock) socket.Receiver)) func(*testing.T, *Machine) {
	return func(t *testing.T, n *Machine) {
		run(t, n, func(s *sock) socket.Receiver { return turns{s} })
		if _, ok := open(t, n).Socket.(socket.Receiver); ok {
			run(t, n, func(s *sock) socket.Receiver { return s.Socket.(socket.Receiver) })
		} else if n.Kind == Host {
			t.Error("the operating system's sockets are Receivers no more")
		}
	}
}

type turns struct{ socket.Socket }

func (s turns) Receive(ms []socket.Message, cancel *socket.Cancel) (int, error) {
	for waited := false; ; waited = true {
		if cancel.Fired() {
			// Wait says which of the reasons comes first.
			return 0, s.Wait(socket.Readable, cancel)
		}
		// To be woken and find nothing is what being shut down is like.
		if n, err := s.TryRecv(ms); err != syscall.EAGAIN || waited {
			return n, err
		}
		if err := s.Wait(socket.Readable, cancel); err != nil {
			return 0, err
		}
	}
}

// receiving is waiting, of Receive.
func receiving(t *testing.T, r socket.Receiver, ms []socket.Message, c *socket.Cancel) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := r.Receive(ms, c)
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("Receive returned %v before anything came", err)
	case <-time.After(soon):
	}
	return done
}
