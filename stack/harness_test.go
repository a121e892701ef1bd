package stack

import (
	"errors"
	"fmt"
	"net/netip"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/leak"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

func TestMain(m *testing.M) { leak.Main(m) }

// host is a stack with one Ethernet interface, in virtual time.
type host struct {
	*Stack
	eth0  *Interface
	addr  netip.Addr
	clock *clock.Virtual // nil if the test brought another clock
}

// newHost returns a host whose eth0 is the link. With no clock in the Config it
// gets a virtual one, with no seed a fixed one.
func newHost(t testing.TB, c Config, l link.Link, addresses ...string) *host {
	t.Helper()
	h := new(host)
	if c.Clock == nil {
		h.clock = clock.NewVirtual(time.Time{})
		c.Clock = h.clock
	} else if v, ok := c.Clock.(*clock.Virtual); ok {
		h.clock = v
	}
	if c.Seed == ([32]byte{}) {
		c.Seed[0] = 1
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	h.Stack = s
	t.Cleanup(func() { s.Close() })
	if l != nil {
		h.eth0 = h.attach(t, "eth0", l, addresses...)
		if len(addresses) > 0 {
			h.addr = netip.MustParsePrefix(addresses[0]).Addr()
		}
	}
	return h
}

// attach adds an interface with addresses.
func (h *host) attach(t testing.TB, name string, l link.Link, addresses ...string) *Interface {
	t.Helper()
	i, err := h.AddInterface(name, l)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if err := i.AddAddress(netip.MustParsePrefix(a)); err != nil {
			t.Fatal(err)
		}
	}
	return i
}

// route adds a route in the words of "ip route": "10.1.0.0/16 via 10.0.0.9",
// "default via 10.0.0.9 dev eth0 src 10.0.0.2 metric 7", "unreachable 10.9.0.0/16".
func (h *host) route(t testing.TB, words string) {
	t.Helper()
	if err := h.AddRoute(parseRoute(words)); err != nil {
		t.Fatalf("route %s: %v", words, err)
	}
}

func parseRoute(words string) (r Route) {
	f := strings.Fields(words)
	for k, name := range []string{"unreachable", "prohibit", "blackhole"} {
		if f[0] == name {
			r.Type = RouteUnreachable + RouteType(k)
			f = f[1:]
			break
		}
	}
	if f[0] != "default" {
		r.Destination = netip.MustParsePrefix(f[0])
	}
	for f = f[1:]; len(f) > 1; f = f[2:] {
		switch f[0] {
		case "via":
			r.Gateway = netip.MustParseAddr(f[1])
		case "dev":
			r.Interface = f[1]
		case "src":
			r.Source = netip.MustParseAddr(f[1])
		case "metric":
			fmt.Sscan(f[1], &r.Metric)
		}
	}
	return r
}

// pair returns two hosts, 10.0.0.1 and 10.0.0.2, on one wire, with one clock.
func pair(t testing.TB, configs ...Config) (a, b *host) {
	t.Helper()
	return pairOn(t, mem.Config{}, configs...)
}

func pairOn(t testing.TB, m mem.Config, configs ...Config) (a, b *host) {
	t.Helper()
	c := [2]Config{{Name: "a", Seed: [32]byte{1}}, {Name: "b", Seed: [32]byte{2}}}
	copy(c[:], configs)
	v := clock.NewVirtual(time.Time{})
	for k := range c {
		if c[k].Clock == nil {
			c[k].Clock = v
		}
	}
	la, lb := mem.Pair(m)
	return newHost(t, c[0], la, "10.0.0.1/24"), newHost(t, c[1], lb, "10.0.0.2/24")
}

// open returns a socket of the host, bound to what is given, if anything.
func (h *host) open(t testing.TB, bind string) *Socket {
	t.Helper()
	return h.openSocket(t, socket.IPv4, bind)
}

func (h *host) openSocket(t testing.TB, family socket.Family, bind string) *Socket {
	t.Helper()
	s, err := h.OpenSocket(family)
	if err != nil {
		t.Fatal(err)
	}
	if bind != "" {
		if err := s.Bind(netip.MustParseAddrPort(bind)); err != nil {
			t.Fatalf("bind %s: %v", bind, err)
		}
	}
	return s
}

// connected returns a socket of the host, bound and connected.
func (h *host) connected(t testing.TB, bind, peer string) *Socket {
	t.Helper()
	s := h.open(t, bind)
	connect(t, s, peer)
	return s
}

func connect(t testing.TB, s *Socket, peer string) {
	t.Helper()
	if err := s.Connect(netip.MustParseAddrPort(peer)); err != nil {
		t.Fatalf("connect to %s: %v", peer, err)
	}
}

func setOption(t testing.TB, s *Socket, o socket.Option, value int) {
	t.Helper()
	if err := s.SetOption(o, value); err != nil {
		t.Fatalf("%v = %d: %v", o, value, err)
	}
}

// message makes a message to be sent; to "" it goes to the peer.
func message(payload, to string) socket.Message {
	m := socket.Message{Buf: []byte(payload)}
	if to != "" {
		m.Addr = netip.MustParseAddrPort(to)
	}
	return m
}

// try sends one datagram and returns the error.
func try(s *Socket, payload, to string) error {
	n, err := s.TrySend([]socket.Message{message(payload, to)})
	if err == nil && n != 1 {
		return fmt.Errorf("TrySend returned %d and no error", n)
	}
	return err
}

func send(t testing.TB, s *Socket, payload, to string) {
	t.Helper()
	if err := try(s, payload, to); err != nil {
		t.Fatalf("send %q to %s: %v", payload, to, err)
	}
}

func receive(t testing.TB, s *Socket) socket.Message {
	t.Helper()
	ms := []socket.Message{{Buf: make([]byte, 65536)}}
	if n, err := s.TryRecv(ms); n != 1 || err != nil {
		t.Fatalf("receive: %d, %v", n, err)
	}
	return ms[0]
}

// payloads reads everything that is queued.
func payloads(t testing.TB, s *Socket) (list []string) {
	t.Helper()
	ms := []socket.Message{{Buf: make([]byte, 65536)}}
	for {
		if _, err := s.TryRecv(ms); err != nil {
			if !errors.Is(err, syscall.EAGAIN) {
				t.Fatalf("receive: %v", err)
			}
			return list
		}
		list = append(list, string(ms[0].Buf))
	}
}

// checkLedger checks that every packet is accounted for.
func checkLedger(t testing.TB, hosts ...*host) {
	t.Helper()
	for _, h := range hosts {
		if l := h.Ledger(); !l.Balanced() {
			t.Errorf("%s: the ledger does not balance: %+v, drops %v", h.Name(), l, h.Drops().Map())
		}
	}
}

func checkDrops(t testing.TB, h *host, r drop.Reason, want uint64) {
	t.Helper()
	if got := h.Drops().Get(r); got != want {
		t.Errorf("%s: %v = %d, want %d (all: %v)", h.Name(), r, got, want, h.Drops().Map())
	}
}

// cable is a link whose other end is the test: it sees every frame that the
// stack sends, and sends whatever it likes.
type cable struct {
	kind   link.Kind
	mac    wire.MAC
	mtu    int
	queues int

	mu     sync.Mutex
	sink   link.Sink
	frames [][]byte
	refuse error // what Write answers, if not nil
	keep   bool  // frames are held back, as by a link with a rate
	held   []*packet.Buffer
	onSent func(frame []byte) // called with the lock released
}

// The addresses of the stack's end of a cable and of its other end.
var (
	macStack = wire.MAC{2, 0, 0, 0, 0, 0x0a}
	macPeer  = wire.MAC{2, 0, 0, 0, 0, 0x0b}
	macOther = wire.MAC{2, 0, 0, 0, 0, 0x0c}
)

func newCable() *cable { return &cable{mac: macStack, mtu: 1500, queues: 1} }

func (c *cable) Kind() link.Kind                 { return c.kind }
func (c *cable) MTU() int                        { return c.mtu }
func (c *cable) Address() wire.MAC               { return c.mac }
func (c *cable) Capabilities() link.Capabilities { return 0 }
func (c *cable) Queues() int                     { return c.queues }
func (c *cable) SetFilter(link.Filter) error     { return nil }

func (c *cable) Attach(s link.Sink) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sink = s
	return nil
}

func (c *cable) Close() error {
	c.letGo()
	return c.Attach(nil)
}

func (c *cable) Write(frames []*packet.Buffer) (int, error) {
	for n, b := range frames {
		c.mu.Lock()
		if c.refuse != nil {
			defer c.mu.Unlock()
			return n, c.refuse
		}
		frame := append([]byte(nil), b.Bytes()...)
		c.frames = append(c.frames, frame)
		onSent := c.onSent
		if c.keep {
			b.Hold()
			c.held = append(c.held, b)
			b = nil
		}
		c.mu.Unlock()
		if b != nil {
			b.Release()
		}
		if onSent != nil {
			onSent(frame)
		}
	}
	return len(frames), nil
}

// letGo lets the frames leave that were held back.
func (c *cable) letGo() {
	c.mu.Lock()
	held := c.held
	c.held = nil
	c.mu.Unlock()
	for _, b := range held {
		b.Release()
	}
}

// take returns the frames sent since the last call.
func (c *cable) take() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	frames := c.frames
	c.frames = nil
	return frames
}

// say returns one line for each frame sent since the last call.
func (c *cable) say() []string {
	var lines []string
	layer := trace.LayerEthernet
	if c.kind != link.Ethernet {
		layer = trace.LayerIP
	}
	for _, f := range c.take() {
		lines = append(lines, trace.Describe(f, layer))
	}
	return lines
}

// expect checks what was sent since the last look.
func (c *cable) expect(t testing.TB, what string, want ...string) {
	t.Helper()
	if got := c.say(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s: sent\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// deliver hands frames to the stack, in one batch.
func (c *cable) deliver(frames ...[]byte) { c.deliverBy(0, frames...) }

func (c *cable) deliverBy(queue int, frames ...[]byte) {
	c.mu.Lock()
	sink := c.sink
	c.mu.Unlock()
	if sink == nil {
		return
	}
	bs := make([]*packet.Buffer, len(frames))
	for k, f := range frames {
		bs[k] = newBuffer(f)
	}
	sink.Deliver(queue, bs)
}

func newBuffer(frame []byte) *packet.Buffer {
	b := packet.New(len(frame))
	copy(b.Append(len(frame)), frame)
	return b
}

// A datagram is what a test sends in: an Ethernet frame with an IPv4 packet
// with a UDP datagram. Its zero fields are those of one from the peer
// 10.0.0.9:9 to 10.0.0.2:7.
type datagram struct {
	to, from    wire.MAC
	src, dst    string // address:port
	ttl, tos    uint8
	options     []byte
	payload     string
	bare        bool // no Ethernet header
	noChecksum  bool
	dontFrag    bool
	fragment    int // its offset in bytes
	more        bool
	protocol    wire.Protocol // if not UDP, payload is the packet's
	badSum      bool          // of UDP
	trailing    int           // bytes of padding after the packet
	udpLenDelta int
}

func orMAC(m, or wire.MAC) wire.MAC {
	if m.IsZero() {
		return or
	}
	return m
}

func orString(s, or string) string {
	if s == "" {
		return or
	}
	return s
}

func (d datagram) frame() []byte {
	src := netip.MustParseAddrPort(orString(d.src, "10.0.0.9:9"))
	dst := netip.MustParseAddrPort(orString(d.dst, "10.0.0.2:7"))
	var b []byte
	at := 0
	if !d.bare {
		at = wire.EthernetHeaderLen
		b = make([]byte, at)
		e := wire.PutEthernet(b)
		e.SetDestination(orMAC(d.to, macStack))
		e.SetSource(orMAC(d.from, macPeer))
		e.SetType(wire.EtherTypeIPv4)
	}
	body := []byte(d.payload)
	if d.protocol == 0 {
		udp := make([]byte, wire.UDPHeaderLen)
		u := wire.PutUDP(udp)
		u.SetSourcePort(src.Port())
		u.SetDestinationPort(dst.Port())
		u.SetLength(uint16(wire.UDPHeaderLen + len(body) + d.udpLenDelta))
		if !d.noChecksum {
			sum := wire.PseudoIPv4(src.Addr().As4(), dst.Addr().As4(), wire.ProtocolUDP, uint16(wire.UDPHeaderLen+len(body)))
			sum = ^wire.AddSum(sum, wire.AddSum(wire.Sum(udp), wire.Sum(body)))
			if sum == 0 {
				sum = 0xffff
			}
			if d.badSum {
				sum ^= 1
			}
			u[6], u[7] = byte(sum>>8), byte(sum)
		}
		body = append(udp, body...)
	}
	hl := wire.IPv4HeaderLen + len(d.options)
	ip := make([]byte, hl)
	h := wire.PutIPv4(ip)
	h.SetHeaderLen(hl)
	copy(ip[wire.IPv4HeaderLen:], d.options)
	h.SetTOS(d.tos)
	h.SetTTL(64)
	if d.ttl != 0 {
		h.SetTTL(d.ttl)
	}
	h.SetDontFragment(d.dontFrag)
	h.SetMoreFragments(d.more)
	h.SetFragmentOffset(d.fragment)
	h.SetProtocol(wire.ProtocolUDP)
	if d.protocol != 0 {
		h.SetProtocol(d.protocol)
	}
	h.SetTotalLength(uint16(hl + len(body)))
	h.SetSource(src.Addr())
	h.SetDestination(dst.Addr())
	h.UpdateChecksum(d.options)
	b = append(append(b, ip...), body...)
	return append(b, make([]byte, d.trailing)...)
}

// icmpBody returns an ICMP message, complete with its checksum.
func icmpBody(t wire.ICMPType, code wire.ICMPCode, rest [4]byte, body []byte) string {
	b := make([]byte, wire.ICMPHeaderLen)
	m := wire.PutICMP(b, t, code)
	m.SetRest(rest)
	m.UpdateChecksum(body)
	return string(b) + string(body)
}

// arpFrame returns an ARP packet from the peer's end of a cable.
func arpFrame(op wire.ARPOperation, to wire.MAC, senderMAC wire.MAC, sender string, targetMAC wire.MAC, target string) []byte {
	b := make([]byte, wire.EthernetHeaderLen+wire.ARPPacketLen)
	e := wire.PutEthernet(b)
	e.SetDestination(to)
	e.SetSource(orMAC(senderMAC, macPeer))
	e.SetType(wire.EtherTypeARP)
	wire.PutARP(b[wire.EthernetHeaderLen:], op, senderMAC, netip.MustParseAddr(sender), targetMAC, netip.MustParseAddr(target))
	return b
}

// arpReply answers a request of the stack's.
func arpReply(mac wire.MAC, sender, target string) []byte {
	return arpFrame(wire.ARPReply, macStack, mac, sender, macStack, target)
}

// arpRequest asks for one of the stack's addresses, or anybody's.
func arpRequest(mac wire.MAC, sender, target string) []byte {
	return arpFrame(wire.ARPRequest, wire.Broadcast, mac, sender, wire.MAC{}, target)
}

// neighborsOf returns one line for each neighbour, sorted.
func neighborsOf(h *host) []string {
	var lines []string
	for _, n := range h.Neighbors() {
		line := fmt.Sprintf("%s %v %v", n.Interface, n.Addr, n.State)
		if !n.MAC.IsZero() {
			line += " " + n.MAC.String()
		}
		lines = append(lines, line)
	}
	sort.Strings(lines)
	return lines
}

func checkNeighbors(t testing.TB, h *host, when string, want ...string) {
	t.Helper()
	if got := neighborsOf(h); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s: the neighbours are %q, want %q", when, got, want)
	}
}

// onCable returns a host with the address 10.0.0.2/24 and the cable to it.
func onCable(t testing.TB, c Config) (*host, *cable) {
	t.Helper()
	l := newCable()
	return newHost(t, c, l, "10.0.0.2/24"), l
}
