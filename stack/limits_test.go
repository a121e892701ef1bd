package stack

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"testing"

	"github.com/castnet-go/castnet/drop"
)

// TestLimitsAreDocumented: docs/limits.md has a row for every field of Limits, with
// its default, and names no reason that there is not.
func TestLimitsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Config{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	limits := reflect.ValueOf(c.Limits)
	for i := range limits.NumField() {
		name, def := limits.Type().Field(i).Name, limits.Field(i).Int()
		if def == 0 {
			t.Errorf("Limits.%s has no default", name)
		}
		row := regexp.MustCompile(fmt.Sprintf("(?m)^\\| `%s` \\| %d \\| [^|]+ \\| [^|]+ \\| [^|]+ \\|$", name, def))
		if n := len(row.FindAll(text, -1)); n != 1 {
			t.Errorf("docs/limits.md has %d rows for Limits.%s with the default %d, want 1", n, name, def)
		}
	}
	for _, m := range regexp.MustCompile("`([A-Z][a-z]+[A-Za-z]*(?:Full|Unreachable|Timeout|Stale|Memory))`").FindAllSubmatch(text, -1) {
		var r drop.Reason
		if err := r.UnmarshalText(m[1]); err != nil {
			t.Errorf("docs/limits.md: %v", err)
		}
	}
	for _, f := range []struct {
		name string
		n    int
	}{
		{"ReceiveBuffer", c.ReceiveBuffer}, {"SendBuffer", c.SendBuffer},
		{"MaxReceiveBuffer", c.MaxReceiveBuffer}, {"MaxSendBuffer", c.MaxSendBuffer},
		{"EphemeralLow", int(c.EphemeralLow)}, {"EphemeralHigh", int(c.EphemeralHigh)},
	} {
		if !regexp.MustCompile(fmt.Sprintf("(?m)^\\| .*`Config\\.%s`.*\\b%d\\b", f.name, f.n)).Match(text) {
			t.Errorf("docs/limits.md has no row for Config.%s with the default %d", f.name, f.n)
		}
	}
}
