package lines

import (
	"slices"
	"testing"
)

func TestSplitter(t *testing.T) {
	for name, tc := range map[string]struct{ writes, want []string }{
		"nothing":       {nil, nil},
		"a line":        {[]string{"one\n"}, []string{"one"}},
		"two in one":    {[]string{"one\ntwo\n"}, []string{"one", "two"}},
		"in pieces":     {[]string{"o", "", "ne\nt", "wo", "\n"}, []string{"one", "two"}},
		"empty lines":   {[]string{"\n\n", "\n"}, []string{"", "", ""}},
		"without end":   {[]string{"one\ntwo"}, []string{"one", "two"}},
		"long":          {[]string{"12345", "678", "9\nx\n"}, []string{"12345678", "9", "x"}},
		"long at once":  {[]string{"123456789\n"}, []string{"123456789"}},
		"long, and end": {[]string{"12345678", "\n"}, []string{"12345678", ""}},
	} {
		var got []string
		s := Splitter{Max: 8, Each: func(line []byte) { got = append(got, string(line)) }}
		for _, w := range tc.writes {
			if n, err := s.Write([]byte(w)); n != len(w) || err != nil {
				t.Errorf("%s: Write: %d, %v", name, n, err)
			}
		}
		s.Flush()
		s.Flush()
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}
