package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/castnet-go/castnet"
)

func newListen() *cobra.Command {
	var (
		c     common
		flags receiveFlags
		raw   bool
	)
	cmd := &cobra.Command{
		Use:   "listen [ADDR]",
		Short: "Show the datagrams that arrive",
		Long: `Listen prints each datagram that arrives: when, from whom, to which of our
addresses, by which interface, how long it is and how it begins; and what was
lost here. ADDR is host:port, :port, port or host; without a port, a free one
is taken.

If the host is a group, such as 239.1.2.3, it is joined, on every interface that is
up and carries multicast or the one of --interface, and nothing is shown but what is
sent to it; without a port, that is 7000. More of that does 'castnet mcast join'.`,
		Example: `  castnet listen :7000                         on every address
  castnet listen 127.0.0.1:7000 --count 1      one datagram, then end
  castnet listen 239.1.2.3:7000                a group, on every interface
  castnet listen :7000 --raw >file             just the payloads
  castnet listen :7000 --json | jq .text
  castnet listen :7000 --on tap,addr=10.0.0.2/24,host=10.0.0.1/24`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := newOutput(os.Stdout, c.json)
			if raw {
				// The payloads have standard output for themselves.
				out = newOutput(os.Stderr, c.json)
			}
			r, err := flags.open(cmd.Context(), &c, argument(args), "0", out)
			if err != nil {
				return err
			}
			defer r.close()
			err = r.run(cmd.Context(), func(ms []castnet.Message) error {
				for i := range ms {
					if !r.take(&ms[i]) {
						continue
					}
					r.tally.add(&ms[i])
					if !raw {
						r.show("datagram", &ms[i])
					} else if _, err := os.Stdout.Write(ms[i].Buf); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return fail(err)
			}
			return fail(r.summarize(""))
		},
	}
	flags.addFlags(cmd)
	cmd.Flags().BoolVar(&raw, "raw", false, "write the payloads, and nothing else, to standard output")
	cmd.MarkFlagsMutuallyExclusive("raw", "hex")
	c.addFlags(cmd)
	return cmd
}

// argument returns the only argument, or "".
func argument(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
