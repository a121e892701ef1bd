package lab

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/trace"
	"github.com/castnet-go/castnet/wire"
)

// A Segment is something that hosts are attached to: a [Switch] or a [Cable].
type Segment interface {
	// Name returns what the segment was added as.
	Name() string

	attach(n *nic) (attachment, error)
	base() *segment
}

// absent reports whether a segment is none: also a nil pointer is one that is
// not nil as a Segment.
func absent(s Segment) bool {
	switch s := s.(type) {
	case nil:
		return true
	case *Switch:
		return s == nil
	case *Cable:
		return s == nil
	}
	return false
}

// segment is what switches and cables have in common.
type segment struct {
	lab  *Lab
	name string
	hash fingerprint
	err  error // why it is not part of the lab; nil: it is

	// in + made + cloned = out + consumed + dropped: a segment holds nothing. A
	// switch that snoops makes queries, and may be the only reader of a report.
	in, made, cloned, out, consumed uint64
	drops                           dropCounts
}

func (s *segment) Name() string   { return s.name }
func (s *segment) base() *segment { return s }

func (s *segment) drop(b *packet.Buffer, r drop.Reason) {
	s.lose(b, r)
	b.Release()
}

// lose counts the loss of a frame, or of a copy that was not even made.
func (s *segment) lose(b *packet.Buffer, r drop.Reason) {
	s.drops.add(r)
	p := &s.lab.print
	p.add(uint64(s.lab.queue.now()))
	p.add(noteSegmentDrop<<48 ^ uint64(r))
	p.add(uint64(s.hash))
	s.trace(trace.Drop, r, b, "")
}

func (s *segment) trace(step trace.Step, r drop.Reason, b *packet.Buffer, detail string) {
	if s.lab.tracer != nil {
		s.lab.traceFrame(trace.Event{Node: s.name, Step: step, Reason: r, Detail: detail}, b)
	}
}

// A Switch is a learning Ethernet switch (IEEE 802.1D): it learns from the
// source addresses of frames which station is where, sends a frame only where
// its destination is, and floods what it does not know, broadcast and multicast.
// [Switch.Snoop] makes it send multicast to those alone who want it. It takes no
// time; links do.
//
// An address is forgotten when no frame came from it for five minutes. The table
// holds 16384 addresses; while it is full, new ones are not learned.
type Switch struct {
	segment
	ports    []*port
	stations map[uint64]*station
	swept    int64 // when the table was last searched for old addresses

	snooper    *snooper // nil: it does not snoop
	routers    []*port  // of routers, or that were once
	mac        wire.MAC // of its querier; zero until there is one
	numbered   uint64   // ports ever
	restricted uint64   // frames that were not for every port
}

const (
	maxPorts    = 1 << 16
	maxStations = 1 << 14
	ageing      = int64(5 * time.Minute)
	sweepEvery  = int64(time.Second)
)

// station is an address that a switch has learned.
type station struct {
	mac  uint64
	port *port // nil: forgotten
	seen int64
}

// port is a switch's port and the nic on it.
type port struct {
	sw  *Switch
	nic *nic
	// The stations of the last frame, which most often are those of the
	// next.
	source, destination *station

	// Of a switch that snoops.
	number       uint64 // in the order of attaching
	static       bool   // a router's, whether or not it is heard
	router       [2]int64
	since        uint64 // how many frames were restricted before it was attached
	unrestricted uint64 // of those since, which came from it or were sent to it
}

// macKey is an address as a number.
func macKey(b []byte) uint64 {
	return uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}

// groupBit is the bit of a macKey that says broadcast or multicast.
const groupBit = 1 << 40

func (s *Switch) attach(n *nic) (attachment, error) {
	if len(s.ports) >= maxPorts {
		return nil, fmt.Errorf("switch %s has %d ports, and all are taken", s.name, maxPorts)
	}
	p := &port{sw: s, nic: n, number: s.numbered, static: n.router, since: s.restricted}
	s.numbered++
	s.ports = append(s.ports, p)
	if p.static {
		p.list()
	}
	if s.snooper != nil && s.lab.running.Load() {
		s.snooper.plugged(p)
	}
	return p, nil
}

func (p *port) detach() {
	s := p.sw
	p.static = false
	p.forgetRouter()
	if s.snooper != nil {
		s.snooper.unplug(p)
	}
	s.ports = slices.DeleteFunc(s.ports, func(o *port) bool { return o == p })
	for key, st := range s.stations {
		if st.port == p {
			s.forget(key, st)
		}
	}
}

func (s *Switch) forget(key uint64, st *station) {
	st.port = nil
	delete(s.stations, key)
}

// forward takes a frame from the port to where its destination is.
func (p *port) forward(b *packet.Buffer) {
	s := p.sw
	s.in++
	frame := b.Bytes()
	if len(frame) < wire.EthernetHeaderLen {
		s.drop(b, drop.FrameMalformed)
		return
	}
	now := s.lab.queue.now()
	s.learn(p, macKey(frame[6:]), now)
	to := macKey(frame)
	if to&groupBit != 0 {
		if s.snooper == nil || !s.snooper.forward(p, b, now) {
			s.flood(p, b)
		}
		return
	}
	st := p.destination
	if st == nil || st.mac != to || st.port == nil {
		st = s.stations[to]
		p.destination = st
	}
	if st == nil || now-st.seen > ageing {
		if st != nil {
			s.forget(to, st)
		}
		s.flood(p, b)
		return
	}
	switch out := st.port; {
	case out == p:
		// The destination is where the frame comes from.
		s.drop(b, drop.MACFiltered)
	case s.lab.partitioned && p.nic.host.parted(out.nic.host):
		s.drop(b, drop.LinkLoss)
	default:
		if s.lab.tracer != nil {
			s.trace(trace.Carry, drop.None, b, "to "+out.nic.describe())
		}
		s.out++
		out.nic.receive(b)
	}
}

// learn remembers where an address is.
func (s *Switch) learn(p *port, mac uint64, now int64) {
	if st := p.source; st != nil && st.mac == mac && st.port == p {
		st.seen = now
		return
	}
	if mac&groupBit != 0 || mac == 0 {
		return // no station's
	}
	st := s.stations[mac]
	if st == nil {
		if len(s.stations) >= maxStations && !s.sweep(now) {
			return
		}
		st = &station{mac: mac}
		s.stations[mac] = st
	}
	st.port, st.seen = p, now
	p.source = st
}

// sweep makes room by forgetting old addresses, and reports whether there is.
// A flood of made-up addresses does not make it search the table all the time.
func (s *Switch) sweep(now int64) bool {
	if now-s.swept < sweepEvery {
		return false
	}
	s.swept = now
	for key, st := range s.stations {
		if now-st.seen > ageing {
			s.forget(key, st)
		}
	}
	return len(s.stations) < maxStations
}

// flood sends a frame to every other port.
func (s *Switch) flood(from *port, b *packet.Buffer) {
	s.trace(trace.Carry, drop.None, b, "to every port")
	s.send(from, s.ports, b)
}

// send sends a frame to those ports but the one that it comes from: one payload,
// however many. What the switch has made itself comes from none.
func (s *Switch) send(from *port, ports []*port, b *packet.Buffer) {
	var last *port
	parted := false
	for _, p := range ports {
		if p == from {
			continue
		}
		if s.lab.partitioned && from != nil && from.nic.host.parted(p.nic.host) {
			parted = true
			s.cloned++
			s.lose(b, drop.LinkLoss)
			continue
		}
		if last != nil {
			s.cloned++
			s.out++
			last.nic.receive(b.Clone())
		}
		last = p
	}
	switch {
	case last != nil:
		s.out++
		last.nic.receive(b)
	case parted:
		// Every copy was lost to a partition, and the frame was the
		// last of them.
		s.cloned--
		b.Release()
	default:
		s.drop(b, drop.LinkNoPeer)
	}
}

// withheld returns how many frames were kept from the port by snooping.
func (p *port) withheld() uint64 { return p.sw.restricted - p.since - p.unrestricted }

// A Cable joins two hosts and nobody else.
type Cable struct {
	segment
	ends [2]*cableEnd
}

type cableEnd struct {
	cable *Cable
	nic   *nic
}

func (c *Cable) attach(n *nic) (attachment, error) {
	for i, e := range c.ends {
		if e == nil {
			c.ends[i] = &cableEnd{c, n}
			return c.ends[i], nil
		}
	}
	return nil, fmt.Errorf("cable %s has two ends, and %s and %s are on them", c.name, c.ends[0].nic.describe(), c.ends[1].nic.describe())
}

func (e *cableEnd) detach() {
	for i, o := range e.cable.ends {
		if o == e {
			e.cable.ends[i] = nil
		}
	}
}

func (e *cableEnd) forward(b *packet.Buffer) {
	c := e.cable
	c.in++
	other := c.ends[0]
	if other == e {
		other = c.ends[1]
	}
	switch {
	case other == nil:
		c.drop(b, drop.LinkNoPeer)
	case c.lab.partitioned && e.nic.host.parted(other.nic.host):
		c.drop(b, drop.LinkLoss)
	default:
		if c.lab.tracer != nil {
			c.trace(trace.Carry, drop.None, b, "to "+other.nic.describe())
		}
		c.out++
		other.nic.receive(b)
	}
}
