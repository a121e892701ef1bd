package host

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

func messages(to netip.AddrPort, payloads ...string) []socket.Message {
	ms := make([]socket.Message, len(payloads))
	for i, p := range payloads {
		ms[i] = socket.Message{Buf: []byte(p), Addr: to}
	}
	return ms
}

func TestSendBatches(t *testing.T) {
	connected, peer := connectedPair(t)
	free, hearer := openUnbound(t, socket.IPv4), open4(t)
	for _, tc := range []struct {
		name    string
		s, peer *Socket
		to      netip.AddrPort
	}{
		{"sendmmsg", free, hearer, hearer.LocalAddr()},
		{"one by one", connected, peer, netip.AddrPort{}},
	} {
		for _, n := range []int{0, 1, 2, 32, 33, 100} {
			t.Run(fmt.Sprintf("%s/%d", tc.name, n), func(t *testing.T) {
				var payloads []string
				for i := range n {
					payloads = append(payloads, fmt.Sprint(i))
				}
				if got, err := tc.s.TrySend(messages(tc.to, payloads...)); got != n || err != nil {
					t.Fatalf("TrySend = %d, %v; want %d, nil", got, err, n)
				}
				for i := range n {
					if m := receive(t, tc.peer); string(m.Buf) != payloads[i] {
						t.Errorf("received %q, want %q", m.Buf, payloads[i])
					}
				}
				wantEmpty(t, tc.peer)
			})
		}
	}
}

// An error in the middle of a batch ends it; the rest is for the next call,
// which meets it again.
func TestSendBatchEndsAtError(t *testing.T) {
	big := string(make([]byte, 65508))
	for _, tc := range []struct {
		name string
		bad  socket.Message
		want syscall.Errno
	}{
		{"too big", socket.Message{Buf: []byte(big)}, syscall.EMSGSIZE},
		{"port 0", socket.Message{Addr: addrPort("127.0.0.1:0")}, syscall.EINVAL},
		{"other family", socket.Message{Addr: addrPort("[::1]:7")}, syscall.EAFNOSUPPORT},
		{"broadcast", socket.Message{Addr: addrPort("127.255.255.255:7")}, syscall.EACCES},
		{"no address", socket.Message{Addr: netip.AddrPortFrom(netip.Addr{}, 7)}, syscall.EAFNOSUPPORT},
		{"field that is received only", socket.Message{Set: socket.FieldDrops}, syscall.EINVAL},
		{"source of the other family", socket.Message{Set: socket.FieldLocal, Local: addrPort("[::1]:0")}, syscall.EINVAL},
		{"no source", socket.Message{Set: socket.FieldLocal}, syscall.EINVAL},
		{"no such interface", socket.Message{Set: socket.FieldInterface, Interface: 1 << 30}, syscall.ENODEV},
		{"negative interface", socket.Message{Set: socket.FieldInterface, Interface: -1}, syscall.ENODEV},
		{"TTL 0", socket.Message{Set: socket.FieldTTL}, syscall.EINVAL},
	} {
		for _, at := range []int{0, 1, 2, 31, 32, 40} {
			for _, connect := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%d/%v", tc.name, at, connect), func(t *testing.T) {
					s, hearer := openUnbound(t, socket.IPv4), open4(t)
					if connect {
						must(t, s.Connect(hearer.LocalAddr()))
					}
					ms := make([]socket.Message, 50)
					for i := range ms {
						ms[i] = socket.Message{Buf: []byte{byte(i)}, Addr: hearer.LocalAddr()}
					}
					bad := tc.bad
					if bad.Addr == (netip.AddrPort{}) {
						bad.Addr = hearer.LocalAddr()
					}
					ms[at] = bad

					left := ms
					if at > 0 {
						// It may stop earlier, but not later.
						for done := 0; done < at; {
							n, err := s.TrySend(left)
							if n == 0 || err != nil {
								t.Fatalf("TrySend with %d good ones ahead = %d, %v", at-done, n, err)
							}
							left, done = left[n:], done+n
						}
					}
					for range 2 {
						if n, err := s.TrySend(left); n != 0 || err != tc.want {
							t.Fatalf("TrySend from message %d on = %d, %v; want 0, %v", len(ms)-len(left), n, err, tc.want)
						}
					}
					if n, err := s.TrySend(left[1:]); n != len(left)-1 || err != nil {
						t.Fatalf("TrySend of what is behind it = %d, %v; want %d", n, err, len(left)-1)
					}
					for i := range ms {
						if i == at {
							continue
						}
						if m := receive(t, hearer); len(m.Buf) != 1 || m.Buf[0] != byte(i) {
							t.Fatalf("received %v, want [%d]", m.Buf, i)
						}
					}
					wantEmpty(t, hearer)
					wantEmpty(t, s) // no error was kept
				})
			}
		}
	}
}

// On the loopback interface the port unreachable for the first datagram comes,
// as a rule, before the second is sent: sendmmsg would swallow the ECONNREFUSED.
func TestSendKeepsErrorInMiddle(t *testing.T) {
	s := openUnbound(t, socket.IPv4)
	must(t, s.Connect(closedPort(t)))
	ms := messages(netip.AddrPort{}, "1", "2", "3")
	for round := range 4 {
		// All three may have gone before the first error came; then there
		// is nothing to be kept.
		until(t, func() bool {
			n, err := s.TrySend(ms)
			if err == syscall.ECONNREFUSED {
				return false
			}
			must(t, err)
			return n < len(ms)
		})
		if s.Ready(socket.Readable) == 0 {
			t.Errorf("round %d: a socket with a kept error is not readable", round)
		}
		var err error
		switch round {
		case 0:
			_, err = s.TrySend(ms[1:])
		case 1:
			_, err = s.TryRecv(ms[:1])
		case 2:
			err = syscall.Errno(get1(t, s, socket.Error))
		case 3:
			_, err = s.TrySend(ms[2:])
		}
		if err != syscall.ECONNREFUSED {
			t.Errorf("round %d: the next call returned %v, want ECONNREFUSED", round, err)
		}
	}
}

// Who is parked when an error is kept learns of it: the kernel's own wake-up may
// have come when there was nothing to be seen.
func TestKeptErrorWakes(t *testing.T) {
	a, _ := unixPair(t)
	fill(t, a)
	done := make(chan error, 3)
	go func() { done <- a.Wait(socket.Readable, nil) }()
	go func() { done <- a.Wait(socket.Readable, nil) }()
	go func() { done <- a.Wait(socket.Writable, nil) }()
	untilParked(t, &a.read)
	untilParked(t, &a.write)
	a.keep(syscall.ECONNREFUSED)
	for range 3 {
		must(t, within(t, done))
	}
	wantRecvError(t, a, syscall.ECONNREFUSED)
	wantRecvError(t, a, syscall.EAGAIN)
}

func TestSendImplicitBind(t *testing.T) {
	s, peer := openUnbound(t, socket.IPv4), open4(t)
	if n, err := s.TrySend(messages(netip.AddrPort{}, "x")); n != 0 || err != syscall.EDESTADDRREQ {
		t.Errorf("TrySend to nobody = %d, %v; want EDESTADDRREQ", n, err)
	}
	send(t, s, peer.LocalAddr(), "x")
	if a := s.LocalAddr(); !a.Addr().IsUnspecified() || a.Port() == 0 {
		t.Errorf("sending bound to %v, want 0.0.0.0 and a port", a)
	}
	if err := s.Bind(addrPort("127.0.0.1:0")); err != syscall.EINVAL {
		t.Errorf("Bind after sending = %v, want EINVAL", err)
	}
}

func TestSendFull(t *testing.T) {
	a, b := unixPair(t)
	fill(t, a)
	if n, err := a.TrySend([]socket.Message{{Buf: []byte("x")}}); n != 0 || err != syscall.EAGAIN {
		t.Errorf("TrySend into a full buffer = %d, %v; want EAGAIN", n, err)
	}
	sent := a.Stats().Sent
	got := uint64(0)
	for {
		n, err := b.TryRecv(make([]socket.Message, 10))
		if err != nil {
			break
		}
		got += uint64(n)
	}
	if got != sent {
		t.Errorf("%d arrived of %d that were accepted", got, sent)
	}
}

func TestSendRefusesBroadcast(t *testing.T) {
	s := openUnbound(t, socket.IPv4)
	set1(t, s, socket.BindInterface, loopback(t))
	to := addrPort("127.255.255.255:9")
	if n, err := s.TrySend(messages(to, "x")); n != 0 || err != syscall.EACCES {
		t.Errorf("TrySend to a broadcast address = %d, %v; want EACCES", n, err)
	}
	set1(t, s, socket.Broadcast, 1)
	send(t, s, to, "x")
}

func loopback(t testing.TB) int {
	t.Helper()
	list, err := Network{}.Interfaces()
	must(t, err)
	for _, ifi := range list {
		if ifi.Loopback {
			return ifi.Index
		}
	}
	t.Fatal("no loopback interface")
	return 0
}
