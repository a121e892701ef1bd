package wire

import (
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestImports holds that the package stays a floor of its own: it imports nothing of this
// module or another, and neither randomness nor what could reach the system. Package time is
// for durations; the second half of the test holds that nothing asks it for the time.
func TestImports(t *testing.T) {
	allowed := map[string]bool{
		"encoding/binary": true, "errors": true, "fmt": true, "iter": true, "math/bits": true,
		"net/netip": true, "strconv": true, "time": true,
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, e := range entries {
		name := e.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		files++
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); !allowed[path] {
				t.Errorf("%s imports %s", name, path)
			}
		}
		for _, call := range []string{"time.Now", "time.Since", "time.Until", "time.After", "time.New", "time.Sleep", "time.Tick"} {
			if strings.Contains(string(source), call) {
				t.Errorf("%s uses %s", name, call)
			}
		}
	}
	if files == 0 {
		t.Fatal("no files found")
	}
}
