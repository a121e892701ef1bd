package main

import (
	"strings"
	"testing"
)

func TestPreview(t *testing.T) {
	for _, test := range []struct{ payload, want string }{
		{"", `""`},
		{"hello", `"hello"`},
		{"say \"hi\"\n", `"say \"hi\"\n"`},
		{"\x1b[31mred\x07", `"\x1b[31mred\a"`},
		{"\xff\x00", `"\xff\x00"`},
		{"käse", `"käse"`},
		{"\u202egnp.exe", `"\u202egnp.exe"`}, // writes backwards
		{strings.Repeat("a", 64), `"` + strings.Repeat("a", 64) + `"`},
		{strings.Repeat("a", 65), `"` + strings.Repeat("a", 64) + `"…`},
		{strings.Repeat("a", 63) + "éé", `"` + strings.Repeat("a", 63) + `"…`}, // not within a character
		{strings.Repeat("\x80", 70), `"` + strings.Repeat(`\x80`, 60) + `"…`},  // that is none
	} {
		if got := preview([]byte(test.payload)); got != test.want {
			t.Errorf("preview(%q) = %s, want %s", test.payload, got, test.want)
		}
	}
}
