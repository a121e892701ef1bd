package main

import (
	"errors"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// newRoot returns the command with all below it.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "castnet",
		Short: "UDP on any network: the system's, a stack of its own, or a network in this process",
		Long: `Castnet is the everyday UDP tools, on any network, and networks in one process.

The tools run --on NETWORK, which is one of:
  host                  the operating system's network; the default
  tap,addr=ADDR/BITS    a UDP/IP stack in this process, on a TAP device of the
                        kernel. addr may repeat. More keys, separated by commas:
      name=NAME         the device; it is made if there is none
      gw=ADDR           our default gateway
      host=ADDR/BITS    an address for the kernel's end of the device
      mtu=BYTES         the device's MTU
      mac=MAC           our hardware address
      queues=N          several queues, each read by itself
      offload=WHAT      what is left to the kernel: all, checksums or none
  tun,addr=ADDR/BITS    the same on a TUN device: bare IP packets, and everything
                        is reached by it. name, host, mtu, queues, offload, and:
      peer=ADDR         the kernel's address, without a subnet, instead of host
      route=ADDR/BITS   what else the kernel is to send to us
  packet,dev=NAME,addr=ADDR/BITS
                        the same on an interface of the machine, beside the kernel.
                        gw, mtu, mac, queues, offload
  TAP and TUN devices need CAP_NET_ADMIN, or to have been made for the user:
  sudo ip tuntap add dev cn0 mode tap user $USER && sudo ip link set cn0 up
  An interface of the machine needs CAP_NET_RAW:
  sudo setcap cap_net_raw+ep castnet

Exit status: 0 done; 1 failed, received nothing, or a lab did not pass; 2 called
wrongly. Colour is for terminals only, and not if NO_COLOR is set.`,
		Example: `  castnet echo 127.0.0.1:7007            answer each datagram with itself
  castnet ping 127.0.0.1:7007            ask an echo server, and time it
  castnet listen :7000                   show what arrives
  castnet send 127.0.0.1:7000 hello      send a datagram
  castnet mcast join 239.1.2.3           hear a group
  castnet lab run lan.yaml               run a network in this process
  castnet run server.js client.js        run scripts for Node's dgram on its hosts`,
		Version:                    version(),
		SuggestionsMinimumDistance: 2,
		SilenceErrors:              true,
		SilenceUsage:               true,
		Args:                       subcommand,
		RunE:                       help,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpTemplate(helpTemplate)
	root.SetUsageTemplate(helpTemplate)
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	root.AddCommand(newListen(), newSend(), newEcho(), newPing(), newRun(), newMcast(), newLab())
	return root
}

// helpTemplate opens with the examples: who asks for help wants one to copy.
const helpTemplate = `{{with .Example}}Examples:
{{.}}

{{end}}{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}Usage:
  {{if .Runnable}}{{.UseLine}}{{else}}{{.CommandPath}} COMMAND{{end}}
{{if .HasAvailableSubCommands}}
Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{if .HasAvailableLocalFlags}}
Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableSubCommands}}
'{{.CommandPath}} COMMAND --help' says more about a command.
{{end}}`

// subcommand refuses the arguments of a command that only has others below it.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	msg := "there is no command " + quote(args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		msg += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return errors.New(msg)
}

// help is what a command does that only has others below it.
func help(cmd *cobra.Command, _ []string) error {
	cmd.SetOut(cmd.ErrOrStderr())
	cmd.Help()
	return errors.New("a command is missing")
}

// version returns the module's version as the build knows it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
