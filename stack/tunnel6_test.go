package stack

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// seen is what a hook has seen, a line each.
func seen(lines *[]string, refuse string) Hook {
	return func(p *Packet) drop.Reason {
		*lines = append(*lines, fmt.Sprintf("%v > %v %v %d>%d %q", p.Source, p.Destination, p.Protocol, p.In, p.Out, p.Payload))
		if refuse != "" && strings.Contains(string(p.Payload), refuse) {
			return drop.Filtered
		}
		return drop.None
	}
}

func TestHooksSeeIPv6(t *testing.T) {
	h, l := onCable6(t, Config{})
	var in, out []string
	if err := h.SetHooks(Hooks{Input: seen(&in, "bad"), Output: seen(&out, "bad")}); err != nil {
		t.Fatal(err)
	}
	s := h.open6(t, "[::]:7")
	destination := "\x11\x00\x01\x04\x00\x00\x00\x00" // options that say nothing
	l.deliver(toPort7(wire.ProtocolUDP, ""), toPort7(wire.ProtocolIPv6Destination, destination))
	l.deliver(frame6(from6, own6, 64, wire.ProtocolUDP, udp6(from6, own6, 9, 7, "bad")))
	if got := payloads(t, s); len(got) != 2 {
		t.Errorf("got %q", got)
	}
	const to7 = "[2001:db8::9]:9 > [2001:db8::2]:7 UDP 2>0 "
	if got, want := strings.Join(in, "\n"), to7+`"x"`+"\n"+to7+`"x"`+"\n"+to7+`"bad"`; got != want {
		t.Errorf("came in:\n%s\nwant\n%s", got, want)
	}
	checkDrops(t, h, drop.Filtered, 1)
	if err := try(s, "good", "[2001:db8::9]:9"); err != nil {
		t.Error(err)
	}
	if err := try(s, "bad", "[2001:db8::9]:9"); err != syscall.EPERM {
		t.Errorf("refused: %v, want EPERM", err)
	}
	if err := try(s, strings.Repeat("long", 1000), "[2001:db8::9]:9"); err != nil {
		t.Error(err)
	}
	const from7 = "[2001:db8::2]:7 > [2001:db8::9]:9 UDP 0>2 "
	if got, want := strings.Join(out, "\n"), from7+`"good"`+"\n"+from7+`"bad"`+"\n"+from7+`"`+strings.Repeat("long", 1000)+`"`; got != want {
		t.Errorf("went out:\n%.200s\nwant\n%.200s", got, want)
	}
	if n := len(l.take()); n != 1+3 {
		t.Errorf("%d frames left, want one and three fragments", n)
	}
	checkLedger(t, h)
}

func TestTransparentIPv6(t *testing.T) {
	h, l := onCable6(t, Config{})
	if err := h.eth0.SetTransparent(netip.MustParsePrefix("2001:db8:53::/48"), netip.MustParsePrefix("192.0.2.0/24")); err != nil {
		t.Fatal(err)
	}
	const foreign = "2001:db8:53::1"
	all := h.open6(t, "")
	if err := all.Intercept(); err != nil {
		t.Fatal(err)
	}
	in := frame6(from6, foreign, 64, wire.ProtocolUDP, udp6(from6, foreign, 9, 53, "who is there"))
	l.deliver(in)
	flow, err := all.AcceptSocket(nil)
	if err != nil {
		t.Fatal(err)
	}
	if peer, err := flow.PeerAddr(); err != nil || peer.String() != "[2001:db8::9]:9" || flow.LocalAddr().String() != "[2001:db8:53::1]:53" {
		t.Errorf("flow %v > %v, %v", peer, flow.LocalAddr(), err)
	}
	if got := payloads(t, flow); len(got) != 1 || got[0] != "who is there" {
		t.Errorf("got %q", got)
	}
	l.deliver(in)
	if got := payloads(t, flow); len(got) != 1 {
		t.Errorf("the second: %q", got)
	}
	send(t, flow, "I am", "")
	frames := l.take()
	if len(frames) != 1 {
		t.Fatalf("%d frames", len(frames))
	}
	if ip, _, err := wire.ParseIPv6(frames[0][14:]); err != nil || ip.Source().String() != foreign || ip.Destination().String() != from6 {
		t.Errorf("answered from %v to %v", ip.Source(), ip.Destination())
	}
	// A socket bound to the foreign address.
	bound := h.open6(t, "")
	setOption(t, bound, socket.Transparent, 1)
	if err := bound.Bind(netip.MustParseAddrPort("[2001:db8:53::2]:7")); err != nil {
		t.Fatal(err)
	}
	l.deliver(frame6(from6, "2001:db8:53::2", 64, wire.ProtocolUDP, udp6(from6, "2001:db8:53::2", 9, 7, "bound")))
	if got := payloads(t, bound); len(got) != 1 {
		t.Errorf("bound: %q", got)
	}
	// What is outside of the range is nobody's here.
	l.deliver(frame6(from6, "2001:db8:54::1", 64, wire.ProtocolUDP, udp6(from6, "2001:db8:54::1", 9, 53, "x")))
	checkDrops(t, h, drop.NotLocal, 1)
	checkLedger(t, h)
}

func TestSendPacketOfIPv6(t *testing.T) {
	h, l := onCable6(t, Config{})
	whole := func(src, dst string, hops uint8) *packet.Buffer {
		return newBuffer(frame6(src, dst, hops, wire.ProtocolUDP, udp6(src, dst, 9, 7, "whole"))[14:])
	}
	short := newBuffer([]byte{0x60, 0, 0, 0})
	long := newBuffer(frame6(own6, from6, 64, 89, make([]byte, 1461))[14:])
	for what, c := range map[string]struct {
		b    *packet.Buffer
		want error
	}{
		"own":                    {whole(own6, from6, 64), nil},
		"foreign source":         {whole("2001:db8:53::1", from6, 64), nil},
		"no source":              {whole("::", from6, 64), nil},
		"short":                  {short, syscall.EINVAL},
		"hop limit 0":            {whole(own6, from6, 0), syscall.EINVAL},
		"group as source":        {whole("ff02::1", from6, 64), syscall.EINVAL},
		"no destination":         {whole(own6, "::", 64), syscall.EINVAL},
		"no route":               {whole(own6, "2001:db8:9::1", 64), syscall.ENETUNREACH},
		"too long":               {long, syscall.EMSGSIZE},
		"link-local, by nothing": {whole(own6, "fe80::9", 64), syscall.EINVAL},
	} {
		l.take()
		if err := h.SendPacket(c.b); err != c.want {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
		frames := l.take()
		if (len(frames) == 1) != (c.want == nil) {
			t.Errorf("%s: %d frames", what, len(frames))
			continue
		}
		if c.want != nil {
			continue
		}
		ip, _, err := wire.ParseIPv6(frames[0][14:])
		if err != nil || what == "no source" && ip.Source().String() != own6 || ip.Destination().String() != from6 {
			t.Errorf("%s: %v > %v", what, ip.Source(), ip.Destination())
		}
	}
	b := whole(own6, "fe80::9", 64)
	b.Interface = int32(h.eth0.Index())
	if err := h.SendPacket(b); err != nil {
		t.Errorf("link-local, by its interface: %v", err)
	}
	// To itself.
	s := h.open6(t, "[::]:7")
	if err := h.SendPacket(whole(own6, own6, 64)); err != nil {
		t.Error(err)
	}
	if got := payloads(t, s); len(got) != 1 {
		t.Errorf("to itself: %q", got)
	}
	checkLedger(t, h)
}

func TestHandlersOfIPv6(t *testing.T) {
	h, l := onCable6(t, Config{})
	var got []string
	err := h.Handle(wire.ProtocolTCP, func(b *packet.Buffer) {
		got = append(got, fmt.Sprintf("%d bytes of version %d by %d", b.Len(), b.Bytes()[0]>>4, b.Interface))
		b.Release()
	})
	if err != nil {
		t.Fatal(err)
	}
	if h.Handle(wire.ProtocolICMPv6, func(*packet.Buffer) {}) == nil {
		t.Error("a handler of ICMPv6")
	}
	l.deliver(frame6(from6, own6, 64, wire.ProtocolTCP, make([]byte, 20)))
	l.deliver(frame6(from6, own6, 64, wire.ProtocolIPv6Destination, append([]byte("\x06\x00\x01\x04\x00\x00\x00\x00"), make([]byte, 20)...)))
	if want := "[60 bytes of version 6 by 2 68 bytes of version 6 by 2]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	l.deliver(frame6(from6, own6, 64, 89, make([]byte, 20)))
	checkDrops(t, h, drop.UnknownProtocol, 1)
	if a := answers(t, l); len(a) != 1 {
		t.Errorf("answered %v", a)
	}
	// An error about a packet of the handler's is the handler's.
	quote := frame6(own6, from6, 64, wire.ProtocolTCP, make([]byte, 20))[14:]
	l.deliver(frame6(from6, own6, 64, wire.ProtocolICMPv6,
		icmp6(from6, own6, wire.ICMPv6DestinationUnreachable, wire.ICMPv6AddressUnreachable, 0, quote)))
	if len(got) != 3 {
		t.Errorf("of the error the handler heard nothing: %v, drops %v", got, h.Drops().Map())
	}
	checkLedger(t, h)
}
