package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/netspec"
)

// scriptRun is the command run.
type scriptRun struct {
	on      string
	virtual bool
	seed    seedFlag
	until   time.Duration
	pcap    string
	trace   bool
	json    bool

	interrupted atomic.Bool // a signal came

	spec *netspec.Spec // nil: an embedded LAN
	args []string      // of the scripts
}

// maxScripts is how many hosts the embedded LAN has room for.
const maxScripts = 250

// defaultUntil is how long scripts run in virtual time if it is not said: there,
// waiting for something that never comes would go on for ever in a moment.
const defaultUntil = time.Minute

func newRun() *cobra.Command {
	r := &scriptRun{}
	cmd := &cobra.Command{
		Use:   "run SCRIPT.js… [-- ARGUMENT…]",
		Short: "Run JavaScript programs for Node's dgram, each on a host of its own",
		Long: `Run runs programs written for Node's dgram module as they are. Without --on, each
script is a host of one LAN in this process, named after its file: server.js runs
on the host server, with the address 10.0.0.1, the next script has 10.0.0.2, and
they find each other by these names, by broadcast and by groups. With --on, all of
them are programs of one machine, on that network.

It ends when all scripts have. Of one script, the exit status is its own; of
several, it is 1 if any failed. Ctrl-C is SIGINT to those scripts that listen for
it, and ends the others, with status 130; SIGTERM (143) and SIGHUP (129) likewise. A
second Ctrl-C ends everything at once.

With --virtual time is virtual: an hour takes a moment, and the same scripts with
the same seed do the same, as the fingerprint shows.`,
		Example: `  castnet run server.js client.js              two hosts on a LAN
  castnet run node.js node.js node.js          three: node, node2 and node3
  castnet run --virtual server.js client.js    in virtual time
  castnet run --on host server.js              on the operating system's network
  castnet run --on host client.js -- 127.0.0.1 with arguments, as process.argv
  castnet run server.js client.js --trace      each step of each packet`,
		Args: func(cmd *cobra.Command, args []string) error {
			n := cmd.ArgsLenAtDash()
			if n < 0 {
				n = len(args)
			}
			switch {
			case n == 0:
				return errors.New("which scripts? Name one or more, such as server.js")
			case n > maxScripts:
				return fmt.Errorf("there are %d scripts; %d can be run at a time", n, maxScripts)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if n := cmd.ArgsLenAtDash(); n >= 0 {
				args, r.args = args[:n], args[n:]
			}
			if err := r.check(cmd); err != nil {
				return err
			}
			for i, name := range args {
				info, err := os.Stat(name)
				if err != nil && i > 0 && errors.Is(err, fs.ErrNotExist) {
					// Under node it would be an argument.
					return fmt.Errorf("%s: no such file; arguments of scripts come behind --, as in castnet run %s -- %s", name, args[0], name)
				}
				if err != nil {
					return err
				} else if info.IsDir() && !isPackage(name) {
					return fmt.Errorf("%s is a folder without an index.js", name)
				}
			}
			collectLater(len(args))
			status, err := r.run(cmd.Context(), args)
			if err != nil {
				return fail(err)
			}
			if status != exitDone {
				return exitStatus(status)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.on, "on", "", "`NETWORK` to run on, see castnet --help; if left out, a LAN in this process")
	f.BoolVar(&r.virtual, "virtual", false, "in virtual time; not with --on")
	f.Var(&r.seed, "seed", "seed of all that is random in virtual time")
	f.DurationVar(&r.until, "until", 0, "end the scripts after so much time; in virtual time 1m if left out")
	f.StringVar(&r.pcap, "pcap", "", "write what each host sends and gets into `DIR`/HOST.pcapng; not with --on")
	f.BoolVar(&r.trace, "trace", false, "show each step of each packet, on standard error; not on host")
	f.BoolVar(&r.json, "json", false, "print one JSON object a line")
	f.SortFlags = false
	return cmd
}

// collectLater makes the garbage collector run less often than is usual, unless GOGC says
// how often. The engine leaves much garbage behind and keeps little: of a few scripts it
// costs some 20 MiB each, and saves a fifth of the time that they take to send and receive.
func collectLater(scripts int) {
	if scripts <= 8 && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// isPackage reports whether a folder can be run.
func isPackage(name string) bool {
	for _, file := range []string{"package.json", "index.js"} {
		if _, err := os.Stat(filepath.Join(name, file)); err == nil {
			return true
		}
	}
	return false
}

func (r *scriptRun) check(cmd *cobra.Command) (err error) {
	changed := cmd.Flags().Changed
	if changed("on") {
		if r.spec, err = netspec.Parse(r.on); err != nil {
			return err
		}
	}
	switch {
	case r.spec != nil && r.virtual:
		return errors.New("--virtual: the time of --on is the clock's on the wall; without --on there is a LAN in this process")
	case r.spec != nil && changed("pcap"):
		return errors.New("--pcap is for the LAN in this process, without --on")
	case r.spec != nil && r.spec.Kind == "host" && r.trace:
		return errors.New("--trace: the operating system does not show its steps; it works without --on, or with --on tap,…")
	case changed("pcap") && r.pcap == "":
		return errors.New("--pcap names no directory, as in --pcap out")
	case changed("seed") && !r.virtual:
		return errors.New("--seed: only in virtual time do the same things happen again; add --virtual")
	case changed("until") && r.until <= 0:
		return errors.New("--until must be more than 0")
	}
	if r.until == 0 && r.virtual {
		r.until = defaultUntil
	}
	return nil
}

// hostNames returns a name for each script's host, after its file.
func hostNames(scripts []string) []string {
	used := make(map[string]bool)
	names := make([]string, len(scripts))
	for i, file := range scripts {
		abs, err := filepath.Abs(file)
		if err != nil {
			abs = file
		}
		base := filepath.Base(abs)
		base = strings.Map(func(c rune) rune {
			if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
				return c
			}
			return '-'
		}, strings.TrimSuffix(base, filepath.Ext(base)))
		base = strings.TrimLeft(base, "-")
		if len(base) > 50 {
			base = base[:50]
		}
		if lab.CheckName(base) != nil || base == switchName {
			base = "host"
		}
		name := base
		for n := 2; used[name]; n++ {
			name = fmt.Sprintf("%s%d", base, n)
		}
		used[name] = true
		names[i] = name
	}
	return names
}

// exitStatus ends the command with the status of a script, which has said itself
// what there is to say.
type exitStatus int

// Error names it.
func (s exitStatus) Error() string { return fmt.Sprintf("a script's exit status was %d", int(s)) }

// run runs the scripts until they have ended and returns the command's status.
func (r *scriptRun) run(ctx context.Context, files []string) (int, error) {
	out := newScriptOutput(hostNames(files), r.json)
	defer out.flush()
	if r.spec != nil {
		return r.runOn(ctx, files, out)
	}
	return r.runLAN(files, out)
}
