package lab

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/tap"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// kernelBridge is Linux's bridge, with TAP devices on its ports.
type kernelBridge struct {
	t     *testing.T
	ports []*tap.Link

	mu     sync.Mutex
	got    []string    // cards that got a frame
	seen   map[int]int // by card, the last marker
	marker int
	news   chan struct{}
}

// marker is the type of frames that follow each frame on its way, and that everybody
// gets: what has not arrived before them does not.
const marker wire.EtherType = 0x88b5 // local experimental

func newKernelBridge(t *testing.T, cards int, options ...string) *kernelBridge {
	t.Helper()
	ns := netns.New(t)
	ns.Run(t, "ip", append(strings.Fields("link add br0 type bridge forward_delay 0 mcast_snooping 1"), options...)...)
	ns.Run(t, "ip", "link", "set", "br0", "up")
	k := &kernelBridge{t: t, seen: make(map[int]int), news: make(chan struct{}, 1)}
	for i := range cards {
		name := fmt.Sprint("port", i)
		var l *tap.Link
		var err error
		ns.Do(func() { l, err = tap.Open(name, tap.Config{}) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		ns.Run(t, "ip", "link", "set", name, "master", "br0")
		if err := l.SetFilter(link.Filter{Mode: link.Promiscuous}); err != nil {
			t.Fatal(err)
		}
		if err := l.Attach(sinkFunc(func(frames []*packet.Buffer) { k.deliver(i, frames) })); err != nil {
			t.Fatal(err)
		}
		k.ports = append(k.ports, l)
	}
	return k
}

func (k *kernelBridge) deliver(card int, frames []*packet.Buffer) {
	k.mu.Lock()
	for _, f := range frames {
		b := f.Bytes()
		switch {
		case len(b) < 18:
		case wire.EtherType(binary.BigEndian.Uint16(b[12:])) == marker:
			k.seen[card] = int(binary.BigEndian.Uint32(b[14:]))
		case wire.MAC(b[6:12]) == (wire.MAC{2, 0, 0, 0, 0, b[11]}): // of one of the cards
			k.got = append(k.got, fmt.Sprint(card))
		}
	}
	k.mu.Unlock()
	packet.ReleaseAll(frames)
	select {
	case k.news <- struct{}{}:
	default:
	}
}

func (k *kernelBridge) send(from int, frame []byte) {
	b := packet.New(len(frame))
	copy(b.Append(len(frame)), frame)
	if n, err := k.ports[from].Write(b.Single()); n != 1 {
		b.Release()
		k.t.Fatalf("Write = %d, %v", n, err)
	}
}

// write sends a frame and returns who gets it.
func (k *kernelBridge) write(from int, frame []byte) string {
	k.t.Helper()
	k.mu.Lock()
	k.got = nil
	k.marker++
	k.mu.Unlock()
	k.send(from, frame)
	m := make([]byte, 60)
	e := wire.PutEthernet(m)
	e.SetDestination(wire.Broadcast)
	e.SetSource(wire.MAC{2, 0, 0, 0, 0, byte(from + 1)})
	e.SetType(marker)
	binary.BigEndian.PutUint32(m[14:], uint32(k.marker))
	timeout := time.After(20 * time.Second)
	again := time.NewTicker(100 * time.Millisecond) // a port may not forward yet
	defer again.Stop()
	k.send(from, m)
	for {
		k.mu.Lock()
		all := true
		for card := range k.ports {
			all = all && (card == from || k.seen[card] == k.marker)
		}
		var list []string
		for card := range k.ports {
			for _, c := range k.got {
				if c == fmt.Sprint(card) {
					list = append(list, c)
				}
			}
		}
		k.mu.Unlock()
		if all {
			return strings.Join(list, " ")
		}
		select {
		case <-k.news:
		case <-again.C:
			k.send(from, m)
		case <-timeout:
			k.t.Fatal("the bridge does not forward")
		}
	}
}

// TestSnoopingIsLikeLinux gives a switch and the kernel's bridge the same frames, and
// wants them to send them to the same ports. The bridge takes less care than RFC 4541
// asks for: it floods reports of the newest versions and leaves, and does not flood
// messages of types that it does not know. General queries to a group it drops, which
// hosts may answer (RFC 9776, 4.1.12).
func TestSnoopingIsLikeLinux(t *testing.T) {
	const answers = 300 * time.Millisecond // the time for them
	type step struct {
		what  string
		from  int
		frame []byte // nil: answers have had their time
		other string // who gets it where the switch and Linux's bridge differ
	}
	old := func(from int, t wire.IGMPType, group string) []byte {
		g, to := netip.MustParseAddr(group), netip.MustParseAddr(group)
		if t == wire.IGMPv2Leave {
			to = netip.MustParseAddr("224.0.0.2")
		}
		m := make([]byte, wire.IGMPHeaderLen)
		wire.PutIGMP(m, t, g)
		return frameOf(address(from), to, wire.ProtocolIGMP, m)
	}
	old6 := func(from int, t wire.ICMPv6Type, group string) []byte {
		g, to := netip.MustParseAddr(group), netip.MustParseAddr(group)
		if t == wire.ICMPv6MLDv1Done {
			to = netip.MustParseAddr("ff02::2")
		}
		m := make([]byte, wire.MLDHeaderLen)
		wire.PutMLD(m, t, g)
		return frameOf(address6(from), to, wire.ProtocolICMPv6, m)
	}
	query := func(from int, source string, q wire.IGMPQuery) []byte {
		to := allHosts4
		if !q.IsGeneral() {
			to = q.Group
		}
		q.MaxResponse, q.Robustness, q.Interval = answers, 2, 125*time.Second
		return frameOf(netip.MustParseAddr(source), to, wire.ProtocolIGMP, q.AppendTo(nil))
	}
	query6 := func(from int, q wire.MLDQuery) []byte {
		to := allNodes6
		if !q.IsGeneral() {
			to = q.Group
		}
		q.MaxResponse, q.Robustness, q.Interval = answers, 2, 125*time.Second
		return frameOf(address6(from), to, wire.ProtocolICMPv6, q.AppendTo(nil))
	}
	data := func(from int, group string) []byte {
		g := netip.MustParseAddr(group)
		if g.Is6() {
			return datagramTo(address6(from), g)
		}
		return datagramTo(address(from), g)
	}
	spoiled := func(f []byte, at int) []byte { f[at] ^= 1; return f }
	steps := []step{
		{"data without a querier", 0, data(0, g1), ""},
		{"a report without a querier", 1, old(1, wire.IGMPv2Report, g1), ""},
		{"data for a member without a querier", 0, data(0, g1), ""},
		{"a query from 0.0.0.0", 3, query(3, "0.0.0.0", wire.IGMPQuery{}), ""},
		{"a query", 3, query(3, "10.0.0.4", wire.IGMPQuery{}), ""},
		{"data before anybody has answered", 0, data(0, g2), ""},
		{"answers are due", 0, nil, ""},
		{"data for a member", 0, data(0, g1), ""},
		{"data by the router", 3, data(3, g1), ""},
		{"data by the member", 1, data(1, g1), ""},
		{"data for nobody", 0, data(0, g2), ""},
		{"link-local data", 0, data(0, "224.0.0.251"), ""},
		{"a report for a link-local group", 2, old(2, wire.IGMPv2Report, "224.0.0.251"), ""},
		{"still link-local data", 0, data(0, "224.0.0.251"), ""},
		{"a report of version 1", 2, old(2, wire.IGMPv1Report, g2), ""},
		{"data for version 1", 0, data(0, g2), ""},
		{"a report of version 3", 2, reportOf(2, toEx, "239.1.1.3"), "3"},
		{"data for version 3", 0, data(0, "239.1.1.3"), ""},
		{"a source-specific report", 2, reportOf(2, allow, "232.1.1.1", "10.0.0.1"), "3"},
		{"data of the source", 0, data(0, "232.1.1.1"), ""},
		{"data of another source", 1, data(1, "232.1.1.1"), ""},
		{"a report that excludes", 1, reportOf(1, isEx, "239.1.1.4", "10.0.0.1"), "3"},
		{"data of who is excluded", 0, data(0, "239.1.1.4"), ""},
		{"data of who is not", 2, data(2, "239.1.1.4"), ""},
		{"a group with the same hardware address", 0, data(0, "238.129.1.1"), ""},
		{"a leave", 1, old(1, wire.IGMPv2Leave, g1), "3"},
		{"the router's query for the group", 3, query(3, "10.0.0.4", wire.IGMPQuery{Version: 2, Group: netip.MustParseAddr(g1)}), ""},
		{"data while it is asked", 0, data(0, g1), ""},
		{"nobody has objected", 0, nil, ""},
		{"data after it has left", 0, data(0, g1), ""},
		{"IGMP of another type", 1, frameOf(address(1), netip.MustParseAddr(g1), wire.ProtocolIGMP, []byte{0x1f, 0, 0, 0, 1, 2, 3, 4}), "0 2 3"},
		{"a report with a wrong checksum", 1, spoiled(old(1, wire.IGMPv2Report, g1), 14+24+7), ""},
		{"a report that is too short", 1, frameOf(address(1), netip.MustParseAddr("224.0.0.22"), wire.ProtocolIGMP, []byte{0x22, 0, 0, 0, 0, 0, 0}), ""},
		{"a header with a wrong checksum", 0, spoiled(data(0, g2), 14+8), ""},
		{"a general query to a group", 2, frameOf(address(2), netip.MustParseAddr(g1), wire.ProtocolIGMP, wire.IGMPQuery{MaxResponse: 1e9}.AppendTo(nil)), "0 1 3"},
		{"PIM's hello", 2, frameOf(address(2), allPIMRouters4, wire.ProtocolPIM, []byte{0x20, 0, 0, 0, 0, 1, 0, 2, 0, 105}), ""},
		{"data for nobody but two routers", 0, data(0, g1), ""},
		{"an advertisement of a router", 1, frameOf(address(1), allSnoopers4, wire.ProtocolIGMP, []byte{0x30, 20, 0, 0, 0, 0, 0, 0}), ""},
		{"data for nobody but three routers", 0, data(0, g1), ""},

		{"IPv6: data without a querier", 0, data(0, h1), ""},
		{"IPv6: a report without a querier", 1, old6(1, wire.ICMPv6MLDv1Report, h1), ""},
		{"IPv6: a query", 3, query6(3, wire.MLDQuery{}), ""},
		{"IPv6: answers are due", 0, nil, ""},
		{"IPv6: data for a member", 0, data(0, h1), ""},
		{"IPv6: data for nobody", 0, data(0, h2), ""},
		{"IPv6: data for all nodes", 0, data(0, "ff02::1"), ""},
		{"IPv6: a report of version 2", 2, reportOf(2, isEx, "ff02::1:ff00:2"), "3"},
		{"IPv6: data for a solicited node", 0, data(0, "ff02::1:ff00:2"), ""},
		{"IPv6: a source-specific report", 2, reportOf(2, allow, "ff3e::8000:1", "fe80::1"), "3"},
		{"IPv6: data of the source", 0, data(0, "ff3e::8000:1"), ""},
		{"IPv6: data of another source", 1, data(1, "ff3e::8000:1"), ""},
		{"IPv6: done", 1, old6(1, wire.ICMPv6MLDv1Done, h1), "3"},
		{"IPv6: the router's query for the group", 3, query6(3, wire.MLDQuery{Version: 1, Group: netip.MustParseAddr(h1)}), ""},
		{"IPv6: nobody has objected", 0, nil, ""},
		{"IPv6: data after it has left", 0, data(0, h1), ""},
		{"IPv6: a report with a wrong checksum", 1, spoiled(old6(1, wire.ICMPv6MLDv1Report, h1), 14+40+8+23), ""},
	}
	k := newKernelBridge(t, 4, "mcast_igmp_version", "3", "mcast_mld_version", "2", "mcast_query_interval", "12500")
	w := newWorld(t, SnoopingConfig{RoutersOnly: true, FloodWithoutQuerier: true}, 4)
	asked := time.Now()
	for _, s := range steps {
		if strings.HasSuffix(s.what, "query") || strings.Contains(s.what, "query for") {
			asked = time.Now()
		}
		if s.frame == nil {
			// The kernel's clock is the wall's.
			time.Sleep(3 * answers)
			w.run(3 * answers)
			continue
		}
		want, got := k.write(s.from, s.frame), cards(w.write(s.from, s.frame))
		if early := strings.Contains(s.what, "before") || strings.Contains(s.what, "while"); early && time.Since(asked) > answers {
			t.Logf("%s: the machine was too slow to see it", s.what)
			continue
		}
		if s.other != "" && got != want {
			want = s.other
		}
		if got != want {
			t.Errorf("%s gets to %q, and by Linux's bridge to %q", s.what, got, want)
		}
	}
}
