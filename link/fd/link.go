//go:build unix

package fd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/wire"
)

// maxFrame is the longest frame that is read or written, in bytes.
const maxFrame = packet.MaxSize

// A Link is a link.Link on open descriptors; [New] makes one.
type Link struct {
	kind    link.Kind
	mtu     atomic.Int64
	address wire.MAC
	header  int // length of the virtio-net header; 0: none
	offload link.Capabilities
	limit   int // frames a queue holds
	passes  func(error) bool
	queues  []*queue
	drops   drop.Counters

	mu      sync.Mutex // held by Attach and Close, which come one after the other
	sink    link.Sink
	accepts link.Capabilities // what the sink takes as it is
	readers sync.WaitGroup
	closed  bool

	failOnce sync.Once
	failed   atomic.Pointer[error]
	done     chan struct{}
}

var _ link.Link = (*Link)(nil)

// New returns a link on cfg.Descriptors. It sends and receives nothing until a
// stack attaches to it. If New fails it has closed the descriptors.
func New(cfg Config) (*Link, error) {
	l, err := newLink(cfg)
	if err != nil {
		for _, d := range cfg.Descriptors[len(l.queues):] {
			unix.Close(d)
		}
		for _, q := range l.queues {
			q.file.Close()
		}
		return nil, fmt.Errorf("fd: %w", err)
	}
	return l, nil
}

// newLink returns, with an error too, a Link that owns the descriptors for which
// it has queues.
func newLink(cfg Config) (*Link, error) {
	l := &Link{kind: cfg.Kind, address: cfg.Address, header: cfg.Header, offload: cfg.Offload,
		limit: cfg.QueueLength, passes: cfg.Transient, done: make(chan struct{})}
	if cfg.QueueLength == 0 {
		l.limit = defaultQueueLength
	}
	if cfg.MTU == 0 {
		cfg.MTU = defaultMTU
	}
	l.mtu.Store(int64(cfg.MTU))
	switch {
	case len(cfg.Descriptors) == 0:
		return l, errors.New("no descriptor")
	case cfg.Kind != link.Ethernet && cfg.Kind != link.IP:
		return l, errors.New("a descriptor carries Ethernet frames or IP packets")
	case cfg.Header != 0 && cfg.Header != vnetLen && cfg.Header != vnetLenExtended:
		return l, fmt.Errorf("a header of %d bytes: a virtio-net header has %d or %d", cfg.Header, vnetLen, vnetLenExtended)
	case cfg.Offload&^(link.ChecksumTransmit|link.Segmentation) != 0, cfg.Offload != 0 && cfg.Header == 0:
		return l, errors.New("of offloads there are checksums and segmentation, and they need a header")
	case cfg.Address.IsMulticast():
		return l, fmt.Errorf("%v is a group's address and cannot be a station's", cfg.Address)
	}
	if err := checkMTU(cfg.MTU); err != nil {
		return l, err
	}
	for i, d := range cfg.Descriptors {
		datagrams, err := checkDescriptor(d)
		if err != nil {
			return l, fmt.Errorf("descriptor %d: %w", d, err)
		}
		q := &queue{l: l, number: i, fd: d, file: os.NewFile(uintptr(d), "link"), datagrams: datagrams}
		l.queues = append(l.queues, q)
		q.readSome, q.flushSome = q.tryRead, q.tryFlush
		if l.header != 0 {
			q.readSome = q.tryReadHeaded
		}
		q.many = newMany(q)
		if q.raw, err = q.file.SyscallConn(); err == nil {
			err = q.file.SetDeadline(time.Time{})
		}
		if err != nil {
			return l, fmt.Errorf("descriptor %d: it cannot be waited for: %w", d, err)
		}
	}
	return l, nil
}

func checkMTU(mtu int) error {
	const min, max = 68, 65535 // RFC 791: every link carries 68 bytes
	if mtu < min || mtu > max {
		return fmt.Errorf("an MTU of %d is not within %d to %d", mtu, min, max)
	}
	return nil
}

// checkDescriptor makes d non-blocking and reports whether it is a datagram
// socket, on which a read of no bytes is an empty datagram and not the end.
func checkDescriptor(d int) (datagrams bool, err error) {
	if err := unix.SetNonblock(d, true); err != nil {
		return false, os.NewSyscallError("fcntl", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(d, &st); err != nil {
		return false, os.NewSyscallError("fstat", err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		t, err := unix.GetsockoptInt(d, unix.SOL_SOCKET, unix.SO_TYPE)
		if err != nil {
			return false, os.NewSyscallError("getsockopt", err)
		}
		if t == unix.SOCK_STREAM {
			return false, errors.New("a stream socket does not keep frames apart")
		}
		return t != unix.SOCK_SEQPACKET, nil
	case unix.S_IFCHR:
		return false, nil
	}
	return false, errors.New("neither a socket nor a device")
}

// Kind returns what the frames begin with.
func (l *Link) Kind() link.Kind { return l.kind }

// MTU returns the longest IP packet, in bytes.
func (l *Link) MTU() int { return int(l.mtu.Load()) }

// SetMTU changes what the Link believes its MTU to be, in bytes; the device is
// not told.
func (l *Link) SetMTU(mtu int) error {
	if err := checkMTU(mtu); err != nil {
		return fmt.Errorf("fd: %w", err)
	}
	l.mtu.Store(int64(mtu))
	return nil
}

// Address returns the hardware address of this end.
func (l *Link) Address() wire.MAC { return l.address }

// Capabilities returns Config.Offload.
func (l *Link) Capabilities() link.Capabilities { return l.offload }

// Queues returns the number of descriptors.
func (l *Link) Queues() int { return len(l.queues) }

// SetFilter does nothing: everything is handed up.
func (l *Link) SetFilter(link.Filter) error { return nil }

// Control calls f with the descriptor of a queue, which stays open and is not to be
// kept; for drivers. It returns net.ErrClosed if the Link is closed.
func (l *Link) Control(queue int, f func(fd uintptr)) error {
	if err := l.queues[queue].raw.Control(f); err != nil {
		return net.ErrClosed
	}
	return nil
}

// Drops counts the frames that Write had accepted and that never left: LinkError
// if the device refused them, LinkDown if they still waited when the Link was
// closed; FrameMalformed for frames that came in empty, or contradict their header;
// LinkDown too for those that had come in when the Link was closed.
func (l *Link) Drops() *drop.Counters { return &l.drops }

// Done is closed when the Link has stopped to work: closed, or its device gone.
func (l *Link) Done() <-chan struct{} { return l.done }

// Err returns why the Link has stopped to work; nil as long as it does.
func (l *Link) Err() error {
	if e := l.failed.Load(); e != nil {
		return *e
	}
	return nil
}

// Fail makes the Link one that has stopped to work, unless it has already; for
// drivers, which may know of it by other ways than reading.
func (l *Link) Fail(err error) { l.fail(err) }

// fail notes that the link does not work any more.
func (l *Link) fail(err error) {
	l.failOnce.Do(func() {
		l.failed.Store(&err)
		close(l.done)
	})
}

// aLongTimeAgo is a deadline that ends every wait.
var aLongTimeAgo = time.Unix(1, 0)

// Attach makes sink the receiver of what comes in and starts to read; while one
// is attached another is link.ErrInUse. Attach(nil) detaches, and when it returns
// the sink is called no more.
func (l *Link) Attach(sink link.Sink) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		if sink == nil {
			return nil
		}
		return link.ErrClosed
	}
	if sink == nil {
		return l.detach()
	}
	if l.sink != nil {
		return link.ErrInUse
	}
	for _, q := range l.queues {
		if err := q.file.SetReadDeadline(time.Time{}); err != nil {
			return fmt.Errorf("fd: %w", err)
		}
	}
	l.sink, l.accepts = sink, 0
	if o, ok := sink.(link.OffloadSink); ok {
		l.accepts = o.Accepts()
	}
	for _, q := range l.queues {
		l.readers.Add(1)
		go func() {
			defer l.readers.Done()
			q.read(sink)
		}()
	}
	return nil
}

// detach ends the reading goroutines and waits for them.
func (l *Link) detach() error {
	if l.sink == nil {
		return nil
	}
	for _, q := range l.queues {
		if err := q.file.SetReadDeadline(aLongTimeAgo); err != nil {
			return fmt.Errorf("fd: %w", err)
		}
	}
	l.readers.Wait()
	l.sink = nil
	return nil
}

// Close detaches the sink, drops the frames that wait to leave, and closes the
// descriptors. A second Close returns net.ErrClosed.
func (l *Link) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	l.closed = true
	l.fail(link.ErrClosed)
	err := l.detach()
	for _, q := range l.queues {
		if e := q.close(); err == nil {
			err = e
		}
	}
	return err
}
