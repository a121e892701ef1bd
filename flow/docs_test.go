package flow_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTunnelsDocument holds docs/tunnels.md to example_test.go: each piece of its
// code is there, line by line, and each output that it shows is that of an example.
func TestTunnelsDocument(t *testing.T) {
	doc, err := os.ReadFile("../docs/tunnels.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	code := strings.ReplaceAll(string(source), "\n\t", "\n")
	code = regexp.MustCompile(`(?m)^\t+`).ReplaceAllString(code, "")
	blocks := regexp.MustCompile("(?s)```([a-z]*)\n(.*?)```").FindAllStringSubmatch(string(doc), -1)
	programs, outputs := 0, 0
	for _, b := range blocks {
		text := b[2]
		switch b[1] {
		case "go":
			programs++
			text = regexp.MustCompile(`(?m)^\t+`).ReplaceAllString(text, "")
		case "":
			outputs++
			text = "// Output:\n" + regexp.MustCompile(`(?m)^`).ReplaceAllString(strings.TrimSuffix(text, "\n"), "// ") + "\n"
		default:
			continue
		}
		if !strings.Contains(code, text) {
			t.Errorf("not in example_test.go:\n%s", b[2])
		}
	}
	if programs < 6 || outputs < 4 {
		t.Errorf("%d pieces of code and %d outputs were found", programs, outputs)
	}
}
