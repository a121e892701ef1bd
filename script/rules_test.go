package script

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/lab"
)

// everywhere runs a script that checks itself on the operating system's network, on
// an embedded stack and on that in virtual time. It must end with "done".
func everywhere(t *testing.T, source string) {
	t.Helper()
	for _, on := range []struct {
		name string
		run  func(*testing.T, Config, string) nodeResult
	}{{"host", runNodeOnHost}, {"stack", runNodeOnStack}, {"virtual", runNodeInVirtualTime}} {
		t.Run(on.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "rule.js")
			if err := os.WriteFile(file, []byte(prelude+source), 0o666); err != nil {
				t.Fatal(err)
			}
			r := on.run(t, Config{Dir: filepath.Dir(file)}, file)
			if r.status != 0 || r.err != nil || !strings.HasSuffix(r.output, "done\n") {
				t.Errorf("status %d, %v\n%s", r.status, r.err, r.output)
			}
		})
	}
}

// prelude is in front of every rule: must(n, f) is f, which has to be called n times
// before the script ends.
const prelude = `'use strict'; const assert = require('assert'), dgram = require('dgram'), dns = require('dns'), net = require('net');
const owed = []; const must = (n, f = () => {}) => { const o = { n, at: new Error().stack }; owed.push(o); return function(...a) { o.n--; return f.apply(this, a); }; };
const never = (what) => () => assert.fail('called: ' + what); const here = '127.0.0.1';
process.on('exit', () => { for (const o of owed) assert.strictEqual(o.n, 0, 'calls left: ' + o.n + o.at); console.log('done'); });
`

// rules are those that imitations of dgram get wrong.
var rules = []struct{ name, source string }{
	{"SendTriesAtOnce", `
		const s = dgram.createSocket('udp4'), r = dgram.createSocket('udp4');
		r.on('message', must(1, (m) => { assert.strictEqual(m + '', 'x'); s.close(); r.close(); }));
		r.bind(0, here, () => s.connect(r.address().port, here, must(1, () => {
			s.send('x', must(1));
			// It has gone already: nothing is queued.
			assert.strictEqual(s.getSendQueueCount(), 0);
			assert.strictEqual(s.getSendQueueSize(), 0);
		})));`},
	{"SendErrorsGoToTheCallback", `
		const s = dgram.createSocket('udp4');
		s.on('error', never('error'));
		s.send(Buffer.alloc(70000), 9, here, must(1, (err) => {
			assert.deepStrictEqual([err.code, err.syscall, err.address, err.port, err.message], ['EMSGSIZE', 'send', here, 9, 'send EMSGSIZE 127.0.0.1:9']);
			assert.strictEqual(err.errno, -require('os').constants.errno.EMSGSIZE);
			s.close();
		}));`},
	{"SendErrorsWithoutCallbackAreSwallowed", `
		const s = dgram.createSocket('udp4');
		s.on('error', never('error'));
		s.send(Buffer.alloc(70000), 9, here);
		setTimeout(must(1, () => s.close()), 20);`},
	{"LookupErrorWithoutCallbackIsAnEvent", `
		const s = dgram.createSocket({ type: 'udp4', lookup: (h, f, cb) => process.nextTick(cb, h === 'nowhere' ? new Error('no ' + h) : null, h) });
		s.bind(must(1, () => {
			s.send('x', 9, 'nowhere', must(1, (err) => {
				assert.strictEqual(err.message, 'no nowhere');
				s.once('error', must(1, (err) => { assert.strictEqual(err.message, 'no nowhere'); s.close(); }));
				s.send('x', 9, 'nowhere');
			}));
		}));`},
	{"BindTwiceThrows", `
		const s = dgram.createSocket('udp4');
		s.bind(0, here);
		assert.throws(() => s.bind(0, here), { code: 'ERR_SOCKET_ALREADY_BOUND', name: 'Error', message: 'Socket is already bound' });
		s.on('listening', must(1, () => { assert.throws(() => s.bind(0), { code: 'ERR_SOCKET_ALREADY_BOUND' }); s.close(); }));`},
	{"BindThatFailsIsAnEventAndCanBeRepeated", `
		const a = dgram.createSocket('udp4'), b = dgram.createSocket('udp4');
		a.bind(0, here, must(1, () => {
			const { port } = a.address();
			b.once('error', must(1, (err) => {
				assert.deepStrictEqual([err.code, err.syscall, err.address, err.port], ['EADDRINUSE', 'bind', here, port]);
				assert.strictEqual(err.message, 'bind EADDRINUSE 127.0.0.1:' + port);
				b.bind(0, here, must(1, () => { a.close(); b.close(); }));
			}));
			b.bind(port, here, never('listening of the bind that failed'));
		}));`},
	{"SendAndConnectWaitForTheBindInOrder", `
		const r = dgram.createSocket('udp4'), got = [];
		r.on('message', must(3, (m) => { got.push(m + ''); if (got.length === 3) { assert.deepStrictEqual(got, ['1', '2', '3']); r.close(); } }));
		r.bind(0, here, () => {
			const s = dgram.createSocket('udp4'), order = [], { port } = r.address();
			s.on('listening', () => order.push('listening'));
			s.send('1', port, here, must(1, () => order.push('1')));
			s.send('2', port, here, must(1, () => order.push('2')));
			s.send('3', port, here, must(1, () => { assert.deepStrictEqual(order, ['listening', '1', '2']); s.close(); }));
		});`},
	{"QueueIsDroppedWithTheErrorOfTheBind", `
		const taken = dgram.createSocket('udp4');
		taken.bind(0, here, () => {
			const s = dgram.createSocket('udp4');
			s.bind(taken.address().port, here);
			s.send('x', 9, here, never('callback of a send that was dropped'));
			s.on('error', must(1, (err) => { assert.strictEqual(err.code, 'EADDRINUSE'); setTimeout(() => { s.close(); taken.close(); }, 20); }));
		});`},
	{"CloseWaitsForTheFlush", `
		const s = dgram.createSocket('udp4'), order = [];
		s.on('listening', () => order.push('listening'));
		s.bind(0);
		s.connect(9, here, () => order.push('connect'));
		assert.strictEqual(s.close(must(1, () => assert.deepStrictEqual(order, ['listening']))), s);
		assert.strictEqual(s.getSendQueueCount(), 0); // it is not closed yet, or this would throw`},
	{"ImplicitBind", `
		const s = dgram.createSocket('udp4');
		assert.throws(() => s.address(), { code: 'EBADF', syscall: 'getsockname', message: 'getsockname EBADF' });
		s.on('listening', must(1, () => { assert.strictEqual(s.address().address, '0.0.0.0'); assert.notStrictEqual(s.address().port, 0); }));
		s.send('x', 9, here, must(1, () => s.close()));`},
	{"AddMembershipBinds", `
		const s = dgram.createSocket('udp4');
		s.addMembership('239.1.2.3', here);
		assert.notStrictEqual(s.address().port, 0);
		assert.throws(() => s.addMembership('239.1.2.3', here), { code: 'EADDRINUSE', message: 'addMembership EADDRINUSE' });
		s.dropMembership('239.1.2.3', here);
		assert.throws(() => s.dropMembership('239.1.2.3', here), { code: 'EADDRNOTAVAIL' });
		assert.throws(() => s.addMembership('10.0.0.1', here), { code: 'EINVAL' });
		s.close();`},
	{"SettersOfAnUnboundSocketAreEBADF", `
		const s = dgram.createSocket('udp4');
		for (const [name, ...args] of [['setBroadcast', true], ['setTTL', 8], ['setMulticastTTL', 8], ['setMulticastLoopback', true], ['setMulticastInterface', here]])
			assert.throws(() => s[name](...args), { code: 'EBADF', syscall: name, message: name + ' EBADF' });
		for (const [name, ...args] of [['getRecvBufferSize'], ['getSendBufferSize'], ['setRecvBufferSize', 8192], ['setSendBufferSize', 8192]])
			assert.throws(() => s[name](...args), (err) => {
				assert.deepStrictEqual([err.code, err.name, err.info.code, err.info.message, err.errno], ['ERR_SOCKET_BUFFER_SIZE', 'SystemError', 'EBADF', 'bad file descriptor', -9]);
				assert.strictEqual(err.info.syscall, /Recv/.test(name) ? 'uv_recv_buffer_size' : 'uv_send_buffer_size');
				return true;
			});
		s.close();`},
	{"BufferSizesAreSetBeforeListening", `
		const s = dgram.createSocket({ type: 'udp4', recvBufferSize: 10000, sendBufferSize: 9000 });
		s.bind(0, here, must(1, () => {
			assert.deepStrictEqual([s.getRecvBufferSize(), s.getSendBufferSize()], [20000, 18000]);
			s.close();
		}));`},
	{"DefaultLookupSkipsDNSForALiteral", `
		dns.lookup = never('dns.lookup');
		const s = dgram.createSocket('udp4');
		s.bind(0, here, must(1, () => s.send('x', 9, here, must(1, () => s.close()))));`},
	{"DefaultLookupIsTheModulesOwn", `
		const original = dns.lookup;
		dns.lookup = must(1, (host, family, cb) => { assert.deepStrictEqual([host, family], ['localhost', 4]); original(host, family, cb); });
		const s = dgram.createSocket('udp4');
		s.bind(0, here, () => s.send('x', 9, 'localhost', must(1, (err) => { assert.ifError(err); s.close(); })));`},
	{"CustomLookupIsAlwaysAsked", `
		const asked = [];
		const s = dgram.createSocket({ type: 'udp4', lookup(host, family, cb) { asked.push([host, family]); process.nextTick(cb, null, host); } });
		s.bind(0, here, must(1, () => s.send('x', 9, here, must(1, () => {
			assert.deepStrictEqual(asked, [[here, 4], [here, 4]]);
			s.close();
		}))));
		assert.throws(() => dgram.createSocket({ type: 'udp4', lookup: 1 }), { code: 'ERR_INVALID_ARG_TYPE' });`},
	{"NothingIsCalledFromInside", `
		const s = dgram.createSocket('udp4');
		let inside = true;
		const later = (f) => must(1, (...a) => { assert.strictEqual(inside, false); f?.(...a); });
		s.bind(0, here, later(() => {
			inside = true;
			s.connect(s.address().port, here, later(() => {
				inside = true;
				s.send('x', later(() => { inside = true; s.close(later()); inside = false; }));
				inside = false;
			}));
			inside = false;
		}));
		inside = false;`},
	{"SendingInsideASendCallbackLosesNothing", `
		const r = dgram.createSocket('udp4'), s = dgram.createSocket('udp4'), n = 200;
		let got = 0, sent = 0;
		r.on('message', must(n, (m) => { assert.strictEqual(Number(m), got++); if (got === n) { r.close(); s.close(); } }));
		r.bind(0, here, () => { (function next() { if (sent < n) s.send(String(sent++), r.address().port, here, next); })(); });`},
	{"SendingInEveryCallbackStarvesNobody", `
		const s = dgram.createSocket('udp4');
		let sent = 0, last = 0, ended = false;
		const again = (err) => {
			assert.ifError(err);
			if (ended) s.send('x', 9, here, must(1, () => { last = ++sent; s.close(); }));
			else if (++sent % 2) s.send('x', 9, here, again);
			else process.nextTick(() => Promise.resolve().then(() => s.send('x', 9, here, again)));
		};
		s.on('close', must(1, () => assert.strictEqual(last, sent)));
		s.bind(0, here, () => again());
		let turns = 0;
		const turn = must(5, () => { if (++turns === 5) ended = true; else setImmediate(turn); });
		setImmediate(turn);`},
	{"FloodsDelayAnotherSocketByATurn", `
		// Two sockets that never run dry, as each datagram that they get sends them two
		// more, and a quiet one, which is written to at every position of their turns.
		const quiet = dgram.createSocket('udp4'), asker = dgram.createSocket('udp4'), rounds = 30;
		const floods = [0, 1].map(() => ({ socket: dgram.createSocket('udp4'), got: 0, told: 0, all: 0 }));
		let waits = false, asked = 0, ended = false;
		const ask = () => {
			if (waits || ended) return;
			waits = true;
			asked++;
			for (const f of floods) f.got = f.told = 0;
			asker.send('x', quiet.address().port, here);
		};
		quiet.on('message', must(rounds, () => {
			for (const f of floods) assert(f.got <= 32 && f.told <= 66, 'behind ' + f.got + ' datagrams and ' + f.told + ' callbacks');
			waits = false;
			if (asked === rounds) {
				ended = true;
				for (const s of [quiet, asker, ...floods.map((f) => f.socket)]) s.close();
			}
		}));
		asker.bind(0, here, () => quiet.bind(0, here, () => floods.forEach((f, i) => {
			f.socket.bind(0, here, () => {
				const { port } = f.socket.address(), told = () => { f.told++; };
				f.socket.on('message', () => {
					f.got++;
					if (++f.all % 37 === 0) {
						if (asked % 3 === 0) setImmediate(ask);
						else if (asked % 3 === i + 1) ask();
					}
					for (let n = 0; n < 2 && !ended; n++) f.socket.send('x', port, here, told);
				});
				f.socket.send('x', port, here, told);
			});
		})));`},
	{"ReceiveBlockList", `
		const list = new net.BlockList(); list.addAddress(here);
		const r = dgram.createSocket({ type: 'udp4', receiveBlockList: list }), s = dgram.createSocket('udp4');
		const told = [], stats = Symbol.for('castnet.stats');
		require('diagnostics_channel').subscribe('castnet.udp.dropped', (m) => told.push([m.socket === r, m.reason, m.rinfo.port, m.rinfo.size]));
		r.on('message', never('message'));
		r.bind(0, here, () => s.send('four', r.address().port, here, must(1, () => setTimeout(() => {
			assert.deepStrictEqual(told, [[true, 'BlockListed', s.address().port, 4]]);
			r.close(); s.close();
			assert.deepStrictEqual(r[stats](), { received: 0, receivedBytes: 0, sent: 0, sentBytes: 0, dropped: { BlockListed: 1 } });
			assert.deepStrictEqual(s[stats](), { received: 0, receivedBytes: 0, sent: 1, sentBytes: 4, dropped: {} });
			assert.deepStrictEqual(Reflect.ownKeys(r).includes(stats), false);
			for (const key in r) assert.notStrictEqual(key, 'stats');
		}, 20))));`},
	{"SendBlockList", `
		const list = new net.BlockList(); list.addSubnet('127.0.0.0', 8);
		const s = dgram.createSocket({ type: 'udp4', sendBlockList: list });
		s.send('x', 9, here, must(1, (err) => {
			assert.deepStrictEqual([err.code, err.message], ['ERR_IP_BLOCKED', 'IP(127.0.0.1) is blocked by net.BlockList']);
			s.connect(9, here, must(1, (err) => { assert.strictEqual(err.code, 'ERR_IP_BLOCKED'); s.close(); }));
		}));`},
	{"ConnectionRefused", `
		const s = dgram.createSocket('udp4'), gone = dgram.createSocket('udp4');
		let told = 0;
		const refused = (err) => { if (err) { assert.strictEqual(err.code, 'ECONNREFUSED'); told++; if (err.syscall !== 'recvmsg') assert.strictEqual(err.syscall, 'send'); } };
		gone.bind(0, here, () => {
			const { port } = gone.address();
			gone.close(() => s.connect(port, here, must(1, () => {
				s.on('error', refused);
				s.send('x', refused);
				setTimeout(() => s.send('y', refused), 10);
				setTimeout(() => { assert(told > 0); s.close(); }, 50);
			})));
		});`},
	{"BroadcastNeedsPermission", `
		const s = dgram.createSocket('udp4');
		s.send('x', 9, '255.255.255.255', must(1, (err) => {
			assert.deepStrictEqual([err.code, err.message], ['EACCES', 'send EACCES 255.255.255.255:9']);
			s.close();
		}));`},
	{"MulticastNeedsNone", `
		const s = dgram.createSocket('udp4');
		s.bind(0, must(1, () => { s.setMulticastInterface(here); s.send('x', 9, '239.1.2.3', must(1, (err) => { assert.ifError(err); s.close(); })); }));`},
	{"ListIsOneDatagram", `
		const r = dgram.createSocket('udp4'), s = dgram.createSocket('udp4'), got = [];
		r.on('message', must(2, (m, rinfo) => { got.push([m + '', rinfo.size]); if (got.length === 2) { assert.deepStrictEqual(got, [['abcd', 4], ['', 0]]); r.close(); s.close(); } }));
		r.bind(0, here, () => s.send(['a', Buffer.from('b'), new Uint8Array([99]), new DataView(new Uint8Array([100]).buffer)], r.address().port, here,
			must(1, (err, n) => { assert.strictEqual(n, 4); s.send([], r.address().port, here, must(1, (err, n) => assert.strictEqual(n, 0))); })));`},
	{"AfterClose", `
		const s = dgram.createSocket('udp4');
		s.close(must(1, () => {
			for (const name of ['close', 'bind', 'address', 'setTTL', 'addMembership'])
				assert.throws(() => s[name](name === 'setTTL' ? 1 : undefined), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING', message: 'Not running' }, name);
			assert.throws(() => s.send('x', 9, here), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
			assert.strictEqual(s.ref(), s);
			assert.strictEqual(s.unref(), s);
		}));`},
	{"BindSyncAndConnectSync", `
		const a = dgram.createSocket('udp4'), b = dgram.createSocket('udp4');
		const at = a.bindSync({ address: here });
		assert.deepStrictEqual(at, a.address());
		assert.throws(() => a.bindSync({ address: here }), { code: 'ERR_SOCKET_ALREADY_BOUND' });
		assert.throws(() => b.bindSync({ address: 'localhost' }), { code: 'ERR_INVALID_ARG_VALUE' });
		assert.throws(() => b.bindSync({ port: at.port, address: here }), { code: 'EADDRINUSE', syscall: 'bind' });
		a.on('listening', must(1));
		b.on('connect', must(1, () => b.send('x')));
		b.connectSync(at.port, here);
		assert.deepStrictEqual(b.remoteAddress(), { address: here, family: 'IPv4', port: at.port });
		a.on('message', must(1, (m, { port }) => { assert.strictEqual(port, b.address().port); a.close(); b.close(); }));`},
	{"SignalAndDispose", `
		const c = new AbortController(), s = dgram.createSocket({ type: 'udp4', signal: c.signal });
		s.on('close', must(1));
		s.bind(0, here, () => c.abort());
		const d = dgram.createSocket('udp4');
		d.on('close', must(1));
		d[Symbol.asyncDispose]().then(must(1, () => d[Symbol.asyncDispose]())).then(must(1));`},
	{"DiagnosticsChannel", `
		const seen = must(1, ({ socket }) => assert(socket instanceof dgram.Socket));
		require('diagnostics_channel').subscribe('udp.socket', seen);
		dgram.createSocket('udp4').close();`},
	{"HandlesCanBeReplaced", `
		const { kStateSymbol } = require('internal/dgram');
		const s = dgram.createSocket('udp4');
		const state = s[kStateSymbol];
		const send = state.handle.send;
		state.handle.send = must(1, function(req, list, n, port, address, callback) {
			assert.deepStrictEqual([list.length, n, port, address, callback, req.address, req.port], [1, 1, 9, here, true, here, 9]);
			return send.call(this, req, list, n, port, address, callback);
		});
		s.send('abc', 9, here, must(1, (err, n) => { assert.deepStrictEqual([err, n], [null, 3]); s.close(); }));`},
}

func TestRules(t *testing.T) {
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			source := rule.source
			if rule.name == "HandlesCanBeReplaced" {
				source = "// Flags: --expose-internals\n" + source
			}
			everywhere(t, source)
		})
	}
}

// TestWhatWaitsIsBounded: datagrams for a name that is being looked up are refused when
// there are too many. It takes a while, and on every network the same.
func TestWhatWaitsIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rule.js")
	source := prelude + `
		let resolve;
		const s = dgram.createSocket({ type: 'udp4', lookup: (h, f, cb) => { if (h === 'slow') resolve = cb; else process.nextTick(cb, null, h); } });
		let refused = 0;
		const told = (err) => { if (err?.code) { assert.deepStrictEqual([err.code, err.syscall], ['ENOBUFS', 'send']); refused++; } };
		s.bind(0, here, () => {
			for (let i = 0; i < 65540; i++) s.send('x', 9, 'slow', told);
			setImmediate(must(1, () => { assert.strictEqual(refused, 4); resolve(new Error('no')); setImmediate(() => s.close()); }));
		});`
	if err := os.WriteFile(file, []byte(source), 0o666); err != nil {
		t.Fatal(err)
	}
	if r := runNodeInVirtualTime(t, Config{Dir: filepath.Dir(file)}, file); r.status != 0 || r.err != nil || !strings.HasSuffix(r.output, "done\n") {
		t.Errorf("status %d, %v\n%s", r.status, r.err, r.output)
	}
}

// TestFullBufferQueuesAndDropsNothing: on a slow link, with a small buffer, all is
// sent in the end, in order, and each callback is called.
func TestFullBufferQueuesAndDropsNothing(t *testing.T) {
	l := lab.New(lab.Config{Seed: 1})
	defer l.Close()
	lan := l.AddSwitch("lan")
	outputs := make(map[string]*bytes.Buffer)
	for i, s := range []struct{ name, source string }{
		{"sender", `
			const s = require('dgram').createSocket({ type: 'udp4', sendBufferSize: 4096 });
			let told = 0, most = 0;
			s.bind(0, () => s.connect(5000, '10.0.0.2', () => {
				for (let i = 0; i < 100; i++) s.send([String(i), Buffer.alloc(1000)], (err) => {
					if (err) console.log(err.message);
					if (++told === 100) { console.log('told', told, most > 50); s.close(); }
				});
				most = s.getSendQueueCount();
				if (s.getSendQueueSize() < most * 1000) console.log('size', s.getSendQueueSize());
			}));`},
		{"receiver", `
			let next = 0;
			const s = require('dgram').createSocket('udp4', (m) => {
				if (parseInt(m, 10) !== next++) console.log('out of order', next);
				if (next === 100) { console.log('all'); s.close(); }
			});
			s.bind(5000);`},
	} {
		h := l.AddHost(s.name)
		addr := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)
		if _, err := h.Attach(lan, lab.LinkConfig{Addresses: []netip.Prefix{addr}, Faults: lab.Faults{Rate: 1e6}}); err != nil {
			t.Fatal(err)
		}
		out := new(bytes.Buffer)
		outputs[s.name] = out
		file := filepath.Join(t.TempDir(), s.name+".js")
		if err := os.WriteFile(file, []byte(s.source), 0o666); err != nil {
			t.Fatal(err)
		}
		h.Go(s.name, func(context.Context) error {
			r, err := New(Config{On: h, Stdout: out, Stderr: out, Rand: h.Rand()})
			if err != nil {
				return err
			}
			_, err = r.Run(file)
			return err
		})
	}
	if err := l.RunTasks(time.Minute); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{"sender": "told 100 true\n", "receiver": "all\n"} {
		if got := outputs[name].String(); got != want {
			t.Errorf("%s printed %q, want %q", name, got, want)
		}
	}
	if took := l.Elapsed(); took < 500*time.Millisecond {
		t.Errorf("100 kB at 1 Mbit/s took %v", took)
	}
}

// TestFloodDelaysATimerByOneTurn: while one socket is flooded, the others have their
// turn after 32 datagrams.
func TestFloodDelaysATimerByOneTurn(t *testing.T) {
	r := runOn(t, castnet.Host(), `
		const dgram = require('dgram');
		const flooded = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 }), source = dgram.createSocket('udp4');
		let got = 0, most = 0, last = 0;
		flooded.on('message', () => { got++; });
		flooded.bind(0, '127.0.0.1', () => source.connect(flooded.address().port, '127.0.0.1', () => {
			for (let i = 0; i < 500; i++) source.send('x');
			(function turn() {
				most = Math.max(most, got - last);
				last = got;
				if (got < 400) setImmediate(turn);
				else { console.log(most > 0 && most <= 32 ? 'fair' : most); flooded.close(); source.close(); }
			})();
		}));
		setTimeout(() => process.exit(9), 10000).unref();`)
	if r.out != "fair\n" || r.status != 0 {
		t.Errorf("%d %q %q", r.status, r.out, r.err)
	}
}
