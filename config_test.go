package castnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

// LookupNetIP knows what the test told it.
func (r fakeResolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if err := ctx.Err(); err != nil {
		return nil, &net.DNSError{Err: err.Error(), Name: host, UnwrapErr: err}
	}
	var addrs []netip.Addr
	for _, a := range r.names[host] {
		if network == "ip" || (network == "ip4") == a.Is4() {
			addrs = append(addrs, a)
		}
	}
	if addrs == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return addrs, nil
}

func TestConfigOptions(t *testing.T) {
	n := newFake()
	cfg := Config{
		On: n, Interface: "fake0", ReuseAddr: true, ReusePort: true,
		ReadBuffer: 1000, WriteBuffer: 2000, Report: FieldTTL | FieldTOS,
	}
	listen(t, cfg, "udp4", "127.0.0.1:0")
	dial(t, cfg, "udp4", "127.0.0.1:9")
	listen(t, Config{On: n}, "udp4", "127.0.0.1:0")
	listen(t, Config{On: n}, "udp6", "[::1]:0")
	listen(t, Config{On: n}, "udp", ":0")
	listen(t, Config{On: n, IPv6Only: true}, "udp", ":0")
	listen(t, Config{On: n}, "udp4", "224.0.0.251:0")

	all := map[socket.Option]int{
		socket.Broadcast: 1, socket.ReuseAddr: 1, socket.ReusePort: 1, socket.BindInterface: 4,
		socket.ReceiveBuffer: 1000, socket.SendBuffer: 2000, socket.Report: int(FieldTTL | FieldTOS),
	}
	for i, want := range []map[socket.Option]int{
		all,
		all,
		{socket.Broadcast: 1},
		{socket.Broadcast: 1, socket.IPv6Only: 1},
		{socket.Broadcast: 1, socket.IPv6Only: 0},
		{socket.Broadcast: 1, socket.IPv6Only: 1},
		{socket.Broadcast: 1, socket.ReuseAddr: 1},
	} {
		if got := n.opened[i].options; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("socket %d: options %v, want %v", i, got, want)
		}
	}
	if local := n.opened[6].local; local.Addr() != netip.IPv4Unspecified() {
		t.Errorf("listening on a group bound %v, want the unspecified address", local)
	}
}

// What a network refuses, the Config does not pretend; and the socket is gone.
func TestConfigRefused(t *testing.T) {
	refusal := &socket.NotSupportedError{What: "option", Reason: "too old"}
	for _, tc := range []struct {
		cfg    Config
		option socket.Option
	}{
		{Config{}, socket.Broadcast},
		{Config{ReuseAddr: true}, socket.ReuseAddr},
		{Config{ReusePort: true}, socket.ReusePort},
		{Config{ReadBuffer: 1}, socket.ReceiveBuffer},
		{Config{WriteBuffer: 1}, socket.SendBuffer},
		{Config{Report: FieldDrops}, socket.Report},
		{Config{Interface: "lo"}, socket.BindInterface},
		{Config{IPv6Only: true}, socket.IPv6Only},
	} {
		n := newFake()
		n.refuse = map[socket.Option]error{tc.option: refusal}
		cfg := tc.cfg
		cfg.On = n
		_, err := cfg.Listen(context.Background(), "udp", ":0")
		var op *net.OpError
		if !errors.Is(err, ErrNotSupported) || !errors.As(err, &op) || op.Op != "listen" {
			t.Errorf("Listen with %v refused: %v", tc.option, err)
		}
		_, err = cfg.Dial(context.Background(), "udp", "[::1]:9")
		if !errors.Is(err, ErrNotSupported) || !errors.As(err, &op) || op.Op != "dial" {
			t.Errorf("Dial with %v refused: %v", tc.option, err)
		}
		for i, s := range n.opened {
			if !s.closed {
				t.Errorf("%v refused: socket %d was left open", tc.option, i)
			}
		}
		if len(n.opened) != 2 {
			t.Errorf("%v refused: %d sockets were opened, want 2", tc.option, len(n.opened))
		}
	}
	// A network that is of both families by nature may have no such option.
	n := newFake()
	n.refuse = map[socket.Option]error{socket.IPv6Only: refusal}
	listen(t, Config{On: n}, "udp", ":0")
}

func TestListenAddress(t *testing.T) {
	for _, tc := range []struct {
		noIPv6           bool
		network, address string
		want             string // of the fake's socket, without the port; or of the error
	}{
		{false, "udp", ":0", "ip6 [::]"},
		{false, "udp", "0.0.0.0:0", "ip6 [::]"},
		{false, "udp", "[::]:0", "ip6 [::]"},
		{false, "udp4", ":0", "ip4 0.0.0.0"},
		{false, "udp6", ":0", "ip6 [::]"},
		{false, "udp", "", "ip6 [::]"},
		{false, "udp", "127.0.0.1:0", "ip4 127.0.0.1"},
		{false, "udp", "[::1]:0", "ip6 [::1]"},
		{false, "udp", "[::ffff:127.0.0.1]:0", "ip4 127.0.0.1"},
		{false, "udp6", "127.0.0.1:0", "address 127.0.0.1: no suitable address found"},
		{false, "udp4", "[::1]:0", "address ::1: no suitable address found"},
		{true, "udp", ":0", "ip4 0.0.0.0"},
		{true, "udp", "0.0.0.0:0", "ip4 0.0.0.0"},
		{true, "udp", "[::]:0", "ip4 0.0.0.0"}, // :: and 0.0.0.0 are tried, IPv4 first
		{true, "udp6", ":0", "socket: address family not supported"},
		{true, "udp", "[::1]:0", "socket: address family not supported"},
		{false, "udp", "host.test:0", "lookup host.test: this network resolves no names"},
		{false, "udp", "127.0.0.1:nosuchservice", "unknown port"},
		{false, "udp", "127.0.0.1", "missing port in address"},
		{false, "tcp", ":0", "unknown network tcp"},
	} {
		n := newFake()
		n.noIPv6 = tc.noIPv6
		cfg := Config{On: n}
		c, err := cfg.Listen(context.Background(), tc.network, tc.address)
		var got string
		if err != nil {
			got = err.Error()
		} else {
			s := n.opened[len(n.opened)-1]
			host, _, _ := strings.Cut(s.local.String(), ":4")
			got = s.family.String() + " " + host
			c.Close()
		}
		if !strings.Contains(got, tc.want) {
			t.Errorf("Listen(%q, %q), IPv6 %v: %s, want %s", tc.network, tc.address, !tc.noIPv6, got, tc.want)
		}
	}
}

func TestServiceNames(t *testing.T) {
	c := dial(t, Config{On: newFake()}, "udp", "127.0.0.1:domain")
	if got := c.RemoteAddr().String(); got != "127.0.0.1:53" {
		t.Errorf("RemoteAddr = %s, want 127.0.0.1:53", got)
	}
}

// A network that knows names is asked, and its addresses are tried in turn.
func TestNames(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	other := netip.MustParseAddr("192.0.2.2")
	n := fakeResolver{newFake()}
	n.names = map[string][]netip.Addr{"both": {v6, v4}, "two": {v4, other}, "six": {v6}}
	n.connect = map[netip.Addr]syscall.Errno{v4: syscall.ENETUNREACH}
	for _, tc := range []struct {
		network, address string
		local            string
		want             string
	}{
		{"udp", "both:7", "", "[2001:db8::1]:7"},
		{"udp6", "both:7", "", "[2001:db8::1]:7"},
		{"udp4", "two:7", "", "192.0.2.2:7"},
		{"udp4", "both:7", "", "dial udp4 192.0.2.1:7: connect: network is unreachable"},
		{"udp4", "six:7", "", "no such host"},
		{"udp", "nobody:7", "", "dial udp: lookup nobody: no such host"},
		{"udp", "both:7", "127.0.0.1:0", "dial udp 127.0.0.1:0->192.0.2.1:7: connect: network is unreachable"},
		{"udp", "six:7", "127.0.0.1:0", "address 127.0.0.1:0: no suitable address found"},
	} {
		cfg := Config{On: n}
		if tc.local != "" {
			cfg.LocalAddr = mustAddrPort(tc.local)
		}
		c, err := cfg.Dial(context.Background(), tc.network, tc.address)
		var got string
		if err != nil {
			got = err.Error()
		} else {
			got = c.RemoteAddr().String()
			c.Close()
		}
		if !strings.Contains(got, tc.want) {
			t.Errorf("Dial(%q, %q) from %q: %s, want %s", tc.network, tc.address, tc.local, got, tc.want)
		}
	}
	if i := slices.IndexFunc(n.opened, func(s *fakeSocket) bool { return !s.closed }); i >= 0 {
		t.Errorf("socket %d was left open", i)
	}

	cfg := Config{On: n}
	c, err := cfg.Listen(context.Background(), "udp", "both:7")
	if err != nil || c.LocalAddr().String() != "192.0.2.1:7" {
		t.Errorf("Listen on a name took %v, %v; want its IPv4 address", c, err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, address := range []string{"both:7", "192.0.2.2:7"} {
		if _, err := cfg.Dial(ctx, "udp", address); !errors.Is(err, context.Canceled) {
			t.Errorf("Dial(%q) under a context that is over: %v", address, err)
		}
	}
}

func TestLocalAddr(t *testing.T) {
	for _, tc := range []struct {
		network, address, local string
		want                    string
	}{
		{"udp", "127.0.0.1:9", "127.0.0.1:4444", "127.0.0.1:4444"},
		{"udp", "127.0.0.1:9", "0.0.0.0:4444", "0.0.0.0:4444"},
		{"udp6", "[::1]:9", "[::1]:4444", "[::1]:4444"},
		{"udp", "[::1]:9", "0.0.0.0:4444", "[::]:4444"},
	} {
		c := dial(t, Config{On: newFake(), LocalAddr: mustAddrPort(tc.local)}, tc.network, tc.address)
		if got := c.LocalAddr().String(); got != tc.want {
			t.Errorf("dialled %s from %s: LocalAddr = %s, want %s", tc.address, tc.local, got, tc.want)
		}
	}
	// A port alone is one on all addresses.
	c := dial(t, Config{On: newFake(), LocalAddr: netip.AddrPortFrom(netip.Addr{}, 4444)}, "udp4", "127.0.0.1:9")
	if got := c.LocalAddr().String(); got != "0.0.0.0:4444" {
		t.Errorf("LocalAddr = %s, want 0.0.0.0:4444", got)
	}
}

func TestUnknownInterface(t *testing.T) {
	n := newFake()
	cfg := Config{On: n, Interface: "eth7"}
	_, err := cfg.Listen(context.Background(), "udp4", "127.0.0.1:0")
	if want := "listen udp4 127.0.0.1:0: interface eth7: setsockopt: no such device"; err == nil || err.Error() != want {
		t.Errorf("Listen = %v, want %s", err, want)
	}
	if !errors.Is(err, syscall.ENODEV) {
		t.Errorf("%v is not ENODEV", err)
	}
	if len(n.opened) != 0 {
		t.Error("a socket was opened for it")
	}
}

func TestIPv6OnlyContradiction(t *testing.T) {
	cfg := Config{On: newFake(), IPv6Only: true}
	if _, err := cfg.Listen(context.Background(), "udp4", ":0"); err == nil || !strings.Contains(err.Error(), "IPv6Only contradicts the network") {
		t.Errorf("Listen(udp4) with IPv6Only = %v", err)
	}
}
