package interop

import (
	"fmt"
	"net/netip"
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

	recordIsInclude = 1
	recordIsExclude = 2
)

// A report is a message about groups in a capture; of one with several records, the
// record.
type report struct {
	number  string // of the frame
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
	return w.groupMessages(fmt.Sprintf("eth.src==%v && igmp.type!=%d", w.mac, igmpQuery), more...)
}

// queries ends the capture and returns what was asked on our link.
func (w *world) queries() []report {
	return w.groupMessages(fmt.Sprintf("eth.src!=%v && igmp.type==%d", w.mac, igmpQuery))
}

// groupMessages ends the capture and returns what passes the filter.
func (w *world) groupMessages(filter string, more ...string) (list []report) {
	w.t.Helper()
	w.stop()
	fields := []string{"frame.number", "igmp.type", "igmp.record_type", "igmp.maddr", "igmp.num_src", "igmp.saddr"}
	frames, err := tshark(w.capture.path, w.services, filter, append(fields, more...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range frames {
		records, groups, counts := strings.Split(f[2], ","), strings.Split(f[3], ","), strings.Split(f[4], ",")
		var sources []string
		if f[5] != "" {
			sources = strings.Split(f[5], ",")
		}
		for i := range groups {
			r := report{number: f[0], more: f[len(fields):]}
			var count int
			_, err := fmt.Sscan(f[1], &r.kind)
			if err == nil && f[2] != "" {
				_, err = fmt.Sscan(records[i], &r.record)
			}
			if err == nil && f[4] != "" {
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
