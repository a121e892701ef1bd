package tun_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/tun"
	"github.com/castnet-go/castnet/packet"
)

// trainCases are lengths of payloads and of their segments.
var trainCases = []struct{ payload, segment int }{
	{1400 * 46, 1400}, {1400*3 + 1, 1400}, {1472 * 2, 1472}, {128, 1}, {64*100 + 7, 64}, {101, 100}, {65507, 1400}, {65507, 512},
}

// What the kernel sends by UDP_SEGMENT comes in as one packet.
func TestTrainsIn(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tun.Config{HostAddresses: hosts})
	if got, want := l.Capabilities(), link.ChecksumTransmit|link.Segmentation; got != want {
		t.Fatalf("capabilities %b, want %b: does this kernel know UDP segmentation on TUN (6.2)?", got, want)
	}
	r := newReceiver(link.ChecksumTransmit | link.Segmentation)
	l.Attach(r)
	c := dial(t, ns, 7)
	for _, test := range trainCases {
		want := pattern(test.payload)
		segments(t, c, test.segment)
		if _, err := c.Write(want); err != nil {
			t.Fatal(err)
		}
		g := r.next(t)
		if g.segment != test.segment || !bytes.Equal(g.payload(t), want) {
			t.Errorf("%v: got %d bytes in segments of %d", test, len(g.data), g.segment)
		}
		if want := packet.ChecksumValid | packet.ChecksumPartial; g.flags != want {
			t.Errorf("%v: flags %b, want %b", test, g.flags, want)
		}
		like := packet.New(len(g.data))
		if want := like.TrueSize(); g.size != want {
			t.Errorf("%v: a packet of %d bytes is charged with %d, want %d", test, len(g.data), g.size, want)
		}
		like.Release()
	}
}

// A sink that takes no trains gets the datagrams, and one that takes no unfinished
// checksums gets finished ones.
func TestTrainsInCutUp(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tun.Config{HostAddresses: hosts})
	for _, accepts := range []link.Capabilities{0, link.ChecksumTransmit} {
		r := newReceiver(accepts)
		if err := l.Attach(r); err != nil {
			t.Fatal(err)
		}
		c := dial(t, ns, 7)
		for _, test := range trainCases {
			want := pattern(test.payload)
			segments(t, c, test.segment)
			if _, err := c.Write(want); err != nil {
				t.Fatal(err)
			}
			first := -1
			for i := 0; len(want) > 0; i++ {
				g := r.next(t)
				k := min(test.segment, len(want))
				if g.segment != 0 || g.flags&packet.ChecksumPartial != 0 || !bytes.Equal(g.payload(t), want[:k]) {
					t.Fatalf("%v: datagram %d: %d bytes, segments of %d, flags %b", test, i, len(g.data), g.segment, g.flags)
				}
				want = want[k:]
				id := int(binary.BigEndian.Uint16(g.data[4:]))
				if first < 0 {
					first = id
				} else if df := g.data[6]&0x40 != 0; !df && id != (first+i)&0xffff {
					t.Errorf("%v: datagram %d has the identification %d, the first had %d", test, i, id, first)
				}
			}
		}
		segments(t, c, 0)
		if _, err := c.Write([]byte("single")); err != nil {
			t.Fatal(err)
		}
		want := packet.ChecksumValid
		if accepts != 0 {
			want |= packet.ChecksumPartial
		}
		if g := r.next(t); g.flags != want || string(g.payload(t)) != "single" {
			t.Errorf("a single datagram for a sink that accepts %b: flags %b, want %b", accepts, g.flags, want)
		}
		l.Attach(nil)
	}
}

// A train that is written reaches a socket whole (UDP_GRO), and any other as
// datagrams.
func TestTrainsOut(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tun.Config{HostAddresses: hosts})
	plain, whole := listen(t, ns, 7000), listen(t, ns, 7001)
	setOption(t, whole, syscall.IPPROTO_UDP, unix.UDP_GRO, 1)
	buf, control := make([]byte, 1<<16), make([]byte, 100)
	for _, test := range trainCases {
		want := pattern(test.payload)
		write(t, l, datagram(7001, want, test.segment))
		n, cn, _, from, err := whole.ReadMsgUDPAddrPort(buf, control)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(buf[:n], want) || groSize(t, control[:cn]) != test.segment || from.Addr() != us {
			t.Errorf("%v: %d bytes came in segments of %d from %v", test, n, groSize(t, control[:cn]), from)
		}

		write(t, l, datagram(7000, want, test.segment))
		for i := 0; len(want) > 0; i++ {
			n, err := plain.Read(buf)
			if err != nil {
				t.Fatalf("%v: datagram %d: %v", test, i, err)
			}
			k := min(test.segment, len(want))
			if !bytes.Equal(buf[:n], want[:k]) {
				t.Fatalf("%v: datagram %d has %d bytes, or others", test, i, n)
			}
			want = want[k:]
		}
	}
}

// groSize returns what the control message UDP_GRO says.
func groSize(t *testing.T, control []byte) int {
	t.Helper()
	ms, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range ms {
		if m.Header.Level == syscall.IPPROTO_UDP && m.Header.Type == unix.UDP_GRO {
			return int(binary.NativeEndian.Uint32(m.Data))
		}
	}
	return 0
}

// A single datagram may leave its checksum to the kernel, and be shared.
func TestUnfinishedChecksumOut(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tun.Config{HostAddresses: hosts})
	c := listen(t, ns, 7000)
	buf := make([]byte, 2000)
	for _, shared := range []bool{false, true} {
		f := datagram(7000, []byte("unfinished"), 1000)
		f.SegmentSize = 0
		var other *packet.Buffer
		if shared {
			other = f.Clone()
		}
		write(t, l, f)
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != "unfinished" {
			t.Errorf("shared %v: got %q, %v", shared, buf[:n], err)
		}
		if shared {
			other.Release()
		}
	}
}

// A kernel that knows less, and a Config or an environment that asks for less.
func TestFallback(t *testing.T) {
	for _, test := range []struct {
		offload  link.Offload
		variable string
		want     link.Capabilities
	}{
		{link.OffloadAll, "", link.ChecksumTransmit | link.Segmentation},
		{link.OffloadAll, "0", link.ChecksumTransmit | link.Segmentation},
		{link.OffloadChecksums, "", link.ChecksumTransmit},
		{link.OffloadNone, "", 0},
		{link.OffloadAll, "1", 0},
	} {
		t.Run(fmt.Sprintf("%v,%s", test.offload, test.variable), func(t *testing.T) {
			t.Setenv(link.OffloadVariable, test.variable)
			ns := netns.New(t)
			l := open(t, ns, "cn0", tun.Config{HostAddresses: hosts, Offload: test.offload})
			if got := l.Capabilities(); got != test.want {
				t.Errorf("capabilities %b, want %b", got, test.want)
			}
			// In: trains as far as we take them, cut up by the kernel else.
			r := newReceiver(link.ChecksumTransmit | link.Segmentation)
			l.Attach(r)
			c := dial(t, ns, 7)
			segments(t, c, 1000)
			want := pattern(2500)
			if _, err := c.Write(want); err != nil {
				t.Fatal(err)
			}
			for len(want) > 0 {
				k := min(1000, len(want))
				if test.want&link.Segmentation != 0 {
					k = len(want)
				}
				g := r.next(t)
				if !bytes.Equal(g.payload(t), want[:k]) {
					t.Fatalf("got %d bytes", len(g.data))
				}
				if partial := g.flags&packet.ChecksumPartial != 0; partial && test.want == 0 {
					t.Error("an unfinished checksum, which nobody asked for")
				}
				want = want[k:]
			}
			// Out.
			f := datagram(7, pattern(2500), 1000)
			if n, err := l.Write(f.Single()); test.want&link.Segmentation != 0 {
				if n != 1 || err != nil {
					t.Errorf("Write of a train: %d, %v", n, err)
				}
			} else {
				if n != 0 || err != link.ErrTooBig {
					t.Errorf("Write of a train: %d, %v; want %v", n, err, link.ErrTooBig)
				}
				f.Release()
			}
			k := listen(t, ns, 7000)
			write(t, l, datagram(7000, []byte("finished"), 0))
			buf := make([]byte, 100)
			if n, err := k.Read(buf); err != nil || string(buf[:n]) != "finished" {
				t.Errorf("got %q, %v", buf[:n], err)
			}
		})
	}
}

// Trains whose datagrams do not fit the MTU, or that are too long for the kernel,
// are refused; none is lost that could have gone.
func TestTrainTooBig(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tun.Config{HostAddresses: hosts, MTU: 1000})
	c := listen(t, ns, 7000)
	for _, test := range []struct {
		segment int
		want    error
	}{{1000 - 28, nil}, {1000 - 27, link.ErrTooBig}} {
		f := datagram(7000, pattern(3000), test.segment)
		n, err := l.Write(f.Single())
		if n == 0 {
			f.Release()
		}
		if err != test.want {
			t.Errorf("segments of %d: %v, want %v", test.segment, err, test.want)
		}
	}
	buf := make([]byte, 2000)
	for _, want := range []int{972, 972, 972, 84} {
		if n, err := c.Read(buf); n != want || err != nil {
			t.Errorf("got %d bytes, %v; want %d", n, err, want)
		}
	}
	f := datagram(7000, pattern(129), 1)
	if n, err := l.Write(f.Single()); n != 0 || err != unix.EINVAL {
		t.Errorf("a train of 129 datagrams: %d, %v; want %v", n, err, unix.EINVAL)
	}
	f.Release()
}
