package lab_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
)

func TestReport(t *testing.T) {
	l := lossy(t, lab.Config{})
	want := strings.TrimLeft(`
WHERE            IN  MADE  OUT  READ  DROPPED
h1                2     3    3     -  1 SocketClosed
  h1 eth0 > lan   3     -    2     -  1 LinkLoss
  h1 eth0 < lan   2     -    2     -
h2                2     2    2     1  1 NoPort
  h2 eth0 > lan   2     -    2     -
  h2 eth0 < lan   2     -    2     -
lan               4     -    4     -
`, "\n")
	if got := l.Report().String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	b, err := json.Marshal(l.Report())
	must(t, err)
	var v struct {
		Elapsed     time.Duration `json:"elapsed_ns"`
		Fingerprint string
		Hosts       []struct {
			Name                                         string
			Generated, Received, Sent, Delivered, Queued uint64
			Dropped                                      map[string]int
		}
		Links []struct {
			Host, Interface, Segment string
			Send, Receive            struct {
				Frames, Duplicated, Arrived, Underway uint64
				Dropped                               map[string]int
			}
		}
		Segments []struct {
			Name                      string
			Frames, Copies, Forwarded uint64
		}
		Dropped map[string]int
	}
	must(t, json.Unmarshal(b, &v))
	if v.Elapsed != time.Minute || v.Fingerprint != fmt.Sprint(l.Fingerprint()) || v.Hosts[0].Name != "h1" || v.Hosts[1].Delivered != 1 ||
		v.Hosts[1].Dropped["NoPort"] != 1 || v.Links[0].Host != "h1" || v.Links[0].Segment != "lan" || v.Links[0].Send.Frames != 3 ||
		v.Links[0].Send.Dropped["LinkLoss"] != 1 || v.Segments[0].Forwarded != 4 || v.Dropped["NoPort"] != 1 {
		t.Errorf("as JSON: %s", b)
	}
}

// TestReportOfWhatIsUnderWay has a frame on the wire and a datagram unread.
func TestReportOfWhatIsUnderWay(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	lan := l.AddSwitch("lan")
	h1, h2 := l.AddHost("h1"), l.AddHost("h2")
	attach(t, h1, lan, "10.0.0.1/24", lab.Faults{Delay: time.Second})
	attach(t, h2, lan, "10.0.0.2/24", lab.Faults{})
	know(t, h1, h2)
	s2, err := h2.Open(socket.IPv4)
	must(t, err)
	must(t, s2.Bind(netip.MustParseAddrPort("0.0.0.0:7")))
	s1, err := h1.Open(socket.IPv4)
	must(t, err)
	send := func() {
		_, err := s1.TrySend([]socket.Message{{Buf: []byte("x"), Addr: netip.MustParseAddrPort("10.0.0.2:7")}})
		must(t, err)
	}
	send()
	run(t, l, 2*time.Second)
	send()
	r := l.Report()
	if s := r.String(); !strings.Contains(s, "h1 eth0 > lan   2     -    1     -  1 waiting") || r.Links[0].Send.Underway != 1 || r.Hosts[1].Queued != 1 {
		t.Errorf("got\n%s", s)
	}
	checkLedger(t, l)
	l.Close()
	if r := l.Report(); r.Dropped[drop.LinkDown] != 1 || r.Dropped[drop.SocketClosed] != 1 {
		t.Errorf("after Close\n%s", r)
	}
}

// TestHopsDoNotAllocate: once everything is warm, a datagram that crosses a
// switch costs no allocation, whatever the faults.
func TestHopsDoNotAllocate(t *testing.T) {
	if packet.Checking {
		t.Skip("the race detector makes pools forget: run without it")
	}
	for name, f := range map[string]lab.Faults{
		"perfect": {},
		"faulty":  {Delay: time.Millisecond, Jitter: time.Millisecond / 2, Rate: 1_000_000_000, Loss: 0.01, Duplicate: 0.01, Reorder: 0.01},
	} {
		l := lab.New(lab.Config{})
		defer l.Close()
		lan := l.AddSwitch("lan")
		h1, h2 := l.AddHost("h1"), l.AddHost("h2")
		attach(t, h1, lan, "10.0.0.1/24", f)
		attach(t, h2, lan, "10.0.0.2/24", f)
		know(t, h1, h2)
		s1, err := h1.Open(socket.IPv4)
		must(t, err)
		s2, err := h2.Open(socket.IPv4)
		must(t, err)
		must(t, s2.Bind(netip.MustParseAddrPort("10.0.0.2:7")))
		must(t, s1.Connect(netip.MustParseAddrPort("10.0.0.2:7")))
		out := []socket.Message{{Buf: make([]byte, 100)}}
		in := []socket.Message{{Buf: make([]byte, 100)}}
		step := func() {
			for range 20 {
				s1.TrySend(out)
			}
			l.Run(5 * time.Millisecond)
			for {
				if _, err := s2.TryRecv(in); err != nil {
					break
				}
			}
		}
		for range 100 {
			step()
		}
		if n := testing.AllocsPerRun(200, step); n >= 1 {
			t.Errorf("%s: 20 datagrams allocate %v times", name, n)
		}
	}
}
