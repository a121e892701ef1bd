package conntest

import (
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A memConn is a packet connection in memory, as plain as the rules allow.
type memConn struct {
	net  *memNet
	addr memAddr
	late time.Duration // how much too late deadlines are met

	closed, readOver, writeOver bool
	readTimer, writeTimer       *time.Timer
	queue                       []datagram
}

// A memNet is where memConns find each other. One lock guards them all, and
// everybody who waits is woken by whatever happens.
type memNet struct {
	mu    sync.Mutex
	some  *sync.Cond
	conns map[memAddr]*memConn
}

type memAddr int

func (memAddr) Network() string  { return "mem" }
func (a memAddr) String() string { return strconv.Itoa(int(a)) }

func memPair(late time.Duration) MakePair {
	return func() (*Pair, error) {
		n := &memNet{conns: map[memAddr]*memConn{}}
		n.some = sync.NewCond(&n.mu)
		for a := memAddr(1); a <= 2; a++ {
			n.conns[a] = &memConn{net: n, addr: a, late: late}
		}
		return &Pair{C1: n.conns[1], C2: n.conns[2]}, nil
	}
}

func (c *memConn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "mem", Source: c.addr, Err: err}
}

func (c *memConn) LocalAddr() net.Addr { return c.addr }

func (c *memConn) ReadFrom(b []byte) (int, net.Addr, error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, nil, c.fail("read", net.ErrClosed)
		case c.readOver:
			return 0, nil, c.fail("read", os.ErrDeadlineExceeded)
		case len(c.queue) > 0:
			d := c.queue[0]
			c.queue = c.queue[1:]
			return copy(b, d.payload), d.from, nil
		}
		c.net.some.Wait()
	}
}

func (c *memConn) WriteTo(b []byte, a net.Addr) (int, error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	to, ok := a.(memAddr)
	switch {
	case c.closed:
		return 0, c.fail("write", net.ErrClosed)
	case c.writeOver:
		return 0, c.fail("write", os.ErrDeadlineExceeded)
	case !ok:
		return 0, c.fail("write", net.InvalidAddrError("not of this network"))
	case len(b) > 65507:
		return 0, c.fail("write", net.InvalidAddrError("too long"))
	}
	if d := c.net.conns[to]; d != nil && !d.closed {
		d.queue = append(d.queue, datagram{payload: slices.Clone(b), from: c.addr})
		c.net.some.Broadcast()
	}
	return len(b), nil
}

func (c *memConn) Close() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	c.closed = true
	c.net.some.Broadcast()
	return nil
}

func (c *memConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *memConn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(t, &c.readOver, &c.readTimer)
}

func (c *memConn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(t, &c.writeOver, &c.writeTimer)
}

func (c *memConn) setDeadline(t time.Time, over *bool, timer **time.Timer) error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.fail("set", net.ErrClosed)
	}
	if *timer != nil {
		(*timer).Stop()
	}
	*timer, *over = nil, false
	if t.IsZero() {
		return nil
	}
	if time.Until(t) <= 0 {
		*over = true
		c.net.some.Broadcast()
		return nil
	}
	var mine *time.Timer
	mine = time.AfterFunc(time.Until(t)+c.late, func() {
		c.net.mu.Lock()
		defer c.net.mu.Unlock()
		if *timer == mine {
			*over = true
			c.net.some.Broadcast()
		}
	})
	*timer = mine
	return nil
}

func TestInMemory(t *testing.T)         { TestPacketConn(t, memPair(0)) }
func TestInMemoryInBubble(t *testing.T) { TestPacketConnInBubble(t, memPair(0)) }

// In a bubble a nanosecond is seen.
func TestLateDeadlineIsNoticedInBubble(t *testing.T) {
	for _, c := range deadlineCases {
		if c.name != "ReadDeadlineFuture" {
			continue
		}
		r := new(recorder)
		synctest.Test(t, func(t *testing.T) { run(r, c, memPair(time.Nanosecond), bubbleTime) })
		if len(r.failures) == 0 {
			t.Error("a deadline that is met a nanosecond late passed")
		}
	}
}
