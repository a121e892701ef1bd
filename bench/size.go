package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// sizeRows are how large a program becomes that uses a stack and nothing else.
func sizeRows() []row {
	const (
		note   = "built with -trimpath -ldflags='-s -w', so stripped"
		module = "github.com/castnet-go/castnet/bench/minimal/"
	)
	size := func(name string, k kind, about, program string) row {
		return row{
			name: name, kind: k, unit: "B", about: about, note: note,
			amount: func(setup) (float64, error) { return builtSize(module + program) },
		}
	}
	return in("amounts",
		size("size", ours, "a program that sends a datagram from one of our stacks to another (bench/minimal/castnet)", "castnet"),
		size("size-gvisor", peer, "the same with gVisor's (bench/minimal/gvisor)", "gvisor"),
		row{
			name: "size-modules", kind: ours, unit: "modules",
			about: "how many modules of others that program imports", note: "by go list -deps",
			amount: func(setup) (float64, error) { return foreignModules(module + "castnet") },
		})
}

// builtSize returns the size of a program.
func builtSize(program string) (float64, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "program")
	if _, err := goCommand("build", "-trimpath", "-ldflags=-s -w", "-o", file, program); err != nil {
		return 0, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()), nil
}

// foreignModules returns how many modules besides ours a program imports from.
func foreignModules(program string) (float64, error) {
	out, err := goCommand("list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", program)
	if err != nil {
		return 0, err
	}
	foreign := make(map[string]bool)
	for line := range strings.Lines(out) {
		path := strings.TrimSpace(line)
		if path != "" && path != "github.com/castnet-go/castnet" && !strings.HasPrefix(path, "github.com/castnet-go/castnet/") {
			foreign[path] = true
		}
	}
	return float64(len(foreign)), nil
}

// goCommand runs the go command where the benchmark is run, so in the same
// workspace. It is told to do without C, of which neither program needs anything.
func goCommand(args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var errOut strings.Builder
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s (run bench from the root of the repository): %w: %s", args[0], err, errOut.String())
	}
	return string(out), nil
}
