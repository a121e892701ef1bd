package script

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/dop251/goja/ast"
)

// categories are the long names of Unicode's general categories.
var categories = map[string]string{
	"Letter": "L", "Cased_Letter": "LC", "Uppercase_Letter": "Lu", "Lowercase_Letter": "Ll", "Titlecase_Letter": "Lt", "Modifier_Letter": "Lm",
	"Other_Letter": "Lo", "Mark": "M", "Nonspacing_Mark": "Mn", "Spacing_Mark": "Mc", "Enclosing_Mark": "Me", "Number": "N",
	"Decimal_Number": "Nd", "Letter_Number": "Nl", "Other_Number": "No", "Punctuation": "P", "Connector_Punctuation": "Pc",
	"Dash_Punctuation": "Pd", "Open_Punctuation": "Ps", "Close_Punctuation": "Pe", "Initial_Punctuation": "Pi", "Final_Punctuation": "Pf",
	"Other_Punctuation": "Po", "Symbol": "S", "Math_Symbol": "Sm", "Currency_Symbol": "Sc", "Modifier_Symbol": "Sk", "Other_Symbol": "So",
	"Separator": "Z", "Space_Separator": "Zs", "Line_Separator": "Zl", "Paragraph_Separator": "Zp", "Control": "Cc", "Format": "Cf",
	"punct": "P", "digit": "Nd",
}

// tablesOf returns the tables whose union a property is, or nil if it is not known.
func tablesOf(property string) []*unicode.RangeTable {
	key, value, ok := strings.Cut(property, "=")
	switch {
	case !ok:
		value = key
	case key == "Script" || key == "sc" || key == "Script_Extensions" || key == "scx":
		if t := unicode.Scripts[value]; t != nil {
			return []*unicode.RangeTable{t}
		}
		return nil
	case key != "General_Category" && key != "gc":
		return nil
	}
	if short, ok := categories[value]; ok {
		value = short
	}
	switch value {
	case "LC":
		return []*unicode.RangeTable{unicode.Lu, unicode.Ll, unicode.Lt}
	case "Alphabetic", "Alpha":
		return []*unicode.RangeTable{unicode.L, unicode.Nl, unicode.Other_Alphabetic}
	case "Lowercase", "Lower":
		return []*unicode.RangeTable{unicode.Ll, unicode.Other_Lowercase}
	case "Uppercase", "Upper":
		return []*unicode.RangeTable{unicode.Lu, unicode.Other_Uppercase}
	}
	if t := unicode.Categories[value]; t != nil {
		return []*unicode.RangeTable{t}
	}
	if t := unicode.Properties[value]; t != nil {
		return []*unicode.RangeTable{t}
	}
	return nil
}

// rangesOf returns a property, or all that has not got it, as ranges of a class.
func rangesOf(property string, not bool) (string, bool) {
	tables := tablesOf(property)
	if tables == nil {
		return "", false
	}
	var in [][2]rune
	for _, t := range tables {
		for _, r := range t.R16 {
			in = appendRange(in, rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			in = appendRange(in, rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	slices.SortFunc(in, func(a, b [2]rune) int { return int(a[0] - b[0]) })
	var b strings.Builder
	write := func(lo, hi rune) {
		if lo <= hi {
			fmt.Fprintf(&b, `\u{%X}-\u{%X}`, lo, hi)
		}
	}
	next := rune(0) // behind what has been looked at
	for i := 0; i < len(in); {
		lo, hi := in[i][0], in[i][1]
		for i++; i < len(in) && in[i][0] <= hi+1; i++ {
			hi = max(hi, in[i][1])
		}
		if not {
			write(next, lo-1)
		} else {
			write(lo, hi)
		}
		next = hi + 1
	}
	if not {
		write(next, unicode.MaxRune)
	}
	return b.String(), true
}

func appendRange(list [][2]rune, lo, hi, stride rune) [][2]rune {
	if stride == 1 {
		return append(list, [2]rune{lo, hi})
	}
	for c := lo; c <= hi; c += stride {
		list = append(list, [2]rune{c, c})
	}
	return list
}

// spellOut replaces classes by property in a regular expression for Unicode, which the
// engine does not know, by their ranges.
func spellOut(e *ast.RegExpLiteral) {
	if !strings.ContainsAny(e.Flags, "uv") || !strings.Contains(e.Pattern, `\p{`) && !strings.Contains(e.Pattern, `\P{`) {
		return
	}
	var b strings.Builder
	inClass := false
	for i := 0; i < len(e.Pattern); i++ {
		c := e.Pattern[i]
		switch {
		case c == '[':
			inClass = true
		case c == ']':
			inClass = false
		case c == '\\' && i+1 < len(e.Pattern):
			if end := strings.IndexByte(e.Pattern[i:], '}'); (e.Pattern[i+1] == 'p' || e.Pattern[i+1] == 'P') && end > 3 {
				if ranges, ok := rangesOf(e.Pattern[i+3:i+end], e.Pattern[i+1] == 'P'); ok {
					if !inClass {
						ranges = "[" + ranges + "]"
					}
					b.WriteString(ranges)
					i += end
					continue
				}
			}
			b.WriteByte(c)
			i++
			c = e.Pattern[i]
		}
		b.WriteByte(c)
	}
	e.Pattern = b.String()
}
