package castnet

import "github.com/castnet-go/castnet/socket"

// A Network is where sockets live: the operating system ([Host]), a
// *stack.Stack, or a lab's host.
type Network = socket.Network

// A Message is one datagram of a batch and what is known of it.
type Message = socket.Message

// Stats are a socket's counters.
type Stats = socket.Stats

// Fields is a set of a Message's optional fields.
type Fields = socket.Fields

// The optional fields of a Message. [Config].Report and [Conn.SetReport] ask
// for them on received messages; Message.Set says which are there.
const (
	FieldLocal       = socket.FieldLocal       // the datagram's own destination; the source to use
	FieldInterface   = socket.FieldInterface   // the interface it came in by; shall leave by
	FieldTTL         = socket.FieldTTL         // time to live; hop limit
	FieldTOS         = socket.FieldTOS         // type of service; traffic class; ECN in the low two bits
	FieldSegmentSize = socket.FieldSegmentSize // the payload is a train of datagrams of this size
	FieldTime        = socket.FieldTime        // arrival; received only
	FieldDrops       = socket.FieldDrops       // lost for want of room; received only
	FieldMark        = socket.FieldMark        // what a hook or a rule of this host gave it; received only
)

// ErrNotSupported is what errors answer to, by errors.Is, that say that a
// network cannot do something.
var ErrNotSupported = socket.ErrNotSupported
