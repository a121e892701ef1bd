// Command small sends itself a datagram by a stack without IPv6, and joins no group.
package main

import (
	"net/netip"

	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

func main() {
	l, _ := mem.Pair(mem.Config{})
	s, err := stack.NewIPv4(stack.Config{})
	check(err)
	i, err := s.AddInterface("eth0", l)
	check(err)
	check(i.AddAddress(netip.MustParsePrefix("10.0.0.1/24")))
	k, err := s.Open(socket.IPv4)
	check(err)
	own := netip.MustParseAddrPort("10.0.0.1:7")
	check(k.Bind(own))
	_, err = k.TrySend([]socket.Message{{Buf: []byte("hello"), Addr: own}})
	check(err)
	check(k.Wait(socket.Readable, nil))
	_, err = k.TryRecv([]socket.Message{{Buf: make([]byte, 64)}})
	check(err)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
