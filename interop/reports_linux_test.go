package interop

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/castnet-go/castnet/wire"
)

// What a message about groups is, by the protocol's own numbers (RFC 9776, 4; RFC
// 9777, 5).
const (
	igmpQuery    = 0x11
	igmpV1Report = 0x12
	igmpV2Report = 0x16
	igmpV2Leave  = 0x17
	igmpV3Report = 0x22

	mldQuery    = 130
	mldV1Report = 131
	mldV1Done   = 132
	mldV2Report = 143

	recordIsInclude = 1
	recordIsExclude = 2
)

// A report is a message about groups in a capture; of one with several records, the
// record.
type report struct {
	kind    int
	record  int // 0: it has none
	group   netip.Addr
	sources []netip.Addr
	more    []string // fields that were asked for
}

func (r report) String() string {
	s := fmt.Sprintf("%#x", r.kind)
	if r.record != 0 {
		s += fmt.Sprint(" ", wire.RecordType(r.record))
	}
	s += fmt.Sprint(" ", r.group)
	if len(r.sources) > 0 {
		s += fmt.Sprint(" ", r.sources)
	}
	return s
}

// reports ends the capture and returns what we have told routers, in order.
func (w *world) reports(more ...string) []report {
	filter := fmt.Sprintf("igmp.type!=%d", igmpQuery)
	if w.family.is6() {
		// What an error quotes tells nobody of groups.
		filter = fmt.Sprintf("icmpv6.type in {%d,%d,%d} && !(icmpv6.type in {1..4})", mldV1Report, mldV1Done, mldV2Report)
	}
	return w.groupMessages(fmt.Sprintf("eth.src==%v && %s", w.mac, filter), more...)
}

// queries ends the capture and returns what was asked on our link.
func (w *world) queries() []report {
	filter := fmt.Sprintf("igmp.type==%d", igmpQuery)
	if w.family.is6() {
		filter = fmt.Sprintf("icmpv6.type==%d", mldQuery)
	}
	return w.groupMessages(fmt.Sprintf("eth.src!=%v && %s", w.mac, filter))
}

// groupMessages ends the capture and returns what passes the filter.
func (w *world) groupMessages(filter string, more ...string) (list []report) {
	w.t.Helper()
	w.stop()
	// The last three have other names in MLD's reports and in its queries.
	fields := []string{"igmp.type", "igmp.record_type", "igmp.maddr", "igmp.num_src", "igmp.saddr"}
	names := len(fields)
	if w.family.is6() {
		fields = []string{"icmpv6.type", "icmpv6.mldr.mar.record_type",
			"icmpv6.mldr.mar.multicast_address", "icmpv6.mldr.mar.nb_sources", "icmpv6.mldr.mar.source_address",
			"icmpv6.mld.multicast_address", "icmpv6.mld.nb_sources", "icmpv6.mld.source_address"}
	}
	frames, err := tshark(w.capture.path, w.services, filter, append(slices.Clone(fields), more...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range frames {
		f, more := f[:len(fields)], f[len(fields):]
		if len(f) > names && f[1] == "" {
			copy(f[2:], f[names:])
		}
		records, groups, counts := strings.Split(f[1], ","), strings.Split(f[2], ","), strings.Split(f[3], ",")
		var sources []string
		if f[4] != "" {
			sources = strings.Split(f[4], ",")
		}
		for i := range groups {
			r := report{more: more}
			var count int
			_, err := fmt.Sscan(f[0], &r.kind)
			if err == nil && f[1] != "" {
				_, err = fmt.Sscan(records[i], &r.record)
			}
			if err == nil && f[3] != "" {
				_, err = fmt.Sscan(counts[i], &count)
			}
			if err == nil {
				r.group, err = netip.ParseAddr(groups[i])
			}
			if err != nil || count > len(sources) {
				w.t.Fatalf("tshark says %q of a message about groups: %v", f, err)
			}
			for ; count > 0; count-- {
				r.sources, sources = append(r.sources, netip.MustParseAddr(sources[0])), sources[1:]
			}
			list = append(list, r)
		}
	}
	return list
}

// multicastMAC returns the hardware address of a group (RFC 1112, 6.4; RFC 2464, 7).
func multicastMAC(group string) string {
	a := netip.MustParseAddr(group).AsSlice()
	last := a[len(a)-4:]
	if len(a) == 16 {
		return fmt.Sprintf("33:33:%02x:%02x:%02x:%02x", last[0], last[1], last[2], last[3])
	}
	return fmt.Sprintf("01:00:5e:%02x:%02x:%02x", last[1]&0x7f, last[2], last[3])
}
