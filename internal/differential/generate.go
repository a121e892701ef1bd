package differential

import (
	"pgregory.net/rapid"

	"github.com/castnet-go/castnet/socket"
)

// Sequences draws sequences of at least 20 steps for a world.
func Sequences(w World) *rapid.Generator[[]Step] {
	return rapid.SliceOfN(step(w), 20, 60)
}

// step draws one step. Each kind is as likely as any other, so that every pair of
// kinds comes about.
func step(w World) *rapid.Generator[Step] {
	all := make([]Kind, 0, kinds)
	for k := range kinds {
		if w.Wires || k != Inject && k != Unreach && k != Wires {
			all = append(all, k)
		}
	}
	sendTo := []int{-1}
	for where := range w.Addresses {
		if w.sendable(where) {
			sendTo = append(sendTo, where)
		}
	}
	anywhere := make([]int, len(w.Addresses))
	for i := range anywhere {
		anywhere[i] = i
	}
	for i := range sockets {
		// Half of what is sent goes to a socket.
		for range max(1, len(sendTo)/sockets) {
			sendTo = append(sendTo, ownOf+i)
		}
		anywhere = append(anywhere, ownOf+i)
	}
	connectTo := sendTo[1:]
	return rapid.Custom(func(t *rapid.T) Step {
		s := Step{
			Kind:   rapid.SampledFrom(all).Draw(t, "kind"),
			Socket: rapid.IntRange(0, sockets-1).Draw(t, "socket"),
		}
		switch s.Kind {
		case Bind:
			s.Where = rapid.SampledFrom(anywhere).Draw(t, "where")
			s.Port = rapid.IntRange(0, len(w.Ports)-1).Draw(t, "port")
		case Connect:
			s.Where = rapid.SampledFrom(connectTo).Draw(t, "where")
			s.Port = rapid.IntRange(0, len(w.Ports)-1).Draw(t, "port")
		case Send, SendBatch:
			s.Where = rapid.SampledFrom(sendTo).Draw(t, "where")
			s.Port = rapid.IntRange(0, len(w.Ports)-1).Draw(t, "port")
			s.Size = rapid.SampledFrom(sizes).Draw(t, "size")
			s.Value = rapid.IntRange(0, 1).Draw(t, "value")
		case SendFields:
			s.Where = rapid.SampledFrom(sendTo).Draw(t, "where")
			s.Port = rapid.IntRange(0, len(w.Ports)-1).Draw(t, "port")
			s.Size = rapid.SampledFrom(sizes).Draw(t, "size")
			s.Value = rapid.IntRange(0, 300).Draw(t, "value")
			s.Fields = rapid.SampledFrom(fields(w)).Draw(t, "fields")
		case Receive, Peek, ReceiveError:
			s.Size = rapid.SampledFrom(sizes).Draw(t, "size")
		case Shutdown:
			s.How = socket.How(rapid.IntRange(0, 4).Draw(t, "how"))
		case Set:
			s.Option = rapid.SampledFrom(settable).Draw(t, "option")
			s.Value = rapid.SampledFrom(optionValues[s.Option]).Draw(t, "value")
			if s.Option == socket.BindInterface && !w.Wires {
				s.Value = min(s.Value, 1) // who knows what else there is
			}
		case Get:
			s.Option = rapid.SampledFrom(readable).Draw(t, "option")
		case Inject:
			s.Where = rapid.SampledFrom(anywhere).Draw(t, "where")
			s.Port = rapid.IntRange(0, len(w.Ports)-1).Draw(t, "port")
			s.Size = rapid.SampledFrom(sizes).Draw(t, "size")
			s.Value = rapid.IntRange(0, 100).Draw(t, "value")
		case Unreach:
			s.Value = rapid.IntRange(0, 20).Draw(t, "value")
		}
		return s
	})
}

// Bindings draws sequences that bind, and change what is bound, and send nothing:
// which socket of a ReusePort group hears a flow is the network's secret, but who
// may share a port is not. Half of the sockets know ReuseAddr and half ReusePort:
// where both meet on one port Linux asks its sockets from the last bound on and
// stops at the first that shares by ReusePort, whatever the others say.
func Bindings(w World) *rapid.Generator[[]Step] {
	options := []socket.Option{socket.ReuseAddr, socket.ReusePort, socket.BindInterface, socket.FreeBind}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Step {
		s := Step{
			Kind:   rapid.SampledFrom([]Kind{Open, Close, Bind, Bind, Bind, Bind, Connect, Disconnect, Set, Set, Set}).Draw(t, "kind"),
			Socket: rapid.IntRange(0, sockets-1).Draw(t, "socket"),
		}
		switch s.Kind {
		case Bind:
			s.Where = rapid.IntRange(0, min(8, len(w.Addresses))-1).Draw(t, "where")
			s.Port = rapid.IntRange(0, 2).Draw(t, "port")
		case Connect:
			s.Where = rapid.IntRange(0, 2).Draw(t, "where")
			s.Port = 1
		case Set:
			s.Option = rapid.SampledFrom(options).Draw(t, "option")
			s.Value = rapid.IntRange(0, 1).Draw(t, "value")
			switch {
			case s.Option == socket.BindInterface && w.Wires:
				s.Value *= rapid.IntRange(2, 3).Draw(t, "interface")
			case s.Option == socket.ReuseAddr && s.Socket >= sockets/2:
				s.Option = socket.ReusePort
			case s.Option == socket.ReusePort && s.Socket < sockets/2:
				s.Option = socket.ReuseAddr
			}
		}
		return s
	}), 20, 60)
}

// fields are the sets of fields that a SendFields step may set.
func fields(w World) []socket.Fields {
	list := []socket.Fields{
		socket.FieldTTL, socket.FieldTOS, socket.FieldSegmentSize,
		socket.FieldTTL | socket.FieldTOS, socket.FieldSegmentSize | socket.FieldTOS,
	}
	if w.Wires {
		list = append(list, socket.FieldLocal, socket.FieldInterface, socket.FieldLocal|socket.FieldInterface)
	}
	return list
}
