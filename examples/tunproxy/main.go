// Tunproxy is a TUN device behind which is the network that this program is in: UDP
// by castnet, TCP by gVisor's netstack beside it. What is sent into the device goes on
// by sockets of the host's, and the answers come back by the device.
//
//	tunproxy -name cn0
//
// docs/tunproxy.md shows how to use it, with a network namespace whose only way out is
// the device. It needs CAP_NET_ADMIN to make the device, and nothing else.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/castnet-go/castnet/link/tun"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("tunproxy: ")
	name := flag.String("name", "", "name of the TUN device, made if there is none; empty: the kernel chooses")
	mtu := flag.Int("mtu", 1500, "longest packet, in bytes")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("no arguments are expected, and there is %q", flag.Arg(0))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, *name, *mtu); err != nil {
		log.Fatal(err)
	}
}

// run proxies until ctx is done, or the device has gone.
func run(ctx context.Context, out io.Writer, name string, mtu int) error {
	l, err := tun.Open(name, tun.Config{MTU: mtu})
	if err != nil {
		return err
	}
	p, err := newProxy(l, dialHost)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "proxying what comes in by %s\n", l.Name())
	var gone error
	select {
	case <-ctx.Done():
	case <-l.Done():
		gone = fmt.Errorf("%s: %w", l.Name(), l.Err())
	}
	err = p.close()
	for _, line := range p.summary() {
		fmt.Fprintln(out, line)
	}
	if gone != nil {
		return gone
	}
	return err
}
