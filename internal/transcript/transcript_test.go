package transcript

import (
	"os/exec"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	steps, err := parse("text\n$ no command\n```sh\n$ nor this\n```\n```console\n$ one # as a user\nprints\n\n# two &\n```\nmore\n```console\n$ three\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) != 3 || steps[0].command != "one # as a user" || len(steps[0].want) != 2 || steps[0].want[0] != "prints" ||
		steps[1].command != "two &" || !steps[1].background() || steps[0].background() || steps[2].line != 14 {
		t.Errorf("steps: %+v", steps)
	}
	for _, bad := range []string{"", "```console\nprinted by nobody\n```\n"} {
		if steps, err := parse(bad); err == nil {
			t.Errorf("of %q there are the steps %+v", bad, steps)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, tc := range []struct {
		want, got string
		ok        bool
	}{
		{"same", "same", true},
		{"same", "samx", false},
		{"took …", "took 3 s", true},
		{"took … s", "took 3 ms", false},
		{"… of … met", "9 of 9 met", true},
		{"… of … met", "9 of met", false},
		{"a…a", "a", false},
	} {
		if ok := matches(tc.want, tc.got); ok != tc.ok {
			t.Errorf("%q is %q: %v, want %v", tc.want, tc.got, ok, tc.ok)
		}
	}
}

func TestRun(t *testing.T) {
	for _, tc := range []struct{ name, document, problem string }{
		{"as it says", `$ echo one; echo two >&2
one
two
$ (read line; echo "$line"; echo ready; sleep 1000) <<<later &
later
ready
$ kill %1; wait %1
$ printf 'no end of line'
no end of line
$ cat
$ x=3
$ echo $((x+1))
…
`, ""},
		{"something else", "$ echo one\ntwo\n", "prints\none\nand the document says\ntwo"},
		{"more", "$ echo one; echo two\none\n", "two"},
		{"less", "$ true\none\n", "says\none"},
		{"an error", "$ false-command-that-is-not-there\n", "not found"},
		{"where", "$ true\n$ echo x\n", "line 3"},
		{"the end", "$ exit\n$ echo x\nx\n", "ended"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			steps, err := parse("```console\n" + tc.document + "```\n")
			if err != nil {
				t.Fatal(err)
			}
			err = run(steps, exec.Command("bash"))
			if tc.problem == "" && err != nil || tc.problem != "" && (err == nil || !strings.Contains(err.Error(), tc.problem)) {
				t.Errorf("run = %v, want %q in it", err, tc.problem)
			}
		})
	}
}
