package host

import (
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

// TestTransparent: an address that is nobody's here can be bound and sent from,
// and what comes in says where it was addressed to. Without the privilege the
// option is refused.
func TestTransparent(t *testing.T) {
	s := open4(t)
	if os.Geteuid() != 0 {
		if err := s.SetOption(socket.Transparent, 1); err != syscall.EPERM {
			t.Errorf("without a privilege: %v, want EPERM", err)
		}
		return
	}
	for _, v := range []int{1, 0, 1} {
		set1(t, s, socket.Transparent, v)
		if got := get1(t, s, socket.Transparent); got != v {
			t.Errorf("Transparent = %d after %d", got, v)
		}
	}
	set1(t, s, socket.Report, int(socket.FieldLocal|socket.FieldInterface))

	from := openUnbound(t, socket.IPv4)
	set1(t, from, socket.Transparent, 1)
	foreign := netip.MustParseAddrPort("192.0.2.1:7007")
	if err := from.Bind(foreign); err != nil {
		t.Fatal(err)
	}
	if n, err := from.TrySend([]socket.Message{{Buf: []byte("x"), Addr: s.LocalAddr()}}); n != 1 || err != nil {
		t.Fatalf("send: %d, %v", n, err)
	}
	if err := s.Wait(socket.Readable, nil); err != nil {
		t.Fatal(err)
	}
	ms := []socket.Message{{Buf: make([]byte, 8)}}
	if _, err := s.TryRecv(ms); err != nil {
		t.Fatal(err)
	}
	if ms[0].Addr != foreign || ms[0].Local != s.LocalAddr() || ms[0].Interface == 0 {
		t.Errorf("received %v > %v by %d", ms[0].Addr, ms[0].Local, ms[0].Interface)
	}

	// The kernel sends from a socket's own port and no other, and it is not
	// kept silent that it does.
	m := socket.Message{Buf: []byte("y"), Addr: s.LocalAddr(), Set: socket.FieldLocal, Local: netip.MustParseAddrPort("192.0.2.2:7008")}
	if _, err := from.TrySend([]socket.Message{m}); err != syscall.EINVAL {
		t.Errorf("from another port: %v, want EINVAL", err)
	}
	for _, port := range []uint16{0, 7007} {
		m.Local = netip.AddrPortFrom(m.Local.Addr(), port)
		if _, err := from.TrySend([]socket.Message{m}); err != nil {
			t.Errorf("from port %d: %v", port, err)
		}
	}
}

// TestMark: what a socket marks arrives marked on this host. To mark needs a
// privilege, to look does not.
func TestMark(t *testing.T) {
	s, from := open4(t), openUnbound(t, socket.IPv4)
	if os.Geteuid() != 0 {
		if err := from.SetOption(socket.Mark, 1); err != syscall.EPERM {
			t.Errorf("Mark without a privilege: %v, want EPERM", err)
		}
		set1(t, s, socket.Report, int(socket.FieldMark))
		return
	}
	for _, v := range []int{-1, 1 << 32} {
		if err := from.SetOption(socket.Mark, v); err != syscall.EINVAL {
			t.Errorf("Mark = %d: %v, want EINVAL", v, err)
		}
	}
	for _, v := range []int{7, 1<<32 - 1} {
		set1(t, from, socket.Mark, v)
		if got := get1(t, from, socket.Mark); got != v {
			t.Errorf("Mark = %d after %d", got, v)
		}
	}
	set1(t, s, socket.Report, int(socket.FieldMark|socket.FieldTTL))
	send(t, from, s.LocalAddr(), "x")
	if m := receive(t, s); m.Mark != 1<<32-1 || m.Set != socket.FieldMark|socket.FieldTTL {
		t.Errorf("received mark %d, fields %b", m.Mark, m.Set)
	}
}
