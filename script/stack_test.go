package script

import (
	"regexp"
	"testing"

	"github.com/castnet-go/castnet"
)

// TestStacks: what is printed of stacks has Node's form and names the script's own
// calls, whichever way it is printed.
func TestStacks(t *testing.T) {
	const want = "TypeError: x\n    at f (DIR/a.js:2:22)\n    at DIR/a.js:3:N\n"
	for _, test := range []struct{ name, print, want string }{
		{"error", `console.log(e)`, want},
		{"stack", `console.log(e.stack)`, want},
		{"in a text", "console.log(`got ${e.stack}`)", "got " + want},
		{"formatted", `console.log('%s', e.stack)`, want},
		{"written", `process.stdout.write(e.stack + '\n')`, want},
		{"captured", `const o = { name: 'TypeError', message: 'x' }; Error.captureStackTrace(o); console.log(o.stack)`, "TypeError: x\n    at DIR/a.js:3:N\n"},
		{"of an error of the runtime", `try { require('dgram').createSocket('x') } catch (err) { console.log(err.stack) }`,
			"TypeError [ERR_SOCKET_BAD_TYPE]: Bad socket type specified. Valid types are: udp4, udp6\n    at newHandle (node:internal/dgram:N)\n    at Socket (node:dgram:N)\n    at createSocket (node:dgram:N)\n    at DIR/a.js:3:N\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := runFile(t, Config{On: castnet.Host()}, "a.js", "'use strict';\nfunction f() { throw new TypeError('x'); }\ntry { f(); } catch (e) { "+test.print+" }\n")
			got := regexp.MustCompile(`/\S*/a\.js`).ReplaceAllString(r.out, "DIR/a.js")
			got = regexp.MustCompile(`(a\.js:3:|node:\S+?:)[\d:]+`).ReplaceAllString(got, "${1}N")
			if r.status != 0 || got != test.want {
				t.Errorf("got %d %s\n%s%s\nwant\n%s", r.status, r.err, got, r.out, test.want)
			}
		})
	}
}
