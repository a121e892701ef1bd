package script

import (
	"strings"
	"testing"

	"github.com/castnet-go/castnet"
)

// TestUncaughtIsTheEnd holds that nothing of a script goes on after an error that nobody
// caught: no tick, no promise, no microtask.
func TestUncaughtIsTheEnd(t *testing.T) {
	for name, throw := range map[string]string{
		"main":      `throw new Error('end')`,
		"timer":     `setTimeout(() => { later(); throw new Error('end'); }, 1)`,
		"immediate": `setImmediate(() => { later(); throw new Error('end'); })`,
		"tick":      `process.nextTick(() => { later(); throw new Error('end'); })`,
		"message": `const s = require('dgram').createSocket('udp4', () => { later(); throw new Error('end'); });
			s.bind(0, '127.0.0.1', () => s.send('x', s.address().port))`,
		"callback": `const s = require('dgram').createSocket('udp4');
			s.send('x', 9, '127.0.0.1', () => { later(); throw new Error('end'); })`,
	} {
		t.Run(name, func(t *testing.T) {
			first := ""
			if name == "main" {
				first = "later();\n"
			}
			r := runOn(t, castnet.Host(), `
				const later = () => {
					Promise.resolve().then(() => console.log('promise'));
					queueMicrotask(() => console.log('microtask'));
					process.nextTick(() => console.log('tick'));
				};
				`+first+throw)
			if r.status != 1 || r.out != "" || !strings.Contains(r.err, "Error: end\n    at ") {
				t.Errorf("got status %d, %q, and %q", r.status, r.out, r.err)
			}
		})
	}
}

// TestUncaughtOrder holds where the listeners of 'uncaughtException' have their turn:
// before the ticks and the promises that wait.
func TestUncaughtOrder(t *testing.T) {
	r := runOn(t, castnet.Host(), `
		process.on('uncaughtException', (err) => console.log(err.message));
		process.nextTick(() => { console.log('tick'); throw new Error('of tick'); });
		process.nextTick(() => console.log('second tick'));
		Promise.resolve().then(() => console.log('promise'));
		queueMicrotask(() => { console.log('microtask'); throw new Error('of microtask'); });
		queueMicrotask(() => console.log('second microtask'));
		setImmediate(() => { Promise.resolve().then(() => console.log('promise of immediate')); throw new Error('of immediate'); });
		throw new Error('of main');
	`)
	want := "of main\ntick\nof tick\nsecond tick\npromise\nmicrotask\nof microtask\nsecond microtask\nof immediate\npromise of immediate\n"
	if r.out != want || r.status != 0 {
		t.Errorf("got status %d, %q and\n%s\nwant\n%s", r.status, r.err, r.out, want)
	}
}

// TestExitInUncaughtListener ends the script there and then.
func TestExitInUncaughtListener(t *testing.T) {
	r := runOn(t, castnet.Host(), `
		process.on('uncaughtException', () => { console.log('caught'); process.exit(3); });
		process.nextTick(() => console.log('tick'));
		Promise.resolve().then(() => console.log('promise'));
		throw new Error('of main');
	`)
	if r.out != "caught\n" || r.status != 3 {
		t.Errorf("got status %d, %q", r.status, r.out)
	}
}

// TestRejections tells of promises that nobody has handled: with an error in place of a
// reason that is none, and again when they are handled after all.
func TestRejections(t *testing.T) {
	r := runOn(t, castnet.Host(), `
		process.on('uncaughtException', (err, origin) => console.log(err.name, err.code, err.message.split('.').at(-2), origin));
		Promise.reject('text');
		Promise.reject(undefined);
		Promise.reject({ a: 1 });
		Promise.reject(new TypeError('of. an error.'));
		setTimeout(() => {
			process.on('unhandledRejection', (reason, promise) => console.log('unhandled', reason, promise === p));
			process.on('rejectionHandled', (promise) => console.log('handled', promise === p));
			const p = Promise.reject(1);
			const soon = Promise.reject(2);
			soon.catch(() => {});
			setTimeout(() => p.catch(() => {}), 1);
		}, 1);
	`)
	want := "UnhandledPromiseRejection ERR_UNHANDLED_REJECTION  The promise rejected with the reason \"text\" unhandledRejection\n" +
		"UnhandledPromiseRejection ERR_UNHANDLED_REJECTION  The promise rejected with the reason \"undefined\" unhandledRejection\n" +
		"UnhandledPromiseRejection ERR_UNHANDLED_REJECTION  The promise rejected with the reason \"#<Object>\" unhandledRejection\n" +
		"TypeError undefined  an error unhandledRejection\nunhandled 1 true\nhandled true\n"
	if r.out != want || r.status != 0 {
		t.Errorf("got status %d, %q and\n%s\nwant\n%s", r.status, r.err, r.out, want)
	}
}

// TestGroupOfTheOtherFamily has the error of Linux, where the socket lacks the option.
func TestGroupOfTheOtherFamily(t *testing.T) {
	r := runOn(t, castnet.Host(), `
		const s = require('dgram').createSocket('udp4');
		s.bind(0, () => {
			try { s.addMembership('ff02::1'); } catch (err) { console.log(err.message); }
			s.close();
		});
	`)
	if want := "addMembership ENOPROTOOPT\n"; r.out != want || r.status != 0 {
		t.Errorf("got status %d, %q, want %q", r.status, r.out, want)
	}
}
