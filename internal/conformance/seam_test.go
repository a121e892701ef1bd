//go:build linux

package conformance

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
)

// waiting calls Wait in a goroutine and returns its result's channel, once it can
// be taken to be waiting.
func waiting(t *testing.T, s *sock, mask socket.Events, c *socket.Cancel) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Wait(mask, c) }()
	select {
	case err := <-done:
		t.Fatalf("Wait returned %v before anything came", err)
	case <-time.After(soon):
	}
	return done
}

// wantDone checks that a wait ends with the error.
func wantDone(t *testing.T, n *Machine, done <-chan error, want error) {
	t.Helper()
	select {
	case err := <-done:
		if err != want {
			t.Errorf("Wait: %v, want %v", err, want)
		}
	case <-time.After(n.Patience):
		t.Fatal("Wait does not return")
	}
}

// eventually waits until the count is reached; it fails the test if it is not.
func eventually(t *testing.T, n *Machine, count *atomic.Int32, want int32) {
	t.Helper()
	for end := time.Now().Add(n.Patience); count.Load() != want; {
		if time.Now().After(end) {
			t.Fatalf("called %d times, want %d", count.Load(), want)
		}
		time.Sleep(time.Millisecond)
	}
}

var seamCases = []testCase{
	{name: "WaitHolds", rules: "S-WAIT-01", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		if err := r.Wait(socket.Writable, nil); err != nil {
			t.Errorf("Wait for writing: %v", err)
		}
		if got := r.Ready(socket.Readable | socket.Writable); got != socket.Writable {
			t.Errorf("Ready is %b, want Writable", got)
		}
		s := open(t, n)
		s.send(r.local(), "x")
		settle(t, n)
		for range 3 {
			if err := r.Wait(socket.Readable, nil); err != nil {
				t.Errorf("Wait for reading: %v", err)
			}
		}
		if err := r.Wait(socket.Readable|socket.Writable, nil); err != nil {
			t.Errorf("Wait for either: %v", err)
		}
		if got := r.Ready(socket.Readable | socket.Writable); got != socket.Readable|socket.Writable {
			t.Errorf("Ready is %b, want both", got)
		}
		if got := r.Ready(socket.Writable); got != socket.Writable {
			t.Errorf("Ready is %b, want only what was asked for", got)
		}
	}},
	{name: "WaitArrival", rules: "S-WAIT-02 S-WAIT-05", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		a := waiting(t, r, socket.Readable, nil)
		b := waiting(t, r, socket.Readable, nil)
		s := open(t, n)
		s.send(r.local(), "x")
		wantDone(t, n, a, nil)
		wantDone(t, n, b, nil)
		r.want("x")
	}},
	{name: "WaitCancelled", rules: "S-WAIT-03", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		var c, other socket.Cancel
		done := waiting(t, r, socket.Readable, &c)
		stays := waiting(t, r, socket.Readable, &other)
		c.Fire()
		wantDone(t, n, done, socket.ErrCancelled)
		if err := r.Wait(socket.Readable, &c); err != socket.ErrCancelled {
			t.Errorf("Wait with a Cancel that has fired: %v", err)
		}
		c.Reset()
		again := waiting(t, r, socket.Readable, &c)
		s := open(t, n)
		s.send(r.local(), "x")
		wantDone(t, n, again, nil)
		wantDone(t, n, stays, nil)
		if err := r.Wait(socket.Readable, &c); err != nil {
			t.Errorf("Wait that need not wait: %v", err)
		}
	}},
	{name: "WaitClosed", rules: "S-WAIT-04 S-CLOSE-01", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		a := waiting(t, r, socket.Readable, nil)
		b := waiting(t, r, socket.Readable, nil)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		wantDone(t, n, a, socket.ErrClosed)
		wantDone(t, n, b, socket.ErrClosed)
		if err := r.Wait(socket.Readable, nil); err != socket.ErrClosed {
			t.Errorf("Wait after Close: %v", err)
		}
	}},
	{name: "NotifyNow", rules: "S-NOTIFY-01", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		var calls atomic.Int32
		r.Notify(socket.Writable, func() { calls.Add(1) })
		if calls.Load() != 1 {
			t.Error("Notify does not call at once what holds already")
		}
		s := open(t, n)
		r.Notify(socket.Readable, func() { calls.Add(1) })
		if calls.Load() != 1 {
			t.Error("called before anything came")
		}
		s.send(r.local(), "x")
		eventually(t, n, &calls, 2)
		s.send(r.local(), "y")
		settle(t, n)
		if calls.Load() != 2 {
			t.Errorf("called %d times, want once each", calls.Load()-1)
		}
		r.Notify(socket.Readable, func() { calls.Add(1) }) // two are queued
		if calls.Load() != 3 {
			t.Error("Notify does not look before it waits")
		}
	}},
	{name: "NotifyReplaced", rules: "S-NOTIFY-02", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		var first, second atomic.Int32
		r.Notify(socket.Readable, func() { first.Add(1) })
		r.Notify(socket.Readable, func() { second.Add(1) })
		s := open(t, n)
		s.send(r.local(), "x")
		eventually(t, n, &second, 1)
		r.want("x")
		r.Notify(socket.Readable, func() { second.Add(1) })
		r.Notify(socket.Readable, nil)
		s.send(r.local(), "y")
		r.want("y")
		if first.Load() != 0 || second.Load() != 1 {
			t.Errorf("called %d and %d times, want 0 and 1", first.Load(), second.Load())
		}
	}},
	{name: "NotifyClosed", rules: "S-NOTIFY-03", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		var calls atomic.Int32
		r.Notify(socket.Readable, func() { calls.Add(1) })
		r.Close()
		eventually(t, n, &calls, 1)
	}},
	{name: "Closed", rules: "S-CLOSE-01 S-CLOSE-02 S-CLOSE-03", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := open(t, n)
		s.send(r.local(), "x")
		r.want("x")
		r.send(r.local(), "y")
		was := r.local()
		if err := r.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		r.wantLocal(was)
		ms := []socket.Message{{Buf: make([]byte, 10), Addr: s.LocalAddr()}}
		for what, f := range map[string]func() error{
			"Close":                       r.Close,
			"Bind":                        func() error { return r.Bind(addrPort("127.0.0.1:0")) },
			"Connect":                     func() error { return r.Connect(addrPort("127.0.0.1:9")) },
			"Shutdown":                    func() error { return r.Shutdown(socket.ShutBoth) },
			"TryRecv":                     func() error { _, err := r.TryRecv(ms); return err },
			"TryPeek":                     func() error { return r.TryPeek(&ms[0]) },
			"TrySend":                     func() error { _, err := r.TrySend(ms); return err },
			"PeerAddr":                    func() error { _, err := r.PeerAddr(); return err },
			"SetOption":                   func() error { return r.SetOption(socket.TTL, 5) },
			"SetOption to what cannot be": func() error { return r.SetOption(socket.TTL, 256) },
			"SetOption of what is not":    func() error { return r.SetOption(0, 0) },
			"Option of what is not":       func() error { _, err := r.Option(0); return err },
			"Shutdown of no direction":    func() error { return r.Shutdown(0) },
			"Bind to no address":          func() error { return r.Bind(netip.AddrPort{}) },
			"Option":                      func() error { _, err := r.Option(socket.TTL); return err },
			"Wait":                        func() error { return r.Wait(socket.Writable, nil) },
		} {
			if err := f(); err != socket.ErrClosed {
				t.Errorf("%s after Close: %v, want socket.ErrClosed", what, err)
			}
		}
		if st := r.Stats(); st.Received != 1 || st.Sent != 1 {
			t.Errorf("after Close Stats say %d read and %d sent, want 1 and 1", st.Received, st.Sent)
		}
	}},
	{name: "CloseConcurrently", rules: "S-CLOSE-01", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		var closed atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if r.Close() == nil {
					closed.Add(1)
				}
			})
		}
		wg.Wait()
		if closed.Load() != 1 {
			t.Errorf("%d of 8 Closes succeeded, want 1", closed.Load())
		}
	}},
	{name: "Stats", rules: "S-STATS-01 S-STATS-02", run: func(t *testing.T, n *Machine) {
		r := bound(t, n, "127.0.0.1:0")
		s := connected(t, n, r.local())
		s.send("", "12345")
		s.send("", "")
		s.send("", "123")
		s.sendErr("127.0.0.1:0", "refused", syscall.EINVAL)
		settle(t, n)
		if st := s.Stats(); st.Sent != 3 || st.SentBytes != 8 {
			t.Errorf("sent %d datagrams, %d bytes, want 3 and 8", st.Sent, st.SentBytes)
		}
		if st := r.Stats(); st.Received != 0 || st.ReceiveQueued < 8 {
			t.Errorf("before it reads: %d read, %d bytes queued", st.Received, st.ReceiveQueued)
		}
		r.wantOption(socket.NextSize, 5)
		ms := []socket.Message{{Buf: make([]byte, 0, 2)}} // cut, and counted whole
		if _, err := r.TryRecv(ms); err != nil {
			t.Fatal(err)
		}
		r.want("")
		r.want("123")
		if st := r.Stats(); st.Received != 3 || st.ReceivedBytes != 8 || st.ReceiveQueued != 0 {
			t.Errorf("read %d datagrams, %d bytes, %d queued; want 3, 8 and 0", st.Received, st.ReceivedBytes, st.ReceiveQueued)
		}
		s.wantOption(socket.SendQueued, 0)
		for _, s := range []*sock{s, r} {
			for reason, k := range s.Stats().Dropped {
				if k != 0 {
					t.Errorf("%d were dropped for %v", k, reason)
				}
			}
		}
	}},
	{name: "Family", rules: "S-FAMILY-01", run: func(t *testing.T, n *Machine) {
		if f := open(t, n).Family(); f != socket.IPv4 {
			t.Errorf("Family is %v", f)
		}
		for _, f := range []socket.Family{0, 5, 255} {
			if _, err := n.Open(f); err != syscall.EAFNOSUPPORT {
				t.Errorf("Open(%d): %v, want EAFNOSUPPORT", f, name(err))
			}
		}
	}},
	{name: "Interfaces", rules: "S-IFACE-01", needs: Wires, run: func(t *testing.T, n *Machine) {
		list, err := n.Interfaces()
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != 3 || list[0].Name != "lo" || list[0].Index != 1 {
			t.Fatalf("%+v, want lo, eth0 and eth1", list)
		}
		lo := list[0]
		lo.Addresses = slices.DeleteFunc(lo.Addresses, func(p netip.Prefix) bool {
			return p == netip.MustParsePrefix("::1/128") // which the kernel's has only if it speaks IPv6
		})
		if !lo.Loopback || !lo.Up || lo.Broadcast || lo.MTU != 65536 || len(lo.Addresses) != 1 || lo.Addresses[0] != netip.MustParsePrefix("127.0.0.1/8") {
			t.Errorf("loopback is %+v", lo)
		}
		for i, p := range thePlan.interfaces {
			ifi := list[i+1]
			if ifi.Name != p.name || ifi.Index <= list[i].Index || ifi.MTU != wireMTU || ifi.HardwareAddr != p.mac ||
				!ifi.Up || ifi.Loopback || !ifi.Broadcast || !ifi.Multicast {
				t.Errorf("%s is %+v", p.name, ifi)
			}
			if len(ifi.Addresses) != len(p.addresses) {
				t.Errorf("%s has %v, want %v", p.name, ifi.Addresses, p.addresses)
				continue
			}
			for j, a := range p.addresses {
				if ifi.Addresses[j] != a {
					t.Errorf("%s has %v, want %v", p.name, ifi.Addresses, p.addresses)
				}
			}
		}
	}},
}
