package text

import (
	"strconv"
	"strings"
)

// Sprintf returns the format with its verbs replaced by the arguments.
func Sprintf(format string, args ...any) string {
	var b []byte
	for n := 0; ; n++ {
		at := strings.IndexByte(format, '%')
		if at < 0 || at+1 == len(format) || n == len(args) {
			return string(append(b, format...))
		}
		b = append(b, format[:at]...)
		b = appendArg(b, format[at+1], args[n])
		format = format[at+2:]
	}
}

// Errorf returns an error with that text. It wraps the error that stands for %w.
func Errorf(format string, args ...any) error {
	e := &formatted{text: Sprintf(format, args...)}
	for n := 0; n < len(args); n++ {
		at := strings.IndexByte(format, '%')
		if at < 0 || at+1 == len(format) {
			break
		}
		if format[at+1] == 'w' {
			e.wrapped, _ = args[n].(error)
		}
		format = format[at+2:]
	}
	return e
}

// formatted is an error that Errorf has made.
type formatted struct {
	text    string
	wrapped error // nil: none
}

func (e *formatted) Error() string { return e.text }
func (e *formatted) Unwrap() error { return e.wrapped }

// appendArg appends an argument as the verb asks for it.
func appendArg(b []byte, verb byte, arg any) []byte {
	switch a := arg.(type) {
	case rune:
		if verb == 'q' {
			return strconv.AppendQuoteRune(b, a)
		}
		return strconv.AppendInt(b, int64(a), 10)
	case int:
		return strconv.AppendInt(b, int64(a), 10)
	case int64:
		return strconv.AppendInt(b, a, 10)
	case uint8:
		return strconv.AppendUint(b, uint64(a), 10)
	case uint16:
		return strconv.AppendUint(b, uint64(a), 10)
	case uint32:
		return strconv.AppendUint(b, uint64(a), 10)
	case uint64:
		return strconv.AppendUint(b, a, 10)
	}
	s := "%!" + string(verb) // of a type that is not known here
	switch a := arg.(type) {
	case string:
		s = a
	case []byte:
		s = string(a)
	case error:
		s = a.Error()
	case interface{ String() string }:
		s = a.String()
	}
	if verb == 'q' {
		return strconv.AppendQuote(b, s)
	}
	return append(b, s...)
}
