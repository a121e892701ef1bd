package netspec

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/wire"
)

// Usage describes the text in one line, for the help of a program.
const Usage = `the network: "host", "tap,addr=10.0.0.2/24", "tun,addr=10.0.0.2/24" or ` +
	`"packet,dev=eth0,addr=10.0.0.2/24", with more keys`

// A Spec is what a text says. [Parse] makes one.
type Spec struct {
	Kind string // "host", "tap", "tun" or "packet"

	Name          string         // of the device; empty: the next that is free
	Addresses     []netip.Prefix // ours
	Gateway       netip.Addr     // zero: none
	HostAddresses []netip.Prefix // the kernel's
	Peer          netip.Addr     // the kernel's, at the other end of a tun; zero: HostAddresses say
	HostRoutes    []netip.Prefix // what the kernel sends to a tun, besides
	MTU           int            // bytes; zero: the device's
	MAC           wire.MAC       // zero: from the first address, and of packet the interface's
	Queues        int            // zero: one
	Offload       link.Offload
}

// keysOf are the keys that each kind of network knows, in the order in which String
// writes them.
var keysOf = map[string][]string{
	"host":   nil,
	"tap":    {"name", "addr", "gw", "host", "mtu", "mac", "queues", "offload"},
	"tun":    {"name", "addr", "host", "peer", "route", "mtu", "queues", "offload"},
	"packet": {"dev", "addr", "gw", "mtu", "mac", "queues", "offload"},
}

// examples are the shortest texts of the kinds.
var examples = map[string]string{
	"tap": "tap,addr=10.0.0.2/24", "tun": "tun,addr=10.0.0.2/24", "packet": "packet,dev=eth0,addr=10.0.0.2/24",
}

const kinds = "host, tap, tun and packet"

// The range of MTUs: every link carries 68 bytes (RFC 791, 3.2), and a length
// field no more than 65535.
const minMTU, maxMTU = 68, 65535

// Parse reads a text. The error says what would be right.
func Parse(text string) (*Spec, error) { return read(text, true) }

// ParseLink reads a text for [Spec.OpenLink]: there need be no addr.
func ParseLink(text string) (*Spec, error) { return read(text, false) }

func read(text string, addressed bool) (*Spec, error) {
	kind, rest, more := strings.Cut(text, ",")
	s := &Spec{Kind: kind}
	_, known := keysOf[kind]
	var err error
	switch {
	case kind == "":
		err = fmt.Errorf("no kind of network; there are %s", kinds)
	case !known:
		err = fmt.Errorf("%q is no kind of network; there are %s", kind, kinds)
	case kind == "host":
		if more {
			err = fmt.Errorf("host takes no keys")
		}
	default:
		if more {
			err = s.parseKeys(rest)
		}
		if err == nil {
			err = s.check(addressed)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("network %q: %w", text, err)
	}
	return s, nil
}

func (s *Spec) parseKeys(text string) error {
	keys := keysOf[s.Kind]
	list := strings.Join(keys, ", ")
	seen := make(map[string]bool)
	for _, field := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(field, "=")
		switch {
		case field == "":
			return fmt.Errorf("nothing between two commas or after the last")
		case !ok:
			return fmt.Errorf("%q has no value: write key=value, where the keys are %s", field, list)
		case !slices.Contains(keys, key):
			return fmt.Errorf("unknown key %q; %s knows %s", key, s.Kind, list)
		case value == "":
			return fmt.Errorf("%s= has no value", key)
		case seen[key] && key != "addr" && key != "host" && key != "route":
			return fmt.Errorf("%s is there twice", key)
		}
		seen[key] = true
		if err := s.set(key, value); err != nil {
			return err
		}
	}
	return nil
}

// maxQueues is the most that a device can have.
const maxQueues = 256

func (s *Spec) set(key, value string) (err error) {
	switch key {
	case "name", "dev":
		s.Name = value
	case "addr":
		s.Addresses, err = appendPrefix(s.Addresses, key, value)
	case "host":
		s.HostAddresses, err = appendPrefix(s.HostAddresses, key, value)
	case "gw":
		if s.Gateway, err = netip.ParseAddr(value); err != nil {
			err = fmt.Errorf("gw=%s is no IP address", value)
		}
	case "peer":
		if s.Peer, err = netip.ParseAddr(value); err != nil {
			err = fmt.Errorf("peer=%s is no IP address", value)
		} else if s.Peer.IsMulticast() || s.Peer.IsUnspecified() || s.Peer.Zone() != "" {
			err = fmt.Errorf("peer=%s cannot be a host's address", value)
		}
	case "route":
		p, e := netip.ParsePrefix(value)
		switch {
		case e != nil:
			err = fmt.Errorf("route=%s is no range of addresses, such as 10.7.0.0/16", value)
		case p != p.Masked():
			err = fmt.Errorf("route=%s has bits beyond its prefix: %v is meant", value, p.Masked())
		case slices.Contains(s.HostRoutes, p):
			err = fmt.Errorf("route=%s is there twice", value)
		}
		s.HostRoutes = append(s.HostRoutes, p)
	case "mtu":
		s.MTU, err = strconv.Atoi(value)
		if err != nil || s.MTU < minMTU || s.MTU > maxMTU {
			err = fmt.Errorf("mtu=%s is no number of bytes from %d to %d", value, minMTU, maxMTU)
		}
	case "mac":
		if s.MAC, err = wire.ParseMAC(value); err != nil {
			err = fmt.Errorf("mac=%s is no hardware address, such as 02:00:00:00:00:01", value)
		} else if s.MAC.IsMulticast() || s.MAC.IsZero() {
			err = fmt.Errorf("mac=%s cannot be a station's: it is a group's or zero", value)
		}
	case "queues":
		s.Queues, err = strconv.Atoi(value)
		if err != nil || s.Queues < 1 || s.Queues > maxQueues {
			err = fmt.Errorf("queues=%s is no number from 1 to %d", value, maxQueues)
		}
	case "offload":
		if s.Offload, err = link.ParseOffload(value); err != nil {
			err = fmt.Errorf("offload=%s: %w", value, err)
		}
	}
	return err
}

func appendPrefix(list []netip.Prefix, key, value string) ([]netip.Prefix, error) {
	p, err := netip.ParsePrefix(value)
	switch {
	case err != nil && !strings.Contains(value, "/"):
		if _, err := netip.ParseAddr(value); err == nil {
			return nil, fmt.Errorf("%s=%s does not say how long its subnet's prefix is, as in %s/24", key, value, value)
		}
		fallthrough
	case err != nil:
		return nil, fmt.Errorf("%s=%s is no address with a prefix length, such as 10.0.0.2/24", key, value)
	case p.Addr().IsMulticast() || p.Addr().IsUnspecified():
		return nil, fmt.Errorf("%s=%s cannot be a host's address", key, value)
	}
	for _, q := range list {
		if q.Addr() == p.Addr() {
			return nil, fmt.Errorf("%s=%s is there twice", key, value)
		}
	}
	return append(list, p), nil
}

// check says what is wrong with the keys taken together.
func (s *Spec) check(addressed bool) error {
	if addressed && len(s.Addresses) == 0 {
		return fmt.Errorf("%s needs an address, as in %s", s.Kind, examples[s.Kind])
	}
	if s.Kind == "packet" && s.Name == "" {
		return fmt.Errorf("packet needs an interface, as in %s", examples[s.Kind])
	}
	for _, a := range s.Addresses {
		for _, h := range s.HostAddresses {
			if a.Addr() == h.Addr() {
				return fmt.Errorf("%v is both ours (addr) and the kernel's (host)", a.Addr())
			}
		}
	}
	if s.Peer.IsValid() {
		if len(s.HostAddresses) != 0 {
			return fmt.Errorf("peer and host both say what the kernel's address is")
		}
		if len(s.Addresses) == 0 {
			return fmt.Errorf("peer=%v needs an address of ours, addr, at the other end", s.Peer)
		}
		first := s.Addresses[0].Addr()
		if s.Peer == first || s.Peer.Is4() != first.Is4() {
			return fmt.Errorf("peer=%v must be another address than ours, %v, and of its family", s.Peer, first)
		}
	}
	if !s.Gateway.IsValid() {
		return nil
	}
	near := s.Gateway.IsLinkLocalUnicast() && s.Gateway.Is6()
	for _, a := range s.Addresses {
		if a.Addr() == s.Gateway {
			return fmt.Errorf("gw=%v is our own address", s.Gateway)
		}
		near = near || a.Contains(s.Gateway)
	}
	if !near {
		return fmt.Errorf("gw=%v is in the subnet of no addr, so it could not be reached", s.Gateway)
	}
	return nil
}

// String returns the text that Parse makes s of, in the usual order of keys.
func (s *Spec) String() string {
	var b strings.Builder
	b.WriteString(s.Kind)
	write := func(key string, value any) { fmt.Fprintf(&b, ",%s=%v", key, value) }
	for _, key := range keysOf[s.Kind] {
		switch {
		case (key == "name" || key == "dev") && s.Name != "":
			write(key, s.Name)
		case key == "addr":
			for _, a := range s.Addresses {
				write(key, a)
			}
		case key == "gw" && s.Gateway.IsValid():
			write(key, s.Gateway)
		case key == "host":
			for _, a := range s.HostAddresses {
				write(key, a)
			}
		case key == "peer" && s.Peer.IsValid():
			write(key, s.Peer)
		case key == "route":
			for _, r := range s.HostRoutes {
				write(key, r)
			}
		case key == "mtu" && s.MTU != 0:
			write(key, s.MTU)
		case key == "mac" && !s.MAC.IsZero():
			write(key, s.MAC)
		case key == "queues" && s.Queues != 0:
			write(key, s.Queues)
		case key == "offload" && s.Offload != link.OffloadAll:
			write(key, s.Offload)
		}
	}
	return b.String()
}
