package script

import "github.com/dop251/goja"

// bindAsync keeps the context that AsyncLocalStorage stores things in. It is JavaScript's
// value, and here since the engine asks for it: what waits for a promise goes on in the
// context in which it began to wait.
func (r *Runtime) bindAsync(o *goja.Object) {
	o.Set("get", func() goja.Value {
		if r.context == nil {
			return goja.Undefined()
		}
		return r.context
	})
	o.Set("set", func(v goja.Value) { r.context = v })
	o.Set("track", func() { r.vm.SetAsyncContextTracker((*contexts)(r)) })
}

// contexts is what the engine asks.
type contexts Runtime

// Grab returns the context of who begins to wait.
func (c *contexts) Grab() any { return c.context }

// Resumed makes it that of who goes on. Who has begun before anybody wanted to know has
// none.
func (c *contexts) Resumed(context any) { c.context, _ = context.(goja.Value) }

// Exited is called when who went on waits again, or has ended.
func (c *contexts) Exited() { c.context = nil }
