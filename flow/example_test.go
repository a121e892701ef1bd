package flow_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net"
	"net/netip"
	"sync"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/flow"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

// The code of docs/tunnels.md is in this file; TestTunnelsDocument sees to it.

// newTunnel returns a stack for which everything is that comes in by the link.
func newTunnel(l link.Link) (*stack.Stack, error) {
	s, err := stack.New(stack.Config{Name: "tunnel"})
	if err != nil {
		return nil, err
	}
	tun0, err := s.AddInterface("tun0", l)
	if err != nil {
		return nil, err
	}
	if err := tun0.AddAddress(netip.MustParsePrefix("10.9.0.1/24")); err != nil {
		return nil, err
	}
	return s, tun0.SetTransparent(netip.MustParsePrefix("0.0.0.0/0"))
}

// intercept returns a Conn that hears what comes in by tun0.
func intercept(s *stack.Stack) (*castnet.Conn, error) {
	cfg := castnet.Config{On: s, Interface: "tun0"}
	return cfg.Intercept("udp4")
}

// echoAll answers each datagram with itself, in the name of whom it was for.
func echoAll(all *castnet.Conn) error {
	ms := []castnet.Message{{Buf: make([]byte, 65535)}}
	for {
		if _, err := all.ReadBatch(ms); err != nil {
			return err
		}
		ms[0].Reply() // to its Addr, from its Local
		if _, err := all.WriteBatch(ms); err != nil {
			return err
		}
	}
}

// serveEach gives each flow a connection of its own.
func serveEach(all *castnet.Conn, serve func(*castnet.Conn)) error {
	for {
		c, err := all.Accept(nil)
		if err != nil {
			return err
		}
		fmt.Println("somebody talks to", c.LocalAddr())
		go serve(c)
	}
}

// relay sends on to out what comes in, without a copy in between.
func relay(in, out *castnet.Conn) error {
	ms := make([]castnet.Message, 32)
	for {
		n, loan, err := in.Borrow(ms)
		if err != nil {
			return err
		}
		for k := range ms[:n] {
			ms[k].Addr, ms[k].Set = netip.AddrPort{}, 0 // to out's peer
		}
		_, err = out.WriteBatch(ms[:n])
		loan.Return()
		if err != nil {
			return err
		}
	}
}

// newProxy forwards each flow by a socket of another network.
func newProxy(all *castnet.Conn, out castnet.Config) (*flow.Server, error) {
	return flow.New(all, flow.Config{
		MaxFlows: 10000,
		Full:     flow.EvictIdlest,
		Handler: flow.Proxy(func(ctx context.Context, f *flow.Flow) (net.Conn, error) {
			return out.Dial(ctx, "udp4", f.Destination().String())
		}),
	})
}

var overQuota = drop.Register("OverQuota")

// limit lets each client of the tunnel send so many bytes.
func limit(s *stack.Stack, quota int) error {
	var mu sync.Mutex
	sent := make(map[netip.Addr]int)
	return s.SetHooks(stack.Hooks{Input: func(p *stack.Packet) drop.Reason {
		mu.Lock()
		defer mu.Unlock()
		client := p.Source.Addr()
		if sent[client] += len(p.Bytes); sent[client] > quota {
			return overQuota
		}
		return drop.None
	}})
}

// giveTCP gives TCP to another stack. What it returns is for the packets that
// the other one sends.
func giveTCP(s *stack.Stack, inject func(ipPacket []byte)) (send func(ipPacket []byte) error, err error) {
	err = s.Handle(wire.ProtocolTCP, func(b *packet.Buffer) {
		inject(bytes.Clone(b.Bytes()))
		b.Release()
	})
	return func(p []byte) error {
		b := packet.New(len(p))
		copy(b.Append(len(p)), p)
		return s.SendPacket(b)
	}, err
}

// behindTunnel returns a host, and the end of its cable, where all that it sends
// comes out.
func behindTunnel() (*stack.Stack, link.Link) {
	near, far := mem.Pair(mem.Config{})
	s, err := stack.New(stack.Config{Name: "client"})
	check(err)
	eth0, err := s.AddInterface("eth0", near)
	check(err)
	check(eth0.AddAddress(netip.MustParsePrefix("10.9.0.7/24")))
	check(s.AddRoute(stack.Route{Gateway: netip.MustParseAddr("10.9.0.1")}))
	return s, far
}

// tunneled returns a client and the stack at the other end of its cable, which end with
// what is returned last.
func tunneled() (client, tunnel *stack.Stack, end func()) {
	client, l := behindTunnel()
	tunnel, err := newTunnel(l)
	check(err)
	return client, tunnel, func() {
		tunnel.Close()
		client.Close()
	}
}

// doing runs a function beside, and returns what closes the Conn and waits for its end.
func doing(c *castnet.Conn, f func() error) (end func()) {
	done := make(chan error)
	go func() { done <- f() }()
	return func() {
		c.Close()
		<-done
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// ask sends a question and prints the answer.
func ask(client *stack.Stack, to, question string) {
	cfg := castnet.Config{On: client}
	c, err := cfg.Dial(context.Background(), "udp4", to)
	check(err)
	defer c.Close()
	c.Write([]byte(question))
	buf := make([]byte, 1500)
	n, err := c.Read(buf)
	check(err)
	fmt.Printf("%v answers %q\n", c.RemoteAddr(), buf[:n])
}

func Example_byHand() {
	client, s, end := tunneled()
	defer end()
	all, err := intercept(s)
	check(err)
	defer doing(all, func() error { return echoAll(all) })()
	ask(client, "192.0.2.1:53", "hello")
	ask(client, "198.51.100.7:443", "hello again")
	// Output:
	// 192.0.2.1:53 answers "hello"
	// 198.51.100.7:443 answers "hello again"
}

func Example_accept() {
	client, s, end := tunneled()
	defer end()
	all, err := intercept(s)
	check(err)
	defer doing(all, func() error {
		return serveEach(all, func(c *castnet.Conn) {
			defer c.Close()
			buf := make([]byte, 1500)
			n, _ := c.Read(buf)
			c.Write(bytes.ToUpper(buf[:n]))
		})
	})()
	ask(client, "192.0.2.1:53", "hello")
	// Output:
	// somebody talks to 192.0.2.1:53
	// 192.0.2.1:53 answers "HELLO"
}

func Example_relay() {
	client, s, end := tunneled()
	defer end()
	all, err := intercept(s)
	check(err)
	lo := castnet.Config{On: s}
	world, err := lo.Listen(context.Background(), "udp4", "127.0.0.1:0")
	check(err)
	out, err := lo.Dial(context.Background(), "udp4", world.LocalAddr().String())
	check(err)
	defer doing(all, func() error { return relay(all, out) })()

	cfg := castnet.Config{On: client}
	c, err := cfg.Dial(context.Background(), "udp4", "192.0.2.1:53")
	check(err)
	for _, text := range []string{"hello", "and again"} {
		_, err = c.Write([]byte(text))
		check(err)
		buf := make([]byte, 1500)
		n, err := world.Read(buf)
		check(err)
		fmt.Printf("relayed %q\n", buf[:n])
	}
	// Output:
	// relayed "hello"
	// relayed "and again"
}

func Example_proxy() {
	client, s, end := tunneled()
	defer end()

	// What the proxy dials on is a stack here, where 192.0.2.1 is. By the zero
	// Config it would be the operating system's network.
	world, err := stack.New(stack.Config{Name: "world"})
	check(err)
	defer world.Close()
	check(world.Interface("lo").AddAddress(netip.MustParsePrefix("192.0.2.1/32")))
	out := castnet.Config{On: world}
	server, err := out.Listen(context.Background(), "udp4", "192.0.2.1:53")
	check(err)
	defer server.Close()
	go echoes(server)

	all, err := intercept(s)
	check(err)
	proxy, err := newProxy(all, out)
	check(err)
	done := make(chan error)
	go func() { done <- proxy.Serve() }()
	ask(client, "192.0.2.1:53", "hello")
	fmt.Printf("%+v\n", proxy.Stats())
	proxy.Close()
	fmt.Println(<-done)
	// Output:
	// 192.0.2.1:53 answers "hello"
	// {Flows:1 Accepted:1 Refused:0 Evicted:0 Idle:0}
	// <nil>
}

func Example_hook() {
	client, s, end := tunneled()
	defer end()
	check(limit(s, 100))
	cfg := castnet.Config{On: client}
	c, err := cfg.Listen(context.Background(), "udp4", ":0")
	check(err)
	defer c.Close()
	for range 5 {
		_, err := c.WriteToUDPAddrPort([]byte("twelve bytes"), netip.MustParseAddrPort("192.0.2.1:53")) // 40 with their headers
		check(err)
	}
	for reason, n := range s.Drops().All() {
		fmt.Println(reason, n)
	}
	// Output:
	// NoPort 2
	// OverQuota 3
}

func Example_handler() {
	client, s, end := tunneled()
	defer end()
	var (
		send func([]byte) error
		err  error
	)
	send, err = giveTCP(s, func(p []byte) {
		ip, _, segment, err := wire.ParseIPv4(p)
		check(err)
		fmt.Printf("%d bytes for %v\n", len(segment), ip.Destination())
		src, dst := ip.Source4(), ip.Destination4()
		ip.SetSource4(dst) // and back it goes
		ip.SetDestination4(src)
		check(send(p))
	})
	check(err)
	check(client.Handle(wire.ProtocolTCP, func(b *packet.Buffer) {
		ip, _, segment, err := wire.ParseIPv4(b.Bytes())
		check(err)
		fmt.Printf("%d bytes from %v\n", len(segment), ip.Source())
		b.Release()
	}))
	b := packet.New(40)
	p := b.Append(40)
	clear(p)
	ip := wire.PutIPv4(p)
	ip.SetTotalLength(40)
	ip.SetTTL(64)
	ip.SetProtocol(wire.ProtocolTCP)
	ip.SetSource(netip.MustParseAddr("10.9.0.7"))
	ip.SetDestination(netip.MustParseAddr("192.0.2.1"))
	check(client.SendPacket(b))
	// Output:
	// 20 bytes for 192.0.2.1
	// 20 bytes from 192.0.2.1
}
