package stack

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// wordTracer notes what is refused or withheld, and why.
type wordTracer struct {
	stepTracer
	lines []string
}

func (w *wordTracer) Trace(e *trace.Event) {
	if e.Step == trace.Drop || e.Step == trace.Withhold {
		w.lines = append(w.lines, strings.TrimPrefix(e.Step.String()+" "+e.Reason.String()+" "+e.Detail, "withhold None "))
	}
}

// TestTracesSayWhichFilter: whatever keeps a datagram to a group from a program is told
// in words.
func TestTracesSayWhichFilter(t *testing.T) {
	w := new(wordTracer)
	h, l := onCable(t, Config{Tracer: w})
	n := h.eth0.Index()
	open := func(bind string, options ...socket.Option) *Socket {
		s := h.open(t, "")
		setOption(t, s, socket.ReuseAddr, 1)
		for _, o := range options {
			setOption(t, s, o, 0)
		}
		if err := s.Bind(netip.MustParseAddrPort(bind)); err != nil {
			t.Fatal(err)
		}
		return s
	}
	change := func(s *Socket, c socket.GroupChange, group, source string) {
		t.Helper()
		g := socket.Group{Address: groupAddr(group), Interface: n}
		if source != "" {
			g.Source = netip.MustParseAddr(source)
		}
		if err := s.ChangeGroup(c, g); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(what, group string, want ...string) {
		t.Helper()
		w.lines = nil
		l.deliver(groupFrame(group, "x"))
		if strings.Join(w.lines, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: traced\n%s\nwant\n%s", what, strings.Join(w.lines, "\n"), strings.Join(want, "\n"))
		}
	}
	const src = "10.0.0.9"

	hear("the card", "239.1.1.1", "drop MACFiltered card: no group that was joined here has 01:00:5e:01:01:01")
	w.lines = nil
	h.eth0.SetMode(link.Promiscuous)
	l.deliver(datagram{dst: "10.0.0.7:7", to: wire.MAC{2, 9}}.frame())
	h.eth0.SetMode(link.Normal)
	if len(w.lines) != 1 || w.lines[0] != "drop MACFiltered card: 02:09:00:00:00:00 is another's" {
		t.Errorf("unicast: traced %q", w.lines)
	}

	first := open("0.0.0.0:7")
	change(first, socket.JoinGroup, "239.1.1.1", "")
	hear("nobody is in its way", "239.1.1.1")
	hear("the list of groups", "224.129.1.1", "drop NotAMember groups: nobody here has joined 224.129.1.1; 239.1.1.1 has the same hardware address")
	h.eth0.SetMode(link.AllMulticast)
	hear("the list of groups, of a card that lets all in", "239.9.9.9", "drop NotAMember groups: nobody here has joined 239.9.9.9")
	h.eth0.SetMode(link.Normal)
	change(first, socket.BlockSource, "239.1.1.1", src)
	hear("the list's sources", "239.1.1.1", "drop SourceFiltered groups: nobody here wants "+src+" of 239.1.1.1")

	second := open("0.0.0.0:8")
	change(second, socket.JoinGroup, "239.1.1.1", "")
	hear("a socket's sources", "239.1.1.1",
		"socket 0.0.0.0:7: it does not want "+src+" of 239.1.1.1", "drop SourceFiltered sockets: nobody wants it")
	first.Close()
	hear("the port", "239.1.1.1", "drop NoPort sockets: nobody hears it on port 7")

	open("0.0.0.0:7", socket.MulticastAll)
	open("10.0.0.2:7")
	open("239.1.1.2:7")
	bound := open("0.0.0.0:7")
	setOption(t, bound, socket.BindInterface, 1)
	connected := open("0.0.0.0:7")
	to := open("239.1.1.1:7")
	for _, s := range []*Socket{connected, to} {
		if err := s.Connect(netip.MustParseAddrPort("10.0.0.99:9")); err != nil {
			t.Fatal(err)
		}
	}
	hear("what sockets there are", "239.1.1.1",
		"socket 0.0.0.0:7: it has not joined 239.1.1.1 here, and MULTICAST_ALL is off",
		"socket 10.0.0.2:7: it is bound to another address",
		"socket 239.1.1.2:7: it is bound to another address",
		"socket 0.0.0.0:7: it is bound to another interface",
		"socket 10.0.0.2:7-10.0.0.99:9: it is bound to another address",
		"socket 239.1.1.1:7-10.0.0.99:9: it is connected to 10.0.0.99:9",
		"drop SourceFiltered sockets: nobody wants it")
	good := open("0.0.0.0:7")
	w.lines = nil
	l.deliver(groupFrame("239.1.1.1", "x"))
	if len(w.lines) != 6 || len(payloads(t, good)) != 1 {
		t.Errorf("a socket in its way is in nobody else's: %q", w.lines)
	}
}
