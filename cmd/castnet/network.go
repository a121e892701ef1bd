package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/netspec"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/trace"
)

// common are the flags that the UDP tools have in common.
type common struct {
	on    string
	json  bool
	trace bool

	spec *netspec.Spec
}

func (c *common) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.on, "on", "host", "`NETWORK` to run on, as castnet --help lists them")
	f.BoolVar(&c.json, "json", false, "print one JSON object a line")
	f.BoolVar(&c.trace, "trace", false, "show each step of each packet, on standard error; not on host")
	f.SortFlags = false
	cmd.PreRunE = func(*cobra.Command, []string) (err error) {
		if c.spec, err = netspec.Parse(c.on); err != nil {
			return err
		}
		if c.trace && c.spec.Kind == "host" {
			return errors.New("--trace: the operating system does not show its steps; it works with --on tap,…")
		}
		return nil
	}
}

// A place is the network that a command runs on.
type place struct {
	castnet.Network
	io.Closer
	kind string

	names map[int]string // of interfaces, by index
}

// open opens the network.
func (c *common) open(ctx context.Context) (*place, error) {
	var cfg stack.Config
	if c.trace {
		cfg.Tracer = trace.NewPrinter(os.Stderr, time.Time{})
	}
	n, closer, err := c.spec.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &place{Network: n, Closer: closer, kind: c.spec.Kind}, nil
}

// interfaceName returns the name of the interface with that index, or "".
func (p *place) interfaceName(index int) string {
	if name, ok := p.names[index]; ok {
		return name
	}
	p.names = make(map[int]string)
	if list, err := p.Interfaces(); err == nil {
		for _, i := range list {
			p.names[i.Index] = i.Name
		}
	}
	return p.names[index]
}

// hearGroups has the interfaces of a stack of our own speak IPv6 if the group is of that,
// though no such address was given: an interface that does not hears nothing of it.
func (p *place) hearGroups(group netip.Addr) error {
	st, ok := p.Network.(*stack.Stack)
	if !ok || group.Unmap().Is4() {
		return nil
	}
	list, err := st.Interfaces()
	for _, i := range list {
		if iface := st.Interface(i.Name); err == nil && iface != nil && !i.Loopback {
			err = iface.EnableIPv6()
		}
	}
	return err
}

// toMany reports whether several hosts may answer to the address: a group's, or
// a broadcast address of the network.
func (p *place) toMany(a netip.Addr) bool {
	if a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return true
	}
	list, _ := p.Interfaces()
	for _, i := range list {
		for _, prefix := range i.Addresses {
			if i.Broadcast && prefix.Bits() < 31 && broadcast(prefix) == a {
				return true
			}
		}
	}
	return false
}

// broadcast returns the last address of an IPv4 subnet.
func broadcast(p netip.Prefix) netip.Addr {
	if !p.Addr().Is4() {
		return netip.Addr{}
	}
	a := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		a[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(a)
}

// listenAddress returns the address to listen on as "host:port". It may be given
// without a host, which means all, or without a port, which means the usual one.
func listenAddress(text, usual string) (string, error) {
	address := text
	if a, err := netip.ParseAddr(unbracket(text)); err == nil {
		if a.IsMulticast() {
			usual = strconv.Itoa(groupPort)
		}
		address = net.JoinHostPort(a.String(), usual)
	} else if text == "" {
		address = ":" + usual
	} else if !strings.Contains(text, ":") {
		address = ":" + text
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("udp", port)
	}
	if err != nil {
		return "", fmt.Errorf("%s is no address to listen on, such as :7000 or 127.0.0.1:7000: %w", quote(text), err)
	}
	return address, nil
}

// peerAddress checks the address of a peer: "host:port".
func peerAddress(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err == nil && host == "" {
		err = errors.New("missing host")
	}
	if err == nil {
		var n int
		if n, err = net.LookupPort("udp", port); err == nil && n == 0 {
			err = errors.New("port 0 cannot be sent to")
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s is no address to send to, such as 127.0.0.1:7000: %w", quote(text), err)
	}
	return text, nil
}

// interruptible makes reads of the Conn end when the context does.
func interruptible(ctx context.Context, c *castnet.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
}

// timedOut reports whether an error is that of a deadline.
func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// plain returns an address as people write it: v4-mapped ones as IPv4.
func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// localAddr returns the address that the Conn is bound to.
func localAddr(c *castnet.Conn) netip.AddrPort {
	return plain(c.LocalAddr().(*net.UDPAddr).AddrPort())
}
