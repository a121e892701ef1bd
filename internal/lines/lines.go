// Package lines makes lines of what is written piece by piece.
package lines

import "bytes"

// A Splitter hands on each line that has ended, without its end. It is not safe for
// concurrent use.
type Splitter struct {
	Max  int               // a line that gets as long is handed on as it is, and goes on as another
	Each func(line []byte) // which may not keep the line

	rest []byte // of a line that has not ended
}

// Write hands on the lines that end in b. It does not fail.
func (s *Splitter) Write(b []byte) (int, error) {
	s.rest = append(s.rest, b...)
	for {
		i := bytes.IndexByte(s.rest, '\n')
		if i < 0 && len(s.rest) < s.Max {
			return len(b), nil
		}
		if i < 0 {
			i = len(s.rest)
		}
		s.Each(s.rest[:i])
		s.rest = s.rest[min(i+1, len(s.rest)):]
	}
}

// Flush hands on a line that has not ended, if there is one.
func (s *Splitter) Flush() {
	if len(s.rest) > 0 {
		s.Each(s.rest)
		s.rest = nil
	}
}
