package stack

import (
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/wire"
)

func TestARPRequestForAnOwnAddressIsAnswered(t *testing.T) {
	h, l := onCable(t, Config{})
	h.eth0.AddAddress(netip.MustParsePrefix("10.5.0.2/16"))
	l1 := newCable()
	h.attach(t, "eth1", l1, "10.1.0.2/24")
	for _, target := range []string{"10.0.0.2", "10.5.0.2", "10.1.0.2"} { // any of the host's, on any interface
		l.deliver(arpRequest(macPeer, "10.0.0.9", target))
		frames := l.take()
		if len(frames) != 1 {
			t.Fatalf("for %s %d frames were sent", target, len(frames))
		}
		e, payload, _ := wire.ParseEthernet(frames[0])
		p, err := wire.ParseARP(payload)
		if err != nil {
			t.Fatal(err)
		}
		if e.Destination() != macPeer || e.Source() != macStack || p.Operation() != wire.ARPReply ||
			p.SenderMAC() != macStack || p.SenderAddr().String() != target || p.TargetMAC() != macPeer || p.TargetAddr().String() != "10.0.0.9" {
			t.Errorf("for %s the answer is % x", target, frames[0])
		}
	}
	l.expect(t, "nothing else")
	l1.expect(t, "nothing on the other interface")
	checkNeighbors(t, h, "who asked is known", "eth0 10.0.0.9 stale 02:00:00:00:00:0b")
	checkLedger(t, h)
}

func TestARPProbeForAnOwnAddressIsAnswered(t *testing.T) {
	h, l := onCable(t, Config{})
	l.deliver(arpRequest(macPeer, "0.0.0.0", "10.0.0.2")) // RFC 5227: is it taken?
	l.expect(t, "probe", "ARP 10.0.0.2 is at 02:00:00:00:00:0a")
	checkNeighbors(t, h, "nobody has told an address")
}

func TestARPThatIsNotForUs(t *testing.T) {
	h, l := onCable(t, Config{Forwarding: true})
	h.route(t, "192.0.2.0/24 via 10.0.0.1")
	for _, target := range []string{"10.0.0.3", "192.0.2.1", "10.0.0.255", "127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1"} {
		l.deliver(arpRequest(macPeer, "10.0.0.9", target))
	}
	l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2")) // not asked for
	l.deliver(arpRequest(macPeer, "10.0.0.9", "10.0.0.9"))
	l.expect(t, "foreign targets")
	checkNeighbors(t, h, "nobody asked for us")
	checkLedger(t, h)
}

func TestARPThatCannotBe(t *testing.T) {
	group := wire.MAC{1, 0, 0x5e, 0, 0, 1}
	short := arpRequest(macPeer, "10.0.0.9", "10.0.0.2")
	short = short[:len(short)-1]
	badOp := arpFrame(7, wire.Broadcast, macPeer, "10.0.0.9", wire.MAC{}, "10.0.0.2")
	badHardware := arpRequest(macPeer, "10.0.0.9", "10.0.0.2")
	badHardware[wire.EthernetHeaderLen+1] = 9
	for what, c := range map[string]struct {
		frame  []byte
		reason drop.Reason
	}{
		"sender's MAC is a group":              {arpRequest(group, "10.0.0.9", "10.0.0.2"), drop.MartianSource},
		"sender's MAC is zero":                 {arpRequest(wire.MAC{}, "10.0.0.9", "10.0.0.2"), drop.MartianSource},
		"sender is a group":                    {arpRequest(macPeer, "224.0.0.9", "10.0.0.2"), drop.MartianSource},
		"sender is loopback":                   {arpRequest(macPeer, "127.0.0.1", "10.0.0.2"), drop.MartianSource},
		"sender is the limited broadcast":      {arpRequest(macPeer, "255.255.255.255", "10.0.0.2"), drop.MartianSource},
		"sender is the subnet's broadcast":     {arpRequest(macPeer, "10.0.0.255", "10.0.0.2"), drop.MartianSource},
		"somebody else has our address":        {arpRequest(macPeer, "10.0.0.2", "10.0.0.2"), drop.MartianSource},
		"somebody asks from our address":       {arpRequest(macPeer, "10.0.0.2", "10.0.0.9"), drop.MartianSource},
		"somebody answers for our address":     {arpReply(macPeer, "10.0.0.2", "10.0.0.2"), drop.MartianSource},
		"one byte short":                       {short, drop.PacketMalformed},
		"an operation that is neither":         {badOp, drop.PacketMalformed},
		"a hardware that is not Ethernet":      {badHardware, drop.PacketMalformed},
		"a reply to another station's address": {arpFrame(wire.ARPReply, macOther, macPeer, "10.0.0.9", macOther, "10.0.0.3"), drop.MACFiltered},
	} {
		t.Run(what, func(t *testing.T) {
			h, l := onCable(t, Config{})
			l.deliver(c.frame)
			checkDrops(t, h, c.reason, 1)
			l.expect(t, what)
			checkNeighbors(t, h, what)
			checkLedger(t, h)
		})
	}
}

func TestGratuitousARPOnlyUpdates(t *testing.T) {
	h, l := onCable(t, Config{})
	for _, op := range []func(wire.MAC, string, string) []byte{arpRequest, arpReplyToAll} {
		l.deliver(op(macPeer, "10.0.0.9", "10.0.0.9"))
	}
	checkNeighbors(t, h, "an announcement makes no neighbour")

	send(t, h.open(t, ""), "x", "10.0.0.9:9")
	l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
	checkNeighbors(t, h, "asked and answered", "eth0 10.0.0.9 reachable 02:00:00:00:00:0b")
	l.deliver(arpRequest(macPeer, "10.0.0.9", "10.0.0.9"))
	checkNeighbors(t, h, "announced as it was", "eth0 10.0.0.9 reachable 02:00:00:00:00:0b")
	l.deliver(arpRequest(macOther, "10.0.0.9", "10.0.0.9"))
	checkNeighbors(t, h, "announced anew, by a request", "eth0 10.0.0.9 stale 02:00:00:00:00:0c")
	l.deliver(arpReplyToAll(macPeer, "10.0.0.9", "10.0.0.9"))
	checkNeighbors(t, h, "announced anew, by a reply", "eth0 10.0.0.9 stale 02:00:00:00:00:0b")
	checkLedger(t, h)
}

// arpReplyToAll is an announcement in the form of a reply to everybody.
func arpReplyToAll(mac wire.MAC, sender, target string) []byte {
	return arpFrame(wire.ARPReply, wire.Broadcast, mac, sender, wire.Broadcast, target)
}

func TestARPReplyConfirmsOnlyWhatWasAsked(t *testing.T) {
	cases := []struct {
		what  string
		reply []byte
		want  string
	}{
		{"the answer", arpReply(macPeer, "10.0.0.9", "10.0.0.2"), "eth0 10.0.0.9 reachable 02:00:00:00:00:0b"},
		{"an answer to everybody", arpFrame(wire.ARPReply, wire.Broadcast, macPeer, "10.0.0.9", macStack, "10.0.0.2"), "eth0 10.0.0.9 delay 02:00:00:00:00:0b"},
		{"an answer to another host", arpFrame(wire.ARPReply, macStack, macPeer, "10.0.0.9", macOther, "10.0.0.3"), "eth0 10.0.0.9 delay 02:00:00:00:00:0b"},
		{"an answer for another host", arpReply(macPeer, "10.0.0.8", "10.0.0.2"), "eth0 10.0.0.9 incomplete"},
		{"a request of its own", arpRequest(macPeer, "10.0.0.9", "10.0.0.2"), "eth0 10.0.0.9 delay 02:00:00:00:00:0b"},
	}
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) {
			h, l := onCable(t, Config{})
			send(t, h.open(t, ""), "x", "10.0.0.9:9")
			checkNeighbors(t, h, "asked", "eth0 10.0.0.9 incomplete")
			l.deliver(c.reply)
			checkNeighbors(t, h, c.what, c.want)
			checkLedger(t, h)
		})
	}
}

func TestARPOnAnInterfaceThatIsDown(t *testing.T) {
	h, l := onCable(t, Config{})
	h.eth0.SetUp(false)
	l.deliver(arpRequest(macPeer, "10.0.0.9", "10.0.0.2"))
	l.expect(t, "down")
	checkDrops(t, h, drop.LinkDown, 1)
	checkLedger(t, h)
}
