package interop

import (
	"net/netip"
	"regexp"
	"strings"
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
	for _, test := range []struct {
		name  string
		port  uint16
		spoil func(*packet.Buffer)
		want  []string // in each complaint, one after the other; nil: there is none
		bad   int      // how many frames
	}{
		{"nothing", 41001, func(*packet.Buffer) {}, nil, 0},
		{"IP_checksum", 41001, spoil("ip", 10), []string{"eth:ethertype:ip:", "Bad checksum"}, 2},
		{"IP_TTL", 41001, spoil("ip", 8), []string{"eth:ethertype:ip:", "Bad checksum"}, 2},
		{"UDP_payload", 41001, spoil("udp", 8), []string{"ip:udp:data", "UDP CHECKSUM INCORRECT", "Bad checksum"}, 1},
		{"UDP_checksum", 41001, spoil("udp", 7), []string{"ip:udp:data", "UDP CHECKSUM INCORRECT", "Bad checksum"}, 1},
		{"UDP_length", 41001, spoil("udp", 5), []string{"ip:udp:data", "_ws.malformed", "Bad length value"}, 1},
		{"ICMP_payload", 41001, spoil("icmp", 8), []string{"ip:icmp:data", "Bad checksum"}, 1},
		{"ARP_short", 41001, func(f *packet.Buffer) {
			if _, ok := find(f, "arp"); ok {
				f.TrimTo(f.Len() - 4)
			}
		}, []string{"eth:ethertype:arp", "Malformed"}, 1},
		{"DNS_that_is_none", 53, func(*packet.Buffer) {}, []string{"ip:udp:dns", "Malformed"}, 1},
		{"UDP_without_checksum", 41001, func(f *packet.Buffer) {
			if begin, ok := find(f, "udp"); ok {
				clear(f.Bytes()[begin+6 : begin+8])
			}
		}, nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newLawlessWorld(t)
			w.openSpoilt(test.spoil)
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

			// A datagram, an echo request, and a question by ARP.
			if _, err := c.WriteToUDPAddrPort([]byte("no question, and no answer"), netip.AddrPortFrom(kernel, test.port)); err != nil {
				t.Fatal(err)
			}
			if err := echo.Send(kernel, 1, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if _, err := c.WriteToUDPAddrPort(nil, netip.MustParseAddrPort("10.0.0.77:41001")); err != nil {
				t.Fatal(err)
			}
			w.capture.stop()
			v, err := judge(w.capture.path, test.port == 53)
			if err != nil {
				t.Fatal(err)
			}
			if v.frames != 3 {
				t.Errorf("%d frames were judged, want 3", v.frames)
			}
			if len(v.faults) != test.bad {
				t.Errorf("%d frames were found to be bad, want %d", len(v.faults), test.bad)
			}
			for _, fault := range v.faults {
				if !regexp.MustCompile(strings.Join(test.want, ".*")).MatchString(fault) {
					t.Errorf("tshark says %q, want %q", fault, test.want)
				}
			}
			// What tshark could not verify is found too.
			unverified := strings.Join(v.unverified, "\n")
			if want := test.name == "UDP_without_checksum"; want != strings.Contains(unverified, `udp checksum was not verified as good: status "3"`) {
				t.Errorf("not verified: %q", unverified)
			}
			if test.name == "nothing" && unverified != "" {
				t.Errorf("not verified: %q", unverified)
			}
		})
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
