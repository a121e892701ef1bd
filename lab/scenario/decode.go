package scenario

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/castnet-go/castnet/lab"
)

// A decoder fills Go values from YAML nodes, strictly: a key that is not known,
// given twice or missing, or a value of the wrong kind, is an error with its
// line, and so is a list that is too long.
//
// Struct fields are matched by the tag yaml:"key,option,…". The options are
// "required", "max=N" for the length of a list or mapping, and "named" for a
// mapping from names to structs, kept in order in a slice whose elements have a
// field Name.
type decoder struct {
	file  string
	errs  []error
	more  int         // errors that are not in errs
	cause error       // the first reason why the lab could not be built
	lines map[any]int // the line of each value, by the pointer to it
	count int         // values so far
}

const (
	// maxErrors is how many mistakes are reported at once.
	maxErrors = 10
	// maxValues bounds what a file comes to when its aliases are followed,
	// and maxList every list that has no bound of its own.
	maxValues = 300_000
	maxList   = 1000
)

// scalar is a value that is written as one word.
type scalar interface {
	// set takes the value from text. The error says what is wrong with it,
	// and what would not be.
	set(text string) error
}

// custom is a value that decodes itself.
type custom interface {
	decode(d *decoder, n *yaml.Node, path string)
}

func (d *decoder) errorf(line int, path, format string, args ...any) {
	if len(d.errs) >= maxErrors {
		d.more++
		return
	}
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	d.errs = append(d.errs, fmt.Errorf("%s:%d: %s", d.file, line, printable(text)))
}

// printable returns text with everything escaped that is not plainly printable:
// what stands in a file must not command the terminal.
func printable(text string) string {
	var b strings.Builder
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)) {
			fmt.Fprintf(&b, `\x%02x`, text[i])
		} else if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// err returns all that was wrong, a line a mistake.
func (d *decoder) err() error {
	if d.more > 0 {
		return errors.Join(append(d.errs, fmt.Errorf("%s: and %d mistakes more", d.file, d.more))...)
	}
	return errors.Join(d.errs...)
}

// line returns the line of the value that p points to, and of what it is in if
// it was left out.
func (d *decoder) line(ps ...any) int {
	for _, p := range ps {
		if n := d.lines[p]; n > 0 {
			return n
		}
	}
	return 1
}

// value decodes n into v, which can be addressed.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if d.count++; d.count > maxValues {
		if d.count == maxValues+1 {
			d.errs = append(d.errs, fmt.Errorf("%s:%d: the file has more than %d values, aliases followed", d.file, n.Line, maxValues))
		}
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
		return
	}
	p := v.Addr().Interface()
	d.lines[p] = n.Line
	switch t := p.(type) {
	case custom:
		t.decode(d, n, path)
		return
	case scalar:
		if text, ok := d.text(n, path); ok {
			if err := t.set(text); err != nil {
				d.errorf(n.Line, path, "%v", err)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.object(n, v, path)
	case reflect.Slice:
		d.list(n, v, path, maxList)
	case reflect.Bool:
		d.boolean(n, v, path)
	case reflect.Int, reflect.Uint64:
		d.number(n, v, path)
	case reflect.String:
		if text, ok := d.text(n, path); ok {
			v.SetString(text)
		}
	default:
		panic("scenario: cannot decode " + v.Type().String())
	}
}

// text returns a scalar as it is written.
func (d *decoder) text(n *yaml.Node, path string) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode:
		d.errorf(n.Line, path, "this is %s; one value is expected", kind(n))
		return "", false
	case n.ShortTag() == "!!null":
		d.errorf(n.Line, path, "the value is missing")
		return "", false
	}
	return n.Value, true
}

func (d *decoder) boolean(n *yaml.Node, v reflect.Value, path string) {
	text, ok := d.text(n, path)
	switch {
	case !ok:
	case text != "true" && text != "false":
		d.errorf(n.Line, path, "%q is neither true nor false", text)
	default:
		v.SetBool(text == "true")
	}
}

func (d *decoder) number(n *yaml.Node, v reflect.Value, path string) {
	text, ok := d.text(n, path)
	if !ok {
		return
	}
	var err error
	if v.Kind() == reflect.Int {
		var i int64
		if i, err = strconv.ParseInt(text, 10, 63); err == nil && i < 0 {
			d.errorf(n.Line, path, "%s is negative", text)
			return
		}
		v.SetInt(i)
	} else {
		var i uint64
		i, err = strconv.ParseUint(text, 0, 64)
		v.SetUint(i)
	}
	switch {
	case errors.Is(err, strconv.ErrRange):
		d.errorf(n.Line, path, "%s is too large", text)
	case err != nil:
		d.errorf(n.Line, path, "%q is no whole number", text)
	}
}

// list decodes a sequence.
func (d *decoder) list(n *yaml.Node, v reflect.Value, path string, limit int) {
	if n.Kind != yaml.SequenceNode {
		d.errorf(n.Line, path, "this is %s; a list is expected, as in [a, b]", kind(n))
		return
	}
	if len(n.Content) > limit {
		d.errorf(n.Line, path, "there are %d; at most %d are possible", len(n.Content), limit)
		return
	}
	// All are made before any is filled, so that they stay where lines has
	// them.
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

// entry is a key of a mapping, with its value.
type entry struct {
	key   string
	line  int
	value *yaml.Node
}

// entries returns what a mapping holds.
func (d *decoder) entries(n *yaml.Node, path string) (list []entry, ok bool) {
	if n.Kind != yaml.MappingNode {
		d.errorf(n.Line, path, "this is %s; keys with values are expected", kind(n))
		return nil, false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		switch {
		case k.Kind != yaml.ScalarNode:
			d.errorf(k.Line, path, "a key is one word, and this is %s", kind(k))
			continue
		case k.ShortTag() == "!!merge":
			d.errorf(k.Line, path, "merging by << is not supported; repeat the keys, or use an alias for the whole value")
			continue
		}
		if j := slices.IndexFunc(list, func(e entry) bool { return e.key == k.Value }); j >= 0 {
			d.errorf(k.Line, path, "%q is here twice; the first is in line %d", k.Value, list[j].line)
			continue
		}
		list = append(list, entry{k.Value, k.Line, n.Content[i+1]})
	}
	return list, true
}

// object decodes a mapping into a struct.
func (d *decoder) object(n *yaml.Node, v reflect.Value, path string) {
	entries, ok := d.entries(n, path)
	if !ok {
		return
	}
	fields := fieldsOf(v.Type())
	for _, e := range entries {
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == e.key })
		if i < 0 {
			var known []string
			for _, f := range fields {
				known = append(known, f.key)
			}
			d.errorf(e.line, path, "there is no key %q; %s", e.key, suggest(e.key, known))
			continue
		}
		f := fields[i]
		at, to := join(path, e.key), v.FieldByIndex(f.index)
		val := e.value
		if val.Kind == yaml.AliasNode {
			val = val.Alias
		}
		switch {
		case f.named:
			d.named(val, to, at, f.max)
		case to.Kind() == reflect.Slice && !isCustom(to):
			d.lines[to.Addr().Interface()] = val.Line
			d.list(val, to, at, f.max)
		default:
			d.value(val, to, at)
		}
	}
	for _, f := range fields {
		if f.required && !slices.ContainsFunc(entries, func(e entry) bool { return e.key == f.key }) {
			d.errorf(n.Line, path, "%q is missing", f.key)
		}
	}
}

// named decodes a mapping from names to structs.
func (d *decoder) named(n *yaml.Node, v reflect.Value, path string, limit int) {
	entries, ok := d.entries(n, path)
	if !ok {
		return
	}
	if len(entries) > limit {
		d.errorf(n.Line, path, "there are %d; at most %d are possible", len(entries), limit)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(entries), len(entries)))
	for i, e := range entries {
		item := v.Index(i)
		item.FieldByName("Name").SetString(e.key)
		d.value(e.value, item, join(path, e.key))
		d.lines[item.Addr().Interface()] = e.line
	}
}

func isCustom(v reflect.Value) bool {
	_, ok := v.Addr().Interface().(custom)
	return ok
}

// field is a key that a struct knows.
type field struct {
	key             string
	index           []int
	max             int
	required, named bool
}

func fieldsOf(t reflect.Type) (list []field) {
	for _, v := range reflect.VisibleFields(t) {
		tag, ok := v.Tag.Lookup("yaml")
		if !ok {
			continue
		}
		parts := strings.Split(tag, ",")
		f := field{key: parts[0], index: v.Index, max: maxList}
		for _, option := range parts[1:] {
			limit, isMax := strings.CutPrefix(option, "max=")
			switch {
			case isMax:
				f.max, _ = strconv.Atoi(limit)
			case option == "required":
				f.required = true
			case option == "named":
				f.named = true
			}
		}
		list = append(list, f)
	}
	return list
}

// join returns the path of what stands under a key: quoted, if the key is not
// plain.
func join(path, key string) string {
	if lab.CheckName(key) != nil {
		key = shorten(strconv.Quote(key))
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// kind says what a node is.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if n.ShortTag() == "!!null" {
		return "empty"
	}
	return fmt.Sprintf("one value, %s", shorten(strconv.Quote(n.Value)))
}

func shorten(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:37], "") + "…" // not half a character
	}
	return s
}

// suggest says what may have been meant by a word that is not known.
func suggest(word string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if n := editDistance(strings.ToLower(word), strings.ToLower(k)); n < distance && n < len(k) {
			best, distance = k, n
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	if len(known) == 0 {
		return "there are none"
	}
	return "there are " + enumerate(known)
}

// enumerate lists words, at most twenty.
func enumerate(words []string) string {
	if len(words) > 20 {
		return strings.Join(words[:20], ", ") + ", …"
	}
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return strings.Join(words, "")
}

// editDistance counts the letters to insert, delete or replace that lead from
// one word to the other (Levenshtein). Long words are no typing mistakes.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
