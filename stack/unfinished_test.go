package stack

import (
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// A finisher is a link that finishes checksums and cuts trains up, and looks at what
// it is given to do so with.
type finisher struct {
	*cable
	caps link.Capabilities
	seen func(b *packet.Buffer)
}

func (f *finisher) Capabilities() link.Capabilities { return f.caps }

func (f *finisher) Write(frames []*packet.Buffer) (int, error) {
	for _, b := range frames {
		f.seen(b)
	}
	packet.ReleaseAll(frames)
	return len(frames), nil
}

// An unfinished checksum is the sum of the pseudo-header and of nothing else: the
// device adds the ports itself.
func TestUnfinishedChecksum(t *testing.T) {
	for _, caps := range []link.Capabilities{0, link.ChecksumVouched, link.ChecksumTransmit, link.Segmentation,
		link.ChecksumTransmit | link.Segmentation} {
		s, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		var trains, singles, partial int
		l := &finisher{cable: newCable(), caps: caps, seen: func(b *packet.Buffer) {
			h, options, datagram, err := wire.ParseIPv4(b.Bytes())
			if err != nil || !h.ChecksumOK(options) || int(h.TotalLength()) != b.Len() {
				t.Fatalf("capabilities %b: an IP header that is wrong: %v", caps, err)
			}
			u, payload, err := wire.ParseUDP(datagram)
			if err != nil || int(u.Length()) != len(datagram) {
				t.Fatalf("capabilities %b: a UDP header that is wrong: %v", caps, err)
			}
			pseudo := h.PseudoSum(u.Length())
			if b.Flags&packet.ChecksumPartial != 0 {
				partial++
				if u.Checksum() != pseudo {
					t.Errorf("capabilities %b: the field is %#x, want the pseudo-header's sum %#x", caps, u.Checksum(), pseudo)
				}
			} else if !u.ChecksumOK(pseudo, payload) {
				t.Errorf("capabilities %b: a finished checksum that is wrong", caps)
			}
			if b.SegmentSize != 0 {
				trains++
			} else {
				singles++
			}
		}}
		l.kind = link.IP
		ip0, err := s.AddInterface("ip0", l)
		if err == nil {
			err = ip0.AddAddress(netip.MustParsePrefix("10.0.0.1/24"))
		}
		if err != nil {
			t.Fatal(err)
		}
		sock, err := s.Open(socket.IPv4)
		if err != nil {
			t.Fatal(err)
		}
		to := netip.MustParseAddrPort("10.0.0.9:9")
		for _, m := range []socket.Message{
			{Buf: []byte("one"), Addr: to},
			{Buf: make([]byte, 999), Addr: to, Set: socket.FieldSegmentSize, SegmentSize: 100},
		} {
			if n, err := sock.TrySend([]socket.Message{m}); n != 1 || err != nil {
				t.Fatalf("TrySend: %d, %v", n, err)
			}
		}
		wantTrains, wantSingles := 0, 11
		if caps&link.Segmentation != 0 {
			wantTrains, wantSingles = 1, 1
		}
		if trains != wantTrains || singles != wantSingles {
			t.Errorf("capabilities %b: %d trains and %d single datagrams, want %d and %d", caps, trains, singles, wantTrains, wantSingles)
		}
		if partial > 0 && caps == 0 {
			t.Errorf("capabilities %b: %d unfinished checksums", caps, partial)
		}
		sock.Close()
		s.Close()
	}
}
