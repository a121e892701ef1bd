package transcript

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Quotes fails the test unless each block of a document that is marked go stands,
// indentation apart, in one of the Go files in a folder and those below it.
func Quotes(tb testing.TB, document, folder string) {
	tb.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		tb.Fatal(err)
	}
	var programs []string
	err = filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".go" {
			return err
		}
		b, err := os.ReadFile(name)
		programs = append(programs, flush(string(b)))
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	blocks := quotes(string(text))
	if len(blocks) == 0 {
		tb.Errorf("%s: there is no block marked go", document)
	}
	for _, b := range blocks {
		if !stands(b, programs) {
			tb.Errorf("%s: in no file below %s is\n%s", document, folder, b)
		}
	}
}

// quotes returns a document's blocks that are marked go.
func quotes(document string) (blocks []string) {
	for _, part := range strings.Split("\n"+document, "\n```go\n")[1:] {
		block, _, _ := strings.Cut(part, "\n```")
		blocks = append(blocks, block)
	}
	return blocks
}

func stands(block string, programs []string) bool {
	for _, p := range programs {
		if strings.Contains(p, flush(block)) {
			return true
		}
	}
	return false
}

// flush takes the indentation away.
func flush(program string) string {
	lines := strings.Split(program, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimLeft(l, "\t")
	}
	return strings.Join(lines, "\n")
}
