package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/castnet-go/castnet"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"castnet": main})
}

// TestScripts runs testdata/script. Beside testscript's own, the scripts have
// these commands:
//
//	freeport NAME…            sets each variable to a UDP port that is free on loopback
//	listening HOST:PORT       waits until a socket has the port
//	settle DURATION           waits: for what has no end of its own to wait for
//	sendfrom LOCAL PEER       sends a datagram from that address
//	answerwrong HOST:PORT     answers one datagram with another of its length
//	exits STATUS COMMAND…     runs the command, which must exit with the status
//	signalled STATUS SIGNAL… COMMAND…
//	                          runs the command, which prints a line before each signal
//	                          (INT, TERM, HUP) that is sent to it, and exits with the status
//	events FILE NAME…         the JSON lines of the file are these events, in order
//	shape FILE NAME KEY…      the events of that name have just these keys
//	field FILE NAME KEY WANT  the first event of that name has that value
//	watching                  waits until somebody looks at the machine's interfaces
//	has FILE NAME KEY=WANT…   one of the events of that name has these values
//	up IFNAME…                waits until the interfaces are there and up
//	snooped BRIDGE PORT GROUP waits until a bridge has heard of a member
//	joined GROUP [SOURCE]     waits until this host is in the group, or knows a source of it
//	groupcapture FILE         writes a capture of a segment's IGMP and MLD
func TestScripts(t *testing.T) {
	p := scriptParams()
	p.Dir = filepath.Join("testdata", "script")
	testscript.Run(t, p)
}

// scriptParams are what all scripts have in common.
func scriptParams() testscript.Params {
	return testscript.Params{
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "")
			root, err := filepath.Abs(filepath.Join("..", ".."))
			if err != nil {
				return err
			}
			env.Setenv("ROOT", root) // of the checkout: where a newcomer stands
			// Under the race detector a program otherwise sleeps for a
			// second before it exits.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"freeport":    freeport,
			"listening":   listeningOn,
			"settle":      settle,
			"sendfrom":    sendFrom,
			"answerwrong": answerWrong,
			"exits":       exits,
			"signalled":   signalled,
			"events":      eventNames,
			"shape":       eventShape,
			"field":       eventField,
			"watching":    watchingInterfaces,
			"joined":      joined,
			"has":         hasEvent,
			"up":          upAndRunning,
			"snooped":     snooped,

			"groupcapture": groupCapture,
		},
	}
}

func refuseNeg(ts *testscript.TestScript, neg bool) {
	if neg {
		ts.Fatalf("the command cannot be negated")
	}
}

func freeport(ts *testscript.TestScript, neg bool, args []string) {
	refuseNeg(ts, neg)
	for _, name := range args {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		ts.Check(err)
		defer c.Close() // after all are found, so that they differ
		ts.Setenv(name, strconv.Itoa(c.LocalAddr().(*net.UDPAddr).Port))
	}
}

func listeningOn(ts *testscript.TestScript, neg bool, args []string) {
	refuseNeg(ts, neg)
	addr := netip.MustParseAddrPort(args[0])
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		taken, err := isTaken(addr.Port())
		ts.Check(err)
		if taken {
			return
		}
	}
	ts.Fatalf("nobody came to listen on %s", args[0])
}

// isTaken reports whether a socket has the port. On Linux it asks without
// disturbing; elsewhere it tries to bind, at the risk of being in the way of the
// one that it waits for.
func isTaken(port uint16) (bool, error) {
	if runtime.GOOS == "linux" {
		for _, file := range []string{"/proc/net/udp", "/proc/net/udp6"} {
			table, err := os.ReadFile(file)
			if err != nil {
				continue // a kernel without IPv6
			}
			for line := range strings.Lines(string(table)) {
				// The second column is the local address.
				f := strings.Fields(line)
				if len(f) > 1 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
					return true, nil
				}
			}
		}
		return false, nil
	}
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
	if errors.Is(err, syscall.EADDRINUSE) {
		return true, nil
	}
	if err == nil {
		c.Close()
	}
	return false, err
}

func settle(ts *testscript.TestScript, neg bool, args []string) {
	refuseNeg(ts, neg)
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	time.Sleep(d)
}

func sendFrom(ts *testscript.TestScript, neg bool, args []string) {
	refuseNeg(ts, neg)
	cfg := castnet.Config{LocalAddr: netip.MustParseAddrPort(args[0])}
	c, err := cfg.Dial(context.Background(), "udp", args[1])
	ts.Check(err)
	defer c.Close()
	_, err = c.Write([]byte("from the same port"))
	ts.Check(err)
}

func answerWrong(ts *testscript.TestScript, neg bool, args []string) {
	refuseNeg(ts, neg)
	c, err := net.ListenPacket("udp4", args[0])
	ts.Check(err)
	ts.Defer(func() { c.Close() })
	go func() {
		b := make([]byte, 2000)
		if n, peer, err := c.ReadFrom(b); err == nil {
			b[n-1]++
			c.WriteTo(b[:n], peer)
		}
	}()
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	refuseNeg(ts, neg)
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func signalled(ts *testscript.TestScript, neg bool, args []string) {
	refuseNeg(ts, neg)
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	known := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}
	var send []os.Signal
	for args = args[1:]; known[args[0]] != nil; args = args[1:] {
		send = append(send, known[args[0]])
	}
	var file string
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if name := filepath.Join(dir, args[0]); file == "" && isExecutable(name) {
			file = name
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, file, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "NO_COLOR=", "GORACE=atexit_sleep_ms=0"}
	cmd.Stderr = ts.Stderr()
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(ts.Stdout(), lines.Text())
		if len(send) > 0 {
			ts.Check(cmd.Process.Signal(send[0]))
			send = send[1:]
		}
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != want || len(send) > 0 {
		ts.Fatalf("exit status %d, want %d; signals that were not sent: %v", got, want, send)
	}
}

func isExecutable(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// readEvents returns the JSON objects of a file, which has one a line.
func readEvents(ts *testscript.TestScript, file string) (events []map[string]any) {
	lines := bufio.NewScanner(strings.NewReader(ts.ReadFile(file)))
	for lines.Scan() {
		var e map[string]any
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			ts.Fatalf("%q is not a JSON object: %v", lines.Text(), err)
		}
		events = append(events, e)
	}
	return events
}

func eventNames(ts *testscript.TestScript, neg bool, args []string) {
	refuseNeg(ts, neg)
	var got []string
	for _, e := range readEvents(ts, args[0]) {
		got = append(got, fmt.Sprint(e["event"]))
	}
	if !slices.Equal(got, args[1:]) {
		ts.Fatalf("got the events %v, want %v", got, args[1:])
	}
}

func eventShape(ts *testscript.TestScript, neg bool, args []string) {
	refuseNeg(ts, neg)
	want := slices.Sorted(slices.Values(args[2:]))
	seen := false
	for _, e := range readEvents(ts, args[0]) {
		if e["event"] != args[1] {
			continue
		}
		seen = true
		delete(e, "event")
		if got := slices.Sorted(maps.Keys(e)); !slices.Equal(got, want) {
			ts.Fatalf("%s has the keys %v, want %v", args[1], got, want)
		}
	}
	if !seen {
		ts.Fatalf("there is no event %s", args[1])
	}
}

func eventField(ts *testscript.TestScript, neg bool, args []string) {
	refuseNeg(ts, neg)
	for _, e := range readEvents(ts, args[0]) {
		if e["event"] == args[1] {
			if got := fmt.Sprint(e[args[2]]); got != args[3] {
				ts.Fatalf("%s of %s is %s, want %s", args[2], args[1], got, args[3])
			}
			return
		}
	}
	ts.Fatalf("there is no event %s", args[1])
}

// TestHelpOpensWithExamples holds for every command, those to come included.
func TestHelpOpensWithExamples(t *testing.T) {
	all := []*cobra.Command{newRoot()}
	for i := 0; i < len(all); i++ {
		cmd := all[i]
		if cmd.Hidden {
			continue
		}
		all = append(all, cmd.Commands()...)
		var b strings.Builder
		cmd.SetOut(&b)
		cmd.Help()
		if !strings.HasPrefix(b.String(), "Examples:\n  castnet ") {
			t.Errorf("help of %s opens with %.40q", cmd.Name(), b.String())
		}
		for line := range strings.Lines(b.String()) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 100 {
				t.Errorf("help of %s has a line of %d characters: %s", cmd.Name(), n, line)
			}
		}
	}
}

func TestColourOnlyOnATerminal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, w := range []*os.File{f, null} {
		if wantsColour(w) {
			t.Errorf("%s gets colour", w.Name())
		}
	}
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no terminal to be had: %v", err)
	}
	defer terminal.Close()
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	if !wantsColour(terminal) {
		t.Error("a terminal gets no colour")
	}
	t.Setenv("NO_COLOR", "1")
	if wantsColour(terminal) {
		t.Error("a terminal gets colour in spite of NO_COLOR")
	}
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "dumb")
	if wantsColour(terminal) {
		t.Error("a dumb terminal gets colour")
	}
}
