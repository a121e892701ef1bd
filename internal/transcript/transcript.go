package transcript

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A step is a command and what it prints.
type step struct {
	line    int // of the document
	command string
	want    []string
}

// background reports whether the shell does not wait for the command.
func (s step) background() bool {
	command, _, _ := strings.Cut(s.command, " # ")
	return strings.HasSuffix(strings.TrimSpace(command), "&")
}

// parse finds the steps of a document.
func parse(document string) (steps []step, err error) {
	inside, number := false, 0
	for text := range strings.Lines(document) {
		number++
		text = strings.TrimRight(text, "\n")
		command, isCommand := strings.CutPrefix(text, "$ ")
		if !isCommand {
			command, isCommand = strings.CutPrefix(text, "# ")
		}
		switch {
		case strings.HasPrefix(text, "```"):
			inside = text == "```console"
		case !inside:
		case isCommand:
			steps = append(steps, step{line: number, command: command})
		case len(steps) == 0:
			return nil, fmt.Errorf("line %d: %q is printed before there is a command", number, text)
		default:
			last := &steps[len(steps)-1]
			last.want = append(last.want, text)
		}
	}
	if len(steps) == 0 {
		return nil, fmt.Errorf("there is no block marked console")
	}
	return steps, nil
}

// matches reports whether a line is as the document shows it.
func matches(want, got string) bool {
	parts := strings.Split(want, "…")
	if len(parts) == 1 {
		return want == got
	}
	rest, ok := strings.CutPrefix(got, parts[0])
	if !ok {
		return false
	}
	for _, p := range parts[1 : len(parts)-1] {
		if _, rest, ok = strings.Cut(rest, p); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// patience is how long a command may take.
const patience = time.Minute

// Run runs the session of a document in a shell, which is bash or ends in calling
// it, and fails the test where something else is printed.
func Run(tb testing.TB, document string, shell *exec.Cmd) {
	tb.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		tb.Fatal(err)
	}
	steps, err := parse(string(text))
	if err != nil {
		tb.Fatalf("%s: %v", document, err)
	}
	if err := run(steps, shell); err != nil {
		tb.Errorf("%s: %v", document, err)
	}
}

// run returns what was not as the steps say.
func run(steps []step, shell *exec.Cmd) error {
	// The commands come by a pipe of their own, so that no program reads those
	// behind it.
	in, type_, err := os.Pipe()
	if err != nil {
		return err
	}
	defer type_.Close()
	printed, out, err := os.Pipe()
	if err != nil {
		in.Close()
		return err
	}
	defer printed.Close()
	shell.Args = append(shell.Args, "/dev/fd/3")
	shell.ExtraFiles = []*os.File{in}
	shell.Stdout, shell.Stderr = out, out
	err = shell.Start()
	in.Close()
	out.Close()
	if err != nil {
		return err
	}
	lines := make(chan string)
	gone := make(chan struct{})
	defer close(gone)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(printed); s.Scan(); {
			select {
			case lines <- s.Text():
			case <-gone:
				return
			}
		}
	}()
	for _, s := range steps {
		if err = s.run(type_, lines); err != nil {
			err = fmt.Errorf("line %d: %s\n%w", s.line, s.command, err)
			break
		}
	}
	type_.Close() // and the shell ends
	ended := make(chan struct{})
	kill := time.AfterFunc(patience, func() { shell.Process.Kill() })
	go func() { // what is left to be printed has to be read, or the shell waits
		defer close(ended)
		for range lines {
		}
	}()
	if e := shell.Wait(); e != nil && err == nil && !isExit(e) {
		err = e
	}
	kill.Stop()
	printed.Close()
	<-ended
	return err
}

// isExit reports whether an error is that of the last command of a shell.
func isExit(err error) bool {
	_, ok := err.(*exec.ExitError)
	return ok
}

// prompt is printed when a command has ended.
const prompt = "\x01prompt\x01"

// run types a command and reads what is printed.
func (s step) run(keyboard io.Writer, lines <-chan string) error {
	typed := s.command + "\n"
	if !s.background() {
		typed += "echo '" + prompt + "'\n"
	}
	if _, err := io.WriteString(keyboard, typed); err != nil {
		return err
	}
	var got []string
	timeout := time.After(patience)
	for !s.background() || len(got) < len(s.want) {
		select {
		case line, open := <-lines:
			// What does not end its last line has the prompt behind it.
			before, ended := strings.CutSuffix(line, prompt)
			if line != prompt && open {
				got = append(got, before)
			}
			if !open {
				return fmt.Errorf("the shell has ended, having printed %q", got)
			}
			if ended {
				return compare(s.want, got)
			}
		case <-timeout:
			return fmt.Errorf("nothing more came for %v; it has printed\n%s", patience, strings.Join(got, "\n"))
		}
	}
	return compare(s.want, got)
}

// compare returns how what was printed differs from what the document shows.
func compare(want, got []string) error {
	same := len(want) == len(got)
	for i := 0; same && i < len(want); i++ {
		same = matches(want[i], got[i])
	}
	if same {
		return nil
	}
	return fmt.Errorf("prints\n%s\nand the document says\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
}
