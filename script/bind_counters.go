package script

import (
	"maps"
	"slices"

	"github.com/dop251/goja"

	"github.com/castnet-go/castnet/drop"
)

// setCounters is what Node's handles have not: what became of the datagrams.
func (h *udpHandle) setCounters(o *goja.Object) {
	vm := h.r.vm
	// refuse drops the datagram that the script is being given.
	o.Set("refuse", func() {
		if h.got != nil {
			h.u.Refuse(h.got, drop.BlockListed)
			h.got = nil
		}
	})
	o.Set("stats", func() goja.Value {
		st := h.u.Stats()
		dropped := vm.NewObject()
		for _, reason := range slices.Sorted(maps.Keys(st.Dropped)) {
			dropped.Set(reason.String(), st.Dropped[reason])
		}
		out := vm.NewObject()
		for _, c := range [...]struct {
			name  string
			value uint64
		}{{"received", st.Received}, {"receivedBytes", st.ReceivedBytes}, {"sent", st.Sent}, {"sentBytes", st.SentBytes}} {
			out.Set(c.name, c.value)
		}
		out.Set("dropped", dropped)
		return out
	})
}

// count adds what the handle has lost to what the script has. It has been closed.
func (h *udpHandle) count() {
	if !h.counted {
		h.counted = true
		delete(h.r.uncounted, h)
		for reason, n := range h.u.Stats().Dropped {
			h.r.dropped[reason] += n
		}
	}
}

// Dropped counts what the script's sockets have lost, by reason. It is for after Run.
func (r *Runtime) Dropped() map[drop.Reason]uint64 { return maps.Clone(r.dropped) }
