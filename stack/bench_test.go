package stack

import (
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet/socket"
)

func benchmarkPair(b *testing.B, size, batch int) {
	ha, hb := pair(b)
	server := hb.open(b, "10.0.0.2:7")
	client := ha.open(b, "10.0.0.1:8")
	if err := client.Connect(netip.MustParseAddrPort("10.0.0.2:7")); err != nil {
		b.Fatal(err)
	}
	if err := server.Connect(netip.MustParseAddrPort("10.0.0.1:8")); err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		hb.open(b, netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), uint16(1000+i)).String())
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
