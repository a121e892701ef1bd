package stack

import (
	"sync/atomic"

	"github.com/castnet-go/castnet/internal/text"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/wire"
)

// card is the multicast filter of an interface's network card: the hardware addresses
// of its groups. Several groups may share one, 32 of IPv4 (RFC 1112, 6.4): an address
// is let in until the last of them is left, and the list of groups decides then.
type card struct {
	macs addressTable[int] // how many groups use an address; changed under groupSet.mu
	mode atomic.Uint32     // link.Mode

	// What is to be programmed, and by whom, under groupSet.mu.
	stale, busy bool
	told        link.Mode // what the link was told last; it begins with Normal
}

// macOfGroup returns the hardware address of a group (RFC 1112, 6.4; RFC 2464, 7).
func macOfGroup(a address) wire.MAC { return wire.MulticastMAC(a.netip()) }

// keyOfMAC makes a hardware address a key of the table.
func keyOfMAC(m wire.MAC) address { return address{hi: macWord(m), lo: 1} }

func (c *card) add(s *groupSet, m wire.MAC) { c.count(s, m, 1) }

func (c *card) remove(s *groupSet, m wire.MAC) { c.count(s, m, -1) }

func (c *card) count(s *groupSet, m wire.MAC, by int) {
	if s.iface.kind != link.Ethernet || m == allHosts {
		return // which is let in always
	}
	key := keyOfMAC(m)
	e := c.macs.find(s.hash(key), key)
	if e == nil {
		c.macs.insert(&entry[int]{key, by}, s.hash)
		c.stale = true
		return
	}
	if e.v += by; e.v == 0 {
		c.macs.remove(s.hash(key), key)
		c.stale = true
	}
}

// accepts reports whether frames to a group's hardware address are let in.
func (c *card) accepts(s *groupSet, m wire.MAC) bool {
	if m == allHosts || link.Mode(c.mode.Load()) != link.Normal {
		return true
	}
	key := keyOfMAC(m)
	return c.macs.find(s.hash(key), key) != nil
}

// program tells the link what to let in, if that has changed. It is called with no
// lock held. If somebody else is at it, he does it.
func (s *groupSet) program() {
	s.mu.Lock()
	c := &s.card
	if c.busy {
		s.mu.Unlock()
		return
	}
	for c.stale {
		c.stale, c.busy = false, true
		f := c.filter(s)
		again := f.Mode != link.Normal && f.Mode == c.told
		c.told = f.Mode
		s.mu.Unlock()
		if !again {
			s.iface.setFilter(f)
		}
		s.mu.Lock()
		c.busy = false
	}
	s.mu.Unlock()
}

// filter returns what the link is to let in. Beyond a number of addresses that is
// every group: then no list is made, so that joining costs no more as groups multiply.
func (c *card) filter(s *groupSet) link.Filter {
	f := link.Filter{Mode: link.Mode(c.mode.Load())}
	if f.Mode != link.Normal {
		return f
	}
	if c.macs.live >= s.iface.stack.cfg.Limits.CardGroups {
		f.Mode = link.AllMulticast
		return f
	}
	f.Groups = append(f.Groups, allHosts)
	if slots := c.macs.slots.Load(); slots != nil {
		for k := range *slots {
			if e := (*slots)[k].Load(); e != nil && e.key != (address{}) {
				f.Groups = append(f.Groups, wordMAC(e.key.hi))
			}
		}
	}
	return f
}

// setFilter programs the link. One that cannot tell groups apart is asked for all of
// them; what it hands up is checked anyway.
func (i *Interface) setFilter(f link.Filter) {
	if i.kind == link.Ethernet && i.link.SetFilter(f) != nil && f.Mode == link.Normal {
		i.link.SetFilter(link.Filter{Mode: link.AllMulticast})
	}
}

// SetMode says how strictly the interface's card filters: link.Normal, as it begins;
// link.AllMulticast, which lets the frames of all groups in; or link.Promiscuous, which
// lets in everything there is. More is received then and, by name, dropped by the
// stack: a group that nobody has joined as NotAMember, what is addressed to somebody
// else as MACFiltered.
func (i *Interface) SetMode(m link.Mode) error {
	if m > link.Promiscuous {
		return text.Errorf("stack: interface %q cannot have the mode %d: it is link.Normal, AllMulticast or Promiscuous", i.name, uint8(m))
	}
	s := &i.groups
	s.mu.Lock()
	s.card.mode.Store(uint32(m))
	s.card.stale = true
	s.mu.Unlock()
	s.program()
	return nil
}
