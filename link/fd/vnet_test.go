//go:build unix

package fd

import (
	"bytes"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// train makes an IP packet that carries payload in datagrams of that size; if it is
// 0, in one, whose checksum is unfinished all the same.
func train(payload []byte, segment int) *packet.Buffer {
	n := wire.UDPHeaderLen + len(payload)
	b := packet.New(wire.IPv4HeaderLen + n)
	p := b.Append(wire.IPv4HeaderLen + n)
	h := wire.PutIPv4(p)
	h.SetTotalLength(uint16(len(p)))
	h.SetProtocol(wire.ProtocolUDP)
	h.SetSource(netip.MustParseAddr("10.0.0.1"))
	h.SetDestination(netip.MustParseAddr("10.0.0.2"))
	h.UpdateChecksum(nil)
	u := wire.PutUDP(p[wire.IPv4HeaderLen:])
	u.SetLength(uint16(n))
	u.SetChecksum(h.PseudoSum(uint16(n)))
	copy(p[wire.IPv4HeaderLen+wire.UDPHeaderLen:], payload)
	b.SegmentSize = uint16(segment)
	b.Flags = packet.ChecksumPartial
	return b
}

// headed returns a Link whose frames have headers, and the other end.
func headed(t *testing.T, cfg Config) (*Link, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Descriptors, cfg.Kind = fds[:1], link.IP
	if cfg.Header == 0 {
		cfg.Header = vnetLen
	}
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); unix.Close(fds[1]) })
	return l, fds[1]
}

const (
	trains    = link.ChecksumTransmit | link.Segmentation
	udpAt     = wire.IPv4HeaderLen
	payloadAt = udpAt + wire.UDPHeaderLen
)

func TestOutgoing(t *testing.T) {
	for _, header := range []int{vnetLen, vnetLenExtended} {
		l, theirs := headed(t, Config{Header: header, Offload: trains})
		for _, test := range []struct {
			length, segment int
			partial         bool
			want            vnetHeader
		}{
			{1000, 100, true, vnetHeader{vnetNeedsChecksum, vnetGSOUDPL4, payloadAt, 100, udpAt, 6}},
			{100, 100, true, vnetHeader{vnetNeedsChecksum, vnetGSONone, payloadAt, 0, udpAt, 6}}, // a train of one
			{100, 0, true, vnetHeader{vnetNeedsChecksum, vnetGSONone, payloadAt, 0, udpAt, 6}},
			{100, 0, false, vnetHeader{}},
		} {
			f := train(make([]byte, test.length), test.segment)
			if !test.partial {
				f.Flags = 0
			}
			want := bytes.Clone(f.Bytes())
			if n, err := l.Write(f.Single()); n != 1 || err != nil {
				t.Fatalf("Write: %d, %v", n, err)
			}
			buf := bytes.Repeat([]byte{0xee}, 2000)
			n, err := unix.Read(theirs, buf)
			if err != nil || n != header+len(want) {
				t.Fatalf("%d bytes, %v; want a header of %d and %d", n, err, header, len(want))
			}
			if got := parseVnet(buf); got != test.want || !bytes.Equal(buf[header:n], want) {
				t.Errorf("%+v: header %+v", test, got)
			}
			if header == vnetLenExtended && (buf[10] != 0 || buf[11] != 0) {
				t.Errorf("number of buffers: %x", buf[10:12])
			}
		}
	}
}

func TestIncoming(t *testing.T) {
	full := vnetHeader{vnetNeedsChecksum, vnetGSOUDPL4, payloadAt, 100, udpAt, 6}
	with := func(change func(*vnetHeader)) vnetHeader {
		h := full
		change(&h)
		return h
	}
	partial := packet.ChecksumPartial | packet.ChecksumValid
	for _, test := range []struct {
		name    string
		h       vnetHeader
		ok      bool
		flags   packet.Flags
		segment uint16
	}{
		{"a train", full, true, partial, 100},
		{"a hint that is not so", with(func(h *vnetHeader) { h.headers = 9999 }), true, partial, 100},
		{"a train of one", with(func(h *vnetHeader) { h.segment = 1000 }), true, partial, 0},
		{"segments of nothing", with(func(h *vnetHeader) { h.segment = 0 }), false, 0, 0},
		{"a datagram", with(func(h *vnetHeader) { h.gso, h.segment = vnetGSONone, 0 }), true, partial, 0},
		{"bare", vnetHeader{}, true, 0, 0},
		{"a train with its checksum done", with(func(h *vnetHeader) { h.flags = 0 }), false, 0, 0},
		{"to be fragmented", with(func(h *vnetHeader) { h.gso = vnetGSOUDP }), false, 0, 0},
		{"checksum beyond the end", with(func(h *vnetHeader) { h.checksumStart = 1027 - 6 }), false, 0, 0},
		{"checksum far beyond the end", with(func(h *vnetHeader) { h.checksumStart, h.checksumOffset = 65535, 65535 }), false, 0, 0},
		{"a train whose UDP header is elsewhere", with(func(h *vnetHeader) { h.checksumStart++ }), false, 0, 0},
		// To be finished as the header says, whatever it is.
		{"another checksum", with(func(h *vnetHeader) { h.gso, h.checksumStart = vnetGSONone, 24 }), true, 0, 0},
		{"a TCP segment", with(func(h *vnetHeader) { h.gso, h.checksumStart, h.checksumOffset = 1|vnetGSOECN, 20, 16 }), true, 0, 0},
	} {
		b := train(make([]byte, 1000), 0)
		b.Flags = 0
		if got := incoming(test.h, b, link.IP); got != test.ok || got && (b.Flags != test.flags || b.SegmentSize != test.segment) {
			t.Errorf("%s: %v, flags %b, segments of %d", test.name, got, b.Flags, b.SegmentSize)
		}
		b.Release()
	}
}

// A frame whose header contradicts it is dropped, and does not keep the next from
// coming.
func TestIncomingMalformed(t *testing.T) {
	l, theirs := headed(t, Config{})
	got := make(chan string, 10)
	l.Attach(deliver(func(f *packet.Buffer) { got <- string(f.Bytes()) }))
	bad := make([]byte, 100)
	vnetHeader{flags: vnetNeedsChecksum, checksumStart: 1000}.put(bad[:vnetLen])
	for _, b := range [][]byte{bad, bad[:vnetLen], bad[:3], nil, append(make([]byte, vnetLen), "good"...)} {
		if _, err := unix.Write(theirs, b); err != nil {
			t.Fatal(err)
		}
	}
	if g := <-got; g != "good" {
		t.Errorf("got %q", g)
	}
	if n := l.Drops().Get(drop.FrameMalformed); n != 4 {
		t.Errorf("%d drops, want 4", n)
	}
}

// deliver is a sink, called for each frame.
type deliver func(*packet.Buffer)

func (d deliver) Deliver(_ int, frames []*packet.Buffer) {
	for _, f := range frames {
		d(f)
	}
	packet.ReleaseAll(frames)
}

// A device that does not take trains of such a length gets datagrams, in order,
// whether they are written at once or wait.
func TestRefusedTrain(t *testing.T) {
	l, theirs := headed(t, Config{Offload: trains, MTU: 600})
	q := l.queues[0]
	if err := unix.SetsockoptInt(q.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 10000); err != nil {
		t.Fatal(err)
	}
	read := func() []byte {
		buf := make([]byte, 2000)
		n, err := unix.Read(theirs, buf)
		if err != nil || n < vnetLen+payloadAt {
			t.Fatalf("%d bytes, %v", n, err)
		}
		return buf[vnetLen+payloadAt : n]
	}
	want := make([]byte, 40*500+1)
	for i := range want {
		want[i] = byte(i / 500)
	}
	// At once, and where there is no room any more.
	q.mu.Lock()
	err := q.writeCut(train(want, 500))
	waiting := q.waiting
	q.mu.Unlock()
	if err != nil || waiting == 0 {
		t.Fatalf("writeCut: %v, %d wait", err, waiting)
	}
	for i := range 41 {
		if got := read(); !bytes.Equal(got, want[i*500:min(len(want), (i+1)*500)]) {
			t.Errorf("datagram %d: %d bytes of %d", i, len(got), got[0])
		}
	}
	// From before others that wait.
	q.mu.Lock()
	for q.flushing != nil {
		done := q.flushing
		q.mu.Unlock()
		<-done
		q.mu.Lock()
	}
	q.push(train([]byte("behind"), 0))
	if !q.unshift(train(want[:1001], 500)) {
		t.Error("unshift refused a train")
	}
	if q.waiting != 4 {
		t.Errorf("%d wait, want 4", q.waiting)
	}
	q.mu.Unlock()
	if !q.tryFlush(uintptr(q.fd)) {
		t.Error("something waits still")
	}
	for _, want := range []int{500, 500, 1, 6} {
		if got := len(read()); got != want {
			t.Errorf("%d bytes, want %d", got, want)
		}
	}
}

func FuzzIncoming(f *testing.F) {
	b := train(make([]byte, 300), 0)
	for _, h := range []vnetHeader{
		{}, {vnetNeedsChecksum, vnetGSOUDPL4, payloadAt, 100, udpAt, 6}, {vnetNeedsChecksum, 0, 0, 0, 9, 16}, {gso: 3},
	} {
		seed := make([]byte, vnetLen, 1000)
		h.put(seed)
		f.Add(append(seed, b.Bytes()...), false)
	}
	b.Release()
	f.Fuzz(func(t *testing.T, data []byte, ethernet bool) {
		if len(data) <= vnetLen || len(data) > packet.MaxSize {
			return
		}
		kind := link.IP
		if ethernet {
			kind = link.Ethernet
		}
		frame := data[vnetLen:]
		b := packet.New(len(frame))
		copy(b.Append(len(frame)), frame)
		h := parseVnet(data)
		ok := incoming(h, b, kind)
		if again := make([]byte, vnetLen); ok {
			if h.put(again); !bytes.Equal(again, data[:vnetLen]) {
				t.Errorf("%x was written as %x", data[:vnetLen], again)
			}
			// What we were told is what we would tell.
			if out := outgoing(b, kind); b.SegmentSize != 0 && (out.gso != vnetGSOUDPL4 || out.segment != h.segment || out.checksumStart != h.checksumStart) {
				t.Errorf("%+v came out as %+v", h, out)
			}
			if b.SegmentSize != 0 {
				frames, _ := link.Cut(nil, b, kind)
				packet.ReleaseAll(frames)
			}
		}
		if b.Len() != len(frame) {
			t.Errorf("%d bytes became %d", len(frame), b.Len())
		}
		b.Release()
	})
}
