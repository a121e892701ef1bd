package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/internal/transcript"
)

// builtCastnet builds the command and returns the folder that it is in.
func builtCastnet(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "castnet"), ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// TestTextbook runs the sessions of docs/textbook.
func TestTextbook(t *testing.T) {
	bin := builtCastnet(t)
	chapters, err := filepath.Glob("../../docs/textbook/[0-9]-*.md")
	if err != nil || len(chapters) == 0 {
		t.Fatalf("%d chapters, %v", len(chapters), err)
	}
	for _, chapter := range chapters {
		t.Run(filepath.Base(chapter), func(t *testing.T) {
			shell := exec.Command("bash")
			shell.Dir = "../.."
			shell.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "NO_COLOR=1")
			transcript.Run(t, chapter, shell)
		})
	}
}

// textbookScripts are those for which one machine is network enough: they print the
// same under Node.
var textbookScripts = []string{"send.js", "receive.js", "shared-multicast.js", "shared-unicast.js"}

// onlyLAN are those that need a LAN, or a second program.
var onlyLAN = []string{"client.js", "loopback.js", "member.js", "other.js", "server.js", "talker.js"}

// TestTextbookUnderNode runs the textbook's scripts on the operating system's network,
// by castnet and, where it is installed, by Node, and compares what they print.
func TestTextbookUnderNode(t *testing.T) {
	all, err := filepath.Glob("../../examples/textbook/*.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		name := filepath.Base(file)
		if slices.Contains(textbookScripts, name) == slices.Contains(onlyLAN, name) {
			t.Errorf("%s is in none of the two lists, or in both", name)
		}
	}
	castnet := []string{filepath.Join(builtCastnet(t), "castnet"), "run", "--on", "host"}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed; that castnet prints what the textbook says is TestTextbook's")
	}
	for _, name := range textbookScripts {
		t.Run(name, func(t *testing.T) {
			file := "../../examples/textbook/" + name
			got, want := printed(t, append(castnet, file)...), printed(t, node, file)
			if got != want {
				t.Errorf("castnet prints\n%s\nnode prints\n%s", got, want)
			}
		})
	}
	t.Run("server and client", func(t *testing.T) {
		got, want := session(t, castnet, "--"), session(t, []string{node}, "")
		if got != want {
			t.Errorf("castnet prints\n%s\nnode prints\n%s", got, want)
		}
	})
}

// printed is what the script itself prints: that sockets have lost something castnet
// tells besides, on standard error.
func printed(t *testing.T, command ...string) string {
	t.Helper()
	var errOut strings.Builder
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", command, err, out, errOut.String())
	}
	return string(out)
}

// session runs the server and, when it listens, the client, and returns what both
// print.
func session(t *testing.T, run []string, separator string) string {
	t.Helper()
	server := exec.Command(run[0], append(run[1:len(run):len(run)], "../../examples/textbook/server.js")...)
	pipe, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	// A datagram may be lost, and then nothing ends by itself.
	patience := time.AfterFunc(20*time.Second, func() { server.Process.Kill() })
	defer patience.Stop()
	lines := bufio.NewScanner(pipe)
	var out strings.Builder
	lines.Scan()
	out.WriteString(lines.Text() + "\n")
	args := append(run[1:len(run):len(run)], "../../examples/textbook/client.js")
	if separator != "" {
		args = append(args, separator)
	}
	client, err := exec.Command(run[0], append(args, "127.0.0.1")...).CombinedOutput()
	if err != nil {
		t.Errorf("client: %v", err)
	}
	for lines.Scan() {
		out.WriteString(lines.Text() + "\n")
	}
	if err := server.Wait(); err != nil {
		t.Errorf("server: %v", err)
	}
	return out.String() + "client:\n" + string(client)
}
