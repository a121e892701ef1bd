package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/internal/netns"
)

// lifetime is how long a program may run.
const lifetime = time.Minute

// A process is a program that runs in a namespace. It ends with the test at the
// latest.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait; when done

	stdout, stderr transcript
}

// A transcript is what a process has printed so far.
type transcript struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// start starts a program in the namespace. Whatever it has started itself is
// killed with it.
func start(t *testing.T, ns *netns.Namespace, stdin io.Reader, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), lifetime)
	p.cmd = exec.CommandContext(ctx, name, args...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, &p.stdout, &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Cancel = func() error { return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }
	p.cmd.WaitDelay = time.Second
	if err := ns.Start(p.cmd); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		<-p.done
	})
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p
}

// end waits for the process to end, fails the test unless it ends with the exit
// status, and returns what it printed on standard output.
func (p *process) end(status int) string {
	p.t.Helper()
	<-p.done // its context sees to it
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		p.t.Fatalf("%s ended with status %d, want %d: %v\n%s%s", strings.Join(p.cmd.Args, " "), got, status, p.err, p.stdout.String(), p.stderr.String())
	}
	return p.stdout.String()
}

// interrupt sends the process what Ctrl-C does.
func (p *process) interrupt() { p.cmd.Process.Signal(syscall.SIGINT) }

// An event is a line of JSON of the castnet command: the union of those that the
// tests look at.
type event struct {
	Event     string            `json:"event"`
	Peer      string            `json:"peer"`
	Local     string            `json:"local"`
	Interface string            `json:"interface"`
	Size      int               `json:"size"`
	TTL       uint8             `json:"ttl"`
	Sequence  int               `json:"sequence"`
	Payload   []byte            `json:"payload"`
	Error     string            `json:"error"`
	Datagrams int               `json:"datagrams"`
	Bytes     int               `json:"bytes"`
	Sent      int               `json:"sent"`
	Received  int               `json:"received"`
	Replies   int               `json:"replies"`
	Refused   int               `json:"refused"`
	Dropped   map[string]uint64 `json:"dropped"`
}

// castnet starts the command on our end of the TAP device.
func (w *world) castnet(stdin io.Reader, more string, args ...string) *process {
	w.t.Helper()
	program, err := castnetProgram()
	if err != nil {
		w.t.Fatal(err)
	}
	return start(w.t, w.ns, stdin, program, append(args, "--json", "--on", spec+more)...)
}

// events returns the events of that name that the castnet command has printed.
func (p *process) events(name string) []event {
	p.t.Helper()
	var list []event
	text := p.stdout.String()
	for line := range strings.Lines(text[:strings.LastIndexByte(text, '\n')+1]) {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			p.t.Fatalf("%s printed %q: %v", p.name, line, err)
		}
		if e.Event == name {
			list = append(list, e)
		}
	}
	return list
}

// listening waits until the castnet command listens.
func (p *process) listening() {
	p.t.Helper()
	eventually(p.t, "castnet to listen", func() bool {
		select {
		case <-p.done:
			p.t.Fatalf("castnet ended: %v\n%s", p.err, p.stderr.String())
		default:
		}
		return len(p.events("listening")) == 1
	})
}

// summary waits for the castnet command to end and returns its last event.
func (p *process) summary(status int) event {
	p.t.Helper()
	p.end(status)
	list := p.events("summary")
	if len(list) != 1 {
		p.t.Fatalf("%s printed %d summaries:\n%s", p.name, len(list), p.stdout.String())
	}
	if len(list[0].Dropped) > 0 {
		p.t.Errorf("%s dropped %v", p.name, list[0].Dropped)
	}
	return list[0]
}
