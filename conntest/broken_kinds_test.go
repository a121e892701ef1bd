package conntest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// The broken connections, in the order of the table of broken_test.go.

type dropsEmpty struct{ net.PacketConn }

func (c dropsEmpty) WriteTo(b []byte, a net.Addr) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	return c.PacketConn.WriteTo(b, a)
}

type emptyIsEOF struct{ net.PacketConn }

func (c emptyIsEOF) ReadFrom(b []byte) (int, net.Addr, error) {
	n, a, err := c.PacketConn.ReadFrom(b)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, a, err
}

type twice struct{ net.PacketConn }

func (c twice) WriteTo(b []byte, a net.Addr) (int, error) {
	c.PacketConn.WriteTo(b, a)
	return c.PacketConn.WriteTo(b, a)
}

type joins struct {
	net.PacketConn
	held []byte
}

func (c *joins) WriteTo(b []byte, a net.Addr) (int, error) {
	if c.held == nil {
		c.held = bytes.Clone(b)
		return len(b), nil
	}
	_, err := c.PacketConn.WriteTo(append(c.held, b...), a)
	c.held = nil
	return len(b), err
}

type keepsRest struct {
	net.PacketConn
	rest []byte
	from net.Addr
}

func (c *keepsRest) ReadFrom(b []byte) (int, net.Addr, error) {
	if len(c.rest) == 0 {
		buf := make([]byte, 65536)
		n, from, err := c.PacketConn.ReadFrom(buf)
		if err != nil {
			return 0, nil, err
		}
		c.rest, c.from = buf[:n], from
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, c.from, nil
}

type cutIsError struct{ net.PacketConn }

func (c cutIsError) ReadFrom(b []byte) (int, net.Addr, error) {
	buf := make([]byte, 65536)
	n, from, err := c.PacketConn.ReadFrom(buf)
	if err == nil && n > len(b) {
		err = io.ErrShortBuffer
	}
	return copy(b, buf[:n]), from, err
}

type emptyBufferReturns struct{ net.PacketConn }

func (c emptyBufferReturns) ReadFrom(b []byte) (int, net.Addr, error) {
	if len(b) == 0 {
		return 0, c.LocalAddr(), nil
	}
	return c.PacketConn.ReadFrom(b)
}

type inPlace struct{ net.PacketConn }

func (c inPlace) WriteTo(b []byte, a net.Addr) (int, error) {
	n, err := c.PacketConn.WriteTo(b, a)
	for i := range b {
		b[i] ^= 0x55
	}
	return n, err
}

type sendsLater struct{ net.PacketConn }

func (c sendsLater) WriteTo(b []byte, a net.Addr) (int, error) {
	time.AfterFunc(5*time.Millisecond, func() { c.PacketConn.WriteTo(b, a) })
	return len(b), nil
}

type usesCapacity struct{ net.PacketConn }

func (c usesCapacity) ReadFrom(b []byte) (int, net.Addr, error) {
	n, a, err := c.PacketConn.ReadFrom(b[:cap(b)])
	return min(n, len(b)), a, err
}

type cutsAt struct {
	net.PacketConn
	max int
}

func (c cutsAt) WriteTo(b []byte, a net.Addr) (int, error) {
	if _, err := c.PacketConn.WriteTo(b[:min(len(b), c.max)], a); err != nil {
		return 0, err
	}
	return len(b), nil
}

type noLocalAddr struct{ net.PacketConn }

func (noLocalAddr) LocalAddr() net.Addr { return nil }

type nilPointerAddr struct{ net.PacketConn }

func (nilPointerAddr) LocalAddr() net.Addr { return (*net.UDPAddr)(nil) }

type changingAddr struct {
	net.PacketConn
	n int
}

func (c *changingAddr) LocalAddr() net.Addr {
	c.n++
	return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: c.n}
}

type noSender struct{ net.PacketConn }

func (c noSender) ReadFrom(b []byte) (int, net.Addr, error) {
	n, _, err := c.PacketConn.ReadFrom(b)
	return n, nil, err
}

type selfSender struct{ net.PacketConn }

func (c selfSender) ReadFrom(b []byte) (int, net.Addr, error) {
	n, _, err := c.PacketConn.ReadFrom(b)
	return n, c.LocalAddr(), err
}

type stringAddr string

func (stringAddr) Network() string  { return "udp" }
func (a stringAddr) String() string { return string(a) }

type stringSender struct{ net.PacketConn }

func (c stringSender) ReadFrom(b []byte) (int, net.Addr, error) {
	n, a, err := c.PacketConn.ReadFrom(b)
	if err != nil {
		return n, nil, err
	}
	return n, stringAddr(a.String()), nil
}

type reusesSender struct {
	net.PacketConn
	addr net.UDPAddr
	n    int
}

func (c *reusesSender) ReadFrom(b []byte) (int, net.Addr, error) {
	n, a, err := c.PacketConn.ReadFrom(b)
	if err != nil {
		return n, nil, err
	}
	c.addr = *a.(*net.UDPAddr)
	if c.n++; c.n > 1 {
		c.addr.Port++
	}
	return n, &c.addr, nil
}

type swallows struct{ net.PacketConn }

func (c swallows) WriteTo(b []byte, a net.Addr) (int, error) {
	c.PacketConn.WriteTo(b, a)
	return len(b), nil
}

// eager gives a datagram that is there even after the deadline.
type eager struct {
	net.PacketConn
	mu   sync.Mutex
	past bool
}

func (c *eager) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.past = !t.IsZero() && time.Until(t) <= 0
	return c.PacketConn.SetReadDeadline(t)
}

func (c *eager) ReadFrom(b []byte) (int, net.Addr, error) {
	c.mu.Lock()
	past := c.past
	c.mu.Unlock()
	if past {
		c.PacketConn.SetReadDeadline(time.Now().Add(2 * time.Millisecond))
	}
	return c.PacketConn.ReadFrom(b)
}

// timeoutTakes loses what comes while it times out.
type timeoutTakes struct{ net.PacketConn }

func (c timeoutTakes) ReadFrom(b []byte) (int, net.Addr, error) {
	n, a, err := c.PacketConn.ReadFrom(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.PacketConn.SetReadDeadline(time.Now().Add(2 * time.Millisecond))
		c.PacketConn.ReadFrom(b)
		c.PacketConn.SetReadDeadline(aLongTimeAgo)
	}
	return n, a, err
}

type noWriteDeadline struct{ net.PacketConn }

func (noWriteDeadline) SetWriteDeadline(time.Time) error { return nil }

type plainTimeout struct{ net.PacketConn }

func (c plainTimeout) ReadFrom(b []byte) (int, net.Addr, error) {
	n, a, err := c.PacketConn.ReadFrom(b)
	if err != nil {
		err = fmt.Errorf("read: %w", os.ErrDeadlineExceeded)
	}
	return n, a, err
}

type timeoutError struct{}

func (timeoutError) Error() string   { return "took too long" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

type ownTimeout struct{ net.PacketConn }

func (c ownTimeout) ReadFrom(b []byte) (int, net.Addr, error) {
	n, a, err := c.PacketConn.ReadFrom(b)
	if err != nil {
		err = timeoutError{}
	}
	return n, a, err
}

type early struct{ net.PacketConn }

func (c early) SetReadDeadline(t time.Time) error {
	return c.PacketConn.SetReadDeadline(t.Add(-15 * time.Millisecond))
}

type once struct{ net.PacketConn }

func (c once) ReadFrom(b []byte) (int, net.Addr, error) {
	n, a, err := c.PacketConn.ReadFrom(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.PacketConn.SetReadDeadline(time.Time{})
	}
	return n, a, err
}

// laterCalls applies a deadline to the calls that begin after it.
type laterCalls struct {
	net.PacketConn
	mu       sync.Mutex
	deadline time.Time
}

func (c *laterCalls) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return nil
}

func (c *laterCalls) ReadFrom(b []byte) (int, net.Addr, error) {
	c.mu.Lock()
	c.PacketConn.SetReadDeadline(c.deadline)
	c.mu.Unlock()
	return c.PacketConn.ReadFrom(b)
}

// firstDeadline heeds the first deadline only.
type firstDeadline struct {
	net.PacketConn
	set bool
}

func (c *firstDeadline) SetReadDeadline(t time.Time) error {
	if c.set {
		return nil
	}
	c.set = true
	return c.PacketConn.SetReadDeadline(t)
}

// finalTimeout times out for ever once it has.
type finalTimeout struct {
	net.PacketConn
	over atomic.Bool
}

func (c *finalTimeout) ReadFrom(b []byte) (int, net.Addr, error) {
	if c.over.Load() {
		return 0, nil, &net.OpError{Op: "read", Net: "udp", Err: os.ErrDeadlineExceeded}
	}
	n, a, err := c.PacketConn.ReadFrom(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.over.Store(true)
	}
	return n, a, err
}

type oneDeadline struct{ net.PacketConn }

func (c oneDeadline) SetReadDeadline(t time.Time) error  { return c.SetDeadline(t) }
func (c oneDeadline) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }

type readOnlyDeadline struct{ net.PacketConn }

func (c readOnlyDeadline) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// wakesOne ends one read by its deadline and leaves the others.
type wakesOne struct {
	net.PacketConn
	woken atomic.Bool
}

func (c *wakesOne) ReadFrom(b []byte) (int, net.Addr, error) {
	n, a, err := c.PacketConn.ReadFrom(b)
	if errors.Is(err, os.ErrDeadlineExceeded) && c.woken.Swap(true) {
		c.PacketConn.SetReadDeadline(time.Time{})
		return c.PacketConn.ReadFrom(b)
	}
	return n, a, err
}

type tooSoon struct{ net.PacketConn }

func (c tooSoon) SetDeadline(t time.Time) error {
	return c.PacketConn.SetDeadline(time.Now().Add(time.Until(t) / 1e6))
}

// waitsForReaders has Close wait until nobody reads.
type waitsForReaders struct {
	net.PacketConn
	mu sync.RWMutex
}

func (c *waitsForReaders) ReadFrom(b []byte) (int, net.Addr, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.PacketConn.ReadFrom(b)
}

func (c *waitsForReaders) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.PacketConn.Close()
}

// leavesReaders has Close end calls to come, but not those under way.
type leavesReaders struct {
	net.PacketConn
	closed *atomic.Bool
}

func newLeavesReaders(c net.PacketConn) leavesReaders { return leavesReaders{c, new(atomic.Bool)} }

func (c leavesReaders) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	return nil
}

// writesOn says for a second that it writes, though it is closed.
type writesOn struct {
	net.PacketConn
	made time.Time
}

func (c writesOn) WriteTo(b []byte, a net.Addr) (int, error) {
	n, err := c.PacketConn.WriteTo(b, a)
	if errors.Is(err, net.ErrClosed) && time.Since(c.made) < time.Second {
		return len(b), nil
	}
	return n, err
}

type closedIsEOF struct{ net.PacketConn }

func (c closedIsEOF) ReadFrom(b []byte) (int, net.Addr, error) {
	n, a, err := c.PacketConn.ReadFrom(b)
	if errors.Is(err, net.ErrClosed) {
		err = io.EOF
	}
	return n, a, err
}

type closeTwice struct{ net.PacketConn }

func (c *closeTwice) Close() error { c.PacketConn.Close(); return nil }

type deadlinesOn struct{ net.PacketConn }

func (c deadlinesOn) SetDeadline(t time.Time) error { c.PacketConn.SetDeadline(t); return nil }

// timeoutFirst says of a closed connection that it timed out.
type timeoutFirst struct {
	net.PacketConn
	past atomic.Bool
}

func (c *timeoutFirst) SetDeadline(t time.Time) error {
	c.past.Store(t == aLongTimeAgo)
	return c.PacketConn.SetDeadline(t)
}

func (c *timeoutFirst) ReadFrom(b []byte) (int, net.Addr, error) {
	if c.past.Load() {
		return 0, nil, &net.OpError{Op: "read", Net: "udp", Err: os.ErrDeadlineExceeded}
	}
	return c.PacketConn.ReadFrom(b)
}

type closesPeer struct {
	net.PacketConn
	peer net.PacketConn
}

func (c closesPeer) Close() error { c.peer.Close(); return c.PacketConn.Close() }

// oneLock holds a lock while it reads that writing takes too.
type oneLock struct {
	net.PacketConn
	mu sync.Mutex
}

func (c *oneLock) ReadFrom(b []byte) (int, net.Addr, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.PacketConn.ReadFrom(b)
}

func (c *oneLock) WriteTo(b []byte, a net.Addr) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.PacketConn.WriteTo(b, a)
}

// oneBuffer reads into a buffer of its own that all readers share. The lock
// keeps the race detector content and the mixing up in.
type oneBuffer struct {
	net.PacketConn
	mu  sync.Mutex
	buf [65536]byte
}

func (c *oneBuffer) ReadFrom(b []byte) (int, net.Addr, error) {
	tmp := make([]byte, len(c.buf))
	n, a, err := c.PacketConn.ReadFrom(tmp)
	c.mu.Lock()
	copy(c.buf[:], tmp[:n])
	c.mu.Unlock()
	time.Sleep(time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	return copy(b, c.buf[:n]), a, err
}

// copies gives a datagram to the next reader too.
type copies struct {
	net.PacketConn
	mu   sync.Mutex
	last []byte
	from net.Addr
}

func (c *copies) ReadFrom(b []byte) (int, net.Addr, error) {
	c.mu.Lock()
	if c.last != nil {
		defer c.mu.Unlock()
		n := copy(b, c.last)
		c.last = nil
		return n, c.from, nil
	}
	c.mu.Unlock()
	n, a, err := c.PacketConn.ReadFrom(b)
	if err == nil {
		c.mu.Lock()
		c.last, c.from = bytes.Clone(b[:n]), a
		c.mu.Unlock()
	}
	return n, a, err
}

// streamConn keeps what did not fit.
type streamConn struct {
	net.Conn
	buf []byte
}

func (c *streamConn) Read(b []byte) (int, error) {
	c.Conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	for {
		tmp := make([]byte, 65536)
		n, err := c.Conn.Read(tmp)
		if err != nil {
			break
		}
		c.buf = append(c.buf, tmp[:n]...)
	}
	if len(c.buf) == 0 {
		return 0, &net.OpError{Op: "read", Net: "udp", Err: net.ErrClosed}
	}
	n := copy(b, c.buf)
	c.buf = c.buf[n:]
	return n, nil
}

type eofConn struct{ net.Conn }

func (c eofConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

type noRemote struct{ net.Conn }

func (noRemote) RemoteAddr() net.Addr { return nil }

// unconnected is a net.Conn that only remembers its peer.
type unconnected struct {
	*net.UDPConn
	peer net.Addr
}

func dialUnconnected(a net.Addr) (net.Conn, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	return unconnected{c, a}, nil
}

func (c unconnected) RemoteAddr() net.Addr { return c.peer }

func (c unconnected) Write(b []byte) (int, error) { return c.WriteTo(b, c.peer) }

type noDeadlines struct{ net.Conn }

func (noDeadlines) SetReadDeadline(time.Time) error { return nil }

type closedEOFConn struct{ net.Conn }

func (c closedEOFConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, net.ErrClosed) {
		err = io.EOF
	}
	return n, err
}

type refusedForever struct {
	net.Conn
	err error
}

func (c *refusedForever) Read(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	var n int
	n, c.err = c.Conn.Read(b)
	return n, c.err
}
