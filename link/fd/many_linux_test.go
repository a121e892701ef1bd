package fd

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
)

// Frames of all sizes come whole and in order, however many are read at once.
func TestManySizes(t *testing.T) {
	for _, header := range []int{0, vnetLen, vnetLenExtended} {
		l, theirs := headed(t, Config{Header: vnetLen, MTU: 1500})
		if header != vnetLen {
			l.Close()
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
			if err != nil {
				t.Fatal(err)
			}
			if l, err = New(Config{Descriptors: fds[:1], Kind: link.IP, Header: header}); err != nil {
				t.Fatal(err)
			}
			theirs = fds[1]
			t.Cleanup(func() { l.Close(); unix.Close(fds[1]) })
		}
		sizes := []int{1, 60, 175, 176, 177, 943, 945, 1499, 1500, 1501, 1967, 1969, 9000, 10161, 30000, 65535, 100}
		type got struct {
			n, size int
			first   byte
			intact  bool
		}
		frames := make(chan got, 100)
		var sent [][]byte
		for i, n := range sizes {
			b := make([]byte, header+n)
			for j := range b[header:] {
				b[header+j] = byte(i + j*j)
			}
			sent = append(sent, b)
		}
		i := 0
		sink := deliver(func(f *packet.Buffer) {
			frames <- got{f.Len(), f.TrueSize(), f.Bytes()[0], bytes.Equal(f.Bytes(), sent[i][header:])}
			i++
		})
		// All of them wait, but for what the socket does not hold.
		for _, b := range sent[:10] {
			if _, err := unix.Write(theirs, b); err != nil {
				t.Fatal(err)
			}
		}
		l.Attach(sink)
		for _, b := range sent[10:] {
			if _, err := unix.Write(theirs, b); err != nil {
				t.Fatal(err)
			}
		}
		for i, n := range sizes {
			like := packet.New(n)
			if g := <-frames; g.n != n || !g.intact || g.size != like.TrueSize() {
				t.Errorf("header of %d: frame %d: %d bytes of %d, whole %v, charged with %d, want %d and %d",
					header, i, g.n, g.first, g.intact, g.size, n, like.TrueSize())
			}
			like.Release()
		}
	}
}

// What was received and not handed up waits for the next sink, or is counted.
func TestManyLeftOver(t *testing.T) {
	l, theirs := headed(t, Config{MTU: 65535})
	const sent = 12
	h := make([]byte, vnetLen)
	if err := unix.SetsockoptInt(theirs, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 4<<20); err != nil {
		t.Skip("needs root, for a large buffer")
	}
	for i := range sent {
		if _, err := unix.Write(theirs, append(h, bytes.Repeat([]byte{byte(i)}, 40000)...)); err != nil {
			t.Fatal(err)
		}
	}
	// Four of them are a batch (batchBytes), and all of them one system call.
	got := make(chan byte, sent)
	release := make(chan struct{})
	l.Attach(deliver(func(f *packet.Buffer) {
		got <- f.Bytes()[0]
		<-release
	}))
	if first := <-got; first != 0 {
		t.Fatalf("frame %d came first", first)
	}
	q := l.queues[0]
	if q.many.count != sent || q.many.next != 4 {
		t.Errorf("%d were received and %d looked at, want %d and 4", q.many.count, q.many.next, sent)
	}
	detached := make(chan error)
	go func() { detached <- l.Attach(nil) }()
	// The deadline is set before the batch is through, so nothing follows it.
	for q.file.SetReadDeadline(aLongTimeAgo) != nil {
	}
	close(release)
	if err := <-detached; err != nil {
		t.Fatal(err)
	}
	for want := byte(1); want < 4; want++ {
		if g := <-got; g != want {
			t.Errorf("got frame %d, want %d", g, want)
		}
	}
	second := make(chan byte, sent)
	hold := make(chan struct{})
	l.Attach(deliver(func(f *packet.Buffer) {
		second <- f.Bytes()[0]
		<-hold
	}))
	if g := <-second; g != 4 {
		t.Errorf("the next sink got frame %d first, want 4", g)
	}
	go func() { detached <- l.Close() }()
	for q.file.SetReadDeadline(aLongTimeAgo) != nil {
	}
	close(hold)
	if err := <-detached; err != nil {
		t.Fatal(err)
	}
	if n := l.Drops().Get(drop.LinkDown); n != 4 {
		t.Errorf("%d frames were dropped unseen, want 4", n)
	}
}

// A batch that is written stops at the frame that is refused, and says why; what is
// shared or waits takes another way and keeps its place.
func TestManyWritten(t *testing.T) {
	l, theirs := headed(t, Config{MTU: 1000, Offload: trains, QueueLength: 100})
	var frames []*packet.Buffer
	for i := range 40 {
		f := train(bytes.Repeat([]byte{byte(i)}, 100), 0)
		frames = append(frames, f)
	}
	shared := frames[7].Clone()
	long := train(make([]byte, 2000), 0)
	frames = append(frames[:20], append([]*packet.Buffer{long}, frames[20:]...)...)
	n, err := l.Write(frames)
	if n != 20 || err != link.ErrTooBig {
		t.Fatalf("Write: %d, %v; want 20, %v", n, err, link.ErrTooBig)
	}
	long.Release()
	if n, err := l.Write(frames[21:]); n != 20 || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	shared.Release()
	buf := make([]byte, 2000)
	for i := range 40 {
		n, err := unix.Read(theirs, buf)
		if err != nil || n != vnetLen+payloadAt+100 || buf[n-1] != byte(i) {
			t.Errorf("frame %d: %d bytes of %d, %v", i, n, buf[n-1], err)
		}
		if h := parseVnet(buf); h.flags != vnetNeedsChecksum || h.checksumStart != udpAt {
			t.Errorf("frame %d: header %+v", i, h)
		}
	}
	// A peer that is gone is told of by the frame that finds it out.
	unix.Shutdown(theirs, unix.SHUT_RDWR)
	f := []*packet.Buffer{train([]byte("a"), 0), train([]byte("b"), 0)}
	want := bytes.Clone(f[0].Bytes())
	if n, err := l.Write(f); n != 0 || err != link.ErrDown {
		t.Errorf("Write to nobody: %d, %v; want %v", n, err, link.ErrDown)
	}
	if !bytes.Equal(f[0].Bytes(), want) {
		t.Error("a frame that was refused has another content")
	}
	packet.ReleaseAll(f)
}
