package stack

import (
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

func benchmarkPair(b *testing.B, size, batch int) {
	ha, hb := pair(b)
	benchmarkBetween(b, size, batch, ha.open, hb.open, "10.0.0.1", "10.0.0.2")
}

func benchmarkPair6(b *testing.B, size, batch int) {
	ha, hb := pair6(b)
	benchmarkBetween(b, size, batch, ha.open6, hb.open6, "2001:db8::1", "2001:db8::2")
}

func benchmarkBetween(b *testing.B, size, batch int, openA, openB func(testing.TB, string) *Socket, from, to string) {
	near, far := netip.AddrPortFrom(netip.MustParseAddr(from), 8), netip.AddrPortFrom(netip.MustParseAddr(to), 7)
	server, client := openB(b, far.String()), openA(b, near.String())
	if err := client.Connect(far); err != nil {
		b.Fatal(err)
	}
	if err := server.Connect(near); err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		openB(b, netip.AddrPortFrom(far.Addr(), uint16(1000+i)).String())
	}
	out := make([]socket.Message, batch)
	in := make([]socket.Message, batch)
	for i := range out {
		out[i].Buf = make([]byte, size)
		in[i].Buf = make([]byte, 2048)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += batch {
		if k, err := client.TrySend(out); k != batch {
			b.Fatal(k, err)
		}
		if k, err := server.TryRecv(in); k != batch {
			b.Fatal(k, err)
		}
	}
}

func BenchmarkSingle64(b *testing.B)   { benchmarkPair(b, 64, 1) }
func BenchmarkSingle1400(b *testing.B) { benchmarkPair(b, 1400, 1) }
func BenchmarkBatch64(b *testing.B)    { benchmarkPair(b, 64, 32) }
func BenchmarkBatch1400(b *testing.B)  { benchmarkPair(b, 1400, 32) }

func BenchmarkSingle64V6(b *testing.B)   { benchmarkPair6(b, 64, 1) }
func BenchmarkSingle1400V6(b *testing.B) { benchmarkPair6(b, 1400, 1) }
func BenchmarkBatch64V6(b *testing.B)    { benchmarkPair6(b, 64, 32) }
func BenchmarkBatch1400V6(b *testing.B)  { benchmarkPair6(b, 1400, 32) }
