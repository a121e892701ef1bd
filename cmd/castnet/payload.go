package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// A source returns the next payload to send, and io.EOF after the last. The
// payload is valid until the next call.
type source func() ([]byte, error)

// once is the source of one payload.
func once(p []byte) source {
	given := false
	return func() ([]byte, error) {
		if given {
			return nil, io.EOF
		}
		given = true
		return p, nil
	}
}

// payloads returns what to send: the arguments, or else standard input, or else
// nothing but the size that was asked for.
func (s *sender) payloads(ctx context.Context, args []string) (source, error) {
	switch {
	case len(args) > 0:
		text := strings.Join(args, " ")
		p := []byte(text)
		if s.hex {
			var err error
			if p, err = hex.DecodeString(strings.ReplaceAll(text, " ", "")); err != nil {
				return nil, fmt.Errorf("%s is not hexadecimal: %w", quote(text), err)
			}
		}
		if len(p) > maxPayload && (s.size < 0 || s.size > maxPayload) {
			return nil, fmt.Errorf("the payload has %d bytes; a datagram carries %d", len(p), maxPayload)
		}
		return once(p), nil
	case s.hex:
		return nil, errors.New("--hex is about a payload among the arguments, and there is none")
	case s.lines || s.size < 0 && isTerminal(os.Stdin):
		return interruptibly(ctx, linesOf(os.Stdin)), nil
	case s.size >= 0:
		return once(nil), nil
	}
	return interruptibly(ctx, allOf(os.Stdin)), nil
}

// isTerminal reports whether somebody sits at the other end of f, as far as can
// be told.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && !isNull(info)
}

// isNull reports whether a file is the null device, which is no terminal though
// it is a character device.
func isNull(info os.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(info, null)
}

// allOf is the source of one payload, all that can be read.
func allOf(r io.Reader) source {
	given := false
	return func() ([]byte, error) {
		if given {
			return nil, io.EOF
		}
		given = true
		p, err := io.ReadAll(io.LimitReader(r, maxPayload+1))
		if err == nil && len(p) > maxPayload {
			err = fmt.Errorf("standard input is longer than a datagram can be, %d bytes; --lines sends a datagram a line", maxPayload)
		}
		return p, err
	}
}

// linesOf is the source of a payload a line, without the line's end.
func linesOf(r io.Reader) source {
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, maxPayload+2)
	n := 0
	return func() ([]byte, error) {
		n++
		if scan.Scan() {
			return scan.Bytes(), nil
		}
		err := scan.Err()
		switch {
		case err == nil:
			err = io.EOF
		case errors.Is(err, bufio.ErrTooLong):
			err = fmt.Errorf("line %d of standard input is longer than a datagram can be, %d bytes", n, maxPayload)
		}
		return nil, err
	}
}

// interruptibly is a source that ends with the context, even while its reader
// waits for input.
func interruptibly(ctx context.Context, next source) source {
	type item struct {
		p   []byte
		err error
	}
	items := make(chan item)
	ask := make(chan struct{})
	go func() {
		for range ask {
			p, err := next()
			items <- item{p, err}
		}
	}()
	return func() ([]byte, error) {
		select {
		case ask <- struct{}{}:
		case <-ctx.Done():
			return nil, io.EOF
		}
		select {
		case i := <-items:
			return i.p, i.err
		case <-ctx.Done():
			return nil, io.EOF
		}
	}
}
