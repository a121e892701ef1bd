package floors

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/castnet-go/castnet"

// order lists the packages from the ground up. "." is the root package.
var order = []string{
	"internal/entropy",
	"internal/wheel",
	"drop",
	"clock",
	"wire",
	"packet",
	"trace",
	"pcapng",
	"socket",
	"link",
	"link/mem",
	"link/fd",
	"link/tap",
	"stack",
	"host",
	".",
	"conntest",
	"netspec",
	"lab",
	"lab/labtest",
	"internal/netns",
	"internal/conformance",
	"internal/floors",
	"examples/hello",
}

// core are the packages that must be the same at every run.
var core = []string{"wire", "packet", "stack"}

// modulesOutside are what the module may require besides the standard library.
var modulesOutside = []string{"golang.org/x/sys"}

// source is one Go file.
type source struct {
	pkg  string // its folder below the module's, "." for the root
	name string
	file *ast.File
	set  *token.FileSet
}

func TestImportsPointDownwards(t *testing.T) {
	files := sources(t)
	seen := make(map[string]bool)
	for _, f := range files {
		seen[f.pkg] = true
		for _, problem := range checkImports(f) {
			t.Error(problem)
		}
	}
	for _, p := range order {
		if !seen[p] {
			t.Errorf("%s is listed as a package and has no Go files", p)
		}
	}
}

func TestCoreIsRepeatable(t *testing.T) {
	for _, f := range sources(t) {
		if slices.Contains(core, f.pkg) {
			for _, problem := range checkCore(f) {
				t.Error(problem)
			}
		}
	}
}

// TestTheChecksCanFail plants one fault a case.
func TestTheChecksCanFail(t *testing.T) {
	for _, tc := range []struct{ name, pkg, code string }{
		{"upward", "socket", `import _ "github.com/castnet-go/castnet/stack"`},
		{"sideways to the root", "stack", `import _ "github.com/castnet-go/castnet"`},
		{"a package that nobody listed", "wire", `import _ "github.com/castnet-go/castnet/misc"`},
		{"third party", "lab", `import _ "github.com/spf13/cobra"`},
		{"x/sys in the core", "stack", `import _ "golang.org/x/sys/unix"`},
		{"wall clock", "stack", `import "time"; var x = time.Now()`},
		{"timer", "wire", `import "time"; var x = time.NewTimer(1)`},
		{"renamed clock", "stack", `import clock2 "time"; var x = clock2.Now`},
		{"goroutine", "packet", `func f() { go f() }`},
		{"global randomness", "stack", `import "math/rand/v2"; var x = rand.Uint64()`},
		{"old randomness", "stack", `import _ "math/rand"`},
		{"true randomness", "packet", `import _ "crypto/rand"`},
		{"random hashing", "stack", `import _ "hash/maphash"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, "planted.go", "package p\n"+tc.code, 0)
			if err != nil {
				t.Fatal(err)
			}
			f := source{tc.pkg, "planted.go", file, set}
			problems := checkImports(f)
			if slices.Contains(core, tc.pkg) {
				problems = append(problems, checkCore(f)...)
			}
			if len(problems) == 0 {
				t.Error("nothing was found")
			}
		})
	}
}

// sources parses the module's files, tests excepted: a test may look down from
// any height.
func sources(t *testing.T) (list []source) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); name != root && (strings.HasPrefix(base, ".") || base == "testdata" || exists(filepath.Join(name, "go.mod"))) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		list = append(list, source{path.Dir(rel), rel, file, set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 50 {
		t.Fatalf("only %d files found below %s", len(list), root)
	}
	return list
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// checkImports returns what is wrong with a file's imports.
func checkImports(f source) (problems []string) {
	complain := func(format string, args ...any) {
		problems = append(problems, f.name+": "+fmt.Sprintf(format, args...))
	}
	own := slices.Index(order, f.pkg)
	if own < 0 {
		complain("package %s is not in the list of floors", f.pkg)
	}
	for _, imp := range f.file.Imports {
		p, _ := strconv.Unquote(imp.Path.Value)
		first, _, _ := strings.Cut(p, "/")
		switch {
		case p == module || strings.HasPrefix(p, module+"/"):
			rel := strings.TrimPrefix(strings.TrimPrefix(p, module), "/")
			if rel == "" {
				rel = "."
			}
			switch at := slices.Index(order, rel); {
			case at < 0:
				complain("imports %s, which is not in the list of floors", rel)
			case at >= own:
				complain("imports %s, which stands above it", rel)
			}
		case strings.Contains(first, "."):
			if slices.Contains(core, f.pkg) || !slices.ContainsFunc(modulesOutside, func(m string) bool {
				return p == m || strings.HasPrefix(p, m+"/")
			}) {
				complain("imports %s", p)
			}
		}
	}
	return problems
}

// forbidden are the standard library's ways to the world outside: packages, or
// names in them. What math/rand/v2 may be used for is to make seeded sources.
var (
	forbiddenPackages = []string{"crypto/rand", "math/rand", "hash/maphash"}
	forbiddenTime     = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}
	seededOnly        = []string{"ChaCha8", "NewChaCha8", "PCG", "NewPCG", "Rand", "New", "Source"}
)

// checkCore returns where a file of the core is not repeatable.
func checkCore(f source) (problems []string) {
	names := make(map[string]string) // what a package is called here: its path
	for _, imp := range f.file.Imports {
		p, _ := strconv.Unquote(imp.Path.Value)
		if slices.Contains(forbiddenPackages, p) {
			problems = append(problems, f.name+": imports "+p)
		}
		name := path.Base(p)
		if p == "math/rand/v2" {
			name = "rand"
		}
		if imp.Name != nil {
			name = imp.Name.Name
		}
		names[name] = p
	}
	ast.Inspect(f.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			problems = append(problems, fmt.Sprintf("%v: starts a goroutine", f.set.Position(n.Pos())))
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok {
				break
			}
			switch p := names[x.Name]; {
			case p == "time" && slices.Contains(forbiddenTime, n.Sel.Name),
				p == "math/rand/v2" && !slices.Contains(seededOnly, n.Sel.Name):
				problems = append(problems, fmt.Sprintf("%v: uses %s.%s", f.set.Position(n.Pos()), p, n.Sel.Name))
			}
		}
		return true
	})
	return problems
}
