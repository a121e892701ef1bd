package castnet

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

func TestOptions(t *testing.T) {
	n := newFake()
	c := listen(t, Config{On: n}, "udp4", "127.0.0.1:0")
	s := n.opened[0]
	for _, tc := range []struct {
		name   string
		set    func() error
		option socket.Option
		want   int
	}{
		{"SetReadBuffer", func() error { return c.SetReadBuffer(1) }, socket.ReceiveBuffer, 1},
		{"SetWriteBuffer", func() error { return c.SetWriteBuffer(2) }, socket.SendBuffer, 2},
		{"SetTTL", func() error { return c.SetTTL(3) }, socket.TTL, 3},
		{"SetTOS", func() error { return c.SetTOS(4) }, socket.TOS, 4},
		{"SetDontFragment", func() error { return c.SetDontFragment(true) }, socket.DontFragment, 1},
		{"SetMTUDiscovery", func() error { return c.SetMTUDiscovery(DiscoveryProbe) }, socket.MTUDiscovery, 3},
		{"SetReceiveErrors", func() error { return c.SetReceiveErrors(true) }, socket.ReceiveErrors, 1},
		{"SetMulticastTTL", func() error { return c.SetMulticastTTL(5) }, socket.MulticastTTL, 5},
		{"SetMulticastLoopback", func() error { return c.SetMulticastLoopback(true) }, socket.MulticastLoopback, 1},
		{"SetMulticastInterface", func() error { return c.SetMulticastInterface("fake0") }, socket.MulticastInterface, 4},
		{"SetReport", func() error { return c.SetReport(FieldTTL) }, socket.Report, int(FieldTTL)},
	} {
		if err := tc.set(); err != nil || s.options[tc.option] != tc.want {
			t.Errorf("%s: %v, set %v to %d, want %d", tc.name, err, tc.option, s.options[tc.option], tc.want)
		}
		// Refused, it is an error about the local address.
		n.refuse = map[socket.Option]error{tc.option: syscall.EINVAL}
		want := "set udp4 " + c.LocalAddr().String() + ": setsockopt: invalid argument"
		if err := tc.set(); err == nil || err.Error() != want {
			t.Errorf("%s, refused: %v, want %s", tc.name, err, want)
		}
		n.refuse = map[socket.Option]error{tc.option: &socket.NotSupportedError{What: "it"}}
		want = "set udp4 " + c.LocalAddr().String() + ": it is not supported"
		if err := tc.set(); err == nil || err.Error() != want || !errors.Is(err, ErrNotSupported) {
			t.Errorf("%s, not supported: %v, want %s", tc.name, err, want)
		}
		n.refuse = nil
	}

	if err := c.SetMulticastInterface(""); err != nil || s.options[socket.MulticastInterface] != 0 {
		t.Errorf("SetMulticastInterface of none: %v, set it to %d, want 0", err, s.options[socket.MulticastInterface])
	}
	if err := c.SetMulticastInterface("eth7"); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("SetMulticastInterface of one that is not there: %v, want ENODEV", err)
	}

	var op *net.OpError
	if _, err := c.PathMTU(); !errors.Is(err, syscall.ENOTCONN) || !errors.As(err, &op) || op.Op != "get" {
		t.Errorf("PathMTU without a peer: %v, want ENOTCONN", err)
	}
	c.Connect(mustAddrPort("127.0.0.1:9"))
	s.options[socket.PathMTU] = 1400
	if mtu, err := c.PathMTU(); mtu != 1400 || err != nil {
		t.Errorf("PathMTU = %d, %v; want 1400", mtu, err)
	}

	c.Close()
	for _, err := range []error{c.SetTTL(1), c.SetReport(0), c.SetMulticastInterface("lo"), c.Connect(zeroAddrPort), c.CloseRead(), c.CloseWrite()} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v, want net.ErrClosed", err)
		}
	}
}
