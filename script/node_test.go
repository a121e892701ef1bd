package script

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/stack"
)

// nodeTestsVariable names the folder test of a checkout of Node, or of one like it:
// with common, parallel, sequential and internet in it.
const nodeTestsVariable = "CASTNET_NODE_TESTS"

// exceptions are the files that do not pass, and why not. A file that is listed and
// passes is a failure too.
var exceptions = map[string]string{
	"test-dgram-custom-lookup.js": "pins that dns.lookup is asked for a literal address; since Node 26 it is not",
	"test-dgram-implicit-bind-failure.js": "pins that an implicit bind asks dns.lookup for 0.0.0.0, and fails with it; " +
		"since Node 26 it does not",
}

// secondProcess matches files that need one.
var secondProcess = regexp.MustCompile(`require\('(?:node:)?(cluster|child_process)'\)`)

// TestNode runs Node's own tests of dgram, unmodified, on the operating system's
// network, on the embedded stack in real time and on it in virtual time.
func TestNode(t *testing.T) {
	tree := os.Getenv(nodeTestsVariable)
	if tree == "" {
		t.Skipf("%s is not set: it names the folder test of a checkout of Node", nodeTestsVariable)
	}
	tree, err := filepath.Abs(tree)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, folder := range []string{"parallel", "sequential", "internet"} {
		found, err := filepath.Glob(filepath.Join(tree, folder, "test-dgram-*"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	if len(files) == 0 {
		t.Fatalf("%s=%s: there are no files parallel/test-dgram-*", nodeTestsVariable, tree)
	}
	for _, on := range []struct {
		name string
		run  func(t *testing.T, cfg Config, file string) nodeResult
	}{
		{"host", runNodeOnHost}, {"stack", runNodeOnStack}, {"virtual", runNodeInVirtualTime},
	} {
		t.Run(on.name, func(t *testing.T) { tally(t, tree, files, on.run) })
	}
}

// nodeResult is what became of a file.
type nodeResult struct {
	status int
	output string
	err    error
}

func tally(t *testing.T, tree string, files []string, run func(*testing.T, Config, string) nodeResult) {
	var passed, skipped, excepted, failed, unsupported []string
	for _, file := range files {
		name := filepath.Base(file)
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if secondProcess.Match(source) {
			unsupported = append(unsupported, name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			// What files of one folder share, the common port above all, is theirs
			// one after the other.
			r := run(t, Config{Dir: tree, Env: []string{"NODE_COMMON_PORT=12346"}}, file)
			ok := r.status == 0 && r.err == nil
			reason, listed := exceptions[name]
			switch {
			case ok && strings.HasPrefix(r.output, "1..0 # Skipped:"):
				skipped = append(skipped, name+": "+strings.TrimSpace(strings.TrimPrefix(r.output, "1..0 # Skipped:")))
			case ok && listed:
				t.Errorf("it passes, and is listed as an exception: %s", reason)
			case ok:
				passed = append(passed, name)
			case listed:
				excepted = append(excepted, name+": "+reason)
			default:
				failed = append(failed, name)
				t.Errorf("status %d, %v\n%s", r.status, r.err, r.output)
			}
		})
	}
	t.Logf("passed %d, exceptions %d, failed %d, skipped by themselves %d, need a second process %d",
		len(passed), len(excepted), len(failed), len(skipped), len(unsupported))
	for _, list := range []struct {
		what  string
		names []string
	}{{"exception", excepted}, {"failed", failed}, {"skipped", skipped}, {"second process", unsupported}} {
		for _, n := range list.names {
			t.Logf("%s: %s", list.what, n)
		}
	}
}

// nodePatience is how long a file may take, of the network's time.
const nodePatience = 20 * time.Second

// runNode runs a file until it ends or patience is over.
func runNode(cfg Config, file string, watch func(*Runtime) (stop func())) nodeResult {
	var out bytes.Buffer
	cfg.Stdout, cfg.Stderr = &out, &out
	r, err := New(cfg)
	if err != nil {
		return nodeResult{err: err}
	}
	stop := watch(r)
	status, err := r.Run(file)
	stop()
	return nodeResult{status, out.String(), err}
}

func inRealTime(r *Runtime) (stop func()) {
	t := time.AfterFunc(nodePatience, r.Stop)
	return func() { t.Stop() }
}

func runNodeOnHost(_ *testing.T, cfg Config, file string) nodeResult {
	cfg.On = castnet.Host()
	return runNode(cfg, file, inRealTime)
}

// addDefaultRoute gives a host a default route. Groups have none of their own; where a
// machine has a default route, they take that.
func addDefaultRoute(h *lab.Host) error { return h.AddRoute(stack.Route{Interface: "eth0"}) }

func newNodeHost(t *testing.T, cfg lab.Config) (*lab.Lab, *lab.Host) {
	t.Helper()
	cfg.Stack.DADTransmits = -1 // addresses can be used at once
	l := lab.New(cfg)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	h := l.AddHost("node")
	lan := l.AddSwitch("lan")
	if _, err := h.Attach(lan, lab.LinkConfig{Addresses: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fd00::1/64"),
	}}); err != nil {
		t.Fatal(err)
	}
	if err := addDefaultRoute(h); err != nil {
		t.Fatal(err)
	}
	return l, h
}

func runNodeOnStack(t *testing.T, cfg Config, file string) (result nodeResult) {
	l, h := newNodeHost(t, lab.Config{Realtime: true})
	cfg.On, cfg.Name = h, h.Name()
	h.Go("script", func(context.Context) error {
		result = runNode(cfg, file, inRealTime)
		return nil
	})
	if err := l.RunTasks(2 * nodePatience); err != nil {
		t.Error(err)
	}
	return result
}

func runNodeInVirtualTime(t *testing.T, cfg Config, file string) (result nodeResult) {
	l, h := newNodeHost(t, lab.Config{Seed: 1})
	cfg.On, cfg.Name, cfg.Rand = h, h.Name(), h.Rand()
	h.Go("script", func(context.Context) error {
		result = runNode(cfg, file, func(r *Runtime) func() {
			timer := h.Clock().AfterFunc(nodePatience, r.Stop)
			return func() { timer.Stop() }
		})
		return nil
	})
	if err := l.RunTasks(2 * nodePatience); err != nil {
		t.Error(err)
	}
	return result
}
