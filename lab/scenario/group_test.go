package scenario

import (
	"strings"
	"testing"
)

// groupLab is a file with a switch that snoops and, behind listen:, what a program does.
const groupLab = `switches: {lan: {snooping: {}}}
hosts:
  a: {segment: lan, address: 10.0.0.1/24, programs: [{listen: {port: 7, %}}]}
`

func listening(what string) string { return strings.Replace(groupLab, "%", what, 1) }

func sending(what string) string {
	return strings.Replace(groupLab, "listen: {port: 7, %}", `send: {to: "239.1.1.1:7", `+what+`}`, 1)
}

func snoopingBy(what string) string {
	return strings.Replace(listening("count: 1"), "snooping: {}", "snooping: {"+what+"}", 1)
}

func init() {
	mistakes = append(mistakes, []struct {
		name, file, want string
		schema           bool
	}{
		{"no group", listening("join: 10.0.0.1"), "x:3: hosts.a.programs[0].listen.join: 10.0.0.1 is no group; those of IPv4 are from 224.0.0.0 to 239.255.255.255, those of IPv6 begin with ff", true},
		{"no address of a group", listening("join: all"), `x:3: hosts.a.programs[0].listen.join: "all" is no group, as in 239.1.1.1`, true},
		{"no group of IPv6", listening("join: [239.1.1.1, 'fe05::1']"), "x:3: hosts.a.programs[0].listen.join[1]: fe05::1 is no group; those of IPv4 are from 224.0.0.0 to 239.255.255.255, those of IPv6 begin with ff", true},
		{"a group with a zone", listening("join: 'ff02::5%eth0'"), "x:3: hosts.a.programs[0].listen.join: ff02::5%eth0: a group stands here without a zone; say interface: eth0", true},
		{"a source of the other family", listening("join: {group: 'ff05::1', sources: [10.0.0.2]}"),
			"x:3: hosts.a.programs[0].listen.join: 10.0.0.2 is no source of ff05::1: they are of different families", false},
		{"a join without a group", listening("join: {interface: eth0}"), `x:3: hosts.a.programs[0].listen.join: "group" is missing`, true},
		{"a join on no interface", listening("join: {group: 239.1.1.1, interface: eth1}"), `x:3: hosts.a.programs[0].listen.join: a has no interface "eth1"; there are eth0`, false},
		{"sources and except", listening("join: {group: 239.1.1.1, sources: [10.0.0.2], except: [10.0.0.3]}"),
			"x:3: hosts.a.programs[0].listen.join: one hears some sources or all except some: sources and except do not go together", false},
		{"no source", listening("join: {group: 239.1.1.1, sources: []}"),
			"x:3: hosts.a.programs[0].listen.join: without a source there is nothing to hear; leave sources out to hear them all", true},
		{"too many joins", listening("join: [" + strings.Repeat("239.1.1.1, ", maxJoins) + "239.1.1.1]"),
			"x:3: hosts.a.programs[0].listen.join: there are 101; at most 100 are possible", true},
		{"a way out that is none", sending("interface: eth7"), `x:3: hosts.a.programs[0].send.interface: a has no interface "eth7"; there are eth0`, false},
		{"no time to live", sending("ttl: 256"), "x:3: hosts.a.programs[0].send.ttl: 256 is no time to live, which is from 0 to 255", true},

		{"neither names nor switches", "switches: lan\n", `x:1: switches: this is one value, "lan"; a list is expected, as in [a, b]`, true},
		{"a kind of switch that is none", "switches: {lan: {snoping: {}}}\n", `x:1: switches.lan: there is no key "snoping"; did you mean "snooping"?`, true},
		{"where unregistered groups go", snoopingBy("unregistered: drop"), `x:1: switches.lan.snooping.unregistered: what nobody has joined goes to all, flood, or to routers, not "drop"`, true},
		{"what is done without a querier", snoopingBy("without_querier: die"), `x:1: switches.lan.snooping.without_querier: without a querier a switch can snoop or flood, not "die"`, true},
		{"a version of queries", snoopingBy("querier: {igmp: 4}"), `x:1: switches.lan.snooping.querier.igmp: "4" is no version of queries; those of IGMP are 2 and 3, those of MLD 1 and 2, and none sends none`, true},
		{"a version of the other queries", snoopingBy("querier: {mld: 3}"), "x:1: switches.lan.snooping: Querier.MLD is 3; it can be 1 or 2, or negative", true},
		{"a querier's address", snoopingBy("querier: {address6: '2001:db8::1'}"), `x:1: switches.lan.snooping.querier.address6: "2001:db8::1" is no link-local address, as in fe80::1`, true},
		{"too robust", snoopingBy("robustness: 8"), "x:1: switches.lan.snooping: Robustness is 8; it can be from 1 to 7", true},
		{"answers that come too late", snoopingBy("query_interval: 5s"), "x:1: switches.lan.snooping: QueryResponse is 10s; it must be less than QueryInterval, 5s", false},
		{"a router's port where nobody looks", "switches: [lan]\nhosts:\n  a: {segment: lan, router_port: true}\n",
			"x:3: hosts.a.router_port: lan is no switch that snoops, so it makes no difference where routers are", false},
		{"withheld by a program", listening("count: 1") + "expect:\n  - {host: a, program: listen, withheld: 1}\n",
			"x:5: expect[0]: drops and withheld are not a program's; expect them by themselves", false},
	}...)
}

// TestGroups: who joins, hears; who does not, does not; and what the file says of the
// switch counts.
func TestGroups(t *testing.T) {
	r := runText(t, `
duration: 10s
switches:
  lan: {snooping: {unregistered: routers, querier: {mld: none}}}
  plain: {}
hosts:
  sender:
    segment: lan
    address: 10.0.0.1/24
    routes: [{to: 224.0.0.0/4, interface: eth0}]
    programs:
      - send: {to: "239.1.1.1:5000", count: 3, at: 1s, loop: false}
      - send: {name: ssm, to: "232.1.1.1:5000", count: 2, at: 1s, ttl: 9, interface: eth0}
      - send: {name: nobody, to: "239.9.9.9:5000", at: 1s}
  other:
    segment: lan
    address: 10.0.0.2/24
    routes: [{to: 224.0.0.0/4, interface: eth0}]
    programs:
      - send: {to: "232.1.1.1:5000", at: 1s}
  member:
    segment: lan
    address: 10.0.0.3/24
    routes: [{to: 224.0.0.0/4, interface: eth0}]
    programs:
      - listen: {port: 5000, join: [239.1.1.1, {group: 232.1.1.1, interface: eth0, sources: [10.0.0.1]}], multicast_all: false}
      - listen: {name: gone, port: 5001, join: 239.1.1.2, until: 4s}
  stubborn:
    segment: lan
    address: 10.0.0.4/24
    routes: [{to: 224.0.0.0/4, interface: eth0}]
    programs:
      - listen: {port: 5000, join: {group: 239.1.1.1, except: [10.0.0.1]}}
  host5:
    segment: lan
    address: 10.0.0.5/24
    routes: [{to: 224.0.0.0/4, interface: eth0}]
    programs: [{listen: {port: 5000}}]
routers:
  router:
    interfaces: [{segment: lan, address: 10.0.0.254/24, router_port: true}, {segment: plain}]
expect:
  - {host: member, program: listen, heard: 5, from: sender}
  - {host: member, program: listen, heard: 0, from: other}
  - {host: stubborn, heard: 0}
  - {host: host5, heard: 0}
  - {host: router, drops: {MACFiltered: {at_least: 6}}}
  - {host: sender, drops: {total: 0}}
  - {host: host5, interface: eth0, withheld: {at_least: 7}}
  - {host: router, withheld: 0}
  - {segment: plain, withheld: 0}
  - {withheld: {at_least: 10}}
`)
	for _, s := range r.Report.Segments {
		if s.Snooping != (s.Name == "lan") || s.Snooping && (len(s.Groups) != 3 || len(s.Routers) != 1 || len(s.Queriers) != 1 || s.Queries == 0) {
			t.Errorf("%s: %+v", s.Name, s)
		}
	}
}

// TestGroupsOfIPv6: the same with IPv6, where the switch snoops neighbour discovery too.
func TestGroupsOfIPv6(t *testing.T) {
	r := runText(t, `
duration: 20s
switches:
  lan: {snooping: {unregistered: routers, querier: {}}}
  far: {}
hosts:
  sender:
    segment: lan
    address: [2001:db8::1/64, 10.0.0.1/24]
    gateway: ["2001:db8::fe"]
    programs:
      - send: {to: "[ff05::1:1]:5000", from: ":4000", count: 3, at: 5s, interface: eth0}
      - send: {name: ssm, to: "[ff3e::8000:1]:5000", count: 2, at: 5s, interface: eth0, ttl: 9}
      - send: {name: ask, to: "server:7", at: 5s, count: 2, every: 1s}
      - send: {name: both, to: "member:7", at: 5s}
      - send: {name: loud, to: "[ff02::1]:5000", at: 9s, interface: eth0}
  other:
    segment: lan
    address: 2001:db8::2/64
    programs:
      - send: {to: "[ff3e::8000:1]:5000", at: 5s, interface: eth0}
  member:
    segment: lan
    address: [2001:db8::3/64, 10.0.0.3/24]
    programs:
      - listen: {port: 5000, join: [{group: "ff05::1:1", interface: eth0}, {group: "ff3e::8000:1", interface: eth0, sources: ["2001:db8::1"]}], multicast_all: false}
      - echo: {port: 7}
  deaf:
    segment: lan
    address: 2001:db8::4/64
    programs: [{listen: {port: 5000}}]
  server:
    segment: far
    address: 2001:db8:1::1/64
    gateway: 2001:db8:1::fe
    programs: [{echo: {port: 7}}]
routers:
  router:
    interfaces:
      - {segment: lan, address: "2001:db8::fe/64"}
      - {segment: far, address: "2001:db8:1::fe/64"}
expect:
  - {host: member, program: listen, heard: 5, from: sender}
  - {host: member, program: listen, heard: 0, from: other}
  - {host: sender, program: ask, replies: 2, from: server}
  - {host: sender, program: both, replies: 1, from: member}
  - {host: deaf, heard: 1}
  - {drops: {NeighborUnreachable: 0}}
`)
	for _, want := range []string{
		"lan snoops: no routers, querier IGMPv3 0.0.0.0 (itself) and MLDv2 fe80::",
		"\n  ff05::1:1     member eth0 hears all, for ",
		"\n  ff3e::8000:1  member eth0 hears 2001:db8::1, for ",
		"\n  and 11 members of link-local groups\n",
	} {
		if got := r.String(); !strings.Contains(got, want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}
	if len(r.Filters) < 15 {
		t.Errorf("%d filters: %+v", len(r.Filters), r.Filters)
	}
	for _, f := range r.Filters {
		if f.Group.String() == "ff05::1:1" && f.Host == "deaf" && f.Switch != 3 {
			t.Errorf("from %s %d copies were kept, want 3", f.Host, f.Switch)
		}
	}
}

// TestGroupsInRealTime: what is counted is counted by several goroutines then.
func TestGroupsInRealTime(t *testing.T) {
	f := load(t, `
duration: 1500ms
switches: {lan: {snooping: {querier: {}}}}
hosts:
  a: {segment: lan, address: 10.0.0.1/24, programs: [{send: {to: "239.1.1.1:5000", interface: eth0, count: 20, every: 5ms, at: 100ms}}]}
  b: {segment: lan, address: 10.0.0.2/24, programs: [{listen: {port: 5000, join: {group: 239.1.1.1, interface: eth0}}}]}
  c: {segment: lan, address: 10.0.0.3/24, programs: [{listen: {port: 5000}}]}
expect:
  - {host: b, heard: 20}
  - {host: c, heard: 0, from: a}
`)
	r := run1(t, f, Options{Realtime: true})
	if !r.Passed() || len(r.Filters) != 3 || r.Filters[1].Heard != 20 || r.Filters[2].Switch != 20 {
		t.Errorf("%v", r)
	}
}

// TestFirstBound: who gets what is for the host alone, of two that share a port, for
// both families.
func TestFirstBound(t *testing.T) {
	runText(t, `
duration: 4s
switches: [lan]
hosts:
  s:
    segment: lan
    address: [10.0.0.1/24, "2001:db8::1/64"]
    programs:
      - send: {to: "10.0.0.2:7", at: 3s, count: 2, every: 1ms}
      - send: {to: "10.0.0.3:7", at: 3s, count: 2, every: 1ms}
      - send: {to: "[2001:db8::2]:7", at: 3s}
      - send: {to: "[2001:db8::3]:7", at: 3s}
  linux:
    segment: lan
    address: [10.0.0.2/24, "2001:db8::2/64"]
    programs: [{listen: {name: first, port: 7, reuse: true}}, {listen: {name: last, port: 7, reuse: true}}]
  textbook:
    segment: lan
    address: [10.0.0.3/24, "2001:db8::3/64"]
    stack: {first_bound: true}
    programs: [{listen: {name: first, port: 7, reuse: true}}, {listen: {name: last, port: 7, reuse: true}}]
expect:
  - {host: linux, program: first, heard: 0}
  - {host: linux, program: last, heard: 3}
  - {host: textbook, program: first, heard: 3}
  - {host: textbook, program: last, heard: 0}
`)
}
