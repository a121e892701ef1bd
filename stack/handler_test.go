package stack

import (
	"bytes"
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// onTunnel returns a host whose tun0 is transparent for everything: the other end
// of the cable is in its network, which sends bare IP packets.
func onTunnel(t testing.TB, c Config) (*host, *cable) {
	t.Helper()
	l := newCable()
	l.kind, l.mac = link.IP, wire.MAC{}
	h := newHost(t, c, nil)
	h.eth0 = h.attach(t, "tun0", l, "10.9.0.1/24")
	h.route(t, "default dev tun0")
	if err := h.eth0.SetTransparent(netip.MustParsePrefix("0.0.0.0/0")); err != nil {
		t.Fatal(err)
	}
	return h, l
}

// keeper is a Handler that keeps what it is given.
type keeper struct{ got [][]byte }

func (k *keeper) handle(b *packet.Buffer) {
	k.got = append(k.got, bytes.Clone(b.Bytes()))
	b.Release()
}

func TestHandler(t *testing.T) {
	h, l := onCable(t, Config{})
	var k keeper
	if err := h.Handle(wire.ProtocolTCP, k.handle); err != nil {
		t.Fatal(err)
	}
	for what, d := range map[string]datagram{
		"to an own address":  {protocol: wire.ProtocolTCP, payload: "segment"},
		"with options":       {protocol: wire.ProtocolTCP, payload: "segment", options: []byte{1, 1, 1, 1}},
		"with padding":       {protocol: wire.ProtocolTCP, payload: "segment", trailing: 9},
		"to a broadcast":     {protocol: wire.ProtocolTCP, payload: "segment", to: wire.Broadcast, dst: "10.0.0.255:0"},
		"without a payload":  {protocol: wire.ProtocolTCP},
		"which is malformed": {protocol: wire.ProtocolTCP, payload: "\x00\xff"},
	} {
		k.got = nil
		l.deliver(d.frame())
		d.bare, d.trailing = true, 0
		if want := d.frame(); len(k.got) != 1 || !bytes.Equal(k.got[0], want) {
			t.Errorf("%s: got %x, want %x", what, k.got, want)
		}
	}
	l.expect(t, "handled")
	if got := h.Ledger().Consumed; got != 6 {
		t.Errorf("Consumed = %d, want 6", got)
	}
	checkLedger(t, h)
}

func TestHandlerIsGivenUp(t *testing.T) {
	h, l := known(t, Config{})
	var k keeper
	frame := datagram{protocol: wire.ProtocolTCP, payload: "segment"}.frame()
	if err := h.Handle(wire.ProtocolTCP, k.handle); err != nil {
		t.Fatal(err)
	}
	if err := h.Handle(wire.ProtocolTCP, k.handle); err == nil {
		t.Error("a second handler was taken")
	}
	if err := h.Handle(wire.ProtocolIPv4, k.handle); err != nil {
		t.Error(err)
	}
	if err := h.Handle(wire.ProtocolTCP, nil); err != nil {
		t.Error(err)
	}
	if err := h.Handle(wire.ProtocolTCP, nil); err != nil {
		t.Errorf("giving up twice: %v", err)
	}
	l.deliver(frame)
	l.expect(t, "given up", "10.0.0.2 > 10.0.0.9 ICMP protocol unreachable [10.0.0.9 > 10.0.0.2 TCP]")
	checkDrops(t, h, drop.UnknownProtocol, 1)
	for _, p := range []wire.Protocol{wire.ProtocolUDP, wire.ProtocolICMP, wire.ProtocolIGMP} {
		if err := h.Handle(p, k.handle); err == nil {
			t.Errorf("a handler of %v was taken", p)
		}
	}
	h.Close()
	if err := h.Handle(wire.ProtocolTCP, k.handle); !errors.Is(err, socket.ErrClosed) {
		t.Errorf("Handle on a closed stack: %v", err)
	}
	if len(k.got) != 0 {
		t.Errorf("got %x", k.got)
	}
	checkLedger(t, h)
}

// What a transparent interface brings reaches the handler whoever it is for, and
// its answers leave from there.
func TestHandlerOnTransparentInterface(t *testing.T) {
	h, l := onTunnel(t, Config{})
	err := h.Handle(wire.ProtocolTCP, func(b *packet.Buffer) {
		b = b.Writable()
		ip := (*wire.IPv4Header)(b.Bytes())
		src, dst := ip.Source4(), ip.Destination4()
		ip.SetSource4(dst)
		ip.SetDestination4(src)
		if err := h.SendPacket(b); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	l.deliver(datagram{bare: true, protocol: wire.ProtocolTCP, payload: "segment", src: "10.9.0.7:0", dst: "192.0.2.1:0"}.frame())
	want := datagram{bare: true, protocol: wire.ProtocolTCP, payload: "segment", src: "192.0.2.1:0", dst: "10.9.0.7:0"}.frame()
	if got := l.take(); len(got) != 1 || !bytes.Equal(got[0], want) {
		t.Errorf("got %x, want %x", got, want)
	}
	checkLedger(t, h)
}

// The handler hears of errors about what it sent, whoever they come from.
func TestHandlerGetsICMPErrors(t *testing.T) {
	h, l := onCable(t, Config{})
	var k keeper
	if err := h.Handle(wire.ProtocolTCP, k.handle); err != nil {
		t.Fatal(err)
	}
	quoted := func(p wire.Protocol) []byte {
		return datagram{payload: "12345678", bare: true, src: "10.0.0.2:7", dst: "10.0.0.9:9", protocol: p}.frame()
	}
	message := datagram{protocol: wire.ProtocolICMP,
		payload: icmpBody(wire.ICMPDestinationUnreachable, wire.ICMPFragmentationNeeded, [4]byte{2: 5, 3: 0}, quoted(wire.ProtocolTCP))}
	l.deliver(message.frame())
	message.bare = true
	if want := message.frame(); len(k.got) != 1 || !bytes.Equal(k.got[0], want) {
		t.Errorf("got %x, want %x", k.got, want)
	}
	message.bare, k.got = false, nil
	message.payload = icmpBody(wire.ICMPDestinationUnreachable, wire.ICMPHostUnreachable, [4]byte{}, quoted(wire.ProtocolIPv4))
	l.deliver(message.frame())
	if len(k.got) != 0 {
		t.Errorf("got an error about another protocol: %x", k.got)
	}
	checkDrops(t, h, drop.ICMPUnmatched, 1)
	checkLedger(t, h)
}

func rawPacket(src, dst string, payload string) *packet.Buffer {
	return newBuffer(datagram{bare: true, protocol: wire.ProtocolTCP, src: src, dst: dst, payload: payload}.frame())
}

func TestSendPacket(t *testing.T) {
	h, l := known(t, Config{})
	h.route(t, "default via 10.0.0.9")
	for _, c := range []struct{ what, src, dst, want string }{
		{"own source", "10.0.0.2:0", "10.0.0.9:0", "10.0.0.2 > 10.0.0.9 TCP 4 B"},
		{"no source", "0.0.0.0:0", "10.0.0.9:0", "10.0.0.2 > 10.0.0.9 TCP 4 B"},
		{"foreign source, by a gateway", "192.0.2.1:0", "198.51.100.1:0", "192.0.2.1 > 198.51.100.1 TCP 4 B"},
	} {
		b := rawPacket(c.src, c.dst, "data")
		(*wire.IPv4Header)(b.Bytes()).SetChecksum(0xdead) // is filled in
		if err := h.SendPacket(b); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		frames := l.take()
		if len(frames) != 1 {
			t.Errorf("%s: %d frames", c.what, len(frames))
			continue
		}
		ip, _, payload, err := wire.ParseIPv4(frames[0][wire.EthernetHeaderLen:])
		if err != nil || !ip.ChecksumOK(nil) || string(payload) != "data" {
			t.Errorf("%s: sent %x", c.what, frames[0])
		}
		if e := (*wire.EthernetHeader)(frames[0]); e.Destination() != macPeer || e.Source() != macStack {
			t.Errorf("%s: from %v to %v", c.what, e.Source(), e.Destination())
		}
	}
	// A broadcast comes back to this host's own handler too.
	var k keeper
	if err := h.Handle(wire.ProtocolTCP, k.handle); err != nil {
		t.Fatal(err)
	}
	if err := h.SendPacket(rawPacket("10.0.0.2:0", "255.255.255.255:0", "data")); err != nil {
		t.Error(err)
	}
	if got := l.take(); len(got) != 1 || (*wire.EthernetHeader)(got[0]).Destination() != wire.Broadcast {
		t.Errorf("a broadcast was sent as %x", got)
	}
	// An own address is reached by the loopback interface.
	if err := h.SendPacket(rawPacket("192.0.2.7:0", "127.0.0.1:0", "data")); err != nil {
		t.Error(err)
	}
	if len(k.got) != 2 {
		t.Errorf("the handler got %d packets, want the broadcast and the own one", len(k.got))
	}
	l.expect(t, "to oneself")
	checkLedger(t, h)
}

// TestSendPacketWaits: an unresolved neighbour holds packets like any other.
func TestSendPacketWaits(t *testing.T) {
	h, l := onCable(t, Config{})
	if err := h.SendPacket(rawPacket("10.0.0.2:0", "10.0.0.9:0", "data")); err != nil {
		t.Fatal(err)
	}
	l.take()
	l.deliver(arpReply(macPeer, "10.0.0.9", "10.0.0.2"))
	l.expect(t, "answered", "10.0.0.2 > 10.0.0.9 TCP 4 B")
	checkLedger(t, h)
}

func TestSendPacketRefuses(t *testing.T) {
	h, l := onCable(t, Config{})
	h.route(t, "prohibit 198.51.100.0/24")
	before := h.Ledger()
	for _, c := range []struct {
		what, src, dst string
		change         func(*packet.Buffer)
		want           syscall.Errno
	}{
		{"cut", "10.0.0.2:0", "10.0.0.9:0", func(b *packet.Buffer) { b.TrimTo(19) }, syscall.EINVAL},
		{"empty", "10.0.0.2:0", "10.0.0.9:0", func(b *packet.Buffer) { b.TrimTo(0) }, syscall.EINVAL},
		{"short of its length", "10.0.0.2:0", "10.0.0.9:0", func(b *packet.Buffer) { b.TrimTo(23) }, syscall.EINVAL},
		{"more than its length", "10.0.0.2:0", "10.0.0.9:0", func(b *packet.Buffer) { b.Append(1) }, syscall.EINVAL},
		{"version 6", "10.0.0.2:0", "10.0.0.9:0", func(b *packet.Buffer) { b.Bytes()[0] = 0x65 }, syscall.EINVAL},
		{"TTL 0", "10.0.0.2:0", "10.0.0.9:0", func(b *packet.Buffer) { b.Bytes()[8] = 0 }, syscall.EINVAL},
		{"to nobody", "10.0.0.2:0", "0.0.0.0:0", nil, syscall.EINVAL},
		{"from a group", "224.0.0.1:0", "10.0.0.9:0", nil, syscall.EINVAL},
		{"from everybody", "255.255.255.255:0", "10.0.0.9:0", nil, syscall.EINVAL},
		{"from a subnet", "10.0.0.255:0", "10.0.0.9:0", nil, syscall.EINVAL},
		{"from loopback", "127.0.0.1:0", "10.0.0.9:0", nil, syscall.EINVAL},
		{"no route", "10.0.0.2:0", "203.0.113.1:0", nil, syscall.ENETUNREACH},
		{"prohibited", "10.0.0.2:0", "198.51.100.1:0", nil, syscall.EACCES},
	} {
		b := packet.New(40)
		frame := datagram{bare: true, protocol: wire.ProtocolTCP, src: c.src, dst: c.dst, payload: "data"}.frame()
		copy(b.Append(len(frame)), frame)
		if c.change != nil {
			c.change(b)
		}
		if err := h.SendPacket(b); err != c.want {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
	if err := h.SendPacket(rawPacket("10.0.0.2:0", "10.0.0.9:0", string(make([]byte, 1481)))); err != syscall.EMSGSIZE {
		t.Errorf("over the MTU: %v", err)
	}
	l.expect(t, "refused")
	if after := h.Ledger(); after != before {
		t.Errorf("the ledger went from %+v to %+v", before, after)
	}
	h.Close()
	if err := h.SendPacket(rawPacket("10.0.0.2:0", "10.0.0.9:0", "")); err != socket.ErrClosed {
		t.Errorf("closed: %v", err)
	}
}

// What others may be reading is not written to, and a buffer without room in
// front is copied.
func TestSendPacketLeavesSharedBytes(t *testing.T) {
	h, l := known(t, Config{})
	b := rawPacket("0.0.0.0:0", "10.0.0.9:0", "data")
	c := b.Clone()
	want := bytes.Clone(b.Bytes())
	if err := h.SendPacket(c); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("the bytes became %x", b.Bytes())
	}
	b.Release()

	b = packet.New(200)
	b.Prepend(packet.Headroom)
	copy(b.Append(len(want)), want)
	b.TrimFront(packet.Headroom)
	for front, _ := b.Room(); front > 0; front, _ = b.Room() {
		b.Prepend(front)
		copy(b.Bytes(), want)
		b.TrimTo(len(want))
	}
	if err := h.SendPacket(b); err != nil {
		t.Fatal(err)
	}
	l.expect(t, "twice", "10.0.0.2 > 10.0.0.9 TCP 4 B", "10.0.0.2 > 10.0.0.9 TCP 4 B")
	checkLedger(t, h)
}
