package differential

import (
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/castnet-go/castnet/socket"
)

// faulty is a network whose sockets have a bug.
type faulty struct {
	socket.Network
	plant func(socket.Socket) socket.Socket
}

func (n faulty) Open(f socket.Family) (socket.Socket, error) {
	s, err := n.Network.Open(f)
	if err != nil {
		return nil, err
	}
	return n.plant(s), nil
}

// The bugs, each a socket that breaks one rule. What a method does right it
// leaves to the socket below.

type silentTruncation struct{ socket.Socket } // D-RECV-02

func (s silentTruncation) TryRecv(ms []socket.Message) (int, error) {
	n, err := s.Socket.TryRecv(ms)
	for i := range ms[:n] {
		ms[i].Len = len(ms[i].Buf)
	}
	return n, err
}

type peekTakes struct{ socket.Socket } // D-RECV-03

func (s peekTakes) TryPeek(m *socket.Message) error {
	ms := []socket.Message{*m}
	_, err := s.TryRecv(ms)
	*m = ms[0]
	return err
}

type emptyIsNothing struct{ socket.Socket } // D-RECV-04

func (s emptyIsNothing) TryRecv(ms []socket.Message) (int, error) {
	n, err := s.Socket.TryRecv(ms)
	if n == 1 && ms[0].Len == 0 {
		return 0, syscall.EAGAIN
	}
	return n, err
}

type nextSizeIsBool struct{ socket.Socket } // D-RECV-05

func (s nextSizeIsBool) Option(o socket.Option) (int, error) {
	v, err := s.Socket.Option(o)
	if o == socket.NextSize {
		v = min(v, 1)
	}
	return v, err
}

type bufferNotDoubled struct{ socket.Socket } // D-RECV-07

func (s bufferNotDoubled) Option(o socket.Option) (int, error) {
	v, err := s.Socket.Option(o)
	if o == socket.ReceiveBuffer {
		v /= 2
	}
	return v, err
}

type errorTwice struct { // D-ERR-01
	socket.Socket
	again error
}

func (s *errorTwice) TryRecv(ms []socket.Message) (int, error) {
	if err := s.again; err != nil {
		s.again = nil
		return 0, err
	}
	n, err := s.Socket.TryRecv(ms)
	if err == syscall.ECONNREFUSED {
		s.again = err
	}
	return n, err
}

type errorNotOnSend struct{ socket.Socket } // D-ERR-02

func (s errorNotOnSend) TrySend(ms []socket.Message) (int, error) {
	n, err := s.Socket.TrySend(ms)
	if err == syscall.ECONNREFUSED {
		return s.Socket.TrySend(ms)
	}
	return n, err
}

type errorStays struct { // D-ERR-03
	socket.Socket
	v int
}

func (s *errorStays) Option(o socket.Option) (int, error) {
	v, err := s.Socket.Option(o)
	if o == socket.Error {
		if v == 0 {
			v = s.v
		}
		s.v = v
	}
	return v, err
}

type bindTwice struct{ socket.Socket } // D-BIND-03

func (s bindTwice) Bind(a netip.AddrPort) error {
	err := s.Socket.Bind(a)
	if err == syscall.EINVAL && s.LocalAddr().Port() != 0 {
		return syscall.EADDRINUSE
	}
	return err
}

type bindsForeign struct{ socket.Socket } // D-BIND-04

func (s bindsForeign) Bind(a netip.AddrPort) error {
	err := s.Socket.Bind(a)
	if err == syscall.EADDRNOTAVAIL {
		return syscall.EINVAL
	}
	return err
}

type alwaysShares struct { // E-REUSE-04
	socket.Socket
	asked int
}

func (s *alwaysShares) Bind(a netip.AddrPort) error {
	_ = s.Socket.SetOption(socket.ReuseAddr, 1)
	return s.Socket.Bind(a)
}

func (s *alwaysShares) SetOption(o socket.Option, v int) error {
	if o == socket.ReuseAddr {
		s.asked = v
		v = 1
	}
	return s.Socket.SetOption(o, v)
}

func (s *alwaysShares) Option(o socket.Option) (int, error) {
	v, err := s.Socket.Option(o)
	if o == socket.ReuseAddr && err == nil {
		v = s.asked
	}
	return v, err
}

type newSource struct{ socket.Socket } // D-CONN-03

func (s newSource) Connect(peer netip.AddrPort) error {
	if _, err := s.PeerAddr(); err == nil && peer.IsValid() {
		_ = s.Socket.Connect(netip.AddrPort{})
	}
	return s.Socket.Connect(peer)
}

type failedConnectUnbinds struct{ socket.Socket } // D-CONN-18

func (s failedConnectUnbinds) Connect(peer netip.AddrPort) error {
	fresh := s.LocalAddr().Port() == 0
	err := s.Socket.Connect(peer)
	if err != nil && fresh {
		_ = s.Socket.Connect(netip.AddrPort{})
	}
	return err
}

type connectedRefusesOthers struct{ socket.Socket } // D-CONN-14

func (s connectedRefusesOthers) TrySend(ms []socket.Message) (int, error) {
	if peer, err := s.PeerAddr(); err == nil {
		for _, m := range ms {
			if m.Addr.IsValid() && m.Addr != peer {
				return 0, syscall.EISCONN
			}
		}
	}
	return s.Socket.TrySend(ms)
}

type disconnectKeepsPort struct{ socket.Socket } // D-CONN-05

func (s disconnectKeepsPort) Connect(peer netip.AddrPort) error {
	was := s.LocalAddr()
	err := s.Socket.Connect(peer)
	if now := s.LocalAddr(); !peer.IsValid() && now.Port() == 0 && was.Port() != 0 {
		_ = s.Socket.Bind(netip.AddrPortFrom(now.Addr(), was.Port()))
	}
	return err
}

type shutdownOnlyConnected struct{ socket.Socket } // D-SHUT-01

func (s shutdownOnlyConnected) Shutdown(how socket.How) error {
	if _, err := s.PeerAddr(); err != nil && how != 0 && how <= socket.ShutBoth {
		return syscall.ENOTCONN
	}
	return s.Socket.Shutdown(how)
}

type shutdownReadDrops struct { // D-SHUT-04
	socket.Socket
	shut bool
}

func (s *shutdownReadDrops) Shutdown(how socket.How) error {
	s.shut = s.shut || how == socket.ShutRead || how == socket.ShutBoth
	return s.Socket.Shutdown(how)
}

func (s *shutdownReadDrops) TryRecv(ms []socket.Message) (int, error) {
	n, err := s.Socket.TryRecv(ms)
	if s.shut && n > 0 {
		return 0, syscall.EAGAIN
	}
	return n, err
}

type broadcastsFreely struct{ socket.Socket } // D-BCAST-01

func (s broadcastsFreely) TrySend(ms []socket.Message) (int, error) {
	n, err := s.Socket.TrySend(ms)
	if err == syscall.EACCES {
		_ = s.Socket.SetOption(socket.Broadcast, 1)
		defer s.Socket.SetOption(socket.Broadcast, 0)
		return s.Socket.TrySend(ms)
	}
	return n, err
}

type unboundWithoutAddress struct{ socket.Socket } // D-SIZE-03

func (s unboundWithoutAddress) TrySend(ms []socket.Message) (int, error) {
	fresh := s.LocalAddr().Port() == 0
	n, err := s.Socket.TrySend(ms)
	if fresh && err == syscall.EDESTADDRREQ {
		_ = s.Socket.Connect(netip.AddrPort{})
	}
	return n, err
}

type batchSkips struct{ socket.Socket } // D-SEND-04

func (s batchSkips) TrySend(ms []socket.Message) (int, error) {
	n, err := s.Socket.TrySend(ms)
	if err == nil && n < len(ms)-1 {
		more, _ := s.Socket.TrySend(ms[n+1:])
		return n + 1 + more, nil
	}
	return n, err
}

type fieldsStay struct{ socket.Socket } // D-CMSG-19

func (s fieldsStay) TrySend(ms []socket.Message) (int, error) {
	if len(ms) == 1 && ms[0].Set&socket.FieldTTL != 0 && ms[0].TTL != 0 {
		_ = s.Socket.SetOption(socket.TTL, int(ms[0].TTL))
	}
	return s.Socket.TrySend(ms)
}

type trainWhole struct{ socket.Socket } // D-CMSG-12

func (s trainWhole) TrySend(ms []socket.Message) (int, error) {
	for i := range ms {
		ms[i].Set &^= socket.FieldSegmentSize
	}
	return s.Socket.TrySend(ms)
}

type ttlZero struct{ socket.Socket } // D-OPT-02

func (s ttlZero) SetOption(o socket.Option, v int) error {
	if o == socket.TTL && v == 0 {
		return nil
	}
	return s.Socket.SetOption(o, v)
}

type portRangeIgnored struct{ socket.Socket } // D-EPHEM-04

func (s portRangeIgnored) SetOption(o socket.Option, v int) error {
	if o == socket.PortRange {
		return nil
	}
	return s.Socket.SetOption(o, v)
}

type payloadLost struct{ socket.Socket } // D-ERRQ-01

func (s payloadLost) TryRecvError(m *socket.ErrorMessage) error {
	err := s.Socket.TryRecvError(m)
	m.Buf, m.Len = m.Buf[:0], 0
	return err
}

type queueLeavesPending struct{ socket.Socket } // D-ERRQ-03

func (s queueLeavesPending) TryRecvError(m *socket.ErrorMessage) error {
	before, _ := s.Option(socket.Error)
	err := s.Socket.TryRecvError(m)
	if before != 0 && err == syscall.EAGAIN {
		return syscall.Errno(before)
	}
	return err
}

type alwaysReadable struct{ socket.Socket } // S-WAIT-01

func (s alwaysReadable) Ready(mask socket.Events) socket.Events {
	return s.Socket.Ready(mask) | mask&socket.Readable
}

type neverOnly struct{ socket.Socket } // D-SIX-05

func (s neverOnly) Option(o socket.Option) (int, error) {
	v, err := s.Socket.Option(o)
	if o == socket.IPv6Only {
		v = 0
	}
	return v, err
}

type zoneForgotten struct{ socket.Socket } // D-SIX-06

func (s zoneForgotten) TrySend(ms []socket.Message) (int, error) {
	ms = slices.Clone(ms)
	for i, m := range ms {
		ms[i].Addr = netip.AddrPortFrom(m.Addr.Addr().WithZone(""), m.Addr.Port())
	}
	return s.Socket.TrySend(ms)
}

type unmapped struct{ socket.Socket } // S-SIX-01

func (s unmapped) TryRecv(ms []socket.Message) (int, error) {
	n, err := s.Socket.TryRecv(ms)
	for i, m := range ms[:n] {
		ms[i].Addr = netip.AddrPortFrom(m.Addr.Addr().Unmap(), m.Addr.Port())
	}
	return n, err
}

type mappedRefused struct{ socket.Socket } // D-SIX-08

func (s mappedRefused) TrySend(ms []socket.Message) (int, error) {
	if len(ms) > 0 && ms[0].Addr.Addr().Is4In6() {
		return 0, syscall.ENETUNREACH
	}
	return s.Socket.TrySend(ms)
}

// bugs6 are those that show in the Wired6 world only.
var bugs6 = []struct {
	name  string
	plant func(socket.Socket) socket.Socket
}{
	{"IPv6Only is never said to be set", func(s socket.Socket) socket.Socket { return neverOnly{s} }},
	{"a zone is forgotten", func(s socket.Socket) socket.Socket { return zoneForgotten{s} }},
	{"IPv4's senders are not v4-mapped", func(s socket.Socket) socket.Socket { return unmapped{s} }},
	{"nothing is sent to v4-mapped addresses", func(s socket.Socket) socket.Socket { return mappedRefused{s} }},
}

// TestPlanted6 is TestPlanted for those.
func TestPlanted6(t *testing.T) {
	a := inWorld(t, Wired6)
	for _, bug := range bugs6 {
		t.Run(bug.name, func(t *testing.T) { a.find(t, Sequences(a.w), bug.plant) })
	}
}

// bugs are planted one at a time. Those of a Wired world need one to show.
var bugs = []struct {
	name  string
	wires bool
	plant func(socket.Socket) socket.Socket
}{
	{"a cut datagram does not say so", false, func(s socket.Socket) socket.Socket { return silentTruncation{s} }},
	{"a peek takes", false, func(s socket.Socket) socket.Socket { return peekTakes{s} }},
	{"an empty datagram is nothing", false, func(s socket.Socket) socket.Socket { return emptyIsNothing{s} }},
	{"the next size is a yes or no", false, func(s socket.Socket) socket.Socket { return nextSizeIsBool{s} }},
	{"the receive buffer is not doubled", false, func(s socket.Socket) socket.Socket { return bufferNotDoubled{s} }},
	{"an error comes twice", false, func(s socket.Socket) socket.Socket { return &errorTwice{Socket: s} }},
	{"an error does not stop a send", false, func(s socket.Socket) socket.Socket { return errorNotOnSend{s} }},
	{"reading an error does not clear it", false, func(s socket.Socket) socket.Socket { return &errorStays{Socket: s} }},
	{"an entry of the error queue has no payload", false, func(s socket.Socket) socket.Socket { return payloadLost{s} }},
	{"the error queue clears what is pending", false, func(s socket.Socket) socket.Socket { return queueLeavesPending{s} }},
	{"nothing is learned of paths", true, func(s socket.Socket) socket.Socket {
		_ = s.SetOption(socket.MTUDiscovery, int(socket.DiscoveryOmit))
		return s
	}},
	{"bound twice is in use", false, func(s socket.Socket) socket.Socket { return bindTwice{s} }},
	{"a foreign address is invalid", false, func(s socket.Socket) socket.Socket { return bindsForeign{s} }},
	{"ports are always shared", false, func(s socket.Socket) socket.Socket { return &alwaysShares{Socket: s} }},
	{"connecting again chooses again", false, func(s socket.Socket) socket.Socket { return newSource{s} }},
	{"a connect that fails does not bind", true, func(s socket.Socket) socket.Socket { return failedConnectUnbinds{s} }},
	{"a connected socket refuses others", false, func(s socket.Socket) socket.Socket { return connectedRefusesOthers{s} }},
	{"disconnecting keeps the port", false, func(s socket.Socket) socket.Socket { return disconnectKeepsPort{s} }},
	{"shutdown needs a peer", false, func(s socket.Socket) socket.Socket { return shutdownOnlyConnected{s} }},
	{"shut for reading nothing is delivered", false, func(s socket.Socket) socket.Socket { return &shutdownReadDrops{Socket: s} }},
	{"broadcast needs no permission", false, func(s socket.Socket) socket.Socket { return broadcastsFreely{s} }},
	{"a send to nobody does not bind", false, func(s socket.Socket) socket.Socket { return unboundWithoutAddress{s} }},
	{"a batch skips what fails", false, func(s socket.Socket) socket.Socket { return batchSkips{s} }},
	{"fields stay", true, func(s socket.Socket) socket.Socket { return fieldsStay{s} }},
	{"a train is one datagram", false, func(s socket.Socket) socket.Socket { return trainWhole{s} }},
	{"the TTL may be zero", false, func(s socket.Socket) socket.Socket { return ttlZero{s} }},
	{"the port range is ignored", false, func(s socket.Socket) socket.Socket { return portRangeIgnored{s} }},
	{"always readable", false, func(s socket.Socket) socket.Socket { return alwaysReadable{s} }},
}

// TestPlanted plants each bug and looks how many sequences it takes to find it.
func TestPlanted(t *testing.T) {
	plain := loopback(t)
	sequences := Sequences(plain.w)
	for _, bug := range bugs {
		t.Run(bug.name, func(t *testing.T) {
			a, sequences := plain, sequences
			if bug.wires {
				a = wired(t)
				sequences = Sequences(a.w)
			}
			a.find(t, sequences, bug.plant)
		})
	}
}

// find plants a bug and fails the test if no sequence finds it.
func (a *arena) find(t *testing.T, sequences *rapid.Generator[[]Step], plant func(socket.Socket) socket.Socket) {
	t.Helper()
	wrap := func(n socket.Network) socket.Network { return faulty{n, plant} }
	const enough = 1000
	for seed := range enough {
		steps := sequences.Example(seed)
		onHost, onStack := a.play(steps, wrap)
		if Difference(onHost, onStack) < 0 {
			continue
		}
		if onHost, onStack := a.play(steps, nil); Difference(onHost, onStack) >= 0 {
			t.Errorf("sequence %d differs without the bug as well:\n%s", seed, Report(steps, onHost, onStack))
		}
		t.Logf("found by sequence %d", seed+1)
		return
	}
	t.Errorf("not found by %d sequences", enough)
}
