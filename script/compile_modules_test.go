package script

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/castnet-go/castnet"
)

// runTree runs main.mjs or main.js of a folder of files by name, in which ~ stands for
// node_modules.
func runTree(t *testing.T, files map[string]string) result {
	t.Helper()
	dir := t.TempDir()
	main := ""
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, strings.Replace(name, "~", "node_modules", 1))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[name]), 0o666); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "main.") {
			main = name
		}
	}
	return runConfig(t, Config{On: castnet.Host(), Dir: dir}, main)
}

// library is an ES module with a default and a live binding.
const library = `export let n = 0; export function add() { n++; } export default class Thing {}`

func TestImports(t *testing.T) {
	for _, test := range []struct {
		name   string
		files  map[string]string
		status int
		out    string
		err    string // a part
	}{
		{"default of an ES module", map[string]string{"lib.mjs": library, "main.mjs": `
			import Thing, { n, add as plus } from './lib.mjs'; import * as all from './lib.mjs'; import * as again from './lib.mjs';
			plus(); console.log(Thing, n, all.n, all === again, all);`},
			0, "[class Thing] 1 1 true [Module: null prototype] {\n  add: [Function: add],\n  default: [class Thing],\n  n: 1\n}\n", ""},
		{"with an await", map[string]string{"lib.mjs": library, "main.mjs": `
			import Thing, { n, add } from './lib.mjs'; import * as all from './lib.mjs';
			await null; add(); console.log(Thing, all.n, all === await import('./lib.mjs'));`},
			0, "[class Thing] 1 true\n", ""},
		{"of CommonJS", map[string]string{"lib.cjs": `exports.a = 1; exports.__esModule = true; exports.default = 2;`, "main.mjs": `
			import lib, { a } from './lib.cjs'; import * as all from './lib.cjs'; console.log(lib.default, a, all.default === lib);`},
			0, "2 1 true\n", ""},
		{"import() in CommonJS", map[string]string{"lib.mjs": library, "main.js": `
			import('./lib.mjs').then((m) => console.log(m.default, Object.keys(m), m === require('./lib.mjs')));
			import('dgram').then(({ default: d, createSocket }) => console.log(d.createSocket === createSocket));`},
			0, "[class Thing] [ 'add', 'default', 'n' ] true\ntrue\n", ""},
		{"a module that awaits", map[string]string{
			"late.mjs": `export const v = await new Promise((f) => setTimeout(f, 5, 'late')); export default (x) => x + v; export { v as w };`,
			"mid.mjs":  `import { v } from './late.mjs'; export * from './late.mjs'; export const mid = v + '!';`,
			"main.mjs": `import { mid, w } from './mid.mjs'; import f from './late.mjs'; console.log(mid, w, f(1)); import('./mid.mjs').then((m) => console.log(Object.keys(m)));`,
		}, 0, "late! late 1late\n[ 'mid', 'v', 'w' ]\n", ""},
		{"a module that awaits one that awaits", map[string]string{
			"late.mjs": `export const v = await new Promise((f) => setTimeout(f, 5, 'late')); export default class {}`,
			"main.mjs": `import { v } from './late.mjs'; await null; console.log(v, (await import('./late.mjs')).v);`,
		}, 0, "late late\n", ""},
		{"in a circle", map[string]string{
			"other.mjs": `import { name } from './main.mjs'; export const other = () => name; console.log('other first');`,
			"main.mjs":  `import { other } from './other.mjs'; export const name = 'main'; console.log(other());`,
		}, 0, "other first\nmain\n", ""},
		{"names of CommonJS declared again", map[string]string{"data.json": `{"a": 1}`, "main.mjs": `
			import { createRequire } from 'module'; import { fileURLToPath } from 'url'; import { dirname } from 'path';
			const require = createRequire(import.meta.url), __filename = fileURLToPath(import.meta.url), __dirname = dirname(__filename);
			import data from './data.json' with { type: 'json' };
			console.log(require('./data.json').a, data.a, __filename === import.meta.filename, __dirname === import.meta.dirname, import.meta.main, this,
				import.meta.resolve('./data.json') === new URL('data.json', import.meta.url).href);`},
			0, "1 1 true true true undefined true\n", ""},
		{"strict", map[string]string{"main.mjs": `import 'os'; (function () { console.log(this); })(); try { undeclared = 1; } catch (e) { console.log(e.name); }`}, 0, "undefined\nReferenceError\n", ""},
		{"what a package has for import", map[string]string{
			"~/p/package.json": `{"name": "p", "exports": {".": {"import": "./p.mjs", "require": "./p.cjs"}, "./only": {"import": "./only.mjs"}}}`,
			"~/p/p.mjs":        `export default 'import'`, "~/p/p.cjs": `module.exports = 'require'`, "~/p/only.mjs": `export const only = 1`,
			"main.mjs": `import p from 'p'; import { only } from 'p/only'; import { createRequire } from 'module'; console.log(p, only, createRequire(import.meta.url)('p'));`,
		}, 0, "import 1 require\n", ""},
		{"TypeScript with imports", map[string]string{"lib.ts": `export interface A { n: number } export default function f(a: A): number { return a.n }`,
			"main.ts": `import f, { type A } from './lib.ts'; const a: A = { n: 3 }; console.log(f(a));`}, 0, "3\n", ""},
		{"of nothing", map[string]string{"main.mjs": `import './nowhere.mjs';`}, 1, "", "[ERR_MODULE_NOT_FOUND]: Cannot find module './nowhere.mjs' imported from "},
		{"of nothing, caught", map[string]string{"main.mjs": `import('nowhere').catch((e) => console.log(e.code));`}, 0, "ERR_MODULE_NOT_FOUND\n", ""},
		{"a name that is not exported", map[string]string{"lib.mjs": library, "main.mjs": `import { nope } from './lib.mjs'; console.log(nope);`}, 1, "", "SyntaxError: The requested module './lib.mjs' does not provide an export named 'nope'\n    at /"},
		{"a name that is not exported, with an await", map[string]string{"lib.cjs": `exports.a = 1`, "main.mjs": `import { a, b as c } from './lib.cjs'; await null; console.log(a, c);`}, 1, "", "named 'b'"},
		{"no default", map[string]string{"lib.mjs": `export const a = 1`, "main.mjs": `import lib from './lib.mjs'; console.log(lib);`}, 1, "", "named 'default'"},
		{"one that throws", map[string]string{"bad.mjs": "export const a = 1;\nthrow new Error('bad');\n", "main.mjs": "import { a } from './bad.mjs';\nconsole.log(a);"}, 1, "", "bad.mjs:2\nthrow new Error('bad');\n"},
		{"one that throws late", map[string]string{"lib.mjs": library, "main.mjs": "import x, { n } from './lib.mjs';\nexport { n };\nawait null;\nthrow new Error('late');\n"}, 1, "", "main.mjs:4\nthrow new Error('late');\n"},
		{"an await without an end", map[string]string{"main.mjs": `await new Promise(() => {});`}, 13, "", "Warning: Detected unsettled top-level await\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := runTree(t, test.files)
			if r.status != test.status || r.out != test.out || !strings.Contains(r.err, test.err) || test.err == "" && r.err != "" {
				t.Errorf("got %d, %q, %s\nwant %d, %q, %s", r.status, r.out, r.err, test.status, test.out, test.err)
			}
		})
	}
}
