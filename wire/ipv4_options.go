package wire

import (
	"encoding/binary"
	"iter"
	"strconv"
)

// IPv4OptionType is the type of an IPv4 option: a flag that says whether fragments carry
// copies of it, two bits of class, and a number.
type IPv4OptionType uint8

// IPv4 option types (RFC 791, RFC 2113).
const (
	IPv4EndOfOptions   IPv4OptionType = 0
	IPv4NoOperation    IPv4OptionType = 1
	IPv4RecordRoute    IPv4OptionType = 7
	IPv4Timestamp      IPv4OptionType = 68
	IPv4LooseRoute     IPv4OptionType = 131
	IPv4StrictRoute    IPv4OptionType = 137
	IPv4RouterAlert    IPv4OptionType = 148
	ipv4OptionCopyFlag                = 0x80
)

// Copied reports whether every fragment of a packet carries the option, not only the first.
func (t IPv4OptionType) Copied() bool { return t&ipv4OptionCopyFlag != 0 }

// String returns the option's name, or the number as "option 130".
func (t IPv4OptionType) String() string {
	switch t {
	case IPv4EndOfOptions:
		return "end of options"
	case IPv4NoOperation:
		return "no operation"
	case IPv4RecordRoute:
		return "record route"
	case IPv4Timestamp:
		return "timestamp"
	case IPv4LooseRoute:
		return "loose source route"
	case IPv4StrictRoute:
		return "strict source route"
	case IPv4RouterAlert:
		return "router alert"
	}
	return "option " + strconv.Itoa(int(t))
}

// IPv4Option is one option of an IPv4 header.
type IPv4Option struct {
	Type IPv4OptionType
	Data []byte // what follows type and length: at most 38 bytes, none in a no-operation
}

// Len returns the number of bytes that AppendTo appends.
func (o IPv4Option) Len() int {
	if o.Type == IPv4EndOfOptions || o.Type == IPv4NoOperation {
		return 1
	}
	return 2 + len(o.Data)
}

// AppendTo appends the option without padding.
func (o IPv4Option) AppendTo(b []byte) []byte {
	if o.Type == IPv4EndOfOptions || o.Type == IPv4NoOperation {
		return append(b, uint8(o.Type))
	}
	b = append(b, uint8(o.Type), uint8(2+len(o.Data)))
	return append(b, o.Data...)
}

// IsRouterAlert reports whether the option asks every router to look at the packet
// (RFC 2113). Other values than zero are reserved, and ignored as the RFC demands.
func (o IPv4Option) IsRouterAlert() bool {
	return o.Type == IPv4RouterAlert && len(o.Data) == 2 && binary.BigEndian.Uint16(o.Data) == 0
}

// IPv4RouterAlertOption is the whole list of options of a packet that carries just Router
// Alert, as those of IGMP do.
const IPv4RouterAlertOption = "\x94\x04\x00\x00"

// IPv4Options is a view of the options of an IPv4 header. Its zero value has none.
type IPv4Options []byte

var (
	errIPv4OptionShort  = truncated("ipv4 options", "option without a length")
	errIPv4OptionLength = malformed("ipv4 options", "option length below 2")
	errIPv4OptionBeyond = truncated("ipv4 options", "option length exceeds the header")
)

// ParseIPv4Options returns the view of options as [ParseIPv4] returned them, having checked
// that each fits. What follows an end-of-options is padding, and cut off.
func ParseIPv4Options(b []byte) (IPv4Options, error) {
	for i := 0; i < len(b); {
		switch IPv4OptionType(b[i]) {
		case IPv4EndOfOptions:
			return IPv4Options(b[:i:i]), nil
		case IPv4NoOperation:
			i++
			continue
		}
		if len(b)-i < 2 {
			return nil, errIPv4OptionShort
		}
		n := int(b[i+1])
		if n < 2 {
			return nil, errIPv4OptionLength
		}
		if n > len(b)-i {
			return nil, errIPv4OptionBeyond
		}
		i += n
	}
	return IPv4Options(b[:len(b):len(b)]), nil
}

// All ranges over the options, no-operations left out.
func (o IPv4Options) All() iter.Seq[IPv4Option] {
	return func(yield func(IPv4Option) bool) {
		for b := []byte(o); len(b) > 0; {
			t := IPv4OptionType(b[0])
			if t == IPv4EndOfOptions {
				return
			}
			if t == IPv4NoOperation {
				b = b[1:]
				continue
			}
			if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
				return
			}
			n := int(b[1])
			if !yield(IPv4Option{t, b[2:n:n]}) {
				return
			}
			b = b[n:]
		}
	}
}

// HasRouterAlert reports whether Router Alert is among the options.
func (o IPv4Options) HasRouterAlert() bool {
	for opt := range o.All() {
		if opt.IsRouterAlert() {
			return true
		}
	}
	return false
}

// AppendCopied appends, padded to a multiple of 4 bytes, those options that fragments other
// than the first carry (RFC 791, section 3.1).
func (o IPv4Options) AppendCopied(b []byte) []byte {
	n := 0
	for opt := range o.All() {
		if opt.Type.Copied() {
			b = opt.AppendTo(b)
			n += opt.Len()
		}
	}
	for ; n%4 != 0; n++ {
		b = append(b, uint8(IPv4EndOfOptions))
	}
	return b
}

// AppendIPv4Options appends a list of options, padded to a multiple of 4 bytes with
// end-of-options. A header has room for 40 bytes.
func AppendIPv4Options(b []byte, options ...IPv4Option) []byte {
	n := 0
	for _, opt := range options {
		b = opt.AppendTo(b)
		n += opt.Len()
	}
	for ; n%4 != 0; n++ {
		b = append(b, uint8(IPv4EndOfOptions))
	}
	return b
}
