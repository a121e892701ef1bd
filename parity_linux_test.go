package castnet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/stack"
)

// udpConn is what *net.UDPConn and *castnet.Conn have in common.
type udpConn interface {
	net.Conn
	net.PacketConn
	ReadFromUDP(b []byte) (int, *net.UDPAddr, error)
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error)
	ReadMsgUDPAddrPort(b, oob []byte) (n, oobn, flags int, addr netip.AddrPort, err error)
	WriteToUDP(b []byte, addr *net.UDPAddr) (int, error)
	WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error)
	WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error)
	WriteMsgUDPAddrPort(b, oob []byte, addr netip.AddrPort) (n, oobn int, err error)
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
}

// An api is a way to make sockets: package net's, or ours on its network.
type api struct {
	name   string
	listen func(network, address string) (udpConn, error)
	dial   func(network, address string, local netip.AddrPort) (udpConn, error)
}

var packageNet = api{
	"net",
	func(network, address string) (udpConn, error) {
		c, err := net.ListenPacket(network, address)
		if err != nil {
			return nil, err
		}
		return c.(udpConn), nil
	},
	func(network, address string, local netip.AddrPort) (udpConn, error) {
		var d net.Dialer
		if local != (netip.AddrPort{}) {
			d.LocalAddr = net.UDPAddrFromAddrPort(local)
		}
		c, err := d.Dial(network, address)
		if err != nil {
			return nil, err
		}
		return c.(udpConn), nil
	},
}

// hostAPI is ours on the operating system's network.
var hostAPI = on("host", castnet.Host)

// stackAPI is our own kernel's, by its loopback interface; of the cases it
// takes those that need no IPv6.
var stackAPI = on("stack", func() castnet.Network {
	s, err := stack.New(stack.Config{})
	if err != nil {
		panic(err)
	}
	return s
})

// on is our way to make sockets on a network.
func on(name string, network func() castnet.Network) api {
	n := sync.OnceValue(network)
	return api{
		name,
		func(network, address string) (udpConn, error) {
			cfg := castnet.Config{On: n()}
			c, err := cfg.Listen(context.Background(), network, address)
			if err != nil {
				return nil, err
			}
			return c, nil
		},
		func(network, address string, local netip.AddrPort) (udpConn, error) {
			cfg := castnet.Config{On: n(), LocalAddr: local}
			c, err := cfg.Dial(context.Background(), network, address)
			if err != nil {
				return nil, err
			}
			return c, nil
		},
	}
}

// shape describes an error by all that a program can see of it.
func shape(err error) string {
	if err == nil {
		return "nil"
	}
	var s strings.Builder
	for e := err; e != nil; e = errors.Unwrap(e) {
		switch e := e.(type) {
		case *net.OpError:
			fmt.Fprintf(&s, "OpError{%s %s source %s addr %s} ", e.Op, e.Net, shapeAddr(e.Source), shapeAddr(e.Addr))
		case *os.SyscallError:
			fmt.Fprintf(&s, "SyscallError{%s} ", e.Syscall)
		case *net.AddrError:
			fmt.Fprintf(&s, "AddrError{%s, %s} ", e.Err, e.Addr)
		case *net.DNSError:
			fmt.Fprintf(&s, "DNSError{%s, %s} ", e.Err, e.Name)
		case syscall.Errno:
			fmt.Fprintf(&s, "%v(%d) ", e, int(e))
		default:
			fmt.Fprintf(&s, "%q ", e.Error())
		}
	}
	for _, target := range []error{net.ErrClosed, os.ErrDeadlineExceeded, net.ErrWriteToConnected, io.EOF} {
		if errors.Is(err, target) {
			fmt.Fprintf(&s, "is %q ", target)
		}
	}
	if e, ok := err.(net.Error); ok {
		fmt.Fprintf(&s, "timeout %v temporary %v", e.Timeout(), e.Temporary())
	}
	return anyPort(s.String())
}

// shapeAddr describes an address by its kind and content. Package net's own
// type for a netip.AddrPort has no name outside it.
func shapeAddr(a net.Addr) string {
	if a == nil {
		return "nil"
	}
	kind := "value"
	if _, ok := a.(*net.UDPAddr); ok {
		kind = "UDPAddr"
		if reflect.ValueOf(a).IsNil() {
			return "nil UDPAddr"
		}
	}
	return kind + " " + a.Network() + " " + anyPort(a.String())
}

// anyPort replaces the ephemeral ports in a text, which differ each time.
func anyPort(s string) string {
	return regexp.MustCompile(`:[1-6][0-9]{4}\b`).ReplaceAllString(s, ":PORT")
}

// shapeUDPAddr shows the bytes too: four of IPv4, or sixteen.
func shapeUDPAddr(a net.Addr) string {
	u, ok := a.(*net.UDPAddr)
	if !ok {
		return shapeAddr(a)
	}
	if u == nil {
		return "nil UDPAddr"
	}
	return fmt.Sprintf("%s (%d bytes, zone %q)", anyPort(u.String()), len(u.IP), u.Zone)
}

// A result collects what a case saw, to be compared.
type result struct {
	t     *testing.T
	api   api
	lines []string
}

func (r *result) note(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *result) listen(network, address string) udpConn {
	r.t.Helper()
	c, err := r.api.listen(network, address)
	if err != nil {
		r.t.Fatalf("%s: %v", r.api.name, err)
	}
	r.t.Cleanup(func() { c.Close() })
	// Whatever goes wrong, nothing hangs.
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	return c
}

func (r *result) dial(network, address string) udpConn {
	r.t.Helper()
	c, err := r.api.dial(network, address, netip.AddrPort{})
	if err != nil {
		r.t.Fatalf("%s: %v", r.api.name, err)
	}
	r.t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	return c
}

// tryListen notes what comes of an address, which may be an error.
func (r *result) tryListen(network, address string) {
	c, err := r.api.listen(network, address)
	r.note("Listen(%q, %q) = %s", network, anyPort(address), shape(err))
	if err == nil {
		r.note("  bound to %s", shapeUDPAddr(c.LocalAddr()))
		c.Close()
	}
}

// tryDial is tryListen for the other end.
func (r *result) tryDial(network, address, local string) {
	var l netip.AddrPort
	if local != "" {
		l = netip.MustParseAddrPort(local)
	}
	c, err := r.api.dial(network, address, l)
	r.note("Dial(%q, %q) from %q = %s", network, anyPort(address), anyPort(local), shape(err))
	if err == nil {
		r.note("  from %s to %s", shapeUDPAddr(c.LocalAddr()), shapeUDPAddr(c.RemoteAddr()))
		c.Close()
	}
}

// everyWrite tries each kind of write to an address.
func (r *result) everyWrite(c udpConn, b []byte, to *net.UDPAddr) {
	name := shapeUDPAddr(to)
	// A v4-mapped address is one that package net takes on an IPv4 socket
	// from Go 1.26 on; TestMappedAddress has that.
	ap := netip.AddrPortFrom(to.AddrPort().Addr().Unmap(), to.AddrPort().Port())
	n, err := c.WriteTo(b, to)
	r.note("WriteTo %s = %d, %s", name, n, shape(err))
	n, err = c.WriteToUDP(b, to)
	r.note("WriteToUDP %s = %d, %s", name, n, shape(err))
	n, err = c.WriteToUDPAddrPort(b, ap)
	r.note("WriteToUDPAddrPort %s = %d, %s", name, n, shape(err))
	n, oobn, err := c.WriteMsgUDP(b, nil, to)
	r.note("WriteMsgUDP %s = %d, %d, %s", name, n, oobn, shape(err))
	if to == nil {
		return // package net mends this one in Go 1.26; TestWriteMsgWithoutAddress has it
	}
	n, oobn, err = c.WriteMsgUDPAddrPort(b, nil, ap)
	r.note("WriteMsgUDPAddrPort %s = %d, %d, %s", name, n, oobn, shape(err))
}

// everyRead reads as many datagrams as there are kinds of read.
func (r *result) everyRead(c udpConn, size int) {
	b, oob := make([]byte, size), make([]byte, 64)
	n, err := c.Read(b)
	r.note("Read = %d, %s", n, shape(err))
	n, from, err := c.ReadFrom(b)
	r.note("ReadFrom = %d, %s, %s", n, shapeUDPAddr(from), shape(err))
	n, ua, err := c.ReadFromUDP(b)
	r.note("ReadFromUDP = %d, %s, %s", n, shapeUDPAddr(ua), shape(err))
	n, ap, err := c.ReadFromUDPAddrPort(b)
	r.note("ReadFromUDPAddrPort = %d, %s, %s", n, anyPort(ap.String()), shape(err))
	n, oobn, flags, ua, err := c.ReadMsgUDP(b, oob)
	if err != nil {
		ua = nil // net makes up an address, even if there was nothing
	}
	r.note("ReadMsgUDP = %d, %d, %#x, %s, %s", n, oobn, flags, shapeUDPAddr(ua), shape(err))
	n, oobn, flags, ap, err = c.ReadMsgUDPAddrPort(b, oob)
	if err != nil {
		ap = netip.AddrPort{}
	}
	r.note("ReadMsgUDPAddrPort = %d, %d, %#x, %s, %s", n, oobn, flags, anyPort(ap.String()), shape(err))
}

func udpAddr(c udpConn) *net.UDPAddr { return c.LocalAddr().(*net.UDPAddr) }

// closedPort returns an address where nobody listens.
func closedPort(r *result) *net.UDPAddr {
	c := r.listen("udp4", "127.0.0.1:0")
	defer c.Close()
	return udpAddr(c)
}

// parityCases is the behaviour of *net.UDPConn that must be ours.
var parityCases = []struct {
	name string
	ipv6 bool // it cannot do without
	run  func(r *result)
}{
	{"listen", true, func(r *result) {
		busy := r.listen("udp4", "127.0.0.1:0").LocalAddr().String()
		_, port, _ := net.SplitHostPort(busy)
		for _, network := range []string{"udp", "udp4", "udp6", "", "udp5"} {
			for _, address := range []string{
				"", ":0", ":", "127.0.0.1:0", "0.0.0.0:0", "[::]:0", "[::1]:0", "[::ffff:127.0.0.1]:0", "localhost:0",
				"127.0.0.1", "127.0.0.1:99999", "127.0.0.1:nosuchservice", "[::1:0", "1:2:3",
				"192.0.2.1:0", "[2001:db8::1]:0", busy, ":" + port, "[fe80::1]:0", "224.0.0.251:0", "[ff02::fb]:0", "255.255.255.255:0",
			} {
				r.tryListen(network, address)
			}
		}
	}},
	{"dial", true, func(r *result) {
		peer := r.listen("udp4", "127.0.0.1:0").LocalAddr().String()
		_, port, _ := net.SplitHostPort(peer)
		for _, network := range []string{"udp", "udp4", "udp6", "", "foo"} {
			for _, address := range []string{
				"", ":" + port, peer, "[::1]:" + port, "0.0.0.0:" + port, "[::]:" + port, "[::ffff:127.0.0.1]:" + port,
				"localhost:" + port, "127.0.0.1", "127.0.0.1:domain", "127.0.0.1:nosuchservice", "255.255.255.255:9999",
			} {
				r.tryDial(network, address, "")
			}
		}
		for _, local := range []string{"127.0.0.1:0", "0.0.0.0:0", "192.0.2.1:0", peer, "[::1]:0", "[::]:0", "[::ffff:127.0.0.1]:0"} {
			r.tryDial("udp", peer, local)
			r.tryDial("udp4", peer, local)
			r.tryDial("udp6", "[::1]:"+port, local)
		}
	}},
	{"dial_port_0", false, func(r *result) {
		// The kernel connects and does not call it a peer.
		d := r.dial("udp4", "127.0.0.1:0")
		r.note("to %s", shapeAddr(d.RemoteAddr()))
		n, err := d.Write([]byte("x"))
		r.note("Write = %d, %s", n, shape(err))
		r.everyWrite(d, []byte("x"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9})
	}},
	{"unconnected", false, func(r *result) {
		c, d := r.listen("udp4", "127.0.0.1:0"), r.listen("udp4", "127.0.0.1:0")
		r.note("%s, %s", shapeUDPAddr(c.LocalAddr()), shapeAddr(c.RemoteAddr()))
		n, err := c.Write([]byte("x"))
		r.note("Write = %d, %s", n, shape(err))
		r.everyWrite(c, []byte("hello"), udpAddr(d))
		c.WriteTo([]byte("hello"), d.LocalAddr())
		r.everyRead(d, 100)
	}},
	{"unconnected_dual_stack", true, func(r *result) {
		c, d := r.listen("udp", ":0"), r.listen("udp", ":0")
		r.note("%s, %s", shapeUDPAddr(c.LocalAddr()), shapeAddr(c.RemoteAddr()))
		to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: udpAddr(d).Port}
		r.everyWrite(c, []byte("hello"), to)
		c.WriteTo([]byte("hello"), to)
		r.everyRead(d, 100)
		to.IP = net.IPv6loopback
		r.everyWrite(c, []byte("hello"), to)
		c.WriteTo([]byte("hello"), to)
		r.everyRead(d, 100)
		to.IP = to.IP[:0]
		r.everyWrite(c, []byte("hello"), to)
		to.IP = net.IPv4zero
		n, err := c.WriteTo([]byte("hello"), to)
		r.note("WriteTo 0.0.0.0 = %d, %s", n, shape(err))
	}},
	{"wrong_addresses", true, func(r *result) {
		for _, network := range []string{"udp4", "udp6"} {
			c := r.listen(network, ":0")
			for _, to := range []*net.UDPAddr{
				{IP: net.IPv6loopback, Port: 9}, {IP: net.IPv4(127, 0, 0, 1)}, {IP: net.IPv6loopback},
				{IP: net.IP{1, 2, 3}, Port: 9}, nil,
			} {
				r.everyWrite(c, []byte("x"), to)
			}
			n, err := c.WriteTo([]byte("x"), nil)
			r.note("WriteTo nil = %d, %s", n, shape(err))
			n, err = c.WriteTo([]byte("x"), &net.TCPAddr{IP: net.IPv6loopback, Port: 9})
			r.note("WriteTo TCPAddr = %d, %s", n, shape(err))
		}
		// No IPv4 goes out of a socket of IPv6 only.
		r.everyWrite(r.listen("udp6", ":0"), []byte("x"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9})
	}},
	{"connected", false, func(r *result) {
		c := r.listen("udp4", "127.0.0.1:0")
		d := r.dial("udp4", c.LocalAddr().String())
		r.note("%s, %s", shapeUDPAddr(d.LocalAddr()), shapeUDPAddr(d.RemoteAddr()))
		for range 6 {
			n, err := d.Write([]byte("hello"))
			r.note("Write = %d, %s", n, shape(err))
		}
		r.everyRead(c, 100)
		for range 6 {
			c.WriteTo([]byte("hello"), d.LocalAddr())
		}
		r.everyRead(d, 3)
		r.everyWrite(d, []byte("x"), udpAddr(c))
		n, oobn, err := d.WriteMsgUDP([]byte("x"), nil, nil)
		r.note("WriteMsgUDP nil = %d, %d, %s", n, oobn, shape(err))
		r.everyWrite(d, []byte("x"), nil)
	}},
	{"empty_and_cut", false, func(r *result) {
		c, d := r.listen("udp4", "127.0.0.1:0"), r.listen("udp4", "127.0.0.1:0")
		r.everyWrite(c, nil, udpAddr(d))
		c.WriteTo(nil, d.LocalAddr())
		r.everyRead(d, 10)
		r.everyWrite(c, make([]byte, 20), udpAddr(d))
		c.WriteTo(make([]byte, 20), d.LocalAddr())
		r.everyRead(d, 10)
		n, err := d.Read(nil)
		r.note("Read(nil) with nothing there = %d, %s", n, shape(err))
		c.WriteTo(make([]byte, 20), d.LocalAddr())
		n, from, err := d.ReadFrom(nil)
		r.note("ReadFrom(nil) = %d, %s, %s", n, shapeUDPAddr(from), shape(err))
	}},
	{"too_long", false, func(r *result) {
		c, d := r.listen("udp4", "127.0.0.1:0"), r.listen("udp4", "127.0.0.1:0")
		r.everyWrite(c, make([]byte, 65508), udpAddr(d))
		e := r.dial("udp4", d.LocalAddr().String())
		n, err := e.Write(make([]byte, 65508))
		r.note("Write = %d, %s", n, shape(err))
	}},
	{"refused", false, func(r *result) {
		d := r.dial("udp4", closedPort(r).String())
		d.Write([]byte("x"))
		n, err := d.Read(make([]byte, 10))
		r.note("Read = %d, %s", n, shape(err))
		d.Write([]byte("x"))
		n, err = d.Write([]byte("x"))
		r.note("Write = %d, %s", n, shape(err))
		n, err = d.Write([]byte("x"))
		r.note("Write again = %d, %s", n, shape(err))
		n, _, err = d.ReadFrom(make([]byte, 10))
		r.note("ReadFrom = %d, %s", n, shape(err))
	}},
	{"broadcast", false, func(r *result) {
		c := r.listen("udp4", "127.0.0.1:0")
		// From the loopback address it cannot leave; permission is not what is missing.
		r.everyWrite(c, []byte("x"), &net.UDPAddr{IP: net.IPv4bcast, Port: 9})
	}},
	{"deadlines", false, func(r *result) {
		c := r.listen("udp4", "127.0.0.1:0")
		d := r.dial("udp4", c.LocalAddr().String())
		for _, c := range []udpConn{c, d} {
			r.note("SetDeadline = %s", shape(c.SetDeadline(time.Unix(1, 0))))
			r.everyRead(c, 10)
			r.everyWrite(c, []byte("x"), udpAddr(c))
			n, err := c.Write([]byte("x"))
			r.note("Write = %d, %s", n, shape(err))
			n, err = c.Read(nil)
			r.note("Read(nil) = %d, %s", n, shape(err))
			r.note("SetDeadline = %s", shape(c.SetReadDeadline(time.Now().Add(5*time.Millisecond))))
			r.everyRead(c, 10)
		}
	}},
	{"closed", false, func(r *result) {
		c := r.listen("udp4", "127.0.0.1:0")
		d := r.dial("udp4", c.LocalAddr().String())
		for _, c := range []udpConn{c, d} {
			r.note("Close = %s", shape(c.Close()))
			r.note("Close = %s", shape(c.Close()))
			r.everyRead(c, 10)
			n, err := c.Read(nil)
			r.note("Read(nil) = %d, %s", n, shape(err))
			r.everyWrite(c, []byte("x"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9})
			n, err = c.Write([]byte("x"))
			r.note("Write = %d, %s", n, shape(err))
			r.note("SetDeadline = %s", shape(c.SetDeadline(time.Time{})))
			r.note("SetReadDeadline = %s", shape(c.SetReadDeadline(time.Unix(1, 0))))
			r.note("SetWriteDeadline = %s", shape(c.SetWriteDeadline(time.Now().Add(time.Hour))))
			r.note("SetReadBuffer = %s", shape(c.SetReadBuffer(1<<16)))
			r.note("SetWriteBuffer = %s", shape(c.SetWriteBuffer(1<<16)))
			r.note("LocalAddr = %s, RemoteAddr = %s", shapeUDPAddr(c.LocalAddr()), shapeUDPAddr(c.RemoteAddr()))
		}
	}},
	{"buffers", false, func(r *result) {
		c := r.listen("udp4", "127.0.0.1:0")
		for _, n := range []int{1 << 16, 1, 0, -1} {
			r.note("SetReadBuffer(%d) = %s", n, shape(c.SetReadBuffer(n)))
			r.note("SetWriteBuffer(%d) = %s", n, shape(c.SetWriteBuffer(n)))
		}
	}},
}

// Whatever package net does, we do: the same cases, the same description of
// every result.
func TestParityWithPackageNet(t *testing.T) {
	for _, c := range parityCases {
		t.Run(c.name, func(t *testing.T) {
			want := &result{t: t, api: packageNet}
			c.run(want)
			if len(want.lines) == 0 {
				t.Error("the case noted nothing")
			}
			ours := []api{hostAPI}
			if !c.ipv6 {
				ours = append(ours, stackAPI)
			}
			for _, a := range ours {
				t.Run(a.name, func(t *testing.T) {
					got := &result{t: t, api: a}
					c.run(got)
					compare(t, got.lines, want.lines)
				})
			}
		})
	}
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d results, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("\n got %s\nwant %s", got[i], want[i])
		}
	}
}
