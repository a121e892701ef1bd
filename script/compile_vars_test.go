package script

import (
	"strings"
	"testing"

	"github.com/castnet-go/castnet"
)

// TestVariablesBeginUndefined: whatever a function is called with, its variables
// are undefined at first, also those that it shares with functions inside it.
func TestVariablesBeginUndefined(t *testing.T) {
	for _, test := range []struct{ name, source, want string }{
		{"function", `function f(a) { var b; return (() => [a, b])(); } console.log(f(1, 2, 3))`, "[ 1, undefined ]"},
		{"arrow function", `const f = (a) => { var b; return (() => [a, b])(); }; console.log(f(1, 2))`, "[ 1, undefined ]"},
		{"callback", `['x'].forEach(function (x) { var i; (() => console.log(x, i))(); })`, "x undefined"},
		{"method", `class C { m(a) { var b; return (() => [a, b])(); } } console.log(new C().m(1, 2))`, "[ 1, undefined ]"},
		{"generator", `function* g(a) { var b; yield (() => [a, b])(); } console.log(g(1, 2).next().value)`, "[ 1, undefined ]"},
		{"async function", `(async function (a) { var b; console.log((() => [a, b])()); })(1, 2)`, "[ 1, undefined ]"},
		{"arguments", `function f() { var a, b; a = arguments[0]; return (() => [a, b, arguments.length])(); } console.log(f(1, 2))`, "[ 1, undefined, 2 ]"},
		{"nested", `function f(a) { if (a) { for (var i of []); var { b, c: [d] } = { c: [] }; } try {} catch { var e; } return (() => [a, i, b, d, e])(); } console.log(f(1, 2, 3, 4, 5))`,
			"[ 1, undefined, undefined, undefined, undefined ]"},
		{"class in it", `function f() { var b; class C { x = b; } return new C().x; } console.log(f(1, 2))`, "undefined"},
		{"with", `console.log(new Function('return 1')(), (function (a) { var b; with ({ a: 3 }) { return [a, b]; } })(1, 2))`, "1 [ 3, undefined ]"},
		{"eval", `function f(a) { var b; return eval('[a, b]'); } console.log(f(1, 2))`, "[ 1, undefined ]"},
		// What has another first value keeps it.
		{"parameter", `function f(a) { var a; return (() => a)(); } console.log(f(1, 2))`, "1"},
		{"destructured parameter", `function f({ a, b: [c] }, ...d) { var e; return (() => [a, c, d, e])(); } console.log(f({ a: 1, b: [2] }, 3))`, "[ 1, 2, [ 3 ], undefined ]"},
		{"inner function", `function f(a) { var g; function g() { return a; } return (() => g())(); } console.log(f(1, 2))`, "1"},
		{"strict", `function f(a) { 'use strict'; var b; return (() => [this, b])(); } console.log(f(1, 2))`, "[ undefined, undefined ]"},
		{"its source", `console.log(String(function (a) { var b; return () => b; }))`, "function (a) { var b; return () => b; }"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := runOn(t, castnet.Host(), test.source)
			if r.status != 0 || strings.TrimSpace(r.out) != test.want {
				t.Errorf("got %d, %s%s\nwant %s", r.status, r.out, r.err, test.want)
			}
		})
	}
}

// BenchmarkCompile compiles a source of 900 functions with others inside.
func BenchmarkCompile(b *testing.B) {
	source := strings.Repeat("function f(a, b) {\n  var x = a + b, y;\n  return [1, 2].map(function (n) { y = { n: n, x }; return y.n + x * (a - b); });\n}\n", 900)
	b.SetBytes(int64(len(source)))
	for b.Loop() {
		if _, err := compile("f.js", source, false); err != nil {
			b.Fatal(err)
		}
	}
}
