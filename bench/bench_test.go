package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
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
func BenchmarkEvents(b *testing.B)           { benchmarkProgram(b, "dgram") }
func BenchmarkEventsBatch(b *testing.B)      { benchmarkProgram(b, "dgram-batch") }
func BenchmarkEventsOffload(b *testing.B)    { benchmarkProgram(b, "dgram-offload") }
func BenchmarkEventsStack(b *testing.B)      { benchmarkProgram(b, "dgram-stack") }
func BenchmarkEventsStackBatch(b *testing.B) { benchmarkProgram(b, "dgram-stack-batch") }
func BenchmarkLab100(b *testing.B)           { benchmark(b, "lab-100") }
func BenchmarkLab1000(b *testing.B)          { benchmark(b, "lab-1000") }
func BenchmarkLab10000(b *testing.B)         { benchmark(b, "lab-10000") }
func BenchmarkLabPingPong(b *testing.B)      { benchmark(b, "lab-pingpong") }
func BenchmarkTunRead(b *testing.B)          { benchmark(b, "tun-read") }
func BenchmarkTunUSORead(b *testing.B)       { benchmark(b, "tun-uso-read") }
func BenchmarkTunUSOLent(b *testing.B)       { benchmark(b, "tun-uso-lent") }
func BenchmarkTunWrite(b *testing.B)         { benchmark(b, "tun-write") }
func BenchmarkTunUSOWrite(b *testing.B)      { benchmark(b, "tun-uso-write") }

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
			if t, ok := p.(timer); ok {
				if _, err := t.run(c.batch, b.N); err != nil {
					b.Fatal(err)
				}
			} else {
				for range b.N {
					if err := p.carry(c.batch); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.batch), "ns/datagram")
			collect(p)
			if err := bufs.check(c.batch); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// benchmarkProgram is one of our programs in this process.
func benchmarkProgram(b *testing.B, name string) {
	c, err := contestants[name]()
	if err != nil {
		b.Fatal(err)
	}
	defer c.close()
	for _, size := range []int{64, 1400} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var payloads [batchSize][]byte
			for i := range payloads {
				payloads[i] = []byte(strings.Repeat("x", size))
			}
			b.ReportAllocs()
			b.ResetTimer()
			start := processTime()
			if got, err := c.carry(both, b.N, &payloads, c.receiver()); got != b.N || err != nil {
				b.Fatalf("%d of %d: %v", got, b.N, err)
			}
			b.ReportMetric(float64((processTime()-start).Nanoseconds())/float64(b.N), "cpu-ns/datagram")
		})
	}
}

func BenchmarkEventsScript(b *testing.B)      { benchmarkScript(b, "script") }
func BenchmarkEventsScriptStack(b *testing.B) { benchmarkScript(b, "script-stack") }

// benchmarkScript is a script in this process, which starts with the engine cold.
func benchmarkScript(b *testing.B, name string) {
	var out strings.Builder
	b.ReportAllocs()
	if err := program(name, strings.NewReader(fmt.Sprintf("both %d 64\n", b.N)), &out); err != nil {
		b.Fatal(err)
	}
	var got, ns float64
	if _, err := fmt.Sscan(out.String(), &got, &ns); err != nil || int(got) != b.N {
		b.Fatalf("%q: %v", out.String(), err)
	}
	b.ReportMetric(ns/float64(b.N), "cpu-ns/datagram")
}
