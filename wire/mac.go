package wire

import "net/netip"

// MAC is a 48-bit IEEE 802 address. It is comparable, and its zero value is the all-zero
// address, which stands for "none".
type MAC [6]byte

// Broadcast is the address of all stations, ff:ff:ff:ff:ff:ff. It must not be changed.
var Broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

var (
	errMACLength = malformed("mac", "want six octets as xx:xx:xx:xx:xx:xx")
	errMACDigit  = malformed("mac", "want hexadecimal digits as xx:xx:xx:xx:xx:xx")
)

// ParseMAC parses six octets of two hexadecimal digits each, separated by colons or by
// hyphens.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	if len(s) != 17 {
		return MAC{}, errMACLength
	}
	sep := s[2]
	if sep != ':' && sep != '-' {
		return MAC{}, errMACLength
	}
	for i := range m {
		if i > 0 && s[3*i-1] != sep {
			return MAC{}, errMACLength
		}
		hi, ok1 := hexDigit(s[3*i])
		lo, ok2 := hexDigit(s[3*i+1])
		if !ok1 || !ok2 {
			return MAC{}, errMACDigit
		}
		m[i] = hi<<4 | lo
	}
	return m, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// String returns the address as "02:00:00:00:00:01".
func (m MAC) String() string {
	const digits = "0123456789abcdef"
	var s [17]byte
	for i, o := range m {
		s[3*i] = digits[o>>4]
		s[3*i+1] = digits[o&0xf]
		if i < 5 {
			s[3*i+2] = ':'
		}
	}
	return string(s[:])
}

// MarshalText returns the address as String does.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText sets the address as ParseMAC does.
func (m *MAC) UnmarshalText(text []byte) error {
	p, err := ParseMAC(string(text))
	if err == nil {
		*m = p
	}
	return err
}

// IsMulticast reports whether the group bit is set. It is for the broadcast address, too.
func (m MAC) IsMulticast() bool { return m[0]&1 != 0 }

// IsBroadcast reports whether the address is that of all stations.
func (m MAC) IsBroadcast() bool { return m == Broadcast }

// IsZero reports whether all bits are zero.
func (m MAC) IsZero() bool { return m == MAC{} }

// MulticastMAC returns the address that frames to the group carry on Ethernet:
// 01:00:5e and the low 23 bits of an IPv4 group (RFC 1112, section 6.4), 33:33 and the low
// 32 bits of an IPv6 group (RFC 2464, section 7). So 32 IPv4 groups share an address, and a
// receiver must filter by group as well.
//
// It does not check that the address is a group. The zero Addr gives the zero MAC.
func MulticastMAC(group netip.Addr) MAC {
	switch {
	case group.Is4() || group.Is4In6():
		a := group.As4()
		return MAC{0x01, 0x00, 0x5e, a[1] & 0x7f, a[2], a[3]}
	case group.Is6():
		a := group.As16()
		return MAC{0x33, 0x33, a[12], a[13], a[14], a[15]}
	}
	return MAC{}
}
