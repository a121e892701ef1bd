package script

import (
	"strings"
	"testing"

	"github.com/castnet-go/castnet"
)

// TestModules: what can be imported and required, and how source in newer language
// than the engine's runs.
func TestModules(t *testing.T) {
	for _, test := range []struct {
		name, file, source string
		status             int
		out, err           string // err is a part
	}{
		{"CommonJS", "a.js", `const { createSocket } = require('node:dgram'); console.log(typeof createSocket, require.main === module, __filename.endsWith('a.js'), this === exports)`, 0, "function true true true\n", ""},
		{"hashbang", "a.js", "#!/usr/bin/env node\nconsole.log(1)", 0, "1\n", ""},
		{"ES module", "a.mjs", `import dgram, { createSocket } from 'dgram'; import * as os from 'node:os'; export const x = 1; console.log(dgram.createSocket === createSocket, typeof os.hostname, import.meta.filename.endsWith('a.mjs'), import.meta.url.startsWith('file:///'))`, 0, "true function true true\n", ""},
		{"import in a .js", "a.js", `import { EOL } from 'os'; console.log(JSON.stringify(EOL))`, 0, "\"\\n\"\n", ""},
		{"dynamic import", "a.js", `import('events').then((m) => console.log(typeof m.once))`, 0, "function\n", ""},
		{"TypeScript", "a.ts", `interface A { x: number } const a: A = { x: 1 }; enum E { One = 1 } console.log(a.x as number, E.One)`, 0, "1 1\n", ""},
		{"for await", "a.js", `
			const { on, once, EventEmitter } = require('events');
			async function main() {
				const e = new EventEmitter();
				setImmediate(() => { e.emit('x', 1, 2); e.emit('x', 3); e.emit('y', 4); });
				let n = 0;
				for await (const args of on(e, 'x')) { console.log(args); if (++n === 2) break; }
				async function* g() { yield 1; yield* [2, 3]; }
				for await (const v of g()) console.log(v);
			}
			main();`, 0, "[ 1, 2 ]\n[ 3 ]\n1\n2\n3\n", ""},
		{"top-level await", "a.mjs", `import dgram, { createSocket as make } from 'dgram'; import * as ev from 'node:events'; import 'os';
			import { setTimeout as sleep } from 'node:timers/promises';
			export const x = await Promise.resolve(1);
			const s = make('udp4'); s.bind(0); await ev.once(s, 'listening'); s.close(); await sleep(1);
			for await (const v of [Promise.resolve(2)]) console.log(x, v, dgram.createSocket === make);
			export default x;`, 0, "1 2 true\n", ""},
		{"top-level await that fails", "a.mjs", "await null;\nthrow new Error('late');", 1, "", "a.mjs:2\nthrow new Error('late');\n"},
		{"using", "a.js", `{ using a = { [Symbol.dispose]() { console.log('disposed') } }; console.log('in'); } console.log('out')`, 0, "in\ndisposed\nout\n", ""},
		{"a stack of rewritten source", "a.mjs", "import 'os';\nfunction f() {\n  throw new Error('here');\n}\nf();\n", 1, "", "a.mjs:3\n  throw new Error('here');\n"},
		{"no such builtin", "a.js", `require('node:nothing')`, 1, "", "No such built-in module: node:nothing"},
		{"internals are hidden", "a.js", `require('internal/dgram')`, 1, "", "Cannot find module 'internal/dgram'"},
		{"internals by a flag", "a.js", "// Flags: --expose-internals\nconsole.log(typeof require('internal/dgram').kStateSymbol, typeof require('internal/test/binding').internalBinding('udp_wrap').UDP)", 0, "symbol function\n", ""},
		{"what is not there says so", "a.js", `try { require('child_process').fork('x') } catch (e) { console.log(e.code) } try { require('fs').writeFileSync('x', '') } catch (e) { console.log(e.code) }`, 0, "ERR_FEATURE_UNAVAILABLE\nERR_FEATURE_UNAVAILABLE\n", ""},
		{"modules that are names only", "a.js", `
			const http = require('http');
			class Server extends http.Server {}
			class Socket extends require('net').Socket {}
			for (const m of ['https', 'http2', 'tls', 'repl', 'inspector', 'v8', 'vm', 'domain', 'sys', 'stream/web', '_stream_readable']) require('node:' + m);
			for (const f of [() => http.get('http://x'), () => new Server(), () => new Socket(), () => require('tls').connect()]) { try { f(); } catch (e) { console.log(e.code); } }
			console.log(http.STATUS_CODES[404], typeof new http.Agent().destroy, require('vm').runInThisContext('1 + 1'));`, 0, strings.Repeat("ERR_FEATURE_UNAVAILABLE\n", 4) + "Not Found function 2\n", ""},
		{"names that are there only", "a.js", `
			const said = (f) => { try { f(); } catch (e) { console.log(e.code, e.message.split(' ')[0]); } };
			said(() => require('crypto').createSign('sha1')); said(() => new (require('dns').Resolver)()); said(() => require('dns').promises.resolve4('x'));
			said(() => require('fs').watch('.')); said(() => new (require('worker_threads').MessageChannel)()); said(() => new (require('net').Stream)());`, 0,
			"ERR_FEATURE_UNAVAILABLE crypto.createSign\nERR_FEATURE_UNAVAILABLE dns.Resolver\nERR_FEATURE_UNAVAILABLE dns.resolve4\nERR_FEATURE_UNAVAILABLE fs.watch\nERR_FEATURE_UNAVAILABLE worker_threads.MessageChannel\nERR_FEATURE_UNAVAILABLE net:\n", ""},
		{"methods that the engine lacks", "a.js", `
			const o = {}; o.__defineGetter__('x', () => 5); console.log(o.x, typeof o.__lookupGetter__('x'), o.__lookupSetter__('x'));
			console.log([1, 2, 3].values().filter((x) => x % 2).map((x) => x * 10).toArray(), (function* () { yield 1; yield 2; })().take(1).toArray(), new Set([1, 2]).values().reduce((a, b) => a + b));
			class X extends Iterator { next() { return { done: true }; } } console.log(new X().toArray(), new X() instanceof Iterator, Iterator.from([4]).some((x) => x > 3));
			console.log(Object.groupBy([1, 2], (x) => x % 2 ? 'odd' : 'even').odd, Map.groupBy([1], (x) => x), 'a\uD800'.isWellFormed(), new CustomEvent('x', { detail: 1 }).detail);
			for (const k in {}) console.log(k);`, 0, "5 function undefined\n[ 10, 30 ] [ 1 ] 3\n[] true true\n[ 1 ] Map(1) { 1 => [ 1 ] } false 1\n", ""},
		{"what is rewritten stays as it is otherwise", "a.js", `class A { static #n = 1; static { this.q = A.#n; } #m; has(o) { return #m in o; } } import('os').then(() => console.log(A, A.name, new A().has(new A())));`, 0, "[class A] { q: 1 } A true\n", ""},
		{"decorators", "a.ts", `function log(v: unknown, c: { name: string }) { console.log(c.name) } class A { @log m() {} constructor(readonly x = 2) {} } console.log(new A().x)`, 0, "m\n2\n", ""},
		{"node:test", "a.js", `const { test, describe, it } = require('node:test'); test('one', () => {}); describe('s', () => { it('two', async () => { throw new Error('no') }) })`, 1, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := runFile(t, Config{On: castnet.Host()}, test.file, test.source)
			if r.status != test.status || test.name != "node:test" && r.out != test.out || !strings.Contains(r.err, test.err) || test.err == "" && r.err != "" {
				t.Errorf("got %d, %q, %s\nwant %d, %q, %s", r.status, r.out, r.err, test.status, test.out, test.err)
			}
			if test.name == "node:test" && !strings.HasPrefix(r.out, "ok - one\n    not ok - two\n") {
				t.Errorf("got %q", r.out)
			}
		})
	}
}

// TestWithoutANetwork: a script on no network runs, and its sockets say why not.
func TestWithoutANetwork(t *testing.T) {
	r := runFile(t, Config{}, "a.js", `
		const s = require('dgram').createSocket('udp4');
		s.on('error', (err) => { console.log(err.code); s.close(); });
		s.bind(0);
		setTimeout(() => console.log('later'), 1);
		require('dns').lookup('nowhere', (err) => console.log(err.code, err.syscall, err.hostname));`)
	if r.status != 0 || r.err != "" || strings.Count(r.out, "\n") != 3 || !strings.HasPrefix(r.out, "ENETDOWN\n") ||
		!strings.Contains(r.out, "ENOTFOUND getaddrinfo nowhere\n") || !strings.Contains(r.out, "later\n") {
		t.Errorf("%d %q %q", r.status, r.out, r.err)
	}
}
