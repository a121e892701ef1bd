package membership

import (
	"net/netip"
	"slices"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// A Protocol is a version of IGMP or MLD.
type Protocol uint8

// The protocols. MLDv1 is to IPv6 what IGMPv2 is to IPv4, and MLDv2 what IGMPv3 is.
const (
	IGMPv1 Protocol = iota + 1 // RFC 1112
	IGMPv2                     // RFC 2236
	IGMPv3                     // RFC 9776
	MLDv1                      // RFC 2710
	MLDv2                      // RFC 9777
)

var protocolNames = [...]string{"unknown protocol", "IGMPv1", "IGMPv2", "IGMPv3", "MLDv1", "MLDv2"}

// String returns the name, such as "IGMPv3".
func (p Protocol) String() string {
	if int(p) < len(protocolNames) {
		return protocolNames[p]
	}
	return protocolNames[0]
}

// MarshalText returns the name.
func (p Protocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// IPv6 reports whether the protocol is one of IPv6.
func (p Protocol) IPv6() bool { return p >= MLDv1 }

// perSource reports whether the protocol knows sources.
func (p Protocol) perSource() bool { return p == IGMPv3 || p == MLDv2 }

// A Kind says what a message does.
type Kind uint8

// The kinds. MLDv1 calls its leaves done.
const (
	Query Kind = iota + 1
	Report
	Leave
)

var kindNames = [...]string{"unknown", "query", "report", "leave"}

// String returns the name, such as "query".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[0]
}

// MarshalText returns the name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// A Message is a query, a report or a leave.
type Message struct {
	Kind                Kind
	Protocol            Protocol
	Source, Destination netip.Addr // the packet's

	// Group is what a query asks about, or what is reported or left. It is the zero
	// Addr in general queries, and in reports of IGMPv3 and MLDv2, which have Records.
	Group   netip.Addr
	Records []Record

	// The rest is a query's. In which time it is to be answered all of them say, IGMPv1
	// by being of version 1; what follows, only those of IGMPv3 and MLDv2.
	MaxResponse    time.Duration
	Interval       time.Duration
	Robustness     int // 0: not said
	SuppressRouter bool
	Sources        []netip.Addr // asked about; none: all

	// Err says why a receiver must ignore the message, if it must.
	Err error
	// Warning says what is not as it should be though most receivers take the message
	// as it is.
	Warning string
}

// General reports whether the message is a query about all groups.
func (m *Message) General() bool { return m.Kind == Query && !m.Group.IsValid() }

// A Record is what a report of IGMPv3 or MLDv2 says of one group.
type Record struct {
	Type    wire.RecordType
	Group   netip.Addr
	Sources []netip.Addr
}

// invalid is why a message must be ignored.
type invalid string

func (e invalid) Error() string { return string(e) }

// What makes receivers ignore a message.
const (
	errHeaderChecksum = invalid("the IPv4 header's checksum is wrong")
	errChecksum       = invalid("the checksum is wrong")
	errFragment       = invalid("it is a fragment")
	errHopLimit       = invalid("the hop limit is not 1 (RFC 9777, 6.2)")
	errNoAlert        = invalid("it has no Router Alert option (RFC 9777, 6.2)")
	errNotLinkLocal   = invalid("its source is not link-local (RFC 9777, 6.2)")
	errNotAGroup      = invalid("the group is no group's address")
	errGeneralTo      = invalid("a general query must be sent to all hosts")
)

// What is odd.
const (
	warnTTL     = "the TTL is not 1"
	warnNoAlert = "it has no Router Alert option, without which switches and routers may ignore it"
	warnSSM     = "the group is for single sources, and routers ignore who joins it for all (RFC 4604, 2.2)"
	warnRecord  = "a record is of a type that receivers ignore"
)

// Parse decodes an IP packet. ok is false if it is none of IGMP or MLD, or so malformed
// that it cannot be told. A message that is malformed further on has an Err.
func Parse(packet []byte) (m Message, ok bool) {
	if len(packet) == 0 {
		return m, false
	}
	switch packet[0] >> 4 {
	case 4:
		return fromIPv4(packet)
	case 6:
		return fromIPv6(packet)
	}
	return m, false
}

func fromIPv4(packet []byte) (m Message, ok bool) {
	h, options, body, err := wire.ParseIPv4(packet)
	if err != nil || h.Protocol() != wire.ProtocolIGMP {
		return m, false
	}
	m.Source, m.Destination = h.Source(), h.Destination()
	if h.IsFragment() {
		m.Err = errFragment
		return m, h.FragmentOffset() == 0 && m.identify(body)
	}
	if !m.identify(body) {
		return m, false
	}
	alert := false
	if list, err := wire.ParseIPv4Options(options); err == nil {
		alert = list.HasRouterAlert()
	}
	switch {
	case m.Protocol != IGMPv1 && !alert:
		m.Warning = warnNoAlert
	case h.TTL() != 1:
		m.Warning = warnTTL
	}
	igmp, rest, err := wire.ParseIGMP(body)
	switch {
	case err != nil:
		m.Err = err
	case !h.ChecksumOK(options):
		m.Err = errHeaderChecksum
	case !igmp.ChecksumOK(rest):
		m.Err = errChecksum
	default:
		m.Err = m.decodeIGMP(igmp, body)
	}
	m.judge()
	return m, true
}

// identify finds out what an IGMP message is, though the rest of it may be malformed.
func (m *Message) identify(body []byte) bool {
	if len(body) == 0 {
		return false
	}
	switch wire.IGMPType(body[0]) {
	case wire.IGMPMembershipQuery:
		m.Kind, m.Protocol = Query, IGMPv2
		switch {
		case len(body) > wire.IGMPHeaderLen:
			m.Protocol = IGMPv3
		case len(body) > 1 && body[1] == 0:
			m.Protocol = IGMPv1
		}
	case wire.IGMPv1Report:
		m.Kind, m.Protocol = Report, IGMPv1
	case wire.IGMPv2Report:
		m.Kind, m.Protocol = Report, IGMPv2
	case wire.IGMPv2Leave:
		m.Kind, m.Protocol = Leave, IGMPv2
	case wire.IGMPv3Report:
		m.Kind, m.Protocol = Report, IGMPv3
	default:
		return false
	}
	return true
}

func (m *Message) decodeIGMP(h *wire.IGMPHeader, body []byte) error {
	switch {
	case m.Kind == Query:
		q, err := wire.ParseIGMPQuery(body)
		if err != nil {
			return err
		}
		return m.takeQuery(&q, allHosts4)
	case m.Protocol == IGMPv3:
		records, err := wire.ParseIGMPv3Report(body)
		if err != nil {
			return err
		}
		m.takeRecords(records)
	default:
		m.Group = h.Group()
	}
	return nil
}

var (
	allHosts4 = netip.AddrFrom4([4]byte{224, 0, 0, 1})
	allHosts6 = netip.MustParseAddr("ff02::1")
)

func fromIPv6(packet []byte) (m Message, ok bool) {
	h, payload, err := wire.ParseIPv6(packet)
	if err != nil {
		return m, false
	}
	alert := false
	w := wire.WalkIPv6(h, payload)
	for {
		ext, more := w.Next()
		if !more {
			break
		}
		if f, ok := ext.Fragment(); ok {
			m.Err = errFragment
			if f.FragmentOffset() != 0 {
				return m, false
			}
		}
		if ext.Protocol == wire.ProtocolIPv6HopByHop {
			alert = alert || hasMLDAlert(ext)
		}
	}
	body := w.Payload()
	if w.Err() != nil || w.Protocol() != wire.ProtocolICMPv6 || len(body) == 0 {
		return m, false
	}
	m.Source, m.Destination = h.Source(), h.Destination()
	switch wire.ICMPv6Type(body[0]) {
	case wire.ICMPv6MLDQuery:
		m.Kind, m.Protocol = Query, MLDv1
		if len(body) > wire.MLDHeaderLen {
			m.Protocol = MLDv2
		}
	case wire.ICMPv6MLDv1Report:
		m.Kind, m.Protocol = Report, MLDv1
	case wire.ICMPv6MLDv1Done:
		m.Kind, m.Protocol = Leave, MLDv1
	case wire.ICMPv6MLDv2Report:
		m.Kind, m.Protocol = Report, MLDv2
	default:
		return m, false
	}
	icmp, rest, err := wire.ParseICMPv6(body)
	switch {
	case m.Err != nil:
	case err != nil:
		m.Err = err
	case !icmp.ChecksumOK(h.PseudoSum(wire.ProtocolICMPv6, uint32(len(body))), rest):
		m.Err = errChecksum
	default:
		m.Err = m.decodeMLD(body)
	}
	// RFC 9777, section 6.2, and RFC 3590 for reports before there is an address.
	switch {
	case m.Err != nil:
	case h.HopLimit() != 1:
		m.Err = errHopLimit
	case !alert:
		m.Err = errNoAlert
	case !m.Source.IsLinkLocalUnicast() && (m.Kind == Query || !m.Source.IsUnspecified()):
		m.Err = errNotLinkLocal
	}
	m.judge()
	return m, true
}

// hasMLDAlert reports whether hop-by-hop options ask routers to look at an MLD message
// (RFC 2711).
func hasMLDAlert(e wire.IPv6Extension) bool {
	options, err := e.Options()
	if err != nil {
		return false
	}
	for o := range options.All() {
		if v, ok := o.RouterAlert(); ok && v == 0 {
			return true
		}
	}
	return false
}

func (m *Message) decodeMLD(body []byte) error {
	switch {
	case m.Kind == Query:
		q, err := wire.ParseMLDQuery(body)
		if err != nil {
			return err
		}
		return m.takeQuery((*wire.IGMPQuery)(&q), allHosts6)
	case m.Protocol == MLDv2:
		records, err := wire.ParseMLDv2Report(body)
		if err != nil {
			return err
		}
		m.takeRecords(records)
	default:
		h, err := wire.ParseMLD(body)
		if err != nil {
			return err
		}
		m.Group = h.Group()
	}
	return nil
}

// takeQuery takes over what a query of either protocol says. A general one goes to all hosts
// (RFC 9776, 4.1.12): of version 1 and 2 too, for RFC 2236, section 6 says so.
func (m *Message) takeQuery(q *wire.IGMPQuery, all netip.Addr) error {
	if !q.IsGeneral() {
		m.Group = q.Group
	}
	m.MaxResponse, m.Interval, m.Robustness = q.MaxResponse, q.Interval, int(q.Robustness)
	m.SuppressRouter, m.Sources = q.SuppressRouter, slices.Collect(q.Sources.All())
	if m.General() && m.Destination.IsMulticast() && m.Destination != all {
		return errGeneralTo
	}
	return nil
}

func (m *Message) takeRecords(records wire.GroupRecords) {
	for r := range records.All() {
		m.Records = append(m.Records, Record{r.Type, r.Group, slices.Collect(r.Sources.All())})
	}
}

// judge looks at what has been decoded.
func (m *Message) judge() {
	if m.Err != nil {
		return
	}
	if len(m.Records) == 0 {
		if m.Group.IsValid() && !isGroup(m.Group) {
			m.Err = errNotAGroup
		} else if m.Kind == Report && m.Group.IsValid() && sourceSpecific(m.Group) {
			m.warn(warnSSM)
		}
		return
	}
	groups := 0
	for _, r := range m.Records {
		switch {
		case !r.known():
			m.warn(warnRecord)
		case !isGroup(r.Group):
			m.warn(string(errNotAGroup))
		default:
			groups++
			if (r.Type == wire.ModeIsExclude || r.Type == wire.ChangeToExclude) && sourceSpecific(r.Group) {
				m.warn(warnSSM)
			}
		}
	}
	if groups == 0 && m.Warning == string(errNotAGroup) {
		m.Err, m.Warning = errNotAGroup, ""
	}
}

func (m *Message) warn(text string) {
	if m.Warning == "" {
		m.Warning = text
	}
}

// known reports whether the record is of a type that the standards define.
func (r *Record) known() bool { return r.Type >= wire.ModeIsInclude && r.Type <= wire.BlockOldSources }

// isGroup reports whether an address is a group's. One of IPv4 that is mapped, which
// package netip takes for one, is none in a message of MLD.
func isGroup(a netip.Addr) bool { return a.IsMulticast() && !a.Is4In6() }

// sourceSpecific reports whether a group is in the ranges of RFC 4607: 232.0.0.0/8 and
// ff3x::/32.
func sourceSpecific(group netip.Addr) bool {
	if group.Is4() {
		return group.As4()[0] == 232
	}
	a := group.As16()
	return a[0] == 0xff && a[1]>>4 == 3 && a[2] == 0 && a[3] == 0
}
