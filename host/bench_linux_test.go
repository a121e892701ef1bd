package host

import (
	"net"
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

// One operation is a datagram of 64 bytes sent and received on the loopback
// interface by one goroutine.

func BenchmarkSingle(b *testing.B) {
	b.Run("host", func(b *testing.B) {
		from, to := open4(b), open4(b)
		out := []socket.Message{{Buf: make([]byte, 64), Addr: to.LocalAddr()}}
		in := []socket.Message{{Buf: make([]byte, 64)}}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := from.TrySend(out); err != nil {
				b.Fatal(err)
			}
			if _, err := to.Receive(in, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("net.UDPConn", func(b *testing.B) {
		from, to := listen(b), listen(b)
		addr := to.LocalAddr().(*net.UDPAddr).AddrPort()
		out, in := make([]byte, 64), make([]byte, 64)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := from.WriteToUDPAddrPort(out, addr); err != nil {
				b.Fatal(err)
			}
			if _, _, err := to.ReadFromUDPAddrPort(in); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkBatch(b *testing.B) {
	for _, fields := range []socket.Fields{0, allFields} {
		name := "host"
		if fields != 0 {
			name = "host, every field"
		}
		b.Run(name, func(b *testing.B) {
			from, to := open4(b), open4(b)
			set1(b, to, socket.Report, int(fields))
			out, in := make([]socket.Message, batch), make([]socket.Message, batch)
			for i := range out {
				out[i] = socket.Message{Buf: make([]byte, 64), Addr: to.LocalAddr()}
				in[i].Buf = make([]byte, 64)
			}
			b.ReportAllocs()
			for n := 0; n < b.N; n += batch {
				if _, err := from.TrySend(out); err != nil {
					b.Fatal(err)
				}
				if got, err := to.TryRecv(in); got != batch || err != nil {
					b.Fatal(got, err)
				}
			}
		})
	}
}

// BenchmarkPingPong is a round trip between two goroutines that block.
func BenchmarkPingPong(b *testing.B) {
	b.Run("host", func(b *testing.B) {
		ping, pong := open4(b), open4(b)
		go func() {
			ms := []socket.Message{{Buf: make([]byte, 64)}}
			for {
				if _, err := pong.Receive(ms, nil); err != nil {
					return
				}
				if _, err := pong.TrySend(ms); err != nil {
					return
				}
			}
		}()
		out := []socket.Message{{Buf: make([]byte, 64), Addr: pong.LocalAddr()}}
		in := []socket.Message{{Buf: make([]byte, 64)}}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ping.TrySend(out); err != nil {
				b.Fatal(err)
			}
			if _, err := ping.Receive(in, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("net.UDPConn", func(b *testing.B) {
		ping, pong := listen(b), listen(b)
		go func() {
			buf := make([]byte, 64)
			for {
				n, addr, err := pong.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				if _, err := pong.WriteToUDPAddrPort(buf[:n], addr); err != nil {
					return
				}
			}
		}()
		addr := pong.LocalAddr().(*net.UDPAddr).AddrPort()
		buf := make([]byte, 64)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ping.WriteToUDPAddrPort(buf, addr); err != nil {
				b.Fatal(err)
			}
			if _, _, err := ping.ReadFromUDPAddrPort(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func listen(b *testing.B) *net.UDPConn {
	b.Helper()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	must(b, err)
	b.Cleanup(func() { c.Close() })
	return c
}
