package text

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"
)

// TestLikeFmt holds the functions to package fmt's.
func TestLikeFmt(t *testing.T) {
	addr := netip.MustParseAddr("10.0.0.1")
	for _, c := range []struct {
		format string
		args   []any
	}{
		{"nothing", nil},
		{"", nil},
		{"%v", []any{addr}},
		{"%v and %v", []any{addr, netip.PrefixFrom(addr, 24)}},
		{"name %q, %d bytes", []any{"a\tb\x00", 17}},
		{"%q in it", []any{'/'}},
		{"%q", []any{rune(0)}},
		{"%d %d %d %d %d %d", []any{-1, int64(-2), uint8(3), uint16(4), uint32(5), uint64(6)}},
		{"%s: %v", []any{"op", os.ErrNotExist}},
		{"%s", []any{[]byte("bytes")}},
		{"%q", []any{[]byte("bytes")}},
		{"x%vy", []any{""}},
	} {
		if got, want := Sprintf(c.format, c.args...), fmt.Sprintf(c.format, c.args...); got != want {
			t.Errorf("Sprintf(%q): %q, want %q", c.format, got, want)
		}
		if got, want := Errorf(c.format, c.args...), fmt.Errorf(c.format, c.args...); got.Error() != want.Error() {
			t.Errorf("Errorf(%q): %q, want %q", c.format, got, want)
		}
	}
}

func TestErrorfWraps(t *testing.T) {
	err := Errorf("attaching %q: %w", "eth0", os.ErrExist)
	if !errors.Is(err, os.ErrExist) || errors.Is(err, os.ErrNotExist) || err.Error() != `attaching "eth0": file already exists` {
		t.Errorf("%v", err)
	}
	if errors.Unwrap(Errorf("none %v", os.ErrExist)) != nil {
		t.Error("an error that is only printed is wrapped")
	}
}

// TestMistakes: a call that is wrong says something, and does not panic.
func TestMistakes(t *testing.T) {
	for format, args := range map[string][]any{"%v": nil, "%": {1}, "%v %v": {1}, "a": {1}, "%d": {struct{}{}}} {
		_ = Sprintf(format, args...)
		_ = Errorf(format, args...)
	}
}
