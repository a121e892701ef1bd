//go:build linux

package conformance

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// nextReport returns the next IGMP message that the machine sends within a time, or nil.
func nextReport(n *Machine, w *Wire, within time.Duration) *Packet {
	step := 20 * time.Millisecond
	if n.Kind == Stack {
		step = time.Millisecond // so that what is told again a moment later is not in it
	}
	for waited := time.Duration(0); ; waited += step {
		select {
		case p := <-w.reports:
			return p
		default:
		}
		if waited > within {
			return nil
		}
		n.Elapse(step)
	}
}

// drainReports forgets what was reported so far.
func drainReports(n *Machine, w *Wire) {
	for nextReport(n, w, 0) != nil {
	}
}

// records returns what an IGMP message says, a line for each record; sources sorted.
func records(t *testing.T, p *Packet) (lines []string) {
	t.Helper()
	h, _, err := wire.ParseIGMP(p.Data)
	if err != nil {
		t.Fatal(err)
	}
	switch h.Type() {
	case wire.IGMPv1Report:
		return []string{"report1 " + h.Group().String()}
	case wire.IGMPv2Report:
		return []string{"report2 " + h.Group().String()}
	case wire.IGMPv2Leave:
		return []string{"leave " + h.Group().String()}
	}
	rs, err := wire.ParseIGMPv3Report(p.Data)
	if err != nil {
		t.Fatal(err)
	}
	for r := range rs.All() {
		sources := slices.SortedFunc(r.Sources.All(), netip.Addr.Compare)
		lines = append(lines, fmt.Sprint(r.Type, " ", r.Group, " ", append([]netip.Addr{}, sources...)))
	}
	slices.Sort(lines)
	return lines
}

// wantRecords checks what the next IGMP message says, and returns it.
func wantRecords(t *testing.T, n *Machine, w *Wire, want ...string) *Packet {
	t.Helper()
	return wantRecordsWithin(t, n, w, 2*time.Second, want...)
}

func wantRecordsWithin(t *testing.T, n *Machine, w *Wire, within time.Duration, want ...string) *Packet {
	t.Helper()
	p := nextReport(n, w, within)
	if p == nil {
		t.Fatalf("%s: nothing is reported, want %q", w.Name, want)
	}
	if got := records(t, p); !slices.Equal(got, want) {
		t.Fatalf("%s: reported %q, want %q", w.Name, got, want)
	}
	return p
}

// wantSilence checks that nothing is reported for a time.
func wantSilence(t *testing.T, n *Machine, w *Wire, d time.Duration) {
	t.Helper()
	if p := nextReport(n, w, d); p != nil {
		t.Errorf("%s: reported %q, want nothing", w.Name, records(t, p))
	}
}

// A query of IGMP or MLD is to be injected: of the newest version unless it says otherwise.
type query struct {
	group    string // "": a general query
	sources  []string
	version  int
	response time.Duration // 0: 100 ms

	from, to string
	ttl      uint8
	noAlert  bool
	cut      int // bytes left out at the end
	badSum   bool
}

// with is what both protocols' queries have to say: whom they come from and go to, unless
// the query says otherwise, their response time and sources.
func (q query) with(router, all string) (from, to string, response time.Duration, sources wire.AddrList) {
	from, to, response = router, all, q.response
	if q.from != "" {
		from = q.from
	}
	if q.group != "" {
		to = q.group
	}
	if q.to != "" {
		to = q.to
	}
	if response == 0 {
		response = 100 * time.Millisecond
	}
	for _, s := range q.sources {
		sources = sources.Append(netip.MustParseAddr(s))
	}
	return from, to, response, sources
}

// frame is the query as IGMP's.
func (q query) frame(w *Wire) []byte {
	m := wire.IGMPQuery{Version: 3, Robustness: 2, Interval: 125 * time.Second}
	if q.version != 0 {
		m.Version = q.version
	}
	if q.group != "" {
		m.Group = netip.MustParseAddr(q.group)
	}
	var from, to string
	from, to, m.MaxResponse, m.Sources = q.with("10.0.0.254", "224.0.0.1")
	body := m.AppendTo(nil)
	body = body[:len(body)-q.cut]
	wire.UpdateIGMPChecksum(body)
	if q.badSum {
		body[2] ^= 1
	}
	options := wire.IPv4RouterAlertOption
	if q.noAlert {
		options = ""
	}
	b := make([]byte, wire.IPv4HeaderLen, 64)
	ip := wire.PutIPv4(b)
	ip.SetHeaderLen(wire.IPv4HeaderLen + len(options))
	ip.SetTotalLength(uint16(wire.IPv4HeaderLen + len(options) + len(body)))
	ip.SetTTL(max(q.ttl, 1))
	ip.SetTOS(0xc0)
	ip.SetProtocol(wire.ProtocolIGMP)
	ip.SetSource(netip.MustParseAddr(from))
	ip.SetDestination(netip.MustParseAddr(to))
	ip.UpdateChecksum([]byte(options))
	b = append(append(b, options...), body...)
	mac := w.MAC
	if a := netip.MustParseAddr(to); a.IsMulticast() {
		mac = wire.MulticastMAC(a)
	}
	return ethernet(mac, gatewayMAC, b)
}

// report2 is another host's report of version 2.
func report2(group string) []byte {
	body := make([]byte, wire.IGMPHeaderLen)
	wire.PutIGMP(body, wire.IGMPv2Report, netip.MustParseAddr(group)).UpdateChecksum(nil)
	b := make([]byte, wire.IPv4HeaderLen)
	ip := wire.PutIPv4(b)
	ip.SetHeaderLen(24)
	ip.SetTotalLength(32)
	ip.SetTTL(1)
	ip.SetProtocol(wire.ProtocolIGMP)
	ip.SetSource(netip.MustParseAddr("10.0.0.9"))
	ip.SetDestination(netip.MustParseAddr(group))
	ip.UpdateChecksum([]byte(wire.IPv4RouterAlertOption))
	return ethernet(wire.MulticastMAC(netip.MustParseAddr(group)), gatewayMAC, append(append(b, wire.IPv4RouterAlertOption...), body...))
}

var groupReportCases = []testCase{
	{name: "ReportForm", rules: "F-REPORT-01 F-REPORT-04 F-REPORT-05 F-CARD-01", needs: Wires, slow: true, run: func(t *testing.T, n *Machine) {
		eth0 := n.Index(t, "eth0")
		a, b := open(t, n), open(t, n)
		check := func(p *Packet) {
			t.Helper()
			if p.IP.Destination() != netip.MustParseAddr("224.0.0.22") || p.To != (wire.MAC{1, 0, 0x5e, 0, 0, 0x16}) ||
				p.IP.Source() != netip.MustParseAddr("10.0.0.1") || p.IP.TTL() != 1 || p.IP.TOS() != 0xc0 ||
				!p.IP.DontFragment() || string(p.Raw[20:24]) != wire.IPv4RouterAlertOption {
				t.Errorf("%v to %v, TTL %d, TOS %#x, % x", p, p.To, p.IP.TTL(), p.IP.TOS(), p.Raw[:24])
			}
		}
		a.join("239.1.2.3", eth0)
		check(wantRecordsWithin(t, n, n.Eth0, 100*time.Millisecond, "TO_EX 239.1.2.3 []"))
		check(wantRecordsWithin(t, n, n.Eth0, 1500*time.Millisecond, "TO_EX 239.1.2.3 []"))
		b.join("239.1.2.3", eth0)
		wantSilence(t, n, n.Eth0, 1500*time.Millisecond)
		a.Close()
		wantSilence(t, n, n.Eth0, 100*time.Millisecond)
		b.change(socket.LeaveGroup, on("239.1.2.3", eth0))
		check(wantRecordsWithin(t, n, n.Eth0, 100*time.Millisecond, "TO_IN 239.1.2.3 []"))
		check(wantRecordsWithin(t, n, n.Eth0, 1500*time.Millisecond, "TO_IN 239.1.2.3 []"))
		wantSilence(t, n, n.Eth0, 1500*time.Millisecond)
		wantSilence(t, n, n.Eth1, 0)
	}},
	{name: "ReportNot", rules: "F-REPORT-02", needs: Wires, run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.join("224.0.0.1", n.Index(t, "eth0"))
		s.join("239.1.2.3", n.Index(t, "lo"))
		wantSilence(t, n, n.Eth0, 300*time.Millisecond)
		n.Eth0.Send(query{}.frame(n.Eth0))
		wantSilence(t, n, n.Eth0, 300*time.Millisecond)
		s.join("224.0.0.251", n.Index(t, "eth0"))
		wantRecords(t, n, n.Eth0, "TO_EX 224.0.0.251 []")
	}},
	{name: "ReportMerged", rules: "F-REPORT-03 F-REPORT-06", needs: Wires, slow: true, run: inet4.reportMerged},
	{name: "ReportQueried", rules: "F-REPORT-06 F-REPORT-07 F-REPORT-08 F-REPORT-11", needs: Wires, slow: true, run: func(t *testing.T, n *Machine) {
		eth0 := n.Index(t, "eth0")
		s := open(t, n)
		s.join("239.1.2.3", eth0)
		s.change(socket.JoinSource, on("232.1.2.3", eth0, "10.0.0.2"))
		s.change(socket.JoinSource, on("232.1.2.3", eth0, "10.0.0.3"))
		for nextReport(n, n.Eth0, 1500*time.Millisecond) != nil {
		}
		ask := func(q query, want ...string) {
			t.Helper()
			n.Eth0.Send(q.frame(n.Eth0))
			if want == nil {
				wantSilence(t, n, n.Eth0, 300*time.Millisecond)
			} else {
				wantRecords(t, n, n.Eth0, want...)
			}
		}
		all := []string{"IS_EX 239.1.2.3 []", "IS_IN 232.1.2.3 [10.0.0.2 10.0.0.3]"}
		ask(query{}, all...)
		ask(query{ttl: 64}, all...)
		ask(query{noAlert: true}, all...)
		ask(query{from: "0.0.0.0"}, all...)
		ask(query{from: "203.0.113.9"}, all...)
		ask(query{to: "10.0.0.1"}, all...)
		ask(query{group: "239.1.2.3"}, "IS_EX 239.1.2.3 []")
		ask(query{group: "232.1.2.3"}, "IS_IN 232.1.2.3 [10.0.0.2 10.0.0.3]")
		ask(query{group: "232.1.2.3", sources: []string{"10.0.0.3", "10.0.0.4"}}, "IS_IN 232.1.2.3 [10.0.0.3]")
		ask(query{group: "232.1.2.3", sources: []string{"10.0.0.4"}})
		ask(query{group: "239.9.9.9"})
		ask(query{group: "239.9.9.9", to: "224.0.0.1"})
		ask(query{badSum: true})
		for cut := 1; cut <= 3; cut++ {
			ask(query{cut: cut})
		}
		ask(query{group: "232.1.2.3", sources: []string{"10.0.0.3"}, cut: 1})
		ask(query{sources: []string{"10.0.0.3"}}) // a general query has none
	}},
	{name: "ReportVersion2", rules: "F-REPORT-09 F-REPORT-10", needs: Wires, slow: true, run: func(t *testing.T, n *Machine) {
		eth0 := n.Index(t, "eth0")
		a, b := open(t, n), open(t, n)
		a.join("239.1.2.3", eth0)
		wantRecords(t, n, n.Eth0, "TO_EX 239.1.2.3 []")
		n.Eth0.Send(query{version: 2}.frame(n.Eth0))
		p := wantRecords(t, n, n.Eth0, "report2 239.1.2.3")
		if p.IP.Destination() != netip.MustParseAddr("239.1.2.3") || p.IP.TTL() != 1 || p.IP.TOS() != 0xc0 || string(p.Raw[20:24]) != wire.IPv4RouterAlertOption {
			t.Errorf("%v TTL %d % x", p, p.IP.TTL(), p.Raw[:24])
		}
		b.join("239.1.2.4", eth0)
		wantRecords(t, n, n.Eth0, "report2 239.1.2.4")
		a.Close()
		p = wantRecords(t, n, n.Eth0, "leave 239.1.2.3")
		if p.IP.Destination() != netip.MustParseAddr("224.0.0.2") {
			t.Errorf("the leave goes to %v", p.IP.Destination())
		}
		// Another reports the group first.
		n.Eth0.Send(query{version: 2, response: 2 * time.Second}.frame(n.Eth0))
		n.Eth0.Send(report2("239.1.2.4"))
		wantSilence(t, n, n.Eth0, 2500*time.Millisecond)
		b.change(socket.LeaveGroup, on("239.1.2.4", eth0))
		wantSilence(t, n, n.Eth0, 300*time.Millisecond)

		// Of version 1 there is a report, and no leave.
		n.Eth0.Send(query{version: 1}.frame(n.Eth0))
		b.join("239.1.2.5", eth0)
		p = wantRecords(t, n, n.Eth0, "report1 239.1.2.5")
		if p.IP.Destination() != netip.MustParseAddr("239.1.2.5") || !strings.HasPrefix(string(p.Raw[20:]), wire.IPv4RouterAlertOption) {
			t.Errorf("%v % x", p, p.Raw[:24])
		}
		b.Close()
		wantSilence(t, n, n.Eth0, 300*time.Millisecond)
	}},
}
