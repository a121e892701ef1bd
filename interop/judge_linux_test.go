package interop

import (
	"net/netip"
	"regexp"
	"testing"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/tap"
	"github.com/castnet-go/castnet/netspec"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

// A saboteur is a link that spoils the frames on their way out.
type saboteur struct {
	link.Link
	spoil func(frame *packet.Buffer)
}

func (s saboteur) Write(frames []*packet.Buffer) (int, error) {
	for i := range frames {
		frames[i] = frames[i].Writable()
		s.spoil(frames[i])
	}
	return s.Link.Write(frames)
}

// spoil returns what flips a bit in the packets of that protocol, ARP or over IP,
// that many bytes behind where the protocol's header begins.
func spoil(protocol string, offset int) func(*packet.Buffer) {
	return func(f *packet.Buffer) {
		if begin, ok := find(f, protocol); ok {
			f.Bytes()[begin+offset] ^= 0x10
		}
	}
}

// find returns where in a frame the protocol's header begins.
func find(f *packet.Buffer, protocol string) (int, bool) {
	h, p, err := wire.ParseEthernet(f.Bytes())
	at := wire.EthernetHeaderLen
	if err != nil || protocol == "arp" {
		return at, err == nil && h.Type() == wire.EtherTypeARP
	}
	ip, _, _, err := wire.ParseIPv4(p)
	if err != nil {
		return 0, false
	}
	switch protocol {
	case "ip":
		return at, true
	case "udp":
		return at + wire.IPv4HeaderLen, ip.Protocol() == wire.ProtocolUDP
	case "icmp":
		return at + wire.IPv4HeaderLen, ip.Protocol() == wire.ProtocolICMP
	}
	return 0, false
}

// What the tests of this package say of frames is worth something only if a bad
// one is found. These are our own stack's, spoilt behind it, on their way
// through the device, the capture and tshark.
func TestBadFramesAreFound(t *testing.T) {
	w := newLawlessWorld(t)
	w.services = true // one of the frames is one of DNS that is none
	var spoiler func(*packet.Buffer)
	w.openSpoilt(func(f *packet.Buffer) { spoiler(f) })
	// Neither has to ask who the other is.
	w.ns.Run(t, "ip", "neigh", "replace", ours.String(), "lladdr", ourMAC.String(), "nud", "permanent", "dev", "cn0")
	if err := w.iface.AddNeighbor(kernel, w.kernelMAC()); err != nil {
		t.Fatal(err)
	}
	echo, err := w.stack.OpenEcho(func(stack.Echo) {})
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	c := w.listen(41000)
	datagram := func() error {
		_, err := c.WriteToUDPAddrPort([]byte("no question, and no answer"), netip.AddrPortFrom(kernel, 41001))
		return err
	}
	ping := func() error { return echo.Send(kernel, 1, []byte("hello")) }
	question := func() error { // by ARP, and while nobody answers the datagram waits
		_, err := c.WriteToUDPAddrPort(nil, netip.MustParseAddrPort("10.0.0.77:41001"))
		return err
	}
	noDNS := func() error {
		_, err := c.WriteToUDPAddrPort([]byte("no question, and no answer"), netip.AddrPortFrom(kernel, 53))
		return err
	}
	none := func(*packet.Buffer) {}

	tests := []struct {
		name  string
		send  func() error // one frame
		spoil func(*packet.Buffer)
		want  string // what is said of the frame; empty: nothing
	}{
		{"datagram", datagram, none, ""},
		{"ping", ping, none, ""},
		{"IP checksum of a datagram", datagram, spoil("ip", 10), `ip:udp:data .*the ip checksum is wrong`},
		{"IP checksum of a ping", ping, spoil("ip", 10), `ip:icmp:data .*the ip checksum is wrong`},
		{"TTL", datagram, spoil("ip", 8), `ip:udp:data .*the ip checksum is wrong`},
		{"payload", datagram, spoil("udp", 8), `ip:udp:data .*the udp checksum is wrong`},
		{"UDP checksum", datagram, spoil("udp", 7), `ip:udp:data .*the udp checksum is wrong`},
		{"UDP length", datagram, spoil("udp", 5), `ip:udp:data .*Bad length value`},
		{"payload of a ping", ping, spoil("icmp", 8), `ip:icmp:data .*the icmp checksum is wrong`},
		{"no UDP checksum", datagram, func(f *packet.Buffer) {
			if begin, ok := find(f, "udp"); ok {
				clear(f.Bytes()[begin+6 : begin+8])
			}
		}, `ip:udp:data .*the udp checksum was not verified`},
		{"DNS that is none", noDNS, none, `ip:udp:dns .*Malformed`},
		{"short ARP", question, func(f *packet.Buffer) {
			if _, ok := find(f, "arp"); ok {
				f.TrimTo(f.Len() - 4)
			}
		}, `arp .*Malformed`},
	}
	for _, test := range tests {
		spoiler = test.spoil
		if err := test.send(); err != nil {
			t.Fatal(err)
		}
	}
	w.stop()
	verdicts, err := judge(w.capture.path, w.services, w.mac)
	if err != nil {
		t.Fatal(err)
	}
	// The last may have been asked again.
	if len(verdicts) < len(tests) {
		t.Fatalf("%d frames were judged, want %d", len(verdicts), len(tests))
	}
	for i, test := range tests {
		if got := verdicts[i].fault; (got != "") != (test.want != "") || !regexp.MustCompile(test.want).MatchString(got) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// openSpoilt is open with a link that spoils what is sent.
func (w *world) openSpoilt(spoil func(*packet.Buffer)) {
	w.t.Helper()
	s, err := netspec.Parse(spec)
	if err != nil {
		w.t.Fatal(err)
	}
	var l *tap.Link
	w.ns.Do(func() { l, err = tap.Open(s.Name, tap.Config{Address: s.MAC, HostAddresses: s.HostAddresses}) })
	if err != nil {
		w.t.Fatal(err)
	}
	if w.stack, err = stack.New(stack.Config{}); err == nil {
		w.iface, err = w.stack.AddInterface(s.Name, saboteur{l, spoil})
	}
	if err == nil {
		err = w.iface.AddAddress(s.Addresses[0])
	}
	if err != nil {
		l.Close()
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { w.stack.Close() })
}
