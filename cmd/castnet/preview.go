package main

import (
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"
)

// previewLength is how many bytes of a payload are shown.
const previewLength = 64

// preview returns the beginning of a payload in quotes, with everything escaped
// that is not plainly printable: what a stranger sends must not command the
// terminal.
func preview(p []byte) string {
	if len(p) <= previewLength {
		return quote(string(p))
	}
	cut := previewLength
	// Not within a character, if it is one.
	for i := 0; i < utf8.UTFMax && !utf8.RuneStart(p[cut]); i++ {
		cut--
	}
	return quote(string(p[:cut])) + "…"
}

// quote is strconv.Quote, which escapes control characters, invalid UTF-8, and
// characters that are invisible or change the direction of writing.
func quote(s string) string { return strconv.Quote(s) }

// hexDump returns the payload in the format of hexdump -C, indented.
func hexDump(p []byte) string {
	dump := strings.TrimSuffix(hex.Dump(p), "\n")
	return "  " + strings.ReplaceAll(dump, "\n", "\n  ")
}

// plural returns "1 datagram", "2 datagrams".
func plural(n int, what string) string {
	s := strconv.Itoa(n) + " " + what
	if n != 1 {
		s += "s"
	}
	return s
}
