package trace

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// maxListed is how many records, sources and options are shown of a message.
const maxListed = 4

// appendIGMP describes a message of IGMP.
func appendIGMP(dst, message []byte) []byte {
	h, _, err := wire.ParseIGMP(message)
	if err != nil {
		return appendMalformed(append(dst, "IGMP "...), len(message), err)
	}
	switch t := h.Type(); t {
	case wire.IGMPMembershipQuery:
		q, err := wire.ParseIGMPQuery(message)
		if err != nil {
			return appendMalformed(append(dst, "IGMP query "...), len(message), err)
		}
		return appendQuery(append(dst, "IGMPv"...), &groupQuery{
			q.Version, 3, q.Group, q.IsGeneral(), q.SuppressRouter, q.Robustness, q.MaxResponse, q.Interval, q.Sources,
		})
	case wire.IGMPv1Report, wire.IGMPv2Report:
		dst = append(dst, "IGMPv"...)
		if t == wire.IGMPv1Report {
			dst = append(dst, '1')
		} else {
			dst = append(dst, '2')
		}
		dst = append(dst, " report "...)
		return h.Group().AppendTo(dst)
	case wire.IGMPv2Leave:
		dst = append(dst, "IGMPv2 leave "...)
		return h.Group().AppendTo(dst)
	case wire.IGMPv3Report:
		records, err := wire.ParseIGMPv3Report(message)
		if err != nil {
			return appendMalformed(append(dst, "IGMPv3 report "...), len(message), err)
		}
		return appendRecords(append(dst, "IGMPv3 report"...), records)
	default:
		dst = append(dst, "IGMP "...)
		dst = append(dst, t.String()...)
		return appendLength(dst, len(message))
	}
}

// isMLD reports whether an ICMPv6 message is one of MLD.
func isMLD(message []byte) bool {
	if len(message) < wire.ICMPv6HeaderLen {
		return false
	}
	switch wire.ICMPv6Type(message[0]) {
	case wire.ICMPv6MLDQuery, wire.ICMPv6MLDv1Report, wire.ICMPv6MLDv1Done, wire.ICMPv6MLDv2Report:
		return true
	}
	return false
}

// appendMLD describes a message of MLD.
func appendMLD(dst, message []byte) []byte {
	switch t := wire.ICMPv6Type(message[0]); t {
	case wire.ICMPv6MLDQuery:
		q, err := wire.ParseMLDQuery(message)
		if err != nil {
			return appendMalformed(append(dst, "MLD query "...), len(message), err)
		}
		return appendQuery(append(dst, "MLDv"...), &groupQuery{
			q.Version, 2, q.Group, q.IsGeneral(), q.SuppressRouter, q.Robustness, q.MaxResponse, q.Interval, q.Sources,
		})
	case wire.ICMPv6MLDv2Report:
		records, err := wire.ParseMLDv2Report(message)
		if err != nil {
			return appendMalformed(append(dst, "MLDv2 report "...), len(message), err)
		}
		return appendRecords(append(dst, "MLDv2 report"...), records)
	default:
		word := "MLDv1 report "
		if t == wire.ICMPv6MLDv1Done {
			word = "MLDv1 done "
		}
		dst = append(dst, word...)
		m, err := wire.ParseMLD(message)
		if err != nil {
			return appendMalformed(dst, len(message), err)
		}
		return m.Group().AppendTo(dst)
	}
}

// groupQuery is a query of either protocol.
type groupQuery struct {
	version, newest   int
	group             netip.Addr
	general, suppress bool
	robustness        uint8
	response          time.Duration
	interval          time.Duration
	sources           wire.AddrList
}

func appendQuery(dst []byte, q *groupQuery) []byte {
	dst = strconv.AppendInt(dst, int64(q.version), 10)
	if q.general {
		dst = append(dst, " general query"...)
	} else {
		dst = append(dst, " query "...)
		dst = q.group.AppendTo(dst)
	}
	if q.sources.Count() > 0 {
		dst = append(dst, ' ')
		dst = appendSources(dst, q.sources)
	}
	dst = append(dst, ", answer in "...)
	dst = append(dst, q.response.String()...)
	if q.version != q.newest {
		return dst
	}
	if q.general {
		dst = append(dst, ", every "...)
		dst = append(dst, q.interval.String()...)
		dst = append(dst, ", robustness "...)
		dst = strconv.AppendUint(dst, uint64(q.robustness), 10)
	}
	if q.suppress {
		dst = append(dst, ", answered before"...)
	}
	return dst
}

func appendRecords(dst []byte, records wire.GroupRecords) []byte {
	n := 0
	for r := range records.All() {
		switch n++; {
		case n > maxListed:
			return append(dst, "; ..."...)
		case n > 1:
			dst = append(dst, ';')
		}
		dst = append(dst, ' ')
		dst = r.Group.AppendTo(dst)
		dst = append(dst, ' ')
		dst = append(dst, r.Type.String()...)
		dst = append(dst, ' ')
		dst = appendSources(dst, r.Sources)
	}
	if n == 0 {
		dst = append(dst, " of nothing"...)
	}
	return dst
}

// appendSources lists sources in braces.
func appendSources(dst []byte, sources wire.AddrList) []byte {
	dst = append(dst, '{')
	n := 0
	for a := range sources.All() {
		if n++; n > 1 {
			dst = append(dst, ", "...)
		}
		if n > maxListed {
			dst = append(dst, "..."...)
			break
		}
		dst = a.AppendTo(dst)
	}
	return append(dst, '}')
}
