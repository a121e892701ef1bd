package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/castnet-go/castnet/socket"
)

// lookupRows are row stack with other sockets on the receiving stack: what finding
// the one that a datagram is for costs, on the whole way.
func lookupRows() []row {
	const note = "checksums made and verified; the other sockets are bound, on the receiving stack"
	among := func(name, about string, others func(setup) int) row {
		return row{
			name: name, kind: ours, about: "row stack, " + about, note: note,
			open: func(s setup, b *buffers) (path, error) { return openLookup(s, b, others(s), false) },
		}
	}
	return in("lookup",
		among("lookup-1", "one other socket open", func(setup) int { return 1 }),
		among("lookup-1000", "1 000 other sockets open", func(setup) int { return 1000 }),
		among("lookup-million", "a million other sockets open (--many), and always the same one used", func(s setup) int { return s.many }),
		row{
			name: "lookup-random", kind: ours, singlesOnly: true,
			about: "a million sockets open (--many), each datagram for another one, in random order; the sender is not connected",
			note:  note + "; each datagram finds its socket in no cache, and its sender asks for a route",
			open:  func(s setup, b *buffers) (path, error) { return openLookup(s, b, s.many, true) },
		},
		row{
			name: "lookup-groups", kind: ours,
			about: "row stack, 10 000 other sockets open, each of which has joined 20 groups with 10 sources a group",
			note:  note,
			open:  openBesideGroups,
		},
		among("lookup-10000", "10 000 other sockets open", func(setup) int { return memberSockets }),
	)
}

// Who has joined what in row lookup-groups.
const (
	memberSockets = 10000
	memberGroups  = 20
	memberSources = 10
)

// openBesideGroups is row stack beside sockets that have joined groups of sources, each
// some that others have joined too.
func openBesideGroups(s setup, bufs *buffers) (path, error) {
	opened, err := openLookup(s, bufs, 0, false)
	if err != nil {
		return nil, err
	}
	p := opened.(*lookupPath)
	eth0 := p.b.Interface("eth0").Index()
	for n := range memberSockets {
		m, err := openSocket(p.b, netip.AddrPortFrom(netip.AddrFrom4(addrB), uint16(10000+n)), netip.AddrPort{}, false)
		for k := 0; err == nil && k < memberGroups*memberSources; k++ {
			err = m.ChangeGroup(socket.JoinSource, socket.Group{
				Address:   netip.AddrFrom4([4]byte{232, 1, byte(n), byte(k / memberSources)}),
				Source:    netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), byte(k % memberSources)}),
				Interface: eth0,
			})
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("joining groups: %w", err), p.close())
		}
	}
	return p, nil
}

// The other sockets' addresses, and how many ports of each they are bound to.
const (
	portsEach     = 50000
	mostAddresses = 200
)

// lookupPath is a stackPath among many sockets.
type lookupPath struct {
	*stackPath
	targets []target // of row lookup-random; nil: always the same
	next    int
}

type target struct {
	socket socket.Socket
	addr   netip.AddrPort
}

func openLookup(s setup, bufs *buffers, others int, random bool) (path, error) {
	s.others = 0
	opened, err := openStack(s, bufs, !random)
	if err != nil {
		return nil, err
	}
	p := &lookupPath{stackPath: opened.(*stackPath)}
	i := p.b.Interface("eth0")
	for n := range others {
		addr := otherAddr(n / portsEach)
		port := uint16(10000 + n%portsEach)
		if n%portsEach == 0 {
			if n/portsEach == mostAddresses {
				return nil, errors.Join(fmt.Errorf("no room for %d sockets", others), p.close())
			}
			if err := i.AddAddress(netip.PrefixFrom(addr, 24)); err != nil {
				return nil, errors.Join(err, p.close())
			}
		}
		to := netip.AddrPortFrom(addr, port)
		sock, err := openSocket(p.b, to, netip.AddrPort{}, false)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("opening the other sockets: %w", err), p.close())
		}
		if random {
			p.targets = append(p.targets, target{sock, to})
		}
	}
	if random {
		rand.New(rand.NewPCG(3, 4)).Shuffle(len(p.targets), func(i, j int) { p.targets[i], p.targets[j] = p.targets[j], p.targets[i] })
	}
	return p, nil
}

func (p *lookupPath) carry(count int) error {
	if p.targets == nil {
		return p.stackPath.carry(count)
	}
	for k := range count {
		// In the order of a shuffled list, over and over: the next is in no cache.
		t := &p.targets[p.next]
		if p.next++; p.next == len(p.targets) {
			p.next = 0
		}
		p.out[k].Addr = t.addr
		if _, err := p.from.TrySend(p.out[k : k+1]); err != nil {
			return err
		}
		if _, err := t.socket.TryRecv(p.in[k : k+1]); err != nil {
			return fmt.Errorf("%w: %w", errNotDelivered, err)
		}
	}
	return nil
}

// otherAddr returns the receiver's address of that number.
func otherAddr(k int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(50 + k)}) }
