package scenario

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/trace"
)

func run1(t testing.TB, f *File, o Options) *Result {
	t.Helper()
	r, err := f.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Imbalances) > 0 {
		t.Fatalf("not accounted for: %q", r.Imbalances)
	}
	return r
}

// runText runs a file, all of whose expectations must be met.
func runText(t testing.TB, text string) *Result {
	t.Helper()
	r := run1(t, load(t, text), Options{})
	if !r.Passed() {
		t.Errorf("%v", r)
	}
	return r
}

func TestExamplesPass(t *testing.T) {
	for name, text := range examples(t) {
		f := load(t, text)
		r := run1(t, f, Options{})
		if !r.Passed() || len(r.Expectations) < 5 {
			t.Errorf("%s:\n%v", name, r)
		}
		for line := range strings.Lines(r.String()) {
			if n := len([]rune(line)); n > 100 {
				t.Errorf("%s: a line of %d characters: %s", name, n, line)
			}
		}
	}
}

// TestFirstIsRobust: who tries another seed, as the file says, is not told that
// something is wrong.
func TestFirstIsRobust(t *testing.T) {
	f := load(t, examples(t)["first.yaml"])
	for seed := range uint64(20) {
		if r := run1(t, f, Options{Seed: &seed}); !r.Passed() {
			t.Errorf("seed %d:\n%v", seed, r)
		}
	}
}

// TestSameSeedSameRun: whatever the number of processors, and whether or not
// somebody watches.
func TestSameSeedSameRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for name, text := range examples(t) {
		f := load(t, text)
		want := run1(t, f, Options{})
		for i := range 10 {
			runtime.GOMAXPROCS(1 + i%2)
			var o Options
			switch i {
			case 7:
				o.Tracer = trace.NewPrinter(new(bytes.Buffer), clock.Epoch)
			case 8:
				o.Event = func(*Event) {}
			case 9:
				o.CaptureDir = t.TempDir()
			}
			got := run1(t, f, o)
			if got.Fingerprint != want.Fingerprint {
				t.Fatalf("%s: run %d has the fingerprint %s, the first %s", name, i, got.Fingerprint, want.Fingerprint)
			}
			if got.String() != want.String() {
				t.Fatalf("%s: run %d:\n%v\nthe first:\n%v", name, i, got, want)
			}
		}
		other := want.Seed + 1
		if got := run1(t, f, Options{Seed: &other}); got.Fingerprint == want.Fingerprint || got.Seed != other {
			t.Errorf("%s: seed %d has the fingerprint of seed %d", name, other, want.Seed)
		}
	}
}

// TestOneDropChangesTheFingerprint: the runs differ in one frame that is lost.
func TestOneDropChangesTheFingerprint(t *testing.T) {
	const text = `
switches: [lan]
hosts:
  a: {segment: lan, address: 10.0.0.1/24, programs: [{send: {to: "b:7", count: 10, every: 100ms}}]}
  b: {segment: lan, address: 10.0.0.2/24, programs: [{echo: {port: 7}}]}
`
	whole := runText(t, text)
	less := runText(t, text+"timeline: [{at: 450ms, host: b, receive: {loss: 1}}, {at: 550ms, host: b, receive: {}}]\n")
	if n := less.Report.Dropped; len(n) != 1 || sum(n) != 1 {
		t.Fatalf("the drops are %v; one is wanted", n)
	}
	if whole.Fingerprint == less.Fingerprint {
		t.Errorf("both have the fingerprint %s", whole.Fingerprint)
	}
	same := runText(t, text+"timeline: [{at: 450ms, host: b, receive: {loss: 0}}, {at: 550ms, host: b, receive: {}}]\n")
	if whole.Fingerprint != same.Fingerprint {
		t.Errorf("with nothing lost it is %s and not %s", same.Fingerprint, whole.Fingerprint)
	}
}

func TestFirst(t *testing.T) {
	got := run1(t, load(t, examples(t)["first.yaml"]), Options{}).String()
	for _, want := range []string{
		"  ask    sent 3 datagrams to server:7, got 3 replies\n",
		"          1.000000  from 10.0.1.1:",
		"  \"anybody there?\"\n",
		"          2.000000  ECONNREFUSED: connection refused\n",
		"  listen  on :9 heard nothing\n",
		" LinkLoss\n",
		"1 NeighborUnreachable\n",
		"9 of 9 expectations met; every packet is accounted for; fingerprint ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if n := strings.Count(got, "\n"); n > 55 {
		t.Errorf("the output has %d lines", n)
	}
	if t.Failed() {
		t.Log("\n" + got)
	}
}

var update = flag.Bool("update", false, "write the golden files")

// TestJSON: the names are stable.
func TestJSON(t *testing.T) {
	r := runText(t, `
seed: 3
duration: 3s
switches: [lan]
hosts:
  a:
    segment: lan
    address: 10.0.0.1/24
    programs:
      - send: {to: "b:7", from: ":5000", count: 2, every: 100ms}
      - send: {name: knock, to: "b:8", from: ":5001", connect: true}
  b:
    segment: lan
    address: 10.0.0.2/24
    receive: {duplicate: 1}
    programs: [{echo: {port: 7}}]
timeline:
  - {at: 150ms, host: b, receive: {loss: 1}}
expect:
  - {host: b, heard: 4}
`)
	// What differs from run to run, and what changes with each change of the
	// stack.
	r.Took, r.Fingerprint, r.Report.Fingerprint = 0, "0123456789abcdef", 0
	got, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	name := filepath.Join("testdata", "result.json")
	if *update {
		if err := os.WriteFile(name, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got:\n%s\nwant %s; go test -update writes it", got, name)
	}
}

func TestExpectations(t *testing.T) {
	text := lan + `expect:
  - {host: bob, heard: 2}
  - {host: bob, program: echo, heard: {at_least: 2}, from: alice}
  - {host: bob, heard: {at_most: 0}, payload: "hello 1"}
  - {host: alice, replies: {at_least: 2, at_most: 5}, sent: 1}
  - {errors: {ECONNREFUSED: 3, total: {at_least: 1}}}
  - {host: bob, drops: {NoPort: 1, total: 2}}
  - {host: bob, interface: eth0, drops: {LinkLoss: 1}}
  - {segment: lan, drops: {LinkNoPeer: 1}}
  - {drops: {LinkLoss: 1}}
  - {host: bob, heard: 1, from: 10.0.0.1}
  - {host: bob, heard: 0, from: "10.0.0.1:1"}
`
	r := run1(t, load(t, text), Options{})
	if r.Passed() {
		t.Error("it passed")
	}
	var got []string
	for _, e := range r.Expectations {
		got = append(got, fmt.Sprintf("%d %v %d %s", e.Line, e.Met, e.Got, e.Want))
	}
	want := []string{
		"12 false 1 bob hears 2 datagrams",
		"13 false 1 bob's echo hears at least 2 datagrams from alice",
		"14 false 1 bob hears 0 datagrams \"hello 1\"",
		"15 false 1 alice gets 2 to 5 replies",
		"15 true 1 alice sends 1 datagram",
		"16 false 0 every program together gets 3 ECONNREFUSED",
		"16 false 0 every program together gets at least 1 error",
		"17 false 0 bob has 1 NoPort",
		"17 false 0 bob has 2 drops",
		"18 false 0 bob eth0 has 1 LinkLoss",
		"19 false 0 lan has 1 LinkNoPeer",
		"20 false 0 the lab has 1 LinkLoss",
		"21 true 1 bob hears 1 datagram from 10.0.0.1",
		"22 true 0 bob hears 0 datagrams from 10.0.0.1:1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if line := "test.yaml:12: expected that bob hears 2 datagrams; it was 1\n"; !strings.Contains(r.String(), line) {
		t.Errorf("%v\nlacks %q", r, line)
	}
}

// TestPrograms: each key does what it says.
func TestPrograms(t *testing.T) {
	const two = `
switches: [lan]
hosts:
  a: {segment: lan, address: 10.0.0.1/24, programs: [%s]}
  b: {segment: lan, address: [10.0.0.2/24, 10.0.0.3/24], programs: [%s]}
expect:
%s
`
	for _, tt := range []struct{ name, a, b, expect string }{
		{"echo answers from where it was asked", `{send: {to: "10.0.0.3:7", connect: true}}`, `{echo: {port: 7}}`,
			"- {host: a, replies: 1, from: 10.0.0.3}"},
		{"echo at one address", `{send: {to: "10.0.0.2:7", connect: true}}`, `{echo: {port: 7, address: 10.0.0.3}}`,
			"- {host: a, errors: {ECONNREFUSED: 1}}"},
		{"echo at a time", `{send: {to: "b:7", connect: true, count: 6}}`, `{echo: {port: 7, at: 1500ms, until: 3500ms}}`,
			"- {host: a, replies: 2, errors: {ECONNREFUSED: 4}}"},
		{"echo takes its time", `{send: {to: "b:7", count: 4, every: 0s}}`, `{echo: {port: 7, delay: 300ms}}`,
			"- {host: a, replies: 3}\n- {host: b, heard: 4}"},
		{"wait", `{send: {to: "b:7", count: 4, every: 0s, wait: 2s}}`, `{echo: {port: 7, delay: 300ms}}`,
			"- {host: a, replies: 4}"},
		{"listen ends", `{send: {to: "b:7", count: 6, connect: true}}`, `{listen: {port: 7, count: 2}}`,
			"- {host: b, heard: 2}\n- {host: a, errors: {ECONNREFUSED: 4}}"},
		{"listen is too slow", `{send: {to: "b:7", count: 20, every: 1ms, size: 1000}}`, `{listen: {port: 7, pause: 1s, buffer: 3000}}`,
			"- {host: b, heard: {at_least: 2, at_most: 6}}\n- {host: b, drops: {ReceiveQueueFull: {at_least: 14}}}"},
		{"a name in use", ``, `{listen: {port: 7}}, {listen: {port: 7}}`,
			"- {host: b, program: listen2, errors: {EADDRINUSE: 1}}"},
		{"sent from", `{send: {to: "b:7", from: ":5000"}}`, `{listen: {port: 7}}`,
			`- {host: b, heard: 1, from: "10.0.0.1:5000"}`},
		{"connected from", `{send: {to: "b:7", from: "10.0.0.1:5000", connect: true}}`, `{listen: {port: 7}}`,
			`- {host: b, heard: 1, from: "10.0.0.1:5000"}`},
		{"from another's address", `{send: {to: "b:7", from: "10.0.0.9"}}`, `{listen: {port: 7}}`,
			`- {host: a, errors: {EADDRNOTAVAIL: 1}}`},
		{"size cuts", `{send: {to: "b:7", payload: hello, size: 4}}`, `{listen: {port: 7}}`,
			"- {host: b, heard: 1, payload: hell}"},
		{"size repeats", `{send: {to: "b:7", payload: hello, size: 12}}`, `{listen: {port: 7}}`,
			"- {host: b, heard: 1, payload: hellohellohe}"},
		{"nothing", `{send: {to: "b:7", payload: "", size: 0}}`, `{echo: {port: 7}}`,
			"- {host: a, replies: 1, payload: \"\"}"},
		{"hex", `{send: {to: "b:7", hex: "68 69"}}`, `{listen: {port: 7}}`,
			"- {host: b, heard: 1, payload: hi}"},
		{"numbers", `{send: {to: "b:7", payload: "{n}/{n}", count: 12, every: 10ms}}`, `{listen: {port: 7}}`,
			"- {host: b, heard: 1, payload: 12/12}\n- {host: b, heard: 12}"},
		{"unconnected senders are not told", `{send: {to: "b:7"}}`, ``, "- {host: a, errors: {total: 0}}\n- {host: b, drops: {NoPort: 1}}"},
		{"as long as IPv4 can have it", `{send: {to: "b:7", size: 65507}}`, `{listen: {port: 7}}`, "- {host: a, sent: 1, errors: {total: 0}}\n- {host: b, heard: 1}"},
		{"nowhere", `{send: {to: "192.0.2.1:7"}}`, ``, "- {host: a, errors: {ENETUNREACH: 1}}"},
		{"subnet's broadcast", `{send: {to: "10.0.0.255:7"}}`, `{echo: {port: 7}}`, "- {host: a, replies: 1, from: b}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runText(t, fmt.Sprintf(two, tt.a, tt.b, tt.expect))
		})
	}
}

// TestSeveralWays: cables, routers, routes.
func TestSeveralWays(t *testing.T) {
	r := runText(t, `
switches: [west, east]
cables: [bridge]
hosts:
  w: {segment: west, address: 10.1.0.1/24, routes: [{to: default, via: 10.1.0.254}], programs: [{send: {to: "e:7"}}]}
  e: {segment: east, address: 10.2.0.1/24, gateway: 10.2.0.254, programs: [{echo: {port: 7}}]}
routers:
  r1:
    interfaces: [{segment: west, address: 10.1.0.254/24}, {segment: bridge, address: 10.3.0.1/30, faults: {delay: 30ms}}]
    routes: [{to: 10.2.0.0/24, via: 10.3.0.2}]
  r2:
    interfaces: [{segment: east, address: 10.2.0.254/24}, {segment: bridge, address: 10.3.0.2/30}]
    gateway: 10.3.0.1
    programs: [{listen: {port: 9}}]
expect:
  - {host: w, replies: 1, from: e}
  - {host: r2, heard: 0}
  - {drops: {total: 0}}
`)
	if got := r.Hosts[0].Programs[0].Events[0].At; got != 60*time.Millisecond {
		// 30 ms for the question of who has 10.3.0.2, and 30 for the datagram.
		t.Errorf("the reply came at %v, want 60ms", got)
	}
}

// TestEvents: each is told, in order, with its time.
func TestEvents(t *testing.T) {
	f := load(t, lan+"timeline: [{at: 2s, host: bob, link: down, faults: {loss: 0.5}}]\n")
	var got []string
	run1(t, f, Options{Event: func(e *Event) {
		got = append(got, fmt.Sprintf("%s %s %s: %v", e.Event, e.Host, e.Program, e))
	}})
	want := []string{
		`sent alice send: 0.000000  to 10.0.0.2:7  "hello 1"`,
		`heard bob echo: 0.000000  from 10.0.0.1:%PORT  "hello 1"`,
		`sent bob echo: 0.000000  to 10.0.0.1:%PORT  "hello 1"`,
		`reply alice send: 0.000000  from 10.0.0.2:7  "hello 1"`,
		`change  : 2.000000  bob eth0: link down faults {loss: 0.5}`,
	}
	_, port, _ := strings.Cut(got[1], "10.0.0.1:")
	port, _, _ = strings.Cut(port, " ")
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "%PORT", port)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestUntil: an end before or after that of the file.
func TestUntil(t *testing.T) {
	f := load(t, "switches: [lan]\nhosts:\n  a: {segment: lan, address: 10.0.0.1/24, programs: [{send: {to: \"10.0.0.1:7\", count: 8}}]}\n")
	for _, tt := range []struct {
		until time.Duration
		sent  uint64
		ended bool
	}{{0, 8, true}, {2500 * time.Millisecond, 3, false}, {time.Nanosecond, 1, false}, {time.Hour, 8, true}} {
		r := run1(t, f, Options{Until: tt.until})
		p := r.Hosts[0].Programs[0]
		want := tt.until
		if want == 0 {
			want = 10 * time.Second
		}
		if r.Elapsed != want || p.Sent != tt.sent || p.Ended != tt.ended {
			t.Errorf("until %v: %v passed, %d were sent, ended %v; want %d, %v", tt.until, r.Elapsed, p.Sent, p.Ended, tt.sent, tt.ended)
		}
		if has := strings.Contains(r.String(), "it has not finished"); has == tt.ended {
			t.Errorf("until %v:\n%v", tt.until, r)
		}
	}
	for _, until := range []time.Duration{-1, MaxDuration + 1} {
		if r, err := f.Run(context.Background(), Options{Until: until}); err == nil {
			t.Errorf("until %v: %v", until, r)
		}
	}
}

// TestInterrupted: what has happened until then is told.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f := load(t, strings.Replace(lan, `"bob:7"`, `"bob:7", count: 4`, 1))
	r, err := f.Run(ctx, Options{Event: func(e *Event) {
		if e.Event == Reply && e.At >= time.Second {
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.Elapsed >= 2*time.Second || r.Hosts[0].Programs[0].Replies != 2 {
		t.Errorf("interrupted %v after %v:\n%v", r.Interrupted, r.Elapsed, r)
	}
	if !strings.Contains(r.String(), "interrupted") {
		t.Errorf("%v\ndoes not say so", r)
	}
}

// TestRealtime: the same file by the clock on the wall.
func TestRealtime(t *testing.T) {
	f := load(t, `
duration: 500ms
switches: [lan]
hosts:
  a: {segment: lan, address: 10.0.0.1/24, programs: [{send: {to: "b:7", count: 3, every: 10ms, wait: 200ms}}, {send: {to: "b:9", connect: true}}]}
  b: {segment: lan, address: 10.0.0.2/24, programs: [{echo: {port: 7}}]}
timeline: [{at: 1ms, heal: true}]
expect:
  - {host: a, program: send, replies: 3}
  - {host: a, program: send2, errors: {ECONNREFUSED: 1}}
`)
	events := 0
	r := run1(t, f, Options{Realtime: true, Event: func(*Event) { events++ }})
	if !r.Passed() || !r.Realtime || r.Fingerprint != "" || events != 15 {
		t.Errorf("%d events:\n%v", events, r)
	}
	if r.Took < 500*time.Millisecond || r.Elapsed < 500*time.Millisecond {
		t.Errorf("it took %v, and %v passed", r.Took, r.Elapsed)
	}
}

// TestBoundsOfResults: a Result holds so much, whatever happens.
func TestBoundsOfResults(t *testing.T) {
	told := 0
	r := run1(t, load(t, `
switches: [lan]
hosts:
  a: {segment: lan, address: 10.0.0.1/24, programs: [{send: {to: "b:7", count: 300, every: 1ms, size: 1000}}]}
  b: {segment: lan, address: 10.0.0.2/24, programs: [{echo: {port: 7}}]}
`), Options{Event: func(e *Event) {
		if told++; len(e.Payload) != 1000 {
			t.Errorf("%v has %d bytes of its payload", e, len(e.Payload))
		}
	}})
	if told != 1200 {
		t.Errorf("%d events were told, want 1200", told)
	}
	for _, h := range r.Hosts {
		p := h.Programs[0]
		if len(p.Events) != keptEvents || p.More != 200 {
			t.Errorf("%s: %d events are kept and %d are not", h.Name, len(p.Events), p.More)
		}
		for _, e := range p.Events {
			if len(e.Payload) > keptBytes || e.Size != 1000 || e.Text != "" {
				t.Fatalf("%s keeps %+v", h.Name, e)
			}
		}
	}
}

// TestTrace: the journey of the first datagram can be read from top to bottom.
func TestTrace(t *testing.T) {
	var b bytes.Buffer
	run1(t, load(t, examples(t)["first.yaml"]), Options{Tracer: trace.NewPrinter(&b, clock.Epoch)})
	var got []string
	for line := range strings.Lines(b.String()) {
		if f := strings.Fields(line); f[1] == "#1" {
			where := f[2]
			if strings.HasPrefix(f[3], "eth") {
				where += " " + f[3]
				f = f[1:]
			}
			got = append(got, where+" "+f[3])
		}
	}
	want := []string{
		"alice eth0 send", "alice eth0 resolve", "alice eth0 transmit", "lan carry",
		"router eth0 receive", "router eth0 forward", "router eth1 resolve", "router eth1 transmit", "office carry",
		"server eth0 receive", "server eth0 queue", "server eth0 read",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestCapture: a file a host, block by block what pcapng says it is.
func TestCapture(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	r := run1(t, load(t, examples(t)["first.yaml"]), Options{CaptureDir: dir})
	for _, h := range r.Report.Hosts {
		b, err := os.ReadFile(filepath.Join(dir, h.Name+".pcapng"))
		if err != nil {
			t.Error(err)
			continue
		}
		packets, interfaces := 0, 0
		for first := true; len(b) > 0; first = false {
			if len(b) < 12 {
				t.Fatalf("%s: %d bytes are left over", h.Name, len(b))
			}
			kind, n := binary.LittleEndian.Uint32(b), int(binary.LittleEndian.Uint32(b[4:]))
			if n < 12 || n%4 != 0 || n > len(b) || int(binary.LittleEndian.Uint32(b[n-4:])) != n {
				t.Fatalf("%s: a block of type %#x has the length %d", h.Name, kind, n)
			}
			switch {
			case first != (kind == 0x0A0D0D0A):
				t.Fatalf("%s: a block of type %#x, first %v", h.Name, kind, first)
			case kind == 1:
				interfaces++
			case kind == 6:
				packets++
			}
			b = b[n:]
		}
		links, frames := 0, uint64(0)
		for _, k := range r.Report.Links {
			if k.Host == h.Name {
				links++
				frames += k.Send.Frames + k.Receive.Arrived
			}
		}
		// What is dropped later than it came or went is there twice.
		if interfaces < links || uint64(packets) < frames || uint64(packets) > frames+sum(r.Report.Dropped) {
			t.Errorf("%s: %d packets on %d interfaces; %d frames went over %d links", h.Name, packets, interfaces, frames, links)
		}
	}
}

// TestCaptureRefused: it is said once, and is no mistake of the file.
func TestCaptureRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "alice.pcapng"), 0o777); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		"/dev/null/x": "scenario: capture: mkdir /dev/null: not a directory",
		dir:           "scenario: capture: open " + filepath.Join(dir, "alice.pcapng") + ": is a directory",
	} {
		if r, err := load(t, lan).Run(context.Background(), Options{CaptureDir: dir}); r != nil || err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", dir, err, want)
		}
	}
}

// TestNotBegun: a program whose socket cannot be opened is a failure, unless the
// file reckons with it.
func TestNotBegun(t *testing.T) {
	const text = `
switches: [lan]
hosts:
  a:
    segment: lan
    address: 10.0.0.1/24
    programs:
      - echo: {port: 7}
      - listen: {port: 7}
      - listen: {port: 8, at: 20s}
      - send: {to: "10.0.0.2:7", from: 10.9.9.9}
      - send: {to: "192.0.2.1:7", connect: true}
`
	for _, tt := range []struct{ name, expect, end string }{
		{"nothing expected", "", "no expectations; 3 programs could not begin; every packet"},
		{"none of it expected", "[{host: a, errors: {EADDRINUSE: 0}}, {host: a, program: echo, errors: {total: {at_most: 9}}}, {errors: {EPERM: {at_most: 1}}}]",
			"2 of 3 expectations met; 3 programs could not begin; every packet"},
		{"one of it expected", "[{host: a, program: listen, errors: {EADDRINUSE: 1}}]", "1 of 1 expectation met; 2 programs could not begin; every packet"},
		{"all of it expected", "[{errors: {total: 3}}]", "1 of 1 expectation met; every packet"},
	} {
		file := text + "duration: 30s\n"
		if tt.expect != "" {
			file += "expect: " + tt.expect + "\n"
		}
		r := run1(t, load(t, file), Options{})
		if !strings.Contains(r.String(), "\n"+tt.end) || r.Passed() != strings.HasPrefix(tt.end, "1 of 1 expectation met; every") {
			t.Errorf("%s: passed: %v; want %q:\n%v", tt.name, r.Passed(), tt.end, r)
		}
	}
	// In real time either of the two may have the port.
	if r := run1(t, load(t, text+"duration: 30s\n"), Options{Realtime: true, Until: 50 * time.Millisecond}); r.Passed() || len(r.NotBegun) != 3 {
		t.Errorf("%v", r)
	}
	r := run1(t, load(t, text+"duration: 30s\n"), Options{})
	for _, want := range []string{
		"  listen   could not begin on :7\n           0.000000  EADDRINUSE: address already in use\n",
		"  send     could not begin to send to 10.0.0.2:7\n",
		"\ntest.yaml: a's listen could not begin: EADDRINUSE: address already in use\n" +
			"test.yaml: a's send could not begin: EADDRNOTAVAIL: cannot assign requested address\n" +
			"test.yaml: a's send2 could not begin: ENETUNREACH: network is unreachable\n",
	} {
		if !strings.Contains(r.String(), want) {
			t.Errorf("%v\nlacks %q", r, want)
		}
	}
	// What was to begin later has not failed.
	r = run1(t, load(t, lan), Options{Until: time.Millisecond})
	if len(r.NotBegun) != 0 || !r.Passed() {
		t.Errorf("%v", r)
	}
}
