package script

import (
	"bytes"
	"testing"
)

// TestCipherInPieces: however a message is cut, the output is the same and comes back.
func TestCipherInPieces(t *testing.T) {
	key, message := bytes.Repeat([]byte{7}, 16), []byte("a message of more than two blocks of sixteen")
	for mode, iv := range map[string][]byte{"ecb": nil, "cbc": make([]byte, 16), "ctr": make([]byte, 16), "gcm": make([]byte, 12)} {
		var want []byte
		for size := len(message); size > 0; size-- {
			out, tag := throughCipher(t, mode, true, key, iv, message, nil, size)
			if want == nil {
				want = out
			}
			if !bytes.Equal(out, want) {
				t.Fatalf("%s in pieces of %d: %x, want %x", mode, size, out, want)
			}
			if back, _ := throughCipher(t, mode, false, key, iv, out, tag, size); !bytes.Equal(back, message) {
				t.Fatalf("%s in pieces of %d: %q came back", mode, size, back)
			}
		}
	}
}

func throughCipher(t *testing.T, mode string, encrypt bool, key, iv, data, tag []byte, size int) (out, made []byte) {
	t.Helper()
	s, wrong := newCipher(mode, encrypt, key, iv)
	if wrong != "" {
		t.Fatal(wrong)
	}
	s.tag = tag
	for len(data) > 0 {
		n := min(size, len(data))
		out = append(out, s.update(data[:n])...)
		data = data[n:]
	}
	rest, wrong := s.final()
	if wrong != "" {
		t.Fatal(mode, wrong)
	}
	return append(out, rest...), s.tag
}
