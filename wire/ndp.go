package wire

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// The messages of neighbor discovery (RFC 4861). Their parsers take a whole ICMPv6 message and
// verify what RFC 4861 demands and the message alone shows: type, code, length, that options
// are not of length zero, and that a target is no group. It is for the caller to verify the
// hop limit of 255 and the checksum, and what depends on the packet's addresses.

// Lengths of neighbor discovery messages in bytes, options left out.
const (
	RouterSolicitationLen    = 8
	RouterAdvertisementLen   = 16
	NeighborSolicitationLen  = 24
	NeighborAdvertisementLen = 24
	RedirectLen              = 40
)

var (
	errNDPShort            = truncated("ndp", "shorter than the message's fixed part")
	errNDPType             = malformed("ndp", "another type of message")
	errNDPCode             = malformed("ndp", "code is not zero")
	errNDPTarget           = malformed("ndp", "target address is a group")
	errRedirectDestination = malformed("ndp", "redirected destination is a group")
	errRedirectTarget      = malformed("ndp", "redirect target is neither link-local nor the destination")
	errNDPOptionShort      = truncated("ndp", "option without a length")
	errNDPOptionLength     = malformed("ndp", "option length of zero")
	errNDPOptionBeyond     = truncated("ndp", "option length exceeds the message")
)

// checkNDP verifies the type, the code and the least length of a message.
func checkNDP(b []byte, t ICMPv6Type, n int) error {
	switch {
	case len(b) < ICMPv6HeaderLen:
		return errNDPShort
	case ICMPv6Type(b[0]) != t:
		return errNDPType
	case b[1] != 0:
		return errNDPCode
	case len(b) < n:
		return errNDPShort
	}
	return nil
}

func addr16(b []byte) netip.Addr { return netip.AddrFrom16([16]byte(b)) }

func append16(b []byte, a netip.Addr) []byte {
	raw := a.As16()
	return append(b, raw[:]...)
}

// appendSeconds and appendMilliseconds write a duration to 32 bits, rounded down. What is
// negative becomes zero, what is too long the greatest value.
func appendSeconds(b []byte, d time.Duration) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(units(d, time.Second, 1<<32-1)))
}

func appendMilliseconds(b []byte, d time.Duration) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(units(d, time.Millisecond, 1<<32-1)))
}

// SolicitedNode returns the group that neighbor solicitations for the address go to: the
// prefix ff02::1:ff00:0/104 and the address's last 24 bits (RFC 4291, section 2.7.1).
func SolicitedNode(a netip.Addr) netip.Addr {
	raw := a.As16()
	group := [16]byte{0: 0xff, 1: 0x02, 11: 0x01, 12: 0xff, 13: raw[13], 14: raw[14], 15: raw[15]}
	return netip.AddrFrom16(group)
}

// RouterSolicitation asks routers to advertise themselves now.
type RouterSolicitation struct {
	Options NDPOptions
}

// ParseRouterSolicitation parses a whole ICMPv6 message.
func ParseRouterSolicitation(b []byte) (RouterSolicitation, error) {
	if err := checkNDP(b, ICMPv6RouterSolicitation, RouterSolicitationLen); err != nil {
		return RouterSolicitation{}, err
	}
	options, err := ParseNDPOptions(b[RouterSolicitationLen:])
	if err != nil {
		return RouterSolicitation{}, err
	}
	return RouterSolicitation{options}, nil
}

// Len returns the number of bytes that AppendTo appends.
func (m RouterSolicitation) Len() int { return RouterSolicitationLen + len(m.Options) }

// AppendTo appends the whole ICMPv6 message, with a checksum of zero.
func (m RouterSolicitation) AppendTo(b []byte) []byte {
	b = append(b, uint8(ICMPv6RouterSolicitation), 0, 0, 0, 0, 0, 0, 0)
	return append(b, m.Options...)
}

// RouterPreference is how much a router or route is to be preferred (RFC 4191).
type RouterPreference uint8

// The preferences. A reserved value is read as medium, as RFC 4191 demands.
const (
	PreferenceMedium RouterPreference = 0
	PreferenceHigh   RouterPreference = 1
	PreferenceLow    RouterPreference = 3
)

// String returns "low", "medium" or "high".
func (p RouterPreference) String() string {
	switch p {
	case PreferenceHigh:
		return "high"
	case PreferenceLow:
		return "low"
	}
	return "medium"
}

func preference(bits byte) RouterPreference {
	switch p := RouterPreference(bits >> 3 & 3); p {
	case PreferenceHigh, PreferenceLow:
		return p
	}
	return PreferenceMedium
}

// RouterAdvertisement tells hosts of a router and of what they need to know on its link.
// Durations are rounded down to whole units when written; zero in HopLimit, ReachableTime and
// RetransTimer means that this router does not say.
type RouterAdvertisement struct {
	HopLimit       uint8            // for packets that hosts send
	Managed        bool             // addresses are to be had by DHCPv6
	Other          bool             // other configuration is
	Preference     RouterPreference // of this router as a default router
	RouterLifetime time.Duration    // as a default router, up to 65535 s; if zero, it is none
	ReachableTime  time.Duration    // how long a neighbor counts as reachable, in ms
	RetransTimer   time.Duration    // between neighbor solicitations, in ms
	Options        NDPOptions
}

// ParseRouterAdvertisement parses a whole ICMPv6 message.
func ParseRouterAdvertisement(b []byte) (RouterAdvertisement, error) {
	if err := checkNDP(b, ICMPv6RouterAdvertisement, RouterAdvertisementLen); err != nil {
		return RouterAdvertisement{}, err
	}
	options, err := ParseNDPOptions(b[RouterAdvertisementLen:])
	if err != nil {
		return RouterAdvertisement{}, err
	}
	return RouterAdvertisement{
		HopLimit:       b[4],
		Managed:        b[5]&0x80 != 0,
		Other:          b[5]&0x40 != 0,
		Preference:     preference(b[5]),
		RouterLifetime: time.Duration(binary.BigEndian.Uint16(b[6:])) * time.Second,
		ReachableTime:  time.Duration(binary.BigEndian.Uint32(b[8:])) * time.Millisecond,
		RetransTimer:   time.Duration(binary.BigEndian.Uint32(b[12:])) * time.Millisecond,
		Options:        options,
	}, nil
}

// Len returns the number of bytes that AppendTo appends.
func (m RouterAdvertisement) Len() int { return RouterAdvertisementLen + len(m.Options) }

// AppendTo appends the whole ICMPv6 message, with a checksum of zero.
func (m RouterAdvertisement) AppendTo(b []byte) []byte {
	flags := uint8(m.Preference&3) << 3
	if m.Managed {
		flags |= 0x80
	}
	if m.Other {
		flags |= 0x40
	}
	b = append(b, uint8(ICMPv6RouterAdvertisement), 0, 0, 0, m.HopLimit, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(units(m.RouterLifetime, time.Second, 1<<16-1)))
	b = appendMilliseconds(b, m.ReachableTime)
	b = appendMilliseconds(b, m.RetransTimer)
	return append(b, m.Options...)
}

// NeighborSolicitation asks for the link-layer address of its target, or whether the target
// is still there, or taken.
type NeighborSolicitation struct {
	Target  netip.Addr
	Options NDPOptions
}

// ParseNeighborSolicitation parses a whole ICMPv6 message.
func ParseNeighborSolicitation(b []byte) (NeighborSolicitation, error) {
	if err := checkNDP(b, ICMPv6NeighborSolicitation, NeighborSolicitationLen); err != nil {
		return NeighborSolicitation{}, err
	}
	if b[8] == 0xff {
		return NeighborSolicitation{}, errNDPTarget
	}
	options, err := ParseNDPOptions(b[NeighborSolicitationLen:])
	if err != nil {
		return NeighborSolicitation{}, err
	}
	return NeighborSolicitation{addr16(b[8:24]), options}, nil
}

// Len returns the number of bytes that AppendTo appends.
func (m NeighborSolicitation) Len() int { return NeighborSolicitationLen + len(m.Options) }

// AppendTo appends the whole ICMPv6 message, with a checksum of zero.
func (m NeighborSolicitation) AppendTo(b []byte) []byte {
	b = append(b, uint8(ICMPv6NeighborSolicitation), 0, 0, 0, 0, 0, 0, 0)
	b = append16(b, m.Target)
	return append(b, m.Options...)
}

// NeighborAdvertisement answers a neighbor solicitation, or announces a change unasked.
type NeighborAdvertisement struct {
	Router    bool // the sender is a router
	Solicited bool // it answers a solicitation that came from a unicast address
	Override  bool // it overrides a link-layer address remembered before
	Target    netip.Addr
	Options   NDPOptions
}

// ParseNeighborAdvertisement parses a whole ICMPv6 message.
func ParseNeighborAdvertisement(b []byte) (NeighborAdvertisement, error) {
	if err := checkNDP(b, ICMPv6NeighborAdvertisement, NeighborAdvertisementLen); err != nil {
		return NeighborAdvertisement{}, err
	}
	if b[8] == 0xff {
		return NeighborAdvertisement{}, errNDPTarget
	}
	options, err := ParseNDPOptions(b[NeighborAdvertisementLen:])
	if err != nil {
		return NeighborAdvertisement{}, err
	}
	return NeighborAdvertisement{
		Router:    b[4]&0x80 != 0,
		Solicited: b[4]&0x40 != 0,
		Override:  b[4]&0x20 != 0,
		Target:    addr16(b[8:24]),
		Options:   options,
	}, nil
}

// Len returns the number of bytes that AppendTo appends.
func (m NeighborAdvertisement) Len() int { return NeighborAdvertisementLen + len(m.Options) }

// AppendTo appends the whole ICMPv6 message, with a checksum of zero.
func (m NeighborAdvertisement) AppendTo(b []byte) []byte {
	var flags uint8
	if m.Router {
		flags |= 0x80
	}
	if m.Solicited {
		flags |= 0x40
	}
	if m.Override {
		flags |= 0x20
	}
	b = append(b, uint8(ICMPv6NeighborAdvertisement), 0, 0, 0, flags, 0, 0, 0)
	b = append16(b, m.Target)
	return append(b, m.Options...)
}

// Redirect tells a host of a better first hop to a destination.
type Redirect struct {
	Target      netip.Addr // the better hop: a router's link-local address, or the destination
	Destination netip.Addr
	Options     NDPOptions
}

// ParseRedirect parses a whole ICMPv6 message.
func ParseRedirect(b []byte) (Redirect, error) {
	if err := checkNDP(b, ICMPv6Redirect, RedirectLen); err != nil {
		return Redirect{}, err
	}
	m := Redirect{Target: addr16(b[8:24]), Destination: addr16(b[24:40])}
	if m.Destination.IsMulticast() {
		return Redirect{}, errRedirectDestination
	}
	if m.Target != m.Destination && !m.Target.IsLinkLocalUnicast() {
		return Redirect{}, errRedirectTarget
	}
	options, err := ParseNDPOptions(b[RedirectLen:])
	if err != nil {
		return Redirect{}, err
	}
	m.Options = options
	return m, nil
}

// Len returns the number of bytes that AppendTo appends.
func (m Redirect) Len() int { return RedirectLen + len(m.Options) }

// AppendTo appends the whole ICMPv6 message, with a checksum of zero.
func (m Redirect) AppendTo(b []byte) []byte {
	b = append(b, uint8(ICMPv6Redirect), 0, 0, 0, 0, 0, 0, 0)
	b = append16(b, m.Target)
	b = append16(b, m.Destination)
	return append(b, m.Options...)
}
