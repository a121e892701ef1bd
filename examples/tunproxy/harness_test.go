package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	gvisor "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/castnet-go/castnet/internal/leak"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/packet"
)

func TestMain(m *testing.M) { leak.Main(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A client is a whole computer behind the proxy: gVisor's stack, for it speaks TCP, on
// the other end of a wire of IP packets.
type client struct {
	gvisor *gvisor.Stack
	link   *channel.Endpoint
	wire   *mem.Link
	deaf   atomic.Bool  // nothing is heard from the proxy
	missed atomic.Int64 // packets that were not heard
	done   sync.WaitGroup
}

// 192.0.2.1 and 2001:db8::1 are where everything is that a client can reach, on
// loopback.
func dialLoopback(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	if a := to.Addr().String(); a != "192.0.2.1" && a != "2001:db8::1" {
		return nil, fmt.Errorf("there is nobody at %v", to)
	}
	return dialHost(ctx, network, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), to.Port()))
}

// behind returns a proxy and a client behind it, which end with the test.
func behind(t testing.TB) (*proxy, *client) {
	t.Helper()
	a, b := mem.Pair(mem.Config{Kind: link.IP})
	c := &client{
		wire: b,
		link: channel.New(1024, uint32(b.MTU()), ""),
		gvisor: gvisor.New(gvisor.Options{
			NetworkProtocols:   []gvisor.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
			TransportProtocols: []gvisor.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
		}),
	}
	if err := c.gvisor.CreateNIC(nic, c.link); err != nil {
		t.Fatal(err)
	}
	for _, a := range []tcpip.ProtocolAddress{
		{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddressWithPrefix{Address: address("10.0.0.1"), PrefixLen: 24}},
		{Protocol: ipv6.ProtocolNumber, AddressWithPrefix: tcpip.AddressWithPrefix{Address: address("fd00::1"), PrefixLen: 64}},
	} {
		if err := c.gvisor.AddProtocolAddress(nic, a, gvisor.AddressProperties{}); err != nil {
			t.Fatal(err)
		}
	}
	c.gvisor.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nic},
		{Destination: header.IPv6EmptySubnet, NIC: nic},
	})
	must(t, b.Attach(c))
	p, err := newProxy(a, dialLoopback)
	must(t, err)
	t.Cleanup(func() { p.close() })
	c.done.Go(c.send)
	t.Cleanup(func() {
		b.Close()
		c.gvisor.Close()
		c.link.Close()
		c.done.Wait()
		c.gvisor.Wait()
	})
	return p, c
}

// Deliver is what the proxy sends.
func (c *client) Deliver(_ int, ps []*packet.Buffer) {
	for _, b := range ps {
		if c.deaf.Load() {
			c.missed.Add(1)
			continue
		}
		pkt := gvisor.NewPacketBuffer(gvisor.PacketBufferOptions{Payload: buffer.MakeWithData(b.Bytes())})
		family := ipv4.ProtocolNumber
		if b.Bytes()[0]>>4 == 6 {
			family = ipv6.ProtocolNumber
		}
		c.link.InjectInbound(family, pkt)
		pkt.DecRef()
	}
	packet.ReleaseAll(ps)
}

// send puts what the client sends on the wire.
func (c *client) send() {
	for {
		pkt := c.link.ReadContext(context.Background())
		if pkt == nil {
			return
		}
		b := packet.New(pkt.Size())
		for _, part := range pkt.AsSlices() {
			copy(b.Append(len(part)), part)
		}
		pkt.DecRef()
		if n, _ := c.wire.Write(b.Single()); n == 0 {
			b.Release()
		}
	}
}

// dialTCP and dialUDP connect to a port at 192.0.2.1, dialTCP6 and dialUDP6 to one at
// 2001:db8::1.
func (c *client) dialTCP(ctx context.Context, port uint16) (*gonet.TCPConn, error) {
	return gonet.DialContextTCP(ctx, c.gvisor, at("192.0.2.1", port), ipv4.ProtocolNumber)
}

func (c *client) dialTCP6(ctx context.Context, port uint16) (*gonet.TCPConn, error) {
	return gonet.DialContextTCP(ctx, c.gvisor, at("2001:db8::1", port), ipv6.ProtocolNumber)
}

func (c *client) dialUDP(t testing.TB, port uint16) *gonet.UDPConn {
	t.Helper()
	return c.udp(t, at("192.0.2.1", port), ipv4.ProtocolNumber)
}

func (c *client) dialUDP6(t testing.TB, port uint16) *gonet.UDPConn {
	t.Helper()
	return c.udp(t, at("2001:db8::1", port), ipv6.ProtocolNumber)
}

func (c *client) udp(t testing.TB, to tcpip.FullAddress, family tcpip.NetworkProtocolNumber) *gonet.UDPConn {
	t.Helper()
	u, err := gonet.DialUDP(c.gvisor, nil, &to, family)
	must(t, err)
	t.Cleanup(func() { u.Close() })
	return u
}

func address(a string) tcpip.Address { return tcpip.AddrFromSlice(netip.MustParseAddr(a).AsSlice()) }

func at(a string, port uint16) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nic, Addr: address(a), Port: port}
}
