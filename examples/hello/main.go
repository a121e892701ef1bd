// Hello is the README's program: two hosts on a cable, in this process and in
// virtual time.
package main

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/lab"
)

func main() {
	l := lab.New(lab.Config{Seed: 1})
	defer l.Close()
	cable := l.AddCable("cable")
	ann, bob := l.AddHost("ann"), l.AddHost("bob")
	slow := lab.Faults{Delay: 40 * time.Millisecond}
	ann.Attach(cable, lab.LinkConfig{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}, Faults: slow})
	bob.Attach(cable, lab.LinkConfig{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	bob.Go("listen", func(ctx context.Context) error {
		c, err := (&castnet.Config{On: bob}).Listen(ctx, "udp4", ":7")
		if err != nil {
			return err
		}
		buf := make([]byte, 1500)
		n, peer, err := c.ReadFromUDPAddrPort(buf)
		fmt.Printf("%v: %q from %v\n", l.Elapsed(), buf[:n], peer.Addr())
		return err
	})
	ann.Go("send", func(ctx context.Context) error {
		c, err := (&castnet.Config{On: ann}).Dial(ctx, "udp4", "bob:7")
		if err == nil {
			_, err = c.Write([]byte("hello"))
		}
		return err
	})
	if err := l.Run(time.Hour); err != nil { // an hour of virtual time: a moment
		log.Fatal(err)
	}
}
