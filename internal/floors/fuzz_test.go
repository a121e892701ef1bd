package floors

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// machines are what is not a parser and is fuzzed: by package, the targets.
var machines = map[string][]string{
	"internal/wheel": {"FuzzWheel"},    // the queue of a lab's events
	"lab":            {"FuzzSnooping"}, // switches that look into frames
	"stack": {
		"FuzzDeliver", "FuzzFrames", "FuzzTraffic", // the whole way in, and what is sent because of it
		"FuzzShortWay",    // that the short way in does as the long one
		"FuzzSocketCalls", // the sockets' calls
		"FuzzReassembly",  // fragments
		"FuzzOptions",     // options of IPv4, as a host and as a router
	},
}

// unfuzzed are parsers that no target calls by name, and why.
var unfuzzed = map[string]string{
	". parseControlMessage":            "FuzzParseControl reaches it by parseControl",
	"wire parseGroupRecords":           "FuzzIGMP and FuzzMLD reach it by ParseIGMPv3Report and ParseMLDv2Report",
	"link ParseOffload":                "a word out of a list",
	"internal/transcript parse":        "documents of this repository",
	"internal/conformance parsePacket": "frames of the machine that is compared with",
}

var parserName = regexp.MustCompile(`^(?:Parse|parse|Decode|decode|Walk|Load|Cut)`)

// TestParsersAreFuzzed: whatever reads bytes or text and is called a parser is
// called by a fuzz target of its package, or is said to need none.
func TestParsersAreFuzzed(t *testing.T) {
	tests := make(map[string]map[string]bool) // by package, what fuzz targets mention, and their names
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	files := sources(t)
	for _, f := range files {
		if tests[f.pkg] != nil {
			continue
		}
		names, err := filepath.Glob(filepath.Join(root, f.pkg, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		m := make(map[string][]string)
		for _, name := range names {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			mentions(file, m)
		}
		tests[f.pkg] = reached(m)
	}
	left := maps.Clone(unfuzzed)
	for _, f := range files {
		for _, name := range parsers(f.file) {
			key := f.pkg + " " + name
			switch fuzzed := tests[f.pkg][name]; {
			case fuzzed && unfuzzed[key] != "":
				t.Errorf("%s is said not to be fuzzed, and is", key)
			case !fuzzed && unfuzzed[key] == "":
				t.Errorf("%s is called by no fuzz target", key)
			}
			delete(left, key)
		}
	}
	for key := range left {
		t.Errorf("%s is said not to be fuzzed, and is no parser", key)
	}
	for pkg, targets := range machines {
		for _, target := range targets {
			if !tests[pkg][target] {
				t.Errorf("%s has no %s", pkg, target)
			}
		}
	}
}

// parsers returns the functions of a file that have a parser's name and read bytes,
// text or what an io.Reader has.
func parsers(file *ast.File) (names []string) {
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !parserName.MatchString(f.Name.Name) {
			continue
		}
		if slices.ContainsFunc(f.Type.Params.List, func(p *ast.Field) bool { return isInput(p.Type) }) {
			names = append(names, f.Name.Name)
		}
	}
	return names
}

func isInput(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "string"
	case *ast.ArrayType:
		element, ok := e.Elt.(*ast.Ident)
		return ok && e.Len == nil && element.Name == "byte"
	case *ast.SelectorExpr:
		return e.Sel.Name == "Reader"
	case *ast.StarExpr:
		s, ok := e.X.(*ast.SelectorExpr)
		return ok && s.Sel.Name == "Buffer"
	}
	return false
}

// mentions adds to m what the functions and variables of a file mention, by name.
func mentions(file *ast.File, m map[string][]string) {
	add := func(name string, n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				m[name] = append(m[name], id.Name)
			}
			return true
		})
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			add(d.Name.Name, d)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if v, ok := s.(*ast.ValueSpec); ok {
					for _, name := range v.Names {
						add(name.Name, v)
					}
				}
			}
		}
	}
}

// reached returns the names of fuzz targets and all that they mention, directly or by
// what they mention.
func reached(m map[string][]string) map[string]bool {
	names := make(map[string]bool)
	var visit func(name string)
	visit = func(name string) {
		if names[name] {
			return
		}
		names[name] = true
		for _, next := range m[name] {
			visit(next)
		}
	}
	for name := range m {
		if strings.HasPrefix(name, "Fuzz") {
			visit(name)
		}
	}
	return names
}

// TestTheParserCheckCanFail plants a parser that nobody fuzzes.
func TestTheParserCheckCanFail(t *testing.T) {
	parse := func(code string) *ast.File {
		file, err := parser.ParseFile(token.NewFileSet(), "planted.go", "package p\n"+code, 0)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	for code, want := range map[string]int{
		`func ParseX(b []byte) error { return nil }`: 1, `func parse(s string) {}`: 1, `func Load(r io.Reader) {}`: 1,
		`func ParseX(n int) {}`: 0, `func X(b []byte) {}`: 0, `func (t T) ParseX(b []byte) {}`: 0, `func Cut(b *packet.Buffer) {}`: 1,
	} {
		if got := parsers(parse(code)); len(got) != want {
			t.Errorf("%s: parsers %q, want %d", code, got, want)
		}
	}
	m := make(map[string][]string)
	mentions(parse(`func FuzzX(f *testing.F) { f.Fuzz(func(t *testing.T, b []byte) { all[0](b) }) }
		var all = []func([]byte){help}
		func help(b []byte) { ParseX(b) }
		func TestY() { ParseY(nil) }`), m)
	if names := reached(m); !names["ParseX"] || !names["FuzzX"] || names["ParseY"] {
		t.Errorf("the target reaches %v", names)
	}
}
