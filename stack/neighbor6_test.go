package stack

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/wire"
)

// inState brings the neighbour fe80::b into a state, at macPeer if it is known.
func (n *node) inState(t *testing.T, s NeighborState) {
	t.Helper()
	n.use(t, peer6)
	if s != NeighborIncomplete {
		n.hear(ndpPacket{message: advertising(peer6, "SO", macPeer)})
	}
	switch s {
	case NeighborStale, NeighborDelay, NeighborProbe:
		n.clock.Advance(50 * time.Second)
	case NeighborFailed:
		n.clock.Advance(50 * time.Second)
		n.use(t, peer6)
		n.clock.Advance(20 * time.Second)
	}
	if s == NeighborDelay || s == NeighborProbe {
		n.use(t, peer6)
	}
	if s == NeighborProbe {
		n.clock.Advance(5 * time.Second)
	}
	n.said = nil
	if got := n.Neighbors(); len(got) != 1 || got[0].State != s {
		t.Fatalf("the neighbour is %+v, want it %v", got, s)
	}
}

var known6 = []NeighborState{NeighborReachable, NeighborStale, NeighborDelay, NeighborProbe}

func neighborLine(addr string, s NeighborState, mac wire.MAC) string {
	line := fmt.Sprintf("eth0 %s %v", addr, s)
	if !mac.IsZero() {
		line += " " + mac.String()
	}
	return line
}

// The table of RFC 4861, 7.2.5 and appendix C: every state, every combination of
// flags, the known hardware address, another, and none.
func TestRFC4861_7_2_5_advertisements(t *testing.T) {
	for _, flags := range []string{"", "S", "O", "SO"} {
		for _, mac := range []wire.MAC{macPeer, macOther, {}} {
			solicited := flags == "S" || flags == "SO"
			override := flags == "O" || flags == "SO"
			check := func(from NeighborState, want NeighborState, wantMAC wire.MAC) {
				t.Run(fmt.Sprintf("%v/%s/%v", from, orString(flags, "-"), mac), func(t *testing.T) {
					n := newNode(t, Config{AcceptRA: -1})
					n.inState(t, from)
					dst := linkLocalA
					if !solicited {
						dst = "ff02::1" // where news go; and unasked ones do by unicast, too
					}
					n.hear(ndpPacket{dst: dst, message: advertising(peer6, flags, mac)})
					checkNeighbors(t, n.host, "after it", neighborLine(peer6, want, wantMAC))
					checkLedger(t, n.host)
				})
			}
			for _, from := range append([]NeighborState{NeighborIncomplete, NeighborFailed}, known6...) {
				before := macPeer
				if from == NeighborIncomplete || from == NeighborFailed {
					before = wire.MAC{}
				}
				want, wantMAC := appendixC(from, before, mac, solicited, override)
				check(from, want, wantMAC)
			}
		}
	}
}

// appendixC is the state machine of RFC 4861, appendix C, for an advertisement, with
// what Linux has besides: one that failed to answer is not believed.
func appendixC(from NeighborState, before, mac wire.MAC, solicited, override bool) (NeighborState, wire.MAC) {
	differs := !mac.IsZero() && mac != before
	switch {
	case from == NeighborFailed, from == NeighborPermanent:
		return from, before
	case from == NeighborIncomplete && mac.IsZero():
		return from, before // it is useless
	case from == NeighborIncomplete && solicited:
		return NeighborReachable, mac // whatever Override says
	case from == NeighborIncomplete:
		return NeighborDelay, mac // stale, and used at once by what waits
	case differs && !override && from == NeighborReachable:
		return NeighborStale, before
	case differs && !override:
		return from, before
	case solicited && differs:
		return NeighborReachable, mac
	case solicited:
		return NeighborReachable, before
	case differs:
		return NeighborStale, mac
	}
	return from, before
}

func TestRFC4861_7_2_5_an_unknown_neighbour_is_not_made(t *testing.T) {
	n := newNode(t, Config{AcceptRA: -1})
	n.hear(ndpPacket{message: advertising(peer6, "SO", macPeer)})
	checkNeighbors(t, n.host, "unasked")
}

func TestRFC4861_7_2_2_resolution(t *testing.T) {
	n := newNode(t, Config{AcceptRA: -1}, "2001:db8::a/64")
	ask := "NS fe80::b from " + linkLocalA + " to " + group6(peer6) + " slla"
	n.use(t, peer6)
	n.use(t, peer6)
	n.says(t, 0, ask)
	n.says(t, 999*time.Millisecond)
	n.says(t, time.Millisecond, ask)
	n.says(t, time.Second, ask)
	checkNeighbors(t, n.host, "asking", neighborLine(peer6, NeighborIncomplete, wire.MAC{}))
	n.says(t, time.Second)
	checkNeighbors(t, n.host, "given up", neighborLine(peer6, NeighborFailed, wire.MAC{}))
	checkLedger(t, n.host)

	// The next packet asks anew; the answer lets it go.
	n.use(t, peer6)
	n.says(t, 0, ask)
	n.hear(ndpPacket{message: advertising(peer6, "SO", macPeer)})
	n.says(t, 0, "data to fe80::b at "+macPeer.String())
	checkNeighbors(t, n.host, "answered", neighborLine(peer6, NeighborReachable, macPeer))
	checkLedger(t, n.host)
}

// The source is that of the packet that waits, as long as it is the interface's.
func TestRFC4861_7_2_2_source(t *testing.T) {
	n := newNode(t, Config{AcceptRA: -1}, "2001:db8::a/64", "2001:db8::aa/64")
	for src, want := range map[string]string{"2001:db8::aa": "2001:db8::aa", "2001:db8:9::9": "2001:db8::a"} {
		target := "2001:db8::b"
		n.eth0.solicit(addressOf(netip.MustParseAddr(target)), wire.MAC{}, addressOf(netip.MustParseAddr(src)))
		n.says(t, 0, "NS "+target+" from "+want+" to "+group6(target)+" slla")
	}
}

func TestRFC4861_7_3_3_unreachability_detection(t *testing.T) {
	n := newNode(t, Config{AcceptRA: -1})
	n.inState(t, NeighborReachable)
	n.clock.Advance(15*time.Second - time.Millisecond)
	checkNeighbors(t, n.host, "before half the time", neighborLine(peer6, NeighborReachable, macPeer))
	n.says(t, 30*time.Second+2*time.Millisecond)
	checkNeighbors(t, n.host, "after it", neighborLine(peer6, NeighborStale, macPeer))
	n.says(t, time.Hour)
	checkNeighbors(t, n.host, "unused", neighborLine(peer6, NeighborStale, macPeer))

	n.use(t, peer6)
	n.says(t, 5*time.Second-1, "data to fe80::b at "+macPeer.String())
	checkNeighbors(t, n.host, "used", neighborLine(peer6, NeighborDelay, macPeer))
	probe := "NS fe80::b from " + linkLocalA + " to fe80::b at " + macPeer.String() + " slla"
	n.says(t, 1, probe)
	checkNeighbors(t, n.host, "asked", neighborLine(peer6, NeighborProbe, macPeer))
	n.says(t, time.Second, probe)
	n.says(t, time.Second, probe)
	n.use(t, peer6) // it is used as long as it is not given up
	n.says(t, time.Second-1, "data to fe80::b at "+macPeer.String())
	n.says(t, time.Hour)
	checkNeighbors(t, n.host, "silent", neighborLine(peer6, NeighborFailed, wire.MAC{}))
	if p := n.clock.Pending(); p != 0 {
		t.Errorf("%d timers are left", p)
	}
	checkLedger(t, n.host)
}

func TestRFC4861_7_3_1_confirmed_from_above(t *testing.T) {
	for _, s := range known6 {
		n := newNode(t, Config{AcceptRA: -1})
		n.inState(t, s)
		n.eth0.ConfirmNeighbor(netip.MustParseAddr(peer6))
		checkNeighbors(t, n.host, "confirmed", neighborLine(peer6, NeighborReachable, macPeer))
		n.says(t, 10*time.Second)
	}
	for _, s := range []NeighborState{NeighborIncomplete, NeighborFailed} {
		n := newNode(t, Config{AcceptRA: -1})
		n.inState(t, s)
		n.eth0.ConfirmNeighbor(netip.MustParseAddr(peer6))
		checkNeighbors(t, n.host, "nothing is known", neighborLine(peer6, s, wire.MAC{}))
	}
}

// What answers to solicitations look like is what Linux's do.
func TestRFC4861_7_2_4_answers(t *testing.T) {
	global := "2001:db8::a"
	answer := func(target, flags, to string, at wire.MAC, tlla string) string {
		return "NA " + target + " " + flags + " from " + target + " to " + to + " at " + at.String() + tlla
	}
	for _, c := range []struct {
		name   string
		packet ndpPacket
		want   []string
		knows  NeighborState
	}{
		{"asked by all", ndpPacket{dst: group6(linkLocalA), message: soliciting(linkLocalA, macPeer)},
			[]string{answer(linkLocalA, "SO", peer6, macPeer, " tlla")}, NeighborDelay},
		{"asked alone", ndpPacket{message: soliciting(linkLocalA, macPeer)},
			[]string{answer(linkLocalA, "S", peer6, macPeer, "")}, NeighborDelay},
		{"a global one", ndpPacket{dst: group6(global), message: soliciting(global, macPeer)},
			[]string{answer(global, "SO", peer6, macPeer, " tlla")}, NeighborDelay},
		{"without the sender's: he is asked first", ndpPacket{message: soliciting(linkLocalA, wire.MAC{})},
			[]string{"NS fe80::b from " + linkLocalA + " to " + group6(peer6) + " slla"}, NeighborIncomplete},
		{"a test", ndpPacket{src: "::", dst: group6(global), message: soliciting(global, wire.MAC{})},
			[]string{"NA " + global + " O from " + global + " to ff02::1 tlla"}, NeighborFailed},
		{"somebody else's", ndpPacket{dst: group6("fe80::1:ff00:a"), message: soliciting("fe80::1:ff00:a", macPeer)}, nil, NeighborFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t, Config{AcceptRA: -1}, global+"/64")
			n.hear(c.packet)
			n.says(t, 0, c.want...)
			want := neighborLine(peer6, c.knows, macPeer)
			switch c.knows {
			case NeighborFailed:
				checkNeighbors(t, n.host, "after it")
			case NeighborIncomplete:
				checkNeighbors(t, n.host, "after it", neighborLine(peer6, c.knows, wire.MAC{}))
			default:
				checkNeighbors(t, n.host, "after it", want)
			}
			checkLedger(t, n.host)
		})
	}
}

func TestRFC4861_7_2_4_a_router_says_so(t *testing.T) {
	n := newNode(t, Config{Forwarding: true})
	n.hear(ndpPacket{message: soliciting(linkLocalA, macPeer)})
	n.says(t, 0, "NA "+linkLocalA+" RS from "+linkLocalA+" to "+peer6+" at "+macPeer.String())
}

// A solicitation only suggests the sender's address (RFC 4861, 7.2.3).
func TestRFC4861_7_2_3_solicitations(t *testing.T) {
	for _, s := range append([]NeighborState{NeighborIncomplete, NeighborFailed}, known6...) {
		for _, mac := range []wire.MAC{macPeer, macOther} {
			n := newNode(t, Config{AcceptRA: -1})
			n.inState(t, s)
			n.hear(ndpPacket{from: mac, message: soliciting(linkLocalA, mac)})
			want := s
			if s == NeighborIncomplete || s == NeighborFailed || mac == macOther || s == NeighborStale {
				want = NeighborDelay // stale, and the answer uses it
			}
			checkNeighbors(t, n.host, s.String(), neighborLine(peer6, want, mac))
			checkLedger(t, n.host)
		}
	}
}

// What RFC 4861, 6.1 and 7.1, have thrown away is, and changes nothing.
func TestRFC4861_7_1_validation(t *testing.T) {
	raw := func(b ...byte) ndpPacket { return ndpPacket{message: rawMessage(b)} }
	ns := func(src, dst, target string, mac wire.MAC) ndpPacket {
		return ndpPacket{src: src, dst: dst, message: soliciting(target, mac)}
	}
	code1 := soliciting(linkLocalA, macPeer).AppendTo(nil)
	code1[1] = 1
	zero := append(soliciting(linkLocalA, wire.MAC{}).AppendTo(nil), 1, 0, 0, 0, 0, 0, 0, 0)
	for name, p := range map[string]ndpPacket{
		"hop limit of NS":            {hops: 254, message: soliciting(linkLocalA, macPeer)},
		"hop limit of NA":            {hops: 64, message: advertising(peer6, "SO", macPeer)},
		"hop limit of RA":            {hops: 1, dst: "ff02::1", message: wire.RouterAdvertisement{RouterLifetime: time.Hour}},
		"hop limit of RS":            {hops: -1, message: wire.RouterSolicitation{}},
		"code":                       {message: rawMessage(code1)},
		"option of length zero":      {message: rawMessage(zero)},
		"short NS":                   raw(135, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0x80),
		"short NA":                   raw(136, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0x80),
		"short RA":                   {dst: "ff02::1", message: rawMessage{134, 0, 0, 0, 0, 0, 0, 0}},
		"NS for a group":             ns(peer6, "ff02::1", "ff02::1", macPeer),
		"test not to its group":      ns("::", linkLocalA, linkLocalA, wire.MAC{}),
		"test with an option":        ns("::", group6(linkLocalA), linkLocalA, macPeer),
		"NA of a group":              {message: advertising("ff02::5", "SO", macPeer)},
		"NA of a v4-mapped address":  {message: advertising("::ffff:10.0.0.9", "SO", macPeer)},
		"solicited NA to a group":    {dst: "ff02::1", message: advertising(peer6, "SO", macPeer)},
		"RA from a global address":   {src: "2001:db8::b", dst: "ff02::1", message: wire.RouterAdvertisement{RouterLifetime: time.Hour}},
		"RS from :: with an option":  {src: "::", message: wire.RouterSolicitation{Options: slla(macPeer)}},
		"a group's hardware address": {message: advertising(peer6, "SO", wire.Broadcast)},
	} {
		n := newNode(t, Config{DADTransmits: -1})
		n.says(t, 20*time.Second, "RS from "+linkLocalA+" to ff02::2 slla", "RS from "+linkLocalA+" to ff02::2 slla", "RS from "+linkLocalA+" to ff02::2 slla")
		n.use(t, peer6)
		n.said = nil
		n.hear(p)
		n.says(t, 0)
		checkDrops(t, n.host, drop.NDPInvalid, 1)
		if t.Failed() {
			t.Fatalf("%s: drops %v", name, n.Drops().Map())
		}
		checkNeighbors(t, n.host, name, neighborLine(peer6, NeighborIncomplete, wire.MAC{}))
		if r := n.eth0.Routers(); len(r) != 0 {
			t.Errorf("%s: routers %v", name, r)
		}
		checkLedger(t, n.host)
	}
}

type rawMessage []byte

func (m rawMessage) AppendTo(b []byte) []byte { return append(b, m...) }

// Somebody else claims an address of ours: it is refused, and the table left alone.
func TestOthersClaimOurAddresses(t *testing.T) {
	n := newNode(t, Config{AcceptRA: -1}, "2001:db8::a/64")
	for _, p := range []ndpPacket{
		{src: linkLocalA, message: soliciting("2001:db8::a", macPeer)},
		{src: peer6, message: advertising("2001:db8::a", "SO", macPeer)},
		{src: peer6, dst: "ff02::1", message: advertising(linkLocalA, "O", macPeer)},
	} {
		n.hear(p)
	}
	checkDrops(t, n.host, drop.MartianSource, 3)
	checkNeighbors(t, n.host, "claimed")
	n.says(t, time.Minute)
	checkLedger(t, n.host)
}

func TestRFC4861_8_redirects_are_ignored(t *testing.T) {
	n := newNode(t, Config{AcceptRA: -1})
	n.hear(ndpPacket{message: wire.Redirect{Target: netip.MustParseAddr(other6), Destination: netip.MustParseAddr("2001:db8::9")}})
	checkDrops(t, n.host, drop.ICMPUnsupported, 1)
	checkLedger(t, n.host)
}

func TestNeighborsOfBothFamilies(t *testing.T) {
	n := newNode(t, Config{AcceptRA: -1}, "10.0.0.2/24", "2001:db8::a/64")
	for addr, ok := range map[string]bool{
		"10.0.0.9": true, "2001:db8::9": true, "fe80::9": true,
		"2001:db8::a": false, linkLocalA: false, "::": false, "::1": false, "ff02::9": false, "::ffff:10.0.0.8": false,
	} {
		if err := n.eth0.AddNeighbor(netip.MustParseAddr(addr), macPeer); (err == nil) != ok {
			t.Errorf("%s: %v", addr, err)
		}
	}
	checkNeighbors(t, n.host, "by hand", neighborLine("10.0.0.9", NeighborPermanent, macPeer),
		neighborLine("2001:db8::9", NeighborPermanent, macPeer), neighborLine("fe80::9", NeighborPermanent, macPeer))
	n.hear(ndpPacket{src: "fe80::9", message: advertising("fe80::9", "SO", macOther)})
	n.hear(ndpPacket{src: "fe80::9", message: soliciting(linkLocalA, macOther)})
	n.says(t, time.Hour, "NA "+linkLocalA+" S from "+linkLocalA+" to fe80::9 at "+macPeer.String())
	if got := n.Neighbors(); len(got) != 3 || got[2].MAC != macPeer {
		t.Errorf("what was set by hand has changed: %v", got)
	}
}
