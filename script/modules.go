package script

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/dop251/goja"
)

// lib is the part of the runtime that is written in JavaScript: a file a module.
//
//go:embed all:lib
var lib embed.FS

// libPrefix is what the names of those files begin with in stacks.
const libPrefix = "lib/"

// compiled are the programs of lib, which runtimes share.
var compiled sync.Map // name to func() (*goja.Program, error)

// builtinProgram returns a module of lib as a function of (exports, require, module,
// internalBinding, primordial).
func builtinProgram(name string) (*goja.Program, error) {
	once, _ := compiled.LoadOrStore(name, sync.OnceValues(func() (*goja.Program, error) {
		text, err := lib.ReadFile(libPrefix + name + ".js")
		if err != nil {
			return nil, err
		}
		const wrapper = "(function(exports, require, module, internalBinding) {"
		p, err := goja.Compile(libPrefix+name+".js", wrapper+string(text)+"\n})", false)
		if err == nil {
			return p, nil
		}
		// A few make use of what the engine lacks, for await.
		newer, sourceMap, _, e := lower(libPrefix+name+".js", string(text), false)
		if e != nil {
			return nil, err
		}
		return goja.Compile(libPrefix+name+".js", wrapper+newer+"\n"+sourceMap+"\n})", false)
	}))
	return once.(func() (*goja.Program, error))()
}

// builtin returns the module object of a module of lib, and loads it first if need
// be. It panics with what the engine throws.
func (r *Runtime) builtin(name string) *goja.Object {
	if m, ok := r.builtins[name]; ok {
		return m.Get("exports").ToObject(r.vm)
	}
	p, err := builtinProgram(name)
	if err != nil {
		panic(r.vm.NewGoError(fmt.Errorf("no such built-in module: %s: %w", name, err)))
	}
	v, err := r.vm.RunProgram(p)
	if err != nil {
		panic(err)
	}
	body, _ := goja.AssertFunction(v)
	m, exports := r.vm.NewObject(), r.vm.NewObject()
	m.Set("exports", exports)
	m.Set("id", name)
	r.builtins[name] = m
	if _, err := body(goja.Undefined(), exports, r.vm.ToValue(r.requireBuiltin), m, r.vm.ToValue(r.internalBinding)); err != nil {
		delete(r.builtins, name)
		panic(err)
	}
	return m.Get("exports").ToObject(r.vm)
}

// requireBuiltin is require in the modules of lib.
func (r *Runtime) requireBuiltin(call goja.FunctionCall) goja.Value {
	return r.builtin(call.Argument(0).String())
}

// publicModules returns the modules that scripts may require, and with
// --expose-internals those that begin with internal/ too.
var publicModules = sync.OnceValue(func() []string {
	var names []string
	fs.WalkDir(lib, "lib", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if name, ok := strings.CutSuffix(strings.TrimPrefix(path, libPrefix), ".js"); ok {
				names = append(names, name)
			}
		}
		return nil
	})
	slices.Sort(names)
	return names
})

// internalBinding is the way from JavaScript to Go: an object of functions by name.
func (r *Runtime) internalBinding(call goja.FunctionCall) goja.Value {
	name := call.Argument(0).String()
	if o, ok := r.bound[name]; ok {
		return o
	}
	fill, ok := r.bindings[name]
	if !ok {
		panic(r.vm.NewGoError(fmt.Errorf("no such binding: %s", name)))
	}
	o := r.vm.NewObject()
	r.bound[name] = o
	fill(o)
	return o
}
