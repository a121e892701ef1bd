package script

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What esbuild prints of a module as CommonJS. A module's namespace is made by
// lib/module.js instead of its helpers, since these cannot know whether what a file
// requires is a CommonJS module or one of ECMAScript.
var (
	helperESM   = regexp.MustCompile(`(?s)\bvar __toESM = \(mod, isNodeMode, target\) => \(.*?\n\)\);`)
	helperJS    = regexp.MustCompile(`\bvar __toCommonJS = .*`)
	requireESM  = regexp.MustCompile(`__toESM\(require\(`)
	requireMore = regexp.MustCompile(`(?m)^(__reExport\([\w$]+, )require(\("[^"\n]*"\)(?:, module\.exports)?\);)$`)
	requireOnly = regexp.MustCompile(`(?m)^(var [\w$]+ = )?require(\("[^"\n]*"\);)$`)
	madeModule  = regexp.MustCompile(`(?m)^(?:var [\w$]+ = __toESM\(require\(|module\.exports = __toCommonJS\()`)
	imported    = regexp.MustCompile(`(?m)(?:^|__import\.getters\(\{.*?\}\); )(?:var [\w$]+ = __toESM\(|const [^"\n]* = |\} = |__reExport\([\w$]+, |__import\.star\(module\.exports, |var [\w$]+ = )?__import\(("[^"\n]*")\)`)
)

// isModuleText reports whether esbuild has made a text out of a module.
func isModuleText(text string) bool { return madeModule.MatchString(text) }

// importing makes a text that esbuild has printed get what it imports by __import. The
// lines stay what they are.
func importing(text string, isModule bool) string {
	blank := func(with string) func(string) string {
		return func(s string) string { return with + strings.Repeat("\n", strings.Count(s, "\n")) }
	}
	text = helperESM.ReplaceAllStringFunc(text, blank("var __toESM = (namespace) => namespace;"))
	text = helperJS.ReplaceAllStringFunc(text, blank("var __toCommonJS = __import.namespace;"))
	text = requireESM.ReplaceAllString(text, "__toESM(__import(")
	text = requireMore.ReplaceAllString(text, "${1}__import$2")
	if isModule {
		text = requireOnly.ReplaceAllString(text, "${1}__import$2")
	}
	return text
}

// A statement is what a module imports from another.
type statement struct {
	request string
	names   []string // which are exported there
}

// Where esbuild has printed what a module imports by name.
var (
	importVariable = regexp.MustCompile(`(?m)^var (import_[\w$]+) = (?:__toESM\()?__import\(("[^"\n]*")\)`)
	importUse      = regexp.MustCompile(`\b(import_[\w$]+)\.([\w$]+)`)
	importPattern  = regexp.MustCompile(`\{([^{}]*)\} = __import\(("[^"\n]*")\)`)
)

// importsOf returns what a text imports by statements.
func importsOf(text string) []statement {
	var list []statement
	at := make(map[string]int)
	for _, m := range imported.FindAllStringSubmatch(text, -1) {
		if name, err := strconv.Unquote(m[1]); err == nil {
			if _, ok := at[name]; !ok {
				at[name] = len(list)
				list = append(list, statement{request: name})
			}
		}
	}
	add := func(quoted, name string) {
		request, err := strconv.Unquote(quoted)
		if i, ok := at[request]; ok && err == nil && name != "" && !slices.Contains(list[i].names, name) {
			list[i].names = append(list[i].names, name)
		}
	}
	variables := make(map[string]string)
	for _, m := range importVariable.FindAllStringSubmatch(text, -1) {
		variables[m[1]] = m[2]
	}
	for _, m := range importUse.FindAllStringSubmatch(text, -1) {
		add(variables[m[1]], m[2])
	}
	for _, m := range importPattern.FindAllStringSubmatch(text, -1) {
		for _, item := range strings.Split(m[1], ",") {
			name, _, _ := strings.Cut(item, ":")
			add(m[2], strings.TrimSpace(name))
		}
	}
	return list
}

// importTable is a list of statements for JavaScript.
func importTable(list []statement) [][]any {
	table := make([][]any, len(list))
	for i, s := range list {
		table[i] = []any{s.request, s.names}
	}
	return table
}

// The statements of modules, in the form in which esbuild prints them.
var (
	importFrom = regexp.MustCompile(`(?m)^import ([^"';]*?) from ("[^"\n]*")(?: with \{[^}]*\})?;$`)
	importOnly = regexp.MustCompile(`(?m)^import ("[^"\n]*");$`)
	exportFrom = regexp.MustCompile(`(?m)^export \* from ("[^"\n]*");$`)
	exportList = regexp.MustCompile(`(?m)^export \{([^}]*)\};$`)
)

// asyncBody makes the body of an asynchronous function of a module that awaits, as
// printed by esbuild.
func asyncBody(text string) string {
	text = importFrom.ReplaceAllStringFunc(text, func(statement string) string {
		m := importFrom.FindStringSubmatch(statement)
		names, module := m[1], m[2]
		var parts []string
		if i := strings.IndexByte(names, '{'); i >= 0 {
			list := strings.TrimRight(names[i+1:], " \n}")
			parts = append(parts, fmt.Sprintf("{%s } = __import(%s)", strings.ReplaceAll(list, " as ", ": "), module))
			names = strings.TrimRight(names[:i], ", \n")
		}
		for _, name := range strings.Split(names, ",") {
			name = strings.TrimSpace(name)
			if namespace, ok := strings.CutPrefix(name, "* as "); ok {
				parts = append(parts, fmt.Sprintf("%s = __import(%s)", namespace, module))
			} else if name != "" {
				parts = append(parts, fmt.Sprintf("{ default: %s } = __import(%s)", name, module))
			}
		}
		return "const " + strings.Join(parts, ", ") + ";"
	})
	text = importOnly.ReplaceAllString(text, "__import($1);")
	text = exportFrom.ReplaceAllString(text, "__import.star(module.exports, __import($1));")
	var exports strings.Builder
	text = exportList.ReplaceAllStringFunc(text, func(s string) string {
		for _, item := range strings.Split(exportList.FindStringSubmatch(s)[1], ",") {
			local, name, ok := strings.Cut(strings.TrimSpace(item), " as ")
			if !ok {
				name = local
			}
			if local != "" {
				fmt.Fprintf(&exports, "%s: () => %s, ", name, local)
			}
		}
		return strings.Repeat("\n", strings.Count(s, "\n"))
	})
	return "return (async () => { module.exports = __import.getters({ " + exports.String() + "}); " + text + "\n})();"
}
