// Calls is the first step of docs/textbook: the calls of C's datagram sockets, on two
// hosts of a lab, and what each returns.
package main

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/socket"
)

func main() {
	l := lab.New(lab.Config{Seed: 1})
	defer l.Close()
	lan := l.AddSwitch("lan")
	server, client := l.AddHost("server"), l.AddHost("client")
	for i, h := range []*lab.Host{server, client} {
		address := netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})
		if _, err := h.Attach(lan, lab.LinkConfig{Addresses: []netip.Prefix{netip.PrefixFrom(address, 24)}}); err != nil {
			log.Fatal(err)
		}
	}
	server.Go("server", func(context.Context) error { return serve(server) })
	client.Go("client", func(context.Context) error { return ask(client) })
	if err := l.RunTasks(time.Minute); err != nil {
		log.Fatal(err)
	}
}

func serve(host *lab.Host) error {
	s, err := host.Open(socket.IPv4)
	fmt.Println("server: socket(AF_INET, SOCK_DGRAM)    ", result(err))
	err = s.Bind(netip.MustParseAddrPort("0.0.0.0:7700"))
	fmt.Println("server: bind(0.0.0.0:7700)             ", result(err))

	ms := []socket.Message{{Buf: make([]byte, 1500)}}
	_, err = s.TryRecv(ms)
	fmt.Println("server: recvfrom, with nothing there   ", result(err))
	if err = s.Wait(socket.Readable, nil); err != nil {
		return err
	}
	_, err = s.TryRecv(ms)
	fmt.Printf("server: recvfrom, after poll            %s: %q from %v\n", result(err), ms[0].Buf, ms[0].Addr.Addr())
	ms[0].Reply()
	_, err = s.TrySend(ms)
	fmt.Println("server: sendto(the sender)             ", result(err))
	return s.Close()
}

func ask(host *lab.Host) error {
	s, err := host.Open(socket.IPv4)
	fmt.Println("client: socket(AF_INET, SOCK_DGRAM)    ", result(err))
	fmt.Println("client: getsockname                     ok:", s.LocalAddr())
	_, err = s.TrySend([]socket.Message{{Buf: []byte("hello")}})
	fmt.Println("client: send, to nobody                ", result(err))
	err = s.Connect(netip.MustParseAddrPort("10.0.0.1:7700"))
	fmt.Println("client: connect(10.0.0.1:7700)         ", result(err))
	fmt.Println("client: getsockname                     ok:", s.LocalAddr().Addr(), "and a port")
	_, err = s.TrySend([]socket.Message{{Buf: []byte("hello")}})
	fmt.Println("client: send                           ", result(err))
	if err = s.Wait(socket.Readable, nil); err != nil {
		return err
	}
	ms := []socket.Message{{Buf: make([]byte, 4)[:0:4]}}
	_, err = s.TryRecv(ms)
	fmt.Printf("client: recv, into four bytes           %s: %q of %d\n", result(err), ms[0].Buf, ms[0].Len)
	return s.Close()
}

// result is what a call of C returns, in words.
func result(err error) string {
	if err == nil {
		return "ok"
	}
	return fmt.Sprintf("-1: %v", err)
}
