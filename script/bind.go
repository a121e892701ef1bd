package script

import (
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/dop251/goja"
)

// bind lists the bindings. What a script never asks for is never made.
func (r *Runtime) bind() {
	r.bindings = map[string]func(*goja.Object){
		"async":    r.bindAsync,
		"buffer":   r.bindBuffer,
		"crypto":   r.bindCrypto,
		"cipher":   r.bindCipher,
		"zlib":     r.bindZlib,
		"dns":      r.bindDNS,
		"errors":   r.bindErrors,
		"fs":       r.bindFS,
		"module":   r.bindModule,
		"os":       r.bindOS,
		"process":  r.bindProcess,
		"tcp_wrap": r.bindTCP,
		"timers":   r.bindTimers,
		"udp_wrap": r.bindUDP,
		"url":      r.bindURL,
		"util":     r.bindUtil,
		"uv":       r.bindUV,
	}
}

// bindErrors is about stacks.
func (r *Runtime) bindErrors(o *goja.Object) {
	o.Set("formatStack", formatStack)
	o.Set("stackHere", func(skip int) string { return strings.Join(r.stackHere(skip+1), "\n") })
	o.Set("callSites", func(skip, count int) goja.Value {
		var sites []any
		for i, f := range r.vm.CaptureCallStack(0, nil) {
			if i < skip+1 {
				continue
			}
			if len(sites) == count {
				break
			}
			p, name := f.Position(), f.FuncName()
			if name == "<anonymous>" {
				name = ""
			}
			site := r.vm.NewObject()
			site.Set("functionName", name)
			site.Set("scriptId", "0")
			site.Set("scriptName", p.Filename)
			site.Set("lineNumber", p.Line)
			site.Set("columnNumber", p.Column)
			site.Set("column", p.Column)
			sites = append(sites, site)
		}
		return r.vm.NewArray(sites...)
	})
}

// bindUtil looks into values in ways that JavaScript cannot.
func (r *Runtime) bindUtil(o *goja.Object) {
	o.Set("className", func(call goja.FunctionCall) goja.Value {
		if v, ok := call.Argument(0).(*goja.Object); ok {
			return r.vm.ToValue(className(v))
		}
		return r.vm.ToValue("")
	})
	o.Set("proxyDetails", func(call goja.FunctionCall) goja.Value {
		v, ok := call.Argument(0).(*goja.Object)
		if !ok {
			return goja.Undefined()
		}
		p, ok := v.Export().(goja.Proxy)
		if !ok {
			return goja.Undefined()
		}
		if p.Target() == nil {
			return r.vm.NewArray(goja.Null(), goja.Null())
		}
		return r.vm.NewArray(p.Target(), p.Handler())
	})
	o.Set("promiseDetails", func(call goja.FunctionCall) goja.Value {
		if v, ok := call.Argument(0).(*goja.Object); ok {
			if p, ok := v.Export().(*goja.Promise); ok {
				state := map[goja.PromiseState]int{goja.PromiseStatePending: 0, goja.PromiseStateFulfilled: 1, goja.PromiseStateRejected: 2}[p.State()]
				result := p.Result()
				if result == nil {
					result = goja.Undefined()
				}
				return r.vm.NewArray(state, result)
			}
		}
		return r.vm.NewArray(0, goja.Undefined())
	})
}

// className returns what kind of object it is, by the engine's name. Maps and sets are
// told by what they are exported as, for the engine calls them plain objects.
func className(o *goja.Object) string {
	name := o.ClassName()
	if name == "Object" {
		switch t := o.ExportType(); {
		case t == mapType:
			return "Map"
		case t == setType:
			return "Set"
		case t == promiseType:
			return "Promise"
		}
	}
	return name
}

var (
	mapType, setType = exportTypes()
	promiseType      = reflect.TypeFor[*goja.Promise]()
)

func exportTypes() (m, s reflect.Type) {
	vm := goja.New()
	a, _ := vm.RunString("new Map()")
	b, _ := vm.RunString("new Set()")
	return a.ExportType(), b.ExportType()
}

// bindProcess is the process as the script sees it. In truth several scripts may
// share one.
func (r *Runtime) bindProcess(o *goja.Object) {
	o.Set("flags", r.vm.NewArrayBuffer(r.flags[:]))
	o.Set("argv", r.cfg.Args)
	o.Set("execArgv", r.cfg.Flags)
	exec, _ := os.Executable()
	o.Set("execPath", exec)
	o.Set("pid", os.Getpid())
	o.Set("ppid", os.Getppid())
	o.Set("arch", map[string]string{"amd64": "x64", "386": "ia32"}[runtime.GOARCH])
	if o.Get("arch").String() == "" {
		o.Set("arch", runtime.GOARCH)
	}
	o.Set("platform", map[bool]string{true: "win32", false: runtime.GOOS}[runtime.GOOS == "windows"])
	env := r.vm.NewObject()
	for _, kv := range r.cfg.Env {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" {
			env.Set(k, v)
		}
	}
	o.Set("env", env)
	o.Set("engine", engineVersion())
	o.Set("cwd", func() string { return r.cfg.Dir })
	o.Set("chdir", func(dir string) { r.cfg.Dir = dir })
	o.Set("reallyExit", func(code int) { r.exit(code) })
	o.Set("write", func(fd int, v goja.Value) {
		w := r.cfg.Stdout
		if fd == 2 {
			w = r.cfg.Stderr
		}
		if b, ok := v.Export().([]byte); ok {
			w.Write(b)
			return
		}
		w.Write([]byte(formatStacks(v.String())))
	})
	o.Set("isTTY", func(fd int) bool { return r.isTTY(fd) })
	start := r.loop.Clock().Now()
	o.Set("hrtime", func() []int64 {
		d := r.now().Sub(start)
		return []int64{int64(d) / 1e9, int64(d) % 1e9}
	})
	o.Set("now", func() float64 { return float64(r.now().Sub(start)) / 1e6 })
	o.Set("origin", float64(start.UnixNano())/1e6)
	o.Set("uncaught", func(call goja.FunctionCall) goja.Value {
		r.uncaught(call.Argument(0), nil, false)
		r.cutIfEnded()
		return goja.Undefined()
	})
	o.Set("guard", r.guard)
	o.Set("memoryUsage", func() goja.Value {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		u := r.vm.NewObject()
		u.Set("rss", m.Sys)
		u.Set("heapTotal", m.HeapSys)
		u.Set("heapUsed", m.HeapAlloc)
		u.Set("external", 0)
		u.Set("arrayBuffers", 0)
		return u
	})
	o.Set("cpuUsage", func() []int64 {
		user, system := cpuUsage()
		return []int64{user, system}
	})
	o.Set("umask", func() int { return 0o022 })
	o.Set("uid", os.Getuid())
	o.Set("gid", os.Getgid())
	o.Set("activeResources", func() []string {
		var names []string
		for _, h := range r.active() {
			names = append(names, h)
		}
		slices.Sort(names)
		return names
	})
	o.Set("readStdin", r.readStdin)
	o.Set("gc", func() { runtime.GC() })
}

// engineVersion returns the version of the engine in this build.
func engineVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/dop251/goja" {
				return d.Version
			}
		}
	}
	return "unknown"
}

// isTTY reports whether one of the standard streams is a terminal.
func (r *Runtime) isTTY(fd int) bool {
	var f any
	switch fd {
	case 0:
		f = r.cfg.Stdin
	case 1:
		f = r.cfg.Stdout
	case 2:
		f = r.cfg.Stderr
	}
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// throw makes the script see a Go error as an Error.
func (r *Runtime) throw(format string, args ...any) {
	panic(r.vm.NewGoError(fmt.Errorf(format, args...)))
}
