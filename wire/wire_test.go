package wire

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// unhex returns the bytes that s spells in hexadecimal; spaces and lines are for the reader.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatalf("bad test data: %v", err)
	}
	return b
}

// checkPrefixes parses every proper prefix of a valid packet, each in a buffer of its own
// without a byte behind it, and wants an error of the kind ErrTruncated for those shorter
// than min, and no panic for any.
func checkPrefixes(t *testing.T, packet []byte, min int, parse func([]byte) error) {
	t.Helper()
	for n := range packet {
		prefix := append(make([]byte, 0, n), packet[:n]...)
		err := parse(prefix[:n:n])
		if n < min && !errors.Is(err, ErrTruncated) {
			t.Errorf("prefix of %d bytes: got error %v, want one that is ErrTruncated", n, err)
		}
		checkError(t, err)
	}
	if err := parse(packet); err != nil {
		t.Errorf("whole packet of %d bytes: %v", len(packet), err)
	}
}

// checkError wants nil or a ParseError that is complete and of exactly one kind.
func checkError(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var pe ParseError
	if !errors.As(err, &pe) || pe.Header == "" || pe.Problem == "" {
		t.Fatalf("error %#v is not a complete ParseError", err)
	}
	kinds := 0
	for _, kind := range []error{ErrTruncated, ErrMalformed, ErrUnsupported} {
		if errors.Is(err, kind) {
			kinds++
		}
	}
	if kinds != 1 {
		t.Fatalf("error %q is of %d kinds, want 1", err, kinds)
	}
}

// checkAllocs wants f to allocate nothing.
func checkAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, f); n != 0 {
		t.Errorf("%s: %v allocations, want 0", what, n)
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// Sinks that keep the compiler from removing what a benchmark measures.
var (
	sink16   uint16
	sinkBool bool
)

func TestErrorShape(t *testing.T) {
	_, _, err := ParseUDP(nil)
	if got, want := err.Error(), "wire: udp: shorter than 8 bytes"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	_, _, again := ParseUDP([]byte{1})
	if err != again {
		t.Errorf("equal failures are not equal: %v, %v", err, again)
	}
	checkAllocs(t, "a failing parser", func() {
		if _, _, err := ParseUDP(nil); !errors.Is(err, ErrTruncated) {
			t.Fatal(err)
		}
	})
}
