package script

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

// frame matches a line of the engine's stacks: "\tat f (file.js:1:2(3))", without a
// name "\tat file.js:1:2(3)".
var frame = regexp.MustCompile(`^\tat (?:(.*) \()?(.*?)(?:\((\d+)\))?(\))?$`)

// formatStack gives a stack of the engine's the form of Node's. A stack that has it
// already stays as it is.
func formatStack(stack string) string {
	if !strings.Contains(stack, "\n\tat ") {
		return strings.TrimSuffix(stack, "\n")
	}
	var lines []string
	for _, line := range strings.Split(strings.TrimSuffix(stack, "\n"), "\n") {
		m := frame.FindStringSubmatch(line)
		switch {
		case m == nil:
			lines = append(lines, line)
		case !isOurs(m[1], m[2]):
			lines = append(lines, nodeFrame(m[1], m[2]))
		}
	}
	return strings.Join(lines, "\n")
}

// ours are the modules of lib that make errors and run modules. What they call each
// other says nothing to who reads a script's stack.
var ours = []string{libPrefix + "module.js:", libPrefix + "internal/errors.js:", libPrefix + "internal/esm.js:", libPrefix + "internal/start.js:", libPrefix + "internal/ticks.js:"}

// isOurs reports whether a frame is of those that are not shown.
func isOurs(name, place string) bool {
	if place == "native" || place == "<native>" {
		return name == "" || name == "apply" || strings.HasPrefix(name, goPrefix)
	}
	return slices.ContainsFunc(ours, func(prefix string) bool { return strings.HasPrefix(place, prefix) })
}

// formatStacks gives the stacks in a text that is written the form of Node's.
func formatStacks(text string) string {
	if !strings.Contains(text, "\n\tat ") {
		return text
	}
	formatted := formatStack(text)
	if strings.HasSuffix(text, "\n") {
		// The engine's end with a newline of their own.
		formatted = strings.TrimRight(formatted, "\n") + "\n"
	}
	return formatted
}

// goPrefix begins the names that the engine gives to functions of this package.
const goPrefix = "github.com/castnet-go/castnet/"

// nodeFrame is one line of a stack in Node's form.
func nodeFrame(name, place string) string {
	if place == "native" {
		place = "<native>"
	}
	if strings.HasPrefix(place, libPrefix) {
		place = "node:" + strings.TrimPrefix(strings.Replace(place, ".js:", ":", 1), libPrefix)
	}
	if i := strings.LastIndex(place, ":1:"); i >= 0 && !strings.HasPrefix(place, "node:") {
		// In front of the first line is the wrapper.
		if c, err := strconv.Atoi(place[i+len(":1:"):]); err == nil && c > len(wrapper) {
			place = place[:i] + ":1:" + strconv.Itoa(c-len(wrapper))
		}
	}
	if name == "" || name == "<anonymous>" || strings.HasPrefix(name, goPrefix) {
		return "    at " + place
	}
	return "    at " + name + " (" + place + ")"
}

// stackHere returns the stack of who calls the function that JavaScript has called,
// without the innermost skip frames, in Node's form.
func (r *Runtime) stackHere(skip int) []string {
	frames := r.vm.CaptureCallStack(0, nil)
	var lines []string
	for i := range frames {
		if i < skip {
			continue
		}
		f := &frames[i]
		p := f.Position()
		if isOurs(f.FuncName(), p.Filename+":") || f.SrcName() == "<native>" && isOurs(f.FuncName(), "native") {
			continue
		}
		if f.SrcName() == "<native>" || p.Line == 0 {
			lines = append(lines, nodeFrame(f.FuncName(), "<native>"))
			continue
		}
		lines = append(lines, nodeFrame(f.FuncName(), p.Filename+":"+strconv.Itoa(p.Line)+":"+strconv.Itoa(p.Column)))
	}
	return lines
}

// place matches the first place in a script that a stack names.
var place = regexp.MustCompile(`\n    at (?:.* \()?(/[^\n]*?):(\d+):(\d+)`)

// describe returns what is printed of a value that nobody caught: where, the line of
// the script, and the error with its stack and properties, as Node prints it.
func (r *Runtime) describe(value goja.Value, thrown *goja.Exception) string {
	text, stack := "", ""
	if o, ok := value.(*goja.Object); ok {
		if s := o.Get("stack"); s != nil {
			stack = formatStack(s.String())
		}
	}
	if inspect := r.inspector(); inspect != nil {
		if v, err := inspect(goja.Undefined(), value); err == nil {
			text = v.String()
		}
	}
	if text == "" {
		text = value.String()
	}
	where := stack
	if thrown != nil {
		// What is not an error has no stack of its own.
		if where == "" {
			where = formatStack(thrown.String())
		}
	}
	head := ""
	if m := place.FindStringSubmatch(where); m != nil {
		head = excerpt(m[1], m[2], m[3])
	}
	if stack == "" {
		text = "Uncaught:\n" + text
		if thrown != nil {
			text += "\n(thrown at:" + strings.TrimPrefix(where, strings.SplitN(where, "\n", 2)[0]) + ")"
		}
	}
	return head + text + "\n"
}

// inspector returns util.inspect, if that far has been got.
func (r *Runtime) inspector() goja.Callable {
	m, ok := r.builtins["internal/inspect"]
	if !ok {
		return nil
	}
	f, _ := goja.AssertFunction(m.Get("exports").ToObject(r.vm).Get("inspect"))
	return f
}

// excerpt returns the line of a file, with a mark below the column.
func excerpt(file, line, column string) string {
	n, _ := strconv.Atoi(line)
	c, _ := strconv.Atoi(column)
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	lines := strings.Split(string(b), "\n")
	if n < 1 || n > len(lines) || len(lines[n-1]) > 500 {
		return ""
	}
	return fmt.Sprintf("%s:%d\n%s\n%s^\n\n", file, n, lines[n-1], strings.Repeat(" ", max(c-1, 0)))
}

// lineAndColumn matches where a message says that something is wrong.
var lineAndColumn = regexp.MustCompile(`Line (\d+):(\d+) `)

// syntaxError is an error of compiling as Node prints it.
func (r *Runtime) syntaxError(filename string, err error) *goja.Object {
	message := err.Error()
	var c *goja.CompilerSyntaxError
	isCompiler := errors.As(err, &c) // whose columns are those of the wrapped source
	if isCompiler {
		message = c.Message
	}
	message = strings.TrimPrefix(message, "SyntaxError: ")
	message = strings.ReplaceAll(message, filename+": ", "")
	o, e := r.vm.New(r.vm.Get("SyntaxError"), r.vm.ToValue(message))
	if e != nil {
		return r.vm.NewTypeError(message)
	}
	if m := lineAndColumn.FindStringSubmatch(message); m != nil {
		if c, _ := strconv.Atoi(m[2]); m[1] == "1" && c > len(wrapper) && isCompiler {
			m[2] = strconv.Itoa(c - len(wrapper))
			message = strings.Replace(message, m[0], "Line 1:"+m[2]+" ", 1)
			o.Set("message", message)
		}
		o.Set("stack", fmt.Sprintf("SyntaxError: %s\n    at %s:%s:%s", message, filename, m[1], m[2]))
	} else {
		o.Set("stack", fmt.Sprintf("SyntaxError: %s\n    at %s", message, filepath.Clean(filename)))
	}
	return o
}
