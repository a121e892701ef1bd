package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/castnet-go/castnet"
)

func newEcho() *cobra.Command {
	var (
		c     common
		flags receiveFlags
	)
	cmd := &cobra.Command{
		Use:   "echo [ADDR]",
		Short: "Answer each datagram with itself",
		Long: `Echo sends each datagram back to where it came from, out of the address that it
was sent to, if that is ours alone. ADDR is host:port, :port, port or host; without a port it is 7,
the port of the echo service (RFC 862).

What comes from the port that echo itself listens on is not answered, since two
echo servers would answer each other for ever.`,
		Example: `  castnet echo :7007                           on every address
  castnet echo :7007 --count 10 --timeout 1m
  sudo castnet echo --on tap,addr=10.0.0.2/24,host=10.0.0.1/24
      and in another terminal: ping 10.0.0.2; castnet ping 10.0.0.2:7`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := flags.open(cmd.Context(), &c, argument(args), "7", newOutput(os.Stdout, c.json))
			if err != nil {
				return err
			}
			defer r.close()
			e := &echoer{receiver: r}
			if err := e.run(cmd.Context(), e.answer); err != nil {
				return fail(err)
			}
			return fail(e.summarize("answered "))
		},
	}
	flags.addFlags(cmd)
	c.addFlags(cmd)
	return cmd
}

// An echoer is a receiver that answers.
type echoer struct {
	*receiver
	answers []castnet.Message
}

// answer sends each message back. One that cannot be sent is told of and
// skipped: a server does not end because of one client.
func (e *echoer) answer(ms []castnet.Message) error {
	e.answers = e.answers[:0]
	for i := range ms {
		m := &ms[i]
		if !e.take(m) {
			continue
		}
		if m.Addr.Port() == e.local.Port() {
			e.ignored(m.Addr)
			continue
		}
		e.tally.add(m)
		e.show("echo", m)
		a := *m
		a.Reply()
		e.answers = append(e.answers, a)
	}
	for left := e.answers; len(left) > 0; {
		n, err := e.conn.WriteBatch(left)
		left = left[n:]
		if err == nil {
			break
		}
		if timedOut(err) {
			return nil // run sees it too, and knows why
		}
		if len(left) > 0 && left[0].Set&castnet.FieldLocal != 0 && noSource(err) {
			// It was sent to an address that many have, a subnet's broadcast
			// address. Which are such the network knows best: it chooses.
			left[0].Set, left[0].Local = 0, netip.AddrPort{}
			continue
		}
		if len(left) > 0 {
			e.unsent(left[0].Addr, err)
			left = left[1:]
		}
	}
	return nil
}

// noSource reports whether an error can mean that the source is not the network's
// own: Linux looks for a route from it (ENETUNREACH, EINVAL) or for the address
// (EADDRNOTAVAIL).
func noSource(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

type peerEvent struct {
	Event string         `json:"event"`
	Peer  netip.AddrPort `json:"peer"`
	Error string         `json:"error"`
}

func (e *echoer) ignored(peer netip.AddrPort) {
	peer = plain(peer)
	e.out.say(peerEvent{"ignored", peer, "it came from an echo server's port"},
		e.out.paint(red, fmt.Sprintf("not answered: %v is the port of an echo server, like ours", peer)))
}

func (e *echoer) unsent(peer netip.AddrPort, err error) {
	peer = plain(peer)
	e.out.say(peerEvent{"unsent", peer, brief(err)},
		e.out.paint(red, fmt.Sprintf("not answered: %v: %s", peer, brief(err))))
}
