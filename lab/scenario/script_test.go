package scenario

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const scriptFile = `
duration: 5s
switches: [lan]
hosts:
  a: {segment: lan, address: 10.0.0.1/24, programs: [{script: {file: sub/a.js, args: [x], at: 1s}}]}
  b: {segment: lan, address: 10.0.0.2/24, programs: [{script: {name: waits, file: b.js}}]}
`

// TestScript: the hook is given the host, the path beside the lab's file and the
// arguments; what is printed are events; a status that is not 0 fails the lab.
func TestScript(t *testing.T) {
	for _, status := range []int{0, 3} {
		t.Run(fmt.Sprint("status ", status), func(t *testing.T) {
			f, err := Load(strings.NewReader(scriptFile), filepath.Join("some", "lab.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			var ran, events []string
			r, err := f.Run(context.Background(), Options{
				RunScript: func(ctx context.Context, s *Script) (int, error) {
					ran = append(ran, fmt.Sprint(s.Host.Name(), " ", s.File, " ", s.Args))
					fmt.Fprintf(s.Output, "one\ntwo\nthr")
					fmt.Fprintf(s.Output, "ee")
					if s.Host.Name() == "b" {
						return 0, s.Host.Sleep(ctx, f.Duration()*2) // until it is over
					}
					return status, nil
				},
				Event: func(e *Event) { events = append(events, fmt.Sprint(e.Host, " ", e.Program, " ", e)) },
			})
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{"b some/b.js []", "a some/sub/a.js [x]"}; !slices.Equal(ran, want) {
				t.Errorf("ran %q, want %q", ran, want)
			}
			want := []string{"b waits 0.000000  one", "b waits 0.000000  two", "a script 1.000000  one", "a script 1.000000  two", "a script 1.000000  three"}
			if !slices.Equal(events, want) {
				t.Errorf("events %q, want %q", events, want)
			}
			text := r.String()
			if r.Passed() != (status == 0) || !strings.Contains(text, "ran sub/a.js, which printed 3 lines") ||
				!strings.Contains(text, "ran b.js, which printed 2 lines; it has not ended") ||
				strings.Contains(text, "a's script failed: its exit status was 3") != (status != 0) {
				t.Errorf("passed %v:\n%s", r.Passed(), text)
			}
		})
	}
}

// TestScriptsNeedSomebodyToRunThem: else nothing is run.
func TestScriptsNeedSomebodyToRunThem(t *testing.T) {
	f, err := Load(strings.NewReader(scriptFile), "lab.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := f.Run(context.Background(), Options{}); r != nil || !errors.Is(err, errNoScripts) {
		t.Errorf("got %v, %v", r, err)
	}
}
