package loop_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/internal/jam"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// FuzzHandle calls a handle in any order, from outside and from inside its callbacks, and
// holds it to what must always be: the ends of sends come once each and in order, the
// queue's counts are those of what was begun and not told, datagrams come in order and
// none twice, nothing comes after Close.
func FuzzHandle(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13})
	f.Add([]byte{3, 1, 1, 1, 8, 1, 1, 9, 0, 0, 0, 0})            // a jam, and its end
	f.Add([]byte{2, 1, 1, 1, 4, 2, 0, 1, 1, 0, 12})              // receiving stopped and started
	f.Add([]byte{8, 1, 1, 1, 1, 12, 0, 0})                       // closed while sends wait
	f.Add([]byte{2, 1, 5, 1, 6, 1, 5, 2, 1, 0, 0, 10, 1, 10, 1}) // connected and not
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 200 {
			return
		}
		runProgram(t, program)
	})
}

// TestHandleAtRandom is the same for longer programs, of a seed.
func TestHandleAtRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 300 {
		program := make([]byte, 150)
		for i := range program {
			program[i] = byte(r.Uint32())
		}
		runProgram(t, program)
		if t.Failed() {
			t.Fatalf("program %v", program)
		}
	}
}

// machine is a handle, what is to be done with it, and what it ought to be like.
type machine struct {
	*testing.T
	net     *jam.Network
	loop    *loop.Loop
	u       *loop.UDP
	to      netip.AddrPort
	program []byte
	depth   int

	begun, told         int // sends with callbacks
	count, size         int // of what was begun and not told
	sizes               []int
	closed, closeCalled bool
	receiving           bool
	jammed              bool
	last                uint32 // datagram received
	sent                uint32
	got                 int
}

func runProgram(t *testing.T, program []byte) {
	v := clock.NewVirtual(clock.Epoch)
	st, err := stack.New(stack.Config{Clock: v})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	m := &machine{T: t, net: jam.New(st), program: program}
	m.loop = loop.New(loop.Config{On: m.net, Clock: v})
	if m.u, err = m.loop.NewUDP(loop.UDPConfig{Family: socket.IPv4}); err != nil {
		t.Fatal(err)
	}
	// A port that was named is kept when the handle is disconnected.
	if err := m.u.Bind(netip.MustParseAddrPort("127.0.0.1:7000"), 0); err != nil {
		t.Fatal(err)
	}
	m.to, _ = m.u.LocalAddr() // to itself
	for len(m.program) > 0 {
		m.step()
		m.check()
	}
	m.net.Clear()
	if !m.closed {
		m.close()
	}
	for turn := 0; m.loop.Alive(); turn++ {
		if turn > 1000 {
			t.Fatal("the loop does not end")
		}
		if _, err := m.loop.RunMode(loop.RunNoWait); err != nil {
			t.Fatal(err)
		}
	}
	if m.told != m.begun || m.count != 0 || !m.closeCalled {
		t.Errorf("%d sends were begun and %d told; close was told: %v", m.begun, m.told, m.closeCalled)
	}
	m.check()
}

// check compares what the handle says of itself.
func (m *machine) check() {
	m.Helper()
	if n, size := m.u.SendQueueCount(), m.u.SendQueueSize(); n != m.count || size != m.size {
		m.Errorf("the queue says %d datagrams, %d bytes; it has %d, %d", n, size, m.count, m.size)
	}
	if m.u.Closing() != m.closed || !m.closed && m.receiving && !m.u.Active() {
		m.Errorf("closing %v, active %v", m.u.Closing(), m.u.Active())
	}
}

func (m *machine) message() *socket.Message {
	m.sent++
	msg := &socket.Message{Buf: binary.BigEndian.AppendUint32(nil, m.sent)}
	if !m.u.Connected() {
		msg.Addr = m.to
	}
	return msg
}

func (m *machine) want(what string, err, want error) {
	m.Helper()
	if m.closed {
		want = syscall.EBADF
	}
	if err != want {
		m.Errorf("%s = %v, want %v", what, err, want)
	}
}

func (m *machine) step() {
	op := m.program[0]
	m.program = m.program[1:]
	u := m.u
	switch op % 14 {
	case 0, 11, 13:
		if m.depth == 0 {
			_, _ = m.loop.RunMode(loop.RunNoWait)
		}
	case 1, 7:
		m.send()
	case 2:
		err := u.RecvStart(m.received)
		if m.receiving {
			m.want("RecvStart", err, syscall.EALREADY)
		} else {
			m.want("RecvStart", err, nil)
			m.receiving = !m.closed
		}
	case 3:
		err := u.TrySend(m.message())
		if m.count > 0 || m.jammed {
			m.want("TrySend", err, syscall.EAGAIN)
		} else {
			m.want("TrySend", err, nil)
		}
	case 4:
		if err := u.RecvStop(); err != nil {
			m.Errorf("RecvStop = %v", err)
		}
		m.receiving = false
	case 5:
		connected := u.Connected()
		if err := u.Connect(m.to); connected {
			m.want("Connect", err, syscall.EISCONN)
		} else {
			m.want("Connect", err, nil)
		}
	case 6:
		// What waits with an address may not be sent any more once connected, but
		// what waits without one has to go: as with libuv it fails by itself.
		if m.count > 0 {
			return
		}
		connected := u.Connected()
		if err := u.Connect(netip.AddrPort{}); connected {
			m.want("Connect", err, nil)
		} else {
			m.want("Connect", err, syscall.ENOTCONN)
		}
	case 8:
		m.net.Jam(0, syscall.EAGAIN)
		m.jammed = true
	case 9:
		m.net.Clear()
		m.jammed = false
	case 10:
		msg := m.message()
		if m.u.Connected() {
			msg.Addr = m.to
			m.want("TrySend", u.TrySend(msg), syscall.EISCONN)
		} else {
			msg.Addr = netip.AddrPort{}
			m.want("TrySend", u.TrySend(msg), syscall.EDESTADDRREQ)
		}
	case 12:
		if op > 230 { // else every program would soon be closed
			m.close()
		}
	}
}

func (m *machine) send() {
	msg := m.message()
	number, size := m.begun, len(msg.Buf)
	m.begun++
	m.count++
	m.size += size
	inside := true
	err := m.u.Send(msg, func(err error) {
		if inside || number != m.told {
			m.Errorf("the end of send %d came inside of it: %v; %d have been told", number, inside, m.told)
		}
		m.told++
		m.count--
		m.size -= size
		if err != nil && !(err == syscall.ECANCELED && m.closed) && err != syscall.EDESTADDRREQ && err != syscall.EISCONN {
			m.Errorf("send %d: %v", number, err)
		}
		m.more()
	})
	inside = false
	clear(msg.Buf[:0]) // the bytes are the caller's again
	for i := range msg.Buf {
		msg.Buf[i] = 0xff
	}
	if m.closed {
		m.want("Send", err, nil)
	}
	if err != nil {
		m.begun--
		m.count--
		m.size -= size
	}
	if err != nil && !m.closed {
		m.Errorf("Send = %v", err)
	}
}

func (m *machine) received(msg *socket.Message, err error) {
	if m.closed || !m.receiving {
		m.Errorf("called when closed %v, receiving %v", m.closed, m.receiving)
	}
	if err != nil {
		m.Errorf("received %v", err)
		return
	}
	n := binary.BigEndian.Uint32(msg.Buf)
	if n <= m.last || n > m.sent {
		m.Errorf("datagram %d came after %d, of %d", n, m.last, m.sent)
	}
	m.last = n
	m.got++
	m.more()
}

// more goes on with the program inside a callback.
func (m *machine) more() {
	if m.depth > 0 || len(m.program) == 0 || m.program[0]%3 == 0 {
		return
	}
	m.depth++
	m.step()
	m.depth--
	m.check()
}

func (m *machine) close() {
	err := m.u.Close(func() {
		if m.closeCalled || m.count != 0 {
			m.Errorf("closed with %d sends that were not told", m.count)
		}
		m.closeCalled = true
	})
	if m.closed {
		if !errors.Is(err, net.ErrClosed) {
			m.Errorf("Close = %v", err)
		}
		return
	}
	if err != nil {
		m.Errorf("Close = %v", err)
	}
	m.closed, m.receiving = true, false
}
