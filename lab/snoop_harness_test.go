package lab

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// world is a switch that snoops with bare cards on its ports, h0, h1 and so on, whose
// addresses end in 1, 2 and so on. What a card gets is noted as trace.Describe has it.
type world struct {
	t    *testing.T
	lab  *Lab
	sw   *Switch
	nics []*nic
	got  []string // "1: 10.0.0.1:5000 > …", by card
	log  []string // "1.5s 10.0.0.1:5000 > …", of card 1
}

func newWorld(t *testing.T, cfg SnoopingConfig, cards int) *world {
	t.Helper()
	w := &world{t: t, lab: New(Config{})}
	w.sw = w.lab.AddSwitch("lan")
	t.Cleanup(func() {
		if err := w.lab.CheckLedger(); err != nil {
			t.Error(err)
		}
		w.lab.Close()
	})
	for range cards {
		w.add(LinkConfig{})
	}
	if err := w.sw.Snoop(cfg); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) add(cfg LinkConfig) {
	w.t.Helper()
	i := len(w.nics)
	n, err := w.lab.AddHost(fmt.Sprint("h", i)).plug(w.sw, cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	n.mac = station1(i + 1)
	n.Attach(sinkFunc(func(frames []*packet.Buffer) {
		for _, f := range frames {
			text := trace.Describe(f.Bytes(), trace.LayerEthernet)
			w.got = append(w.got, fmt.Sprintf("%d: %s", i, text))
			if i == 1 {
				w.log = append(w.log, fmt.Sprintf("%v %s", w.lab.Elapsed(), text))
			}
			f.Release()
		}
	}))
	n.host.nics = append(n.host.nics, n)
	w.nics = append(w.nics, n)
}

// address is that of card i.
func address(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}) }

func address6(i int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: byte(i + 1)})
}

// write sends a frame from a card, and lets no time pass.
func (w *world) write(from int, frame []byte) []string {
	w.t.Helper()
	b := packet.New(len(frame))
	copy(b.Append(len(frame)), frame)
	if n, err := w.nics[from].Write(b.Single()); n != 1 {
		b.Release()
		w.t.Fatalf("Write = %d, %v", n, err)
	}
	return w.run(0)
}

// run lets time pass, and returns what was got meanwhile.
func (w *world) run(d time.Duration) []string {
	w.t.Helper()
	if d > 0 {
		w.got = nil
	}
	if err := w.lab.Run(d); err != nil {
		w.t.Fatal(err)
	}
	got := w.got
	w.got = nil
	return got
}

// cards returns who got something: "1 3".
func cards(got []string) string {
	var list []string
	for _, line := range got {
		card, _, _ := strings.Cut(line, ":")
		list = append(list, card)
	}
	return strings.Join(list, " ")
}

// reach wants a datagram to a group from a card's address to get to those cards.
func (w *world) reach(what string, from int, group, want string) {
	w.t.Helper()
	w.reachFrom(what, from, address(from).String(), group, want)
}

func (w *world) reachFrom(what string, from int, source, group, want string) {
	w.t.Helper()
	src, dst := netip.MustParseAddr(source), netip.MustParseAddr(group)
	if dst.Is6() && !src.Is6() {
		src = address6(from)
	}
	if got := cards(w.write(from, datagramTo(src, dst))); got != want {
		w.t.Errorf("%s: %v to %s from card %d gets to %q, want %q", what, src, group, from, got, want)
	}
}

// datagramTo is a UDP datagram in a frame.
func datagramTo(src, dst netip.Addr) []byte {
	u := make([]byte, wire.UDPHeaderLen)
	h := wire.PutUDP(u)
	h.SetSourcePort(5000)
	h.SetDestinationPort(5000)
	h.SetLength(wire.UDPHeaderLen)
	return frameOf(src, dst, wire.ProtocolUDP, u)
}

// frameOf is a frame with a packet. What is IGMP or MLD has its Router Alert, and the
// checksums are right.
func frameOf(src, dst netip.Addr, p wire.Protocol, message []byte) []byte {
	f := make([]byte, wire.EthernetHeaderLen)
	e := wire.PutEthernet(f)
	e.SetDestination(wire.MulticastMAC(dst))
	e.SetSource(wire.MAC{2, 0, 0, 0, 0, src.AsSlice()[len(src.AsSlice())-1]})
	if dst.Is4() {
		e.SetType(wire.EtherTypeIPv4)
		var options []byte
		if p == wire.ProtocolIGMP {
			options = []byte(wire.IPv4RouterAlertOption)
			if len(message) >= wire.IGMPHeaderLen {
				wire.UpdateIGMPChecksum(message)
			}
		}
		b := make([]byte, wire.IPv4HeaderLen)
		h := wire.PutIPv4(b)
		h.SetHeaderLen(len(b) + len(options))
		h.SetTotalLength(uint16(len(b) + len(options) + len(message)))
		h.SetTTL(1)
		h.SetProtocol(p)
		h.SetSource(src)
		h.SetDestination(dst)
		h.UpdateChecksum(options)
		return append(append(append(f, b...), options...), message...)
	}
	e.SetType(wire.EtherTypeIPv6)
	var options []byte
	next := p
	if p == wire.ProtocolICMPv6 {
		options, next = []byte(wire.MLDHopByHop), wire.ProtocolIPv6HopByHop
		if len(message) >= wire.ICMPv6HeaderLen {
			wire.UpdateICMPv6Checksum(message, src.As16(), dst.As16())
		}
	}
	b := make([]byte, wire.IPv6HeaderLen)
	h := wire.PutIPv6(b)
	h.SetPayloadLength(uint16(len(options) + len(message)))
	h.SetNextHeader(next)
	h.SetHopLimit(1)
	h.SetSource(src)
	h.SetDestination(dst)
	return append(append(append(f, b...), options...), message...)
}

// old sends a report or leave of IGMPv1 or IGMPv2, or of MLDv1.
func (w *world) old(from int, t any, group string) []string {
	w.t.Helper()
	g := netip.MustParseAddr(group)
	to := g
	switch t := t.(type) {
	case wire.IGMPType:
		if t == wire.IGMPv2Leave {
			to = netip.MustParseAddr("224.0.0.2")
		}
		m := make([]byte, wire.IGMPHeaderLen)
		wire.PutIGMP(m, t, g)
		return w.write(from, frameOf(address(from), to, wire.ProtocolIGMP, m))
	case wire.ICMPv6Type:
		if t == wire.ICMPv6MLDv1Done {
			to = netip.MustParseAddr("ff02::2")
		}
		m := make([]byte, wire.MLDHeaderLen)
		wire.PutMLD(m, t, g)
		return w.write(from, frameOf(address6(from), to, wire.ProtocolICMPv6, m))
	}
	panic("neither IGMP nor MLD")
}

// report sends a report of IGMPv3 or MLDv2.
func (w *world) report(from int, t wire.RecordType, group string, sources ...string) []string {
	w.t.Helper()
	return w.write(from, reportOf(from, t, group, sources...))
}

func reportOf(from int, t wire.RecordType, group string, sources ...string) []byte {
	r := wire.GroupRecord{Type: t, Group: netip.MustParseAddr(group)}
	for _, s := range sources {
		r.Sources = r.Sources.Append(netip.MustParseAddr(s))
	}
	if r.Group.Is4() {
		return frameOf(address(from), netip.MustParseAddr("224.0.0.22"), wire.ProtocolIGMP, wire.AppendIGMPv3Report(nil, r))
	}
	return frameOf(address6(from), netip.MustParseAddr("ff02::16"), wire.ProtocolICMPv6, wire.AppendMLDv2Report(nil, r))
}

// query sends a query of IGMP from a card with an address. It is general unless it has
// a group.
func (w *world) query(from int, source string, q wire.IGMPQuery) []string {
	w.t.Helper()
	to := allHosts4
	if !q.IsGeneral() {
		to = q.Group
	}
	if q.MaxResponse == 0 {
		q.MaxResponse = 10 * time.Second
	}
	return w.write(from, frameOf(netip.MustParseAddr(source), to, wire.ProtocolIGMP, q.AppendTo(nil)))
}

// query6 sends a query of MLD.
func (w *world) query6(from int, source string, q wire.MLDQuery) []string {
	w.t.Helper()
	to := allNodes6
	if !q.IsGeneral() {
		to = q.Group
	}
	if q.MaxResponse == 0 {
		q.MaxResponse = 10 * time.Second
	}
	return w.write(from, frameOf(netip.MustParseAddr(source), to, wire.ProtocolICMPv6, q.AppendTo(nil)))
}

// table wants the switch to print that of groups: "239.1.1.1 h1 v3 EXCLUDE {} 260s".
func (w *world) table(what string, want ...string) {
	w.t.Helper()
	var got []string
	for _, g := range w.sw.Groups() {
		mode := "EXCLUDE"
		if g.Only {
			mode = "INCLUDE"
		}
		var sources []string
		for _, a := range g.Sources {
			sources = append(sources, a.String())
		}
		got = append(got, fmt.Sprintf("%v %s v%d %s {%s} %vs", g.Group, g.Host, g.Version, mode, strings.Join(sources, " "), g.Expires.Seconds()))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		w.t.Errorf("%s: the table is\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// routers wants those to be the cards of routers: "h0 h2".
func (w *world) routers(what, want string) {
	w.t.Helper()
	var got []string
	for _, r := range w.sw.RouterPorts() {
		got = append(got, r.Host)
	}
	if strings.Join(got, " ") != want {
		w.t.Errorf("%s: routers are on the ports of %q, want %q", what, got, want)
	}
}

// lines wants those lines to have been got.
func (w *world) lines(what string, got []string, want ...string) {
	w.t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		w.t.Errorf("%s: got\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
