package castnet

import (
	"net"
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

// A nullSocket does nothing and always succeeds: what a call of a Conn costs
// on it is the Conn's own.
type nullSocket struct {
	fakeSocket
	from netip.AddrPort
}

func (s *nullSocket) TryRecv(ms []socket.Message) (int, error) {
	m := &ms[0]
	m.Addr, m.Len, m.Set = s.from, cap(m.Buf), 0
	m.Buf = m.Buf[:cap(m.Buf)]
	return 1, nil
}

func (s *nullSocket) TrySend(ms []socket.Message) (int, error) { return len(ms), nil }

func BenchmarkConnOverhead(b *testing.B) {
	addr := netip.MustParseAddrPort("192.0.2.1:53")
	s := &nullSocket{from: addr}
	s.net, s.family, s.local = newFake(), socket.IPv4, addr
	c := newConn(s, "udp4", s.net, zeroAddrPort)
	buf := make([]byte, 64)
	ua := net.UDPAddrFromAddrPort(addr)
	ms := []Message{{Buf: buf, Addr: addr}}

	for _, bm := range []struct {
		name string
		run  func()
	}{
		{"bare", func() {
			var sock socket.Socket = s
			ms[0].Buf = buf
			sock.TrySend(ms)
			sock.TryRecv(ms)
		}},
		{"batch", func() {
			ms[0].Buf = buf
			c.WriteBatch(ms)
			c.ReadBatch(ms)
		}},
		{"netip", func() {
			c.WriteToUDPAddrPort(buf, addr)
			c.ReadFromUDPAddrPort(buf)
		}},
		{"connected", func() {
			c.Write(buf)
			c.Read(buf)
		}},
		{"ReadFromUDP", func() {
			c.WriteToUDP(buf, ua)
			c.ReadFromUDP(buf)
		}},
		{"net.Addr", func() {
			c.WriteTo(buf, ua)
			c.ReadFrom(buf)
		}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bm.run()
			}
		})
	}
}
