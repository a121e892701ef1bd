//go:build !purego

package wire

// vectorThreshold is the length in bytes from which the vector loop is clearly faster than
// portable Go, call included, as BenchmarkSumThreshold measures it. From 128 to 255 bytes the
// two are level, and a processor that has to wake its vector unit first would lose.
const vectorThreshold = 256

// useVector is whether the processor and the operating system have AVX2.
var useVector = haveAVX2()

// haveAVX2 asks the processor (CPUID) for AVX2, and whether the system saves the upper
// halves of its registers (XGETBV).
func haveAVX2() bool

// sumAVX2 returns the one's complement sum of n bytes at p as little-endian words of 64
// bits. n is a multiple of 128, and not zero.
//
//go:noescape
func sumAVX2(p *byte, n int) uint64

func sumVector(b []byte) uint16 {
	n := len(b) &^ 127
	return sumWords(b[n:], sumAVX2(&b[0], n))
}
