package interop

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/netspec"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

// patience is how long anything may take; it is only waited for if something is
// wrong.
const patience = 20 * time.Second

// The two ends of the TAP device.
var (
	ours   = netip.MustParseAddr("10.0.0.2")
	kernel = netip.MustParseAddr("10.0.0.1")
	ourMAC = wire.MAC{2, 0xca, 0x57, 0, 0, 2}
)

// spec is the network that our end is on, as castnet's --on takes it.
const spec = "tap,name=cn0,addr=10.0.0.2/24,host=10.0.0.1/24,mac=02:ca:57:00:00:02"

// require skips the test unless the tests of this package are asked for, and
// fails it if they are and cannot be run.
func require(t *testing.T, programs ...string) {
	t.Helper()
	if os.Getenv("CASTNET_INTEROP") != "1" {
		t.Skip("talks to the kernel and real programs, in network namespaces; to run it: sudo env CASTNET_INTEROP=1 go test ./interop")
	}
	if os.Geteuid() != 0 {
		t.Fatal("CASTNET_INTEROP=1 needs root, to make network namespaces and TAP devices")
	}
	packages := map[string]string{
		"ip": "iproute2", "tshark": "tshark", "socat": "socat", "ping": "iputils-ping", "dig": "bind9-dnsutils",
		"iperf": "iperf", "traceroute": "traceroute", "tracepath": "iputils-tracepath", "nft": "nftables", "conntrack": "conntrack",
		"ssmping": "ssmping", "ssmpingd": "ssmping", "asmping": "ssmping", "avahi-daemon": "avahi-daemon",
		"avahi-browse": "avahi-utils", "avahi-resolve": "avahi-utils", "dbus-daemon": "dbus-daemon", "radvd": "radvd", "uftp": "uftp", "uftpd": "uftp",
	}
	for _, name := range append([]string{"ip", "tshark"}, programs...) {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("CASTNET_INTEROP=1 needs %s: apt-get install %s", name, packages[name])
		}
	}
}

// A world is what a test has for itself: a network namespace, a capture of all
// that its devices see, and a directory.
type world struct {
	t       *testing.T
	ns      *netns.Namespace
	dir     string
	capture *capture

	// services says that the ports say what the payloads are.
	services bool
	// stations are the others whose frames come in.
	stations []wire.MAC
	// chatter says that the kernel talks of groups to others: a TAP device lets all
	// frames pass until it is told which, and while it is told anew.
	chatter bool
	// hostile says that others send what is malformed, which ICMP errors of ours
	// may quote.
	hostile bool
	// mac is our station's hardware address.
	mac wire.MAC
	// config is what the stack is like that open makes, but for its name.
	config stack.Config
	// family is that of a test which is run for each.
	family *family

	stack *stack.Stack
	iface *stack.Interface
	// count, if not nil, says how many frames we have sent by our own count;
	// sent is what it said before the capture ended and after.
	count func() uint64
	sent  [2]uint64
}

// newWorld returns a world in which there is nothing but a loopback interface.
// When the test ends, every frame of ours is judged.
func newWorld(t *testing.T, programs ...string) *world {
	t.Helper()
	w := newLawlessWorld(t, programs...)
	t.Cleanup(w.judge)
	return w
}

// newLawlessWorld returns a world in which nothing is judged.
func newLawlessWorld(t *testing.T, programs ...string) *world {
	t.Helper()
	require(t, programs...)
	w := &world{t: t, ns: netns.New(t), dir: t.TempDir(), mac: ourMAC}
	w.capture = newCapture(t, w.ns, filepath.Join(w.dir, "capture.pcapng"))
	return w
}

// stop ends the capture, and notes how much the stack says it has sent by then.
func (w *world) stop() {
	if w.capture.stopped {
		return
	}
	if w.count != nil {
		w.sent[0] = w.count()
	}
	w.capture.stop()
	if w.count != nil {
		w.sent[1] = w.count()
	}
}

// ourFrames ends the capture and returns the fields of our frames that pass the
// display filter.
func (w *world) ourFrames(filter string, fields ...string) [][]string {
	w.t.Helper()
	w.stop()
	list, err := tshark(w.capture.path, w.services, fmt.Sprintf("eth.src==%v && %s && (%s)", w.mac, cameIn, filter), fields...)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// judge fails the test if one of our frames is not as it should be.
func (w *world) judge() {
	w.stop()
	if w.t.Failed() {
		return // the cause is known; what follows from it is not worth telling
	}
	verdicts, err := judge(w.capture.path, w.services, w.mac)
	if err != nil {
		w.t.Error(err)
		return
	}
	faults := 0
	for _, v := range verdicts {
		if v.fault != "" && !(w.hostile && v.quotes) {
			if faults++; faults <= 10 {
				w.t.Error(v.fault)
			}
		}
	}
	for mac, n := range w.capture.incoming {
		if mac != w.mac && !slices.Contains(w.stations, mac) {
			w.t.Errorf("%d frames came from %v, which is nobody's address", n, mac)
		}
	}
	if n := w.capture.incoming[w.mac]; len(verdicts) != n || n == 0 {
		w.t.Errorf("%d frames of ours were captured and %d judged", n, len(verdicts))
	}
	if n := uint64(len(verdicts)); w.count != nil && (n < w.sent[0] || n > w.sent[1]) {
		w.t.Errorf("by our own count we sent %d frames, and %d when the capture had ended; it has %d", w.sent[0], w.sent[1], n)
	}
	w.t.Logf("tshark finds fault with %d of %d frames of ours: %s", faults, len(verdicts), summary(verdicts))
}

// open opens a stack on the TAP device, in this process. When the test ends, its
// ledger must balance.
func (w *world) open(more string) *stack.Stack {
	w.t.Helper()
	return w.openOn(spec + more)
}

// openOn is open on another network, whose device is cn0.
func (w *world) openOn(text string) *stack.Stack {
	w.t.Helper()
	s, err := netspec.Parse(text)
	if err != nil {
		w.t.Fatal(err)
	}
	var n castnet.Network
	cfg := w.config
	cfg.Name = "ours"
	w.ns.Do(func() { n, _, err = s.Open(w.t.Context(), cfg) })
	if err != nil {
		w.t.Fatal(err)
	}
	w.stack = n.(*stack.Stack)
	w.iface = w.stack.Interface("cn0")
	w.count = func() uint64 { return w.iface.Stats().SentPackets }
	w.t.Cleanup(func() {
		if err := w.stack.Close(); err != nil {
			w.t.Error(err)
		}
		if l := w.stack.Ledger(); !l.Balanced() {
			w.t.Errorf("the ledger does not balance: %+v", l)
		}
	})
	return w.stack
}

// listen returns a Conn of ours that listens on the port.
func (w *world) listen(port int) *castnet.Conn {
	w.t.Helper()
	network := "udp4"
	if w.family != nil {
		network = w.family.network
	}
	cfg := castnet.Config{On: w.stack}
	c, err := cfg.Listen(w.t.Context(), network, fmt.Sprintf(":%d", port))
	return w.conn(c, err)
}

// dial returns a Conn of ours that is connected to the address.
func (w *world) dial(to netip.AddrPort) *castnet.Conn { return w.dialFrom(0, to) }

// dialFrom returns a Conn of ours that is bound to the port and connected to the
// address.
func (w *world) dialFrom(port uint16, to netip.AddrPort) *castnet.Conn {
	w.t.Helper()
	network, own := "udp4", ours
	if w.family != nil {
		network, own = w.family.network, w.family.ours
	}
	cfg := castnet.Config{On: w.stack, LocalAddr: netip.AddrPortFrom(own, port)}
	c, err := cfg.Dial(w.t.Context(), network, to.String())
	return w.conn(c, err)
}

func (w *world) conn(c *castnet.Conn, err error) *castnet.Conn {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// kernelSocket returns a socket of the kernel's, bound to the port.
func (w *world) kernelSocket(port int) *net.UDPConn {
	w.t.Helper()
	var c *net.UDPConn
	var err error
	w.ns.Do(func() { c, err = net.ListenUDP("udp4", &net.UDPAddr{IP: kernel.AsSlice(), Port: port}) })
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// wantDrops fails the test unless the stack has dropped that and nothing else.
// What is dropped is counted when the frames that came with it are dealt with,
// which may be after the answer.
func (w *world) wantDrops(want map[drop.Reason]uint64) {
	w.t.Helper()
	drops := func() map[drop.Reason]uint64 {
		got := w.stack.Drops().Map()
		if w.chatter {
			delete(got, drop.MACFiltered)
		}
		return got
	}
	end := time.Now().Add(patience)
	for got := drops(); !maps.Equal(got, want); got = drops() {
		if time.Now().After(end) {
			w.t.Errorf("the stack dropped %v, want %v", got, want)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// bound waits until a socket of the namespace is bound to the UDP port.
func bound(t *testing.T, ns *netns.Namespace, port int) {
	t.Helper()
	eventually(t, fmt.Sprintf("somebody to listen on port %d", port), func() bool {
		var list []byte
		var err error
		ns.Do(func() { list, err = os.ReadFile("/proc/thread-self/net/udp") })
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(list), fmt.Sprintf(":%04X ", port))
	})
}
