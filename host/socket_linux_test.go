package host

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

func TestOpenUnknownFamily(t *testing.T) {
	if s, err := (Network{}).Open(5); s != nil || err != syscall.EAFNOSUPPORT {
		t.Errorf("Open(5) = %v, %v; want nil, EAFNOSUPPORT", s, err)
	}
}

func TestUnbound(t *testing.T) {
	s := openUnbound(t, socket.IPv4)
	if got, want := s.LocalAddr(), addrPort("0.0.0.0:0"); got != want {
		t.Errorf("LocalAddr of an unbound socket = %v, want %v", got, want)
	}
	if peer, err := s.PeerAddr(); err != syscall.ENOTCONN || peer.IsValid() {
		t.Errorf("PeerAddr of an unconnected socket = %v, %v; want ENOTCONN", peer, err)
	}
	if f := s.Family(); f != socket.IPv4 {
		t.Errorf("Family = %v", f)
	}
	if s := openUnbound(t, socket.IPv6); s.LocalAddr() != addrPort("[::]:0") || s.Family() != socket.IPv6 {
		t.Errorf("an unbound %v socket is at %v, want [::]:0", s.Family(), s.LocalAddr())
	}
}

func TestBindErrors(t *testing.T) {
	taken := open4(t).LocalAddr()
	for _, tc := range []struct {
		name   string
		family socket.Family
		addr   netip.AddrPort
		want   syscall.Errno
	}{
		{"taken", socket.IPv4, taken, syscall.EADDRINUSE},
		{"not local", socket.IPv4, addrPort("198.51.100.1:0"), syscall.EADDRNOTAVAIL},
		{"IPv6 on IPv4", socket.IPv4, addrPort("[::1]:0"), syscall.EAFNOSUPPORT},
		{"mapped on IPv4", socket.IPv4, addrPort("[::ffff:127.0.0.1]:0"), syscall.EAFNOSUPPORT},
		{"IPv4 on IPv6", socket.IPv6, addrPort("127.0.0.1:0"), syscall.EAFNOSUPPORT},
		{"no address", socket.IPv4, netip.AddrPort{}, syscall.EAFNOSUPPORT},
		{"a port alone", socket.IPv4, netip.AddrPortFrom(netip.Addr{}, 7), syscall.EAFNOSUPPORT},
		{"link-local without a scope", socket.IPv6, addrPort("[fe80::1]:0"), syscall.EINVAL},
		{"unknown zone", socket.IPv6, addrPort("[fe80::1%nosuch0]:0"), syscall.ENODEV},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.family == socket.IPv6 {
				needIPv6(t)
			}
			s := openUnbound(t, tc.family)
			before := s.LocalAddr()
			if err := s.Bind(tc.addr); err != tc.want {
				t.Errorf("Bind(%v) = %v, want %v", tc.addr, err, tc.want)
			}
			if got := s.LocalAddr(); got != before {
				t.Errorf("a Bind that failed left the socket at %v", got)
			}
		})
	}

	s := open4(t)
	if err := s.Bind(addrPort("127.0.0.1:0")); err != syscall.EINVAL {
		t.Errorf("Bind of a bound socket = %v, want EINVAL", err)
	}
}

func TestBindIPv6Only(t *testing.T) {
	needIPv6(t)
	s := openUnbound(t, socket.IPv6)
	set1(t, s, socket.IPv6Only, 1)
	if err := s.Bind(addrPort("[::ffff:127.0.0.1]:0")); err != syscall.EINVAL {
		t.Errorf("Bind of an IPv6 only socket to a v4-mapped address = %v, want EINVAL", err)
	}
	must(t, s.Bind(addrPort("[::]:0")))
	if err := s.SetOption(socket.IPv6Only, 0); err != syscall.EINVAL {
		t.Errorf("IPv6Only after Bind = %v, want EINVAL", err)
	}
}

func TestReuse(t *testing.T) {
	a := openUnbound(t, socket.IPv4)
	set1(t, a, socket.ReuseAddr, 1)
	must(t, a.Bind(addrPort("127.0.0.1:0")))
	port := a.LocalAddr()
	if err := openUnbound(t, socket.IPv4).Bind(port); err != syscall.EADDRINUSE {
		t.Errorf("ReuseAddr on one of two sockets: Bind = %v, want EADDRINUSE", err)
	}
	b := openUnbound(t, socket.IPv4)
	set1(t, b, socket.ReuseAddr, 1)
	must(t, b.Bind(port))

	sender := open4(t)
	send(t, sender, port, "for the last")
	receive(t, b)
	must(t, b.Close())
	send(t, sender, port, "for the one before")
	receive(t, a)
}

func TestConnect(t *testing.T) {
	server, other := open4(t), open4(t)
	s := openUnbound(t, socket.IPv4)
	must(t, s.Connect(server.LocalAddr()))
	if peer, err := s.PeerAddr(); peer != server.LocalAddr() || err != nil {
		t.Errorf("PeerAddr = %v, %v; want %v", peer, err, server.LocalAddr())
	}
	local := s.LocalAddr()
	if local.Addr() != server.LocalAddr().Addr() || local.Port() == 0 {
		t.Errorf("Connect bound to %v, want 127.0.0.1 and a port", local)
	}
	send(t, s, netip.AddrPort{}, "to the peer")
	if m := receive(t, server); m.Addr != local {
		t.Errorf("from %v, want %v", m.Addr, local)
	}
	send(t, s, other.LocalAddr(), "elsewhere")
	receive(t, other)
	send(t, other, local, "from elsewhere")
	wantEmpty(t, s)

	must(t, s.Connect(other.LocalAddr()))
	if got := s.LocalAddr(); got != local {
		t.Errorf("connecting again moved the socket from %v to %v", local, got)
	}
	must(t, s.Connect(netip.AddrPort{}))
	if got, want := s.LocalAddr(), addrPort("0.0.0.0:0"); got != want {
		t.Errorf("LocalAddr after disconnecting = %v, want %v", got, want)
	}
	if _, err := s.PeerAddr(); err != syscall.ENOTCONN {
		t.Errorf("PeerAddr after disconnecting: %v, want ENOTCONN", err)
	}
}

func TestConnectErrors(t *testing.T) {
	s := openUnbound(t, socket.IPv4)
	for _, tc := range []struct {
		peer netip.AddrPort
		want syscall.Errno
	}{
		{addrPort("127.255.255.255:7"), syscall.EACCES},
		{addrPort("[::1]:7"), syscall.EAFNOSUPPORT},
		{netip.AddrPortFrom(netip.Addr{}, 7), syscall.EAFNOSUPPORT},
	} {
		if err := s.Connect(tc.peer); err != tc.want {
			t.Errorf("Connect(%v) = %v, want %v", tc.peer, err, tc.want)
		}
	}
}

func TestDisconnectKeepsWhatWasBound(t *testing.T) {
	s, peer := open4(t), open4(t)
	local := s.LocalAddr()
	// A port that was asked for is kept, one that was picked for 0 is not.
	must(t, s.Close())
	s = openAt(t, socket.IPv4, local.String())
	must(t, s.Connect(peer.LocalAddr()))
	must(t, s.Connect(netip.AddrPort{}))
	if got := s.LocalAddr(); got != local {
		t.Errorf("LocalAddr after disconnecting = %v, want %v", got, local)
	}
}

func TestShutdown(t *testing.T) {
	s := open4(t)
	if err := s.Shutdown(socket.ShutBoth + 1); err != syscall.EINVAL {
		t.Errorf("Shutdown(4) = %v, want EINVAL", err)
	}
	if err := s.Shutdown(socket.ShutRead); err != syscall.ENOTCONN {
		t.Errorf("Shutdown of an unconnected socket = %v, want ENOTCONN", err)
	}
	// It took effect: Wait returns, TryRecv has nothing, data still comes.
	wait(t, s, socket.Readable)
	wantEmpty(t, s)
	send(t, s, s.LocalAddr(), "late")
	receive(t, s)

	a, _ := connectedPair(t)
	must(t, a.Shutdown(socket.ShutWrite))
	if n, err := a.TrySend([]socket.Message{{Buf: []byte("x")}}); n != 0 || err != syscall.EPIPE {
		t.Errorf("TrySend after ShutWrite = %d, %v; want EPIPE", n, err)
	}
	if a.Ready(socket.Writable) == 0 {
		t.Error("a socket that returns EPIPE is not writable")
	}
}

func TestShutdownWakesWaiter(t *testing.T) {
	s, _ := connectedPair(t)
	done := make(chan error, 1)
	go func() { done <- s.Wait(socket.Readable, nil) }()
	untilParked(t, &s.read)
	must(t, s.Shutdown(socket.ShutRead))
	if err := within(t, done); err != nil {
		t.Errorf("Wait during Shutdown = %v, want nil", err)
	}
}

func TestAfterClose(t *testing.T) {
	s, peer := connectedPair(t)
	local := s.LocalAddr()
	send(t, s, netip.AddrPort{}, "12345")
	send(t, peer, netip.AddrPort{}, "123")
	receive(t, s)
	must(t, s.Close())

	ms := []socket.Message{{Buf: make([]byte, 10)}}
	_, recvErr := s.TryRecv(ms)
	_, noneErr := s.TryRecv(nil)
	_, sendErr := s.TrySend(ms)
	_, peerErr := s.PeerAddr()
	_, optionErr := s.Option(socket.TTL)
	_, rawErr := s.SyscallConn()
	var cancel socket.Cancel
	for name, err := range map[string]error{
		"Bind":          s.Bind(local),
		"Connect":       s.Connect(local),
		"Shutdown":      s.Shutdown(socket.ShutBoth),
		"PeerAddr":      peerErr,
		"TryRecv":       recvErr,
		"TryRecv(nil)":  noneErr,
		"TryPeek":       s.TryPeek(&ms[0]),
		"TrySend":       sendErr,
		"Wait":          s.Wait(socket.Readable, nil),
		"Wait, Cancel":  s.Wait(socket.Writable, &cancel),
		"Wait for both": s.Wait(socket.Readable|socket.Writable, nil),
		"SetOption":     s.SetOption(socket.TTL, 1),
		"Report":        s.SetOption(socket.Report, int(socket.FieldTTL)),
		"Option":        optionErr,
		"SyscallConn":   rawErr,
		"Close":         s.Close(),
	} {
		if err != socket.ErrClosed {
			t.Errorf("%s after Close = %v, want socket.ErrClosed", name, err)
		}
	}
	if got := s.LocalAddr(); got != local {
		t.Errorf("LocalAddr after Close = %v, want %v as before", got, local)
	}
	if st := s.Stats(); st.Sent != 1 || st.SentBytes != 5 || st.Received != 1 || st.ReceivedBytes != 3 {
		t.Errorf("Stats after Close = %+v", st)
	}
	if got := s.Ready(socket.Readable | socket.Writable); got != socket.Readable|socket.Writable {
		t.Errorf("Ready after Close = %b, want both", got)
	}
	called := false
	s.Notify(socket.Readable, func() { called = true })
	if !called {
		t.Error("Notify after Close does not call")
	}
}

// The port is free when Close returns, whoever was waiting.
func TestCloseFreesPort(t *testing.T) {
	for range 50 {
		s := open4(t)
		done := make(chan error, 2)
		for range 2 {
			go func() { done <- s.Wait(socket.Readable, nil) }()
		}
		s.Notify(socket.Readable, func() {})
		untilParked(t, &s.read)
		addr := s.LocalAddr()
		must(t, s.Close())
		again := openUnbound(t, socket.IPv4)
		if err := again.Bind(addr); err != nil {
			t.Fatalf("Bind to %v after Close: %v", addr, err)
		}
		again.Close()
		for range 2 {
			if err := within(t, done); err != socket.ErrClosed {
				t.Errorf("Wait during Close = %v, want socket.ErrClosed", err)
			}
		}
	}
}

func TestDescriptorFlags(t *testing.T) {
	s := open4(t)
	raw, err := s.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) {
		if flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("flags %#x, %v: blocking", flags, err)
		}
		if flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor flags %#x, %v: inherited by programs that are run", flags, err)
		}
	}))
}

func TestFromFD(t *testing.T) {
	peer := open4(t)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	must(t, err)
	must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(peer.LocalAddr().Port())}))
	must(t, unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_RECVTTL, 1))
	must(t, unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_RECVERR, 1))

	s, err := FromFD(fd)
	must(t, err)
	defer s.Close()
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != unix.EBADF {
		t.Errorf("the descriptor that was taken over is still open (%v)", err)
	}
	if s.Family() != socket.IPv4 || !s.connected.Load() || !s.receiveErrors.Load() {
		t.Errorf("family %v, connected %v, receive errors %v; want ip4, true, true", s.Family(), s.connected.Load(), s.receiveErrors.Load())
	}
	if got := socket.Fields(get1(t, s, socket.Report)); got != socket.FieldTTL {
		t.Errorf("Report = %b, want %b", got, socket.FieldTTL)
	}
	wantEmpty(t, s) // and does not block
	send(t, s, netip.AddrPort{}, "hello")
	m := receive(t, peer)
	send(t, peer, m.Addr, "back")
	if m := receive(t, s); m.Set != socket.FieldTTL || m.TTL == 0 {
		t.Errorf("received with fields %b and TTL %d, want the TTL", m.Set, m.TTL)
	}
}

func TestFromFDRefuses(t *testing.T) {
	file, err := os.Open(os.DevNull)
	must(t, err)
	defer file.Close()
	stream, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	must(t, err)
	defer unix.Close(stream)
	local, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	must(t, err)
	defer unix.Close(local)
	for _, tc := range []struct {
		name string
		fd   int
		want error
	}{
		{"a file", int(file.Fd()), syscall.ENOTSOCK},
		{"TCP", stream, syscall.EPROTOTYPE},
		{"AF_UNIX", local, syscall.EAFNOSUPPORT},
		{"nothing", -1, syscall.EBADF},
	} {
		s, err := FromFD(tc.fd)
		if s != nil || !errors.Is(err, tc.want) {
			t.Errorf("FromFD of %s = %v, %v; want %v", tc.name, s, err, tc.want)
		}
	}
	if flags, err := unix.FcntlInt(uintptr(stream), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
		t.Errorf("FromFD changed what it refused: flags %#x, %v", flags, err)
	}
}
