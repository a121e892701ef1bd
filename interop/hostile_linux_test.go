package interop

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// python is Debian's, which has Debian's scapy.
const python = "/usr/bin/python3"

// requireScapy fails the test if there is no scapy.
func requireScapy(t *testing.T, w *world) {
	t.Helper()
	if _, err := w.ns.Try(python, "-c", "import scapy"); err != nil {
		t.Fatalf("CASTNET_INTEROP=1 needs scapy: apt-get install python3-scapy\n%v", err)
	}
}

// hurried is the system's clock, going so many times as fast: what is waited for
// half a minute is over in a few seconds.
type hurried struct {
	start time.Time
	times time.Duration
}

func (h hurried) Now() time.Time { return h.start.Add(time.Since(h.start) * h.times) }

func (h hurried) AfterFunc(d time.Duration, f func()) clock.Timer {
	return hurriedTimer{time.AfterFunc(d/h.times, f), h.times}
}

type hurriedTimer struct {
	*time.Timer
	times time.Duration
}

func (t hurriedTimer) Reset(d time.Duration) bool { return t.Timer.Reset(d / t.times) }

// exchanger is a program of the kernel's that sends a socket of ours a datagram
// after the other and waits for each to come back.
type exchanger struct {
	answered, lost atomic.Int64
	stop           chan struct{}
	done           chan error
}

// newExchanger starts one between the kernel's socket and the port of ours.
func newExchanger(k *net.UDPConn, to netip.AddrPort) *exchanger {
	e := &exchanger{stop: make(chan struct{}), done: make(chan error, 1)}
	go func() { e.done <- e.run(k, to) }()
	return e
}

func (e *exchanger) run(k *net.UDPConn, to netip.AddrPort) error {
	buf := make([]byte, 2000)
	for i := 0; ; i++ {
		select {
		case <-e.stop:
			return nil
		default:
		}
		question := payload(8 + i%1300)
		binary.BigEndian.PutUint64(question, uint64(i))
		if _, err := k.WriteToUDPAddrPort(question, to); err != nil {
			return err
		}
		k.SetReadDeadline(time.Now().Add(patience / 10))
		for {
			n, _, err := k.ReadFromUDPAddrPort(buf)
			if err != nil {
				e.lost.Add(1)
				break
			}
			if bytes.Equal(buf[:n], question) {
				e.answered.Add(1)
				break
			}
			// Somebody else's, in our name.
		}
		time.Sleep(time.Millisecond)
	}
}

// reflect sends back what a connected socket of ours gets until it is closed,
// whatever it is told of its datagrams meanwhile. It returns how often it was told.
func reflect(c *castnet.Conn) (told int) {
	buf := make([]byte, 65536)
	for {
		n, err := c.Read(buf)
		for try := 0; err == nil && try < 100; try++ {
			if _, werr := c.Write(buf[:n]); werr == nil {
				break
			}
			told++
		}
		if err != nil {
			if strings.Contains(err.Error(), net.ErrClosed.Error()) {
				return told
			}
			told++
		}
	}
}

// echo answers everybody but others like it, as inetd does, until the socket is closed:
// else two would answer each other for ever.
func echo(c *castnet.Conn) {
	buf := make([]byte, 65536)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if from.Port() != 7 {
			c.WriteToUDPAddrPort(buf[:n], from) // there may be no way to whom it claims to be
		}
	}
}

// A siege is what the test of hostile frames has for a family.
type siege struct {
	family *family
	script string
	// reasons are those for which at least one frame is dropped.
	reasons []drop.Reason
}

var sieges = []siege{
	{families[0], "testdata/hostile.py", []drop.Reason{
		drop.MACFiltered, drop.UnknownEtherType, drop.PacketMalformed, drop.BadChecksum,
		drop.OptionsRejected, drop.MartianSource, drop.MartianDestination, drop.NotLocal, drop.ReassemblyOverlap,
		drop.ReassemblyDuplicate, drop.ReassemblyMalformed, drop.ReassemblyMemory,
		drop.UnknownProtocol, drop.ICMPUnmatched, drop.ICMPUnsupported, drop.DatagramMalformed, drop.NoPort,
	}},
	{six, "testdata/hostile6.py", []drop.Reason{
		drop.MACFiltered, drop.UnknownEtherType, drop.PacketMalformed, drop.BadChecksum, drop.MissingChecksum,
		drop.OptionsRejected, drop.MartianSource, drop.MartianDestination, drop.NotLocal, drop.NotAMember, drop.ReassemblyOverlap,
		drop.ReassemblyDuplicate, drop.ReassemblyMalformed, drop.ReassemblyMemory,
		drop.UnknownProtocol, drop.ICMPUnmatched, drop.ICMPUnsupported, drop.NDPInvalid, drop.DatagramMalformed, drop.NoPort,
	}},
}

// A hundred thousand malformed and misleading frames, from a script with scapy,
// are thrown at a stack with sockets of several sorts while the kernel exchanges
// datagrams with one of them: nothing panics or grows, all is accounted for, what
// the stack sends meanwhile is well formed, and the kernel misses no answer.
func TestHostileFrames(t *testing.T) {
	for _, g := range sieges {
		t.Run(g.family.name, g.test)
	}
}

func (g siege) test(t *testing.T) {
	f := g.family
	w := newFamilyWorld(t, f, "nft")
	requireScapy(t, w)
	w.hostile = true
	count, seed := 100_000, uint64(1)
	if s := os.Getenv("CASTNET_HOSTILE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	live := packet.Live() // zero unless the build is the checking one
	const neighbors, memory = 100, 1 << 20
	w.config = stack.Config{
		Clock:  hurried{time.Now(), 10},
		Limits: stack.Limits{Neighbors: neighbors, ReassemblyMemory: memory},
		EUI64:  true, // so that others know which addresses are going to be tested
	}
	f.speak(t, w.ns, "default")
	w.openOn(fmt.Sprintf("tap,name=cn0,addr=%v,host=%v,gw=%v,mac=%v", f.prefix(f.ours), f.prefix(f.kernel[0]), f.kernel[0], ourMAC))
	f.settled(t, w.ns)
	goroutines, heap := runtime.NumGoroutine(), heapInUse()
	// Every frame is to come up, also those that a card in its usual mode, which the
	// kernel plays, would not let in.
	if err := w.iface.SetMode(link.Promiscuous); err != nil {
		t.Fatal(err)
	}
	// Who can be believed is told beforehand, since anybody may claim to be the peer.
	if err := w.iface.AddNeighbor(f.kernel[0], w.kernelMAC()); err != nil {
		t.Fatal(err)
	}
	w.ns.Run(t, "ip", "neigh", "replace", f.ours.String(), "lladdr", ourMAC.String(), "nud", "permanent", "dev", "cn0")
	// A queue that holds what is not read while this process is not scheduled.
	w.ns.Run(t, "ip", "link", "set", "cn0", "txqueuelen", "20000")
	w.ns.Run(t, "nft", `
table netdev count {
	counter hostile { }
	counter others { }
	chain out {
		type filter hook egress device "cn0" priority 0
		meta mark 0x666 counter name hostile
		meta mark != 0x666 counter name others
	}
}`)
	before := w.uncounted()
	if err := w.capture.ignoreOutgoing(); err != nil { // some of which claim to be ours
		t.Fatal(err)
	}

	const ourPort, peerPort = 7081, 7080
	peer := netip.AddrPortFrom(f.kernel[0], peerPort)
	told := make(chan int, 1)
	eventually(t, "our address to be tested", func() bool {
		a, ok := w.addressState(f.ours)
		return !f.is6() || ok && a.State == stack.AddressPreferred
	})
	c := w.dialFrom(ourPort, peer)
	c.SetDeadline(time.Time{})
	go func() { told <- reflect(c) }()
	server := w.listen(7)
	server.SetDeadline(time.Time{})
	go echo(server)
	// One that wants to know of every error and never looks.
	deaf, err := w.stack.OpenSocket(f.socketFamily())
	if err == nil {
		err = deaf.SetOption(socket.ReceiveErrors, 1)
	}
	if err == nil {
		err = deaf.Bind(netip.AddrPortFrom(f.ours, ourPort+1))
	}
	if err == nil {
		err = deaf.Connect(peer)
	}
	if err != nil {
		t.Fatal(err)
	}
	k := f.kernelSocketOn(t, w.ns, "cn0", peer)
	k.SetDeadline(time.Time{})
	good := newExchanger(k, netip.AddrPortFrom(f.ours, ourPort))

	attacker := start(t, w.ns, nil, python, "-B", g.script, "--seed", fmt.Sprint(seed), "--count", fmt.Sprint(count),
		"--interface", "cn0", "--ours", f.ours.String(), "--our-mac", ourMAC.String(), "--our-port", fmt.Sprint(ourPort),
		"--peer", f.kernel[0].String(), "--peer-mac", w.kernelMAC().String(), "--peer-port", fmt.Sprint(peerPort))
	most := w.watch(attacker.done, live)
	var report struct {
		Sent  uint64            `json:"sent"`
		Kinds map[string]uint64 `json:"kinds"`
	}
	if err := json.Unmarshal([]byte(attacker.end(0)), &report); err != nil {
		t.Fatal(err)
	}
	close(good.stop)
	if err := <-good.done; err != nil {
		t.Error(err)
	}

	// All that was sent came in. The kernel may still have something to say.
	if hostile := w.nftCounter("hostile"); report.Sent != uint64(count) || hostile != report.Sent {
		t.Errorf("%d frames were to be sent, %d were by the script's count, %d by the kernel's", count, report.Sent, hostile)
	}
	eventually(t, "the stack to have counted as many packets as the kernel sent", func() bool {
		return w.iface.Stats().ReceivedPackets-before == w.nftCounter("hostile")+w.nftCounter("others")
	})
	// The peer did not notice.
	if answered, lost := good.answered.Load(), good.lost.Load(); lost != 0 || answered < 100 {
		t.Errorf("the kernel's peer had %d answers and missed %d", answered, lost)
	}
	most.check(t, neighbors, memory)
	drops := w.stack.Drops().Map()
	for _, r := range g.reasons {
		if drops[r] == 0 {
			t.Errorf("nothing was dropped for %v: the attacks are not what they were", r)
		}
	}

	// And nothing is left of it, once those who wait have given up.
	c.Close()
	server.Close()
	deaf.Close()
	eventually(t, "all that waits to be given up", func() bool { return w.stack.Ledger().Held == 0 })
	l := w.stack.Ledger()
	if !l.Balanced() {
		t.Errorf("the ledger does not balance: %+v", l)
	}
	if n := packet.Live() - live; n > 1 { // one may wait for what the device has next
		t.Errorf("%d buffers are left", n)
	}
	eventually(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	grown := heapInUse() - heap
	if grown > 4<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	t.Logf("seed %d: %v", seed, report.Kinds)
	t.Logf("dropped: %s", table(w.stack.Drops().Map()))
	t.Logf("the peer: %d answers, its socket was told of %d errors", good.answered.Load(), <-told)
	t.Logf("at most %+v; the heap has grown by %d bytes", most, grown)
	t.Logf("the ledger: %+v", l)
}

// A maximum is the most there was of something.
type maximum struct {
	neighbors, routers, addresses, routes, buffers int
	held                                           uint64
}

// check fails the test if there was more than the limits permit.
func (m maximum) check(t *testing.T, neighbors, memory int) {
	t.Helper()
	if m.neighbors > neighbors+1 { // and the one that was told
		t.Errorf("%d neighbours were known, the limit is %d", m.neighbors, neighbors)
	}
	// What routers tell is bounded by Limits.Routers, Prefixes and AutoAddresses. There
	// are an address and a link-local one besides, and routes to their links, to groups
	// and to the gateway that was told.
	if m.routers > 16 || m.addresses > 16+2 || m.routes > 16+64+5 {
		t.Errorf("%d routers, %d addresses and %d routes were known", m.routers, m.addresses, m.routes)
	}
	// What is held: fragments, of which none takes less than half a kilobyte, and
	// what three sockets have room for.
	if limit := memory/512 + 3*256; m.held > uint64(limit) || m.buffers > limit+1024 { // of the lane's
		t.Errorf("%d packets were held, and %d buffers out; more than %d", m.held, m.buffers, limit)
	}
}

// watch looks at the stack, again and again, until done. What is held, in how many
// buffers, must stay within what the limits permit.
func (w *world) watch(done <-chan struct{}, live int) (m maximum) {
	w.t.Helper()
	for {
		m.neighbors = max(m.neighbors, len(w.stack.Neighbors()))
		m.routers = max(m.routers, len(w.iface.Routers()))
		m.addresses = max(m.addresses, len(w.iface.Addresses6()))
		m.routes = max(m.routes, len(w.stack.Routes()))
		m.buffers = max(m.buffers, packet.Live()-live)
		m.held = max(m.held, w.stack.Ledger().Held)
		select {
		case <-done:
			return m
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// uncounted returns how many packets the kernel had sent when its counters were made:
// what is on its way meanwhile has come in a moment later.
func (w *world) uncounted() (n uint64) {
	w.t.Helper()
	for again := ^uint64(0); n != again; again, n = n, w.iface.Stats().ReceivedPackets-w.nftCounter("others") {
		time.Sleep(10 * time.Millisecond)
	}
	return n
}

// nftCounter returns how many packets a counter of the table "count" has seen.
func (w *world) nftCounter(name string) uint64 {
	w.t.Helper()
	var list struct {
		Nftables []struct {
			Counter struct {
				Name    string `json:"name"`
				Packets uint64 `json:"packets"`
			} `json:"counter"`
		} `json:"nftables"`
	}
	if err := json.Unmarshal([]byte(w.ns.Run(w.t, "nft", "-j", "list", "counters")), &list); err != nil {
		w.t.Fatal(err)
	}
	for _, o := range list.Nftables {
		if o.Counter.Name == name {
			return o.Counter.Packets
		}
	}
	w.t.Fatalf("nft has no counter %q", name)
	return 0
}

// heapInUse returns the bytes that are reachable.
func heapInUse() int64 {
	for range 3 { // pools give up what they hold in two
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// table lists drops, the most frequent first.
func table(drops map[drop.Reason]uint64) string {
	var parts []string
	for _, r := range slices.SortedFunc(maps.Keys(drops), func(a, b drop.Reason) int { return int(drops[b]) - int(drops[a]) }) {
		parts = append(parts, fmt.Sprintf("%d %v", drops[r], r))
	}
	return strings.Join(parts, ", ")
}
