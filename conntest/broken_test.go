package conntest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A recorder is a reporter that keeps what it is told.
type recorder struct {
	mu       sync.Mutex
	failures []string
	skipped  bool
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(string, ...any) {
	r.skipped = true
	runtime.Goexit()
}

// try runs one case and returns what it complained of.
func try(t *testing.T, name string, mk MakePair) *recorder {
	i := slices.IndexFunc(cases, func(c testCase) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("there is no case %s", name)
	}
	r := new(recorder)
	tm := timing{patience: 300 * time.Millisecond, delay: 20 * time.Millisecond, settle: 5 * time.Millisecond}
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(r, cases[i], mk, tm)
	}()
	<-done
	return r
}

// udp is net.UDPConn without the rest of its methods, for breaking.
type udp struct{ net.PacketConn }

// The ways to break a connection. Each wraps C1, C2 or both of a good pair, and
// names the case that must notice.
var breakages = []struct {
	name  string
	in    string
	apply func(p *Pair)
}{
	{"drops empty datagrams", "ZeroLength", both(func(c net.PacketConn) net.PacketConn { return dropsEmpty{c} })},
	{"empty datagram is EOF", "ZeroLength", both(func(c net.PacketConn) net.PacketConn { return emptyIsEOF{c} })},
	{"sends each datagram twice", "Boundaries", both(func(c net.PacketConn) net.PacketConn { return twice{c} })},
	{"joins datagrams", "Boundaries", both(func(c net.PacketConn) net.PacketConn { return &joins{PacketConn: c} })},
	{"keeps the rest", "Truncation", both(func(c net.PacketConn) net.PacketConn { return &keepsRest{PacketConn: c} })},
	{"cut is an error", "Truncation", both(func(c net.PacketConn) net.PacketConn { return cutIsError{c} })},
	{"empty buffer takes nothing", "EmptyBuffer", both(func(c net.PacketConn) net.PacketConn { return emptyBufferReturns{c} })},
	{"encrypts in place", "PayloadUntouched", both(func(c net.PacketConn) net.PacketConn { return inPlace{c} })},
	{"sends later", "PayloadUntouched", both(func(c net.PacketConn) net.PacketConn { return sendsLater{c} })},
	{"uses the capacity", "BufferBounds", both(func(c net.PacketConn) net.PacketConn { return usesCapacity{c} })},
	{"cuts at 1500", "LargeDatagrams", both(func(c net.PacketConn) net.PacketConn { return cutsAt{c, 1500} })},
	{"cuts what is too large", "TooLarge", both(func(c net.PacketConn) net.PacketConn { return cutsAt{c, 65507} })},

	{"no LocalAddr", "LocalAddr", both(func(c net.PacketConn) net.PacketConn { return noLocalAddr{c} })},
	{"nil pointer as LocalAddr", "LocalAddr", both(func(c net.PacketConn) net.PacketConn { return nilPointerAddr{c} })},
	{"LocalAddr changes", "LocalAddr", both(func(c net.PacketConn) net.PacketConn { return &changingAddr{PacketConn: c} })},
	{"sender is nil", "Sender", both(func(c net.PacketConn) net.PacketConn { return noSender{c} })},
	{"sender is itself", "Sender", both(func(c net.PacketConn) net.PacketConn { return selfSender{c} })},
	{"sender of another type", "Sender", both(func(c net.PacketConn) net.PacketConn { return stringSender{c} })},
	{"sender is reused", "Sender", both(func(c net.PacketConn) net.PacketConn { return &reusesSender{PacketConn: c} })},
	{"sender cannot be answered", "Reply", both(func(c net.PacketConn) net.PacketConn { return stringSender{c} })},
	{"swallows bad addresses", "BadAddress", both(func(c net.PacketConn) net.PacketConn { return swallows{c} })},

	{"looks for data first", "ReadDeadlinePast", both(func(c net.PacketConn) net.PacketConn { return &eager{PacketConn: c} })},
	{"timeout takes the datagram", "ReadDeadlinePast", both(func(c net.PacketConn) net.PacketConn { return timeoutTakes{c} })},
	{"no write deadline", "WriteDeadlinePast", both(func(c net.PacketConn) net.PacketConn { return noWriteDeadline{c} })},
	{"timeout is no net.Error", "ReadDeadlineFuture", both(func(c net.PacketConn) net.PacketConn { return plainTimeout{c} })},
	{"timeout of another kind", "ReadDeadlineFuture", both(func(c net.PacketConn) net.PacketConn { return ownTimeout{c} })},
	{"deadline early", "ReadDeadlineFuture", both(func(c net.PacketConn) net.PacketConn { return early{c} })},
	{"deadline once", "ReadDeadlineFuture", both(func(c net.PacketConn) net.PacketConn { return once{c} })},
	{"for later calls only", "ReadDeadlineSetWhileBlocked", both(func(c net.PacketConn) net.PacketConn { return &laterCalls{PacketConn: c} })},
	{"never sooner", "ReadDeadlineSooner", both(func(c net.PacketConn) net.PacketConn { return &firstDeadline{PacketConn: c} })},
	{"never later", "ReadDeadlineLater", both(func(c net.PacketConn) net.PacketConn { return &firstDeadline{PacketConn: c} })},
	{"never cleared", "ReadDeadlineClearedWhileBlocked", both(func(c net.PacketConn) net.PacketConn { return &firstDeadline{PacketConn: c} })},
	{"timeout is final", "DeadlineCleared", both(func(c net.PacketConn) net.PacketConn { return &finalTimeout{PacketConn: c} })},
	{"timeout is final", "DeadlineRenewed", both(func(c net.PacketConn) net.PacketConn { return &finalTimeout{PacketConn: c} })},
	{"one deadline for both", "DeadlinePerDirection", both(func(c net.PacketConn) net.PacketConn { return oneDeadline{c} })},
	{"SetDeadline sets one", "DeadlineBothDirections", both(func(c net.PacketConn) net.PacketConn { return readOnlyDeadline{c} })},
	{"deadline wakes one", "DeadlineEndsAllReaders", both(func(c net.PacketConn) net.PacketConn { return &wakesOne{PacketConn: c} })},
	{"deadlines in nanoseconds", "DeadlineNotYet", both(func(c net.PacketConn) net.PacketConn { return tooSoon{c} })},

	{"Close waits for readers", "CloseUnblocksReaders", both(func(c net.PacketConn) net.PacketConn { return &waitsForReaders{PacketConn: c} })},
	{"Close leaves readers", "CloseUnblocksReadersWithDeadline", both(func(c net.PacketConn) net.PacketConn { return newLeavesReaders(c) })},
	{"writes on after Close", "CloseEndsWriters", both(func(c net.PacketConn) net.PacketConn { return writesOn{c, time.Now()} })},
	{"closed is EOF", "AfterClose", both(func(c net.PacketConn) net.PacketConn { return closedIsEOF{c} })},
	{"second Close succeeds", "AfterClose", both(func(c net.PacketConn) net.PacketConn { return &closeTwice{PacketConn: c} })},
	{"deadlines after Close", "AfterClose", both(func(c net.PacketConn) net.PacketConn { return deadlinesOn{c} })},
	{"timeout before closed", "AfterCloseWithDeadline", both(func(c net.PacketConn) net.PacketConn { return &timeoutFirst{PacketConn: c} })},
	{"closes its peer", "CloseOnlyOne", func(p *Pair) { p.C1 = closesPeer{p.C1, p.C2} }},
	{"every Close succeeds", "CloseConcurrently", both(func(c net.PacketConn) net.PacketConn { return &closeTwice{PacketConn: c} })},

	{"one lock", "ReadAndWriteAtOnce", both(func(c net.PacketConn) net.PacketConn { return &oneLock{PacketConn: c} })},
	{"one buffer", "ConcurrentEcho", both(func(c net.PacketConn) net.PacketConn { return &oneBuffer{PacketConn: c} })},
	{"each reader its copy", "RacingReads", both(func(c net.PacketConn) net.PacketConn { return &copies{PacketConn: c} })},
	{"timeout is final", "RacingDeadlines", both(func(c net.PacketConn) net.PacketConn { return &finalTimeout{PacketConn: c} })},
	{"closed is EOF", "EverythingAtOnce", both(func(c net.PacketConn) net.PacketConn { return closedIsEOF{c} })},

	{"a stream", "ConnectedBoundaries", dialled(func(c net.Conn) net.Conn { return &streamConn{Conn: c} })},
	{"empty datagram is EOF", "ConnectedZeroLength", dialled(func(c net.Conn) net.Conn { return eofConn{c} })},
	{"a stream", "ConnectedTruncation", dialled(func(c net.Conn) net.Conn { return &streamConn{Conn: c} })},
	{"no RemoteAddr", "ConnectedAddrs", dialled(func(c net.Conn) net.Conn { return noRemote{c} })},
	{"hears everybody", "ConnectedHearsOnlyItsPeer", func(p *Pair) { p.Dial = dialUnconnected }},
	{"no deadlines", "ConnectedDeadlines", dialled(func(c net.Conn) net.Conn { return noDeadlines{c} })},
	{"closed is EOF", "ConnectedClose", dialled(func(c net.Conn) net.Conn { return closedEOFConn{c} })},
	{"WriteTo anybody", "ConnectedWriteTo", func(p *Pair) { p.Dial = dialUnconnected }},
	{"refusal is not told", "ConnectionRefused", func(p *Pair) { p.Dial = dialUnconnected }},
	{"refused for ever", "ConnectionRefused", dialled(func(c net.Conn) net.Conn { return &refusedForever{Conn: c} })},

	{"a goroutine stays", "Boundaries", func(p *Pair) {
		stay := make(chan struct{})
		go func() { <-stay }()
		time.AfterFunc(5*time.Second, func() { close(stay) })
	}},
}

func both(wrap func(net.PacketConn) net.PacketConn) func(*Pair) {
	return func(p *Pair) { p.C1, p.C2 = wrap(udp{p.C1}), wrap(udp{p.C2}) }
}

func dialled(wrap func(net.Conn) net.Conn) func(*Pair) {
	return func(p *Pair) {
		dial := p.Dial
		p.Dial = func(a net.Addr) (net.Conn, error) {
			c, err := dial(a)
			if err != nil {
				return nil, err
			}
			return wrap(c), nil
		}
	}
}

func TestBrokenConnectionsAreNoticed(t *testing.T) {
	noticed := map[string]bool{}
	for _, b := range breakages {
		t.Run(b.in+"/"+strings.ReplaceAll(b.name, " ", "_"), func(t *testing.T) {
			r := try(t, b.in, func() (*Pair, error) {
				p, err := udpPair()
				if err != nil {
					return nil, err
				}
				c1, c2 := p.C1, p.C2
				p.Addr1, p.Addr2 = c1.LocalAddr(), c2.LocalAddr()
				p.Stop = func() { c1.Close(); c2.Close() }
				b.apply(p)
				return p, nil
			})
			if r.skipped || len(r.failures) == 0 {
				t.Errorf("a connection of which %q is true passed", b.name)
			} else {
				t.Logf("%s", strings.SplitN(r.failures[0], "\n", 2)[0])
			}
		})
		noticed[b.in] = true
	}
	for _, c := range cases {
		if !noticed[c.name] {
			t.Errorf("no broken connection shows that the case %s can fail", c.name)
		}
		// The same impatience with a good connection, so that what was
		// noticed above was the breakage. A machine that is busy elsewhere
		// is given three chances.
		r := try(t, c.name, udpPair)
		for range 2 {
			if len(r.failures) > 0 {
				r = try(t, c.name, udpPair)
			}
		}
		if len(r.failures) > 0 {
			t.Errorf("a good connection fails %s: %v", c.name, r.failures)
		}
	}
}

// What follows are the broken connections, in the order of the table.

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
