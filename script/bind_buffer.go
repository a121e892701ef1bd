package script

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dop251/goja"
)

// bytesOf returns the bytes of a Uint8Array, which it shares.
func bytesOf(v goja.Value) []byte {
	b, _ := v.Export().([]byte)
	return b
}

// bindBuffer is what lib/buffer.js leaves to Go: everything that looks at more than
// a few bytes.
func (r *Runtime) bindBuffer(o *goja.Object) {
	o.Set("encode", func(call goja.FunctionCall) goja.Value {
		return r.vm.ToValue(r.vm.NewArrayBuffer(encode(call.Argument(0), call.Argument(1).String())))
	})
	o.Set("decode", func(call goja.FunctionCall) goja.Value {
		b := bytesOf(call.Argument(0))
		start, end := call.Argument(2).ToInteger(), call.Argument(3).ToInteger()
		end = min(end, int64(len(b)))
		if start >= end {
			return r.vm.ToValue("")
		}
		return r.decode(b[start:end], call.Argument(1).String())
	})
	o.Set("byteLength", func(call goja.FunctionCall) goja.Value {
		s := call.Argument(0)
		switch call.Argument(1).String() {
		case "utf8":
			return r.vm.ToValue(len(encode(s, "utf8")))
		case "base64", "base64url":
			text := s.String()
			padding := min(len(text)-len(strings.TrimRight(text, "=")), 2)
			return r.vm.ToValue((length(s) - padding) * 3 / 4)
		case "hex":
			return r.vm.ToValue(length(s) / 2)
		case "utf16le":
			return r.vm.ToValue(length(s) * 2)
		}
		return r.vm.ToValue(length(s))
	})
	o.Set("write", func(call goja.FunctionCall) goja.Value {
		b, encoding := bytesOf(call.Argument(0)), call.Argument(2).String()
		offset, n := call.Argument(3).ToInteger(), call.Argument(4).ToInteger()
		room := b[min(offset, int64(len(b))):]
		room = room[:min(n, int64(len(room)))]
		data := encode(call.Argument(1), encoding)
		if len(data) > len(room) {
			data = data[:len(room)]
			switch encoding {
			case "utf8": // no part of a character is written
				for len(data) > 0 {
					if c, size := utf8.DecodeLastRune(data); c != utf8.RuneError || size != 1 {
						break
					}
					data = data[:len(data)-1]
				}
			case "utf16le":
				data = data[:len(data)&^1]
			}
		}
		return r.vm.ToValue(copy(room, data))
	})
	o.Set("compare", func(call goja.FunctionCall) goja.Value {
		return r.vm.ToValue(bytes.Compare(bytesOf(call.Argument(0)), bytesOf(call.Argument(1))))
	})
	o.Set("indexOf", func(call goja.FunctionCall) goja.Value {
		b, needle := bytesOf(call.Argument(0)), bytesOf(call.Argument(1))
		from, forward := int(call.Argument(2).ToInteger()), call.Argument(3).ToBoolean()
		if forward {
			if from > len(b) {
				return r.vm.ToValue(-1)
			}
			if i := bytes.Index(b[from:], needle); i >= 0 {
				return r.vm.ToValue(from + i)
			}
			return r.vm.ToValue(-1)
		}
		end := min(from+len(needle), len(b))
		return r.vm.ToValue(bytes.LastIndex(b[:end], needle))
	})
	o.Set("fill", func(call goja.FunctionCall) goja.Value {
		b, pattern := bytesOf(call.Argument(0)), bytesOf(call.Argument(1))
		b = b[call.Argument(2).ToInteger():call.Argument(3).ToInteger()]
		for i := range b {
			b[i] = pattern[i%len(pattern)]
		}
		return goja.Undefined()
	})
	o.Set("isUtf8", func(call goja.FunctionCall) goja.Value { return r.vm.ToValue(utf8.Valid(bytesOf(call.Argument(0)))) })
}

// units returns a string's UTF-16 code units.
func units(v goja.Value) []uint16 {
	s, ok := v.(goja.String)
	if !ok {
		return utf16.Encode([]rune(v.String()))
	}
	u := make([]uint16, s.Length())
	for i := range u {
		u[i] = s.CharAt(i)
	}
	return u
}

func length(v goja.Value) int {
	if s, ok := v.(goja.String); ok {
		return s.Length()
	}
	return len(units(v))
}

// encode returns a string's bytes in an encoding.
func encode(v goja.Value, encoding string) []byte {
	switch encoding {
	case "utf8":
		// Surrogates that stand alone become U+FFFD, as everywhere.
		return []byte(v.String())
	case "latin1", "ascii":
		u := units(v)
		b := make([]byte, len(u))
		for i, c := range u {
			b[i] = byte(c)
		}
		return b
	case "utf16le":
		u := units(v)
		b := make([]byte, 0, 2*len(u))
		for _, c := range u {
			b = append(b, byte(c), byte(c>>8))
		}
		return b
	case "hex":
		text := v.String()
		b := make([]byte, len(text)/2)
		for i := range b {
			// Up to the first pair that is none.
			if _, err := hex.Decode(b[i:i+1], []byte(text[2*i:2*i+2])); err != nil {
				return b[:i]
			}
		}
		return b
	}
	return decodeBase64(v.String())
}

// decodeBase64 reads either alphabet, passes over what belongs to neither, and ends
// at the padding.
func decodeBase64(text string) []byte {
	clean := make([]byte, 0, len(text))
loop:
	for i := range len(text) {
		switch c := text[i]; {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			clean = append(clean, c)
		case c == '-' || c == '+':
			clean = append(clean, '+')
		case c == '_' || c == '/':
			clean = append(clean, '/')
		case c == '=':
			break loop
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	b := make([]byte, base64.RawStdEncoding.DecodedLen(len(clean)))
	n, _ := base64.RawStdEncoding.Decode(b, clean)
	return b[:n]
}

// decode returns bytes as a string.
func (r *Runtime) decode(b []byte, encoding string) goja.Value {
	switch encoding {
	case "latin1", "ascii":
		u := make([]uint16, len(b))
		for i, c := range b {
			if encoding == "ascii" {
				c &= 0x7f
			}
			u[i] = uint16(c)
		}
		return goja.StringFromUTF16(u)
	case "utf16le":
		u := make([]uint16, len(b)/2)
		for i := range u {
			u[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
		}
		return goja.StringFromUTF16(u)
	case "hex":
		return r.vm.ToValue(hex.EncodeToString(b))
	case "base64":
		return r.vm.ToValue(base64.StdEncoding.EncodeToString(b))
	case "base64url":
		return r.vm.ToValue(base64.RawURLEncoding.EncodeToString(b))
	}
	return r.vm.ToValue(text(b))
}

// text decodes UTF-8 as the web does: what is not UTF-8 becomes U+FFFD, one for
// every longest beginning of a character (Unicode 15, 3.9, table 3-8).
func text(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for len(b) > 0 {
		c, n := utf8.DecodeRune(b)
		if c == utf8.RuneError && n == 1 {
			n = begun(b)
		}
		s.WriteRune(c)
		b = b[n:]
	}
	return s.String()
}

// begun returns how many bytes at the start of b, which is not UTF-8 there, could
// have been the beginning of a character.
func begun(b []byte) int {
	low, high, more := byte(0x80), byte(0xbf), 0
	switch c := b[0]; {
	case c >= 0xc2 && c <= 0xdf:
		more = 1
	case c >= 0xe0 && c <= 0xef:
		more = 2
		if c == 0xe0 {
			low = 0xa0
		} else if c == 0xed {
			high = 0x9f
		}
	case c >= 0xf0 && c <= 0xf4:
		more = 3
		if c == 0xf0 {
			low = 0x90
		} else if c == 0xf4 {
			high = 0x8f
		}
	}
	n := 1
	for n <= more && n < len(b) && b[n] >= low && b[n] <= high {
		low, high = 0x80, 0xbf
		n++
	}
	return n
}
