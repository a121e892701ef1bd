//go:build linux

package conformance

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// records6 returns what a message of MLD says, a line for each record; sources sorted,
// and solicited-node groups left out.
func records6(t *testing.T, p *Packet6) (lines []string) {
	t.Helper()
	whole := append(p.ICMP[:], p.Data...)
	own := func(a netip.Addr) bool { return netip.MustParsePrefix("ff02::1:ff00:0/104").Contains(a) }
	if p.ICMP.Type() != wire.ICMPv6MLDv2Report {
		m, err := wire.ParseMLD(whole)
		if err != nil {
			t.Fatal(err)
		}
		if own(m.Group()) {
			return nil
		}
		return []string{map[wire.ICMPv6Type]string{wire.ICMPv6MLDv1Report: "report1 ", wire.ICMPv6MLDv1Done: "done "}[m.Type()] + m.Group().String()}
	}
	rs, err := wire.ParseMLDv2Report(whole)
	if err != nil {
		t.Fatal(err)
	}
	for r := range rs.All() {
		if !own(r.Group) {
			sources := slices.SortedFunc(r.Sources.All(), netip.Addr.Compare)
			lines = append(lines, fmt.Sprint(r.Type, " ", r.Group, " ", append([]netip.Addr{}, sources...)))
		}
	}
	slices.Sort(lines)
	return lines
}

// nextReport6 returns the next message of MLD that says something within a time, or nil.
func nextReport6(t *testing.T, n *Machine, within time.Duration) *Packet6 {
	t.Helper()
	step := 20 * time.Millisecond
	if n.Kind == Stack {
		step = time.Millisecond // so that what is told again a moment later is not in it
	}
	for waited := time.Duration(0); ; waited += step {
		for again := true; again; {
			select {
			case p := <-n.Eth0.reports6:
				if p.IP.HopLimit() != 1 || !p.Alert || p.IP.Source() != netip.IPv6Unspecified() && !p.IP.Source().IsLinkLocalUnicast() {
					t.Errorf("%v from %v, hop limit %d, Router Alert %v", records6(t, p), p.IP.Source(), p.IP.HopLimit(), p.Alert)
				}
				if len(records6(t, p)) > 0 {
					return p
				}
			default:
				again = false
			}
		}
		if waited > within {
			return nil
		}
		n.Elapse(step)
	}
}

func wantRecords6(t *testing.T, n *Machine, want ...string) *Packet6 {
	t.Helper()
	p := nextReport6(t, n, 2*time.Second)
	if p == nil {
		t.Fatalf("nothing is reported, want %q", want)
	}
	if got := records6(t, p); !slices.Equal(got, want) {
		t.Fatalf("reported %q, want %q", got, want)
	}
	return p
}

func wantSilence6(t *testing.T, n *Machine, d time.Duration) {
	t.Helper()
	if p := nextReport6(t, n, d); p != nil {
		t.Errorf("reported %q, want nothing", records6(t, p))
	}
}

// settleReports lets the reports of the machine's own groups pass, which the kernel
// makes again when it is done with its addresses, with whatever was joined meanwhile.
func settleReports(t *testing.T, n *Machine) {
	t.Helper()
	n.Elapse(2500 * time.Millisecond)
	nextReport6(t, n, 0)
}

// frame6 is the query as MLD's.
func (q query) frame6(w *Wire) []byte {
	m := wire.MLDQuery{Version: 2, Group: netip.IPv6Unspecified(), Robustness: 2, Interval: 125 * time.Second}
	if q.version != 0 {
		m.Version = q.version
	}
	if q.group != "" {
		m.Group = netip.MustParseAddr(q.group)
	}
	var from, to string
	from, to, m.MaxResponse, m.Sources = q.with(peer6, "ff02::1")
	body := m.AppendTo(nil)
	body = body[:len(body)-q.cut]
	wire.UpdateICMPv6Checksum(body, netip.MustParseAddr(from).As16(), netip.MustParseAddr(to).As16())
	if q.badSum {
		body[2] ^= 1
	}
	if q.noAlert {
		return w.packet6(from, to, max(q.ttl, 1), wire.ProtocolICMPv6, body)
	}
	return w.packet6(from, to, max(q.ttl, 1), wire.ProtocolIPv6HopByHop, append([]byte(wire.MLDHopByHop), body...))
}

var groupReport6Cases = []testCase{
	{name: "Report6Form", rules: "F-REPORT6-01", needs: Wires | IPv6, slow: true, run: func(t *testing.T, n *Machine) {
		settleReports(t, n)
		eth0 := n.Index(t, "eth0")
		a, b := open6(t, n), open6(t, n)
		check := func(p *Packet6) {
			t.Helper()
			if p.IP.Destination().String() != "ff02::16" || p.To != (wire.MAC{0x33, 0x33, 0, 0, 0, 0x16}) || p.IP.Source().String() != machine6 {
				t.Errorf("%v to %v", p, p.To)
			}
		}
		a.join("ff15::1", eth0)
		check(wantRecords6(t, n, "TO_EX ff15::1 []"))
		check(wantRecords6(t, n, "TO_EX ff15::1 []"))
		b.join("ff15::1", eth0)
		wantSilence6(t, n, 1500*time.Millisecond)
		a.Close()
		wantSilence6(t, n, 100*time.Millisecond)
		b.change(socket.LeaveGroup, on("ff15::1", eth0))
		check(wantRecords6(t, n, "TO_IN ff15::1 []"))
		check(wantRecords6(t, n, "TO_IN ff15::1 []"))
		wantSilence6(t, n, 1500*time.Millisecond)
	}},
	{name: "Report6Not", rules: "F-REPORT6-02", needs: Wires | IPv6, slow: true, run: func(t *testing.T, n *Machine) {
		settleReports(t, n)
		s, eth0 := open6(t, n), n.Index(t, "eth0")
		for _, g := range []string{"ff02::1", "ff01::1", "ff11::5", "ff00::5"} {
			s.join(g, eth0)
		}
		s.join("ff15::1", n.Index(t, "lo"))
		wantSilence6(t, n, 300*time.Millisecond)
		n.Eth0.Send(query{}.frame6(n.Eth0))
		wantSilence6(t, n, 300*time.Millisecond)
		s.join("ff02::fb", eth0)
		wantRecords6(t, n, "TO_EX ff02::fb []")
	}},
	{name: "Report6Merged", rules: "F-REPORT6-03", needs: Wires | IPv6, slow: true, run: inet6.reportMerged},
	{name: "Report6Queried", rules: "F-REPORT6-04", needs: Wires | IPv6, slow: true, run: func(t *testing.T, n *Machine) {
		settleReports(t, n)
		eth0 := n.Index(t, "eth0")
		s := open6(t, n)
		const two, three, four = "2001:db8::2", "2001:db8::3", "2001:db8::4"
		s.join("ff15::1", eth0)
		s.change(socket.JoinSource, on("ff35::1", eth0, two))
		s.change(socket.JoinSource, on("ff35::1", eth0, three))
		for nextReport6(t, n, 1500*time.Millisecond) != nil {
		}
		ask := func(q query, want ...string) {
			t.Helper()
			n.Eth0.Send(q.frame6(n.Eth0))
			if want == nil {
				wantSilence6(t, n, 300*time.Millisecond)
			} else {
				wantRecords6(t, n, want...)
			}
		}
		all := []string{"IS_EX ff15::1 []", "IS_IN ff35::1 [2001:db8::2 2001:db8::3]"}
		ask(query{}, all...)
		ask(query{to: machine6}, all...)
		ask(query{ttl: 2})
		ask(query{noAlert: true})
		ask(query{from: "::"})
		ask(query{from: there6})
		ask(query{group: "ff15::1"}, "IS_EX ff15::1 []")
		ask(query{group: "ff35::1"}, "IS_IN ff35::1 [2001:db8::2 2001:db8::3]")
		ask(query{group: "ff35::1", sources: []string{three, four}}, "IS_IN ff35::1 [2001:db8::3]")
		ask(query{group: "ff35::1", sources: []string{four}})
		ask(query{group: "ff15::99"})
		ask(query{group: "ff15::99", to: "ff02::1"})
		ask(query{group: "2001:db8::1", to: "ff02::1"})
		ask(query{badSum: true})
		for cut := 1; cut <= 3; cut++ {
			ask(query{cut: cut})
		}
		ask(query{group: "ff35::1", sources: []string{three}, cut: 1})
		ask(query{sources: []string{three}}) // a general query has none
	}},
	{name: "Report6Version1", rules: "F-REPORT6-05", needs: Wires | IPv6, slow: true, run: func(t *testing.T, n *Machine) {
		settleReports(t, n)
		eth0 := n.Index(t, "eth0")
		a, b := open6(t, n), open6(t, n)
		a.join("ff15::1", eth0)
		wantRecords6(t, n, "TO_EX ff15::1 []")
		n.Eth0.Send(query{version: 1}.frame6(n.Eth0))
		if p := wantRecords6(t, n, "report1 ff15::1"); p.IP.Destination().String() != "ff15::1" {
			t.Errorf("the report goes to %v", p.IP.Destination())
		}
		b.join("ff15::2", eth0)
		wantRecords6(t, n, "report1 ff15::2")
		a.Close()
		if p := wantRecords6(t, n, "done ff15::1"); p.IP.Destination().String() != "ff02::2" {
			t.Errorf("the done goes to %v", p.IP.Destination())
		}
		// Another reports the group first.
		n.Eth0.Send(query{version: 1, response: 2 * time.Second}.frame6(n.Eth0))
		m := make([]byte, wire.MLDHeaderLen)
		wire.PutMLD(m, wire.ICMPv6MLDv1Report, netip.MustParseAddr("ff15::2"))
		wire.UpdateICMPv6Checksum(m, netip.MustParseAddr(peer6).As16(), netip.MustParseAddr("ff15::2").As16())
		n.Eth0.Send(n.Eth0.packet6(peer6, "ff15::2", 1, wire.ProtocolIPv6HopByHop, append([]byte(wire.MLDHopByHop), m...)))
		wantSilence6(t, n, 2500*time.Millisecond)
		b.change(socket.LeaveGroup, on("ff15::2", eth0))
		wantSilence6(t, n, 300*time.Millisecond)
	}},
}
