package stack

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatASmallProgramLeavesOut builds a program that has no use for much of the stack,
// and looks for what the linker should find out that it cannot reach. A call from what
// every stack does brings it back, and all that it calls.
func TestWhatASmallProgramLeavesOut(t *testing.T) {
	program := filepath.Join(t.TempDir(), "small")
	if out, err := exec.Command("go", "build", "-o", program, "./testdata/small").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.Command(program).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	symbols, err := exec.Command("go", "tool", "nm", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	const ours = " github.com/castnet-go/castnet/"
	for what, symbol := range map[string]string{
		"IPv6":                           ours + "stack.(*lane).ipv6\n",
		"what an interface does for it":  ours + "stack.(*interface6).",
		"MLD":                            ours + "stack.(*Interface).sendMLD\n",
		"reports of groups":              ours + "stack.(*reporter).",
		"what they are written by":       ours + "stack.(*reportWriter).",
		"records of groups":              ours + "wire.GroupRecord.",
		"changes of what groups hear":    ours + "stack.(*groupSet).change\n",
		"formatting by reflection":       " fmt.",
		"values looked into":             " reflect.Value.",
		"a heap behind an interface":     " container/heap.",
		"the operating system":           " os.",
		"the operating system's network": " net.",
	} {
		if strings.Contains(string(symbols), symbol) {
			t.Errorf("%s is in the program: symbols that begin with%q", what, symbol)
		}
	}
	for _, symbol := range []string{"stack.(*lane).igmp\n", "stack.(*queriers).query\n", "stack.(*Socket).sendOne\n"} {
		if !strings.Contains(string(symbols), ours+symbol) {
			t.Errorf("%q is not in the program, whose symbols may have other names now", symbol)
		}
	}
}
