//go:build linux && !race

package castnet

import (
	"net"
	"testing"
)

// loop is two connected ends on a network, and what is needed to send between
// them.
type loop struct {
	server *Conn // listens
	client *Conn // is connected to it
	to     *net.UDPAddr
	buf    []byte
}

func newLoop(t testing.TB, on Network) *loop {
	cfg := Config{On: on}
	l := &loop{buf: make([]byte, 64)}
	l.server = listen(t, cfg, "udp4", "127.0.0.1:0")
	l.client = dial(t, cfg, "udp4", l.server.LocalAddr().String())
	l.to = l.server.LocalAddr().(*net.UDPAddr)
	return l
}

// The race detector makes sync.Pool forget on purpose, so these are not for it.
func TestAllocations(t *testing.T) {
	l := newLoop(t, Host())
	from := listen(t, Config{}, "udp4", "127.0.0.1:0")
	dual := listen(t, Config{}, "udp", ":0")
	payload := make([]byte, 32)
	oob := make([]byte, 128)
	to := l.to.AddrPort()
	in, out := make([]Message, 8), make([]Message, 8)
	for i := range in {
		in[i].Buf = make([]byte, 64)
		out[i] = Message{Buf: payload, Addr: to}
	}
	must := func(_ int, err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name string
		most float64
		run  func()
	}{
		{"Write, Read", 0, func() {
			must(l.client.Write(payload))
			must(l.server.Read(l.buf))
		}},
		{"WriteToUDPAddrPort, ReadFromUDPAddrPort", 0, func() {
			must(from.WriteToUDPAddrPort(payload, to))
			_, _, err := l.server.ReadFromUDPAddrPort(l.buf)
			must(0, err)
		}},
		{"WriteMsgUDPAddrPort, ReadMsgUDPAddrPort", 0, func() {
			n, _, err := from.WriteMsgUDPAddrPort(payload, nil, to)
			must(n, err)
			_, _, _, _, err = l.server.ReadMsgUDPAddrPort(l.buf, oob)
			must(0, err)
		}},
		{"WriteBatch, ReadBatch", 0, func() {
			must(from.WriteBatch(out))
			for got := 0; got < len(out); {
				n, err := l.server.ReadBatch(in)
				must(n, err)
				got += n
			}
		}},
		{"WriteBatch to IPv4 from a socket of both families", 0, func() {
			must(dual.WriteBatch(out))
			for got := 0; got < len(out); {
				n, err := l.server.ReadBatch(in)
				must(n, err)
				got += n
			}
		}},
		{"WriteTo, ReadFrom", 1, func() {
			must(from.WriteTo(payload, l.to))
			_, _, err := l.server.ReadFrom(l.buf)
			must(0, err)
		}},
		{"WriteToUDP, ReadFromUDP", 1, func() {
			must(from.WriteToUDP(payload, l.to))
			_, _, err := l.server.ReadFromUDP(l.buf)
			must(0, err)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := testing.AllocsPerRun(200, tc.run); got > tc.most {
				t.Errorf("%v allocations, want at most %v", got, tc.most)
			}
		})
	}
}
