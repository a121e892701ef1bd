package socket

import (
	"net/netip"
	"time"
)

// Fields is a set of a Message's optional fields.
type Fields uint16

// The optional fields of a Message. On receipt they are filled if the socket
// was asked to, by the option [Report]; to be sent, they are heeded if the
// Message's Set says so.
const (
	FieldLocal       Fields = 1 << iota // Local (IP_PKTINFO)
	FieldInterface                      // Interface (IP_PKTINFO)
	FieldTTL                            // TTL, IPv6: hop limit (IP_RECVTTL)
	FieldTOS                            // TOS, IPv6: traffic class (IP_RECVTOS)
	FieldSegmentSize                    // SegmentSize (UDP_SEGMENT, UDP_GRO)
	FieldTime                           // Time (SO_TIMESTAMPNS); received only
	FieldDrops                          // Drops (SO_RXQ_OVFL); received only
	FieldMark                           // Mark (SO_RCVMARK); received only

	// SendFields are those that a Message to be sent may set; with others
	// it is EINVAL. Who answers what came uses Message.Reply.
	SendFields = FieldLocal | FieldInterface | FieldTTL | FieldTOS | FieldSegmentSize
)

// A Message is one datagram and what is known of it, to be sent or received.
type Message struct {
	// Buf is the payload to send. On receipt it is filled up to its
	// capacity and resliced to what arrived.
	Buf []byte
	// Len is the length of the datagram received; it is more than len(Buf)
	// if the datagram was cut to fit.
	Len int
	// Addr is the peer: whom to send to, or who sent. The zero value, on a
	// connected socket, sends to the peer it is connected to.
	Addr netip.AddrPort

	// Set says which of the fields below hold something (received), or are
	// to be used (sent).
	Set Fields

	Local       netip.AddrPort // the datagram's own destination; the source to send from; its port: see Transparent
	Interface   int            // index of the interface it came in by; shall leave by
	TTL, TOS    uint8          // IPv6: hop limit and traffic class. ECN is TOS&3
	SegmentSize uint16         // Buf is a train of datagrams of this size each, the last may be shorter
	Time        time.Time      // arrival, by the network's clock
	Drops       uint32         // lost on this socket since the last datagram read, for want of room
	Mark        uint32         // what a hook or a link gave the datagram, inside this host
}

// Truncated reports whether a received datagram was cut to fit Buf.
func (m *Message) Truncated() bool { return m.Len > len(m.Buf) }

// Reply turns a received message into its answer: it will go back to the peer,
// from the address that the peer had sent to, if that is known and is one that
// can be a source. The payload stays, for the caller to replace; every other
// field is unset.
//
// A subnet's broadcast address, such as 10.0.0.255, cannot be told from a host's
// here, and stays the source; networks refuse to send from it (ENETUNREACH or
// EINVAL). Who serves broadcasts unsets FieldLocal then, and sends again.
func (m *Message) Reply() {
	set := m.Set & FieldLocal
	local := m.Local
	if a := local.Addr(); !a.IsValid() || a.IsMulticast() || a.IsUnspecified() || a == broadcast {
		set, local = 0, netip.AddrPort{}
	}
	*m = Message{Buf: m.Buf, Addr: m.Addr, Set: set, Local: local}
}

// broadcast is the limited broadcast address, 255.255.255.255.
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
