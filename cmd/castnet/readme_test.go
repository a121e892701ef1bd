package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme holds the README to what there is: its program is the one in
// examples, which prints what it says; its commands are those that a script of
// TestScripts runs; its two first commands are what .ci/run runs, and the first
// begins with printing what it says.
func TestReadme(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	blocks := regexp.MustCompile("(?s)```([a-z]*)\n(.*?)```").FindAllStringSubmatch(read("README.md"), -1)
	if len(blocks) < 5 {
		t.Fatalf("the README has %d blocks; want its program, the program's output, two commands, what the first prints, and all commands", len(blocks))
	}
	program, output, two, printed, commands := blocks[0][2], blocks[1][2], blocks[2][2], blocks[3][2], blocks[4][2]

	if !strings.Contains(read("examples/hello/main.go"), program) {
		t.Error("the README's program is not that of examples/hello")
	}
	if n := strings.Count(program, "\n"); n > 35 {
		t.Errorf("the README's program has %d lines", n)
	}
	run := exec.Command("go", "run", "./examples/hello")
	run.Dir = root
	if got, err := run.CombinedOutput(); err != nil || string(got) != output {
		t.Errorf("examples/hello prints %q, %v; the README says %q", got, err, output)
	}

	first := strings.Fields(strings.Replace(commandLines(two)[0], "castnet run ", "castnet run --virtual ", 1))
	run = exec.Command(first[0], first[1:]...)
	run.Dir = root
	if got, err := run.Output(); err != nil || !strings.HasPrefix(string(got), printed) {
		t.Errorf("%v prints %q, %v; the README says that it begins with %q", first, got, err, printed)
	}

	script, ci := read("cmd/castnet/testdata/script/readme.txtar"), read(".ci/run")
	for _, line := range commandLines(commands) {
		if !strings.Contains(script, "exec "+line) {
			t.Errorf("no script runs %q", line)
		}
	}
	for _, line := range commandLines(two) {
		if !strings.Contains(ci, strings.TrimPrefix(line, "go ")) && !strings.Contains(ci, strings.Replace(line, "go test", "go test -json", 1)) {
			t.Errorf(".ci/run does not run %q", line)
		}
	}
}

// commandLines returns the commands of a block, without their comments.
func commandLines(block string) (lines []string) {
	for line := range strings.Lines(block) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
