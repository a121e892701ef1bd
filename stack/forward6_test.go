package stack

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// newRouter6 returns a router between 2001:db8::/64 and 2001:db8:1::/64 that knows the
// stations 2001:db8::9 and 2001:db8:1::9.
func newRouter6(t testing.TB, c Config) (h *host, l0, l1 *cable) {
	t.Helper()
	c.Forwarding, c.DADTransmits = true, -1
	h, l0, l1 = twoCables(t, c)
	eth1 := h.Interface("eth1")
	for i, a := range map[*Interface]string{h.eth0: "2001:db8::2/64", eth1: "2001:db8:1::2/64"} {
		if err := i.AddAddress(netip.MustParsePrefix(a)); err != nil {
			t.Fatal(err)
		}
	}
	h.eth0.AddNeighbor(netip.MustParseAddr("2001:db8::9"), macPeer)
	h.eth0.AddNeighbor(netip.MustParseAddr("fe80::9"), macPeer)
	eth1.AddNeighbor(netip.MustParseAddr("2001:db8:1::9"), macOther)
	h.clock.Advance(time.Minute)
	l0.take()
	l1.take()
	return h, l0, l1
}

// across6 is a datagram that comes in by eth0.
func across6(src, dst string, hops uint8, payload string) []byte {
	return frame6(src, dst, hops, wire.ProtocolUDP, udp6(src, dst, 9, 7, payload))
}

func TestForwardedIPv6IsChangedOnlyWhereItMustBe(t *testing.T) {
	const src, dst = "2001:db8::9", "2001:db8:1::9"
	for name, in := range map[string][]byte{
		"plain":       across6(src, dst, 64, "x"),
		"hop limit 2": across6(src, dst, 2, "x"),
		"whole MTU":   across6(src, dst, 64, strings.Repeat("m", 1452)),
		"bad UDP":     frame6(src, dst, 64, wire.ProtocolUDP, []byte("no datagram at all")),
		"protocol":    frame6(src, dst, 64, 89, []byte("hello")),
		"fragment":    frame6(src, dst, 64, wire.ProtocolIPv6Fragment, []byte("\x11\x00\x05\xc9\x00\x00\x00\x07eight by")),
		"destination options, not for us": frame6(src, dst, 64, wire.ProtocolIPv6Destination,
			append([]byte("\x11\x00\xc2\x04\x00\x00\x00\x00"), udp6(src, dst, 9, 7, "x")...)),
	} {
		t.Run(name, func(t *testing.T) {
			h, l0, l1 := newRouter6(t, Config{})
			before := h.Ledger()
			l0.deliver(append(bytes.Clone(in), make([]byte, 5)...)) // padded
			frames := l1.take()
			if len(frames) != 1 {
				t.Fatalf("%d frames came out, drops %v", len(frames), h.Drops().Map())
			}
			want := bytes.Clone(in)
			copy(want, macOther[:])
			copy(want[6:], l1.mac[:])
			want[14+7]-- // the hop limit
			if !bytes.Equal(frames[0], want) {
				t.Errorf("came out as\n% x\nwant\n% x", frames[0], want)
			}
			if l := h.Ledger(); l.In != before.In+1 || l.Sent != before.Sent+1 {
				t.Errorf("ledger: %+v", l)
			}
			checkLedger(t, h)
		})
	}
}

func TestIPv6ThatIsNotForwarded(t *testing.T) {
	const src, dst = "2001:db8::9", "2001:db8:1::9"
	for _, c := range []struct {
		rule   string
		frame  []byte
		reason drop.Reason
		answer string // "": none
	}{
		{"RFC8200_3 hop limit 1", across6(src, dst, 1, "x"), drop.TTLExpired, "2001:db8::2 > 2001:db8::9 time exceeded/0 0"},
		{"RFC8200_3 hop limit 0", across6(src, dst, 0, "x"), drop.TTLExpired, "2001:db8::2 > 2001:db8::9 time exceeded/0 0"},
		{"RFC4443_3_2 too big", across6(src, dst, 64, strings.Repeat("m", 1453)), drop.PacketTooBig, "2001:db8::2 > 2001:db8::9 packet too big/0 1500"},
		{"RFC4443_3_1 no route", across6(src, "2001:db8:9::1", 64, "x"), drop.NoRoute, "2001:db8::2 > 2001:db8::9 destination unreachable/0 0"},
		{"unreachable", across6(src, "2001:db8:a::1", 64, "x"), drop.RouteUnreachable, "2001:db8::2 > 2001:db8::9 destination unreachable/0 0"},
		{"prohibit", across6(src, "2001:db8:b::1", 64, "x"), drop.RouteProhibited, "2001:db8::2 > 2001:db8::9 destination unreachable/1 0"},
		{"blackhole", across6(src, "2001:db8:c::1", 64, "x"), drop.RouteBlackhole, ""},
		{"RFC4291_2_5_6 link-local destination", across6(src, "fe80::77", 64, "x"), drop.MartianDestination, ""},
		{"RFC4291_2_5_6 link-local source", across6("fe80::9", dst, 64, "x"), drop.MartianSource, "destination unreachable/2 0"},
		{"no source", across6("::", dst, 64, "x"), drop.MartianSource, ""},
		{"group", across6(src, "ff0e::1", 64, "x"), drop.NotAMember, ""},
	} {
		t.Run(c.rule, func(t *testing.T) {
			h, l0, l1 := newRouter6(t, Config{})
			h.route(t, "unreachable 2001:db8:a::/48")
			h.route(t, "prohibit 2001:db8:b::/48")
			h.route(t, "blackhole 2001:db8:c::/48")
			l0.deliver(c.frame)
			checkDrops(t, h, c.reason, 1)
			if frames := l1.take(); len(frames) > 0 {
				t.Errorf("sent % x", frames[0])
			}
			got := ""
			for _, a := range answers(t, l0) {
				got += strings.ToLower(a.String())
				if !bytes.HasPrefix(a.body, c.frame[14:14+wire.IPv6HeaderLen]) {
					t.Errorf("it quotes % x", a.body)
				}
			}
			if !strings.HasSuffix(got, c.answer) || (got == "") != (c.answer == "") {
				t.Errorf("answered %q, want %q", got, c.answer)
			}
			checkLedger(t, h)
		})
	}
	// A host is no router.
	h, l := onCable6(t, Config{})
	l.deliver(across6(src, dst, 64, "x"))
	checkDrops(t, h, drop.NotLocal, 1)
	checkLedger(t, h)
}

// TestTrainsOfIPv6 that leave, are forwarded and come in whole, and are cut where the
// link carries none.
func TestTrainsOfIPv6(t *testing.T) {
	for _, whole := range []bool{true, false} {
		m := mem.Config{Segmentation: whole}
		a, r := pair6On(t, m, Config{Name: "a", Seed: [32]byte{1}}, Config{Name: "r", Seed: [32]byte{2}, Forwarding: true})
		lr, lb := mem.Pair(mem.Config{})
		r.attach(t, "eth1", lr, "2001:db8:1::1/64")
		b := newHost(t, Config{Name: "b", Clock: a.clock, DADTransmits: -1}, lb, "2001:db8:1::2/64")
		a.route(t, "2001:db8:1::/64 via 2001:db8::2")
		b.route(t, "2001:db8::/64 via 2001:db8:1::1")
		server, client := b.open6(t, "[::]:7"), a.connected6(t, "", "[2001:db8:1::2]:7")
		send(t, client, "resolves", "")
		if got := payloads(t, server); len(got) != 1 {
			t.Fatal(got)
		}
		payload := strings.Repeat("0123456789", 123)
		msg := socket.Message{Buf: []byte(payload), Set: socket.FieldSegmentSize, SegmentSize: 100}
		if n, err := client.TrySend([]socket.Message{msg}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		got := payloads(t, server)
		if len(got) != 13 || strings.Join(got, "") != payload {
			t.Errorf("%d datagrams, %q", len(got), got)
		}
		// One read of all, and a batch to one peer.
		setOption(t, server, socket.Report, int(socket.FieldSegmentSize))
		var ms []socket.Message
		for range 9 {
			ms = append(ms, message("same size", ""))
		}
		if n, err := client.TrySend(ms); n != 9 || err != nil {
			t.Fatal(n, err)
		}
		if m := receive(t, server); string(m.Buf) != strings.Repeat("same size", 9) || m.SegmentSize != 9 {
			t.Errorf("got %q by %d", m.Buf, m.SegmentSize)
		}
		checkLedger(t, a, r, b)
	}
}
