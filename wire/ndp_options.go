package wire

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"strconv"
	"time"
)

// NDPOptionType is the type of an option of neighbor discovery.
type NDPOptionType uint8

// Option types (RFC 4861, RFC 3971, RFC 4191, RFC 8106).
const (
	NDPSourceLinkLayerAddress NDPOptionType = 1
	NDPTargetLinkLayerAddress NDPOptionType = 2
	NDPPrefixInformation      NDPOptionType = 3
	NDPRedirectedHeader       NDPOptionType = 4
	NDPMTU                    NDPOptionType = 5
	NDPNonce                  NDPOptionType = 14
	NDPRouteInformation       NDPOptionType = 24
	NDPRecursiveDNS           NDPOptionType = 25
)

// String returns the option's name, or the number as "option 42".
func (t NDPOptionType) String() string {
	switch t {
	case NDPSourceLinkLayerAddress:
		return "source link-layer address"
	case NDPTargetLinkLayerAddress:
		return "target link-layer address"
	case NDPPrefixInformation:
		return "prefix information"
	case NDPRedirectedHeader:
		return "redirected header"
	case NDPMTU:
		return "mtu"
	case NDPNonce:
		return "nonce"
	case NDPRouteInformation:
		return "route information"
	case NDPRecursiveDNS:
		return "recursive dns server"
	}
	return "option " + strconv.Itoa(int(t))
}

// NDPInfinity is the lifetime that never ends: all 32 bits of seconds.
const NDPInfinity = (1<<32 - 1) * time.Second

// NDPOption is one option of a neighbor discovery message. What is unknown must be ignored.
type NDPOption struct {
	Type NDPOptionType
	Data []byte // what follows type and length, padding included
}

// Len returns the number of bytes that AppendTo appends: a multiple of 8.
func (o NDPOption) Len() int { return (2 + len(o.Data) + 7) &^ 7 }

// AppendTo appends the option, padded with zeros to a multiple of 8 bytes. An option has at
// most 2040 bytes, type and length included.
func (o NDPOption) AppendTo(b []byte) []byte {
	n := o.Len()
	b = append(b, uint8(o.Type), uint8(n/8))
	b = append(b, o.Data...)
	return append(b, make([]byte, n-2-len(o.Data))...)
}

// NDPOptions is a view of the options of a neighbor discovery message, and what its AppendTo
// appends. Its zero value has none. Options are added by appending to it:
//
//	var options wire.NDPOptions
//	options = wire.AppendNDPLinkLayerAddress(options, wire.NDPSourceLinkLayerAddress, mac)
type NDPOptions []byte

// ParseNDPOptions returns the view of options, having checked that each fits. An option of
// length zero is an error, for which the whole message is to be dropped (RFC 4861, section 4.6).
func ParseNDPOptions(b []byte) (NDPOptions, error) {
	for i := 0; i < len(b); {
		if len(b)-i < 2 {
			return nil, errNDPOptionShort
		}
		n := 8 * int(b[i+1])
		if n == 0 {
			return nil, errNDPOptionLength
		}
		if n > len(b)-i {
			return nil, errNDPOptionBeyond
		}
		i += n
	}
	return NDPOptions(b[:len(b):len(b)]), nil
}

// All ranges over the options.
func (o NDPOptions) All() iter.Seq[NDPOption] {
	return func(yield func(NDPOption) bool) {
		for b := []byte(o); len(b) >= 2; {
			n := 8 * int(b[1])
			if n == 0 || n > len(b) {
				return
			}
			if !yield(NDPOption{NDPOptionType(b[0]), b[2:n:n]}) {
				return
			}
			b = b[n:]
		}
	}
}

// LinkLayerAddress returns the address in the first option of the type, which is
// NDPSourceLinkLayerAddress or NDPTargetLinkLayerAddress, and false if there is none that is
// Ethernet's.
func (o NDPOptions) LinkLayerAddress(t NDPOptionType) (MAC, bool) {
	for opt := range o.All() {
		if opt.Type == t {
			return opt.LinkLayerAddress()
		}
	}
	return MAC{}, false
}

// LinkLayerAddress returns the address in a source or target link-layer address option, and
// false if it is another option or the address is not Ethernet's.
func (o NDPOption) LinkLayerAddress() (MAC, bool) {
	if (o.Type != NDPSourceLinkLayerAddress && o.Type != NDPTargetLinkLayerAddress) || len(o.Data) != 6 {
		return MAC{}, false
	}
	return MAC(o.Data), true
}

// AppendNDPLinkLayerAddress appends a source or target link-layer address option of 8 bytes.
func AppendNDPLinkLayerAddress(b []byte, t NDPOptionType, m MAC) []byte {
	b = append(b, uint8(t), 1)
	return append(b, m[:]...)
}

// MTU returns the MTU in an MTU option, in bytes, and false if it is another option.
func (o NDPOption) MTU() (mtu uint32, ok bool) {
	if o.Type != NDPMTU || len(o.Data) < 6 {
		return 0, false
	}
	return binary.BigEndian.Uint32(o.Data[2:6]), true
}

// AppendNDPMTU appends an MTU option of 8 bytes.
func AppendNDPMTU(b []byte, mtu uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, uint8(NDPMTU), 1, 0, 0), mtu)
}

// Nonce returns the nonce in a nonce option (RFC 3971, section 5.3.2), by which a node tells
// its own solicitations, looped back, from those of others (RFC 7527).
func (o NDPOption) Nonce() (nonce []byte, ok bool) {
	if o.Type != NDPNonce {
		return nil, false
	}
	return o.Data, true
}

// AppendNDPNonce appends a nonce option. A nonce has 6 bytes, or 6 and a multiple of 8.
func AppendNDPNonce(b, nonce []byte) []byte { return NDPOption{NDPNonce, nonce}.AppendTo(b) }

// RedirectedPacket returns the beginning of the packet that caused a redirect, padding
// included, and false if it is another option.
func (o NDPOption) RedirectedPacket() (packet []byte, ok bool) {
	if o.Type != NDPRedirectedHeader || len(o.Data) < 6 {
		return nil, false
	}
	return o.Data[6:], true
}

// AppendNDPRedirected appends a redirected header option with the beginning of a packet: not
// more than makes the whole message fit [IPv6MinMTU]. The packet is cut to a multiple of 8
// bytes, for a receiver could not tell padding from data.
func AppendNDPRedirected(b, packet []byte) []byte {
	packet = packet[:min(len(packet), 2032)&^7]
	b = append(b, uint8(NDPRedirectedHeader), uint8(1+len(packet)/8), 0, 0, 0, 0, 0, 0)
	return append(b, packet...)
}

// PrefixInformation is the option by which routers tell of a link's prefix.
type PrefixInformation struct {
	Prefix            netip.Prefix  // its other bits are zero
	OnLink            bool          // addresses with the prefix are on the link
	Autonomous        bool          // hosts may form addresses with it (RFC 4862)
	ValidLifetime     time.Duration // in s
	PreferredLifetime time.Duration // in s
}

const prefixInformationLen = 32

// PrefixInformation returns the content of a prefix information option, and false if it is
// another option or malformed.
func (o NDPOption) PrefixInformation() (p PrefixInformation, ok bool) {
	d := o.Data
	if o.Type != NDPPrefixInformation || len(d) != prefixInformationLen-2 || d[0] > 128 {
		return PrefixInformation{}, false
	}
	return PrefixInformation{
		Prefix:            netip.PrefixFrom(addr16(d[14:30]), int(d[0])).Masked(),
		OnLink:            d[1]&0x80 != 0,
		Autonomous:        d[1]&0x40 != 0,
		ValidLifetime:     time.Duration(binary.BigEndian.Uint32(d[2:6])) * time.Second,
		PreferredLifetime: time.Duration(binary.BigEndian.Uint32(d[6:10])) * time.Second,
	}, true
}

// Len returns the number of bytes that AppendTo appends.
func (p PrefixInformation) Len() int { return prefixInformationLen }

// AppendTo appends the option.
func (p PrefixInformation) AppendTo(b []byte) []byte {
	var flags uint8
	if p.OnLink {
		flags |= 0x80
	}
	if p.Autonomous {
		flags |= 0x40
	}
	b = append(b, uint8(NDPPrefixInformation), prefixInformationLen/8, uint8(max(p.Prefix.Bits(), 0)), flags)
	b = appendSeconds(b, p.ValidLifetime)
	b = appendSeconds(b, p.PreferredLifetime)
	b = append(b, 0, 0, 0, 0)
	return append16(b, p.Prefix.Masked().Addr())
}

// RouteInformation is the option by which routers tell of a route through them (RFC 4191).
type RouteInformation struct {
	Prefix     netip.Prefix // its other bits are zero
	Preference RouterPreference
	Lifetime   time.Duration // in s
}

// RouteInformation returns the content of a route information option, and false if it is
// another option or malformed. Trailing bytes of the prefix that the option leaves out are
// zero.
func (o NDPOption) RouteInformation() (r RouteInformation, ok bool) {
	d := o.Data
	if o.Type != NDPRouteInformation || len(d) < 6 || len(d) > 22 || d[0] > 128 || int(d[0]) > 8*(len(d)-6) {
		return RouteInformation{}, false
	}
	var prefix [16]byte
	copy(prefix[:], d[6:])
	return RouteInformation{
		Prefix:     netip.PrefixFrom(netip.AddrFrom16(prefix), int(d[0])).Masked(),
		Preference: preference(d[1]),
		Lifetime:   time.Duration(binary.BigEndian.Uint32(d[2:6])) * time.Second,
	}, true
}

// Len returns the number of bytes that AppendTo appends: 8, 16 or 24.
func (r RouteInformation) Len() int { return 8 + (max(r.Prefix.Bits(), 0)+63)/64*8 }

// AppendTo appends the option.
func (r RouteInformation) AppendTo(b []byte) []byte {
	n := r.Len()
	b = append(b, uint8(NDPRouteInformation), uint8(n/8), uint8(max(r.Prefix.Bits(), 0)), uint8(r.Preference&3)<<3)
	b = appendSeconds(b, r.Lifetime)
	prefix := r.Prefix.Masked().Addr().As16()
	return append(b, prefix[:n-8]...)
}

// RecursiveDNS is the option by which routers tell of DNS servers (RFC 8106).
type RecursiveDNS struct {
	Lifetime time.Duration // in s
	Servers  AddrList
}

// RecursiveDNS returns the content of a recursive DNS server option, and false if it is
// another option or malformed.
func (o NDPOption) RecursiveDNS() (r RecursiveDNS, ok bool) {
	d := o.Data
	if o.Type != NDPRecursiveDNS || len(d) < 22 || (len(d)-6)%16 != 0 {
		return RecursiveDNS{}, false
	}
	return RecursiveDNS{
		Lifetime: time.Duration(binary.BigEndian.Uint32(d[2:6])) * time.Second,
		Servers:  AddrList{d[6:], 16},
	}, true
}

// Len returns the number of bytes that AppendTo appends.
func (r RecursiveDNS) Len() int { return 8 + 16*r.Servers.Count() }

// AppendTo appends the option. There is room for 127 servers.
func (r RecursiveDNS) AppendTo(b []byte) []byte {
	b = append(b, uint8(NDPRecursiveDNS), uint8(r.Len()/8), 0, 0)
	b = appendSeconds(b, r.Lifetime)
	for a := range r.Servers.All() {
		b = append16(b, a)
	}
	return b
}
