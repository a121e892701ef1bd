package conformance

import (
	"fmt"
	"net/netip"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

// six is what a Machine made with IPv6 tells of eth0, and how it is changed.
type six interface {
	// neighbor is what is known of a neighbour: "reachable 02:ff:00:00:00:0b", and
	// "router" if it is one; empty if nothing is.
	neighbor(tb testing.TB, addr string) string
	// setNeighbor brings a neighbour into a state.
	setNeighbor(tb testing.TB, addr string, mac wire.MAC, state string)
	// add gives it an address.
	add(tb testing.TB, prefix string)
	// addresses are the addresses, each as "2001:db8::1/64 preferred 3600 7200": its
	// state, and for how many seconds it is preferred and valid, "-" for ever.
	addresses(tb testing.TB) []string
	// routers are the gateways of default routes.
	routers(tb testing.TB) []string
}

// use sends a datagram to a neighbour on eth0.
func (m *Machine) use(tb testing.TB, addr string) {
	tb.Helper()
	s, err := m.Open(socket.IPv6)
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	defer s.Close()
	to := netip.AddrPortFrom(netip.MustParseAddr(addr).WithZone("eth0"), 9)
	if _, err := s.TrySend([]socket.Message{{Buf: []byte("x"), Addr: to}}); err != nil {
		tb.Fatalf("TrySend to %v: %v", to, err)
	}
}

// stack6 is the stack's.
type stack6 struct {
	m *Machine
	s *stack.Stack
}

func (s stack6) neighbor(tb testing.TB, addr string) string {
	for _, n := range s.s.Neighbors() {
		if n.Addr.String() != addr || n.Interface != "eth0" {
			continue
		}
		text := n.State.String()
		if !n.MAC.IsZero() {
			text += " " + n.MAC.String()
		}
		if n.Router {
			text += " router"
		}
		return text
	}
	return ""
}

// setNeighbor does what brings a neighbour there, the passing of time included.
func (s stack6) setNeighbor(tb testing.TB, addr string, mac wire.MAC, state string) {
	s.m.use(tb, addr)
	if state == "failed" {
		s.m.Elapse(4 * time.Second)
		return
	}
	s.m.Eth0.SendDiscovery(discovery{src: addr, from: mac, message: wire.NeighborAdvertisement{
		Target: netip.MustParseAddr(addr), Solicited: true, Override: true,
		Options: wire.AppendNDPLinkLayerAddress(nil, wire.NDPTargetLinkLayerAddress, mac),
	}})
	if state == "reachable" {
		return
	}
	s.m.Elapse(50 * time.Second)
	if state == "stale" {
		return
	}
	if s.m.use(tb, addr); state == "probe" {
		s.m.Elapse(5 * time.Second)
	}
}

func (s stack6) add(tb testing.TB, prefix string) {
	if err := s.s.Interface("eth0").AddAddress(netip.MustParsePrefix(prefix)); err != nil {
		tb.Fatal(err)
	}
}

func (s stack6) addresses(tb testing.TB) (list []string) {
	for _, a := range s.s.Interface("eth0").Addresses6() {
		list = append(list, addressLine(a.Prefix.String(), a.State.String(), a.Preferred, a.Valid))
	}
	sort.Strings(list)
	return list
}

func (s stack6) routers(tb testing.TB) (list []string) {
	for _, r := range s.s.Interface("eth0").Routers() {
		list = append(list, r.Addr.String())
	}
	sort.Strings(list)
	return list
}

// addressLine is a line of addresses. The kernel's seconds may have passed one more.
func addressLine(prefix, state string, preferred, valid time.Duration) string {
	var b strings.Builder
	b.WriteString(prefix + " " + state)
	for _, d := range []time.Duration{preferred, valid} {
		if d >= wire.NDPInfinity {
			b.WriteString(" -")
		} else {
			fmt.Fprint(&b, " ", int((d+5*time.Second)/(10*time.Second))*10)
		}
	}
	return b.String()
}
