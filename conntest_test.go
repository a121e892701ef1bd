package castnet_test

import (
	"context"
	"net"
	"testing"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/conntest"
)

// makePair returns a conntest.MakePair of two Conns that listen on addresses
// of one network each.
func makePair(on1, on2 castnet.Network, network, address1, address2 string, more func(*conntest.Pair)) (*conntest.Pair, error) {
	ctx := context.Background()
	cfg1, cfg2 := castnet.Config{On: on1}, castnet.Config{On: on2}
	c1, err := cfg1.Listen(ctx, network, address1)
	if err != nil {
		return nil, err
	}
	c2, err := cfg2.Listen(ctx, network, address2)
	if err != nil {
		c1.Close()
		return nil, err
	}
	p := &conntest.Pair{
		C1: c1, C2: c2,
		Dial: func(a net.Addr) (net.Conn, error) {
			return cfg2.Dial(ctx, network, a.String())
		},
	}
	if more != nil {
		more(p)
	}
	return p, nil
}

func TestHostIPv4(t *testing.T) {
	conntest.TestPacketConn(t, func() (*conntest.Pair, error) {
		return makePair(castnet.Host(), castnet.Host(), "udp4", "127.0.0.1:0", "127.0.0.1:0",
			func(p *conntest.Pair) { p.Refuses = true })
	})
}

func TestHostIPv6(t *testing.T) {
	if c, err := castnet.Listen("udp6", "[::1]:0"); err != nil {
		t.Skipf("this machine has no ::1: %v", err)
	} else {
		c.Close()
	}
	conntest.TestPacketConn(t, func() (*conntest.Pair, error) {
		return makePair(castnet.Host(), castnet.Host(), "udp6", "[::1]:0", "[::1]:0",
			func(p *conntest.Pair) { p.Refuses, p.MaxDatagram = true, 65527 })
	})
}

// The wildcard socket of both families is reached by IPv4 addresses, and calls
// its peers by them.
func TestHostWildcard(t *testing.T) {
	conntest.TestPacketConn(t, func() (*conntest.Pair, error) {
		return makePair(castnet.Host(), castnet.Host(), "udp", ":0", ":0", func(p *conntest.Pair) {
			at := func(c net.PacketConn) net.Addr {
				return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: c.LocalAddr().(*net.UDPAddr).Port}
			}
			p.Addr1, p.Addr2, p.Refuses = at(p.C1), at(p.C2), true
		})
	})
}
