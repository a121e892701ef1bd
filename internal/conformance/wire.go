package conformance

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// A Wire is the far end of an interface of a Machine: it is handed every frame
// that the machine sends, answers ARP for those who live there, and injects
// frames. Its methods may be called from any goroutine.
type Wire struct {
	Name string
	MAC  wire.MAC // the machine's

	tb       testing.TB
	inject   func(frame []byte)
	patience time.Duration

	packets  chan *Packet  // IPv4, in the order of sending
	reports  chan *Packet  // IGMP
	requests chan *Request // ARP requests and replies that the machine sent

	discoveries chan *Discovery // messages of IPv6's neighbour discovery
	packets6    chan *Packet6   // other packets of IPv6, in the order of sending
	reports6    chan *Packet6   // of them, MLD's messages
	datagrams6  chan *Datagram6 // of UDP over IPv6

	mu     sync.Mutex
	silent bool // nobody answers ARP
	answer bool // neighbour solicitations are answered, and messages of that kind not kept
	closed bool
}

// A Packet is an IPv4 packet that the machine sent.
type Packet struct {
	To, From wire.MAC
	IP       *wire.IPv4Header
	Raw      []byte           // from the IP header on
	UDP      *wire.UDPHeader  // nil: it is not UDP
	ICMP     *wire.ICMPHeader // nil: it is not ICMP
	Data     []byte           // behind the UDP or ICMP header
}

// Source and Destination are the UDP datagram's.
func (p *Packet) Source() netip.AddrPort {
	return netip.AddrPortFrom(p.IP.Source(), p.UDP.SourcePort())
}

// Destination is where the UDP datagram goes.
func (p *Packet) Destination() netip.AddrPort {
	return netip.AddrPortFrom(p.IP.Destination(), p.UDP.DestinationPort())
}

// String says what a packet is in a failed test.
func (p *Packet) String() string {
	switch {
	case p.UDP != nil:
		return fmt.Sprintf("UDP %v -> %v %d bytes", p.Source(), p.Destination(), len(p.Data))
	case p.ICMP != nil:
		return fmt.Sprintf("ICMP %v -> %v %v code %d", p.IP.Source(), p.IP.Destination(), p.ICMP.Type(), p.ICMP.Code())
	}
	return fmt.Sprintf("IP %v -> %v protocol %v", p.IP.Source(), p.IP.Destination(), p.IP.Protocol())
}

// A Request is an ARP packet that the machine sent.
type Request struct {
	To  wire.MAC
	ARP *wire.ARPPacket
}

func newWire(tb testing.TB, name string, mac wire.MAC, patience time.Duration) *Wire {
	return &Wire{
		Name: name, MAC: mac, tb: tb, patience: patience,
		packets:  make(chan *Packet, 4096),
		reports:  make(chan *Packet, 4096),
		requests: make(chan *Request, 4096),

		discoveries: make(chan *Discovery, 4096),
		packets6:    make(chan *Packet6, 4096),
		reports6:    make(chan *Packet6, 4096),
		datagrams6:  make(chan *Datagram6, 4096),
	}
}

// macOf is the hardware address of who has the address at the far end.
func macOf(a netip.Addr) wire.MAC {
	b := a.As4()
	return wire.MAC{2, 0xff, b[0], b[1], b[2], b[3]}
}

// Silence makes nobody answer ARP any more.
func (w *Wire) Silence(on bool) {
	w.mu.Lock()
	w.silent = on
	w.mu.Unlock()
}

// close ends reporting: the test is over.
func (w *Wire) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
}

// receive is handed each frame that the machine sends.
func (w *Wire) receive(frame []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	eth, rest, err := wire.ParseEthernet(frame)
	if err != nil {
		w.tb.Errorf("%s: the machine sent a frame that is none: %v", w.Name, err)
		return
	}
	if eth.Source() != w.MAC {
		w.tb.Errorf("%s: a frame from %v, want %v", w.Name, eth.Source(), w.MAC)
	}
	switch eth.Type() {
	case wire.EtherTypeARP:
		p, err := wire.ParseARP(rest)
		if err != nil {
			w.tb.Errorf("%s: the machine sent a malformed ARP packet: %v", w.Name, err)
			return
		}
		w.requests <- &Request{eth.Destination(), p}
		if p.Operation() == wire.ARPRequest && answersARP(p.TargetAddr()) && !w.silent {
			w.mu.Unlock()
			w.ReplyARP(p.TargetAddr(), p.SenderAddr())
			w.mu.Lock()
		}
	case wire.EtherTypeIPv6:
		w.receive6(eth, rest)
	case wire.EtherTypeIPv4:
		p, err := parsePacket(eth, rest)
		if err != nil {
			w.tb.Errorf("%s: the machine sent a packet that is not well formed: %v\n%s", w.Name, err, hex.Dump(frame))
			return
		}
		if p.IP.Protocol() == wire.ProtocolIGMP {
			w.reports <- p
		} else {
			w.packets <- p
		}
	}
}

// parsePacket checks everything that is to be checked of a packet sent by the
// machine, checksums included.
func parsePacket(eth *wire.EthernetHeader, b []byte) (*Packet, error) {
	ip, options, payload, err := wire.ParseIPv4(b)
	if err != nil {
		return nil, err
	}
	if !ip.ChecksumOK(options) {
		return nil, fmt.Errorf("the IP header checksum %#04x is wrong", ip.Checksum())
	}
	p := &Packet{To: eth.Destination(), From: eth.Source(), IP: ip, Raw: b[:ip.TotalLength()], Data: payload}
	if ip.IsFragment() {
		return p, nil
	}
	switch ip.Protocol() {
	case wire.ProtocolUDP:
		p.UDP, p.Data, err = wire.ParseUDP(payload)
		if err != nil {
			return nil, err
		}
		if p.UDP.Checksum() != 0 {
			pseudo := wire.PseudoIPv4(ip.Source4(), ip.Destination4(), wire.ProtocolUDP, p.UDP.Length())
			if wire.AddSum(pseudo, wire.Sum(payload[:p.UDP.Length()])) != 0xffff {
				return nil, fmt.Errorf("the UDP checksum %#04x is wrong", p.UDP.Checksum())
			}
		}
	case wire.ProtocolICMP:
		p.ICMP, p.Data, err = wire.ParseICMP(payload)
		if err != nil {
			return nil, err
		}
		if !p.ICMP.ChecksumOK(p.Data) {
			return nil, fmt.Errorf("the ICMP checksum %#04x is wrong", p.ICMP.Checksum())
		}
	case wire.ProtocolIGMP:
		h, body, err := wire.ParseIGMP(payload)
		if err != nil {
			return nil, err
		}
		if !h.ChecksumOK(body) {
			return nil, fmt.Errorf("the IGMP checksum %#04x is wrong", h.Checksum())
		}
	}
	return p, nil
}

// Next returns the next IPv4 packet that the machine sent; it fails the test if
// none comes.
func (w *Wire) Next(t testing.TB) *Packet {
	t.Helper()
	select {
	case p := <-w.packets:
		return p
	case <-time.After(w.patience):
		t.Fatalf("%s: no packet came", w.Name)
		return nil
	}
}

// NextUDP is Next for a UDP datagram with the payload.
func (w *Wire) NextUDP(t testing.TB, payload string) *Packet {
	t.Helper()
	p := w.Next(t)
	if p.UDP == nil || string(p.Data) != payload {
		t.Fatalf("%s: got %v %q, want a datagram %q", w.Name, p, p.Data, payload)
	}
	return p
}

// NextICMP is Next for an ICMP message.
func (w *Wire) NextICMP(t testing.TB, typ wire.ICMPType, code wire.ICMPCode) *Packet {
	t.Helper()
	p := w.Next(t)
	if p.ICMP == nil || p.ICMP.Type() != typ || p.ICMP.Code() != code {
		t.Fatalf("%s: got %v, want ICMP %v code %d", w.Name, p, typ, code)
	}
	return p
}

// NextRequest returns the next ARP packet that the machine sent.
func (w *Wire) NextRequest(t testing.TB) *Request {
	t.Helper()
	select {
	case r := <-w.requests:
		return r
	case <-time.After(w.patience):
		t.Fatalf("%s: no ARP packet came", w.Name)
		return nil
	}
}

// Send injects a frame.
func (w *Wire) Send(frame []byte) { w.inject(frame) }

// SendIP injects an IPv4 packet, addressed to the machine.
func (w *Wire) SendIP(packet []byte) { w.Send(ethernet(w.MAC, gatewayMAC, packet)) }

// SendUDP injects a datagram, well formed.
func (w *Wire) SendUDP(from, to, payload string) {
	w.SendIP(Datagram{From: from, To: to, Payload: payload}.Bytes())
}

// ReplyARP tells the machine, at its address to, who has the address a.
func (w *Wire) ReplyARP(a, to netip.Addr) {
	w.Send(arp(wire.ARPReply, macOf(a), a, w.MAC, to, w.MAC))
}
