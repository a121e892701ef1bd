//go:build unix

package fd_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/leak"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/fd"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// pair returns the two ends of a socket pair.
func pair(t testing.TB, kind int) (ours, theirs int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, kind, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[1]) })
	return fds[0], fds[1]
}

// open returns a Link and the other end of its one queue.
func open(t testing.TB, cfg fd.Config) (*fd.Link, int) {
	t.Helper()
	ours, theirs := pair(t, unix.SOCK_DGRAM)
	cfg.Descriptors = []int{ours}
	l, err := fd.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, theirs
}

// frame returns a buffer of n bytes, each of which is fill.
func frame(n int, fill byte) *packet.Buffer {
	b := packet.New(n)
	p := b.Append(n)
	for i := range p {
		p[i] = fill
	}
	return b
}

// A collector is a sink that hands over what it gets.
type collector struct {
	frames chan []byte
	sizes  chan int // TrueSize
}

func newCollector() *collector {
	return &collector{frames: make(chan []byte, 4096), sizes: make(chan int, 4096)}
}

func (c *collector) Deliver(_ int, frames []*packet.Buffer) {
	for _, f := range frames {
		c.sizes <- f.TrueSize()
		c.frames <- bytes.Clone(f.Bytes())
	}
	packet.ReleaseAll(frames)
}

func TestDeliversInOrder(t *testing.T) {
	l, theirs := open(t, fd.Config{Address: wire.MAC{2, 0, 0, 0, 0, 1}})
	c := newCollector()
	if err := l.Attach(c); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if _, err := unix.Write(theirs, bytes.Repeat([]byte{byte(i)}, 60+i)); err != nil {
			t.Fatal(err)
		}
		if i%50 == 49 { // the socket pair holds few datagrams
			for j := i - 49; j <= i; j++ {
				if got := <-c.frames; len(got) != 60+j || got[0] != byte(j) {
					t.Fatalf("frame %d: got %d bytes of %d", j, len(got), got[0])
				}
			}
		}
	}
}

func TestSmallFrameCostsLittle(t *testing.T) {
	l, theirs := open(t, fd.Config{})
	c := newCollector()
	l.Attach(c)
	unix.Write(theirs, make([]byte, 60))
	<-c.frames
	b := packet.New(60)
	defer b.Release()
	if got, want := <-c.sizes, b.TrueSize(); got != want {
		t.Errorf("a frame of 60 bytes is charged with %d bytes, want %d", got, want)
	}
}

func TestWrite(t *testing.T) {
	l, theirs := open(t, fd.Config{MTU: 1000})
	got := make([]byte, 4096)
	frames := []*packet.Buffer{frame(60, 'a'), frame(1014, 'b')}
	if n, err := l.Write(frames); n != 2 || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	for _, want := range []int{60, 1014} {
		if n, err := unix.Read(theirs, got); n != want || err != nil {
			t.Errorf("read %d, %v; want %d", n, err, want)
		}
	}
}

func TestWriteRefusesLongFrame(t *testing.T) {
	for _, test := range []struct {
		kind link.Kind
		ok   int
	}{{link.Ethernet, 1014}, {link.IP, 1000}} {
		l, _ := open(t, fd.Config{Kind: test.kind, MTU: 1000})
		frames := []*packet.Buffer{frame(test.ok, 'a'), frame(test.ok+1, 'b'), frame(60, 'c')}
		n, err := l.Write(frames)
		if n != 1 || err != link.ErrTooBig {
			t.Errorf("kind %d: Write: %d, %v; want 1, %v", test.kind, n, err, link.ErrTooBig)
		}
		packet.ReleaseAll(frames[n:])
		if err := l.SetMTU(1001); err != nil {
			t.Error(err)
		}
		if n, err := l.Write(frame(test.ok+1, 'b').Single()); n != 1 || err != nil {
			t.Errorf("kind %d: Write after SetMTU: %d, %v", test.kind, n, err)
		}
	}
}

// An account is the owner of frames that are held.
type account struct {
	mu      sync.Mutex
	charged int
}

func (a *account) Charge(n int)   { a.mu.Lock(); a.charged += n; a.mu.Unlock() }
func (a *account) Uncharge(n int) { a.mu.Lock(); a.charged -= n; a.mu.Unlock() }

func (a *account) total() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.charged
}

func TestFullDescriptorHoldsAndThenRefuses(t *testing.T) {
	const limit = 7
	l, theirs := open(t, fd.Config{QueueLength: limit})
	var a account
	written := 0
	for {
		f := frame(1000, byte(written))
		size := f.TrueSize()
		f.SetOwner(&a)
		n, err := l.Write(f.Single())
		if n == 0 {
			f.Release()
			if err != link.ErrQueueFull {
				t.Fatalf("Write: %v, want %v", err, link.ErrQueueFull)
			}
			if got := a.total(); got != limit*size {
				t.Errorf("charged with %d bytes for what waits, want %d", got, limit*size)
			}
			break
		}
		written++
	}
	buf := make([]byte, 2000)
	for i := range written {
		if n, err := unix.Read(theirs, buf); n != 1000 || err != nil || buf[0] != byte(i) {
			t.Fatalf("frame %d: read %d bytes of %d, %v", i, n, buf[0], err)
		}
	}
	// The last frame was read, so its release is a matter of moments; the
	// next frame is queued behind it or not, and must arrive either way.
	if n, err := l.Write(frame(1000, 0xff).Single()); n != 1 || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	if n, err := unix.Read(theirs, buf); n != 1000 || err != nil || buf[0] != 0xff {
		t.Fatalf("read %d bytes of %d, %v", n, buf[0], err)
	}
	l.Close() // joins the goroutine that flushed
	if got := a.total(); got != 0 {
		t.Errorf("still charged with %d bytes", got)
	}
	if got := l.Drops().Total(); got != 0 {
		t.Errorf("%d drops: %v", got, l.Drops().Map())
	}
}

func TestNoQueue(t *testing.T) {
	l, _ := open(t, fd.Config{QueueLength: -1})
	for {
		f := frame(1000, 0)
		var a account
		f.SetOwner(&a)
		n, err := l.Write(f.Single())
		if a.total() != 0 {
			t.Fatal("a frame was held")
		}
		if n == 0 {
			f.Release()
			if err != link.ErrQueueFull {
				t.Errorf("Write: %v, want %v", err, link.ErrQueueFull)
			}
			return
		}
	}
}

func TestCloseDropsWhatWaits(t *testing.T) {
	l, _ := open(t, fd.Config{QueueLength: 5})
	var a account
	for {
		f := frame(1000, 0)
		f.SetOwner(&a)
		if n, _ := l.Write(f.Single()); n == 0 {
			f.Release()
			break
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := l.Drops().Get(drop.LinkDown); got != 5 {
		t.Errorf("%d frames dropped as LinkDown, want 5", got)
	}
	if got := a.total(); got != 0 {
		t.Errorf("still charged with %d bytes", got)
	}
	f := frame(60, 0)
	if n, err := l.Write(f.Single()); n != 0 || err != link.ErrClosed {
		t.Errorf("Write after Close: %d, %v; want %v", n, err, link.ErrClosed)
	}
	f.Release()
	if err := l.Close(); err != net.ErrClosed {
		t.Errorf("second Close: %v, want %v", err, net.ErrClosed)
	}
	if err := l.Attach(newCollector()); err != link.ErrClosed {
		t.Errorf("Attach after Close: %v, want %v", err, link.ErrClosed)
	}
	if err := l.Attach(nil); err != nil {
		t.Errorf("Attach(nil) after Close: %v", err)
	}
	if err := l.Err(); err != link.ErrClosed {
		t.Errorf("Err after Close: %v, want %v", err, link.ErrClosed)
	}
}

func TestOneSink(t *testing.T) {
	l, theirs := open(t, fd.Config{})
	first, second := newCollector(), newCollector()
	l.Attach(first)
	unix.Write(theirs, []byte("to the first"))
	<-first.frames
	for _, again := range []link.Sink{second, first} {
		if err := l.Attach(again); err != link.ErrInUse {
			t.Errorf("Attach while one is attached: %v, want %v", err, link.ErrInUse)
		}
	}
	unix.Write(theirs, []byte("still to the first"))
	if got := string(<-first.frames); got != "still to the first" {
		t.Errorf("got %q", got)
	}
	if err := l.Attach(nil); err != nil {
		t.Fatal(err)
	}
	unix.Write(theirs, []byte("kept by the descriptor"))
	if len(first.frames)+len(second.frames) != 0 {
		t.Error("a sink was called after it was detached")
	}
	if err := l.Attach(second); err != nil {
		t.Fatalf("Attach after Attach(nil): %v", err)
	}
	if got := string(<-second.frames); got != "kept by the descriptor" {
		t.Errorf("got %q", got)
	}
}

func TestQueuesByFlow(t *testing.T) {
	a, theirsA := pair(t, unix.SOCK_DGRAM)
	b, theirsB := pair(t, unix.SOCK_DGRAM)
	l, err := fd.New(fd.Config{Descriptors: []int{a, b}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := l.Queues(); got != 2 {
		t.Errorf("%d queues", got)
	}
	var frames []*packet.Buffer
	for i := range 10 {
		f := frame(60, byte(i))
		f.Flow = uint32(i / 2) // two frames a flow
		frames = append(frames, f)
	}
	if n, err := l.Write(frames); n != 10 || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	read := func(fd, n int) (got []byte) {
		buf := make([]byte, 100)
		for range n {
			unix.Read(fd, buf)
			got = append(got, buf[0])
		}
		return got
	}
	if got, want := read(theirsA, 6), []byte{0, 1, 4, 5, 8, 9}; !bytes.Equal(got, want) {
		t.Errorf("queue 0 sent %v, want %v", got, want)
	}
	if got, want := read(theirsB, 4), []byte{2, 3, 6, 7}; !bytes.Equal(got, want) {
		t.Errorf("queue 1 sent %v, want %v", got, want)
	}
	// Both queues deliver, each under its number.
	numbers := make(chan int, 2)
	l.Attach(sinkFunc(func(q int, frames []*packet.Buffer) {
		packet.ReleaseAll(frames)
		numbers <- q
	}))
	for q, theirs := range []int{theirsA, theirsB} {
		unix.Write(theirs, make([]byte, 60))
		if got := <-numbers; got != q {
			t.Errorf("delivered by queue %d, want %d", got, q)
		}
	}
}

type sinkFunc func(int, []*packet.Buffer)

func (f sinkFunc) Deliver(q int, frames []*packet.Buffer) { f(q, frames) }

func TestPeerGone(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0)
	if err != nil {
		t.Skipf("no packet sockets on this system: %v", err)
	}
	l, err := fd.New(fd.Config{Descriptors: fds[:1]})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.Attach(newCollector())
	if err := l.Err(); err != nil {
		t.Errorf("Err: %v", err)
	}
	unix.Close(fds[1])
	<-l.Done()
	if err := l.Err(); err != link.ErrDown {
		t.Errorf("Err: %v, want %v", err, link.ErrDown)
	}
	f := frame(60, 0)
	if n, err := l.Write(f.Single()); n != 0 || err != link.ErrDown {
		t.Errorf("Write: %d, %v; want %v", n, err, link.ErrDown)
	}
	f.Release()
}

func TestEmptyDatagramIsNoFrame(t *testing.T) {
	l, theirs := open(t, fd.Config{})
	c := newCollector()
	l.Attach(c)
	unix.Write(theirs, nil)
	unix.Write(theirs, []byte("next"))
	if got := string(<-c.frames); got != "next" {
		t.Errorf("got %q", got)
	}
	if got := l.Drops().Get(drop.FrameMalformed); got != 1 {
		t.Errorf("%d drops, want 1", got)
	}
}

func TestNewRefuses(t *testing.T) {
	stream, _ := pair(t, unix.SOCK_STREAM)
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	plain, err := unix.Dup(int(file.Fd()))
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	null, err := unix.Open(os.DevNull, unix.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	good := func() int { fd, _ := pair(t, unix.SOCK_DGRAM); return fd }
	for _, test := range []struct {
		name string
		cfg  fd.Config
		want string
	}{
		{"no descriptor", fd.Config{}, "no descriptor"},
		{"stream", fd.Config{Descriptors: []int{stream}}, "stream socket"},
		{"file", fd.Config{Descriptors: []int{plain}}, "neither a socket nor a device"},
		{"null device", fd.Config{Descriptors: []int{null}}, "cannot be waited for"},
		{"second of two", fd.Config{Descriptors: []int{good(), 1 << 20}}, "descriptor 1048576: "},
		{"MTU", fd.Config{Descriptors: []int{good()}, MTU: 67}, "an MTU of 67"},
		{"address", fd.Config{Descriptors: []int{good()}, Address: wire.Broadcast}, "group's address"},
		{"header", fd.Config{Descriptors: []int{good()}, Header: 11}, "has 10 or 12"},
		{"offload", fd.Config{Descriptors: []int{good()}, Header: 10, Offload: link.ChecksumVouched}, "checksums and segmentation"},
		{"offload without header", fd.Config{Descriptors: []int{good()}, Offload: link.Segmentation}, "need a header"},
		{"kind", fd.Config{Descriptors: []int{good()}, Kind: link.Loopback}, "Ethernet frames or IP packets"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, err := fd.New(test.cfg)
			if l != nil || err == nil {
				t.Fatalf("New: %v, %v; want an error", l, err)
			}
			if !strings.HasPrefix(err.Error(), "fd: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q does not say %q", err, test.want)
			}
			for _, d := range test.cfg.Descriptors {
				if _, err := unix.FcntlInt(uintptr(d), unix.F_GETFD, 0); !errors.Is(err, unix.EBADF) {
					t.Errorf("descriptor %d was left open", d)
				}
			}
		})
	}
}

func TestAllocations(t *testing.T) {
	if packet.Checking {
		t.Skip("the checking build allocates")
	}
	l, theirs := open(t, fd.Config{})
	done := make(chan struct{}, 1)
	l.Attach(sinkFunc(func(_ int, frames []*packet.Buffer) {
		packet.ReleaseAll(frames)
		done <- struct{}{}
	}))
	buf := make([]byte, 2000)
	echo := func() {
		l.Write(frame(500, 1).Single())
		n, _ := unix.Read(theirs, buf)
		unix.Write(theirs, buf[:n])
		<-done
	}
	for range 100 {
		echo()
	}
	if got := testing.AllocsPerRun(2000, echo); got != 0 {
		t.Errorf("%v allocations for a frame each way, want 0", got)
	}
}

func TestMain(m *testing.M) { leak.Main(m) }
