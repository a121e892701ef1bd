package main

import (
	"context"
	"io"
	"strings"
	"testing"
)

// drain returns all payloads of a source, and what it ended with.
func drain(next source) (all []string, err error) {
	for {
		p, err := next()
		if err != nil {
			return all, err
		}
		all = append(all, string(p))
	}
}

func TestSources(t *testing.T) {
	long := strings.Repeat("x", maxPayload)
	for _, test := range []struct {
		name string
		next source
		want []string
		err  string
	}{
		{"once", once([]byte("a b")), []string{"a b"}, "EOF"},
		{"once, empty", once(nil), []string{""}, "EOF"},
		{"all", allOf(strings.NewReader("a\nb\n")), []string{"a\nb\n"}, "EOF"},
		{"all, empty", allOf(strings.NewReader("")), []string{""}, "EOF"},
		{"all, longest", allOf(strings.NewReader(long)), []string{long}, "EOF"},
		{"all, too long", allOf(strings.NewReader(long + "x")), nil, "longer than a datagram"},
		{"lines", linesOf(strings.NewReader("a\r\n\nb")), []string{"a", "", "b"}, "EOF"},
		{"lines, longest", linesOf(strings.NewReader(long + "\nb\n")), []string{long, "b"}, "EOF"},
		{"lines, too long", linesOf(strings.NewReader("a\n" + long + "xx\n")), []string{"a"}, "line 2 of standard input is longer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := drain(interruptibly(t.Context(), test.next))
			if strings.Join(got, "|") != strings.Join(test.want, "|") || len(got) != len(test.want) {
				t.Errorf("got %.100q, want %.100q", got, test.want)
			}
			if !strings.Contains(err.Error(), test.err) {
				t.Errorf("ended with %v, want %s", err, test.err)
			}
		})
	}
}

func TestInterruptibly(t *testing.T) {
	r, w := io.Pipe() // nobody writes
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	next := interruptibly(ctx, linesOf(r))
	cancel()
	if _, err := next(); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
}

func TestFit(t *testing.T) {
	for _, test := range []struct {
		size    int
		p, want string
	}{
		{-1, "hello", "hello"},
		{0, "hello", ""},
		{3, "hello", "hel"},
		{12, "hello", "hellohellohe"},
		{5, "", "01234"},
		{18, "", "0123456789abcdef01"},
	} {
		s := &sender{size: test.size}
		if got := string(s.fit([]byte(test.p))); got != test.want {
			t.Errorf("size %d, payload %q: got %q, want %q", test.size, test.p, got, test.want)
		}
	}
}
