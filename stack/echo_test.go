package stack

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// echoes collects what an EchoPort is told.
type echoes struct {
	*EchoPort
	got []string
}

func openEcho(t testing.TB, h *host) *echoes {
	t.Helper()
	e := new(echoes)
	p, err := h.OpenEcho(func(r Echo) {
		e.got = append(e.got, fmt.Sprintf("%v about %v seq %d TTL %d %q %v", r.From, r.To, r.Sequence, r.TTL, r.Payload, r.Err))
	})
	if err != nil {
		t.Fatal(err)
	}
	e.EchoPort = p
	return e
}

func (e *echoes) expect(t testing.TB, want ...string) {
	t.Helper()
	if strings.Join(e.got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the port was told\n\t%s\nwant\n\t%s", strings.Join(e.got, "\n\t"), strings.Join(want, "\n\t"))
	}
	e.got = nil
}

func TestEcho(t *testing.T) {
	a, b := pair(t)
	p, other := openEcho(t, a), openEcho(t, a)
	for seq := range uint16(3) {
		if err := p.Send(b.addr, seq, []byte("ping")); err != nil {
			t.Fatal(err)
		}
	}
	p.expect(t, `10.0.0.2 about 10.0.0.2 seq 0 TTL 64 "ping" <nil>`,
		`10.0.0.2 about 10.0.0.2 seq 1 TTL 64 "ping" <nil>`, `10.0.0.2 about 10.0.0.2 seq 2 TTL 64 "ping" <nil>`)
	for _, self := range []string{"127.0.0.1", "10.0.0.1", "127.8.9.1"} {
		if err := p.Send(netip.MustParseAddr(self), 7, nil); err != nil {
			t.Fatal(err)
		}
		p.expect(t, fmt.Sprintf(`%s about %s seq 7 TTL 64 "" <nil>`, self, self))
	}
	other.expect(t)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != socket.ErrClosed {
		t.Errorf("a second Close: %v", err)
	}
	checkLedger(t, a, b)
}

func TestTheLongestEcho(t *testing.T) {
	a, _ := pair(t)
	p := openEcho(t, a)
	for _, c := range []struct {
		to   string
		size int
		want error
	}{
		{"127.0.0.1", 65507, nil}, {"127.0.0.1", 65508, syscall.EMSGSIZE},
		{"10.0.0.2", 1472, nil}, {"10.0.0.2", 1473, nil}, {"10.0.0.2", 65507, nil},
	} {
		n := len(p.got)
		if err := p.Send(netip.MustParseAddr(c.to), 1, make([]byte, c.size)); err != c.want {
			t.Errorf("%d to %s: %v, want %v", c.size, c.to, err, c.want)
		}
		if (len(p.got) == n+1) != (c.want == nil) {
			t.Errorf("%d to %s: %d answers", c.size, c.to, len(p.got)-n)
		}
	}
	checkLedger(t, a)
}

func TestEchoThatCannotBeSent(t *testing.T) {
	h, _ := onCable(t, Config{})
	p := openEcho(t, h)
	for dst, want := range map[string]error{
		"192.0.2.1": syscall.ENETUNREACH, "10.0.0.255": syscall.EACCES,
		"2001:db8::1": syscall.ENETUNREACH, "fe80::1": syscall.EINVAL, "fe80::1%eth7": syscall.ENODEV,
	} {
		if err := p.Send(netip.MustParseAddr(dst), 1, nil); err != want {
			t.Errorf("to %s: %v, want %v", dst, err, want)
		}
	}
	if err := p.Send(netip.Addr{}, 1, nil); err != syscall.EAFNOSUPPORT {
		t.Errorf("to nobody: %v", err)
	}
	checkLedger(t, h)
}

func TestErrorsAboutAnEcho(t *testing.T) {
	h, l0, l1 := newRouter(t, Config{})
	h.route(t, "192.0.2.0/24 via 10.0.0.9")
	p := openEcho(t, h)
	if err := p.Send(netip.MustParseAddr("192.0.2.1"), 5, []byte("x")); err != nil {
		t.Fatal(err)
	}
	frames := l0.take()
	if len(frames) != 1 {
		t.Fatalf("%d frames", len(frames))
	}
	request := frames[0][wire.EthernetHeaderLen:]
	for _, c := range []struct {
		typ  wire.ICMPType
		code wire.ICMPCode
		want error
	}{
		{wire.ICMPDestinationUnreachable, wire.ICMPHostUnreachable, syscall.EHOSTUNREACH},
		{wire.ICMPDestinationUnreachable, wire.ICMPNetUnreachable, syscall.ENETUNREACH},
		{wire.ICMPTimeExceeded, 0, syscall.EHOSTUNREACH},
	} {
		l0.deliver(datagram{protocol: wire.ProtocolICMP, payload: icmpBody(c.typ, c.code, [4]byte{}, request)}.frame())
		p.expect(t, fmt.Sprintf(`10.0.0.9 about 192.0.2.1 seq 5 TTL 0 "" %v`, c.want))
	}
	// About an answer of ours, or a request of nobody's, they are not for a port.
	reply := append([]byte(nil), request...)
	reply[20] = byte(wire.ICMPEchoReply)
	foreign := append([]byte(nil), request...)
	foreign[24] ^= 1
	for _, q := range [][]byte{reply, foreign} {
		l0.deliver(datagram{protocol: wire.ProtocolICMP, payload: icmpBody(wire.ICMPTimeExceeded, 0, [4]byte{}, q)}.frame())
	}
	p.expect(t)
	checkDrops(t, h, drop.ICMPUnmatched, 2)
	l1.expect(t, "elsewhere")
	checkLedger(t, h)
}

func TestEchoRequestsAreAnswered(t *testing.T) {
	h, l := known(t, Config{})
	payload := bytes.Repeat([]byte("p"), 1000)
	in := datagram{protocol: wire.ProtocolICMP, tos: 0x2e, ttl: 3, payload: icmpBody(wire.ICMPEchoRequest, 0, [4]byte{1, 2, 3, 4}, payload)}
	l.deliver(in.frame())
	frames := l.take()
	if len(frames) != 1 {
		t.Fatalf("%d frames", len(frames))
	}
	ip, _, body, _ := wire.ParseIPv4(frames[0][wire.EthernetHeaderLen:])
	want := icmpBody(wire.ICMPEchoReply, 0, [4]byte{1, 2, 3, 4}, payload)
	if string(body) != want || ip.TTL() != 64 || ip.TOS() != 0x2e || ip.Source().String() != "10.0.0.2" || ip.Destination().String() != "10.0.0.9" {
		t.Errorf("the answer is % x", frames[0])
	}
	checkLedger(t, h)
}

// Answers to requests that went to many amplify (icmp_echo_ignore_broadcasts).
func TestEchoRequestsThatAreNotAnswered(t *testing.T) {
	request := icmpBody(wire.ICMPEchoRequest, 0, [4]byte{1, 2, 3, 4}, []byte("x"))
	for what, c := range map[string]struct {
		in     datagram
		reason drop.Reason
	}{
		"to a subnet's broadcast address":      {datagram{dst: "10.0.0.255:0", payload: request}, drop.ICMPUnsupported},
		"to the limited broadcast address":     {datagram{dst: "255.255.255.255:0", to: wire.Broadcast, payload: request}, drop.ICMPUnsupported},
		"to all hosts":                         {datagram{dst: "224.0.0.1:0", to: allHosts, payload: request}, drop.ICMPUnsupported},
		"with a wrong checksum":                {datagram{payload: "\x08\x00\x00\x00\x00\x00\x00\x00"}, drop.BadChecksum},
		"a reply that nobody waits for":        {datagram{payload: icmpBody(wire.ICMPEchoReply, 0, [4]byte{}, nil)}, drop.ICMPUnmatched},
		"a reply to a subnet's broadcast":      {datagram{dst: "10.0.0.255:0", payload: icmpBody(wire.ICMPEchoReply, 0, [4]byte{}, nil)}, drop.ICMPUnsupported},
		"a request from the broadcast address": {datagram{src: "10.0.0.255:0", payload: request}, drop.MartianSource},
	} {
		t.Run(what, func(t *testing.T) {
			h, l := known(t, Config{})
			c.in.protocol = wire.ProtocolICMP
			l.deliver(c.in.frame())
			l.expect(t, what)
			checkDrops(t, h, c.reason, 1)
			checkLedger(t, h)
		})
	}
}

func TestEchoPortsAreBounded(t *testing.T) {
	h, _ := onCable(t, Config{Limits: Limits{EchoPorts: 3}})
	ids := make(map[uint16]bool)
	var ports []*echoes
	for range 3 {
		p := openEcho(t, h)
		ids[p.id] = true
		ports = append(ports, p)
	}
	if len(ids) != 3 {
		t.Errorf("the identifiers are %v", ids)
	}
	if _, err := h.OpenEcho(func(Echo) {}); err == nil {
		t.Error("a fourth port was opened")
	}
	ports[0].Close()
	openEcho(t, h)
}

// The answer may come from another goroutine, or inside Send; the function may
// use the port.
func TestAnEchoPortMaySendFromItsFunction(t *testing.T) {
	a, b := pair(t)
	var p *EchoPort
	n := 0
	p, err := a.OpenEcho(func(e Echo) {
		if n++; n < 5000 {
			if err := p.Send(e.From, e.Sequence+1, e.Payload); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Send(b.addr, 0, []byte("x")); err != nil {
		t.Fatal(err)
	}
	for n < 5000 && a.clock.Step() {
		// Whoever has used up its budget goes on by its timer.
	}
	if n != 5000 {
		t.Errorf("stopped after %d rounds", n)
	}
	checkLedger(t, a, b)
}
