package loop_test

import (
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

func Example() {
	network, err := stack.New(stack.Config{}) // or host.Network{}, or a lab's host
	if err != nil {
		log.Fatal(err)
	}
	defer network.Close()
	l := loop.New(loop.Config{On: network})

	server, _ := l.NewUDP(loop.UDPConfig{})
	server.Bind(netip.MustParseAddrPort("127.0.0.1:7"), 0)
	server.RecvStart(func(m *socket.Message, err error) {
		fmt.Printf("received %s\n", m.Buf)
		server.Close(func() { fmt.Println("closed") })
	})

	client, _ := l.NewUDP(loop.UDPConfig{})
	l.NewTimer().Start(time.Millisecond, 0, func() {
		m := socket.Message{Buf: []byte("hello"), Addr: netip.MustParseAddrPort("127.0.0.1:7")}
		client.Send(&m, func(err error) { fmt.Println("sent", err) })
		fmt.Println("sending")
	})
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// sending
	// sent <nil>
	// received hello
	// closed
}

// The order of everything that one callback has queued.
func ExampleLoop_NextTick() {
	l := loop.New(loop.Config{})
	say := func(what string) func() { return func() { fmt.Println(what) } }
	l.NewTimer().Start(0, 0, func() {
		l.SetImmediate(say("immediate"))
		l.QueueMicrotask(say("microtask"))
		l.NextTick(say("tick"))
		fmt.Println("timer")
	})
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// timer
	// tick
	// microtask
	// immediate
}

// A loop that another one drives, here by hand and in virtual time.
func ExampleLoop_RunMode() {
	v := clock.NewVirtual(time.Time{})
	l := loop.New(loop.Config{Clock: v})
	start := v.Now()
	l.NewTimer().Start(time.Hour, 0, func() { fmt.Println("after", v.Now().Sub(start)) })
	for l.Alive() {
		v.Advance(l.Timeout())
		l.RunMode(loop.RunNoWait)
	}
	// Output:
	// after 1h0m0s
}
