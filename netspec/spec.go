package netspec

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// Usage describes the text in one line, for the help of a program.
const Usage = `the network: "host", or "tap,addr=10.0.0.2/24" with name=, gw=, host=, mtu=, mac=`

// A Spec is what a text says. [Parse] makes one.
type Spec struct {
	Kind string // "host" or "tap"

	Name          string         // of the device; empty: the next that is free
	Addresses     []netip.Prefix // ours
	Gateway       netip.Addr     // zero: none
	HostAddresses []netip.Prefix // the kernel's
	MTU           int            // bytes; zero: the device's
	MAC           wire.MAC       // zero: from the first address
}

// The range of MTUs: every link carries 68 bytes (RFC 791, 3.2), and a length
// field no more than 65535.
const minMTU, maxMTU = 68, 65535

// Parse reads a text. The error says what would be right.
//
// For the kinds that are not there yet, it is ErrNotSupported.
func Parse(text string) (*Spec, error) {
	kind, rest, more := strings.Cut(text, ",")
	s := &Spec{Kind: kind}
	var err error
	switch kind {
	case "host":
		if more {
			err = fmt.Errorf("host takes no keys")
		}
	case "tap":
		if more {
			err = s.parseKeys(rest)
		}
		if err == nil {
			err = s.check()
		}
	case "tun", "packet":
		err = &socket.NotSupportedError{What: kind, Reason: "not yet; tap and host are"}
	case "":
		err = fmt.Errorf("no kind of network; there are host and tap")
	default:
		err = fmt.Errorf("%q is no kind of network; there are host and tap", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("network %q: %w", text, err)
	}
	return s, nil
}

// tapKeys are the keys that tap knows, in the order in which String writes them.
const tapKeys = "name, addr, gw, host, mtu, mac"

func (s *Spec) parseKeys(text string) error {
	seen := make(map[string]bool)
	for _, field := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(field, "=")
		switch {
		case field == "":
			return fmt.Errorf("nothing between two commas or after the last")
		case !ok:
			return fmt.Errorf("%q has no value: write key=value, where the keys are %s", field, tapKeys)
		case value == "" && strings.Contains(", "+tapKeys+",", ", "+key+","):
			return fmt.Errorf("%s= has no value", key)
		}
		if seen[key] && key != "addr" && key != "host" {
			return fmt.Errorf("%s is there twice", key)
		}
		seen[key] = true
		if err := s.set(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spec) set(key, value string) (err error) {
	switch key {
	case "name":
		s.Name = value
	case "addr":
		s.Addresses, err = appendPrefix(s.Addresses, key, value)
	case "host":
		s.HostAddresses, err = appendPrefix(s.HostAddresses, key, value)
	case "gw":
		if s.Gateway, err = netip.ParseAddr(value); err != nil {
			err = fmt.Errorf("gw=%s is no IP address", value)
		}
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
	default:
		err = fmt.Errorf("unknown key %q; tap knows %s", key, tapKeys)
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
func (s *Spec) check() error {
	if len(s.Addresses) == 0 {
		return fmt.Errorf("tap needs an address, as in tap,addr=10.0.0.2/24")
	}
	for _, a := range s.Addresses {
		for _, h := range s.HostAddresses {
			if a.Addr() == h.Addr() {
				return fmt.Errorf("%v is both ours (addr) and the kernel's (host)", a.Addr())
			}
		}
	}
	if !s.Gateway.IsValid() {
		return nil
	}
	near := false
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
	if s.Name != "" {
		write("name", s.Name)
	}
	for _, a := range s.Addresses {
		write("addr", a)
	}
	if s.Gateway.IsValid() {
		write("gw", s.Gateway)
	}
	for _, a := range s.HostAddresses {
		write("host", a)
	}
	if s.MTU != 0 {
		write("mtu", s.MTU)
	}
	if !s.MAC.IsZero() {
		write("mac", s.MAC)
	}
	return b.String()
}
