package script

import "testing"

// surface is every form that dgram's calls have, and every error that they answer a wrong
// one with.
var surface = []struct{ name, source string }{
	{"Exports", `
		assert.deepStrictEqual(Object.keys(dgram).sort(), ['Socket', '_createSocketHandle', 'createSocket']);
		const s = dgram.createSocket('udp4'), t = new dgram.Socket('udp6', must(0)), u = dgram.createSocket({ type: 'udp4' }, must(0));
		for (const x of [s, t, u]) assert(x instanceof dgram.Socket && x instanceof require('events'));
		assert.deepStrictEqual([s.type, t.type, u.type], ['udp4', 'udp6', 'udp4']);
		assert.deepStrictEqual([s, t, u].map((x) => x.listenerCount('message')), [0, 1, 1]);
		for (const type of ['udp5', undefined, null, '', 4, {}, { type: 'udp' }])
			assert.throws(() => dgram.createSocket(type), { code: 'ERR_SOCKET_BAD_TYPE', name: 'TypeError', message: 'Bad socket type specified. Valid types are: udp4, udp6' });
		for (const x of [s, t, u]) x.close();`},
	{"OptionsOfTheWrongType", `
		for (const [name, ...wrong] of [['lookup', 1, 'x', {}], ['signal', 1, {}], ['recvBufferSize', 'x', {}], ['sendBufferSize', 'x'],
			['receiveBlockList', 1, {}, 'x'], ['sendBlockList', 1, {}]])
			for (const value of wrong) assert.throws(() => dgram.createSocket({ type: 'udp4', [name]: value }), { code: 'ERR_INVALID_ARG_TYPE' }, name);`},
	{"ReuseAddr", `
		const first = dgram.createSocket({ type: 'udp4', reuseAddr: true }), second = dgram.createSocket({ type: 'udp4', reuseAddr: true });
		const plain = dgram.createSocket('udp4');
		first.bind(0, here, () => {
			const { port } = first.address();
			plain.on('error', must(1, (err) => assert.strictEqual(err.code, 'EADDRINUSE')));
			plain.bind(port, here);
			second.bind(port, here, must(1, () => setTimeout(() => { for (const s of [first, second, plain]) s.close(); }, 5)));
		});`},
	{"ReusePort", `
		const made = [];
		(function bind(port) {
			const s = dgram.createSocket({ type: 'udp4', reusePort: true });
			made.push(s);
			s.bind(port, here, must(1, () => {
				if (made.length < 3) bind(s.address().port);
				else for (const x of made) x.close();
			}));
		})(0);`},
	{"IPv6Only", `
		const six = dgram.createSocket({ type: 'udp6', ipv6Only: true }), four = dgram.createSocket('udp4');
		six.bind(0, '::', must(1, () => four.bind(six.address().port, '0.0.0.0', must(1, () => { six.close(); four.close(); }))));
		const both = dgram.createSocket('udp6'), sender = dgram.createSocket('udp4');
		both.on('message', must(1, (m, r) => { assert.deepStrictEqual([r.address, r.family], ['::ffff:127.0.0.1', 'IPv6']); both.close(); sender.close(); }));
		both.bind(0, () => sender.send('x', both.address().port, here));`},
	{"FormsOfBind", `
		const forms = [
			(s, f) => s.bind(f), (s, f) => s.bind(0, f), (s, f) => s.bind(0, here, f), (s, f) => s.bind(undefined, undefined, f), (s, f) => s.bind(null, null, f),
			(s, f) => s.bind({ port: 0 }, f), (s, f) => s.bind({ address: here }, f), (s, f) => s.bind({ port: 0, address: here, exclusive: true }, f), (s, f) => s.bind({}, f),
			(s, f) => s.on('listening', f).bind(), (s, f) => s.on('listening', f).bind(0), (s, f) => s.on('listening', f).bind({ port: 0 }),
		];
		forms.forEach((bind, i) => {
			const s = dgram.createSocket('udp4');
			assert.strictEqual(bind(s, must(1, function() {
				assert.strictEqual(this, s);
				const { address, family, port } = s.address();
				assert.deepStrictEqual([address, family, port > 0], [[2, 6, 7].includes(i) ? here : '0.0.0.0', 'IPv4', true], 'form ' + i);
				s.close();
			})), s);
		});
		const s = dgram.createSocket('udp4');
		s.on('listening', must(1, () => s.close()));
		assert.deepStrictEqual(Object.keys(s.bindSync()).sort(), ['address', 'family', 'port']);
		for (const port of [-1, 65536, 'x', 1.5]) assert.throws(() => dgram.createSocket('udp4').bindSync({ port }), { code: 'ERR_SOCKET_BAD_PORT' });`},
	{"BindToDescriptors", `
		const s = dgram.createSocket('udp4');
		assert.throws(() => s.bind({ fd: 4000 }), { code: 'ERR_INVALID_FD_TYPE', name: 'TypeError' });
		s.close();`},
	{"FormsOfConnect", `
		const r = dgram.createSocket('udp4');
		r.bind(0, here, () => {
			const { port } = r.address(), forms = [
				(s, f) => s.connect(port, f), (s, f) => s.connect(port, here, f), (s, f) => { s.once('connect', f); s.connect(port); }, (s, f) => { s.once('connect', f); s.connect(port, here); },
				(s, f) => s.connect(String(port), here, f), (s, f) => { s.once('connect', f); s.connectSync(port); }, (s, f) => { s.once('connect', f); s.connectSync(port, here); },
			];
			let left = forms.length;
			for (const connect of forms) {
				const s = dgram.createSocket('udp4');
				assert.throws(() => s.remoteAddress(), { code: 'ERR_SOCKET_DGRAM_NOT_CONNECTED', message: 'Not connected' });
				assert.throws(() => s.disconnect(), { code: 'ERR_SOCKET_DGRAM_NOT_CONNECTED' });
				assert.strictEqual(connect(s, must(1, () => {
					assert.deepStrictEqual(s.remoteAddress(), { address: here, family: 'IPv4', port });
					assert.throws(() => s.connect(port), { code: 'ERR_SOCKET_DGRAM_IS_CONNECTED', message: 'Already connected' });
					assert.throws(() => s.connectSync(port), { code: 'ERR_SOCKET_DGRAM_IS_CONNECTED' });
					assert.throws(() => s.send('x', 0, 1, port, here), { code: 'ERR_SOCKET_DGRAM_IS_CONNECTED' });
					assert.strictEqual(s.disconnect(), undefined);
					assert.throws(() => s.remoteAddress(), { code: 'ERR_SOCKET_DGRAM_NOT_CONNECTED' });
					s.close();
					if (--left === 0) r.close();
				})), undefined);
			}
			const s = dgram.createSocket('udp4');
			for (const wrong of [0, -1, 65536, 'x', null, undefined, {}]) assert.throws(() => s.connect(wrong), { code: 'ERR_SOCKET_BAD_PORT', name: 'RangeError' });
			assert.throws(() => s.connect(port, 1), { code: 'ERR_INVALID_ARG_TYPE' });
			s.close();
		});`},
	{"FormsOfSend", `
		const r = dgram.createSocket('udp4'), got = [], b = Buffer.from('0123456789'), wide = new Uint16Array([0x6261, 0x6463, 0x6665]);
		const forms = [
			['2345', (s, p, f) => s.send(b, 2, 4, p, here, f)], ['2345', (s, p, f) => s.send(b, 2, 4, p, f)], ['789', (s, p, f) => { s.send(b, 7, 3, p, here); f(null, 3); }],
			['0123456789', (s, p, f) => s.send(b, p, here, f)], ['0123456789', (s, p, f) => s.send(b, p, f)], ['text', (s, p, f) => s.send('text', p, here, f)],
			['', (s, p, f) => s.send('', p, here, f)], ['', (s, p, f) => s.send([], p, here, f)], ['', (s, p, f) => s.send(b, 3, 0, p, here, f)],
			['bc', (s, p, f) => s.send('abcd', 1, 2, p, here, f)], ['ABC', (s, p, f) => s.send(['A', Buffer.from('B'), new DataView(new Uint8Array([67]).buffer)], p, here, f)],
			['abcdef', (s, p, f) => s.send(wide, p, here, f)], ['cdef', (s, p, f) => s.send(wide.subarray(1), p, here, f)], ['12', (s, p, f) => s.send(new DataView(b.buffer, b.byteOffset + 1, 2), p, here, f)],
			['345', (s, p, f) => s.sendto(b, 3, 3, p, here, f)],
		];
		const connected = [
			['2345', (s, f) => s.send(b, 2, 4, f)], ['0123456789', (s, f) => s.send(b, f)], ['text', (s, f) => s.send('text', f)], ['ab', (s, f) => s.send(['a', 'b'], f)],
			['', (s, f) => s.send([], f)], ['789', (s, f) => { s.send(b, 7, 3); f(null, 3); }], ['quiet', (s, f) => { s.send('quiet'); f(null, 5); }],
		];
		r.on('message', must(forms.length + connected.length, (m, { size }) => { assert.strictEqual(size, m.length); got.push(m + ''); }));
		r.bind(0, here, () => {
			const { port } = r.address(), s = dgram.createSocket('udp4'), c = dgram.createSocket('udp4');
			const told = (text) => must(1, (err, n) => assert.deepStrictEqual([err, n], [null, text.length]));
			s.bind(0, here, () => {
				for (const [text, send] of forms) send(s, port, told(text));
				c.connect(port, here, () => {
					for (const [text, send] of connected) send(c, told(text));
					setTimeout(() => {
						assert.deepStrictEqual(got, [...forms, ...connected].map(([text]) => text));
						for (const x of [r, s, c]) x.close();
					}, 30);
				});
			});
		});`},
	{"ArgumentsOfSend", `
		const s = dgram.createSocket('udp4'), b = Buffer.alloc(4), c = dgram.createSocket('udp4');
		for (const wrong of [undefined, null, 1, true, {}, () => {}, [1], ['a', null]]) assert.throws(() => s.send(wrong, 9, here), { code: 'ERR_INVALID_ARG_TYPE', name: 'TypeError' });
		for (const port of [0, -1, 65536, 'x', null, undefined]) assert.throws(() => s.send(b, port, here), { code: 'ERR_SOCKET_BAD_PORT', name: 'RangeError' });
		assert.throws(() => s.send(b, 5, 1, 9, here), { code: 'ERR_BUFFER_OUT_OF_BOUNDS', name: 'RangeError', message: '"offset" is outside of buffer bounds' });
		assert.throws(() => s.send(b, 1, 4, 9, here), { code: 'ERR_BUFFER_OUT_OF_BOUNDS', message: '"length" is outside of buffer bounds' });
		assert.throws(() => s.send(b, 9, {}), { code: 'ERR_INVALID_ARG_TYPE' });
		for (const args of [[b, 'x', 1, 9, here], [b, 0, 'x', 9, here], [b, 0, 1, 'x', here], [b, 0, 1, 9, 1]]) assert.throws(() => s.sendto(...args), { code: 'ERR_INVALID_ARG_TYPE' });
		s.close();
		c.connect(9, here, must(1, () => {
			assert.throws(() => c.send(b, 3, 2), { code: 'ERR_BUFFER_OUT_OF_BOUNDS' });
			assert.throws(() => c.send(1), { code: 'ERR_INVALID_ARG_TYPE' });
			c.close();
		}));`},
	{"Setters", `
		const s = dgram.createSocket('udp4');
		s.bind(0, must(1, () => {
			assert.deepStrictEqual([s.setTTL(9), s.setMulticastTTL(0), s.setMulticastTTL(255), s.setMulticastLoopback(0), s.setBroadcast(true), s.setMulticastInterface(here)], [9, 0, 255, 0, undefined, undefined]);
			for (const ttl of [0, -1, 256]) assert.throws(() => s.setTTL(ttl), { code: 'EINVAL', syscall: 'setTTL', message: 'setTTL EINVAL' });
			for (const ttl of [-1, 256]) assert.throws(() => s.setMulticastTTL(ttl), { code: 'EINVAL', syscall: 'setMulticastTTL' });
			for (const name of ['setTTL', 'setMulticastTTL', 'setMulticastInterface']) assert.throws(() => s[name]({}), { code: 'ERR_INVALID_ARG_TYPE' });
			assert.throws(() => s.setMulticastInterface('nonsense'), { code: 'EINVAL' });
			assert.throws(() => s.setMulticastInterface('192.0.2.77'), { code: 'EADDRNOTAVAIL' });
			s.setRecvBufferSize(10000);
			s.setSendBufferSize(9000);
			assert.deepStrictEqual([s.getRecvBufferSize(), s.getSendBufferSize(), s.getSendQueueSize(), s.getSendQueueCount()], [20000, 18000, 0, 0]);
			for (const size of [-1, 1.5, 2 ** 32, 'x', Infinity]) assert.throws(() => s.setRecvBufferSize(size), { code: 'ERR_SOCKET_BAD_BUFFER_SIZE', name: 'TypeError' });
			assert.throws(() => s.setSendBufferSize(2 ** 32 - 1), { code: 'ERR_SOCKET_BUFFER_SIZE', name: 'SystemError' });
			assert.deepStrictEqual([s.ref(), s.unref(), s.ref()], [s, s, s]);
			s.close();
		}));`},
	{"UnrefLetsTheScriptEnd", `
		const s = dgram.createSocket('udp4');
		s.bind(0, here, must(1, () => s.unref()));
		s.on('close', never('close'));`},
	{"Memberships", `
		const s = dgram.createSocket({ type: 'udp4', reuseAddr: true }), group = '239.1.2.3', got = [], w = dgram.createSocket('udp4');
		for (const name of ['addMembership', 'dropMembership']) assert.throws(() => w[name](), { code: 'ERR_MISSING_ARGS', message: 'The "multicastAddress" argument must be specified' });
		for (const name of ['addSourceSpecificMembership', 'dropSourceSpecificMembership']) {
			assert.throws(() => w[name](1, group), { code: 'ERR_INVALID_ARG_TYPE', message: /"sourceAddress"/ });
			assert.throws(() => w[name](here, 1), { code: 'ERR_INVALID_ARG_TYPE', message: /"groupAddress"/ });
			assert.throws(() => w[name](here, here), { code: 'EINVAL', syscall: name });
		}
		w.close();
		s.on('message', must(2, (m) => {
			got.push(m + '');
			if (got.length === 2) return;
			s.dropMembership(group, here);
			s.addSourceSpecificMembership('127.0.0.9', group, here);
			s.addSourceSpecificMembership(here, group, here);
			assert.throws(() => s.addSourceSpecificMembership(here, group, here), { code: 'EADDRNOTAVAIL' });
			s.dropSourceSpecificMembership('127.0.0.9', group, here);
			assert.throws(() => s.dropSourceSpecificMembership('127.0.0.9', group, here), { code: 'EADDRNOTAVAIL' });
			sender.send('from the source', s.address().port, group, () => setTimeout(() => {
				assert.deepStrictEqual(got, ['joined', 'from the source']);
				s.close();
				sender.close();
			}, 30));
		}));
		const sender = dgram.createSocket('udp4');
		s.bind(0, () => {
			s.addMembership(group, here);
			sender.bind(0, here, () => { sender.setMulticastInterface(here); sender.send('joined', s.address().port, group); });
		});`},
	{"RemoteInfo", `
		const r = dgram.createSocket('udp4'), s = dgram.createSocket('udp4');
		r.on('message', must(1, function(m, rinfo) {
			assert.strictEqual(this, r);
			assert(Buffer.isBuffer(m));
			assert.deepStrictEqual(rinfo, { address: here, family: 'IPv4', port: s.address().port, size: 3 });
			r.close(); s.close();
		}));
		r.bind(0, here, () => s.bind(0, here, () => s.send('abc', r.address().port, here)));`},
	{"LinkLocalSendersHaveAZone", `
		const all = Object.entries(require('os').networkInterfaces()).flatMap(([name, list]) => list.map((i) => ({ name, ...i })));
		const own = all.find((i) => i.address.startsWith('fe80:') && !i.internal);
		if (own === undefined) { // not every machine has one, but the embedded host
			assert.notStrictEqual(require('os').hostname(), 'node');
			return;
		}
		const zoned = own.address + '%' + own.name, r = dgram.createSocket('udp6');
		r.on('message', must(1, (m, rinfo) => { assert.deepStrictEqual([rinfo.address, rinfo.family], [zoned, 'IPv6']); r.close(); }));
		r.bind(0, zoned, must(1, () => r.send('x', r.address().port, zoned)));`},
	{"ConnectionRefusedIsAnEventOfRecvmsg", `
		const gone = dgram.createSocket('udp4'), s = dgram.createSocket('udp4');
		gone.bind(0, here, () => {
			const { port } = gone.address();
			gone.close(() => s.connect(port, here, () => {
				s.on('error', must(1, (err) => {
					assert.deepStrictEqual([err.code, err.syscall, err.message, err.errno], ['ECONNREFUSED', 'recvmsg', 'recvmsg ECONNREFUSED', -111]);
					s.close();
				}));
				s.send('x');
			}));
		});`},
	{"AnErrorThatNobodyListensToIsThrown", `
		const taken = dgram.createSocket('udp4'), s = dgram.createSocket('udp4');
		process.once('uncaughtException', must(1, (err) => { assert.deepStrictEqual([err.code, err.syscall], ['EADDRINUSE', 'bind']); taken.close(); s.close(); }));
		taken.bind(0, here, () => s.bind(taken.address().port, here));`},
	{"BytesThatWaitAreTheCallersUntilTheyAreSent", `
		const r = dgram.createSocket('udp4'), s = dgram.createSocket('udp4'), list = ['a', 'b'], b = Buffer.from('x');
		r.on('message', must(2, (m) => { if (m + '' === 'ab') return; assert.strictEqual(m + '', 'y'); r.close(); s.close(); }));
		r.bind(0, here, () => {
			s.send(list, r.address().port, here); // it waits for the bind
			list[0] = 'z';
			s.send(b, r.address().port, here);
			b[0] = 121; // Node keeps references
		});`},
}

func TestSurface(t *testing.T) {
	for _, rule := range surface {
		t.Run(rule.name, func(t *testing.T) { everywhere(t, rule.source) })
	}
}
