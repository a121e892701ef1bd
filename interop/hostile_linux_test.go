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

// echo answers everybody until the socket is closed.
func echo(c *castnet.Conn) {
	buf := make([]byte, 65536)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		c.WriteToUDPAddrPort(buf[:n], from) // there may be no way to whom it claims to be
	}
}

// A hundred thousand malformed and misleading frames, from a script with scapy,
// are thrown at a stack with sockets of several sorts while the kernel exchanges
// datagrams with one of them: nothing panics or grows, all is accounted for, what
// the stack sends meanwhile is well formed, and the kernel misses no answer.
func TestHostileFrames(t *testing.T) {
	w := newWorld(t, "nft")
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
	}
	w.open(gateway)
	goroutines, heap := runtime.NumGoroutine(), heapInUse()
	// Every frame is to come up, also those that a card in its usual mode, which the
	// kernel plays, would not let in.
	if err := w.iface.SetMode(link.Promiscuous); err != nil {
		t.Fatal(err)
	}
	// Who can be believed is told beforehand, since anybody may claim by ARP to
	// be the peer.
	if err := w.iface.AddNeighbor(kernel, w.kernelMAC()); err != nil {
		t.Fatal(err)
	}
	w.ns.Run(t, "ip", "neigh", "replace", ours.String(), "lladdr", ourMAC.String(), "nud", "permanent", "dev", "cn0")
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
	if err := w.capture.ignoreOutgoing(); err != nil { // some of which claim to be ours
		t.Fatal(err)
	}

	const ourPort, peerPort = 7081, 7080
	peer := netip.AddrPortFrom(kernel, peerPort)
	told := make(chan int, 1)
	c := w.dialFrom(ourPort, peer)
	c.SetDeadline(time.Time{})
	go func() { told <- reflect(c) }()
	server := w.listen(7)
	server.SetDeadline(time.Time{})
	go echo(server)
	// One that wants to know of every error and never looks.
	deaf, err := w.stack.OpenSocket(socket.IPv4)
	if err == nil {
		err = deaf.SetOption(socket.ReceiveErrors, 1)
	}
	if err == nil {
		err = deaf.Bind(netip.AddrPortFrom(ours, ourPort+1))
	}
	if err == nil {
		err = deaf.Connect(peer)
	}
	if err != nil {
		t.Fatal(err)
	}
	k := w.kernelSocket(peerPort)
	k.SetDeadline(time.Time{})
	good := newExchanger(k, netip.AddrPortFrom(ours, ourPort))

	attacker := start(t, w.ns, nil, python, "testdata/hostile.py", "--seed", fmt.Sprint(seed), "--count", fmt.Sprint(count),
		"--interface", "cn0", "--ours", ours.String(), "--our-mac", ourMAC.String(), "--our-port", fmt.Sprint(ourPort),
		"--peer", kernel.String(), "--peer-mac", w.kernelMAC().String(), "--peer-port", fmt.Sprint(peerPort))
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
		return w.iface.Stats().ReceivedPackets == w.nftCounter("hostile")+w.nftCounter("others")
	})
	// The peer did not notice.
	if answered, lost := good.answered.Load(), good.lost.Load(); lost != 0 || answered < 100 {
		t.Errorf("the kernel's peer had %d answers and missed %d", answered, lost)
	}
	// Nothing grew while it was going on.
	if most.neighbors > neighbors+1 { // and the one that was told
		t.Errorf("%d neighbours were known, the limit is %d", most.neighbors, neighbors)
	}
	// What is held: fragments, of which none takes less than half a kilobyte, and
	// what three sockets have room for.
	if limit := memory/512 + 3*256; most.held > uint64(limit) || most.buffers > limit+1024 { // of the lane's
		t.Errorf("%d packets were held, and %d buffers out; more than %d", most.held, most.buffers, limit)
	}
	drops := w.stack.Drops().Map()
	for _, r := range []drop.Reason{
		drop.MACFiltered, drop.UnknownEtherType, drop.PacketMalformed, drop.BadChecksum,
		drop.OptionsRejected, drop.MartianSource, drop.MartianDestination, drop.NotLocal, drop.ReassemblyOverlap,
		drop.ReassemblyDuplicate, drop.ReassemblyMalformed, drop.ReassemblyMemory,
		drop.UnknownProtocol, drop.ICMPUnmatched, drop.ICMPUnsupported, drop.DatagramMalformed, drop.NoPort,
	} {
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
	t.Logf("at most %d neighbours, %d buffers and %d packets held; the heap has grown by %d bytes", most.neighbors, most.buffers, most.held, grown)
	t.Logf("the ledger: %+v", l)
}

// A maximum is the most there was of something.
type maximum struct {
	neighbors, buffers int
	held               uint64
}

// watch looks at the stack, again and again, until done. What is held, in how many
// buffers, must stay within what the limits permit.
func (w *world) watch(done <-chan struct{}, live int) (m maximum) {
	w.t.Helper()
	for {
		m.neighbors = max(m.neighbors, len(w.stack.Neighbors()))
		m.buffers = max(m.buffers, packet.Live()-live)
		m.held = max(m.held, w.stack.Ledger().Held)
		select {
		case <-done:
			return m
		case <-time.After(5 * time.Millisecond):
		}
	}
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
