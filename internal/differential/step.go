package differential

import (
	"fmt"
	"strings"

	"github.com/castnet-go/castnet/socket"
)

// A Kind says what a Step does.
type Kind uint8

// The kinds of steps.
const (
	Open Kind = iota // closes the socket first, if there is one
	Close
	Bind
	Connect
	Disconnect
	Send
	SendBatch
	SendFields
	Receive
	Peek
	Shutdown
	Set
	Get
	Ready
	Inject  // a datagram comes in by a wire
	Unreach // the last datagram sent by a wire is answered with an ICMP error
	Wires   // what was sent by the wires
	ReceiveError
	kinds
)

var kindNames = [kinds]string{
	"Open", "Close", "Bind", "Connect", "Disconnect", "Send", "SendBatch", "SendFields", "Receive", "Peek",
	"Shutdown", "Set", "Get", "Ready", "Inject", "Unreach", "Wires",
	"ReceiveError",
}

func (k Kind) String() string { return kindNames[k] }

// sockets is how many sockets a sequence plays with.
const sockets = 4

// A Step is one call. Which fields count depends on the Kind.
type Step struct {
	Kind   Kind
	Socket int // which of the sockets

	// Where says to which address: an index into the world's addresses, or,
	// from 100 on, socket Where-100's own.
	Where int
	Port  int // an index into the world's ports
	Size  int // of the payload, or of the buffer to receive into

	Option socket.Option
	Value  int
	How    socket.How
	Fields socket.Fields
}

// ownOf is the Where of a socket's own address.
const ownOf = 100

// optionValues is what the option of a Set step may be set to.
var optionValues = map[socket.Option][]int{
	socket.ReuseAddr:     {0, 1},
	socket.FreeBind:      {0, 1},
	socket.Broadcast:     {1}, // taken back, it counts when the kernel asks again
	socket.NoChecksum:    {0, 1},
	socket.TTL:           {-2, -1, 0, 1, 7, 255, 256},
	socket.TOS:           {0, 3, 0xb8, 255, 256, -1},
	socket.MulticastTTL:  {-2, -1, 0, 1, 255, 256},
	socket.DontFragment:  {0, 1},
	socket.MTUDiscovery:  {-1, 0, 1, 2, 3, 4, 5, 6},
	socket.ReceiveErrors: {0, 1, 1},
	socket.ReceiveBuffer: {100000, 50000},
	socket.SendBuffer:    {100000, 50000},
	socket.PortRange:     {0, 40000 | 50000<<16, 50000 | 40000<<16},
	socket.BindInterface: {0, 1, 2, 3, -1},
	socket.Error:         {0},
	socket.NextSize:      {1},
	socket.IPv6Only:      {1},
}

// settable are the keys of optionValues in order.
var settable = []socket.Option{
	socket.ReuseAddr, socket.FreeBind, socket.Broadcast, socket.NoChecksum, socket.TTL, socket.TOS, socket.MulticastTTL,
	socket.DontFragment, socket.ReceiveBuffer, socket.SendBuffer, socket.PortRange, socket.BindInterface,
	socket.Error, socket.NextSize, socket.IPv6Only, socket.MTUDiscovery, socket.ReceiveErrors,
}

// readable are the options of a Get step. Half of them ask for what changes by
// itself.
var readable = []socket.Option{
	socket.Error, socket.Error, socket.Error, socket.Error, socket.Error, socket.Error,
	socket.NextSize, socket.NextSize, socket.NextSize, socket.NextSize, socket.NextSize, socket.NextSize,
	socket.SendQueued, socket.ReuseAddr, socket.FreeBind, socket.Broadcast, socket.TTL,
	socket.TOS, socket.MulticastTTL, socket.DontFragment, socket.ReceiveBuffer, socket.SendBuffer, socket.PortRange,
	socket.Report, socket.BindInterface, socket.MTUDiscovery, socket.ReceiveErrors, socket.IPv6Only,
}

// reports are the fields that received messages are compared by.
const reports = socket.FieldLocal | socket.FieldInterface | socket.FieldTTL | socket.FieldTOS

// sizes are those of payloads and buffers. The last is over the MTU of the wires.
var sizes = []int{0, 1, 10, 100, 1400, 1600}

// String is the Step as a Go literal, so that a sequence that fails can be kept.
func (s Step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "{Kind: %v", s.Kind)
	field := func(name string, v int) {
		if v != 0 {
			fmt.Fprintf(&b, ", %s: %d", name, v)
		}
	}
	field("Socket", s.Socket)
	field("Where", s.Where)
	field("Port", s.Port)
	field("Size", s.Size)
	if s.Option != 0 {
		fmt.Fprintf(&b, ", Option: socket.%v", s.Option)
	}
	field("Value", s.Value)
	field("How", int(s.How))
	field("Fields", int(s.Fields))
	b.WriteString("}")
	return b.String()
}

// literal is a sequence as Go source.
func literal(steps []Step) string {
	var b strings.Builder
	b.WriteString("[]Step{\n")
	for _, s := range steps {
		fmt.Fprintf(&b, "\t%v,\n", s)
	}
	b.WriteString("}")
	return b.String()
}
