package wire

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"strconv"
)

// RecordType is what a group record of an IGMPv3 or MLDv2 report says about its sources.
type RecordType uint8

// Record types (RFC 9776, section 4.2.13; RFC 9777, section 5.2.12). A receiver ignores
// records of other types.
const (
	ModeIsInclude   RecordType = 1 // current state: only from these sources
	ModeIsExclude   RecordType = 2 // current state: from all but these
	ChangeToInclude RecordType = 3 // the filter mode has changed; with no sources, it leaves
	ChangeToExclude RecordType = 4 // the filter mode has changed; with no sources, it joins
	AllowNewSources RecordType = 5 // from these sources, too
	BlockOldSources RecordType = 6 // from these sources no more
)

// String returns the name that the standards use in tables, such as "IS_IN", or the number as
// "type 7".
func (t RecordType) String() string {
	switch t {
	case ModeIsInclude:
		return "IS_IN"
	case ModeIsExclude:
		return "IS_EX"
	case ChangeToInclude:
		return "TO_IN"
	case ChangeToExclude:
		return "TO_EX"
	case AllowNewSources:
		return "ALLOW"
	case BlockOldSources:
		return "BLOCK"
	}
	return "type " + strconv.Itoa(int(t))
}

// GroupRecord is one record of an IGMPv3 report, if its group is an IPv4 address, or else of
// an MLDv2 report.
type GroupRecord struct {
	Type    RecordType
	Group   netip.Addr
	Sources AddrList
	Aux     []byte // auxiliary data: none is defined, and a receiver ignores it
}

// A record's fixed part is type, length of the auxiliary data, number of sources, and group.
const groupRecordFixedLen = 4

// Len returns the number of bytes that AppendTo appends.
func (r GroupRecord) Len() int {
	return groupRecordFixedLen + addrWidth(r.Group)*(1+min(r.Sources.Count(), 0xffff)) + (min(len(r.Aux), 1020)+3)&^3
}

// AppendTo appends the record. It has room for 65535 sources, far more than a packet, and for
// 1020 bytes of auxiliary data, which are padded with zeros to a multiple of 4. What exceeds
// that is left out.
func (r GroupRecord) AppendTo(b []byte) []byte { return r.appendTo(b, addrWidth(r.Group)) }

func (r GroupRecord) appendTo(b []byte, width int) []byte {
	aux := r.Aux[:min(len(r.Aux), 1020)]
	sources := min(r.Sources.Count(), 0xffff)
	b = append(b, uint8(r.Type), uint8((len(aux)+3)/4))
	b = binary.BigEndian.AppendUint16(b, uint16(sources))
	b = appendAddr(b, r.Group, width)
	b = appendAddrs(b, r.Sources, sources, width)
	b = append(b, aux...)
	for n := len(aux); n%4 != 0; n++ {
		b = append(b, 0)
	}
	return b
}

// addrWidth returns how many bytes an address has in packets of its family.
func addrWidth(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 16
}

func appendAddr(b []byte, a netip.Addr, width int) []byte {
	if width == 4 {
		raw := as4(a)
		return append(b, raw[:]...)
	}
	return append16(b, a)
}

// appendAddrs appends the first n addresses of the list.
func appendAddrs(b []byte, l AddrList, n, width int) []byte {
	if l.width == width {
		return append(b, l.b[:n*width]...)
	}
	for a := range l.All() {
		if n == 0 {
			break
		}
		n--
		b = appendAddr(b, a, width)
	}
	return b
}

// GroupRecords is a view of the records of an IGMPv3 or MLDv2 report.
type GroupRecords struct {
	b     []byte
	width int // of an address in bytes: 4 or 16
}

// All ranges over the records.
func (r GroupRecords) All() iter.Seq[GroupRecord] {
	return func(yield func(GroupRecord) bool) {
		for b := r.b; ; {
			n, ok := groupRecordLen(b, r.width)
			if !ok {
				return
			}
			if !yield(groupRecord(b[:n:n], r.width)) {
				return
			}
			b = b[n:]
		}
	}
}

// groupRecordLen returns the length of the record at the beginning of b, and false if b ends
// before the record does.
func groupRecordLen(b []byte, width int) (n int, ok bool) {
	if width == 0 || len(b) < groupRecordFixedLen+width {
		return 0, false
	}
	n = groupRecordFixedLen + width*(1+int(binary.BigEndian.Uint16(b[2:4]))) + 4*int(b[1])
	return n, n <= len(b)
}

// groupRecord returns the record that b is, whose length groupRecordLen has checked.
func groupRecord(b []byte, width int) GroupRecord {
	r := GroupRecord{Type: RecordType(b[0])}
	sources := groupRecordFixedLen + width
	aux := len(b) - 4*int(b[1])
	if width == 4 {
		r.Group = netip.AddrFrom4([4]byte(b[4:8]))
	} else {
		r.Group = addr16(b[4:20])
	}
	r.Sources = AddrList{b[sources:aux:aux], width}
	if aux < len(b) {
		r.Aux = b[aux:]
	}
	return r
}

// parseGroupRecords returns the view of the first count records of b, and false if they do
// not fit. Data behind them is ignored (RFC 9776, section 4.2.11).
func parseGroupRecords(b []byte, count, width int) (GroupRecords, bool) {
	end := 0
	for range count {
		n, ok := groupRecordLen(b[end:], width)
		if !ok {
			return GroupRecords{}, false
		}
		end += n
	}
	return GroupRecords{b[:end:end], width}, true
}
