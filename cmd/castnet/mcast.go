package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/castnet-go/castnet/socket"
)

func newMcast() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mcast",
		Short: "Multicast: take part in groups, send to them, watch who is a member",
		Long: `Mcast is for IP multicast, of IPv4 and IPv6: join hears groups, send sends to one,
and watch shows the messages by which hosts join and leave and routers ask.`,
		Example: `  castnet mcast join 239.1.2.3                 hear a group on every interface
  castnet mcast send 239.1.2.3 hello           send to it
  sudo castnet mcast watch                     see every report, leave and query`,
		SuggestionsMinimumDistance: 2,
		Args:                       subcommand,
		RunE:                       help,
	}
	cmd.AddCommand(newMcastJoin(), newMcastSend(), newMcastWatch())
	return cmd
}

// groupPort is the port of a group that is named without one.
const groupPort = 7000

// A channel is a group, and a source of it if only that is to be heard.
type channel struct {
	source, group netip.Addr
}

// parseChannel reads "GROUP" or "SOURCE,GROUP".
func parseChannel(text string) (channel, error) {
	var c channel
	source, group, both := strings.Cut(text, ",")
	if !both {
		source, group = "", text
	}
	var err error
	if c.group, err = parseGroup(group); err != nil {
		return c, err
	}
	if !both {
		return c, nil
	}
	if c.source, err = netip.ParseAddr(source); err != nil || c.source.IsMulticast() || c.source.IsUnspecified() {
		return c, fmt.Errorf("%s is no source, in %s: write SOURCE,GROUP, such as 10.0.0.9,232.1.2.3", quote(source), quote(text))
	}
	if c.source.Is4() != c.group.Is4() {
		return c, fmt.Errorf("%v and %v are not of one family", c.source, c.group)
	}
	return c, nil
}

func parseGroup(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(unbracket(text))
	if err != nil || !a.IsMulticast() || a.Is4In6() {
		return a, fmt.Errorf("%s is no group, such as 239.1.2.3 (224.0.0.0/4) or ff15::1 (ff00::/8)", quote(text))
	}
	return a, nil
}

// unbracket takes the brackets away that IPv6 addresses have beside a port.
func unbracket(text string) string {
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		return text[1 : len(text)-1]
	}
	return text
}

// parseGroupPort reads "GROUP" or "GROUP:PORT", where an IPv6 group with a port is in
// brackets.
func parseGroupPort(text string) (netip.AddrPort, error) {
	a, err := parseGroup(text)
	if err == nil {
		return netip.AddrPortFrom(a, groupPort), nil
	}
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 {
		return netip.AddrPort{}, err
	}
	if a, err = parseGroup(text[:colon]); err != nil {
		return netip.AddrPort{}, err
	}
	port, err := parsePort(text[colon+1:])
	return netip.AddrPortFrom(a, port), err
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%s is no port: a number from 1 to 65535", quote(text))
	}
	return uint16(n), nil
}

// multicastInterfaces returns the interfaces of those names; or, without names, all that
// are up and carry multicast, but for loopback.
func (p *place) multicastInterfaces(names []string) ([]socket.Interface, error) {
	all, err := p.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []socket.Interface
	if len(names) == 0 {
		for _, i := range all {
			if i.Up && i.Multicast && !i.Loopback {
				list = append(list, i)
			}
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("%w: no interface is up and carries multicast, but for loopback: --interface lo", syscall.ENODEV)
		}
		return list, nil
	}
	for _, name := range names {
		found := false
		for _, i := range all {
			if i.Name == name {
				list, found = append(list, i), true
			}
		}
		if !found {
			var have []string
			for _, i := range all {
				have = append(have, i.Name)
			}
			return nil, fmt.Errorf("there is no interface %s; there are %s", quote(name), strings.Join(have, ", "))
		}
	}
	return list, nil
}

// onInterfaces leaves of the interfaces the one that the zone of the group's address
// names, if it has one.
func onInterfaces(list []socket.Interface, group netip.Addr) ([]socket.Interface, error) {
	zone := group.Zone()
	if zone == "" {
		return list, nil
	}
	for _, i := range list {
		if i.Name == zone || strconv.Itoa(i.Index) == zone {
			return []socket.Interface{i}, nil
		}
	}
	return nil, fmt.Errorf("%v: %s is not among the interfaces", group, zone)
}

// isFull reports whether a socket can have no more groups.
func isFull(err error) bool { return errors.Is(err, syscall.ENOBUFS) }
