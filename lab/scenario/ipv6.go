package scenario

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

// advertisement is a stack.Advertisement: what a router tells the hosts on a segment.
type advertisement struct {
	Prefixes   []advertisedPrefix `yaml:"prefixes,max=16"`
	Interval   *span              `yaml:"interval"`
	Lifetime   *span              `yaml:"lifetime"`
	Preference preference         `yaml:"preference"`
	HopLimit   int                `yaml:"hop_limit"`
	MTU        int                `yaml:"mtu"`
}

// advertisedPrefix is a prefix of the segment: by itself, or with its lifetimes and what
// it is for.
type advertisedPrefix struct {
	Prefix     network `yaml:"prefix,required"`
	Valid      *span   `yaml:"valid"`
	Preferred  *span   `yaml:"preferred"`
	OnLink     *bool   `yaml:"on_link"`
	Autonomous *bool   `yaml:"autonomous"`
}

func (p *advertisedPrefix) decode(d *decoder, n *yaml.Node, path string) {
	if n.Kind == yaml.ScalarNode {
		d.lines[p] = n.Line
		d.value(n, valueOf(&p.Prefix), path)
		return
	}
	// Without this method, or it would be called again.
	type plain advertisedPrefix
	var q plain
	d.value(n, valueOf(&q), path)
	*p = advertisedPrefix(q)
	d.lines[p] = n.Line
}

// preference is how hosts rank a router among others (RFC 4191).
type preference wire.RouterPreference

func (p *preference) set(text string) error {
	known := map[string]wire.RouterPreference{"low": wire.PreferenceLow, "medium": wire.PreferenceMedium, "high": wire.PreferenceHigh}
	v, ok := known[text]
	if !ok {
		return fmt.Errorf("a router's preference is low, medium or high, not %s", shorten(strconv.Quote(text)))
	}
	*p = preference(v)
	return nil
}

// family is whether a name is to be an address of IPv4 or of IPv6, as package net says.
type family string

func (f *family) set(text string) error {
	switch text {
	case "ipv4":
		*f = "ip4"
	case "ipv6":
		*f = "ip6"
	default:
		return fmt.Errorf("a family is ipv4 or ipv6, not %s", shorten(strconv.Quote(text)))
	}
	return nil
}

// network is what names are looked up in.
func (f *family) network() string {
	if f == nil {
		return "ip"
	}
	return string(*f)
}

// lab returns the advertisement as the lab has it; nil is none.
func (a *advertisement) lab() *stack.Advertisement {
	if a == nil {
		return nil
	}
	out := &stack.Advertisement{
		Interval: given(a.Interval), Lifetime: given(a.Lifetime),
		Preference: wire.RouterPreference(a.Preference), HopLimit: uint8(a.HopLimit), MTU: a.MTU,
	}
	for i := range a.Prefixes {
		p := &a.Prefixes[i]
		out.Prefixes = append(out.Prefixes, stack.AdvertisedPrefix{
			Prefix: netip.Prefix(p.Prefix), Valid: given(p.Valid), Preferred: given(p.Preferred),
			OffLink: p.OnLink != nil && !*p.OnLink, NotAutonomous: p.Autonomous != nil && !*p.Autonomous,
		})
	}
	return out
}

// given is a time for the stack, to which zero is the default and less is none.
func given(s *span) time.Duration {
	switch {
	case s == nil:
		return 0
	case *s == 0:
		return -1
	}
	return time.Duration(*s)
}

// advertise checks what an interface advertises.
func (c *checker) advertise(n *node, f *attachment, at string) {
	a := f.Advertise
	at += ".advertise"
	if !slices.ContainsFunc(c.doc.Routers, func(r node) bool { return r.Name == n.Name }) {
		c.errorf(c.line(a), at, "%s is a host; routers advertise, which are under the key routers", n.Name)
	}
	if a.HopLimit < 0 || a.HopLimit > 255 {
		c.errorf(c.line(&a.HopLimit, a), at+".hop_limit", "%d is no hop limit, which is from 0, nothing is said, to 255", a.HopLimit)
	}
	for i := range a.Prefixes {
		if p := &a.Prefixes[i]; netip.Prefix(p.Prefix).Addr().Is4() {
			c.errorf(c.line(p), fmt.Sprintf("%s.prefixes[%d]", at, i), "%v is a subnet of IPv4; hosts learn those of IPv6 from routers", netip.Prefix(p.Prefix))
		}
	}
}

// hasIPv6 reports whether the node has addresses of IPv6, or makes itself some.
func (n *node) hasIPv6() bool {
	return slices.ContainsFunc(n.interfaces(), func(f attachment) bool { return *f.IPv6 || f.Advertise != nil }) ||
		slices.ContainsFunc(n.addresses(), func(p netip.Prefix) bool { return p.Addr().Is6() })
}

// hasIPv4 reports whether the node has addresses of IPv4.
func (n *node) hasIPv4() bool {
	return slices.ContainsFunc(n.addresses(), func(p netip.Prefix) bool { return p.Addr().Is4() })
}

// addressesOf returns those that the host has now, but for link-local ones: those of the
// file, and those that it has made itself.
func addressesOf(h *lab.Host) (list []netip.Prefix) {
	all, _ := h.Interfaces()
	for _, i := range all {
		for _, p := range i.Addresses {
			if a := p.Addr(); !i.Loopback && !(a.Is6() && a.IsLinkLocalUnicast()) {
				list = append(list, p)
			}
		}
	}
	return list
}
