package wire

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// The messages of multicast listener discovery are ICMPv6 messages: queries of type
// ICMPv6MLDQuery, reports and dones of version 1 (RFC 2710), reports of version 2 (RFC 9777).
// Their checksums are ICMPv6's: [UpdateICMPv6Checksum].

// MLDHeaderLen is the length of a message of version 1 in bytes.
const MLDHeaderLen = 24

// MLDHeader is a message of version 1, or the beginning of a query of version 2: an ICMPv6
// header and a group.
type MLDHeader [MLDHeaderLen]byte

var (
	errMLDShort       = truncated("mld", "shorter than 24 bytes")
	errMLDType        = malformed("mld", "not a query, nor a report or done of version 1")
	errMLDNotQuery    = malformed("mld", "not a query")
	errMLDQueryLength = malformed("mld", "query of 25 to 27 bytes, which no version has")
	errMLDSources     = truncated("mld", "number of sources exceeds the query")
	errMLDReportShort = truncated("mld", "report shorter than 8 bytes")
	errMLDNotReport   = malformed("mld", "not a version 2 report")
	errMLDRecords     = truncated("mld", "group records exceed the report")
)

// ParseMLD parses a whole ICMPv6 message that is a query, or a report or done of version 1.
func ParseMLD(b []byte) (*MLDHeader, error) {
	if len(b) < ICMPv6HeaderLen {
		return nil, errMLDShort
	}
	switch ICMPv6Type(b[0]) {
	case ICMPv6MLDQuery, ICMPv6MLDv1Report, ICMPv6MLDv1Done:
	default:
		return nil, errMLDType
	}
	if len(b) < MLDHeaderLen {
		return nil, errMLDShort
	}
	return (*MLDHeader)(b), nil
}

// PutMLD writes a message of version 1 with a zero response delay and checksum over the first
// 24 bytes of b, and panics if b is shorter.
func PutMLD(b []byte, t ICMPv6Type, group netip.Addr) *MLDHeader {
	h := (*MLDHeader)(b)
	*h = MLDHeader{0: uint8(t)}
	h.SetGroup(group)
	return h
}

// Type returns the type of the message.
func (h *MLDHeader) Type() ICMPv6Type { return ICMPv6Type(h[0]) }

// MaxRespCode returns the maximum response code, as it is: in version 1, milliseconds.
func (h *MLDHeader) MaxRespCode() uint16 { return binary.BigEndian.Uint16(h[4:6]) }

// Group returns the group, which is :: in a general query.
func (h *MLDHeader) Group() netip.Addr { return addr16(h[8:24]) }

// SetMaxRespCode sets the maximum response code, as it is.
func (h *MLDHeader) SetMaxRespCode(code uint16) { binary.BigEndian.PutUint16(h[4:6], code) }

// SetGroup sets the group.
func (h *MLDHeader) SetGroup(group netip.Addr) { *(*[16]byte)(h[8:24]) = group.As16() }

// MLDQuery is a multicast listener query of any version. Its fields are those of [IGMPQuery],
// to which it converts; the versions are one apart.
type MLDQuery struct {
	// Version is 1 or 2. AppendTo takes anything else as 2.
	Version int

	// Group is the group asked about, :: in a general query.
	Group netip.Addr

	// MaxResponse is the time in which listeners are to answer, in ms: at most 65.535 s in
	// version 1, 8387.584 s in version 2. AppendTo rounds down, to what has a code.
	MaxResponse time.Duration

	// The following is said only in version 2, and means what it does in [IGMPQuery].

	SuppressRouter bool
	Robustness     uint8
	Interval       time.Duration
	Sources        AddrList
}

const mldv2QueryFixedLen = 28

// ParseMLDQuery parses a whole ICMPv6 message. The length tells the version (RFC 9777,
// section 8.1): 24 bytes are version 1, 28 bytes or more version 2. The code is ignored, and
// the checksum not verified.
func ParseMLDQuery(b []byte) (MLDQuery, error) {
	h, err := ParseMLD(b)
	if err != nil {
		return MLDQuery{}, err
	}
	if h.Type() != ICMPv6MLDQuery {
		return MLDQuery{}, errMLDNotQuery
	}
	q := MLDQuery{Group: h.Group()}
	switch {
	case len(b) == MLDHeaderLen:
		q.Version = 1
		q.MaxResponse = time.Duration(h.MaxRespCode()) * time.Millisecond
		return q, nil
	case len(b) < mldv2QueryFixedLen:
		return MLDQuery{}, errMLDQueryLength
	}
	q.Version = 2
	q.MaxResponse = time.Duration(DecodeTimeCode16(h.MaxRespCode())) * time.Millisecond
	q.SuppressRouter = b[24]&8 != 0
	q.Robustness = b[24] & 7
	q.Interval = time.Duration(DecodeTimeCode8(b[25])) * time.Second
	end := mldv2QueryFixedLen + 16*int(binary.BigEndian.Uint16(b[26:28]))
	if end > len(b) {
		return MLDQuery{}, errMLDSources
	}
	q.Sources = AddrList{b[mldv2QueryFixedLen:end:end], 16}
	return q, nil
}

// IsGeneral reports whether the query asks about all groups.
func (q MLDQuery) IsGeneral() bool { return !q.Group.IsValid() || q.Group.IsUnspecified() }

// Len returns the number of bytes that AppendTo appends.
func (q MLDQuery) Len() int {
	if q.Version == 1 {
		return MLDHeaderLen
	}
	return mldv2QueryFixedLen + 16*min(q.Sources.Count(), 0xffff)
}

// AppendTo appends the whole ICMPv6 message, with a checksum of zero.
func (q MLDQuery) AppendTo(b []byte) []byte {
	ms := units(q.MaxResponse, time.Millisecond, MaxTimeCode16)
	code := EncodeTimeCode16(int(ms))
	if q.Version == 1 {
		code = uint16(min(ms, 0xffff))
	}
	b = append(b, uint8(ICMPv6MLDQuery), 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, code)
	b = append(b, 0, 0)
	b = append16(b, q.Group)
	if q.Version == 1 {
		return b
	}
	return appendQueryRest(b, (*IGMPQuery)(&q), 16)
}

// ParseMLDv2Report returns the view of the group records of a whole ICMPv6 message, which is a
// report of version 2. The code is ignored, and the checksum not verified.
func ParseMLDv2Report(b []byte) (GroupRecords, error) {
	if len(b) < ICMPv6HeaderLen {
		return GroupRecords{}, errMLDReportShort
	}
	if ICMPv6Type(b[0]) != ICMPv6MLDv2Report {
		return GroupRecords{}, errMLDNotReport
	}
	records, ok := parseGroupRecords(b[8:], int(binary.BigEndian.Uint16(b[6:8])), 16)
	if !ok {
		return GroupRecords{}, errMLDRecords
	}
	return records, nil
}

// AppendMLDv2Report appends a whole report of version 2 with the records, whose groups are IPv6
// addresses, and with a checksum of zero. Its length is 8 bytes and those of the records; to
// make it fit the link is the caller's part.
func AppendMLDv2Report(b []byte, records ...GroupRecord) []byte {
	b = append(b, uint8(ICMPv6MLDv2Report), 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(records)))
	for _, r := range records {
		b = r.appendTo(b, 16)
	}
	return b
}
