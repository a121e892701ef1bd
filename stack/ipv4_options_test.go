package stack

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/wire"
)

// What Linux was found to answer is in package conformance; here is what is wrong, by
// its place.
func TestCheckOptions(t *testing.T) {
	for _, c := range []struct {
		what    string
		options []byte
		route   bool
		wrong   int
	}{
		{"none", nil, false, -1},
		{"no operation", []byte{1, 1, 1, 1}, false, -1},
		{"behind the end", []byte{1, 0, 7, 2}, false, -1},
		{"no length", []byte{1, 7}, false, 1},
		{"no length at the end", []byte{148, 4, 0, 0, 1, 1, 1, 7}, false, 7},
		{"a length of 1", []byte{99, 1, 0, 0}, false, 0},
		{"a length beyond the header", []byte{1, 99, 4, 0}, false, 1},
		{"router alert", []byte{148, 4, 0, 0}, false, -1},
		{"router alert too short", []byte{148, 3, 0, 0}, false, 1},
		{"record route", []byte{7, 7, 4, 0, 0, 0, 0, 0}, false, -1},
		{"record route, full", []byte{7, 7, 8, 0, 0, 0, 0, 0}, false, -1},
		{"record route, half an address", []byte{1, 7, 7, 5, 0, 0, 0, 0}, false, 3},
		{"record route, pointer 3", []byte{7, 7, 3, 0, 0, 0, 0, 0}, false, 2},
		{"record route without a pointer", []byte{7, 2, 0, 0}, false, 1},
		{"record route twice", []byte{7, 3, 4, 7, 3, 4, 0, 0}, false, 3},
		{"timestamp", []byte{68, 8, 5, 0, 0, 0, 0, 0}, false, -1},
		{"timestamp, overflow", []byte{68, 4, 5, 0xf0}, false, 3},
		{"timestamp, half of one", []byte{68, 8, 7, 0, 0, 0, 0, 0}, false, 2},
		{"timestamp, half of a pair", []byte{68, 8, 5, 1, 0, 0, 0, 0}, false, 2},
		{"timestamp, pointer 4", []byte{68, 8, 4, 0, 0, 0, 0, 0}, false, 2},
		{"timestamp too short", []byte{68, 3, 5, 0}, false, 1},
		{"timestamp twice", []byte{68, 4, 5, 0, 68, 4, 5, 0}, false, 4},
		{"source route", []byte{131, 3, 4, 0}, true, -1},
		{"source routes", []byte{131, 3, 4, 137, 3, 4, 0, 0}, true, 3},
		{"source route, pointer 3", []byte{137, 3, 3, 0}, true, 2},
		{"source route and a mistake", []byte{131, 3, 4, 7, 2, 0, 0, 0}, true, 4},
	} {
		if route, wrong := checkOptions(c.options); route != c.route || wrong != c.wrong {
			t.Errorf("%s: source route %v, wrong at %d, want %v, %d", c.what, route, wrong, c.route, c.wrong)
		}
	}
}

func TestRejectedOptionsAreAnswered(t *testing.T) {
	for _, c := range []struct {
		what string
		in   datagram
		want []string
	}{
		{"malformed", datagram{payload: "x", options: []byte{1, 7, 9, 0}}, []string{"10.0.0.2 > 10.0.0.9 ICMP pointer indicates the error [10.0.0.9:9 > 10.0.0.2:7 UDP]"}},
		{"a source route", datagram{payload: "x", options: []byte{131, 3, 4, 0}}, nil},
		{"a later fragment", datagram{payload: "x", fragment: 8, options: []byte{7, 9, 4, 0}}, nil},
		{"to everybody", datagram{payload: "x", dst: "10.0.0.255:7", to: wire.Broadcast, options: []byte{7, 9, 4, 0}}, nil},
	} {
		h, l := known(t, Config{})
		l.deliver(c.in.frame())
		checkDrops(t, h, drop.OptionsRejected, 1)
		if frames := l.take(); len(frames) == 1 && len(c.want) == 1 {
			if pointer := frames[0][14+20+4]; pointer != 21 {
				t.Errorf("%s: pointer %d", c.what, pointer)
			}
			l.frames = frames
		} else {
			l.frames = frames
		}
		l.expect(t, c.what, c.want...)
		checkLedger(t, h)
	}
}

// RFC 1812, 5.3.13: a router records itself and the time.
func TestARouterFillsOptions(t *testing.T) {
	now := time.Date(2025, 3, 4, 1, 2, 3, 456e6, time.FixedZone("east", 7200))
	stamp := binary.BigEndian.AppendUint32(nil, uint32((23*3600+2*60+3)*1000+456)) // of the day before, in UTC
	with := func(head []byte, tail ...byte) []byte { return append(slices.Clone(head), tail...) }
	own := []byte{10, 1, 0, 2}
	for _, c := range []struct {
		what     string
		in, want []byte
	}{
		{"record route", []byte{7, 7, 4, 0, 0, 0, 0, 0}, with([]byte{7, 7, 8}, 10, 1, 0, 2, 0)},
		{"record route, the second place", []byte{1, 7, 11, 8, 1, 2, 3, 4, 0, 0, 0, 0}, []byte{1, 7, 11, 12, 1, 2, 3, 4, 10, 1, 0, 2}},
		{"record route, full", []byte{7, 7, 8, 1, 2, 3, 4, 0}, []byte{7, 7, 8, 1, 2, 3, 4, 0}},
		{"timestamp", []byte{68, 8, 5, 0, 0, 0, 0, 0}, with([]byte{68, 8, 9, 0}, stamp...)},
		{"timestamp, full", []byte{68, 8, 9, 0x20, 1, 2, 3, 4}, []byte{68, 8, 9, 0x30, 1, 2, 3, 4}},
		{"timestamp and address", []byte{68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0}, with([]byte{68, 12, 13, 1, 10, 0, 0, 2}, stamp...)},
		{"timestamp of this address", []byte{68, 12, 5, 3, 10, 0, 0, 2, 0, 0, 0, 0}, with([]byte{68, 12, 13, 3, 10, 0, 0, 2}, stamp...)},
		{"timestamp of another address", []byte{68, 12, 5, 3, 10, 9, 9, 9, 0, 0, 0, 0}, []byte{68, 12, 5, 3, 10, 9, 9, 9, 0, 0, 0, 0}},
		{"timestamp of these addresses, full", []byte{68, 12, 13, 3, 10, 9, 9, 9, 0, 0, 0, 0}, []byte{68, 12, 13, 3, 10, 9, 9, 9, 0, 0, 0, 0}},
		{"timestamp of an unknown kind", []byte{68, 8, 5, 9, 0, 0, 0, 0}, []byte{68, 8, 5, 9, 0, 0, 0, 0}},
		{"both", []byte{7, 7, 4, 0, 0, 0, 0, 68, 8, 5, 0, 0, 0, 0, 0, 0}, with(append([]byte{7, 7, 8, 10, 1, 0, 2, 68, 8, 9, 0}, stamp...), 0)},
		{"others", []byte{148, 4, 0, 0, 99, 4, 1, 2}, []byte{148, 4, 0, 0, 99, 4, 1, 2}},
	} {
		w := optionWriter{out: ipv4OfBytes([4]byte(own)), in: ipv4OfBytes([4]byte{10, 0, 0, 2}), now: func() time.Time { return now }, local: func(a ipv4) bool { return a == ipv4OfBytes([4]byte{10, 0, 0, 2}) }}
		got := slices.Clone(c.in)
		if _, wrong := checkOptions(got); wrong >= 0 {
			t.Errorf("%s: wrong at %d", c.what, wrong)
		}
		if changed := w.fillOptions(got); !slices.Equal(got, c.want) || changed == slices.Equal(c.in, c.want) {
			t.Errorf("%s: changed %v: % x, want % x", c.what, changed, got, c.want)
		}
	}
	h, l0, l1 := newRouter(t, Config{})
	l0.deliver(across(datagram{payload: "x", options: []byte{7, 7, 4, 0, 0, 0, 0, 0}}).frame())
	if got := l1.seen(t); len(got) != 1 || got[0].options != "\x07\x07\x08\x0a\x01\x00\x02\x00" {
		t.Errorf("forwarded %+v, drops %v", got, h.Drops().Map())
	}
	checkLedger(t, h)
}

// Whatever the options are, checking and filling them stays within them.
func FuzzOptions(f *testing.F) {
	f.Add([]byte{7, 7, 4, 0, 0, 0, 0, 68, 8, 5, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{68, 12, 5, 3, 10, 0, 0, 2, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, options []byte) {
		options = slices.Clone(options[:min(len(options), 40)&^3])
		route, wrong := checkOptions(options)
		_, err := wire.ParseIPv4Options(options)
		if err != nil && wrong < 0 {
			t.Fatalf("% x: %v, and nothing is wrong", options, err)
		}
		if wrong >= len(options) && wrong > 0 {
			t.Fatalf("% x: wrong at %d", options, wrong)
		}
		if route || wrong >= 0 {
			return
		}
		w := optionWriter{now: time.Now, local: func(a ipv4) bool { return a&1 == 0 }}
		shape := func() (list []byte) {
			for o := range wire.IPv4Options(options).All() {
				list = append(list, byte(o.Type), byte(len(o.Data)))
			}
			return list
		}
		before := shape()
		w.fillOptions(options)
		if after := shape(); !slices.Equal(before, after) {
			t.Fatalf("% x: filled in they are others: % x, before % x", options, after, before)
		}
	})
}
