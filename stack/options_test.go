package stack

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

// optionRow is what an option is at first, what it takes and what it refuses.
type optionRow struct {
	first  int
	reads  map[int]int // what is set, and what is then read
	refuse map[int]error
}

func boolRow(first int) optionRow {
	return optionRow{first: first, reads: map[int]int{1: 1, 0: 0, 7: 1, -1: 1}}
}

var optionRows = map[socket.Option]optionRow{
	socket.ReuseAddr:         boolRow(0),
	socket.ReusePort:         boolRow(0),
	socket.FreeBind:          boolRow(0),
	socket.Transparent:       boolRow(0),
	socket.Mark:              {0, map[int]int{7: 7, math.MaxUint32: math.MaxUint32, 0: 0}, map[int]error{-1: syscall.EINVAL, math.MaxUint32 + 1: syscall.EINVAL}},
	socket.Broadcast:         boolRow(0),
	socket.NoChecksum:        boolRow(0),
	socket.MulticastLoopback: boolRow(1),
	socket.MulticastAll:      boolRow(1),
	socket.DontFragment:      boolRow(0),
	socket.ReceiveErrors:     boolRow(0),
	socket.BindInterface: {0, map[int]int{1: 1, 2: 2, 0: 0},
		map[int]error{-1: syscall.EINVAL, 9: syscall.ENODEV}},
	socket.MulticastInterface: {0, map[int]int{1: 1, 2: 2, 0: 0},
		map[int]error{-1: syscall.EINVAL, 9: syscall.EADDRNOTAVAIL}},
	socket.ReceiveBuffer: {212992, map[int]int{0: 2304, -5: 425984, 1152: 2304, 1153: 2306, 100000: 200000, 212992: 425984, 1 << 40: 425984}, nil},
	socket.SendBuffer:    {212992, map[int]int{0: 4608, -5: 425984, 2305: 4610, 100000: 200000, 212992: 425984, 1 << 40: 425984}, nil},
	socket.TTL: {64, map[int]int{1: 1, 255: 255, -1: 64},
		map[int]error{0: syscall.EINVAL, 256: syscall.EINVAL, -2: syscall.EINVAL}},
	socket.MulticastTTL: {1, map[int]int{0: 0, 255: 255, -1: 1},
		map[int]error{256: syscall.EINVAL, -2: syscall.EINVAL}},
	socket.TOS: {0, map[int]int{255: 255, 3: 3, 0: 0},
		map[int]error{-1: syscall.EINVAL, 256: syscall.EINVAL}},
	socket.Report: {0, map[int]int{int(reportable): int(reportable), 1: 1, 0: 0},
		map[int]error{-1: syscall.EINVAL, 1 << 16: syscall.EINVAL, 1 << 15: syscall.EINVAL}},
	socket.PortRange: {0, map[int]int{5 | 6<<16: 5 | 6<<16, 5: 5, 6 << 16: 6 << 16, 0: 0},
		map[int]error{6 | 5<<16: syscall.EINVAL, -1: syscall.EINVAL}},
	socket.MTUDiscovery: {1, map[int]int{0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5},
		map[int]error{-1: syscall.EINVAL, 6: syscall.EINVAL}},
	socket.Error:      {0, nil, map[int]error{1: syscall.ENOPROTOOPT}},
	socket.NextSize:   {0, nil, map[int]error{1: syscall.ENOPROTOOPT}},
	socket.SendQueued: {0, nil, map[int]error{1: syscall.ENOPROTOOPT}},
}

func TestOptions(t *testing.T) {
	h, _ := onCable(t, Config{})
	for o := socket.Option(1); o < socket.Option(socket.Options); o++ {
		row, ok := optionRows[o]
		if !ok {
			if o != socket.IPv6Only && o != socket.AutoFlowLabel && o != socket.PathMTU {
				t.Errorf("%v has no row", o)
			}
			continue
		}
		t.Run(o.String(), func(t *testing.T) {
			s := h.open(t, "")
			if v, err := s.Option(o); v != row.first || err != nil {
				t.Errorf("at first: %d, %v, want %d", v, err, row.first)
			}
			for set, want := range row.reads {
				if err := s.SetOption(o, set); err != nil {
					t.Errorf("set %d: %v", set, err)
				}
				if v, err := s.Option(o); v != want || err != nil {
					t.Errorf("set %d: reads %d, %v, want %d", set, v, err, want)
				}
			}
			before, _ := s.Option(o)
			for set, want := range row.refuse {
				if err := s.SetOption(o, set); !errors.Is(err, want) {
					t.Errorf("set %d: %v, want %v", set, err, want)
				}
				if v, _ := s.Option(o); v != before {
					t.Errorf("refused, %d changed %d to %d", set, before, v)
				}
			}
			s.Close()
			if _, err := s.Option(o); err != socket.ErrClosed {
				t.Errorf("after Close: %v", err)
			}
			if err := s.SetOption(o, 0); err != socket.ErrClosed {
				t.Errorf("set after Close: %v", err)
			}
		})
	}
	s := h.open(t, "")
	for _, o := range []socket.Option{0, socket.IPv6Only, socket.AutoFlowLabel, socket.Option(socket.Options), 255} {
		if err := s.SetOption(o, 1); err != syscall.ENOPROTOOPT {
			t.Errorf("set %v: %v, want ENOPROTOOPT", o, err)
		}
		want := syscall.ENOPROTOOPT
		if o == socket.IPv6Only || o == socket.AutoFlowLabel {
			want = syscall.EOPNOTSUPP // of another level, Linux says
		}
		if _, err := s.Option(o); err != want {
			t.Errorf("%v: %v, want %v", o, err, want)
		}
	}
}

func TestConfiguredBufferSizes(t *testing.T) {
	h, _ := onCable(t, Config{ReceiveBuffer: 5000, SendBuffer: 6000, MaxReceiveBuffer: 7000, MaxSendBuffer: 8000})
	s := h.open(t, "")
	for o, want := range map[socket.Option][2]int{socket.ReceiveBuffer: {5000, 14000}, socket.SendBuffer: {6000, 16000}} {
		if v, _ := s.Option(o); v != want[0] {
			t.Errorf("%v at first: %d, want %d", o, v, want[0])
		}
		setOption(t, s, o, 1<<20)
		if v, _ := s.Option(o); v != want[1] {
			t.Errorf("%v at most: %d, want %d", o, v, want[1])
		}
	}
}

// An option holds from the next datagram on, although the path was kept.
func TestOptionsHoldFromTheNextDatagram(t *testing.T) {
	h, l := known(t, Config{})
	s := h.connected(t, "", "10.0.0.9:9")
	last := func() sentDatagram {
		send(t, s, "x", "")
		return l.datagrams(t)[0]
	}
	last()
	setOption(t, s, socket.TTL, 3)
	if d := last(); d.ip.TTL() != 3 {
		t.Errorf("TTL %d", d.ip.TTL())
	}
	setOption(t, s, socket.TOS, 0x2e)
	if d := last(); d.ip.TOS() != 0x2e || d.ip.TTL() != 3 {
		t.Errorf("TOS %#x, TTL %d", d.ip.TOS(), d.ip.TTL())
	}
	setOption(t, s, socket.DontFragment, 0)
	if d := last(); d.ip.DontFragment() {
		t.Error("don't fragment is set")
	}
	setOption(t, s, socket.NoChecksum, 1)
	if d := last(); d.checksum {
		t.Error("there is a checksum")
	}
	setOption(t, s, socket.BindInterface, 1)
	try(s, "x", "")
	if d := l.datagrams(t); len(d) != 0 {
		t.Error("sent by another interface than it is bound to")
	}
	setOption(t, s, socket.BindInterface, 0)
	if d := last(); d.ip.TTL() != 3 {
		t.Errorf("TTL %d", d.ip.TTL())
	}
	checkLedger(t, h)
}

// Consent to share counts as it is when the second one binds, also if it was
// given after the first had bound; it does not change who was bound last.
func TestReuseOptionsOfABoundSocket(t *testing.T) {
	h, l := known(t, Config{})
	a := h.open(t, "0.0.0.0:7")
	b := h.open(t, "")
	setOption(t, b, socket.ReuseAddr, 1)
	if err := b.Bind(netip.MustParseAddrPort("0.0.0.0:7")); err != syscall.EADDRINUSE {
		t.Fatalf("without a's consent: %v", err)
	}
	setOption(t, a, socket.ReuseAddr, 1)
	if err := b.Bind(netip.MustParseAddrPort("0.0.0.0:7")); err != nil {
		t.Fatal(err)
	}
	setOption(t, a, socket.ReuseAddr, 0)
	setOption(t, a, socket.ReuseAddr, 1)
	l.deliver(datagram{payload: "x"}.frame())
	if got := payloads(t, b); !slices.Equal(got, []string{"x"}) {
		t.Errorf("b, bound last, received %q", got)
	}
	b.Close()
	l.deliver(datagram{payload: "y"}.frame())
	if got := payloads(t, a); !slices.Equal(got, []string{"y"}) {
		t.Errorf("a received %q", got)
	}
	checkLedger(t, h)
}

func TestPathMTU(t *testing.T) {
	h, _ := known(t, Config{})
	s := h.open(t, "")
	if _, err := s.Option(socket.PathMTU); err != syscall.ENOTCONN {
		t.Errorf("unconnected: %v, want ENOTCONN", err)
	}
	for peer, want := range map[string]int{"10.0.0.9:9": 1500, "127.0.0.1:9": 65535} {
		if v, err := h.connected(t, "", peer).Option(socket.PathMTU); v != want || err != nil {
			t.Errorf("to %s: %d, %v, want %d", peer, v, err, want)
		}
	}
	if err := s.SetOption(socket.PathMTU, 1000); err != syscall.ENOPROTOOPT {
		t.Errorf("set: %v", err)
	}
}

// After Close everything says so.
func TestEverythingAfterClose(t *testing.T) {
	h, _ := known(t, Config{})
	s := h.connected(t, "10.0.0.2:7", "10.0.0.9:9")
	s.fail(syscall.ECONNREFUSED)
	s.Close()
	_, recvErr := s.TryRecv(make([]socket.Message, 1))
	_, manyErr := s.TryRecv(make([]socket.Message, 2))
	_, sendErr := s.TrySend(make([]socket.Message, 1))
	_, batchErr := s.TrySend(make([]socket.Message, 2))
	_, peerErr := s.PeerAddr()
	for what, err := range map[string]error{
		"Close": s.Close(), "Bind": s.Bind(netip.MustParseAddrPort("0.0.0.0:0")), "Connect": s.Connect(netip.MustParseAddrPort("10.0.0.9:9")),
		"disconnect": s.Connect(netip.AddrPort{}), "Shutdown": s.Shutdown(socket.ShutBoth), "TryRecv": recvErr, "TryRecv of two": manyErr,
		"TrySend": sendErr, "TrySend of two": batchErr, "TryPeek": s.TryPeek(new(socket.Message)), "PeerAddr": peerErr,
		"Wait": s.Wait(socket.Readable, nil),
	} {
		if err != socket.ErrClosed {
			t.Errorf("%s: %v, want socket.ErrClosed", what, err)
		}
	}
	if a := fmt.Sprint(s.LocalAddr()); a != "10.0.0.2:7" {
		t.Errorf("LocalAddr: %s, want what it was", a)
	}
	if s.Ready(bothEvents) != bothEvents {
		t.Errorf("Ready: %v", s.Ready(bothEvents))
	}
	checkLedger(t, h)
}
