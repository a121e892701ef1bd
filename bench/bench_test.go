package main

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// The benchmarks are the table's rows, one by one, for profiling. Figures that
// are to be compared come from the command, which lets the rows take turns.

func BenchmarkStack(b *testing.B)            { benchmark(b, "stack") }
func BenchmarkStackUnconnected(b *testing.B) { benchmark(b, "stack-unconnected") }
func BenchmarkStackPingPong(b *testing.B)    { benchmark(b, "stack-pingpong") }
func BenchmarkConn(b *testing.B)             { benchmark(b, "conn") }
func BenchmarkConnConnected(b *testing.B)    { benchmark(b, "conn-connected") }
func BenchmarkConnNetAddr(b *testing.B)      { benchmark(b, "conn-netaddr") }
func BenchmarkConnPingPong(b *testing.B)     { benchmark(b, "conn-pingpong") }
func BenchmarkConnHost(b *testing.B)         { benchmark(b, "conn-host") }
func BenchmarkGVisorPipe(b *testing.B)       { benchmark(b, "gvisor-pipe") }
func BenchmarkGVisor(b *testing.B)           { benchmark(b, "gvisor") }
func BenchmarkGonet(b *testing.B)            { benchmark(b, "gvisor-gonet") }
func BenchmarkLneto(b *testing.B)            { benchmark(b, "lneto") }
func BenchmarkLnetoXnet(b *testing.B)        { benchmark(b, "lneto-xnet") }
func BenchmarkLnetoBare(b *testing.B)        { benchmark(b, "lneto-bare") }
func BenchmarkLnetoOthers(b *testing.B)      { benchmark(b, "lneto-others") }
func BenchmarkUDPConn(b *testing.B)          { benchmark(b, "udpconn") }
func BenchmarkUDPConnPingPong(b *testing.B)  { benchmark(b, "udpconn-pingpong") }
func BenchmarkCopy(b *testing.B)             { benchmark(b, "copy") }
func BenchmarkSum(b *testing.B)              { benchmark(b, "sum") }
func BenchmarkLookupMillion(b *testing.B)    { benchmark(b, "lookup-million") }
func BenchmarkLookupRandom(b *testing.B)     { benchmark(b, "lookup-random") }
func BenchmarkCoresOne(b *testing.B)         { benchmark(b, "cores-one") }
func BenchmarkCoresTwo(b *testing.B)         { benchmark(b, "cores-two") }
func BenchmarkEvents(b *testing.B)           { benchmark(b, "dgram") }
func BenchmarkEventsBatch(b *testing.B)      { benchmark(b, "dgram-batch") }
func BenchmarkEventsOffload(b *testing.B)    { benchmark(b, "dgram-offload") }
func BenchmarkLab100(b *testing.B)           { benchmark(b, "lab-100") }
func BenchmarkLab1000(b *testing.B)          { benchmark(b, "lab-1000") }
func BenchmarkLab10000(b *testing.B)         { benchmark(b, "lab-10000") }
func BenchmarkLabPingPong(b *testing.B)      { benchmark(b, "lab-pingpong") }

func benchmark(b *testing.B, name string) {
	chosen, err := choose(rows(), name)
	if err != nil {
		b.Fatal(err)
	}
	r := measured{row: chosen[0]}
	p, bufs := openForTest(b, r.row, setup{others: 1000, many: 1000000})
	for _, c := range r.of().cells {
		if r.singlesOnly && c.batch > 1 {
			continue
		}
		batch := "single"
		if c.batch > 1 {
			batch = fmt.Sprintf("batch%d", c.batch)
		}
		b.Run(fmt.Sprintf("%d/%s", c.size, batch), func(b *testing.B) {
			bufs.fill(rand.New(rand.NewPCG(1, 1)), c.size)
			stage(p)
			b.ReportAllocs()
			b.SetBytes(int64(c.size * c.batch))
			b.ResetTimer()
			took := time.Duration(0)
			if t, ok := p.(timer); ok {
				var err error
				if took, err = t.run(c.batch, b.N); err != nil {
					b.Fatal(err)
				}
			} else {
				for range b.N {
					if err := p.carry(c.batch); err != nil {
						b.Fatal(err)
					}
				}
			}
			if took == 0 {
				took = b.Elapsed()
			}
			b.ReportMetric(float64(took.Nanoseconds())/float64(b.N*c.batch), "ns/datagram")
			collect(p)
			if err := bufs.check(c.batch); err != nil {
				b.Fatal(err)
			}
		})
	}
}
