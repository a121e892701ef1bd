package pcap_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/internal/leak"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/link/pcap"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/trace"
)

// A world is two stacks on a wire, the first of which captures.
type world struct {
	capture *pcap.Capture
	file    *bytes.Buffer
	stacks  [2]*stack.Stack
}

func newWorld(t *testing.T, wire mem.Config, cfg pcap.Config) *world {
	t.Helper()
	w := &world{file: new(bytes.Buffer)}
	v := clock.NewVirtual(time.Unix(1000, 0))
	cfg.Clock = v
	var err error
	if w.capture, err = pcap.New(w.file, cfg); err != nil {
		t.Fatal(err)
	}
	a, b := mem.Pair(wire)
	captured, err := w.capture.Link("eth0", a)
	if err != nil {
		t.Fatal(err)
	}
	if captured.Unwrap() != a {
		t.Error("Unwrap returns another link")
	}
	for i, l := range []link.Link{captured, b} {
		c := stack.Config{Name: fmt.Sprint("h", i+1), Clock: v}
		if i == 0 {
			c.Tracer = w.capture
		}
		s, err := stack.New(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		eth0, err := s.AddInterface("eth0", l)
		if err == nil {
			err = eth0.AddAddress(netip.PrefixFrom(addr(i), 24))
		}
		if err != nil {
			t.Fatal(err)
		}
		w.stacks[i] = s
	}
	return w
}

func addr(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}) }

func (w *world) open(t *testing.T, i int, port uint16) socket.Socket {
	t.Helper()
	s, err := w.stacks[i].Open(socket.IPv4)
	if err == nil {
		err = s.Bind(netip.AddrPortFrom(addr(i), port))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func send(t *testing.T, s socket.Socket, m socket.Message) {
	t.Helper()
	if n, err := s.TrySend([]socket.Message{m}); n != 1 || err != nil {
		t.Fatalf("TrySend: %d, %v", n, err)
	}
}

// packets returns how often the capture has the bytes.
func (w *world) packets(t *testing.T, want string) int {
	t.Helper()
	if err := w.capture.Flush(); err != nil {
		t.Fatal(err)
	}
	return bytes.Count(w.file.Bytes(), []byte(want))
}

func TestCapture(t *testing.T) {
	w := newWorld(t, mem.Config{}, pcap.Config{Node: "h1", Comment: "for a test"})
	a, b := w.open(t, 0, 7), w.open(t, 1, 7)
	send(t, a, socket.Message{Buf: []byte("there"), Addr: netip.AddrPortFrom(addr(1), 7)})
	send(t, b, socket.Message{Buf: []byte("back"), Addr: netip.AddrPortFrom(addr(0), 7)})
	send(t, b, socket.Message{Buf: []byte("nobody"), Addr: netip.AddrPortFrom(addr(0), 9)})
	for want, n := range map[string]int{
		"for a test": 1, "eth0": 1, "there": 1,
		"back":                     1,
		"nobody":                   2, // the ICMP error quotes it
		"dropped: NoPort":          1, // with the packet, not as another one
		"\x08\x00\x45":             4,
		"dropped: SocketClosed":    0,
		"dropped at h2: NoPort":    0,
		"\x08\x06\x00\x01\x08\x00": 2, // ARP
	} {
		if got := w.packets(t, want); got != n {
			t.Errorf("%q is there %d times, want %d", want, got, n)
		}
	}
	// Dropped when it is long in: once more, with the reason.
	a.Close()
	if got := w.packets(t, "dropped: SocketClosed"); got != 1 {
		t.Errorf("a datagram that was never read is noted %d times", got)
	}
	if got := w.packets(t, "back"); got != 2 {
		t.Errorf("it is there %d times, want 2", got)
	}
}

// What the link refuses has not passed; what the stack says of it is noted.
func TestRefused(t *testing.T) {
	w := newWorld(t, mem.Config{}, pcap.Config{})
	a := w.open(t, 0, 7)
	b := w.open(t, 1, 7)
	send(t, a, socket.Message{Buf: []byte("arrives"), Addr: netip.AddrPortFrom(addr(1), 7)})
	_ = b
	w.stacks[1].Close() // now there is no peer
	send(t, a, socket.Message{Buf: []byte("refused"), Addr: netip.AddrPortFrom(addr(1), 7)})
	if got := w.packets(t, "refused"); got != 1 {
		t.Errorf("a frame that was refused is there %d times, want 1", got)
	}
	if got := w.packets(t, "dropped: LinkNoPeer"); got != 1 {
		t.Errorf("why is there %d times, want 1", got)
	}
	if got := w.packets(t, "arrives"); got != 1 {
		t.Errorf("the one before is there %d times, want 1", got)
	}
}

// A tracer of the user's is told everything, and gives the numbers.
func TestTracer(t *testing.T) {
	var lines bytes.Buffer
	w := newWorld(t, mem.Config{}, pcap.Config{Tracer: trace.NewPrinter(&lines, time.Unix(1000, 0))})
	send(t, w.open(t, 0, 7), socket.Message{Buf: []byte("hello"), Addr: netip.AddrPortFrom(addr(1), 9)})
	if got := lines.String(); !strings.Contains(got, "#1 ") || !strings.Contains(got, "transmit 10.0.0.1:7 > 10.0.0.2:9") {
		t.Errorf("the tracer printed\n%s", got)
	}
}

// broken is a file that takes no more.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestBrokenFile(t *testing.T) {
	c, err := pcap.New(broken{}, pcap.Config{})
	if err != nil {
		t.Fatal(err) // nothing has been written yet
	}
	a, b := mem.Pair(mem.Config{Kind: link.IP})
	l, err := c.Link("ip0", a)
	if err != nil {
		t.Fatal(err)
	}
	b.Attach(discard{})
	for range 1000 {
		f := packet.New(200)
		clear(f.Append(200))
		if n, err := l.Write(f.Single()); n != 1 || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
	}
	if err := c.Flush(); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("Flush: %v", err)
	}
}

type discard struct{}

func (discard) Deliver(_ int, frames []*packet.Buffer) { packet.ReleaseAll(frames) }

// Every checksum in a capture is finished, of trains in both directions too, and
// tshark finds nothing malformed.
func TestTsharkIsContent(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("needs tshark: apt-get install tshark")
	}
	w := newWorld(t, mem.Config{Segmentation: true}, pcap.Config{})
	a, b := w.open(t, 0, 7000), w.open(t, 1, 7000)
	train := socket.Message{Buf: bytes.Repeat([]byte("x"), 5500), Addr: netip.AddrPortFrom(addr(1), 7000),
		Set: socket.FieldSegmentSize, SegmentSize: 1000}
	send(t, a, socket.Message{Buf: []byte("first"), Addr: netip.AddrPortFrom(addr(1), 7000)})
	send(t, a, train)
	train.Addr = netip.AddrPortFrom(addr(0), 7000)
	send(t, b, train)
	if err := w.capture.Flush(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.pcapng")
	if err := os.WriteFile(path, w.file.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	tshark := func(args ...string) string {
		out, err := exec.Command("tshark", append([]string{"-n", "-r", path, "-d", "udp.port==7000,data",
			"-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got := tshark("-Y", "_ws.malformed || ip.checksum.status==0 || udp.checksum.status==0"); got != "" {
		t.Errorf("tshark complains of\n%s", got)
	}
	got := strings.Fields(tshark("-Y", "udp.checksum.status==1", "-T", "fields", "-e", "udp.length"))
	want := strings.Fields("13 1008 1008 1008 1008 1008 508 1008 1008 1008 1008 1008 508")
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("UDP lengths %v, want %v", got, want)
	}
}

func TestMain(m *testing.M) { leak.Main(m) }
