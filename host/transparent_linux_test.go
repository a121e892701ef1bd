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
