package dgram_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// A server that answers and a client that asks, on two hosts of a lab, in virtual time:
// on the operating system's network it is the same program without On.
func Example() {
	l := lab.New(lab.Config{})
	defer l.Close()
	lan := l.AddSwitch("lan")
	for i, name := range []string{"server", "client"} {
		h := l.AddHost(name)
		h.Attach(lan, lab.LinkConfig{
			Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)},
			Faults:    lab.Faults{Delay: 5 * time.Millisecond},
		})
	}

	l.Host("server").Go("server", func(context.Context) error {
		lp := loop.New(loop.Config{On: l.Host("server")})
		s, err := dgram.CreateSocket(dgram.Options{Type: "udp4", Loop: lp})
		if err != nil {
			return err
		}
		s.OnListening(func() {
			address, _ := s.Address()
			fmt.Println("server: listening on", address)
		})
		s.OnMessage(func(msg []byte, from *dgram.RemoteInfo) {
			fmt.Printf("server: %s from %s:%d\n", msg, from.Address(), from.Port())
			s.Send([]byte("pong"), from.Port(), from.Address(), func(int, error) { s.Close(nil) })
		})
		if err := s.Bind(7, "", nil); err != nil {
			return err
		}
		return lp.Run()
	})

	l.Host("client").Go("client", func(context.Context) error {
		lp := loop.New(loop.Config{On: l.Host("client")})
		s, err := dgram.CreateSocket(dgram.Options{Type: "udp4", Loop: lp})
		if err != nil {
			return err
		}
		s.OnMessage(func(msg []byte, from *dgram.RemoteInfo) {
			fmt.Printf("client: %s from %s after %v\n", msg, from.Address(), l.Elapsed())
			s.Close(func() { fmt.Println("client: closed") })
		})
		if err := s.Bind(5000, "", nil); err != nil {
			return err
		}
		s.Send([]byte("ping"), 7, "server", func(n int, err error) { fmt.Println("client: sent", n, "bytes,", err) })
		return lp.Run()
	})

	if err := l.RunTasks(time.Minute); err != nil {
		log.Fatal(err)
	}
	// Output:
	// server: listening on 0.0.0.0:7
	// client: sent 4 bytes, <nil>
	// server: ping from 10.0.0.2:5000
	// client: pong from 10.0.0.1 after 20ms
	// client: closed
}

// What Node does not tell: the datagram's own destination, its TTL and its ECN.
func ExampleRemoteInfo() {
	l := lab.New(lab.Config{})
	defer l.Close()
	h := l.AddHost("h")
	h.Go("program", func(context.Context) error {
		lp := loop.New(loop.Config{On: h})
		s, err := dgram.CreateSocket(dgram.Options{Type: "udp4", Loop: lp, Report: socket.FieldLocal | socket.FieldTTL | socket.FieldTOS})
		if err != nil {
			return err
		}
		s.OnMessage(func(msg []byte, from *dgram.RemoteInfo) {
			fmt.Printf("%s: sent to %v, TTL %d, ECN %d\n", msg, from.Local.Addr(), from.TTL, from.ECN())
			s.Close(nil)
		})
		s.Bind(7000, "", nil)
		s.SendMessage(&dgram.Message{
			Buf: []byte("hello"), Addr: netip.MustParseAddrPort("127.0.0.5:7000"),
			Set: socket.FieldTTL | socket.FieldTOS, TTL: 9, TOS: 1,
		}, nil)
		return lp.Run()
	})
	if err := l.RunTasks(time.Minute); err != nil {
		log.Fatal(err)
	}
	// Output:
	// hello: sent to 127.0.0.5, TTL 9, ECN 1
}

func ExampleBlockList() {
	var list dgram.BlockList
	list.AddAddress(netip.MustParseAddr("192.0.2.7"))
	list.AddRange(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.9"))
	list.AddSubnet(netip.MustParsePrefix("2001:db8::/32"))
	for _, a := range []string{"192.0.2.7", "::ffff:192.0.2.7", "10.0.0.10", "2001:db8::1"} {
		fmt.Println(a, list.Check(netip.MustParseAddr(a)))
	}
	// Output:
	// 192.0.2.7 true
	// ::ffff:192.0.2.7 true
	// 10.0.0.10 false
	// 2001:db8::1 true
}
