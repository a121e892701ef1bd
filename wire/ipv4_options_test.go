package wire

import (
	"bytes"
	"errors"
	"testing"
)

// A no-operation, a record route with room for one address, and Router Alert.
const ipv4Options = `01  0707 0400 0000 00  9404 0000`

func TestIPv4Options(t *testing.T) {
	b := unhex(t, ipv4Options)
	options, err := ParseIPv4Options(b)
	if err != nil {
		t.Fatal(err)
	}
	var got []IPv4Option
	for o := range options.All() {
		got = append(got, o)
	}
	if len(got) != 2 || got[0].Type != IPv4RecordRoute || len(got[0].Data) != 5 || !got[1].IsRouterAlert() {
		t.Errorf("got %v", got)
	}
	if !options.HasRouterAlert() {
		t.Error("HasRouterAlert: got false")
	}
	for range options.All() {
		break // Leaving the loop early is allowed.
	}
	if out := AppendIPv4Options(nil, append([]IPv4Option{{Type: IPv4NoOperation}}, got...)...); !bytes.Equal(out, b) {
		t.Errorf("written: got %x, want %x", out, b)
	}
	if got, want := options.AppendCopied(nil), []byte(IPv4RouterAlertOption); !bytes.Equal(got, want) {
		t.Errorf("RFC791_3_1_copied_flag: got %x, want %x", got, want)
	}
	checkAllocs(t, "ranging over IPv4 options", func() {
		o, _ := ParseIPv4Options(b)
		sinkBool = o.HasRouterAlert()
	})
	// A prefix may end between options, and is a shorter list then.
	for n := range b {
		_, err := ParseIPv4Options(b[:n:n])
		if legal := n == 0 || n == 1 || n == 8; (err == nil) != legal {
			t.Errorf("prefix of %d bytes: got %v", n, err)
		}
		checkError(t, err)
	}
}

func TestIPv4OptionsEnd(t *testing.T) {
	options, err := ParseIPv4Options(unhex(t, "9404 0000 00 ff ff ff"))
	if err != nil || len(options) != 4 {
		t.Errorf("RFC791_end_of_options: got %x, %v, want what comes before it", options, err)
	}
	if got := AppendIPv4Options(nil, IPv4Option{IPv4LooseRoute, []byte{4}}); !bytes.Equal(got, []byte{131, 3, 4, 0}) {
		t.Errorf("padding: got %x", got)
	}
}

func TestIPv4OptionsErrors(t *testing.T) {
	for _, c := range []struct {
		rule, options string
		want          error
	}{
		{"RFC791_length_missing", "0101 0194", ErrTruncated},
		{"RFC791_length_zero", "9400 0000", ErrMalformed},
		{"RFC791_length_one", "9401 0000", ErrMalformed},
		{"RFC791_length_beyond", "9405 0000", ErrTruncated},
	} {
		b := unhex(t, c.options)
		if _, err := ParseIPv4Options(b); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.rule, err, c.want)
		}
		for range IPv4Options(b).All() {
			t.Errorf("%s: an unchecked view yields an option that does not fit", c.rule)
		}
	}
	for _, s := range []string{"9404 0001", "9403 0000"} {
		if IPv4Options(unhex(t, s)).HasRouterAlert() {
			t.Errorf("RFC2113_2_1_other_values: %s is taken for Router Alert", s)
		}
	}
}

func FuzzIPv4Options(f *testing.F) {
	f.Add(unhex(f, ipv4Options))
	f.Add(unhex(f, "8307 0404 0102 0300"))      // loose source route, end of options
	f.Add(unhex(f, "9400"))                     // an option of length zero, the loop of old
	f.Add(unhex(f, "0101 0101 0101 0101 0101")) // no-operations alone
	f.Fuzz(func(t *testing.T, b []byte) {
		for o := range IPv4Options(b).All() {
			_ = o
		}
		options, err := ParseIPv4Options(b)
		checkError(t, err)
		if err != nil {
			return
		}
		var first, second []IPv4Option
		for o := range options.All() {
			first = append(first, o)
		}
		again, err := ParseIPv4Options(AppendIPv4Options(nil, first...))
		if err != nil {
			t.Fatal(err)
		}
		for o := range again.All() {
			second = append(second, o)
		}
		if len(first) != len(second) {
			t.Fatalf("got %v, want %v", second, first)
		}
		for i := range first {
			if first[i].Type != second[i].Type || !bytes.Equal(first[i].Data, second[i].Data) {
				t.Fatalf("got %v, want %v", second, first)
			}
		}
	})
}
