package stack

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// intercepting returns a socket that hears what nobody else wants, with its
// destination.
func (h *host) intercepting(t testing.TB) *Socket {
	t.Helper()
	s := h.open(t, "")
	setOption(t, s, socket.Report, int(socket.FieldLocal))
	if err := s.Intercept(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestInterceptHearsWhatNobodyWants(t *testing.T) {
	h, l := onTunnel(t, Config{})
	all := h.intercepting(t)
	wild := h.open(t, "0.0.0.0:53")
	foreign := h.open(t, "")
	setOption(t, foreign, socket.Transparent, 1)
	if err := foreign.Bind(netip.MustParseAddrPort("192.0.2.1:54")); err != nil {
		t.Fatal(err)
	}
	connected := h.open(t, "")
	setOption(t, connected, socket.Transparent, 1)
	if err := connected.Bind(netip.MustParseAddrPort("192.0.2.1:55")); err != nil {
		t.Fatal(err)
	}
	if err := connected.Connect(netip.MustParseAddrPort("10.9.0.7:1000")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		src, dst string
		to       *Socket
	}{
		{"10.9.0.7:1000", "192.0.2.1:53", wild},
		{"10.9.0.7:1000", "192.0.2.1:54", foreign},
		{"10.9.0.7:1000", "192.0.2.2:54", all},
		{"10.9.0.7:1000", "192.0.2.1:55", connected},
		{"10.9.0.7:1001", "192.0.2.1:55", all},
		{"10.9.0.7:1000", "192.0.2.1:1", all},
		{"10.9.0.7:1000", "192.0.2.1:65535", all},
		{"10.9.0.7:1000", "10.9.0.1:9999", all}, // an own address
	} {
		l.deliver(datagram{bare: true, src: c.src, dst: c.dst, payload: c.dst}.frame())
		for _, s := range []*Socket{all, wild, foreign, connected} {
			ms := []socket.Message{{Buf: make([]byte, 64)}}
			n, err := s.TryRecv(ms)
			if (s == c.to) != (n == 1) {
				t.Errorf("%s > %s: socket %v received %d, %v", c.src, c.dst, s.LocalAddr(), n, err)
			}
			if n == 1 && s == all && (ms[0].Local != netip.MustParseAddrPort(c.dst) || ms[0].Addr != netip.MustParseAddrPort(c.src)) {
				t.Errorf("%s > %s: told of as %v > %v", c.src, c.dst, ms[0].Addr, ms[0].Local)
			}
		}
	}
	l.expect(t, "all taken")

	// Broadcasts are for those who are bound to their port.
	l.deliver(datagram{bare: true, src: "10.9.0.7:1000", dst: "255.255.255.255:1"}.frame())
	checkDrops(t, h, drop.NoPort, 1)

	if err := all.Close(); err != nil {
		t.Error(err)
	}
	l.deliver(datagram{bare: true, src: "10.9.0.7:1000", dst: "192.0.2.2:1"}.frame())
	l.expect(t, "closed", "192.0.2.2 > 10.9.0.7 ICMP port unreachable [10.9.0.7:1000 > 192.0.2.2:1 UDP]")
	checkLedger(t, h)
}

func TestInterceptAnswers(t *testing.T) {
	h, l := onTunnel(t, Config{})
	all := h.intercepting(t)
	l.deliver(datagram{bare: true, src: "10.9.0.7:1000", dst: "192.0.2.1:53", payload: "query"}.frame())
	m := receive(t, all)
	m.Reply()
	m.Buf = []byte("answer")
	if n, err := all.TrySend([]socket.Message{m}); n != 1 || err != nil {
		t.Fatalf("TrySend: %d, %v", n, err)
	}
	l.expect(t, "answered", `192.0.2.1:53 > 10.9.0.7:1000 UDP 6 B "answer"`)

	local := func(s string) socket.Message {
		m := message("x", "10.9.0.7:1000")
		m.Set, m.Local = socket.FieldLocal, netip.MustParseAddrPort(s)
		return m
	}
	for _, c := range []struct {
		what string
		m    socket.Message
		want error
	}{
		{"in nobody's name", message("x", "10.9.0.7:1000"), syscall.EINVAL},
		{"without a port", local("192.0.2.1:0"), syscall.EINVAL},
		{"from a group", local("224.0.0.1:53"), syscall.EINVAL},
		{"from everybody", local("255.255.255.255:53"), syscall.EINVAL},
		{"from loopback", local("127.0.0.1:53"), syscall.EINVAL},
		{"to no peer", socket.Message{Set: socket.FieldLocal, Local: netip.MustParseAddrPort("192.0.2.1:53")}, syscall.EDESTADDRREQ},
	} {
		if _, err := all.TrySend([]socket.Message{c.m}); err != c.want {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
	if _, err := all.TrySend([]socket.Message{local("0.0.0.0:99"), local("192.0.2.9:98")}); err != nil {
		t.Error(err)
	}
	l.expect(t, "a batch", `10.9.0.1:99 > 10.9.0.7:1000 UDP 1 B "x"`, `192.0.2.9:98 > 10.9.0.7:1000 UDP 1 B "x"`)
	if got := all.LocalAddr(); got != netip.MustParseAddrPort("0.0.0.0:0") {
		t.Errorf("LocalAddr() = %v", got)
	}
	checkLedger(t, h)
}

func TestInterceptIsABind(t *testing.T) {
	h, _ := onTunnel(t, Config{})
	lo := 1
	all := h.intercepting(t)
	for what, c := range map[string]struct {
		make func(*Socket)
		want error
	}{
		"a second":          {func(*Socket) {}, syscall.EADDRINUSE},
		"one by a device":   {func(s *Socket) { setOption(t, s, socket.BindInterface, lo) }, syscall.EADDRINUSE},
		"one that shares":   {func(s *Socket) { setOption(t, s, socket.ReusePort, 1) }, syscall.EADDRINUSE},
		"one that is bound": {func(s *Socket) { s.Bind(netip.MustParseAddrPort("0.0.0.0:0")) }, syscall.EINVAL},
		"one that is shut":  {func(s *Socket) { s.Close() }, socket.ErrClosed},
	} {
		s := h.open(t, "")
		c.make(s)
		if err := s.Intercept(); err != c.want {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
		s.Close()
	}
	if err := all.Bind(netip.MustParseAddrPort("0.0.0.0:7")); err != syscall.EINVAL {
		t.Errorf("Bind: %v", err)
	}
	if err := all.Connect(netip.MustParseAddrPort("10.9.0.7:7")); err != syscall.EINVAL {
		t.Errorf("Connect: %v", err)
	}
	if err := all.Connect(netip.AddrPort{}); err != nil {
		t.Errorf("disconnecting: %v", err)
	}
	all.Close()

	// One for each interface, and several on one that share by flow.
	var shared []*Socket
	for range 4 {
		s := h.open(t, "")
		setOption(t, s, socket.ReusePort, 1)
		setOption(t, s, socket.BindInterface, h.eth0.Index())
		if err := s.Intercept(); err != nil {
			t.Fatal(err)
		}
		shared = append(shared, s)
	}
	s := h.open(t, "")
	setOption(t, s, socket.BindInterface, lo)
	if err := s.Intercept(); err != nil {
		t.Error(err)
	}
	c := h.open(t, "")
	send(t, c, "by lo", "127.0.0.1:4444")
	if got := payloads(t, s); len(got) != 1 {
		t.Errorf("by lo: %q", got)
	}

	restricted := newHost(t, Config{Unprivileged: true}, nil)
	s = restricted.open(t, "")
	if err := s.Intercept(); err != syscall.EPERM {
		t.Errorf("without a privilege: %v", err)
	}
	if err := s.SetOption(socket.Transparent, 1); err != syscall.EPERM {
		t.Errorf("Transparent without a privilege: %v", err)
	}
	if err := s.SetOption(socket.Transparent, 0); err != nil {
		t.Errorf("Transparent = 0 without a privilege: %v", err)
	}
	_ = shared
}

// Interceptors that share a device are picked from by the flow: all of one flow
// to one of them.
func TestInterceptorsShare(t *testing.T) {
	h, l := onTunnel(t, Config{})
	var shared []*Socket
	for range 4 {
		s := h.open(t, "")
		setOption(t, s, socket.ReusePort, 1)
		if err := s.Intercept(); err != nil {
			t.Fatal(err)
		}
		shared = append(shared, s)
	}
	src := netip.MustParseAddr("10.9.0.7")
	for range 3 {
		for p := uint16(1); p <= 64; p++ {
			l.deliver(datagram{bare: true, src: netip.AddrPortFrom(src, p).String(), dst: "192.0.2.1:53"}.frame())
		}
	}
	total := 0
	for k, s := range shared {
		n := make(map[uint16]int)
		for ms := make([]socket.Message, 1); ; n[ms[0].Addr.Port()]++ {
			if _, err := s.TryRecv(ms); err != nil {
				break
			}
		}
		for p, times := range n {
			if times != 3 {
				t.Errorf("socket %d heard %d of 3 datagrams of flow %d", k, times, p)
			}
		}
		if len(n) < 4 {
			t.Errorf("socket %d heard %d of 64 flows", k, len(n))
		}
		total += len(n)
	}
	if total != 64 {
		t.Errorf("%d flows in all", total)
	}
	checkLedger(t, h)
}

// A transparent socket is told of errors about what it sent from a foreign
// address; nobody else's quotes are believed.
func TestErrorsAboutForeignAddresses(t *testing.T) {
	h, l := onTunnel(t, Config{})
	s := h.open(t, "")
	setOption(t, s, socket.Transparent, 1)
	if err := s.Bind(netip.MustParseAddrPort("192.0.2.1:53")); err != nil {
		t.Fatal(err)
	}
	if err := s.Connect(netip.MustParseAddrPort("10.9.0.7:1000")); err != nil {
		t.Fatal(err)
	}
	unreachable := func(src, dst string) []byte {
		return datagram{bare: true, protocol: wire.ProtocolICMP, src: "10.9.0.7:0", dst: "192.0.2.1:0",
			payload: icmpBody(wire.ICMPDestinationUnreachable, wire.ICMPPortUnreachable, [4]byte{},
				datagram{bare: true, src: src, dst: dst, payload: "x"}.frame())}.frame()
	}
	h.open(t, "0.0.0.0:99")
	for _, quote := range [][2]string{
		{"192.0.2.1:53", "10.9.0.7:1001"}, {"192.0.2.2:53", "10.9.0.7:1000"}, {"192.0.2.1:99", "10.9.0.7:1000"},
	} {
		l.deliver(unreachable(quote[0], quote[1]))
	}
	checkDrops(t, h, drop.ICMPUnmatched, 3)
	l.deliver(unreachable("192.0.2.1:53", "10.9.0.7:1000"))
	if err := try(s, "x", ""); err != syscall.ECONNREFUSED {
		t.Errorf("send: %v, want ECONNREFUSED", err)
	}
	checkLedger(t, h)
}
