package wire

import (
	"encoding/binary"
	"strconv"
)

// EtherType says what an Ethernet frame carries.
type EtherType uint16

// The types this package knows how to read.
const (
	EtherTypeIPv4 EtherType = 0x0800
	EtherTypeARP  EtherType = 0x0806
	EtherTypeIPv6 EtherType = 0x86dd
)

// String returns the protocol's name, or the number as "0x88cc".
func (t EtherType) String() string {
	switch t {
	case EtherTypeIPv4:
		return "IPv4"
	case EtherTypeARP:
		return "ARP"
	case EtherTypeIPv6:
		return "IPv6"
	}
	return "0x" + strconv.FormatUint(1<<16|uint64(t), 16)[1:]
}

// EthernetHeaderLen is the length of an Ethernet header in bytes, without preamble and tags.
const EthernetHeaderLen = 14

// EthernetHeader is the header of an Ethernet II frame: destination, source and type.
type EthernetHeader [EthernetHeaderLen]byte

var errEthernetShort = truncated("ethernet", "shorter than 14 bytes")

// ParseEthernet returns the header of a frame and what follows it, padding included: only
// the protocol inside knows where it ends.
func ParseEthernet(b []byte) (h *EthernetHeader, payload []byte, err error) {
	if len(b) < EthernetHeaderLen {
		return nil, nil, errEthernetShort
	}
	return (*EthernetHeader)(b), b[EthernetHeaderLen:len(b):len(b)], nil
}

// PutEthernet lays a zero header over the first 14 bytes of b, and panics if b is shorter.
func PutEthernet(b []byte) *EthernetHeader {
	h := (*EthernetHeader)(b)
	*h = EthernetHeader{}
	return h
}

// Destination returns the address of the station or group the frame is for.
func (h *EthernetHeader) Destination() MAC { return MAC(h[0:6]) }

// Source returns the address of the station that sent the frame.
func (h *EthernetHeader) Source() MAC { return MAC(h[6:12]) }

// Type returns the type field. Values below 0x0600 are the length of an 802.3 frame.
func (h *EthernetHeader) Type() EtherType { return EtherType(binary.BigEndian.Uint16(h[12:14])) }

// SetDestination sets the destination address.
func (h *EthernetHeader) SetDestination(m MAC) { *(*MAC)(h[0:6]) = m }

// SetSource sets the source address.
func (h *EthernetHeader) SetSource(m MAC) { *(*MAC)(h[6:12]) = m }

// SetType sets the type field.
func (h *EthernetHeader) SetType(t EtherType) { binary.BigEndian.PutUint16(h[12:14], uint16(t)) }
