package script

import (
	"testing"

	"github.com/castnet-go/castnet"
)

// TestTicksInOrder queues more ticks than the queue keeps places for, of any number of
// arguments, among them the socket's own, and each queues another.
func TestTicksInOrder(t *testing.T) {
	r := runOn(t, castnet.Host(), `
		const assert = require('assert');
		const s = require('dgram').createSocket('udp4');
		const count = 3000;
		const called = [];
		let sent = 0;
		function tick(i, ...rest) {
			assert.deepStrictEqual(rest, Array.from({ length: i % 7 }, (_, k) => k));
			called.push(i);
			process.nextTick((...none) => { assert.strictEqual(none.length, 0); called.push(count + i); });
		}
		s.bind(0, '127.0.0.1', () => {
			const { port } = s.address();
			for (let i = 0; i < count; i++) {
				process.nextTick(tick, i, ...Array.from({ length: i % 7 }, (_, k) => k));
				if (i % 100 === 0) s.send('x', port, '127.0.0.1', (err, n) => { assert.ifError(err); sent += n; });
			}
			setTimeout(() => {
				assert.strictEqual(called.length, 2 * count);
				assert(called.every((x, i) => x === i));
				console.log(sent);
				s.close();
			}, 50);
		});
	`)
	if r.status != 0 || r.out != "30\n" {
		t.Errorf("got status %d, %q and\n%s", r.status, r.out, r.err)
	}
}

// TestSendToAnotherAddress sends to an address as before, to another, to a name and to
// none, in turn: what was found for one is not used for the next.
func TestSendToAnotherAddress(t *testing.T) {
	r := runOn(t, castnet.Host(), `
		const dgram = require('dgram');
		const receiver = dgram.createSocket('udp4');
		const sender = dgram.createSocket('udp4');
		const got = [];
		receiver.on('message', (msg) => {
			got.push(String(msg));
			if (got.length === 6) {
				console.log(got.sort().join(' '));
				receiver.close();
				sender.close();
			}
		});
		receiver.bind(0, '127.0.0.1', () => {
			const { port } = receiver.address();
			sender.bind(0, () => {
				sender.send('none', port);
				sender.send('first', port, '127.0.0.1');
				sender.send('again', port, '127.0.0.1');
				sender.send('lost', port, '127.0.0.2');
				sender.send('lost too', port, '127.0.0.2');
				sender.send('back', port, '127.0.0.1');
				sender.send('name', port, 'localhost');
				sender.send('empty', port, '');
			});
		});
	`)
	if want := "again back empty first name none\n"; r.status != 0 || r.out != want {
		t.Errorf("got status %d, %q, want %q, and\n%s", r.status, r.out, want, r.err)
	}
}
