package dgram_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/internal/jam"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// FuzzSocket makes calls of sockets in any order, from outside and from inside their
// callbacks, on a host in virtual time whose sends can be jammed, and holds them to what
// must always be:
//
//   - every send that was accepted has its callback called once, those that went straight
//     to the network in order
//   - nothing is called from inside a call, nor inside of another callback
//   - every datagram that was read was told of once or dropped for a reason; the network's
//     ledger balances
//   - once a socket is closed there is 'close', once, and nothing else but callbacks of sends
//   - in the end the loop's Run returns, and nothing is left on it
func FuzzSocket(f *testing.F) {
	f.Add([]byte{0, 0, 0, 3, 0, 0, 5, 0, 5, 0, 0, 0, 10, 0})
	f.Add([]byte{0, 0, 0, 5, 0, 5, 3, 7, 1, 10, 1, 0, 0, 0, 0})                   // what waits for the bind
	f.Add([]byte{1, 0, 0, 34, 8, 3, 0, 35, 1, 0, 12, 0, 5, 0, 5, 0, 5, 0, 10, 0}) // closed while sends wait
	f.Add([]byte{2, 0, 0, 5, 3, 5, 3, 5, 4, 14, 0, 0, 1, 0})                      // aborted while names are looked up
	f.Add([]byte{0, 0, 0, 3, 7, 0, 7, 0, 1, 0, 5, 0, 9, 0, 7, 2, 0, 0})
	f.Add([]byte{0, 0, 0, 11, 0, 11, 1, 5, 6, 0, 0, 11, 2, 11, 3, 6, 1, 6, 2, 6, 3, 0, 0})
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) <= 300 {
			runProgram(t, program)
		}
	})
}

// TestSocketAtRandom is the same for longer programs, of a seed.
func TestSocketAtRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 200 {
		program := make([]byte, 400)
		for i := range program {
			program[i] = byte(r.Uint32())
		}
		runProgram(t, program)
		if t.Failed() {
			t.Fatalf("program %#v", program)
		}
	}
}

// A machine runs a program.
type machine struct {
	*testing.T
	host    *lab.Host
	net     *jam.Network
	loop    *loop.Loop
	program []byte
	actors  [3]*actor
	past    []*actor // whose sockets were closed and replaced
	inside  int      // calls under way
	depth   int      // callbacks under way
	ids     uint32   // of datagrams
}

// An actor is a socket and what has become of it.
type actor struct {
	m      *machine
	s      *dgram.Socket
	block  dgram.BlockList
	cancel context.CancelFunc
	lookup bool // it has a function of its own
	chain  int  // so many callbacks of sends are to send again

	owed   int  // callbacks of sends
	steady bool // it is bound, and nothing waits for that: sends go straight to the network
	sent   int  // those that went so
	last   int  // of them, whose callback was called last

	closes  int // calls of Close that were accepted
	told    int // their callbacks
	ended   int // events 'close'
	batches func()
	one     map[uint32]bool // datagrams that OnMessage was told of
	many    map[uint32]bool // and OnMessages
}

func runProgram(t *testing.T, program []byte) {
	l := lab.New(lab.Config{Seed: 1})
	defer l.Close()
	lan := l.AddSwitch("lan")
	hosts := [2]*lab.Host{l.AddHost("h"), l.AddHost("peer")}
	for i, h := range hosts {
		if _, err := h.Attach(lan, lab.LinkConfig{
			Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)},
			Faults:    lab.Faults{Delay: 200 * time.Microsecond},
		}); err != nil {
			t.Fatal(err)
		}
		if err := h.AddRoute(stack.Route{Interface: "eth0"}); err != nil {
			t.Fatal(err)
		}
	}
	m := &machine{T: t, host: hosts[0], net: jam.New(hosts[0]), program: program}
	m.host.Go("program", func(ctx context.Context) error {
		m.loop = loop.New(loop.Config{On: m.host})
		for i := range m.actors {
			m.actors[i] = m.newActor(int(m.next()))
		}
		for len(m.program) > 0 {
			m.step(ctx)
		}
		return m.end()
	})
	if err := l.RunTasks(time.Minute); err != nil {
		t.Error(err)
	}
	if err := l.Run(10 * time.Second); err != nil { // what is under way
		t.Error(err)
	}
	if err := l.CheckLedger(); err != nil {
		t.Error(err)
	}
	if g := m.host.Stack().Ledger(); g.Held != 0 {
		t.Errorf("%d packets are held", g.Held)
	}
}

// end closes what is open, runs the loop to its end, and checks the accounts.
func (m *machine) end() error {
	m.net.Clear()
	for _, a := range m.actors {
		if a != nil && !a.s.Closed() {
			m.call(func() error { return a.close(true) })
		}
	}
	if err := m.loop.Run(); err != nil {
		return err
	}
	for _, a := range append(m.actors[:], m.past...) {
		if a != nil {
			a.check()
		}
	}
	if err := m.loop.Close(); err != nil {
		m.Errorf("something is left on the loop: %v", err)
	}
	return nil
}

// check is what holds of a socket in the end.
func (a *actor) check() {
	a.m.Helper()
	for id := range a.many {
		a.one[id] = true
	}
	if st := a.s.Stats(); st.Received != uint64(len(a.one)) {
		a.m.Errorf("%d datagrams were received, and %d told of: %+v", st.Received, len(a.one), st)
	}
	if a.owed != 0 || a.told != a.closes || a.ended != 1 || !a.s.Closed() {
		a.m.Errorf("%d callbacks of sends and %d of Close are owed; there were %d events 'close'", a.owed, a.closes-a.told, a.ended)
	}
	if n, size := a.s.SendQueueCount(), a.s.SendQueueSize(); n != 0 || size != 0 {
		a.m.Errorf("%d datagrams of %d bytes wait on a socket that is closed", n, size)
	}
	a.cancel()
}

// call makes a call, inside of which nothing may be called.
func (m *machine) call(f func() error) error {
	m.inside++
	defer func() { m.inside-- }()
	return f()
}

// called wraps what a callback does.
func (m *machine) called(what string, f func()) {
	if m.inside > 0 || m.depth > 0 {
		m.Errorf("%s was called inside of %d calls and %d callbacks", what, m.inside, m.depth)
	}
	m.depth++
	f()
	for len(m.program) > 1 && m.program[0]%5 == 2 { // more of the program, in here
		m.step(nil)
	}
	m.depth--
}

// event is called for each event but 'close'.
func (a *actor) event(what string, f func()) {
	if a.s.Closed() {
		a.m.Errorf("'%s' of a socket that is closed", what)
	}
	a.m.called(what, f)
}

func (m *machine) next() byte {
	if len(m.program) == 0 {
		return 0
	}
	b := m.program[0]
	m.program = m.program[1:]
	return b
}

var (
	fuzzAddresses = []string{"127.0.0.1", "", "10.0.0.1", "10.0.0.2", "peer", "nowhere", "239.1.2.3", "255.255.255.255", "::1"}
	fuzzPorts     = []int{7000, 7001, 7002, 9, 0, -1, 65536}
)

// step does what the next two bytes say: a call of one of three sockets.
func (m *machine) step(ctx context.Context) {
	op, arg := m.next(), int(m.next())
	slot := int(op>>5) % len(m.actors)
	a := m.actors[slot]
	switch op %= 32; op { // what is to be done more often than the rest
	case 26, 31:
		op = 0
	case 28:
		op = 2
	case 29:
		op = 19
	}
	switch {
	case op < 2 && m.depth > 0:
		return // the loop does not run inside itself
	case op == 0:
		_, _ = m.loop.RunMode(loop.RunNoWait)
		return
	case op == 1:
		_ = m.host.Sleep(ctx, time.Duration(arg)*time.Microsecond)
		_, _ = m.loop.RunMode(loop.RunNoWait)
		return
	case op == 2:
		if a == nil || a.ended > 0 {
			if a != nil {
				m.past = append(m.past, a)
			}
			m.actors[slot] = m.newActor(arg)
		}
		return
	case op == 12:
		m.net.Jam(arg%4, []error{syscall.EAGAIN, syscall.ENOBUFS, syscall.EPERM}[arg/4%3])
		return
	case op == 13:
		m.net.Clear()
		return
	case a == nil:
		return
	}
	closed := a.s.Closed()
	err := m.call(func() error { return a.step(op, arg) })
	if n := a.s.SendQueueCount(); n > maxQueued {
		m.Errorf("%d datagrams wait, and no more than %d may", n, maxQueued)
	}
	var e *dgram.Error
	switch {
	case err != nil && !errors.As(err, &e):
		m.Errorf("call %d returned %v, which is no Error", op, err)
	case closed && err == nil && op < 12:
		m.Errorf("call %d of a socket that is closed returned nothing", op)
	case closed && err != nil && e.Code != "ERR_SOCKET_DGRAM_NOT_RUNNING":
		m.Errorf("call %d of a socket that is closed returned %v", op, err)
	}
}

// maxQueued is how many datagrams may wait behind a jam.
const maxQueued = 4

func (m *machine) newActor(arg int) *actor {
	a := &actor{m: m, one: make(map[uint32]bool), many: make(map[uint32]bool)}
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	opts := dgram.Options{Type: "udp4", On: m.net, Loop: m.loop, MaxPending: 5, MaxQueued: maxQueued, ReceiveBlockList: &a.block}
	if arg&1 != 0 {
		opts.ReuseAddr = true
	}
	if arg&2 != 0 {
		a.lookup = true
		opts.Lookup = func(ctx context.Context, name string, _ socket.Family) (netip.Addr, error) {
			if err := m.host.Sleep(ctx, 300*time.Microsecond); err != nil {
				return netip.Addr{}, err
			}
			if ip, err := netip.ParseAddr(name); err == nil {
				return ip, nil
			}
			if name == "peer" {
				return netip.MustParseAddr("10.0.0.2"), nil
			}
			return netip.Addr{}, &dgram.Error{Name: "Error", Code: "EOWN", Message: "the lookup's own"}
		}
	}
	if arg&4 != 0 {
		opts.Signal = ctx
	}
	if arg&8 != 0 {
		opts.SendBlockList = new(dgram.BlockList)
		_ = opts.SendBlockList.AddAddress(netip.MustParseAddr("10.0.0.2"))
	}
	if arg&16 != 0 {
		opts.RecvBufferSize = 4096
	}
	s, err := dgram.CreateSocket(opts)
	if err != nil {
		m.Fatal(err)
	}
	a.s = s
	s.OnListening(func() {
		a.event("listening", func() {
			m.loop.NextTick(func() { a.steady = true }) // what waited has been flushed then
		})
	})
	s.OnConnect(func() { a.event("connect", func() {}) })
	s.OnError(func(error) { a.event("error", func() {}) })
	s.OnMessage(func(msg []byte, _ *dgram.RemoteInfo) { a.event("message", func() { a.heard(a.one, msg) }) })
	s.OnClose(func() {
		m.called("close", func() {
			a.ended++
			if !s.Closed() {
				m.Error("'close' of a socket that is open")
			}
		})
	})
	return a
}

func (a *actor) heard(set map[uint32]bool, msg []byte) {
	id := binary.BigEndian.Uint32(msg)
	if set[id] || id == 0 || id > a.m.ids {
		a.m.Errorf("datagram %d of %d was told of twice: %v", id, a.m.ids, set[id])
	}
	set[id] = true
}

// close is Close, with or without a callback.
func (a *actor) close(callback bool) error {
	if !callback {
		return a.s.Close(nil)
	}
	err := a.s.Close(func() {
		a.m.called("callback of Close", func() { a.told++ })
	})
	if err == nil {
		a.closes++
	}
	return err
}

func (a *actor) step(op byte, arg int) error {
	s := a.s
	address, port := fuzzAddresses[arg%len(fuzzAddresses)], fuzzPorts[arg/16%len(fuzzPorts)]
	switch op {
	case 3:
		return s.Bind(port, address, func() {})
	case 4:
		_, err := s.BindSync(port, address)
		return err
	case 5, 16, 17, 18:
		if op != 5 {
			address = "127.0.0.1"
		}
		return a.send(port, address, arg)
	case 6:
		return a.sendOtherwise(port, arg)
	case 7:
		if arg&128 != 0 {
			return s.Connect(port, address, nil)
		}
		return s.Connect(port, address, func(error) {})
	case 8:
		return s.ConnectSync(port, address)
	case 9:
		return s.Disconnect()
	case 10:
		if arg%4 != 0 && !s.Closed() { // else every program would soon be over
			return nil
		}
		return a.close(arg&16 != 0)
	case 11:
		return a.member(arg)
	case 14:
		a.cancel()
	case 15:
		if arg%8 == 0 {
			_ = a.block.AddAddress(netip.MustParseAddr("127.0.0.1"))
		}
	case 19:
		if a.batches == nil {
			a.batches = s.OnMessages(func(ms []socket.Message) {
				a.event("messages", func() {
					for i := range ms {
						a.heard(a.many, ms[i].Buf)
					}
				})
			})
		} else {
			a.batches()
			a.batches = nil
		}
	case 24:
		a.chain = arg % 80
		return a.send(fuzzPorts[arg%3], "127.0.0.1", 0)
	case 25:
		_, err := s.BindSync(fuzzPorts[arg%3], "127.0.0.1")
		return err
	case 27:
		return a.send(fuzzPorts[arg%3], "127.0.0.1", arg)
	case 30:
		return a.sendOtherwise(fuzzPorts[arg/4%3], arg)
	case 20:
		s.Unref()
	case 21:
		s.Ref()
	case 22:
		return s.SetTTL(arg)
	case 23:
		return s.SetRecvBufferSize(arg)
	}
	return nil
}

func (a *actor) member(arg int) (err error) {
	switch arg % 5 {
	case 0:
		err = a.s.AddMembership("239.1.2.3", "")
	case 1:
		err = a.s.DropMembership("239.1.2.3", "eth0")
	case 2:
		err = a.s.AddSourceSpecificMembership("10.0.0.1", "239.1.2.3", "10.0.0.1")
	case 3:
		err = a.s.DropSourceSpecificMembership("10.0.0.1", "239.1.2.3", "")
	case 4:
		_, err = a.s.AddMembershipAll("239.1.2.3")
	}
	return err
}

// payload is a datagram's, by which it is known; now and then it is too long to be sent.
func (a *actor) payload(arg int) []byte {
	a.m.ids++
	size := 4
	if arg%64 == 63 {
		size = 70_000
	}
	b := make([]byte, size)
	binary.BigEndian.PutUint32(b, a.m.ids)
	return b
}

// callback returns one for a send, which is to be called once, and what is to be called
// if the send is not accepted.
func (a *actor) callback(straight bool) (f func(int, error), refused func()) {
	a.owed++
	called := false
	number := 0
	if straight {
		a.sent++
		number = a.sent
	}
	return func(_ int, err error) {
			a.m.called("callback of a send", func() {
				if called {
					a.m.Error("the callback of a send was called twice")
				}
				called = true
				a.owed--
				if number != 0 && (err == nil || errors.Is(err, syscall.ECANCELED)) {
					if number < a.last {
						a.m.Errorf("the callback of send %d came after that of %d", number, a.last)
					}
					a.last = number
				}
				if a.chain > 0 {
					a.chain--
					_ = a.m.call(func() error { return a.send(7000+number%3, "127.0.0.1", 0) })
				}
			})
		}, func() {
			a.owed--
			called = true
		}
}

func (a *actor) send(port int, address string, arg int) error {
	msg := a.payload(arg)
	if _, err := a.s.RemoteAddress(); err == nil && arg%3 != 0 {
		port, address = 0, ""
	}
	if arg&64 != 0 {
		err := a.s.Send(msg, port, address, nil)
		clear(msg[4:])
		return err
	}
	_, literal := netip.ParseAddr(address)
	f, refused := a.callback(a.steady && !a.lookup && (literal == nil || address == ""))
	err := a.s.Send(msg, port, address, f)
	if err != nil {
		refused()
	}
	for i := range msg { // the bytes are the caller's again
		msg[i] = 0xff
	}
	return err
}

// sendOtherwise sends by the calls that are not Send.
func (a *actor) sendOtherwise(port, arg int) error {
	to := netip.AddrPort{}
	if _, err := a.s.RemoteAddress(); err != nil && port >= 0 && port < 65536 {
		to = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
	}
	f, refused := a.callback(false)
	var err error
	switch arg % 4 {
	case 0:
		err = a.s.SendList([][]byte{a.payload(0), {1}, nil, {2}}, port, "127.0.0.1", f)
	case 1:
		m := socket.Message{Buf: a.payload(0), Addr: to, Set: socket.FieldTTL, TTL: 9}
		err = a.s.SendMessage(&m, f)
	case 2:
		err = a.s.SendBatch(nil, f)
	case 3:
		ms := make([]socket.Message, 6)
		for i := range ms {
			ms[i] = socket.Message{Buf: a.payload(0), Addr: to}
		}
		err = a.s.SendBatch(ms, func(n int, err error) {
			if n > len(ms) || n < len(ms) && err == nil {
				a.m.Errorf("%d of %d were sent, and the error is %v", n, len(ms), err)
			}
			f(n, err)
		})
	}
	if err != nil {
		refused()
	}
	return err
}
