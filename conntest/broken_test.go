package conntest

import (
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
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
