package script

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/dop251/goja"
	"github.com/evanw/esbuild/pkg/api"
)

// wrapper is what a module of a script is the body of, and lowered and strict what one
// is that was rewritten: strict are those with import and export. There, the names of
// the parameters may be declared again.
const (
	wrapper = "(function (exports, require, module, __filename, __dirname) { "
	lowered = "(function (exports, require, module, __filename, __dirname, __import, __importMeta) { "
	strict  = lowered + `"use strict"; { `
)

// A unit is a file that was compiled.
type unit struct {
	program *goja.Program
	module  bool        // whether it is an ES module
	imports []statement // what it imports, in order, if it is
}

// compile makes a function of a file. Source that the engine does not understand
// (import and export, for await, using) is rewritten first, with a source map, so
// that stacks still name the lines of the file; all other source is run as it is.
func compile(filename, source string, isModule bool) (unit, error) {
	if strings.HasPrefix(source, "#!") {
		source = "//" + source
	}
	var first error
	if !isModule {
		p, err := parse(filename, wrapper+source+"\n})")
		if err == nil {
			return unit{program: p}, nil
		}
		first = err
	}
	text, sourceMap, isModule, err := lower(filename, source, isModule)
	if err != nil {
		return unit{}, err
	}
	u := unit{module: isModule}
	if isModule {
		u.imports = importsOf(text)
		text = strict + text + "\n}"
	} else {
		text = lowered + text
	}
	// The engine finds the map only where nothing but this follows.
	u.program, err = parse(filename, text+"\n"+sourceMap+"\n})")
	if err != nil && first != nil {
		err = first // which is of the source as it was written
	}
	return u, err
}

// lower rewrites what of a source the engine lacks, with generators for asynchronous
// ones, as a CommonJS module, and reports whether it was an ES module. sourceMap is a
// comment.
func lower(filename, source string, isModule bool) (text, sourceMap string, module bool, err error) {
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
		Target:   api.ESNext,
		Supported: map[string]bool{
			"async-generator": false, "for-await": false, "dynamic-import": false, "using": false, "decorators": false, "import-attributes": false,
		},
		Sourcemap:      api.SourceMapInline,
		SourcesContent: api.SourcesContentExclude,
		Sourcefile:     name,
		LogLevel:       api.LogLevelSilent,
		Define: map[string]string{
			"import.meta": "__importMeta",
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
			return "", "", false, fmt.Errorf("%s", e.Text)
		}
		return "", "", false, fmt.Errorf("%s: Line %d:%d %s", filename, e.Location.Line, e.Location.Column+1, e.Text)
	}
	text = string(result.Code)
	if i := strings.LastIndex(text, "//# sourceMappingURL="); i >= 0 {
		text, sourceMap = text[:i], strings.TrimSpace(text[i:])
	}
	if !isModule && (awaits || isModuleText(text)) {
		return lower(filename, source, true)
	}
	if awaits {
		text = asyncBody(text)
	}
	return importing(text, isModule), sourceMap, isModule, nil
}

// bindModule is what lib/module.js needs.
func (r *Runtime) bindModule(o *goja.Object) {
	o.Set("compile", func(filename, source string, isModule bool) goja.Value {
		u, err := compile(filename, source, isModule)
		if err != nil {
			panic(r.syntaxError(filename, err))
		}
		v, err := r.vm.RunProgram(u.program)
		if err != nil {
			panic(err)
		}
		return r.vm.ToValue(map[string]any{"body": v, "module": u.module, "imports": importTable(u.imports)})
	})
	o.Set("builtins", func() []string { return publicModules() })
	o.Set("builtin", func(name string) goja.Value { return r.builtin(name) })
}
