// Command castnet sends a datagram from one user-space stack to another: the
// least that a program does with them. It is built to be weighed.
package main

import (
	"net/netip"

	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

func main() {
	if err := run(); err != nil {
		panic(err)
	}
}

func run() error {
	la, lb := mem.Pair(mem.Config{})
	a, err := open(la, "10.0.0.1")
	if err != nil {
		return err
	}
	b, err := open(lb, "10.0.0.2")
	if err != nil {
		return err
	}
	to := netip.MustParseAddrPort("10.0.0.2:7")
	if err := b.Bind(to); err != nil {
		return err
	}
	if _, err := a.TrySend([]socket.Message{{Buf: []byte("hello"), Addr: to}}); err != nil {
		return err
	}
	ms := []socket.Message{{Buf: make([]byte, 64)}}
	if err := b.Wait(socket.Readable, nil); err != nil {
		return err
	}
	if _, err := b.TryRecv(ms); err != nil {
		return err
	}
	println(string(ms[0].Buf)) // package os would be a part of the weight
	return nil
}

func open(l *mem.Link, addr string) (socket.Socket, error) {
	st, err := stack.NewIPv4(stack.Config{})
	if err != nil {
		return nil, err
	}
	i, err := st.AddInterface("eth0", l)
	if err != nil {
		return nil, err
	}
	if err := i.AddAddress(netip.PrefixFrom(netip.MustParseAddr(addr), 24)); err != nil {
		return nil, err
	}
	return st.Open(socket.IPv4)
}
