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
	"internal/text",
	"internal/lines",
	"internal/wheel",
	"drop",
	"clock",
	"wire",
	"membership",
	"packet",
	"internal/leak",
	"trace",
	"pcapng",
	"socket",
	"link",
	"internal/capture",
	"link/mem",
	"link/fd",
	"internal/tuntap",
	"link/tap",
	"link/tun",
	"link/packet",
	"link/pcap",
	"internal/sniff",
	"stack",
	"host",
	"internal/jam",
	"loop",
	"dgram",
	".",
	"flow",
	"conntest",
	"netspec",
	"lab",
	"lab/labtest",
	"internal/networks",
	"internal/netns",
	"internal/linktest",
	"internal/transcript",
	"internal/conformance",
	"internal/floors",
	"examples/hello",
	"examples/textbook/calls",
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
		{"clock without a name", "stack", `import . "time"; var x = Now()`},
		{"randomness without a name", "packet", `import . "math/rand/v2"; var x = Uint64()`},
		{"the machine's time zone", "wire", `import "time"; var x = time.Local`},
		{"context's timer", "stack", `import "context"; var x, _ = context.WithTimeout(nil, 1)`},
		{"context's deadline", "stack", `import "context"; var x = context.WithDeadline`},
		{"context's timer with a cause", "stack", `import "context"; var x = context.WithTimeoutCause`},
		{"context's goroutine", "stack", `import "context"; var x = context.AfterFunc`},
		{"context that is watched", "stack", `import "context"; var x = context.WithCancel`},
		{"renamed context", "stack", `import c "context"; var x = c.WithTimeout`},
		{"wait group's goroutine", "stack", `import "sync"; func f(wg *sync.WaitGroup) { wg.Go(func() {}) }`},
		{"wait group's goroutine in a field", "stack", `func f() { x.y.Go(func() {}) }`},
		{"iterator's goroutine", "wire", `import "iter"; var x = iter.Pull[int]`},
		{"two channels", "stack", `func f(a, b chan int) { select { case <-a: case <-b: } }`},
		{"two channels or neither", "stack", `func f(a, b chan int) { select { case <-a: case <-b: default: } }`},
		{"number of cores", "stack", `import "runtime"; var x = runtime.NumCPU()`},
		{"garbage collector's time", "packet", `import "runtime"; func f(p *int) { runtime.SetFinalizer(p, nil) }`},
		{"runtime's cleanup", "packet", `import "runtime"; func f(p *int) { runtime.AddCleanup(p, func(int) {}, 1) }`},
		{"runtime's settings", "stack", `import _ "runtime/debug"`},
		{"runtime's timer by its name", "stack", "import _ \"unsafe\"\n\n//go:linkname nanotime runtime.nanotime\nfunc nanotime() int64"},
		{"C", "stack", `import "C"`},
		{"files", "stack", `import _ "os"`},
		{"environment", "stack", `import "os"; var x = os.Getenv("HOME")`},
		{"signals", "stack", `import _ "os/signal"`},
		{"log", "stack", `import _ "log/slog"`},
		{"standard output", "wire", `import "fmt"; func f() { fmt.Println() }`},
		{"sockets", "stack", `import "net"; var x, _ = net.Dial("udp", "")`},
		{"names", "stack", `import "net"; var x, _ = net.LookupHost("localhost")`},
		{"the machine's interfaces", "stack", `import "net"; var x, _ = net.Interfaces()`},
		{"system call", "stack", `import "syscall"; var x = syscall.Getpid()`},
		{"system call that begins like an errno", "stack", `import "syscall"; var x = syscall.Environ()`},
		{"bare system call", "stack", `import "syscall"; var x = syscall.Syscall`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, "planted.go", "package p\n"+tc.code, parser.ParseComments)
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

// TestTheChecksCanPass holds the checks to what the core does rightly.
func TestTheChecksCanPass(t *testing.T) {
	for _, code := range []string{
		`import "time"; var x = time.Second`,
		`import "context"; func f(ctx context.Context) { <-ctx.Done() }`,
		`import "math/rand/v2"; var x = rand.New(rand.NewPCG(1, 2))`,
		`import "net"; var x = net.ErrClosed`,
		`import "syscall"; var x error = syscall.Errno(syscall.EL2HLT)`,
		`import "runtime"; func f() { runtime.Gosched() }`,
		`import "fmt"; var x = fmt.Sprint(1)`,
		`import "github.com/castnet-go/castnet/drop"; var x drop.Reason`,
		`func f(a chan int) { select { case <-a: default: } }`,
	} {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, "planted.go", "package p\n"+code, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		f := source{"stack", "planted.go", file, set}
		if problems := append(checkImports(f), checkCore(f)...); len(problems) != 0 {
			t.Errorf("%s: %q", code, problems)
		}
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
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
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

// harmless are the packages of the standard library that the core may import. Of
// some of them it may use what is listed only, of others all but what is listed:
// the rest reaches for the system, its clock, its randomness or its scheduler.
var (
	harmless = []string{
		"bytes", "cmp", "container/heap", "context", "encoding/binary", "errors", "fmt", "hash", "hash/fnv", "io", "iter",
		"maps", "math", "math/bits", "math/rand/v2", "net", "net/netip", "runtime", "slices", "sort", "strconv", "strings",
		"sync", "sync/atomic", "syscall", "time", "unicode", "unicode/utf8", "unsafe",
	}
	only = map[string][]string{
		// With… and AfterFunc start timers and goroutines.
		"context": {"Context", "Background", "TODO", "Canceled", "DeadlineExceeded", "Cause"},
		// Pull has a goroutine behind it.
		"iter": {"Seq", "Seq2"},
		// What makes seeded sources, and their types.
		"math/rand/v2": {"ChaCha8", "NewChaCha8", "PCG", "NewPCG", "Rand", "New", "Source"},
		// Errors and addresses: no name is looked up, no socket opened.
		"net": {"ErrClosed", "DNSError", "OpError", "AddrError", "Error", "Addr"},
		// A spin that lets others run. No timers, counts of cores, cleanups.
		"runtime": {"Gosched", "KeepAlive"},
		"syscall": {"Errno"}, // and the numbers: isErrno
	}
	never = map[string][]string{
		"fmt": {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
		"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer",
			"Local", "LoadLocation"},
	}
)

// isErrno reports whether a name of package syscall is in the form of an errno's.
func isErrno(name string) bool {
	return len(name) > 1 && name[0] == 'E' && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
}

// mayUse reports whether the core may use a name of a package.
func mayUse(pkg, name string) bool {
	if pkg == "syscall" && isErrno(name) {
		return true
	}
	names, limited := only[pkg]
	return (!limited || slices.Contains(names, name)) && !slices.Contains(never[pkg], name)
}

// checkCore returns where a file of the core is not repeatable.
func checkCore(f source) (problems []string) {
	complain := func(n ast.Node, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("%v: ", f.set.Position(n.Pos()))+fmt.Sprintf(format, args...))
	}
	names := make(map[string]string) // what a package is called here: its path
	for _, imp := range f.file.Imports {
		p, _ := strconv.Unquote(imp.Path.Value)
		if p != module && !strings.HasPrefix(p, module+"/") && !slices.Contains(harmless, p) {
			complain(imp, "imports %s, which is not among what the core may import", p)
		}
		name := path.Base(p)
		if p == "math/rand/v2" {
			name = "rand"
		}
		if imp.Name != nil {
			name = imp.Name.Name
		}
		if name == "." {
			complain(imp, "imports the names of %s, so that their uses are not seen", p)
		}
		names[name] = p
	}
	for _, group := range f.file.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:linkname ") {
				complain(c, "links to another package's name")
			}
		}
	}
	ast.Inspect(f.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			complain(n, "starts a goroutine")
		case *ast.SelectStmt:
			if len(n.Body.List) > 1 && !hasDefault(n) || len(n.Body.List) > 2 {
				complain(n, "chooses between channels, at random if several are ready")
			}
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			p := ""
			if ok {
				p = names[x.Name]
			}
			switch {
			case p == "" && n.Sel.Name == "Go":
				complain(n, "starts a goroutine, as sync.WaitGroup.Go does")
			case !mayUse(p, n.Sel.Name):
				complain(n, "uses %s.%s", p, n.Sel.Name)
			}
		}
		return true
	})
	return problems
}

// hasDefault reports whether a select has a default clause.
func hasDefault(s *ast.SelectStmt) bool {
	return slices.ContainsFunc(s.Body.List, func(c ast.Stmt) bool { return c.(*ast.CommClause).Comm == nil })
}
