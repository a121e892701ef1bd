package wire

import (
	"iter"
	"strconv"
)

// IPv6OptionType is the type of an option in a hop-by-hop or destination options header. Its
// upper bits say what those do who do not know it (RFC 8200, section 4.2).
type IPv6OptionType uint8

// IPv6 option types.
const (
	IPv6Pad1        IPv6OptionType = 0
	IPv6PadN        IPv6OptionType = 1
	IPv6RouterAlert IPv6OptionType = 5    // RFC 2711
	IPv6Jumbo       IPv6OptionType = 0xc2 // RFC 2675
)

// String returns the option's name, or the number as "option 0x1e".
func (t IPv6OptionType) String() string {
	switch t {
	case IPv6Pad1:
		return "pad1"
	case IPv6PadN:
		return "padN"
	case IPv6RouterAlert:
		return "router alert"
	case IPv6Jumbo:
		return "jumbo payload"
	}
	return "option 0x" + strconv.FormatUint(uint64(t), 16)
}

// IPv6OptionAction is what to do with a packet that has an option one does not know.
type IPv6OptionAction uint8

// The actions, by the two upper bits of an option's type.
const (
	IPv6OptionSkip            IPv6OptionAction = 0 // skip the option
	IPv6OptionDiscard         IPv6OptionAction = 1 // drop the packet in silence
	IPv6OptionReport          IPv6OptionAction = 2 // drop it with a parameter problem, code ICMPv6UnknownOption
	IPv6OptionReportIfUnicast IPv6OptionAction = 3 // the same, but in silence if it was sent to a group
)

// Action returns what those do who do not know the option.
func (t IPv6OptionType) Action() IPv6OptionAction {
	return IPv6OptionAction(t >> 6)
}

// Mutable reports whether the option's data may change on the way.
func (t IPv6OptionType) Mutable() bool { return t&0x20 != 0 }

// IPv6Option is one option of a hop-by-hop or destination options header.
type IPv6Option struct {
	Type IPv6OptionType
	Data []byte // what follows type and length: at most 255 bytes

	// Offset is where the option begins in the list, in bytes. In the packet it lies
	// 2 bytes more behind the [IPv6Extension.Offset] of its header, which is where a parameter
	// problem about it points. AppendTo disregards it.
	Offset int
}

// Len returns the number of bytes that AppendTo appends.
func (o IPv6Option) Len() int {
	if o.Type == IPv6Pad1 {
		return 1
	}
	return 2 + len(o.Data)
}

// AppendTo appends the option without padding.
func (o IPv6Option) AppendTo(b []byte) []byte {
	if o.Type == IPv6Pad1 {
		return append(b, 0)
	}
	b = append(b, uint8(o.Type), uint8(len(o.Data)))
	return append(b, o.Data...)
}

// RouterAlert returns the value of a Router Alert option (RFC 2711), which is zero in MLD
// messages, and false if it is another option.
func (o IPv6Option) RouterAlert() (value uint16, ok bool) {
	if o.Type != IPv6RouterAlert || len(o.Data) != 2 {
		return 0, false
	}
	return uint16(o.Data[0])<<8 | uint16(o.Data[1]), true
}

// MLDHopByHop is the hop-by-hop options header that MLD messages carry: ICMPv6 follows, and
// Router Alert says MLD (RFC 2710, section 3).
const MLDHopByHop = "\x3a\x00\x05\x02\x00\x00\x01\x00"

// IPv6Options is a view of the options of a hop-by-hop or destination options header. Its
// zero value has none.
type IPv6Options []byte

var (
	errIPv6OptionsKind  = malformed("ipv6 options", "the extension header is not one of options")
	errIPv6OptionShort  = truncated("ipv6 options", "option without a length")
	errIPv6OptionBeyond = truncated("ipv6 options", "option length exceeds the header")
)

// ParseIPv6Options returns the view of options, which are an options header but for its first
// 2 bytes, having checked that each fits.
func ParseIPv6Options(b []byte) (IPv6Options, error) {
	for i := 0; i < len(b); {
		if IPv6OptionType(b[i]) == IPv6Pad1 {
			i++
			continue
		}
		if len(b)-i < 2 {
			return nil, errIPv6OptionShort
		}
		n := 2 + int(b[i+1])
		if n > len(b)-i {
			return nil, errIPv6OptionBeyond
		}
		i += n
	}
	return IPv6Options(b[:len(b):len(b)]), nil
}

// All ranges over the options, padding left out.
func (o IPv6Options) All() iter.Seq[IPv6Option] {
	return func(yield func(IPv6Option) bool) {
		for i := 0; i < len(o); {
			t := IPv6OptionType(o[i])
			if t == IPv6Pad1 {
				i++
				continue
			}
			if len(o)-i < 2 || 2+int(o[i+1]) > len(o)-i {
				return
			}
			end := i + 2 + int(o[i+1])
			if t != IPv6PadN && !yield(IPv6Option{t, o[i+2 : end : end], i}) {
				return
			}
			i = end
		}
	}
}

// RouterAlert returns the value of the first Router Alert among the options, and false if
// there is none.
func (o IPv6Options) RouterAlert() (value uint16, ok bool) {
	for opt := range o.All() {
		if v, ok := opt.RouterAlert(); ok {
			return v, true
		}
	}
	return 0, false
}

// AppendIPv6Options appends a whole hop-by-hop or destination options header: what follows
// it, its length, the options, and padding to a multiple of 8 bytes. A header holds up to
// 2046 bytes of options. An option that must be aligned needs an IPv6PadN or IPv6Pad1 before
// it; at the beginning of the list Router Alert needs none.
func AppendIPv6Options(b []byte, next Protocol, options ...IPv6Option) []byte {
	n := 2
	for _, o := range options {
		n += o.Len()
	}
	pad := -n & 7
	b = append(b, uint8(next), uint8((n+pad)/8-1))
	for _, o := range options {
		b = o.AppendTo(b)
	}
	switch pad {
	case 0:
	case 1:
		b = append(b, uint8(IPv6Pad1))
	default:
		b = append(b, uint8(IPv6PadN), uint8(pad-2))
		b = append(b, make([]byte, pad-2)...)
	}
	return b
}
