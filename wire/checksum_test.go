package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand"
	"testing"
)

// sumReference is Sum as RFC 1071 explains it: add the 16-bit words, then the carries.
func sumReference(b []byte) uint16 {
	var sum uint64
	for i := 0; i < len(b); i += 2 {
		word := uint64(b[i]) << 8
		if i+1 < len(b) {
			word |= uint64(b[i+1])
		}
		sum += word
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// checkSum holds every implementation of Sum against the reference.
func checkSum(t *testing.T, what string, b []byte) {
	t.Helper()
	want := sumReference(b)
	if got := Sum(b); got != want {
		t.Fatalf("%s: Sum of %d bytes: got %#04x, want %#04x", what, len(b), got, want)
	}
	if got := sumGeneric(b); got != want {
		t.Fatalf("%s: sumGeneric of %d bytes: got %#04x, want %#04x", what, len(b), got, want)
	}
	if useVector && len(b) >= 128 {
		if got := sumVector(b); got != want {
			t.Fatalf("%s: sumVector of %d bytes: got %#04x, want %#04x", what, len(b), got, want)
		}
	}
}

func TestSumByteOrder(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		want uint16
	}{
		{nil, 0},
		{[]byte{0x12, 0x34}, 0x1234},
		{[]byte{0x12}, 0x1200},
		{[]byte{0x12, 0x34, 0x56}, 0x1234 + 0x5600},
		{[]byte{0xff, 0xff}, 0xffff},
		{[]byte{0xff, 0xff, 0, 1}, 1},
		// The example of RFC 1071, section 3.
		{[]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}, 0xddf2},
	} {
		if got := Sum(c.b); got != c.want {
			t.Errorf("Sum(%x): got %#04x, want %#04x", c.b, got, c.want)
		}
		if got := Checksum(c.b); got != ^c.want {
			t.Errorf("Checksum(%x): got %#04x, want %#04x", c.b, got, ^c.want)
		}
	}
}

// TestSumShort takes all lengths up to 300 bytes, at all alignments to 32 bytes, of random
// bytes, all ones, all zeros and nearly all zeros, between bytes that would show if they
// were read into the sum.
func TestSumShort(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	random := make([]byte, 300)
	rnd.Read(random)
	ones := bytes.Repeat([]byte{0xff}, 300)
	zeros := make([]byte, 300)
	for _, c := range []struct {
		name string
		b    []byte
	}{{"random", random}, {"ones", ones}, {"zeros", zeros}} {
		for n := 0; n <= 300; n++ {
			for align := range 32 {
				buf := bytes.Repeat([]byte{0xa5}, align+n+64)
				b := buf[align : align+n]
				copy(b, c.b)
				checkSum(t, fmt.Sprintf("%s at %d", c.name, align), b)
			}
		}
	}
	for n := range 300 {
		for i := range n {
			b := make([]byte, n)
			b[i] = 0x80
			checkSum(t, fmt.Sprintf("one bit in byte %d", i), b)
		}
	}
}

func TestSumLong(t *testing.T) {
	rnd := rand.New(rand.NewSource(2))
	buf := make([]byte, 70000)
	for range 500 {
		rnd.Read(buf[:1+rnd.Intn(100)])
		from := rnd.Intn(1000)
		b := buf[from : from+rnd.Intn(len(buf)-from)]
		checkSum(t, "random", b)
	}
	rnd.Read(buf)
	checkSum(t, "random", buf)
	for i := range buf {
		buf[i] = 0xff
	}
	for n := len(buf) - 300; n <= len(buf); n++ {
		checkSum(t, "ones", buf[:n])
	}
}

// TestSumCarries sums words that are nearly all ones, which make a carry at every step.
func TestSumCarries(t *testing.T) {
	rnd := rand.New(rand.NewSource(3))
	words := []uint64{0, 1, 2, 1<<32 - 1, 1 << 32, 1 << 63, 1<<64 - 2, 1<<64 - 1}
	for range 20000 {
		b := make([]byte, 8*rnd.Intn(40)+rnd.Intn(8))
		for i := 0; i+8 <= len(b); i += 8 {
			binary.LittleEndian.PutUint64(b[i:], words[rnd.Intn(len(words))])
		}
		checkSum(t, "carries", b)
	}
}

func TestSum20(t *testing.T) {
	rnd := rand.New(rand.NewSource(4))
	for i := range 1000 {
		var b [20]byte
		for j := range b {
			switch i % 3 {
			case 0:
				b[j] = byte(rnd.Int())
			case 1:
				b[j] = 0xff * byte(rnd.Intn(2))
			}
		}
		if got, want := sum20(&b, ^uint64(0)), sumReference(b[:]); got != want {
			t.Fatalf("sum20(%x): got %#04x, want %#04x", b, got, want)
		}
	}
}

func TestAddSum(t *testing.T) {
	edges := []uint16{0, 1, 2, 0x7fff, 0x8000, 0xfffe, 0xffff}
	for _, a := range edges {
		for _, b := range edges {
			var buf [4]byte
			binary.BigEndian.PutUint16(buf[0:], a)
			binary.BigEndian.PutUint16(buf[2:], b)
			if got, want := AddSum(a, b), sumReference(buf[:]); got != want {
				t.Errorf("AddSum(%#x, %#x): got %#x, want %#x", a, b, got, want)
			}
		}
	}
}

func TestPseudoHeader(t *testing.T) {
	rnd := rand.New(rand.NewSource(5))
	for i := range 1000 {
		var b4 [12]byte
		var b6 [40]byte
		rnd.Read(b4[:])
		rnd.Read(b6[:])
		if i == 0 {
			copy(b4[:], bytes.Repeat([]byte{0xff}, len(b4)))
			copy(b6[:], bytes.Repeat([]byte{0xff}, len(b6)))
		}
		b4[8] = 0
		b6[36], b6[37], b6[38] = 0, 0, 0
		got4 := PseudoIPv4([4]byte(b4[0:4]), [4]byte(b4[4:8]), Protocol(b4[9]), binary.BigEndian.Uint16(b4[10:]))
		if want := sumReference(b4[:]); got4 != want {
			t.Fatalf("PseudoIPv4 of %x: got %#04x, want %#04x", b4, got4, want)
		}
		got6 := PseudoIPv6([16]byte(b6[0:16]), [16]byte(b6[16:32]), Protocol(b6[39]), binary.BigEndian.Uint32(b6[32:]))
		if want := sumReference(b6[:]); got6 != want {
			t.Fatalf("PseudoIPv6 of %x: got %#04x, want %#04x", b6, got6, want)
		}
	}
}

func TestReplace(t *testing.T) {
	// The example of RFC 1624, section 4, where the equation of RFC 1141 gave 0xffff.
	if got := Replace(0xdd2f, 0x5555, 0x3285); got != 0 {
		t.Errorf("RFC1624_4_example: got %#04x, want 0", got)
	}
	rnd := rand.New(rand.NewSource(6))
	for range 10000 {
		b := make([]byte, 20+2*rnd.Intn(20))
		rnd.Read(b)
		before := Checksum(b)
		at := 2 * rnd.Intn(len(b)/2-1)
		old := Sum(b[at : at+4])
		rnd.Read(b[at : at+4])
		if got, want := Replace(before, old, Sum(b[at:at+4])), Checksum(b); got != want {
			t.Fatalf("Replace: got %#04x, want %#04x", got, want)
		}
	}
}

// FuzzSum holds the implementations against the reference. The corpus crosses the sizes at
// which they change their loops.
func FuzzSum(f *testing.F) {
	f.Add([]byte{})                                   // nothing
	f.Add([]byte{0x45})                               // odd
	f.Add(bytes.Repeat([]byte{0xff}, 7))              // less than a word
	f.Add(bytes.Repeat([]byte{0xff, 0xfe}, 31))       // just below the unrolled loop
	f.Add(bytes.Repeat([]byte{0x01, 0x80}, 64))       // just one turn of the vector loop
	f.Add(bytes.Repeat([]byte{0xff, 0xff, 0x00}, 99)) // vector loop and an odd rest
	f.Fuzz(func(t *testing.T, b []byte) {
		checkSum(t, "fuzz", b)
		if len(b) > 3 {
			checkSum(t, "fuzz, unaligned", b[1:])
		}
		if dst := make([]byte, len(b)); CopySum(dst, b) != Sum(b) || !bytes.Equal(dst, b) {
			t.Errorf("CopySum of % x", b)
		}
	})
}

func TestSumAllocates(t *testing.T) {
	b := make([]byte, 1400)
	checkAllocs(t, "Sum", func() { sink16 = Sum(b) })
}

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{8, 16, 20, 31, 64, 128, 576, 1400, 9000, 65507} {
		buf := make([]byte, n)
		rand.New(rand.NewSource(1)).Read(buf)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for range b.N {
				sink16 = Sum(buf)
			}
		})
	}
}

// BenchmarkSumThreshold compares the portable loop and the vector loop, to choose
// vectorThreshold.
func BenchmarkSumThreshold(b *testing.B) {
	if !useVector {
		b.Skip("no vector loop on this processor")
	}
	for _, n := range []int{128, 160, 192, 224, 256, 320, 383, 512, 1400} {
		buf := make([]byte, n)
		b.Run(fmt.Sprintf("portable/%d", n), func(b *testing.B) {
			for range b.N {
				sink16 = sumGeneric(buf)
			}
		})
		b.Run(fmt.Sprintf("vector/%d", n), func(b *testing.B) {
			for range b.N {
				sink16 = sumVector(buf)
			}
		})
	}
}

// TestCopySum holds CopySum to a copy and a Sum.
func TestCopySum(t *testing.T) {
	src := make([]byte, 300)
	r := rand.New(rand.NewSource(1))
	for i := range src {
		src[i] = byte(r.Uint32())
		if i%50 > 40 {
			src[i] = 0xff // carries
		}
	}
	for n := range src {
		for at := range min(8, len(src)-n) {
			b := src[at : at+n]
			dst := bytes.Repeat([]byte{0xa5}, n+1)
			if got, want := CopySum(dst, b), Sum(b); got != want {
				t.Fatalf("%d bytes at %d: %#04x, want %#04x", n, at, got, want)
			}
			if !bytes.Equal(dst[:n], b) || dst[n] != 0xa5 {
				t.Fatalf("%d bytes at %d: copied % x", n, at, dst)
			}
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a destination that is too short was accepted")
		}
	}()
	CopySum(make([]byte, 99), src[:100])
}
