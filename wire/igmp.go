package wire

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"time"
)

// IGMPType is the type of an IGMP message.
type IGMPType uint8

// Types of IGMP messages (RFC 1112, RFC 2236, RFC 9776). A receiver ignores others.
const (
	IGMPMembershipQuery IGMPType = 0x11
	IGMPv1Report        IGMPType = 0x12
	IGMPv2Report        IGMPType = 0x16
	IGMPv2Leave         IGMPType = 0x17
	IGMPv3Report        IGMPType = 0x22
)

// String returns the type's name, or the number as "type 0x13".
func (t IGMPType) String() string {
	switch t {
	case IGMPMembershipQuery:
		return "membership query"
	case IGMPv1Report:
		return "version 1 membership report"
	case IGMPv2Report:
		return "version 2 membership report"
	case IGMPv2Leave:
		return "leave group"
	case IGMPv3Report:
		return "version 3 membership report"
	}
	return "type 0x" + strconv.FormatUint(uint64(t), 16)
}

// IGMPHeaderLen is the length in bytes of what all IGMP messages have, and of those of
// versions 1 and 2 altogether.
const IGMPHeaderLen = 8

// IGMPHeader is the header of an IGMP message: type, maximum response code, checksum, and
// group. In reports of version 3 the places of code and group have other meanings.
type IGMPHeader [IGMPHeaderLen]byte

var (
	errIGMPShort       = truncated("igmp", "shorter than 8 bytes")
	errIGMPNotQuery    = malformed("igmp", "not a membership query")
	errIGMPQueryLength = malformed("igmp", "query of 9 to 11 bytes, which no version has")
	errIGMPSources     = truncated("igmp", "number of sources exceeds the query")
	errIGMPNotReport   = malformed("igmp", "not a version 3 report")
	errIGMPRecords     = truncated("igmp", "group records exceed the report")
)

// ParseIGMP returns the header of a message and what follows it: nothing, in versions 1 and 2,
// but whatever there is must be ignored and is part of the checksum (RFC 2236, section 2.5).
// The checksum is not verified.
func ParseIGMP(b []byte) (h *IGMPHeader, body []byte, err error) {
	if len(b) < IGMPHeaderLen {
		return nil, nil, errIGMPShort
	}
	return (*IGMPHeader)(b), b[IGMPHeaderLen:len(b):len(b)], nil
}

// PutIGMP writes a header with a zero code and checksum over the first 8 bytes of b, and panics
// if b is shorter. With UpdateChecksum(nil) it makes a report or leave of version 1 or 2.
func PutIGMP(b []byte, t IGMPType, group netip.Addr) *IGMPHeader {
	h := (*IGMPHeader)(b)
	*h = IGMPHeader{0: uint8(t)}
	h.SetGroup(group)
	return h
}

// Type returns the type of the message.
func (h *IGMPHeader) Type() IGMPType { return IGMPType(h[0]) }

// MaxRespCode returns the maximum response code, as it is.
func (h *IGMPHeader) MaxRespCode() uint8 { return h[1] }

// Checksum returns the checksum field.
func (h *IGMPHeader) Checksum() uint16 { return binary.BigEndian.Uint16(h[2:4]) }

// Group returns the group, which is 0.0.0.0 in a general query.
func (h *IGMPHeader) Group() netip.Addr { return netip.AddrFrom4([4]byte(h[4:8])) }

// SetType sets the type of the message.
func (h *IGMPHeader) SetType(t IGMPType) { h[0] = uint8(t) }

// SetMaxRespCode sets the maximum response code, as it is.
func (h *IGMPHeader) SetMaxRespCode(code uint8) { h[1] = code }

// SetChecksum sets the checksum field.
func (h *IGMPHeader) SetChecksum(c uint16) { binary.BigEndian.PutUint16(h[2:4], c) }

// SetGroup sets the group.
func (h *IGMPHeader) SetGroup(group netip.Addr) { *(*[4]byte)(h[4:8]) = as4(group) }

// ChecksumOK reports whether the checksum field agrees with the header and the body.
func (h *IGMPHeader) ChecksumOK(body []byte) bool { return h.sum(body) == 0xffff }

// UpdateChecksum sets the checksum field to agree with the header and the body.
func (h *IGMPHeader) UpdateChecksum(body []byte) {
	h.SetChecksum(0)
	h.SetChecksum(^h.sum(body))
}

func (h *IGMPHeader) sum(body []byte) uint16 { return AddSum(Sum(h[:]), Sum(body)) }

// UpdateIGMPChecksum sets the checksum of a whole message, such as AppendTo writes. It panics
// if the message is shorter than an IGMP header.
func UpdateIGMPChecksum(message []byte) {
	(*IGMPHeader)(message).UpdateChecksum(message[IGMPHeaderLen:])
}

// IGMPv1MaxResponse is the time in which hosts answer a query of version 1, which does not
// say one (RFC 2236, section 4).
const IGMPv1MaxResponse = 10 * time.Second

// IGMPQuery is a membership query of any version.
type IGMPQuery struct {
	// Version is 1, 2 or 3. AppendTo takes anything else as 3.
	Version int

	// Group is the group asked about, 0.0.0.0 in a general query.
	Group netip.Addr

	// MaxResponse is the time in which hosts are to answer, in units of 100 ms. Version 1
	// does not say it: it is parsed as IGMPv1MaxResponse and not written. In version 2 it is
	// 100 ms at least, for zero would mean version 1, and 25.5 s at most; in version 3,
	// 3174.4 s at most. AppendTo rounds down, to what has a code.
	MaxResponse time.Duration

	// The following is said only in version 3.

	// SuppressRouter (the S flag) tells routers not to update their timers.
	SuppressRouter bool

	// Robustness is the querier's robustness variable (QRV), 0 to 7. If zero, the querier's
	// value is greater than 7, and others use their default.
	Robustness uint8

	// Interval is the querier's query interval (QQIC), in s, 31744 s at most. AppendTo rounds
	// down, to what has a code.
	Interval time.Duration

	// Sources are the sources asked about. If there are none, all are.
	Sources AddrList
}

const igmpv3QueryFixedLen = 12

// ParseIGMPQuery parses a whole IGMP message. The length tells the version (RFC 9776,
// section 7.1): 8 bytes with a maximum response code of zero are version 1, 8 bytes with
// another code version 2, 12 bytes or more version 3. The checksum is not verified.
func ParseIGMPQuery(b []byte) (IGMPQuery, error) {
	h, body, err := ParseIGMP(b)
	if err != nil {
		return IGMPQuery{}, err
	}
	if h.Type() != IGMPMembershipQuery {
		return IGMPQuery{}, errIGMPNotQuery
	}
	q := IGMPQuery{Group: h.Group()}
	switch {
	case len(body) == 0 && h.MaxRespCode() == 0:
		q.Version = 1
		q.MaxResponse = IGMPv1MaxResponse
		return q, nil
	case len(body) == 0:
		q.Version = 2
		q.MaxResponse = time.Duration(h.MaxRespCode()) * 100 * time.Millisecond
		return q, nil
	case len(body) < 4:
		return IGMPQuery{}, errIGMPQueryLength
	}
	q.Version = 3
	q.MaxResponse = time.Duration(DecodeTimeCode8(h.MaxRespCode())) * 100 * time.Millisecond
	q.SuppressRouter = body[0]&8 != 0
	q.Robustness = body[0] & 7
	q.Interval = time.Duration(DecodeTimeCode8(body[1])) * time.Second
	end := 4 + 4*int(binary.BigEndian.Uint16(body[2:4]))
	if end > len(body) {
		return IGMPQuery{}, errIGMPSources
	}
	q.Sources = AddrList{body[4:end:end], 4}
	return q, nil
}

// IsGeneral reports whether the query asks about all groups.
func (q IGMPQuery) IsGeneral() bool { return !q.Group.IsValid() || q.Group.IsUnspecified() }

// Len returns the number of bytes that AppendTo appends.
func (q IGMPQuery) Len() int {
	if q.Version == 1 || q.Version == 2 {
		return IGMPHeaderLen
	}
	return igmpv3QueryFixedLen + 4*min(q.Sources.Count(), 0xffff)
}

// AppendTo appends the whole message, with a checksum of zero.
func (q IGMPQuery) AppendTo(b []byte) []byte {
	tenths := units(q.MaxResponse, 100*time.Millisecond, MaxTimeCode8)
	var code uint8
	switch q.Version {
	case 1:
	case 2:
		code = uint8(min(max(tenths, 1), 255))
	default:
		code = EncodeTimeCode8(int(tenths))
	}
	b = append(b, uint8(IGMPMembershipQuery), code, 0, 0)
	b = appendAddr(b, q.Group, 4)
	if q.Version == 1 || q.Version == 2 {
		return b
	}
	return appendQueryRest(b, &q, 4)
}

// appendQueryRest appends what IGMPv3 and MLDv2 have behind the group. A robustness that
// does not fit is written as zero (RFC 9776, section 4.1.6).
func appendQueryRest(b []byte, q *IGMPQuery, width int) []byte {
	flags := q.Robustness
	if flags > 7 {
		flags = 0
	}
	if q.SuppressRouter {
		flags |= 8
	}
	sources := min(q.Sources.Count(), 0xffff)
	b = append(b, flags, EncodeTimeCode8(int(units(q.Interval, time.Second, MaxTimeCode8))))
	b = binary.BigEndian.AppendUint16(b, uint16(sources))
	return appendAddrs(b, q.Sources, sources, width)
}

// ParseIGMPv3Report returns the view of the group records of a whole IGMP message, which is a
// report of version 3. The checksum is not verified.
func ParseIGMPv3Report(b []byte) (GroupRecords, error) {
	h, body, err := ParseIGMP(b)
	if err != nil {
		return GroupRecords{}, err
	}
	if h.Type() != IGMPv3Report {
		return GroupRecords{}, errIGMPNotReport
	}
	records, ok := parseGroupRecords(body, int(binary.BigEndian.Uint16(h[6:8])), 4)
	if !ok {
		return GroupRecords{}, errIGMPRecords
	}
	return records, nil
}

// AppendIGMPv3Report appends a whole report of version 3 with the records, whose groups are
// IPv4 addresses, and with a checksum of zero. Its length is 8 bytes and those of the records;
// to make it fit the link is the caller's part.
func AppendIGMPv3Report(b []byte, records ...GroupRecord) []byte {
	b = append(b, uint8(IGMPv3Report), 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(records)))
	for _, r := range records {
		b = r.appendTo(b, 4)
	}
	return b
}
