package scenario

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// lan is a file of two hosts that nothing is wrong with, to be made wrong. It
// has ten lines.
const lan = `seed: 1
switches: [lan]
hosts:
  alice:
    segment: lan
    address: 10.0.0.1/24
    programs:
      - send: {to: "bob:7"}
  bob: {segment: lan, address: 10.0.0.2/24, programs: [{echo: {port: 7}}]}
duration: 5s
`

// mistakes are files that Load refuses.
var mistakes = []struct {
	name string
	file string
	want string // the error, or its lines
	// schema says that the schema refuses the file too: that is, that what
	// is wrong can be seen without looking at anything else.
	schema bool
}{
	{"empty", "", "x:1: the file is empty; examples/labs/first.yaml is one to begin with", false},
	{"only a comment", "# nothing\n", "x:1: the file is empty; examples/labs/first.yaml is one to begin with", false},
	{"a list", "- a\n- b\n", "x:1: this is a list; keys with values are expected", true},
	{"a word", "hello\n", `x:1: this is one value, "hello"; keys with values are expected`, true},
	{"null", "seed:\n", "x:1: seed: the value is missing", true},
	{"two documents", lan + "---\n" + lan, "x:11: here begins another document; a file is one lab", false},

	{"unknown key", lan + "switch: [a]\n", `x:11: there is no key "switch"; did you mean "switches"?`, true},
	{"unknown key of a host", strings.Replace(lan, "    address: 10.0.0.1/24", "    adress: 10.0.0.1/24", 1),
		`x:6: hosts.alice: there is no key "adress"; did you mean "address"?`, true},
	{"unknown key without a guess", lan + "expect:\n  - {drops: {NoPort: 1}, colour: red}\n",
		`x:12: expect[0]: there is no key "colour"; there are host, program, interface, segment, from, payload, heard, replies, sent, errors, drops and withheld`, true},
	{"the same key twice", lan + "seed: 2\n", `x:11: "seed" is here twice; the first is in line 1`, false},
	{"merge key", "hosts:\n  a: &a {segment: lan}\n  b: {<<: *a}\n", "x:3: hosts.b: merging by << is not supported; repeat the keys, or use an alias for the whole value", true},
	{"a key that is no word", "? [a, b]\n: 1\n", "x:1: a key is one word, and this is a list", true},
	{"missing key", lan + "timeline:\n  - {heal: true}\n", `x:12: timeline[0]: "at" is missing`, true},
	{"three at once", "seed: -1\nduration: 5\nhosts: []\n",
		"x:1: seed: \"-1\" is no whole number\n" +
			"x:2: duration: \"5\" is no time; it is a number with a unit, as in 250ms, 1.5s or 1m30s\n" +
			"x:3: hosts: this is a list; keys with values are expected", true},

	{"seed too large", "seed: 18446744073709551616\n", "x:1: seed: 18446744073709551616 is too large", false}, // a float64 to the validator
	{"negative time", "duration: -1s\n", "x:1: duration: -1s is negative", true},
	{"no time", "duration: 0s\n", "x:1: duration: no time at all; the lab would not run", false},
	{"too long", "duration: 1001h\n", "x:1: duration: 1001h is too long; at most 1000h0m0s are possible", false},
	{"percent", faultsFile("loss: 10"), "x:5: hosts.alice.faults.loss: 10 is no probability, which is from 0 to 1; for 10 percent write 10%", true},
	{"too probable", faultsFile("loss: 110%"), "x:5: hosts.alice.faults.loss: 110% is no probability, which is from 0 to 1", false},
	{"no probability", faultsFile("loss: often"), `x:5: hosts.alice.faults.loss: "often" is no probability; it is a number from 0 to 1, or a percentage, as in 0.1 or 10%`, true},
	{"NaN", faultsFile("loss: NaN"), "x:5: hosts.alice.faults.loss: NaN is no probability, which is from 0 to 1", true},
	{"no rate", faultsFile("rate: 10 Mbps"), `x:5: hosts.alice.faults.rate: "10 Mbps" is no rate; it is a number of bits a second, or has a unit, as in 512kbit, 10mbit or 1gbit`, true},
	{"rate of nothing", faultsFile("rate: 0"), "x:5: hosts.alice.faults.rate: a rate of 0 is not possible; it is from 1 bit to 1000000gbit a second", true},
	{"negative limit", faultsFile("limit: -1"), "x:5: hosts.alice.faults.limit: -1 is negative", true},
	{"reordering what does not wait", faultsFile("reorder: 0.1"),
		"x:5: hosts.alice.faults.reorder: without delay, jitter or rate no frame waits that another could overtake", false},

	{"address without a subnet", hostFile("address: 10.0.0.1"), "x:5: hosts.alice.address: 10.0.0.1 needs the length of its subnet, as in 10.0.0.1/24", true},
	{"no address", hostFile("address: [10.0.0.1/24, ten]"), `x:5: hosts.alice.address: "ten" is no address in a subnet, as in 10.0.1.1/24`, true},
	{"mapped", hostFile("address: '::ffff:10.0.0.1/120'"), "x:5: hosts.alice.address: ::ffff:10.0.0.1 is 10.0.0.1, which is to be written so", false},
	{"IPv6 without a subnet", hostFile("address: fd00::1"), "x:5: hosts.alice.address: fd00::1 needs the length of its subnet, as in fd00::1/64", true},
	{"an address of two", strings.Replace(lan, "10.0.0.2/24", "[10.0.0.3/24, 10.0.0.1/25]", 1),
		"x:9: hosts.bob.address: 10.0.0.1 on lan is the address of alice, in line 6; two that share one take each other's packets", false},
	{"an address twice on a host", "switches: [lan]\nhosts:\n  a:\n    interfaces:\n      - {segment: lan, address: 10.0.0.1/24}\n      - {segment: lan, address: 10.0.0.1/24}\n",
		"x:6: hosts.a.interfaces[1].address: 10.0.0.1 on lan is the address of a eth0, in line 5; two that share one take each other's packets", false},
	{"a router's address", strings.Replace(lan, "hosts:", "routers:\n  r: {interfaces: [{segment: lan, address: 10.0.0.2/24}]}\nhosts:", 1),
		"x:4: routers.r.interfaces[0].address: 10.0.0.2 on lan is the address of bob, in line 11; two that share one take each other's packets", false},
	{"an address twice in a list", hostFile("address: [10.0.0.1/24, 10.0.0.1/24]"), "", false},
	{"small MTU", hostFile("mtu: 20"), "x:5: hosts.alice.mtu: 20 is no MTU, which is from 68 to 65535", true},
	{"no such segment", strings.Replace(lan, "segment: lan", "segment: wan", 1), `x:5: hosts.alice: there is no segment "wan"; did you mean "lan"?`, false},
	{"no segments", "hosts:\n  a: {segment: lan}\n", `x:2: hosts.a: there is no segment "lan"; list it, as in switches: [lan]`, false},
	{"on no segment", "switches: [lan]\nhosts:\n  a: {address: 10.0.0.1/24}\n", "x:3: hosts.a: it is on no segment; say which by segment, or by a list of interfaces", true},
	{"both forms", "switches: [lan]\nhosts:\n  a: {segment: lan, interfaces: [{segment: lan}]}\n",
		"x:3: hosts.a: segment, address, mtu, faults, receive, router_port, ipv6 and advertise belong into the list of interfaces, since there is one", true},
	{"a cable for three", "cables: [c]\nhosts:\n  a: {segment: c}\n  b: {segment: c}\n  d: {segment: c}\n",
		"x:5: hosts.d: cable c has two ends, and a eth0 and b eth0 are on them", false},
	{"name taken", "switches: [lan]\nhosts:\n  lan: {segment: lan}\n", `x:3: hosts: the name "lan" is taken, in line 1; hosts, routers and segments have names of their own`, false},
	{"no name", "switches: [lan]\nhosts:\n  a b: {segment: lan}\n", "x:3: hosts: \"a b\" cannot be a name: a name consists of letters, digits, -, _ and dots", true},
	{"no name of a switch", "switches: [\"a/b\"]\n", "x:1: switches: \"a/b\" cannot be a name: a name consists of letters, digits, -, _ and dots", true},

	{"a key that commands the terminal", "switches: [lan]\nhosts:\n  \"a b\\e[31m\": {segment: lan, mtu: 1}\n",
		`x:3: hosts: "a b\x1b[31m" cannot be a name: a name consists of letters, digits, -, _ and dots` + "\n" +
			`x:3: hosts."a b\x1b[31m".mtu: 1 is no MTU, which is from 68 to 65535`, true},
	{"a value that does", hostFile("gateway: \"fe80::1%\\e[31m\\u009b1m\""), `x:5: hosts.alice.gateway: fe80::1%\x1b[31m\u009b1m: an address stands here without a zone`, true},
	{"a zone that does", lan + "expect:\n  - {host: bob, heard: 1, from: \"fe80::1%\\e[31m\"}\n",
		`x:12: expect[0].from: "fe80::1%\x1b[31m" is neither a host nor an address, with or without a port; there are alice and bob`, false},

	{"gateway out of reach", hostFile("gateway: 10.9.9.9"), "", false},
	{"route to a host's address", hostFile("routes: [{to: 10.0.2.1/24, via: 10.0.0.2}]"),
		"x:5: hosts.alice.routes[0].to: 10.0.2.1/24 is no subnet; 10.0.2.0/24 is the one that the address is in", false},
	{"kind of route", hostFile("routes: [{to: default, type: blckhole}]"),
		`x:5: hosts.alice.routes[0].type: "blckhole" is no kind of route; did you mean "blackhole"?`, true},

	{"a host that advertises", hostFile("advertise: {}"), "x:5: hosts.alice.advertise: alice is a host; routers advertise, which are under the key routers", false},
	{"a hop limit", lan + "routers:\n  r: {segment: lan, advertise: {hop_limit: 300}}\n",
		"x:12: routers.r.advertise.hop_limit: 300 is no hop limit, which is from 0, nothing is said, to 255", true},
	{"a preference", lan + "routers:\n  r: {segment: lan, advertise: {preference: best}}\n",
		`x:12: routers.r.advertise.preference: a router's preference is low, medium or high, not "best"`, true},
	{"an interval", lan + "routers:\n  r: {segment: lan, advertise: {interval: 1s}}\n", "", false},
	{"a prefix of IPv4", lan + "routers:\n  r: {segment: lan, advertise: {prefixes: [10.0.0.0/24]}}\n",
		"x:12: routers.r.advertise.prefixes[0]: 10.0.0.0/24 is a subnet of IPv4; hosts learn those of IPv6 from routers", true},
	{"a prefix that is none", lan + "routers:\n  r: {segment: lan, advertise: {prefixes: [{prefix: \"fd00::1/64\"}]}}\n",
		"x:12: routers.r.advertise.prefixes[0].prefix: fd00::1/64 is no subnet; fd00::/64 is the one that the address is in", false},

	{"two programs in one", programFile("{echo: {port: 7}, listen: {port: 8}}"),
		"x:7: hosts.alice.programs[0]: a program is either echo, listen, send or script; another one is another item of the list", true},
	{"no program", programFile("{}"), "x:7: hosts.alice.programs[0]: a program is either echo, listen, send or script; another one is another item of the list", true},
	{"unknown program", programFile("{ping: {to: bob}}"), `x:7: hosts.alice.programs[0]: there is no key "ping"; there are echo, listen, send and script`, true},
	{"no port", programFile("{echo: {}}"), `x:7: hosts.alice.programs[0].echo: "port" is missing`, true},
	{"port 0", programFile("{echo: {port: 0}}"), `x:7: hosts.alice.programs[0].echo.port: "0" is no port, which is a number from 1 to 65535`, true},
	{"name of a program", programFile("{echo: {port: 7, name: a b}}"), `x:7: hosts.alice.programs[0]: "a b" is no name for a program; it consists of up to 63 letters, digits, - and _`, true},
	{"two of a name", programFile("{echo: {port: 7, name: a}}, {echo: {port: 8, name: a}}"), `x:7: hosts.alice.programs[1]: there is a program "a" on alice already; give one of them another name`, false},
	{"after the end", programFile("{echo: {port: 7, at: 10s}}"), "x:7: hosts.alice.programs[0].echo.at: 10s is not before the end of the lab; its duration is 10s", false},
	{"until before at", programFile("{echo: {port: 7, at: 2s, until: 1s}}"), "x:7: hosts.alice.programs[0].echo.until: it would end before it begins", false},
	{"to nobody", programFile("{send: {to: \"bop:7\"}}"), `x:7: hosts.alice.programs[0].send.to: there is no host "bop"; did you mean "bob"?`, false},
	{"a family", programFile("{send: {to: \"bob:7\", family: 6}}"), `x:7: hosts.alice.programs[0].send.family: a family is ipv4 or ipv6, not "6"`, true},
	{"a family that is not there", programFile("{send: {to: \"bob:7\", family: ipv6}}"), "x:7: hosts.alice.programs[0].send.family: bob has no address of that family", false},
	{"an address and its family", programFile("{send: {to: \"10.0.0.2:7\", family: ipv4}}"),
		"x:7: hosts.alice.programs[0].send.family: an address says itself of which family it is", false},
	{"to no port", programFile("{send: {to: bob}}"), `x:7: hosts.alice.programs[0].send.to: "bob" says not whom to send to; that is a host or an address, and a port, as in bob:7 or 10.0.1.2:7`, true},
	{"from", programFile("{send: {to: \"bob:7\", from: me}}"), `x:7: hosts.alice.programs[0].send.from: "me" is no address to send from, as in 10.0.1.1, 10.0.1.1:5000 or ":5000"`, true},
	{"none", programFile("{send: {to: \"bob:7\", count: 0}}"), "x:7: hosts.alice.programs[0].send.count: nothing would be sent", true},
	{"too many", programFile("{send: {to: \"bob:7\", count: 1000001}}"), "x:7: hosts.alice.programs[0].send.count: 1000001 is too many; at most 1000000 are possible", true},
	{"too large", programFile("{send: {to: \"bob:7\", size: 65508}}"), "x:7: hosts.alice.programs[0].send.size: a datagram carries at most 65507 bytes", true},
	{"no hexadecimal", programFile("{send: {to: \"bob:7\", hex: xyz}}"), `x:7: hosts.alice.programs[0].send.hex: "xyz" is not hexadecimal, as in "00 ff 10"`, false},
	{"two payloads", programFile("{send: {to: \"bob:7\", hex: ff, payload: x}}"), "x:7: hosts.alice.programs[0].send: the payload is given by payload or by hex, not by both", false},
	{"neither true nor false", programFile("{send: {to: \"bob:7\", connect: maybe}}"), `x:7: hosts.alice.programs[0].send.connect: "maybe" is neither true nor false`, true},
	{"long payload", programFile("{send: {to: \"bob:7\", payload: " + strings.Repeat("{n}", 20000) + ", count: 1000}}"),
		"", false},

	{"two changes in one", lan + "timeline:\n  - {at: 1s, host: bob, link: up, heal: true}\n",
		"x:12: timeline[0]: one thing happens at a time: faults, receive or link of a host, or partition, or heal: true", false},
	{"no change", lan + "timeline:\n  - {at: 1s, host: bob}\n",
		"x:12: timeline[0]: one thing happens at a time: faults, receive or link of a host, or partition, or heal: true", false},
	{"whose link", lan + "timeline:\n  - {at: 1s, link: down}\n", "x:12: timeline[0]: whose? Add host", false},
	{"whose partition", lan + "timeline:\n  - {at: 1s, host: bob, heal: true}\n", "x:12: timeline[0]: a partition is not one host's: leave host and interface out", false},
	{"link in between", lan + "timeline:\n  - {at: 1s, host: bob, link: half}\n", `x:12: timeline[0].link: a link is up or down, not "half"`, true},
	{"change after the end", lan + "timeline:\n  - {at: 6s, host: bob, link: up}\n", "x:12: timeline[0].at: 6s is not before the end of the lab; its duration is 5s", false},
	{"no such interface", lan + "timeline:\n  - {at: 1s, host: bob, interface: eth1, link: up}\n", `x:12: timeline[0]: bob has no interface "eth1"; there are eth0`, false},
	{"a partition of one", lan + "timeline:\n  - {at: 1s, partition: [[bob]]}\n",
		"x:12: timeline[0].partition: a partition is between two groups at least, as in [[alice], [bob]]; heal: true ends it", true},
	{"in two groups", lan + "timeline:\n  - {at: 1s, partition: [[bob], [alice, bob]]}\n", "x:12: timeline[0].partition: bob is here twice, in the groups 1 and 2", false},
	{"faults on the timeline", lan + "timeline:\n  - {at: 1s, host: bob, faults: {reorder: 1}}\n",
		"x:12: timeline[0].faults.reorder: without delay, jitter or rate no frame waits that another could overtake", false},

	{"nothing expected", lan + "expect:\n  - {host: bob}\n", "x:12: expect[0]: what is expected? There are heard, replies, sent, errors, drops and withheld", true},
	{"expected of nobody", lan + "expect:\n  - {host: carol, heard: 1}\n", `x:12: expect[0]: there is no host "carol"; there are alice and bob`, false},
	{"expected of no program", lan + "expect:\n  - {host: bob, program: ecko, heard: 1}\n", `x:12: expect[0]: bob has no program "ecko"; did you mean "echo"?`, false},
	{"a program without its host", lan + "expect:\n  - {program: echo, heard: 1}\n", "x:12: expect[0]: on which host is the program? Add host", false},
	{"a sender hears", lan + "expect:\n  - {host: alice, heard: 1}\n", "x:12: expect[0]: alice does not run echo or listen, which hear; what send gets are replies", false},
	{"a listener gets replies", lan + "expect:\n  - {host: bob, replies: 1}\n", "x:12: expect[0]: bob does not run send, which sends and gets replies", false},
	{"drops of a program", lan + "expect:\n  - {host: bob, program: echo, drops: {NoPort: 1}}\n", "x:12: expect[0]: drops and withheld are not a program's; expect them by themselves", false},
	{"from whom errors", lan + "expect:\n  - {host: alice, from: bob, errors: {total: 1}}\n",
		"x:12: expect[0]: from and payload tell datagrams apart that are heard or are replies; expect nothing else beside them", false},
	{"from nobody", lan + "expect:\n  - {host: bob, heard: 1, from: alise}\n",
		`x:12: expect[0].from: "alise" is neither a host nor an address, with or without a port; did you mean "alice"?`, false},
	{"unknown reason", lan + "expect:\n  - {drops: {LinkLos: 1}}\n", `x:12: expect[0].drops: "LinkLos" is no reason for a drop; did you mean "LinkLoss"?`, true},
	{"no drop", lan + "expect:\n  - {drops: {None: 1}}\n", "", true},
	{"unknown error", lan + "expect:\n  - {errors: {EREFUSED: 1}}\n",
		`x:12: expect[0].errors: "EREFUSED" is no error that a program can get; there are total, other, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ENETDOWN, EMSGSIZE, EACCES, EPERM, EADDRINUSE, EADDRNOTAVAIL, ENODEV, EAGAIN, ENOBUFS, EINVAL, ENOTCONN, EPIPE, EOPNOTSUPP, ENOPROTOOPT, EPROTONOSUPPORT, …`, true},
	{"how many", lan + "expect:\n  - {host: bob, heard: {}}\n", "x:12: expect[0].heard: how many? Write a number, or {at_least: N, at_most: N}", true},
	{"how few", lan + "expect:\n  - {host: bob, heard: {at_least: 2, at_most: 1}}\n", "x:12: expect[0].heard: at_least is more than at_most", false},
	{"many", lan + "expect:\n  - {host: bob, heard: many}\n", `x:12: expect[0].heard: "many" is no whole number`, true},
	{"no drops at all", lan + "expect:\n  - {drops: {}}\n", "x:12: expect[0].drops: nothing is expected; name at least one, as in {LinkLoss: 1}", true},
}

func faultsFile(faults string) string { return hostFile("faults: {" + faults + "}") }

// hostFile is a file with a line of a host's, the fifth.
func hostFile(line string) string {
	address := ""
	if !strings.HasPrefix(line, "address") {
		address = "    address: 10.0.0.1/24\n"
	}
	return "switches: [lan]\nhosts:\n  alice:\n    segment: lan\n    " + line + "\n" + address
}

// programFile is a file with a list of programs in its seventh line.
func programFile(programs string) string {
	return "switches: [lan]\nhosts:\n  bob: {segment: lan, address: 10.0.0.2/24}\n  alice:\n    segment: lan\n" +
		"    address: 10.0.0.1/24\n    programs: [" + programs + "]\n"
}

func TestMistakes(t *testing.T) {
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			_, err := Load(strings.NewReader(m.file), "x")
			if err == nil {
				t.Fatal("Load found nothing wrong")
			}
			if m.want == "" {
				// Words of other packages, or very long: the place is enough.
				if !strings.HasPrefix(err.Error(), "x:") || strings.HasPrefix(err.Error(), "x:1:") {
					t.Errorf("got %q", err)
				}
				return
			}
			if err.Error() != m.want {
				t.Errorf("got:\n%v\nwant:\n%s", err, m.want)
			}
		})
	}
}

// TestSyntax: what is not even YAML has its line too.
func TestSyntax(t *testing.T) {
	for line, file := range map[int]string{
		3: "seed: 1\nhosts:\n\ta: 1\n",
		2: "seed: 1\nswitches: [a, b\n",
		1: "seed: *nobody\n",
	} {
		_, err := Load(strings.NewReader(file), "x")
		if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("x:%d:", line)) && !strings.HasPrefix(err.Error(), fmt.Sprintf("x:%d:", line+1)) {
			t.Errorf("%q: got %v", file, err)
		}
	}
}

// TestUnreadable: it is said in which line and what, in words of our own.
func TestUnreadable(t *testing.T) {
	for file, want := range map[string]string{
		"seed: 1\nswitches: [\x1b]\n": `x:2: this is not YAML: here is the control character U+001B, which is possible only escaped in double quotes, as in "\x1b"`,
		"seed: 1\n\n# gr\xfc\xdfe\n":  "x:3: this is not YAML: the byte 0xfc is not UTF-8",
		"\x80":                        "x:1: this is not YAML: the byte 0x80 is not UTF-8",
		"seed: *\u009bnobody\n":       `x:1: this is not YAML: did not find expected alphabetic or numeric character`,
	} {
		if _, err := Load(strings.NewReader(file), "x"); err == nil || err.Error() != want {
			t.Errorf("%q: got\n%v, want\n%s", file, err, want)
		}
	}
	if line, what := unreadable([]byte("a\tb\r\n\u00e4\ufffd\u0085")); line != 0 {
		t.Errorf("line %d: %s", line, what)
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain, größer: \"q\" 'q' \\": "plain, größer: \"q\" 'q' \\",
		"\x1b[31m\n\x7f":              `\x1b[31m\n\x7f`,
		"\u009b\u202e\xff\ufffd":      `\u009b\u202e\xff` + "\ufffd",
	} {
		if got := printable(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestLoadPassesOn(t *testing.T) {
	want := errors.New("no such luck")
	if _, err := Load(iotest.ErrReader(want), "x"); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// TestBounds: what is too much is refused, whatever aliases make of it.
func TestBounds(t *testing.T) {
	list := func(n int, item string) string { return "[" + strings.Repeat(item+", ", n-1) + item + "]" }
	names := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "s%d, ", i)
		}
		return "[" + b.String() + "]"
	}
	hosts := func(n int) string {
		var b strings.Builder
		b.WriteString("switches: [lan]\nhosts:\n")
		for i := range n {
			fmt.Fprintf(&b, "  h%d: {segment: lan}\n", i)
		}
		return b.String()
	}
	for _, tt := range []struct{ name, file, want string }{
		{"file", strings.Repeat("#", maxFile+1), "longer than 1024 KiB"},
		{"switches", "switches: " + names(1001), "there are 1001; at most 1000 are possible"},
		{"hosts", hosts(1001), "there are 1001; at most 1000 are possible"},
		{"programs", programFile(strings.Trim(list(101, "{echo: {port: 7}}"), "[]")), "there are 101; at most 100 are possible"},
		{"addresses", hostFile("address: " + list(65, "10.0.0.1/24")), "there are 65; at most 64 are possible"},
		{"timeline", lan + "timeline: " + list(10001, "{at: 1s, heal: true}"), "there are 10001; at most 10000 are possible"},
		{"aliases", "switches: [lan]\nhosts:\n  h: &h {segment: lan, programs: [" +
			strings.Repeat("{listen: {port: 1, at: 1s, until: 2s, pause: 1s}}, ", 100) + "]}\n" + manyAliases(999), "more than 300000 values"},
		{"all programs", "switches: [lan]\nhosts:\n  h: &h {segment: lan, programs: [" +
			strings.Repeat("{listen: {port: 1}}, ", 100) + "]}\n" + manyAliases(41), "there are 4200 programs; at most 4096 are possible"},
	} {
		began := time.Now()
		_, err := Load(strings.NewReader(tt.file), "x")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %.200v, want %q", tt.name, err, tt.want)
		}
		t.Logf("%s: it took %v", tt.name, time.Since(began))
	}
}

func manyAliases(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  h%d: *h\n", i)
	}
	return b.String()
}

// TestAliases: an alias stands for the whole value.
func TestAliases(t *testing.T) {
	f := load(t, `
switches: [lan]
hosts:
  a: {segment: lan, address: 10.0.0.1/24, faults: &bad {loss: 10%}}
  b: {segment: lan, address: 10.0.0.2/24, faults: *bad}
`)
	for _, h := range f.doc.Hosts {
		if got := h.Faults.lab().Loss; got != 0.1 {
			t.Errorf("%s: loss is %v, want 0.1", h.Name, got)
		}
	}
}

func TestDefaults(t *testing.T) {
	f := load(t, "switches: [lan]\n")
	if f.Name() != "test.yaml" || f.Seed() != 0 || f.Duration() != 10*time.Second {
		t.Errorf("got %q, seed %d, %v", f.Name(), f.Seed(), f.Duration())
	}
}

func TestValues(t *testing.T) {
	f := load(t, `
switches: [lan]
hosts:
  a:
    segment: lan
    faults: {delay: 1.5s, jitter: 10ms, loss: 10%, duplicate: 0.25, reorder: 1, corrupt: 0.5%, rate: 1.5Mbit, limit: 5}
    receive: {rate: 9600}
`)
	h := &f.doc.Hosts[0]
	got := fmt.Sprintf("%+v %+v", h.Faults.lab(), h.Receive.lab())
	const want = "{Delay:1.5s Jitter:10ms Loss:0.1 Duplicate:0.25 Reorder:1 Corrupt:0.005 Rate:1500000 Limit:5} " +
		"{Delay:0s Jitter:0s Loss:0 Duplicate:0 Reorder:0 Corrupt:0 Rate:9600 Limit:0}"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// load loads a file that nothing is wrong with.
func load(t testing.TB, text string) *File {
	t.Helper()
	f, err := Load(strings.NewReader(text), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// examples are the files of examples/labs, by name.
func examples(t testing.TB) map[string]string {
	t.Helper()
	names, err := filepath.Glob("../../examples/labs/*.yaml")
	if err != nil || len(names) < 3 {
		t.Fatalf("%d examples: %v", len(names), err)
	}
	files := make(map[string]string)
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = string(b)
	}
	return files
}

// FuzzLoad: whatever the file, Load says what is wrong, or it is a lab.
func FuzzLoad(f *testing.F) {
	for _, text := range examples(f) {
		f.Add(text)
	}
	for _, m := range mistakes {
		if len(m.file) < 2000 {
			f.Add(m.file)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Load(strings.NewReader(text), "x")
		switch {
		case err == nil:
			if file.Duration() <= 0 {
				t.Errorf("duration %v", file.Duration())
			}
		case !strings.HasPrefix(err.Error(), "x:"):
			t.Errorf("no place in %q", err)
		case strings.ContainsFunc(err.Error(), func(r rune) bool { return r != '\n' && !strconv.IsPrint(r) }):
			t.Errorf("%q reaches the terminal", err)
		case strings.Contains(err.Error(), "go-yaml") || strings.Contains(err.Error(), "unknown position"):
			t.Errorf("these are the library's words: %q", err)
		}
	})
}

// TestDocumentation: the file in the package's documentation is one, and what it
// expects comes to pass.
func TestDocumentation(t *testing.T) {
	b, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(b), "// # The file\n")
	section, _, _ = strings.Cut(section, "// docs/lab.schema.json")
	var text strings.Builder
	for line := range strings.Lines(section) {
		if code, ok := strings.CutPrefix(line, "//\t"); ok {
			text.WriteString(code)
		}
	}
	if strings.Count(text.String(), "\n") < 30 {
		t.Fatalf("this is not the file:\n%s", &text)
	}
	if err := readSchema(t).file(text.String()); err != nil {
		t.Error(err)
	}
	runText(t, text.String())
}
