package script

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/socket"
)

// A result is what a script has left behind.
type result struct {
	status   int
	out, err string
}

// runOn runs a source on a network.
func runOn(t *testing.T, on socket.Network, source string) result {
	t.Helper()
	return runFile(t, Config{On: on}, "test.js", source)
}

// runFile runs a source by the name of a file.
func runFile(t *testing.T, cfg Config, name, source string) result {
	t.Helper()
	cfg.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(cfg.Dir, name), []byte(source), 0o666); err != nil {
		t.Fatal(err)
	}
	return runConfig(t, cfg, name)
}

// runConfig runs a file of cfg.Dir.
func runConfig(t *testing.T, cfg Config, name string) result {
	t.Helper()
	var out, errs bytes.Buffer
	cfg.Stdout, cfg.Stderr = &out, &errs
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	status, err := r.Run(name)
	if err != nil {
		t.Errorf("Run: %v", err)
	}
	return result{status, out.String(), errs.String()}
}

// TestOrder holds the order of what a program queues to Node's.
func TestOrder(t *testing.T) {
	r := runOn(t, castnet.Host(), `
		setTimeout(() => console.log('timeout'), 1);
		setImmediate(() => {
			console.log('immediate');
			process.nextTick(() => console.log('tick of immediate'));
			Promise.resolve().then(() => console.log('promise of immediate'));
		});
		setImmediate(() => console.log('second immediate'));
		Promise.resolve().then(() => {
			console.log('promise');
			process.nextTick(() => console.log('tick of promise'));
		}).then(() => console.log('second promise'));
		process.nextTick(() => {
			console.log('tick');
			process.nextTick(() => console.log('tick of tick'));
		});
		queueMicrotask(() => console.log('microtask'));
		const until = Date.now() + 3;
		while (Date.now() < until);
		console.log('main');
	`)
	want := "main\ntick\ntick of tick\npromise\nmicrotask\nsecond promise\ntick of promise\n" +
		"timeout\nimmediate\ntick of immediate\npromise of immediate\nsecond immediate\n"
	if r.out != want || r.status != 0 || r.err != "" {
		t.Errorf("got status %d, %q and\n%s\nwant\n%s", r.status, r.err, r.out, want)
	}
}

// TestEnds: how a script ends decides on its status and what is told.
func TestEnds(t *testing.T) {
	for _, test := range []struct {
		name, source string
		status       int
		out, err     string // err is a part
	}{
		{"by itself", `console.log(1)`, 0, "1\n", ""},
		{"exit", `process.on('exit', (c) => console.log('exit', c)); process.exit(3); console.log('no')`, 3, "exit 3\n", ""},
		{"exit in a callback", `setTimeout(() => process.exit(4), 1); setInterval(() => {}, 1000)`, 4, "", ""},
		{"exitCode", `process.exitCode = 5`, 5, "", ""},
		{"exitCode in exit", `process.on('exit', () => { process.exitCode = 6 })`, 6, "", ""},
		{"throw", "function f() {\n  throw new TypeError('boo');\n}\nf();", 1, "", "test.js:2\n  throw new TypeError('boo');\n        ^\n\nTypeError: boo\n    at f ("},
		{"throw of no error", `throw 42`, 1, "", "test.js:1\nthrow 42\n^\n\nUncaught:\n42\n"},
		{"throw in a callback", `setImmediate(() => { throw new Error('late') })`, 1, "", "Error: late\n    at "},
		{"throw in a tick", `process.nextTick(() => { throw new Error('tick') }); setTimeout(() => console.log('no'), 1)`, 1, "", "Error: tick\n"},
		{"throw in a microtask", `queueMicrotask(() => { throw new Error('micro') })`, 1, "", "Error: micro\n"},
		{"rejection", `Promise.reject(new Error('rejected')); setTimeout(() => console.log('no'), 1)`, 1, "", "Error: rejected\n"},
		{"rejection that is handled in time", `const p = Promise.reject(1); process.nextTick(() => p.catch(() => console.log('handled')))`, 0, "handled\n", ""},
		{"async function", `(async () => { await null; throw new Error('async') })()`, 1, "", "Error: async\n"},
		{"caught", `process.on('uncaughtException', (e, origin) => console.log(e.message, origin)); setTimeout(() => console.log('goes on'), 1); throw new Error('x')`, 0, "x uncaughtException\ngoes on\n", ""},
		{"unhandledRejection", `process.on('unhandledRejection', (e) => console.log(e)); Promise.reject(7)`, 0, "7\n", ""},
		{"exit after a throw", `process.on('exit', (c) => console.log('exit', c)); throw new Error('x')`, 1, "exit 1\n", "Error: x"},
		{"syntax", "let a = 1; let b = ;", 1, "", "test.js:1\nlet a = 1; let b = ;\n                   ^\n\nSyntaxError: "},
		{"event error", `new (require('events'))().emit('error', new Error('nobody'))`, 1, "", "Error: nobody\n"},
		{"beforeExit", `let n = 0; process.on('beforeExit', () => { if (n++ < 2) setTimeout(() => console.log(n), 1) })`, 0, "1\n2\n", ""},
		{"endless recursion", `function f() { f() } f()`, 1, "", "RangeError: Maximum call stack size exceeded\n    at f ("},
		{"missing module", `require('./nowhere')`, 1, "", "Cannot find module './nowhere'\nRequire stack:\n- "},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := runOn(t, castnet.Host(), test.source)
			if r.status != test.status || r.out != test.out || !strings.Contains(r.err, test.err) || test.err == "" && r.err != "" {
				t.Errorf("got %d, %q, %s\nwant %d, %q, %s", r.status, r.out, r.err, test.status, test.out, test.err)
			}
		})
	}
}

// TestStdin: standard input is a stream, and keeps the script alive while it waits for
// it.
func TestStdin(t *testing.T) {
	for _, test := range []struct{ name, source, want string }{
		{"iterator", `(async () => { for await (const piece of process.stdin) console.log(piece); })()`, "<Buffer 61 0a 62>\n"},
		{"data", `process.stdin.setEncoding('utf8').on('data', (t) => console.log(JSON.stringify(t))).on('end', () => console.log('end')).on('close', () => console.log('close'))`, "\"a\\nb\"\nend\nclose\n"},
		{"pipe", `process.stdin.pipe(process.stdout)`, "a\nb"},
		{"readable", `process.stdin.on('readable', () => { for (let c; (c = process.stdin.read(2)) !== null;) console.log(c.length); })`, "2\n1\n"},
		{"paused", `process.stdin.once('data', (d) => { console.log(d.length); process.stdin.pause(); })`, "3\n"},
		{"lines", `require('readline').createInterface({ input: process.stdin }).on('line', (l) => console.log(l)).on('close', () => console.log('close'))`, "a\nb\nclose\n"},
		{"not asked for", `console.log(process.stdin.fd)`, "0\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := runFile(t, Config{On: castnet.Host(), Stdin: strings.NewReader("a\nb")}, "a.js", test.source)
			if r.status != 0 || r.out != test.want || r.err != "" {
				t.Errorf("got %d, %q, %s\nwant %q", r.status, r.out, r.err, test.want)
			}
		})
	}
}
