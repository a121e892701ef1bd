package conntest

import (
	"net"
	"testing"
)

// udpPair is a Pair of package net's sockets on loopback.
func udpPair() (*Pair, error) {
	c1, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	c2, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		c1.Close()
		return nil, err
	}
	dial := func(a net.Addr) (net.Conn, error) { return net.DialUDP("udp", nil, a.(*net.UDPAddr)) }
	return &Pair{C1: c1, C2: c2, Dial: dial, Refuses: true}, nil
}

func TestUDPConn(t *testing.T) { TestPacketConn(t, udpPair) }

// A dual-stack wildcard socket says ::, is reached by 127.0.0.1, and calls its
// peers by that.
func TestUDPConnWildcard(t *testing.T) {
	TestPacketConn(t, func() (*Pair, error) {
		c1, err := net.ListenUDP("udp", nil)
		if err != nil {
			return nil, err
		}
		c2, err := net.ListenUDP("udp", nil)
		if err != nil {
			c1.Close()
			return nil, err
		}
		at := func(c net.PacketConn) net.Addr {
			return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: c.LocalAddr().(*net.UDPAddr).Port}
		}
		return &Pair{C1: c1, C2: c2, Addr1: at(c1), Addr2: at(c2)}, nil
	})
}
