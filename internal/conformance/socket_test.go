//go:build linux

package conformance

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
)

// A sock is a socket in a case: what fails that should not ends the test.
type sock struct {
	socket.Socket
	t *testing.T
	n *Machine
}

// open makes an IPv4 socket.
func open(t *testing.T, n *Machine) *sock {
	t.Helper()
	s, err := n.Open(socket.IPv4)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return &sock{s, t, n}
}

// bound makes a socket with options and binds it.
func bound(t *testing.T, n *Machine, addr string, options ...socket.Option) *sock {
	t.Helper()
	s := open(t, n)
	for _, o := range options {
		s.set(o, 1)
	}
	s.bind(addr)
	return s
}

// connected makes a socket and connects it.
func connected(t *testing.T, n *Machine, peer string) *sock {
	t.Helper()
	s := open(t, n)
	s.connect(peer)
	return s
}

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// at returns addr with the port.
func at(addr string, port uint16) string { return fmt.Sprintf("%s:%d", addr, port) }

func (s *sock) bind(addr string) {
	s.t.Helper()
	err := s.Bind(addrPort(addr))
	if s.n.Kind == Host && err == syscall.EADDRINUSE {
		// A process that another test has forked and that has not executed its
		// program yet holds every descriptor, and so what has just been closed.
		for end := time.Now().Add(s.n.Patience); err == syscall.EADDRINUSE && time.Now().Before(end); {
			runtime.Gosched()
			err = s.Bind(addrPort(addr))
		}
	}
	if err != nil {
		s.t.Fatalf("Bind(%s): %v", addr, err)
	}
}

func (s *sock) bindErr(addr string, want error) {
	s.t.Helper()
	if err := s.Bind(addrPort(addr)); err != want {
		s.t.Errorf("Bind(%s) of a socket at %v: %v, want %v", addr, s.LocalAddr(), name(err), name(want))
	}
}

func (s *sock) connect(peer string) {
	s.t.Helper()
	if err := s.Connect(addrPort(peer)); err != nil {
		s.t.Fatalf("Connect(%s) of a socket at %v: %v", peer, s.LocalAddr(), err)
	}
}

func (s *sock) connectErr(peer string, want error) {
	s.t.Helper()
	if err := s.Connect(addrPort(peer)); err != want {
		s.t.Errorf("Connect(%s) of a socket at %v: %v, want %v", peer, s.LocalAddr(), name(err), name(want))
	}
}

func (s *sock) disconnect() {
	s.t.Helper()
	if err := s.Connect(netip.AddrPort{}); err != nil {
		s.t.Fatalf("Connect(zero): %v", err)
	}
}

func (s *sock) set(o socket.Option, v int) {
	s.t.Helper()
	if err := s.SetOption(o, v); err != nil {
		s.t.Fatalf("SetOption(%v, %d): %v", o, v, err)
	}
}

func (s *sock) setErr(o socket.Option, v int, want error) {
	s.t.Helper()
	if err := s.SetOption(o, v); err != want {
		s.t.Errorf("SetOption(%v, %d): %v, want %v", o, v, name(err), name(want))
	}
}

func (s *sock) get(o socket.Option) int {
	s.t.Helper()
	v, err := s.Option(o)
	if err != nil {
		s.t.Fatalf("Option(%v): %v", o, err)
	}
	return v
}

func (s *sock) wantOption(o socket.Option, want int) {
	s.t.Helper()
	if got := s.get(o); got != want {
		s.t.Errorf("Option(%v) is %d, want %d", o, got, want)
	}
}

// port returns the port that the socket is bound to.
func (s *sock) port() uint16 { return s.LocalAddr().Port() }

// local returns the socket's own address as a string.
func (s *sock) local() string { return s.LocalAddr().String() }

func (s *sock) wantLocal(want string) {
	s.t.Helper()
	if got := s.local(); got != want {
		s.t.Errorf("LocalAddr: %s, want %s", got, want)
	}
}

func (s *sock) wantLocalAddr(want string) {
	s.t.Helper()
	if got := s.LocalAddr().Addr().String(); got != want {
		s.t.Errorf("LocalAddr: %v, want the address %s", s.LocalAddr(), want)
	}
}

func (s *sock) wantPeer(want string) {
	s.t.Helper()
	if got, err := s.PeerAddr(); err != nil || got.String() != want {
		s.t.Errorf("PeerAddr: %v, %v, want %s", got, err, want)
	}
}

func (s *sock) wantNoPeer() {
	s.t.Helper()
	if got, err := s.PeerAddr(); err != syscall.ENOTCONN {
		s.t.Errorf("PeerAddr: %v, %v, want ENOTCONN", got, name(err))
	}
}

// try sends one datagram; no address means to the peer.
func (s *sock) try(to, payload string) error {
	m := socket.Message{Buf: []byte(payload)}
	if to != "" {
		m.Addr = addrPort(to)
	}
	return s.trySend(m)
}

// trySend sends one message.
func (s *sock) trySend(m socket.Message) error {
	s.t.Helper()
	n, err := s.TrySend([]socket.Message{m})
	if (err == nil) != (n == 1) {
		s.t.Errorf("TrySend of one message: %d, %v", n, err)
	}
	return err
}

func (s *sock) send(to, payload string) {
	s.t.Helper()
	if err := s.try(to, payload); err != nil {
		s.t.Fatalf("TrySend to %q from %v: %v", to, s.LocalAddr(), name(err))
	}
}

func (s *sock) sendMessage(m socket.Message) {
	s.t.Helper()
	if err := s.trySend(m); err != nil {
		s.t.Fatalf("TrySend to %v from %v: %v", m.Addr, s.LocalAddr(), name(err))
	}
}

func (s *sock) sendErr(to, payload string, want error) {
	s.t.Helper()
	if err := s.try(to, payload); err != want {
		s.t.Errorf("TrySend to %q from %v: %v, want %v", to, s.LocalAddr(), name(err), name(want))
	}
}

// await waits until the events hold and reports whether they came.
func (s *sock) await(mask socket.Events) bool {
	s.t.Helper()
	var c socket.Cancel
	patience := s.n.Patience
	if s.t.Failed() {
		patience = soon // what went wrong once need not be waited for again and again
	}
	timer := time.AfterFunc(patience, c.Fire)
	defer timer.Stop()
	err := s.Wait(mask, &c)
	if err != nil && !errors.Is(err, socket.ErrCancelled) {
		s.t.Fatalf("Wait: %v", err)
	}
	return err == nil
}

// recv returns the next datagram, or the error that comes instead.
func (s *sock) recv() (socket.Message, error) {
	s.t.Helper()
	ms := []socket.Message{{Buf: make([]byte, 0, 65536)}}
	n, err := s.TryRecv(ms)
	if err == syscall.EAGAIN && s.await(socket.Readable) {
		n, err = s.TryRecv(ms)
	}
	if (err == nil) != (n == 1) {
		s.t.Errorf("TryRecv of one message: %d, %v", n, err)
	}
	return ms[0], err
}

// want reads the next datagram, which must have the payload.
func (s *sock) want(payload string) socket.Message {
	s.t.Helper()
	m, err := s.recv()
	if err != nil {
		s.t.Fatalf("the socket at %v got %v, want the datagram %.40q", s.LocalAddr(), name(err), payload)
	}
	if string(m.Buf) != payload {
		s.t.Fatalf("the socket at %v got %.40q from %v, want %.40q", s.LocalAddr(), m.Buf, m.Addr, payload)
	}
	return m
}

// wantFrom is want, and looks at the sender.
func (s *sock) wantFrom(payload string, from string) socket.Message {
	s.t.Helper()
	m := s.want(payload)
	if m.Addr != addrPort(from) {
		s.t.Errorf("%q came from %v, want %s", payload, m.Addr, from)
	}
	return m
}

// wantErr reads, and must get the error.
func (s *sock) wantErr(want error) {
	s.t.Helper()
	m, err := s.recv()
	if err != want {
		s.t.Errorf("the socket at %v got %.40q, %v, want %v", s.LocalAddr(), m.Buf, name(err), name(want))
	}
}

// wantNothing checks that what was sent before did not reach the socket, and no
// error either.
func (s *sock) wantNothing() {
	s.t.Helper()
	settle(s.t, s.n)
	ms := []socket.Message{{Buf: make([]byte, 0, 2048)}}
	if n, err := s.TryRecv(ms); err != syscall.EAGAIN {
		s.t.Errorf("the socket at %v got %d, %.40q from %v, %v, want nothing", s.LocalAddr(), n, ms[0].Buf, ms[0].Addr, name(err))
	}
}

// settle returns when what was sent before has arrived or been lost.
func settle(t *testing.T, n *Machine) {
	t.Helper()
	n.Settle(t)
}

// wantQuiet checks that the machine has sent no more packets by the wire.
func wantQuiet(t *testing.T, n *Machine, w *Wire) {
	t.Helper()
	for _, p := range n.Sent(t, w) {
		t.Errorf("%s: the machine sent %v, want nothing", w.Name, p)
	}
}

// name is an error as errnos are spoken of.
func name(err error) string {
	if errno, ok := err.(syscall.Errno); ok {
		return errnoName(errno)
	}
	if err == nil {
		return "no error"
	}
	return err.Error()
}

func errnoName(e syscall.Errno) string {
	if s, ok := errnoNames[e]; ok {
		return s
	}
	return fmt.Sprintf("errno %d (%v)", int(e), e)
}

var errnoNames = map[syscall.Errno]string{
	syscall.EINVAL: "EINVAL", syscall.EADDRINUSE: "EADDRINUSE", syscall.EADDRNOTAVAIL: "EADDRNOTAVAIL",
	syscall.EAGAIN: "EAGAIN", syscall.EACCES: "EACCES", syscall.EPERM: "EPERM", syscall.EAFNOSUPPORT: "EAFNOSUPPORT",
	syscall.ENETUNREACH: "ENETUNREACH", syscall.EHOSTUNREACH: "EHOSTUNREACH", syscall.ECONNREFUSED: "ECONNREFUSED",
	syscall.ENOTCONN: "ENOTCONN", syscall.EDESTADDRREQ: "EDESTADDRREQ", syscall.EMSGSIZE: "EMSGSIZE", syscall.EPIPE: "EPIPE",
	syscall.ENOPROTOOPT: "ENOPROTOOPT", syscall.ENODEV: "ENODEV", syscall.ENOBUFS: "ENOBUFS", syscall.EPROTO: "EPROTO",
	syscall.EHOSTDOWN: "EHOSTDOWN", syscall.ENONET: "ENONET", syscall.EOPNOTSUPP: "EOPNOTSUPP", syscall.ENXIO: "ENXIO",
}

// must returns an address that had to be there.
func (s *sock) must(a netip.AddrPort, err error) string {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	return a.String()
}
