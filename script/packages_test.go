package script

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// packages are well-kept packages of npm's that speak over UDP, each with a program
// and what it prints, under Node as here.
var packages = []struct{ install, source, want string }{
	{"bittorrent-dht@11.0.12", `
		import DHT from 'bittorrent-dht';
		const a = new DHT({ bootstrap: false, host: '127.0.0.1' });
		a.on('announce', (peer, hash) => console.log('announce', peer.port, hash[0]));
		a.listen(0, '127.0.0.1', () => {
			const b = new DHT({ bootstrap: ['127.0.0.1:' + a.address().port], host: '127.0.0.1' }), hash = Buffer.alloc(20, 7);
			b.on('ready', () => b.announce(hash, 6881, (err) => b.lookup(hash, (e, n) => { console.log(err, e, n); a.destroy(); b.destroy(); })));
		});`, "announce 6881 7\nnull null 1\n"},
	{"coap@1.5.0", `
		import coap from 'coap';
		const server = coap.createServer((req, res) => { res.setOption('Content-Format', 'text/plain'); res.end('hello ' + req.url + ' ' + req.payload); });
		server.listen(0, '127.0.0.1', () => {
			const req = coap.request({ hostname: '127.0.0.1', port: server._sock.address().port, pathname: '/there', method: 'POST' });
			req.on('response', (res) => {
				console.log(res.code, res.headers['Content-Format']);
				res.on('data', (piece) => console.log(String(piece))).on('end', () => server.close(() => { console.log('closed'); process.exit(); }));
			});
			req.end('body');
		});`, "2.05 text/plain\nhello /there body\nclosed\n"},
	{"dns2@3.0.0", `
		import dns2 from 'dns2';
		const server = dns2.createServer({ udp: true, handle(request, send) {
			const response = dns2.Packet.createResponseFromRequest(request);
			response.answers.push({ name: request.questions[0].name, type: dns2.Packet.TYPE.A, class: dns2.Packet.CLASS.IN, ttl: 300, address: '8.8.8.8' });
			send(response);
		} });
		const { udp } = await server.listen({ udp: { port: 0, address: '127.0.0.1' } });
		const { answers } = await new dns2({ nameServers: ['127.0.0.1'], port: udp.port }).resolveA('a.example');
		console.log(answers[0].name, answers[0].address);
		await server.close();`, "a.example 8.8.8.8\n"},
	{"dns-packet@5.6.1", `
		import packet from 'dns-packet';
		const answers = [{ type: 'SRV', name: 's', data: { port: 9, target: 't.local', weight: 1, priority: 2 } }, { type: 'AAAA', name: 'y', data: 'fe80::1' }, { type: 'TXT', name: 'x', data: 'b' }];
		for (const { name, data } of packet.decode(packet.encode({ type: 'response', id: 7, answers })).answers) console.log(name, data);`,
		"s { priority: 2, weight: 1, port: 9, target: 't.local' }\ny fe80::1\nx [ <Buffer 62> ]\n"},
	{"gelf-pro@1.4.0", `
		import dgram from 'dgram'; import log from 'gelf-pro'; import zlib from 'zlib';
		// Each datagram is a chunk of what is compressed.
		const s = dgram.createSocket('udp4', (m) => { console.log(JSON.parse(zlib.inflateSync(m.subarray(12))).short_message); s.close(); });
		s.bind(0, '127.0.0.1', () => {
			log.setConfig({ adapterName: 'udp', adapterOptions: { host: '127.0.0.1', port: s.address().port } });
			log.info('hello', (err) => console.log(err));
		});`, "null\nhello\n"},
	{"hot-shots@17.1.1", `
		import dgram from 'dgram'; import StatsD from 'hot-shots';
		const s = dgram.createSocket('udp4', (m) => { console.log(String(m)); client.close(() => s.close()); });
		let client;
		s.bind(0, '127.0.0.1', () => {
			client = new StatsD({ host: '127.0.0.1', port: s.address().port, prefix: 'my.', globalTags: { env: 'x' }, maxBufferSize: 200, bufferFlushInterval: 20 });
			client.increment('a'); client.timing('t', 42); client.gauge('g', 1.5, ['q:1']);
		});`, "my.a:1|c|#env:x\nmy.t:42|ms|#env:x\nmy.g:1.5|g|#env:x,q:1\n"},
	{"multicast-dns@7.2.5", `
		import make from 'multicast-dns';
		const mdns = make();
		mdns.on('query', ({ questions: [q] }) => mdns.respond([{ name: q.name, type: 'A', ttl: 300, data: '192.168.1.5' }]));
		mdns.on('response', ({ answers: [a] }) => { console.log(a.name, a.data); mdns.destroy(); });
		mdns.on('ready', () => mdns.query('there.local', 'A'));`, "there.local 192.168.1.5\n"},
	{"net-snmp@3.29.2", `
		import snmp from 'net-snmp';
		const agent = snmp.createAgent({ port: 16161, address: '127.0.0.1', disableAuthorization: true }, (err) => { if (err) console.log(err); });
		agent.registerProvider({ name: 'sysDescr', type: snmp.MibProviderType.Scalar, oid: '1.3.6.1.2.1.1.1', scalarType: snmp.ObjectType.OctetString, maxAccess: snmp.MaxAccess['read-only'] });
		agent.getMib().setScalarValue('sysDescr', 'a host');
		const session = snmp.createSession('127.0.0.1', 'public', { port: 16161, version: snmp.Version2c });
		setTimeout(() => session.get(['1.3.6.1.2.1.1.1.0'], (err, [v]) => { console.log(err, String(v.value)); session.close(); agent.close(); }), 50);`, "null a host\n"},
	{"node-osc@11.7.1", `
		import { Client, Server } from 'node-osc';
		const server = new Server(0, '127.0.0.1', () => { const c = new Client('127.0.0.1', server._sock.address().port); c.send('/a', 200, 'b', 1.5, () => c.close()); });
		server.on('message', (m) => { console.log(m); server.close(); });`, "[ '/a', 200, 'b', 1.5 ]\n"},
	{"radius@1.1.4", `
		import radius from 'radius';
		const secret = 'shh', packet = radius.encode({ code: 'Access-Request', secret, identifier: 0, attributes: [['User-Name', 'ann'], ['User-Password', 'pass']] });
		console.log(radius.decode({ packet, secret }).attributes);`, "{ 'User-Name': 'ann', 'User-Password': 'pass' }\n"},
	{"statsd-client@0.4.7", `
		import dgram from 'dgram'; import Client from 'statsd-client';
		const s = dgram.createSocket('udp4', (m) => { console.log(String(m)); s.close(); client.close(); });
		let client;
		s.bind(0, '127.0.0.1', () => { client = new Client({ host: '127.0.0.1', port: s.address().port, prefix: 'p' }); client.increment('x'); });`, "p.x:1|c\n"},
	{"stun@2.1.0", `
		import stun from 'stun';
		const { STUN_BINDING_RESPONSE, STUN_EVENT_BINDING_REQUEST } = stun.constants, server = stun.createServer({ type: 'udp4' });
		server.on(STUN_EVENT_BINDING_REQUEST, (req, { address, port }) => {
			const m = stun.createMessage(STUN_BINDING_RESPONSE, req.transactionId);
			m.addXorAddress(address, port);
			server.send(m, port, address);
		});
		server.listen(3478, '127.0.0.1', async () => { console.log((await stun.request('127.0.0.1:3478')).getXorAddress().address); server.close(); });`, "127.0.0.1\n"},
	{"syslog-client@1.1.1", `
		import dgram from 'dgram'; import syslog from 'syslog-client';
		const s = dgram.createSocket('udp4', (m) => { console.log(String(m).replace(/> ?.* ann/, '> ann').trim()); client.close(); s.close(); });
		let client;
		s.bind(0, '127.0.0.1', () => { client = syslog.createClient('127.0.0.1', { port: s.address().port, syslogHostname: 'ann' }); client.log('hello', { severity: syslog.Severity.Error }); });`, "<131> ann hello\n"},
	{"tftp@0.1.2", `
		import tftp from 'tftp';
		const server = tftp.createServer({ host: '127.0.0.1', port: 6969 }, (req, res) => { res.setSize(3000); res.end(Buffer.alloc(3000, req.file)); });
		server.on('listening', () => {
			let n = 0;
			tftp.createClient({ host: '127.0.0.1', port: 6969 }).createGetStream('ab').on('data', (piece) => { n += piece.length; }).on('end', () => { console.log(n); server.close(); });
		});
		server.listen();`, "3000\n"},
}

// onlyStack are those that would disturb others on the machine's own network.
var onlyStack = map[string]bool{"multicast-dns@7.2.5": true}

// TestPackages installs packages by npm and runs programs that use them, on the
// operating system's network and on the embedded stack.
func TestPackages(t *testing.T) {
	if os.Getenv("CASTNET_PACKAGES") == "" {
		t.Skip("CASTNET_PACKAGES=1 lets this test install packages of npm's")
	}
	dir := t.TempDir()
	npm := []string{"install", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--fetch-retries=5"}
	for _, p := range packages {
		npm = append(npm, p.install)
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte("{}"), 0o666); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // npm itself tries for longer
	defer cancel()
	if out, err := exec.CommandContext(ctx, "npm", npm...).CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	}
	for _, on := range []struct {
		name string
		run  func(*testing.T, Config, string) nodeResult
	}{{"host", runNodeOnHost}, {"stack", runNodeOnStack}} {
		for _, p := range packages {
			if on.name == "host" && onlyStack[p.install] {
				continue
			}
			t.Run(on.name+"/"+p.install, func(t *testing.T) {
				file := filepath.Join(dir, "program.mjs")
				if err := os.WriteFile(file, []byte(p.source), 0o666); err != nil {
					t.Fatal(err)
				}
				if r := on.run(t, Config{Dir: dir}, file); r.status != 0 || r.err != nil || r.output != p.want {
					t.Errorf("status %d, %v\n%s\nwant\n%s", r.status, r.err, r.output, p.want)
				}
			})
		}
	}
}
