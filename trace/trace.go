package trace

import (
	"strconv"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/text"
)

// A Tracer is told of every step of every packet. Its methods are called from
// any goroutine, with locks held: they must not call back into castnet.
type Tracer interface {
	// NewID returns a number, other than 0, that no packet has yet.
	NewID() uint64
	// Trace is told of one step. The event and its Frame are valid until
	// it returns.
	Trace(e *Event)
}

// A Step is something that happens to a packet.
type Step uint8

// The steps, in the order in which most packets meet them.
const (
	_        Step = iota
	Send          // a socket accepted a datagram for sending
	Generate      // the stack itself made a packet: ARP, ICMP
	Fragment      // it is one of the fragments of a longer packet
	Resolve       // it waits for its next hop's address
	Transmit      // it was handed to a link
	Carry         // a link or a switch took it and will hand it on
	Withhold      // a switch or a stack made no copy of it for somebody: a filter was against it
	Receive       // it came in from a link
	Collect       // a fragment waits for the others
	Merge         // the fragments became this packet
	Forward       // it is routed on to another interface
	Consume       // the stack itself was its reader: ARP, ICMP
	Queue         // it was put into a socket's receive queue
	Read          // a program read it
	Drop          // it ended here, for Reason
)

var stepNames = [...]string{
	Send: "send", Generate: "generate", Fragment: "fragment", Resolve: "resolve", Transmit: "transmit", Carry: "carry", Withhold: "withhold",
	Receive: "receive", Collect: "collect", Merge: "merge", Forward: "forward", Consume: "consume", Queue: "queue", Read: "read", Drop: "drop",
}

// String returns the step's name: "send", "queue", "drop".
func (s Step) String() string {
	if int(s) < len(stepNames) && stepNames[s] != "" {
		return stepNames[s]
	}
	return text.Sprintf("Step(%d)", uint8(s))
}

// An Event is one step of one packet.
type Event struct {
	Time      time.Time   // by the network's clock
	Packet    uint64      // the packet's ID
	Node      string      // the host, switch or link where it happens
	Interface string      // and by which interface, if any
	Step      Step        //
	Reason    drop.Reason // of a Drop
	Detail    string      // what else is to say: a socket's address, a next hop

	// Frame is the packet as it is at this step, starting at Layer.
	Frame []byte
	Layer Layer
}

// Layer says what the first byte of a Frame belongs to.
type Layer uint8

// The layers.
const (
	LayerNone     Layer = iota // there is no Frame
	LayerEthernet              // an Ethernet header
	LayerIP                    // an IPv4 or IPv6 header
	LayerPayload               // the UDP payload
)

// String returns the event on one line: "#7 h1 eth0 drop NoPort udp …".
func (e *Event) String() string {
	reason := ""
	if e.Reason != drop.None {
		reason = e.Reason.String()
	}
	line := "#" + strconv.FormatUint(e.Packet, 10)
	for _, word := range [...]string{e.Node, e.Interface, e.Step.String(), reason, e.Detail} {
		if word != "" {
			line += " " + word
		}
	}
	return line
}
