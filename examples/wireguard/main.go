// Wireguard is two hosts that exchange UDP through a WireGuard tunnel, all in this
// process: no root, no TUN device. WireGuard is wireguard-go; the network inside the
// tunnel is castnet's stack, and so is, as hosts of a lab, the one outside. With
// -host the outer network is the operating system's, over loopback.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/examples/wireguard/wgbind"
	"github.com/castnet-go/castnet/lab"
)

func main() {
	log.SetFlags(0)
	onHost := flag.Bool("host", false, "send WireGuard's datagrams by the operating system, over loopback")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *onHost); err != nil {
		log.Fatal(err)
	}
}

// run makes the outer network and sends through the tunnel.
func run(ctx context.Context, out io.Writer, onHost bool) error {
	if onHost {
		return exchange(ctx, out, castnet.Host(), castnet.Host(), netip.MustParseAddr("127.0.0.1"))
	}
	l := lab.New(lab.Config{Realtime: true}) // WireGuard is goroutines, and timers of package time
	defer l.Close()
	internet := l.AddSwitch("internet")
	ann, bob := l.AddHost("ann"), l.AddHost("bob")
	slow := lab.Faults{Delay: 10 * time.Millisecond}
	for host, address := range map[*lab.Host]string{ann: "192.0.2.1/24", bob: "192.0.2.2/24"} {
		if _, err := host.Attach(internet, lab.LinkConfig{Addresses: []netip.Prefix{netip.MustParsePrefix(address)}, Faults: slow}); err != nil {
			return err
		}
	}
	go l.Run(time.Hour) // until Close
	return exchange(ctx, out, ann, bob, netip.MustParseAddr("192.0.2.2"))
}

// exchange makes a tunnel between two networks, on the second of which bob is at bobAt, and asks an echo server through it.
func exchange(ctx context.Context, out io.Writer, annOn, bobOn castnet.Network, bobAt netip.Addr) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	ann, err := newPeer("ann", netip.MustParseAddr("10.77.0.1"), wgbind.New(castnet.Config{On: annOn}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ann.close()) }()
	bob, err := newPeer("bob", netip.MustParseAddr("10.77.0.2"), wgbind.New(castnet.Config{On: bobOn}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bob.close()) }()
	// Ann knows where bob is. Bob learns where ann is when she calls.
	if err := ann.add(bob, netip.AddrPortFrom(bobAt, bob.port)); err != nil {
		return err
	}
	if err := bob.add(ann, netip.AddrPort{}); err != nil {
		return err
	}

	server, err := (&castnet.Config{On: bob.inner}).Listen(ctx, "udp4", ":7")
	if err != nil {
		return err
	}
	defer server.Close()
	client, err := (&castnet.Config{On: ann.inner}).Dial(ctx, "udp4", "10.77.0.2:7")
	if err != nil {
		return err
	}
	defer client.Close()
	// What waits for an answer is given up with ctx.
	context.AfterFunc(ctx, func() { client.Close(); server.Close() })

	served := make(chan error, 1)
	go func() { served <- echo(server, out) }()
	if _, err := client.Write([]byte("hello")); err != nil {
		return err
	}
	answer := make([]byte, 1500)
	n, err := client.Read(answer)
	if err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	server.Close()
	if err := <-served; err != nil {
		return err
	}
	fmt.Fprintf(out, "ann: %q back from %v\n", answer[:n], client.RemoteAddr())
	return nil
}

// echo sends back what it hears, until c is closed.
func echo(c *castnet.Conn, out io.Writer) error {
	buf := make([]byte, 1500)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "bob: %q from %v\n", buf[:n], from.Addr())
		if _, err := c.WriteToUDPAddrPort(buf[:n], from); err != nil {
			return err
		}
	}
}
