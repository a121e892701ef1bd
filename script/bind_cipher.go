package script

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"strings"

	"github.com/dop251/goja"
)

// cipherModes are the modes of AES that there are. ECB is for protocols that have it:
// like blocks look alike.
var cipherModes = map[string]bool{"ecb": true, "cbc": true, "ctr": true, "gcm": true}

// cipherOf returns the length of the key and the mode of a name as aes-128-cbc.
func cipherOf(name string) (keyLength int, mode string, ok bool) {
	bits, mode, _ := strings.Cut(strings.TrimPrefix(name, "aes-"), "-")
	keyLength = map[string]int{"128": 16, "192": 24, "256": 32}[bits]
	return keyLength, mode, strings.HasPrefix(name, "aes-") && keyLength != 0 && cipherModes[mode]
}

// A cipherState is a message that is being encrypted or decrypted.
type cipherState struct {
	block   cipher.Block
	mode    string
	encrypt bool
	padding bool

	blocks cipher.BlockMode // of CBC
	stream cipher.Stream    // of CTR and GCM
	aead   cipher.AEAD
	iv     []byte

	held     []byte // less than a block, or the last one, which may be padding
	all, aad []byte // of GCM: what was encrypted, and what goes with it
	tag      []byte
}

// newCipher returns a state, or what is wrong: "key" or "iv".
func newCipher(mode string, encrypt bool, key, iv []byte) (*cipherState, string) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, "key"
	}
	s := &cipherState{block: block, mode: mode, encrypt: encrypt, padding: true, iv: append([]byte(nil), iv...)}
	want := map[string]int{"ecb": 0, "cbc": aes.BlockSize, "ctr": aes.BlockSize, "gcm": 12}[mode]
	if len(iv) != want {
		return nil, "iv"
	}
	switch {
	case mode == "cbc" && encrypt:
		s.blocks = cipher.NewCBCEncrypter(block, s.iv)
	case mode == "cbc":
		s.blocks = cipher.NewCBCDecrypter(block, s.iv)
	case mode == "ctr":
		s.stream = cipher.NewCTR(block, s.iv)
	case mode == "gcm":
		// The first counter is for the tag.
		s.stream = cipher.NewCTR(block, append(s.iv[:12:12], 0, 0, 0, 2))
		if s.aead, err = cipher.NewGCM(block); err != nil {
			return nil, "iv"
		}
	}
	return s, ""
}

// update returns what is known of the output so far.
func (s *cipherState) update(data []byte) []byte {
	if s.stream != nil {
		out := make([]byte, len(data))
		s.stream.XORKeyStream(out, data)
		if s.mode == "gcm" {
			if s.encrypt {
				s.all = append(s.all, data...)
			} else {
				s.all = append(s.all, out...)
			}
		}
		return out
	}
	s.held = append(s.held, data...)
	n := len(s.held) / aes.BlockSize * aes.BlockSize
	if !s.encrypt && s.padding && n == len(s.held) && n > 0 {
		n -= aes.BlockSize
	}
	out := s.crypt(s.held[:n])
	s.held = append([]byte(nil), s.held[n:]...)
	return out
}

// crypt handles whole blocks.
func (s *cipherState) crypt(data []byte) []byte {
	out := make([]byte, len(data))
	if s.blocks != nil {
		s.blocks.CryptBlocks(out, data)
		return out
	}
	for i := 0; i < len(data); i += aes.BlockSize {
		if s.encrypt {
			s.block.Encrypt(out[i:], data[i:])
		} else {
			s.block.Decrypt(out[i:], data[i:])
		}
	}
	return out
}

// final returns the rest of the output, or what is wrong: "length", "padding" or "tag".
func (s *cipherState) final() ([]byte, string) {
	switch {
	case s.mode == "gcm":
		sealed := s.aead.Seal(nil, s.iv, s.all, s.aad)
		tag := sealed[len(s.all):]
		if s.encrypt {
			s.tag = tag
		} else if len(s.tag) == 0 || subtle.ConstantTimeCompare(tag[:len(s.tag)], s.tag) != 1 {
			return nil, "tag"
		}
		return nil, ""
	case s.stream != nil:
		return nil, ""
	case s.encrypt && s.padding:
		n := aes.BlockSize - len(s.held)
		for range n {
			s.held = append(s.held, byte(n))
		}
		return s.crypt(s.held), ""
	case !s.padding && len(s.held) == 0:
		return nil, ""
	case len(s.held) != aes.BlockSize:
		return nil, "length"
	}
	out := s.crypt(s.held)
	n := int(out[len(out)-1])
	if n == 0 || n > len(out) {
		return nil, "padding"
	}
	for _, b := range out[len(out)-n:] {
		if int(b) != n {
			return nil, "padding"
		}
	}
	return out[:len(out)-n], ""
}

// bindCipher is AES. What is wrong is returned as a word.
func (r *Runtime) bindCipher(o *goja.Object) {
	bytes := func(b []byte) goja.Value { return r.vm.ToValue(r.vm.NewArrayBuffer(b)) }
	o.Set("cipher", func(call goja.FunctionCall) goja.Value {
		length, mode, ok := cipherOf(call.Argument(0).String())
		key, iv := bytesOf(call.Argument(2)), bytesOf(call.Argument(3))
		if !ok {
			return r.vm.ToValue("name")
		}
		if len(key) != length {
			return r.vm.ToValue("key")
		}
		s, wrong := newCipher(mode, call.Argument(1).ToBoolean(), key, iv)
		if s == nil {
			return r.vm.ToValue(wrong)
		}
		c := r.vm.NewObject()
		c.Set("update", func(call goja.FunctionCall) goja.Value { return bytes(s.update(bytesOf(call.Argument(0)))) })
		c.Set("final", func() goja.Value {
			out, wrong := s.final()
			if wrong != "" {
				return r.vm.ToValue(wrong)
			}
			return bytes(out)
		})
		c.Set("setPadding", func(on bool) { s.padding = on })
		c.Set("setAAD", func(call goja.FunctionCall) goja.Value {
			s.aad = append(s.aad, bytesOf(call.Argument(0))...)
			return goja.Undefined()
		})
		c.Set("setTag", func(call goja.FunctionCall) goja.Value {
			s.tag = append([]byte(nil), bytesOf(call.Argument(0))...)
			return goja.Undefined()
		})
		c.Set("tag", func() goja.Value { return bytes(s.tag) })
		return c
	})
}
