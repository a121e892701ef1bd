package main

import (
	"github.com/spf13/cobra"
)

// newLab returns the command lab with what is below it.
func newLab() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Run networks in this process",
		Long: `A lab is a network in this process: hosts, switches and routers in virtual time,
with links that delay, lose and corrupt as they are told. It needs no root, and
the same seed gives the same run.`,
		Example: `  castnet lab run examples/labs/first.yaml`,
		Args:    subcommand,
		RunE:    help,

		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(newLabRun())
	return cmd
}
