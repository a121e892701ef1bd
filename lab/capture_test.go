package lab_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// journal is a Tracer that keeps the steps.
type journal struct {
	ids    uint64
	events []trace.Event
}

func (j *journal) NewID() uint64 { j.ids++; return j.ids }

func (j *journal) Trace(e *trace.Event) {
	c := *e
	c.Frame = bytes.Clone(e.Frame)
	j.events = append(j.events, c)
}

// lossy runs three datagrams, of which the first is lost, the second is for a
// port where nobody listens, and the third arrives.
func lossy(t *testing.T, cfg lab.Config) *lab.Lab {
	l := lab.New(cfg)
	t.Cleanup(func() { l.Close() })
	lan := l.AddSwitch("lan")
	h1, h2 := l.AddHost("h1"), l.AddHost("h2")
	attach(t, h1, lan, "10.0.0.1/24", lab.Faults{Loss: 1})
	attach(t, h2, lan, "10.0.0.2/24", lab.Faults{})
	know(t, h1, h2)
	echo(h2, ":7")
	h1.Go("send", func(ctx context.Context) error {
		for _, port := range []string{"7", "9", "7"} {
			c, err := dial(ctx, h1, "h2:"+port)
			if err != nil {
				return err
			}
			c.Write([]byte("hello " + port))
			h1.Sleep(ctx, time.Second)
			c.Close()
		}
		return nil
	})
	l.At(time.Second/2, func() { h1.SetFaults("eth0", lab.Faults{}, lab.Faults{}) })
	run(t, l, time.Minute)
	return l
}

func TestCapture(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "captures")
	l := lossy(t, lab.Config{Capture: dir})
	must(t, l.Close())
	for name, tt := range map[string]struct {
		packets int // by their number of IPv4 headers behind Ethernet's
		want    []string
	}{
		// What h1 sent: lost, refused, answered; what it got: the ICMP
		// error and the echo, and this once more when it was lost unread.
		"h1": {6, []string{"dropped: LinkLoss (sending)", "dropped: SocketClosed", "h1 eth0 on lan"}},
		"h2": {4, []string{"dropped: NoPort", "h2 eth0 on lan"}},
	} {
		b, err := os.ReadFile(filepath.Join(dir, name+".pcapng"))
		must(t, err)
		for _, s := range tt.want {
			if !bytes.Contains(b, []byte(s)) {
				t.Errorf("%s: the capture does not say %q", name, s)
			}
		}
		if n := bytes.Count(b, []byte("\x08\x00\x45")); n != tt.packets {
			t.Errorf("%s: %d packets, want %d", name, n, tt.packets)
		}
	}
	// Where it cannot be written, attaching says so.
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o666))
	l = lab.New(lab.Config{Capture: file})
	defer l.Close()
	if _, err := l.AddHost("h").Attach(l.AddSwitch("lan"), lab.LinkConfig{}); err == nil || !strings.Contains(err.Error(), "capture") {
		t.Errorf("Attach = %v", err)
	}
}

// TestTraceFollowsADatagram: the steps of one packet, from socket to socket,
// have one number and come in order, with and without a capture.
func TestTraceFollowsADatagram(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		var j journal
		lossy(t, lab.Config{Tracer: &j, Capture: dir})
		journeys := make(map[uint64][]string)
		var order []uint64
		for _, e := range j.events {
			if journeys[e.Packet] == nil {
				order = append(order, e.Packet)
			}
			s := strings.TrimSpace(e.Node+" "+e.Interface) + " " + e.Step.String()
			if e.Reason != drop.None {
				s += " " + e.Reason.String()
			}
			journeys[e.Packet] = append(journeys[e.Packet], s)
			if e.Packet == 0 || e.Frame == nil {
				t.Errorf("step without a packet: %v", &e)
			}
		}
		want := []string{
			"h1 eth0 send, h1 eth0 transmit, h1 eth0 drop LinkLoss",
			"h1 eth0 send, h1 eth0 transmit, lan carry, h2 eth0 receive, h2 eth0 drop NoPort",
			"h2 eth0 generate, h2 eth0 transmit, lan carry, h1 eth0 receive, h1 eth0 consume",
			"h1 eth0 send, h1 eth0 transmit, lan carry, h2 eth0 receive, h2 eth0 queue, h2 eth0 read",
			"h2 eth0 send, h2 eth0 transmit, lan carry, h1 eth0 receive, h1 eth0 queue, h1 eth0 drop SocketClosed",
		}
		for i, id := range order {
			if i >= len(want) {
				t.Errorf("another packet: %v", journeys[id])
			} else if got := strings.Join(journeys[id], ", "); got != want[i] {
				t.Errorf("packet %d:\n got %s\nwant %s", i+1, got, want[i])
			}
		}
	}
}

// TestCaptureFinishesChecksums: in the lab nobody looks at checksums, and so nobody
// makes them; who reads a capture does.
func TestCaptureFinishesChecksums(t *testing.T) {
	dir := t.TempDir()
	must(t, lossy(t, lab.Config{Capture: dir}).Close())
	for _, name := range []string{"h1", "h2"} {
		b, err := os.ReadFile(filepath.Join(dir, name+".pcapng"))
		must(t, err)
		datagrams := 0
		for {
			at := bytes.Index(b, []byte("\x08\x00\x45"))
			if at < 0 {
				break
			}
			b = b[at+2:]
			h, _, payload, err := wire.ParseIPv4(b)
			if err != nil || h.Protocol() != wire.ProtocolUDP {
				continue
			}
			u, data, err := wire.ParseUDP(payload)
			if err != nil || !u.ChecksumOK(h.PseudoSum(u.Length()), data) {
				t.Errorf("%s: %v > %v: the checksum %#x is wrong, %v", name, h.Source(), h.Destination(), u.Checksum(), err)
			}
			datagrams++
		}
		if datagrams < 3 {
			t.Errorf("%s: %d datagrams were looked at", name, datagrams)
		}
	}
}
