package script

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/dop251/goja"
	"github.com/evanw/esbuild/pkg/api"
)

// wrapper is what a module of a script is the body of.
const wrapper = "(function (exports, require, module, __filename, __dirname) { "

// compile makes a function of a module. Source that the engine does not understand
// (import and export, for await, using) is rewritten first, with a source map, so
// that stacks still name the lines of the file; all other source is run as it is.
func compile(filename, source string, isModule bool) (*goja.Program, error) {
	if strings.HasPrefix(source, "#!") {
		source = "//" + source
	}
	if !isModule {
		p, err := parse(filename, wrapper+source+"\n})")
		if err == nil {
			return p, nil
		}
		text, lowered := lower(filename, source, isModule)
		if lowered != nil {
			return nil, lowered
		}
		// If that is not understood either, it is no wiser than the first error.
		if q, e := parse(filename, wrapper+text+"\n})"); e == nil {
			return q, nil
		}
		return nil, err
	}
	text, err := lower(filename, source, isModule)
	if err != nil {
		return nil, err
	}
	return parse(filename, wrapper+text+"\n})")
}

// lower rewrites source in the language of 2017, with generators for asynchronous
// ones, as a CommonJS module.
func lower(filename, source string, isModule bool) (string, error) {
	name := filename
	if isModule && !strings.HasSuffix(name, ".mjs") {
		// By the name esbuild knows that import means what it means in Node.
		name = strings.TrimSuffix(name, filepath.Ext(name)) + ".mjs"
	}
	loader := api.LoaderJS
	if ext := filepath.Ext(filename); ext == ".ts" || ext == ".mts" || ext == ".cts" {
		loader = api.LoaderTS
	}
	options := api.TransformOptions{
		Loader:   loader,
		Format:   api.FormatCommonJS,
		Platform: api.PlatformNode,
		Target:   api.ES2017,
		Supported: map[string]bool{
			"class-field": true, "class-private-field": true, "bigint": true, "object-rest-spread": true, "dynamic-import": false,
		},
		Sourcemap:      api.SourceMapInline,
		SourcesContent: api.SourcesContentExclude,
		Sourcefile:     name,
		LogLevel:       api.LogLevelSilent,
		Define: map[string]string{
			"import.meta.url": "__importMetaURL", "import.meta.filename": "__filename", "import.meta.dirname": "__dirname",
			"import.meta.main": "__importMetaMain",
		},
	}
	result := api.Transform(source, options)
	awaits := len(result.Errors) > 0 && strings.HasPrefix(result.Errors[0].Text, "Top-level await")
	if awaits {
		// Only what stays a module may await.
		options.Format = api.FormatESModule
		options.Supported["top-level-await"] = true
		result = api.Transform(source, options)
	}
	if len(result.Errors) > 0 {
		e := result.Errors[0]
		if e.Location == nil {
			return "", fmt.Errorf("%s", e.Text)
		}
		return "", fmt.Errorf("%s: Line %d:%d %s", filename, e.Location.Line, e.Location.Column+1, e.Text)
	}
	text := string(result.Code)
	if awaits {
		text = asyncBody(text)
	}
	if strings.Contains(text, "__importMeta") {
		text = `const __importMetaURL = require("url").pathToFileURL(__filename).href, __importMetaMain = require.main === module; ` + text
	}
	return text, nil
}

// The statements of modules, in the form in which esbuild prints them.
var (
	importFrom    = regexp.MustCompile(`(?m)^import ([^"';]*?) from ("[^"\n]*");$`)
	importOnly    = regexp.MustCompile(`(?m)^import ("[^"\n]*");$`)
	exportList    = regexp.MustCompile(`(?m)^export \{[^}]*\};$`)
	exportDefault = regexp.MustCompile(`(?m)^export default `)
)

// asyncBody makes the body of an asynchronous function of a module that awaits, as
// printed by esbuild. Its exports come too late for whoever would require it, so that
// it is good for a program, and not for a library.
func asyncBody(text string) string {
	text = importFrom.ReplaceAllStringFunc(text, func(statement string) string {
		m := importFrom.FindStringSubmatch(statement)
		names, module := m[1], m[2]
		var parts []string
		if i := strings.IndexByte(names, '{'); i >= 0 {
			list := strings.TrimRight(names[i+1:], " \n}")
			parts = append(parts, fmt.Sprintf("{%s } = require(%s)", strings.ReplaceAll(list, " as ", ": "), module))
			names = strings.TrimRight(names[:i], ", \n")
		}
		for _, name := range strings.Split(names, ",") {
			name = strings.TrimSpace(name)
			if namespace, ok := strings.CutPrefix(name, "* as "); ok {
				parts = append(parts, fmt.Sprintf("%s = require(%s)", namespace, module))
			} else if name != "" {
				parts = append(parts, fmt.Sprintf("%s = ((m) => m && m.__esModule ? m.default : m)(require(%s))", name, module))
			}
		}
		return "const " + strings.Join(parts, ", ") + ";"
	})
	text = importOnly.ReplaceAllString(text, "require($1);")
	text = exportList.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat("\n", strings.Count(s, "\n")) })
	text = exportDefault.ReplaceAllString(text, "exports.default = ")
	return "(async () => { " + text + "\n})();"
}

// bindModule is what lib/module.js needs.
func (r *Runtime) bindModule(o *goja.Object) {
	o.Set("compile", func(filename, source string, isModule bool) goja.Value {
		p, err := compile(filename, source, isModule)
		if err != nil {
			panic(r.syntaxError(filename, err))
		}
		v, err := r.vm.RunProgram(p)
		if err != nil {
			panic(err)
		}
		return v
	})
	o.Set("builtins", func() []string { return publicModules() })
	o.Set("builtin", func(name string) goja.Value { return r.builtin(name) })
}
