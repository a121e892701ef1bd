package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/castnet-go/castnet/pcapng"
	"github.com/castnet-go/castnet/wire"
)

// watchingInterfaces waits until an AF_PACKET socket is there: a watcher is ready.
func watchingInterfaces(ts *testscript.TestScript, neg bool, _ []string) {
	refuseNeg(ts, neg)
	until(ts, "nobody came to watch", func() bool {
		table, err := os.ReadFile("/proc/net/packet")
		ts.Check(err)
		// Its first line names the columns; ETH_P_ALL is what a watcher asks for.
		for line := range strings.Lines(string(table)) {
			if f := strings.Fields(line); len(f) > 3 && f[3] == "0003" {
				return true
			}
		}
		return false
	})
}

// joined waits until this host is in a group, or knows a source of it: joined GROUP [SOURCE].
// Sources of IPv6 the kernel shows of the last group that was joined on an interface only.
func joined(ts *testscript.TestScript, neg bool, args []string) {
	refuseNeg(ts, neg)
	group := netip.MustParseAddr(args[0])
	file, want := "/proc/net/igmp6", hex.EncodeToString(group.AsSlice())
	if group.Is4() {
		// As a number in the machine's byte order.
		file, want = "/proc/net/igmp", fmt.Sprintf("%08X", binary.NativeEndian.Uint32(group.AsSlice()))
	}
	if len(args) > 1 {
		source := netip.MustParseAddr(args[1])
		file, want = "/proc/net/mcfilter6", want+" "+hex.EncodeToString(source.AsSlice())
		if group.Is4() {
			number := func(a netip.Addr) uint32 { return binary.BigEndian.Uint32(a.AsSlice()) }
			file, want = "/proc/net/mcfilter", fmt.Sprintf("0x%08x 0x%08x", number(group), number(source))
		}
	}
	until(ts, "nobody came to join "+strings.Join(args, " "), func() bool {
		table, err := os.ReadFile(file)
		ts.Check(err)
		return strings.Contains(strings.Join(strings.Fields(string(table)), " "), want)
	})
}

// upAndRunning waits until the interfaces are there, up, and have a carrier: up IFNAME….
func upAndRunning(ts *testscript.TestScript, neg bool, args []string) {
	refuseNeg(ts, neg)
	for _, name := range args {
		until(ts, name+" does not come up", func() bool {
			out, err := exec.Command("ip", "link", "show", "dev", name).Output()
			return err == nil && strings.Contains(string(out), "LOWER_UP") && !strings.Contains(string(out), "state DOWN")
		})
	}
}

// snooped waits until a bridge knows of a member at a port: snooped BRIDGE PORT GROUP.
func snooped(ts *testscript.TestScript, neg bool, args []string) {
	refuseNeg(ts, neg)
	until(ts, "the bridge hears of no member", func() bool {
		out, err := exec.Command("bridge", "mdb", "show", "dev", args[0]).Output()
		return err == nil && strings.Contains(string(out), "port "+args[1]+" grp "+args[2]+" ")
	})
}

func until(ts *testscript.TestScript, otherwise string, ok func() bool) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	ts.Fatalf("%s", otherwise)
}

// hasEvent checks that one of the events of that name has all of the values:
// has FILE NAME KEY=WANT….
func hasEvent(ts *testscript.TestScript, neg bool, args []string) {
	refuseNeg(ts, neg)
	for _, e := range readEvents(ts, args[0]) {
		fits := e["event"] == args[1]
		for _, pair := range args[2:] {
			key, want, _ := strings.Cut(pair, "=")
			fits = fits && fmt.Sprint(e[key]) == want
		}
		if fits {
			return
		}
	}
	ts.Fatalf("there is no such event: %s", strings.Join(args[1:], " "))
}

// groupCapture writes a capture: on eth0 a querier, two hosts that join and one that leaves,
// one that does not come back, and what is to be ignored; on eth1 the same of IPv6, in short.
func groupCapture(ts *testscript.TestScript, neg bool, args []string) {
	refuseNeg(ts, neg)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	w, err := pcapng.NewWriter(f, pcapng.Section{Application: "a test"})
	ts.Check(err)
	for _, name := range []string{"eth0", "eth1"} {
		_, err = w.AddInterface(pcapng.Interface{Name: name, LinkType: pcapng.Ethernet})
		ts.Check(err)
	}
	start := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	put := func(iface int, at time.Duration, frame []byte) {
		ts.Check(w.WritePacket(&pcapng.Packet{Interface: iface, Time: start.Add(at), Data: frame}))
	}
	addr := netip.MustParseAddr
	router, alice, bob := addr("10.0.0.1"), addr("10.0.0.2"), addr("10.0.0.3")
	group, some := addr("239.1.2.3"), addr("232.1.2.3")
	query := wire.IGMPQuery{Version: 3, MaxResponse: 10 * time.Second, Interval: 125 * time.Second, Robustness: 2}
	about := query
	about.Group, about.MaxResponse = group, time.Second
	v3 := func(records ...wire.GroupRecord) []byte { return wire.AppendIGMPv3Report(nil, records...) }
	put(0, 0, igmpFrame(router, addr("224.0.0.1"), query.AppendTo(nil)))
	put(0, time.Second, igmpFrame(alice, addr("224.0.0.22"), v3(
		wire.GroupRecord{Type: wire.ChangeToExclude, Group: group},
		wire.GroupRecord{Type: wire.AllowNewSources, Group: some, Sources: wire.NewAddrList(addr("10.9.0.1"), addr("10.9.0.2"))})))
	put(0, 2*time.Second, igmpFrame(bob, group, oldMessage(wire.IGMPv2Report, group)))
	put(0, 3*time.Second, igmpFrame(bob, addr("224.0.0.2"), oldMessage(wire.IGMPv2Leave, group)))
	put(0, 3*time.Second, igmpFrame(router, group, about.AppendTo(nil)))
	wrong := igmpFrame(bob, group, oldMessage(wire.IGMPv2Report, group))
	wrong[len(wrong)-1]++
	put(0, 4*time.Second, wrong)
	put(0, 125*time.Second, igmpFrame(router, addr("224.0.0.1"), query.AppendTo(nil)))
	join6 := wire.AppendMLDv2Report(nil, wire.GroupRecord{Type: wire.ChangeToExclude, Group: addr("ff15::123")})
	put(1, 126*time.Second, mldFrame(addr("fe80::2"), addr("ff02::16"), join6))
	ts.Check(w.Flush())
}

func oldMessage(t wire.IGMPType, group netip.Addr) []byte {
	b := make([]byte, wire.IGMPHeaderLen)
	wire.PutIGMP(b, t, group)
	return b
}

func igmpFrame(from, to netip.Addr, message []byte) []byte {
	const options = wire.IPv4RouterAlertOption
	wire.UpdateIGMPChecksum(message)
	b := ethernet(to, wire.EtherTypeIPv4, 24)
	h := wire.PutIPv4(b[wire.EthernetHeaderLen:])
	h.SetHeaderLen(24)
	h.SetTotalLength(uint16(24 + len(message)))
	h.SetTTL(1)
	h.SetProtocol(wire.ProtocolIGMP)
	h.SetSource(from)
	h.SetDestination(to)
	copy(b[wire.EthernetHeaderLen+20:], options)
	h.UpdateChecksum([]byte(options))
	return append(b, message...)
}

func mldFrame(from, to netip.Addr, message []byte) []byte {
	wire.UpdateICMPv6Checksum(message, from.As16(), to.As16())
	alert := []byte{byte(wire.ProtocolICMPv6), 0, 5, 2, 0, 0, 1, 0}
	b := ethernet(to, wire.EtherTypeIPv6, 40)
	h := wire.PutIPv6(b[wire.EthernetHeaderLen:])
	h.SetPayloadLength(uint16(len(alert) + len(message)))
	h.SetNextHeader(wire.ProtocolIPv6HopByHop)
	h.SetHopLimit(1)
	h.SetSource(from)
	h.SetDestination(to)
	return append(append(b, alert...), message...)
}

// ethernet returns an Ethernet header and room for a header behind it.
func ethernet(to netip.Addr, t wire.EtherType, room int) []byte {
	b := make([]byte, wire.EthernetHeaderLen+room, 200)
	h := wire.PutEthernet(b)
	h.SetDestination(wire.MulticastMAC(to))
	h.SetSource(wire.MAC{2, 0, 0, 0, 0, 1})
	h.SetType(t)
	return b
}

func TestParseChannel(t *testing.T) {
	for _, test := range []struct {
		text, source, group string
	}{
		{"239.1.2.3", "", "239.1.2.3"},
		{"10.0.0.9,232.1.2.3", "10.0.0.9", "232.1.2.3"},
		{"ff15::1", "", "ff15::1"},
		{"[ff15::1]", "", "ff15::1"},
		{"ff02::fb%eth0", "", "ff02::fb%eth0"},
		{"fd00::9,ff3e::1", "fd00::9", "ff3e::1"},
		{text: ""}, {text: ","}, {text: "10.0.0.1"}, {text: "239.1.2.3,"}, {text: ",239.1.2.3"}, {text: "239.1.2.3,10.0.0.9"},
		{text: "239.1.2.3,232.1.2.3"}, {text: "0.0.0.0,232.1.2.3"}, {text: "fd00::9,232.1.2.3"}, {text: "::ffff:239.1.2.3"}, {text: "239.1.2.3:7000"},
	} {
		c, err := parseChannel(test.text)
		got := channel{}
		if test.group != "" {
			got.group = netip.MustParseAddr(test.group)
		}
		if test.source != "" {
			got.source = netip.MustParseAddr(test.source)
		}
		if (err == nil) != (test.group != "") || err == nil && c != got {
			t.Errorf("parseChannel(%q) = %v, %v", test.text, c, err)
		}
	}
}

func TestParseGroupPort(t *testing.T) {
	for text, want := range map[string]string{
		"239.1.2.3": "239.1.2.3:7000", "239.1.2.3:5004": "239.1.2.3:5004", "ff15::1": "[ff15::1]:7000", "[ff15::1]": "[ff15::1]:7000",
		"[ff15::1]:5004": "[ff15::1]:5004", "[ff02::1%eth0]:9": "[ff02::1%eth0]:9", "ff02::1%eth0": "[ff02::1%eth0]:7000",
		"": "", "10.0.0.1:7": "", "239.1.2.3:": "", "239.1.2.3:0": "", "239.1.2.3:65536": "", "239.1.2.3:x": "", "group:7": "",
	} {
		got, err := parseGroupPort(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("parseGroupPort(%q) = %v, %v, want %q", text, got, err, want)
		}
	}
}

func TestUncook(t *testing.T) {
	b := []byte("0123456789abcdefghijIP")
	for _, test := range []struct {
		kind     pcapng.LinkType
		data     string
		ethernet bool
		ok       bool
	}{
		{pcapng.Ethernet, string(b), true, true},
		{pcapng.IP, string(b), false, true},
		{228, string(b), false, true},
		{229, string(b), false, true},
		{113, "ghijIP", false, true},
		{276, "IP", false, true},
		{105, "", false, false}, // IEEE 802.11
	} {
		data, ethernet, ok := uncook(test.kind, b)
		if string(data) != test.data || ethernet != test.ethernet || ok != test.ok {
			t.Errorf("type %d: %q, %v, %v", test.kind, data, ethernet, ok)
		}
		if data, _, _ := uncook(test.kind, b[:5]); len(data) > 5 {
			t.Errorf("type %d: %q", test.kind, data)
		}
	}
}
