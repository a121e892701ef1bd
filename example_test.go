package castnet_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"syscall"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/stack"
)

// The same on a network of our own: two hosts in this process, on a wire in
// memory. No root and no operating system's socket is involved.
func ExampleConfig() {
	wireA, wireB := mem.Pair(mem.Config{})
	host := func(name string, l *mem.Link, addr string) *stack.Stack {
		s, err := stack.New(stack.Config{Name: name})
		if err != nil {
			log.Fatal(err)
		}
		eth0, err := s.AddInterface("eth0", l)
		if err != nil {
			log.Fatal(err)
		}
		if err := eth0.AddAddress(netip.MustParsePrefix(addr)); err != nil {
			log.Fatal(err)
		}
		return s
	}
	a := castnet.Config{On: host("a", wireA, "10.0.0.1/24")}
	b := castnet.Config{On: host("b", wireB, "10.0.0.2/24")}

	ctx := context.Background()
	server, err := b.Listen(ctx, "udp4", ":7")
	if err != nil {
		log.Fatal(err)
	}
	client, err := a.Dial(ctx, "udp4", "10.0.0.2:7")
	if err != nil {
		log.Fatal(err)
	}

	fmt.Fprint(client, "hello")
	buf := make([]byte, 1500)
	n, peer, err := server.ReadFrom(buf)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s from %s\n", buf[:n], peer.(interface{ AddrPort() netip.AddrPort }).AddrPort().Addr())

	// When nobody listens any more, the other host's ICMP message says so.
	server.Close()
	client.Write([]byte("anybody there?"))
	_, err = client.Read(buf)
	fmt.Println(errors.Is(err, syscall.ECONNREFUSED))
	// Output:
	// hello from 10.0.0.1
	// true
}
