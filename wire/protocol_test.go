package wire

import (
	"fmt"
	"strings"
	"testing"
)

// TestNames takes every number of every type that has names: names are distinct, lower case
// but for acronyms, and what has none shows its number.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		name  string
		of    func(n uint8) fmt.Stringer
		named int // how many numbers have a name
	}{
		{"Protocol", func(n uint8) fmt.Stringer { return Protocol(n) }, 16},
		{"ICMPType", func(n uint8) fmt.Stringer { return ICMPType(n) }, 11},
		{"ICMPv6Type", func(n uint8) fmt.Stringer { return ICMPv6Type(n) }, 15},
		{"IGMPType", func(n uint8) fmt.Stringer { return IGMPType(n) }, 5},
		{"RecordType", func(n uint8) fmt.Stringer { return RecordType(n) }, 6},
		{"NDPOptionType", func(n uint8) fmt.Stringer { return NDPOptionType(n) }, 8},
		{"IPv4OptionType", func(n uint8) fmt.Stringer { return IPv4OptionType(n) }, 7},
		{"IPv6OptionType", func(n uint8) fmt.Stringer { return IPv6OptionType(n) }, 4},
	} {
		seen := make(map[string]bool)
		named := 0
		for n := range 256 {
			s := c.of(uint8(n)).String()
			if s == "" || seen[s] {
				t.Errorf("%s %d: the name %q is empty or taken", c.name, n, s)
			}
			seen[s] = true
			if !strings.HasSuffix(s, fmt.Sprintf(" %d", n)) && !strings.HasSuffix(s, fmt.Sprintf(" 0x%x", n)) {
				named++
			}
		}
		if named != c.named {
			t.Errorf("%s: got %d names, want %d", c.name, named, c.named)
		}
	}
	for p, want := range map[RouterPreference]string{PreferenceHigh: "high", PreferenceMedium: "medium", PreferenceLow: "low"} {
		if got := p.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestCodes takes every code of every ICMP type, of which each has a name or shows its number.
func TestCodes(t *testing.T) {
	named4, named6 := 0, 0
	for typ := range 256 {
		for code := range 256 {
			number := fmt.Sprintf("code %d", code)
			if s := ICMPType(typ).CodeString(ICMPCode(code)); s != number {
				named4++
			}
			if s := ICMPv6Type(typ).CodeString(ICMPv6Code(code)); s != number {
				named6++
			}
		}
	}
	if named4 != 16+2+2+3 || named6 != 8+2+4 {
		t.Errorf("got %d and %d named codes, want 23 and 14", named4, named6)
	}
}
