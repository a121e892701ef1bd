package stack

import (
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

func TestConnectAndDisconnect(t *testing.T) {
	for _, bind := range []string{"", "0.0.0.0:7", "10.0.0.2:0", "10.0.0.2:7"} {
		h, l := known(t, Config{})
		s := h.open(t, bind)
		before := s.LocalAddr()
		if err := s.Connect(netip.MustParseAddrPort("10.0.0.9:9")); err != nil {
			t.Fatal(err)
		}
		if p, err := s.PeerAddr(); p.String() != "10.0.0.9:9" || err != nil {
			t.Errorf("%q: the peer is %v, %v", bind, p, err)
		}
		if a := s.LocalAddr(); a.Addr() != h.addr || a.Port() == 0 || before.Port() != 0 && a.Port() != before.Port() {
			t.Errorf("%q: connected from %v", bind, a)
		}
		send(t, s, "x", "")
		connected := s.LocalAddr()
		if err := s.Connect(netip.AddrPort{}); err != nil {
			t.Fatal(err)
		}
		want := netip.AddrPortFrom(before.Addr(), 0)
		if bind == "0.0.0.0:7" || bind == "10.0.0.2:7" {
			want = before
		}
		if bind == "" {
			want = netip.MustParseAddrPort("0.0.0.0:0")
		}
		if a := s.LocalAddr(); a != want {
			t.Errorf("%q: disconnected it is bound to %v, want %v", bind, a, want)
		}
		if _, err := s.PeerAddr(); err != syscall.ENOTCONN {
			t.Errorf("%q: disconnected: PeerAddr: %v", bind, err)
		}
		if err := try(s, "y", ""); err != syscall.EDESTADDRREQ {
			t.Errorf("%q: disconnected: send: %v, want EDESTADDRREQ", bind, err)
		}
		// Others can have the port that was given up.
		if want.Port() == 0 {
			h.open(t, connected.String())
		}
		send(t, s, "z", "10.0.0.9:9")
		if got := texts(l.datagrams(t)); !slices.Equal(got, []string{"x", "z"}) {
			t.Errorf("%q: sent %q", bind, got)
		}
		checkLedger(t, h)
	}
}

func TestConnectedSocketsHearTheirPeerOnly(t *testing.T) {
	h, l := known(t, Config{})
	s := h.connected(t, "0.0.0.0:7", "10.0.0.9:9")
	deliver := func() []string {
		l.deliver(datagram{payload: "peer"}.frame(), datagram{src: "10.0.0.9:10", payload: "port"}.frame(),
			datagram{src: "10.0.0.8:9", payload: "host"}.frame())
		l.take()
		return payloads(t, s)
	}
	if got := deliver(); !slices.Equal(got, []string{"peer"}) {
		t.Errorf("connected: received %q", got)
	}
	s.Connect(netip.AddrPort{})
	if got := deliver(); !slices.Equal(got, []string{"peer", "port", "host"}) {
		t.Errorf("disconnected: received %q", got)
	}
	s.Connect(netip.MustParseAddrPort("10.0.0.8:9"))
	if got := deliver(); !slices.Equal(got, []string{"host"}) {
		t.Errorf("connected elsewhere: received %q", got)
	}
	checkLedger(t, h)
}

func TestAConnectThatFailsChangesNothing(t *testing.T) {
	h, l := known(t, Config{})
	h.route(t, "prohibit 192.0.2.0/24")
	s := h.connected(t, "0.0.0.0:7", "10.0.0.9:9")
	for peer, want := range map[string]error{
		"198.51.100.1:9": syscall.ENETUNREACH, "192.0.2.1:9": syscall.EACCES, "10.0.0.255:9": syscall.EACCES, "[::1]:9": syscall.EAFNOSUPPORT,
		"127.0.0.1:9": nil, // allowed, by the source that was chosen first
	} {
		if err := s.Connect(netip.MustParseAddrPort(peer)); err != want {
			t.Errorf("to %s: %v, want %v", peer, err, want)
		}
		if want != nil {
			if p, _ := s.PeerAddr(); p.String() != "10.0.0.9:9" && p.String() != "127.0.0.1:9" {
				t.Errorf("after failing to %s the peer is %v", peer, p)
			}
		}
		if a := s.LocalAddr().String(); a != "10.0.0.2:7" {
			t.Errorf("after %s it is bound to %s", peer, a)
		}
	}
	setOption(t, s, socket.Broadcast, 1)
	if err := s.Connect(netip.MustParseAddrPort("10.0.0.255:9")); err != nil {
		t.Errorf("with permission: %v", err)
	}
	send(t, s, "all", "")
	if got := texts(l.datagrams(t)); !slices.Equal(got, []string{"all"}) {
		t.Errorf("sent %q", got)
	}
	checkLedger(t, h)
}

func TestInterfacesAreListed(t *testing.T) {
	h, _, _ := twoCables(t, Config{Name: "h1"})
	h.Interface("eth1").SetUp(false)
	list, err := h.Interfaces()
	if err != nil || len(list) != 3 {
		t.Fatal(list, err)
	}
	for k, want := range []socket.Interface{
		{Index: 1, Name: "lo", MTU: 65536, Up: true, Loopback: true,
			Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}},
		{Index: 2, Name: "eth0", MTU: 1500, Up: true, Multicast: true, Broadcast: true, HardwareAddr: macStack,
			Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}},
		{Index: 3, Name: "eth1", MTU: 1500, Multicast: true, Broadcast: true, HardwareAddr: [6]byte{2, 0, 0, 0, 0, 0x1a},
			Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.2/24")}},
	} {
		got := list[k]
		if !slices.Equal(got.Addresses, want.Addresses) {
			t.Errorf("%s has the addresses %v", got.Name, got.Addresses)
		}
		got.Addresses, want.Addresses = nil, nil
		if got.Index != want.Index || got.Name != want.Name || got.MTU != want.MTU || got.Up != want.Up || got.Loopback != want.Loopback ||
			got.Multicast != want.Multicast || got.Broadcast != want.Broadcast || got.HardwareAddr != want.HardwareAddr {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	// An index is not used again.
	h.RemoveInterface("eth1")
	if i := h.attach(t, "eth1", newCable()); i.Index() != 4 || i.Name() != "eth1" || i.Stack() != h.Stack {
		t.Errorf("the next interface is %d, %q", i.Index(), i.Name())
	}
	if h.Interface("none") != nil {
		t.Error("there is an interface of no name")
	}
	for what, err := range map[string]error{
		"no name":    func() error { _, err := h.AddInterface("", newCable()); return err }(),
		"name taken": func() error { _, err := h.AddInterface("eth0", newCable()); return err }(),
		"no MAC":     func() error { _, err := h.AddInterface("x", &cable{mtu: 1500}); return err }(),
		"group MAC":  func() error { _, err := h.AddInterface("x", &cable{mtu: 1500, mac: allHosts}); return err }(),
	} {
		if err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}
