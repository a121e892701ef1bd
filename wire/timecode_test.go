package wire

import "testing"

func TestTimeCode8(t *testing.T) {
	for _, c := range []struct {
		code uint8
		want int
	}{{0, 0}, {1, 1}, {127, 127}, {0x80, 128}, {0x8f, 248}, {0x90, 256}, {0xff, 31744}} {
		if got := DecodeTimeCode8(c.code); got != c.want {
			t.Errorf("RFC9776_4_1_1 code %#x: got %d, want %d", c.code, got, c.want)
		}
	}
	previous := -1
	for code := range 256 {
		v := DecodeTimeCode8(uint8(code))
		if v <= previous {
			t.Errorf("code %#x: %d is not above the value before it", code, v)
		}
		for w := max(previous, 0); w < v; w++ {
			if got := EncodeTimeCode8(w); w > previous && int(got) != code-1 {
				t.Fatalf("EncodeTimeCode8(%d): got %#x, want it rounded down to %#x", w, got, code-1)
			}
		}
		if got := EncodeTimeCode8(v); int(got) != code {
			t.Errorf("EncodeTimeCode8(%d): got %#x, want %#x", v, got, code)
		}
		previous = v
	}
	if EncodeTimeCode8(-1) != 0 || EncodeTimeCode8(MaxTimeCode8+1) != 0xff {
		t.Error("values out of range are not clamped")
	}
}

func TestTimeCode16(t *testing.T) {
	for _, c := range []struct {
		code uint16
		want int
	}{{0, 0}, {32767, 32767}, {0x8000, 32768}, {0x8fff, 65528}, {0x9000, 65536}, {0xffff, 8387584}} {
		if got := DecodeTimeCode16(c.code); got != c.want {
			t.Errorf("RFC9777_5_1_3 code %#x: got %d, want %d", c.code, got, c.want)
		}
	}
	previous := -1
	for code := range 1 << 16 {
		v := DecodeTimeCode16(uint16(code))
		if v <= previous {
			t.Errorf("code %#x: %d is not above the value before it", code, v)
		}
		if got := EncodeTimeCode16(v); int(got) != code {
			t.Errorf("EncodeTimeCode16(%d): got %#x, want %#x", v, got, code)
		}
		if got := EncodeTimeCode16(v - 1); code > 0 && int(got) != code-1 {
			t.Errorf("EncodeTimeCode16(%d): got %#x, want it rounded down to %#x", v-1, got, code-1)
		}
		previous = v
	}
	if EncodeTimeCode16(-1) != 0 || EncodeTimeCode16(MaxTimeCode16+1) != 0xffff {
		t.Error("values out of range are not clamped")
	}
}
