package flow_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/flow"
	"github.com/castnet-go/castnet/socket"
)

// heard returns all that the client has been told, in words.
func heard(t *testing.T, c *castnet.Conn) (all []string) {
	t.Helper()
	for {
		m := castnet.ErrorMessage{Buf: make([]byte, 0, 2000)}
		if err := c.TryReadError(&m); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			return all
		}
		all = append(all, fmt.Sprintf("%v %v %d/%d info %d from %v to %v: %q", m.Errno, m.Origin, m.Type, m.Code, m.Info, m.Offender, m.Addr, m.Buf))
	}
}

func told(t *testing.T, c *castnet.Conn, what string, want ...string) {
	t.Helper()
	if got := heard(t, c); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("%s: the client is told\n%q, want\n%q", what, got, want)
	}
}

// What the upstream network says of a datagram is said to its client, as if there
// were no proxy between.
func TestProxyTellsOfRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		server := w.upstream()
		on := castnet.Config{On: server.Network()}
		s, done := w.serve(flow.Config{Handler: flow.Proxy(w.dialOut)})
		c := w.dial("192.0.2.1:53")
		w.check(c.SetReceiveErrors(true))
		server.Close()
		for _, text := range []string{"nobody there", ""} {
			write(t, c, text)
			synctest.Wait()
			told(t, c, "closed", fmt.Sprintf("connection refused icmp 3/3 info 0 from 192.0.2.1 to 192.0.2.1:53: %q", text))
		}
		// What is sent behind an error is not lost for it.
		write(t, c, "still nobody")
		synctest.Wait()
		heard(t, c)
		server, err := on.Listen(context.Background(), "udp4", ":53")
		w.check(err)
		go echoes(server)
		write(t, c, "hello")
		if got := answer(t, c); got != "hello" {
			t.Errorf("got %q", got)
		}
		if st := s.Stats(); st.Accepted != 1 || st.Flows != 1 {
			t.Errorf("%+v", st)
		}
		done()
		server.Close()
	})
}

// An error that a write comes upon, and which is about an earlier datagram, is told too,
// though that write succeeds in the end.
func TestProxyTellsOfEarlierDatagrams(t *testing.T) {
	for range 20 { // whether the write comes upon it, or a read, is a matter of chance
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			server := w.upstream()
			on := castnet.Config{On: server.Network()}
			server.Close()
			_, done := w.serve(flow.Config{Handler: flow.Proxy(func(ctx context.Context, f *flow.Flow) (net.Conn, error) {
				c, err := w.dialOut(ctx, f)
				w.check(err)
				w.check(c.(*castnet.Conn).SetReceiveErrors(true))
				write(t, c.(*castnet.Conn), "earlier") // and the answer is there
				server, err = on.Listen(ctx, "udp4", ":53")
				w.check(err)
				return c, nil
			})})
			c := w.dial("192.0.2.1:53")
			w.check(c.SetReceiveErrors(true))
			write(t, c, "hello")
			synctest.Wait()
			told(t, c, "of the earlier one", `connection refused icmp 3/3 info 0 from 192.0.2.1 to 192.0.2.1:53: "earlier"`)
			buf := make([]byte, 100)
			server.SetReadDeadline(time.Now().Add(time.Second))
			if n, err := server.Read(buf); err != nil || string(buf[:n]) != "hello" {
				t.Errorf("the server got %q, %v", buf[:n], err)
			}
			done()
			server.Close()
		})
	}
}

// A flood is told of as slowly as by Linux.
func TestTellingIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, done := w.serve(flow.Config{Handler: func(f *flow.Flow) {
			buf := make([]byte, 100)
			for {
				n, err := f.Read(buf)
				if err != nil {
					return
				}
				m := castnet.ErrorMessage{Errno: syscall.EHOSTUNREACH, Buf: buf[:n]}
				if buf[0] == 'm' {
					m = castnet.ErrorMessage{Errno: syscall.EMSGSIZE, Info: 1000, Buf: buf[:n]}
				}
				if err := f.Tell(&m); err != nil {
					t.Error(err)
				}
			}
		}})
		c := w.dial("192.0.2.1:53")
		w.check(c.SetReceiveErrors(true))
		flood := func(text string) int {
			for range 20 {
				c.Write([]byte(text)) // that it is refused for the error before does not matter
			}
			synctest.Wait()
			return len(heard(t, c))
		}
		if n := flood("x"); n != 6 {
			t.Errorf("of a flood %d were told of, want 6", n)
		}
		time.Sleep(2*time.Second + time.Millisecond)
		if n := flood("x"); n != 2 {
			t.Errorf("two seconds later %d, want 2", n)
		}
		if n := flood("mtu"); n < 10 {
			t.Errorf("of a path's MTU %d times, want as often as asked", n)
		}
		time.Sleep(time.Hour)
		if n := flood("x"); n != 6 {
			t.Errorf("an hour later %d, want 6", n)
		}
		done()
	})
}

// Every errno is told by the message that it comes of, in both families.
func TestTell(t *testing.T) {
	router, other := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8:ffff::1")
	at := netip.MustParseAddrPort("192.0.2.1:53")
	const from4, from6 = "from 192.0.2.1 to 192.0.2.1:53", "from 2001:db8:53::1 to [2001:db8:53::1]:53"
	for _, c := range []struct {
		m            castnet.ErrorMessage
		want4, want6 string // "": nothing can be told
	}{
		{castnet.ErrorMessage{Errno: syscall.ECONNREFUSED}, "connection refused icmp 3/3 info 0 " + from4, "connection refused icmpv6 1/4 info 0 " + from6},
		{castnet.ErrorMessage{Errno: syscall.EHOSTUNREACH}, "no route to host icmp 3/1 info 0 " + from4, "no route to host icmpv6 1/3 info 0 " + from6},
		{castnet.ErrorMessage{Errno: syscall.ENETUNREACH}, "network is unreachable icmp 3/0 info 0 " + from4, "network is unreachable icmpv6 1/0 info 0 " + from6},
		{castnet.ErrorMessage{Errno: syscall.EACCES}, "no route to host icmp 3/13 info 0 " + from4, "permission denied icmpv6 1/1 info 0 " + from6},
		{castnet.ErrorMessage{Errno: syscall.ENOPROTOOPT}, "protocol not available icmp 3/2 info 0 " + from4, "connection refused icmpv6 1/4 info 0 " + from6},
		// The MTU is that of the other family's packet.
		{castnet.ErrorMessage{Errno: syscall.EMSGSIZE, Info: 1400, Addr: at}, "message too long icmp 3/4 info 1400 " + from4, "message too long icmpv6 2/0 info 1420 " + from6},
		// Who says so, and what, if it can be said in the same words.
		{
			castnet.ErrorMessage{Errno: syscall.EHOSTUNREACH, Origin: socket.OriginICMP, Type: 3, Code: 10, Offender: router},
			"no route to host icmp 3/10 info 0 from 198.51.100.1 to 192.0.2.1:53", "no route to host icmpv6 1/3 info 0 " + from6,
		},
		{
			castnet.ErrorMessage{Errno: syscall.EACCES, Origin: socket.OriginICMPv6, Type: 1, Code: 5, Offender: other},
			"no route to host icmp 3/13 info 0 " + from4, "permission denied icmpv6 1/5 info 0 from 2001:db8:ffff::1 to [2001:db8:53::1]:53",
		},
		{castnet.ErrorMessage{Errno: syscall.EHOSTUNREACH, Offender: netip.MustParseAddr("127.0.0.1")}, "no route to host icmp 3/1 info 0 " + from4, "no route to host icmpv6 1/3 info 0 " + from6},
		{castnet.ErrorMessage{Errno: syscall.EMSGSIZE}, "", ""}, // of what MTU?
		{castnet.ErrorMessage{Errno: syscall.ENOBUFS}, "", ""},
		{castnet.ErrorMessage{}, "", ""},
	} {
		for dst, want := range map[string]string{"192.0.2.1:53": c.want4, "[2001:db8:53::1]:53": c.want6} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld6(t)
				results := make(chan error, 1)
				_, done := w.serve(flow.Config{Handler: func(f *flow.Flow) {
					buf := make([]byte, 2000)
					n, err := f.Read(buf)
					if err != nil {
						t.Error(err)
					}
					m := c.m
					m.Buf = buf[:n]
					results <- f.Tell(&m)
				}})
				on := castnet.Config{On: w.client}
				conn, err := on.Dial(context.Background(), "udp", dst)
				w.check(err)
				defer conn.Close()
				w.check(conn.SetReceiveErrors(true))
				said := letters(1300)
				write(t, conn, said)
				err = <-results
				synctest.Wait()
				if want == "" {
					if !errors.Is(err, castnet.ErrNotSupported) {
						t.Errorf("%v to %s: Tell: %v, want ErrNotSupported", c.m, dst, err)
					}
					told(t, conn, "nothing")
				} else {
					w.check(err)
					quote := 576 - 2*28
					if dst[0] == '[' {
						quote = 1280 - 2*48
					}
					told(t, conn, "an error", fmt.Sprintf("%s: %q", want, said[:quote]))
				}
				done()
			})
		}
	}
}

func letters(n int) string {
	b := make([]byte, n)
	for k := range b {
		b[k] = byte('a' + k%26)
	}
	return string(b)
}

// The operating system's sockets hear of closed ports, and so does the client.
func TestProxyTellsOfTheOperatingSystem(t *testing.T) {
	closed, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.LocalAddr().String()
	closed.Close()
	for name, dial := range map[string]func(context.Context, *flow.Flow) (net.Conn, error){
		"castnet": func(context.Context, *flow.Flow) (net.Conn, error) { return castnet.Dial("udp4", address) },
		"net": func(ctx context.Context, _ *flow.Flow) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp4", address)
		},
		"a failing dial": func(context.Context, *flow.Flow) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, done := w.serve(flow.Config{Handler: flow.Proxy(dial)})
			c := w.dial("192.0.2.1:53")
			write(t, c, "anybody?")
			c.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := c.Read(make([]byte, 100)); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("Read: %v, want connection refused", err)
			}
			done()
		})
	}
}

// A client whose address is good on one link only is told by that link.
func TestTellLinkLocalClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld6(t)
		var tunnel netip.Addr
		for _, a := range w.tunnel.Interface("tun0").Addresses6() {
			if a.Prefix.Addr().IsLinkLocalUnicast() {
				tunnel = a.Prefix.Addr()
			}
		}
		all, err := (&castnet.Config{On: w.tunnel}).Listen(context.Background(), "udp6", "[::]:53")
		w.check(err)
		results := make(chan error, 1)
		s, err := flow.New(all, flow.Config{Handler: func(f *flow.Flow) {
			results <- f.Tell(&castnet.ErrorMessage{Errno: syscall.ECONNREFUSED, Buf: []byte("what?")})
		}})
		w.check(err)
		served := make(chan error)
		go func() { served <- s.Serve() }()
		c, err := (&castnet.Config{On: w.client}).Dial(context.Background(), "udp6", netip.AddrPortFrom(tunnel.WithZone("eth0"), 53).String())
		w.check(err)
		defer c.Close()
		w.check(c.SetReceiveErrors(true))
		write(t, c, "what?")
		w.check(<-results)
		synctest.Wait()
		at := netip.AddrPortFrom(tunnel.WithZone("eth0"), 53)
		told(t, c, "refused", fmt.Sprintf("connection refused icmpv6 1/4 info 0 from %v to %v: %q", at.Addr(), at, "what?"))
		s.Close()
		w.check(<-served)
	})
}
