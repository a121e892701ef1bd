package castnet_test

import (
	"net"
	"testing"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/conntest"
)

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
