package castnet_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/stack"
)

// One socket writes to many, and wants to know who is not there.
func ExampleConn_ReadError() {
	host, err := stack.New(stack.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close()
	c, err := (&castnet.Config{On: host}).Listen(context.Background(), "udp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	if err := c.SetReceiveErrors(true); err != nil {
		log.Fatal(err)
	}
	for port := range uint16(2) {
		c.WriteToUDPAddrPort([]byte("anybody there?"), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 7000+port))
		c.ReadFromUDPAddrPort(make([]byte, 1500)) // connection refused: by whom?
	}
	m := castnet.ErrorMessage{Buf: make([]byte, 0, 100)}
	for range 2 {
		if err := c.ReadError(&m); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%v about %q to %v\n", m.Errno, m.Buf, m.Addr)
	}
	// Output:
	// connection refused about "anybody there?" to 127.0.0.1:7000
	// connection refused about "anybody there?" to 127.0.0.1:7001
}
