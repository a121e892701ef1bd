package conformance

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/host"
	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/socket"
)

// hostPatience is how long the kernel may take; it is only waited for if
// something is wrong.
const hostPatience = 5 * time.Second

// CanNamespace reports whether namespaces can be made.
func CanNamespace() bool { return os.Geteuid() == 0 }

// OnHost reports whether a case with the needs can run on the operating system,
// and if not, why.
func OnHost(needs Needs) (ok bool, why string) {
	if needs&FirstBound != 0 {
		return false, "Linux does not have this"
	}
	if needs != 0 && !CanNamespace() {
		return false, "needs a network namespace, and so root"
	}
	return true, ""
}

// NewHost returns the operating system as a Machine for the duration of the test:
// in a network namespace, or, without root, as it is, if nothing is needed. There
// a port that one case has given up may be picked for another.
func NewHost(tb testing.TB, needs Needs) *Machine {
	tb.Helper()
	m := &Machine{Network: host.Network{}, Kind: Host, Patience: hostPatience, PathLife: 10 * time.Minute, elapse: time.Sleep}
	if needs == 0 && !CanNamespace() {
		return m
	}
	ns := namespace{netns.New(tb)}
	m.Network = namespacedNetwork{host.Network{}, ns}
	m.forget = func() { ns.Sysctl(tb, "ipv4/route/flush", "-1") }
	ns.Sysctl(tb, "ipv6/conf/all/disable_ipv6", "1")
	m.setUp = func(tb testing.TB, name string, up bool) {
		tb.Helper()
		state := map[bool]string{true: "up", false: "down"}[up]
		ns.ip(tb, fmt.Sprintf("link set %s %s\n", name, state))
	}
	// Linux as it comes, whatever the machine's administrator prefers.
	for path, value := range map[string]string{
		"ipv4/conf/all/rp_filter":          "0",
		"ipv4/conf/default/rp_filter":      "0",
		"ipv4/conf/all/forwarding":         "0",
		"ipv4/icmp_echo_ignore_broadcasts": "1",
		"ipv4/ip_local_port_range":         "32768 60999",
		"ipv4/ip_local_reserved_ports":     "",
		"ipv4/ip_unprivileged_port_start":  "1024",
		"ipv4/icmp_ratelimit":              "1000",
		"ipv4/icmp_msgs_per_sec":           "1000",
		"ipv4/icmp_msgs_burst":             "50",
	} {
		ns.Sysctl(tb, path, value)
	}
	if needs&Router != 0 {
		ns.Sysctl(tb, "ipv4/conf/all/forwarding", "1")
	}
	if needs&Unlimited != 0 {
		ns.Sysctl(tb, "ipv4/icmp_ratelimit", "0")
		ns.Sysctl(tb, "ipv6/icmp/ratelimit", "0")
		ns.Sysctl(tb, "ipv4/icmp_msgs_per_sec", "1000000")
		ns.Sysctl(tb, "ipv4/icmp_msgs_burst", "1000000")
	}
	if needs&SourceCheck != 0 {
		ns.Sysctl(tb, "ipv4/conf/all/rp_filter", "2")
	}
	if needs&BriefPaths != 0 {
		m.PathLife = 2 * time.Second
		ns.Sysctl(tb, "ipv4/route/mtu_expires", "2")
	}
	if needs&Reserved != 0 {
		ns.Sysctl(tb, "ipv4/ip_local_reserved_ports", fmt.Sprint(ReservedPort))
	}
	if needs&IPv6 != 0 {
		m.Six = host6{m, ns}
		ns.prepare6(tb, needs)
	}
	batch := ""
	if needs&Wires != 0 {
		for _, p := range thePlan.interfaces {
			w := newTAPWire(tb, ns, p)
			switch p.name {
			case "eth0":
				m.Eth0 = w
			case "eth1":
				m.Eth1 = w
			}
			batch += fmt.Sprintf("link set %s address %s mtu %d up\n", p.name, p.mac, wireMTU)
			for _, a := range p.addresses {
				batch += fmt.Sprintf("addr add %v dev %s\n", a, p.name)
			}
		}
		for _, r := range routesFor(needs) {
			batch += r.command() + "\n"
		}
		if needs&LocalRange != 0 {
			batch += "route add local " + localRange + " dev lo\n"
		}
	}
	if needs&Both6 != 0 {
		m.answer6()
	}
	ns.ip(tb, batch)
	if needs&Wires != 0 {
		for _, p := range thePlan.interfaces {
			for name, value := range map[string]string{
				"mcast_solicit": "3", "retrans_time_ms": "1000", "unres_qlen_bytes": "212992",
			} {
				ns.Sysctl(tb, "ipv4/neigh/"+p.name+"/"+name, value)
			}
		}
	}
	if needs&IPv6 != 0 {
		ns.settle6(tb)
		if needs&Tests6 == 0 {
			m.Six.add(tb, global6+"/64")
			host6{m, ns}.ready(tb)
		}
		m.forget6 = func(tb testing.TB) { tb.Helper(); ns.Run(tb, "ip", "-6", "route", "flush", "cache") }
	}
	if needs&Both6 != 0 {
		ns.both6(tb)
	}
	if needs&FullDevice != 0 {
		ns.Run(tb, "tc", "qdisc", "add", "dev", "eth1", "root", "tbf", "rate", "8kbit", "burst", "1600", "limit", "1600")
	}
	if needs&Unprivileged != 0 {
		ns.dropPrivilege(tb)
		m.Network = unprivilegedNetwork{namespacedNetwork{host.Network{}, ns}}
	}
	return m
}

// command is the route as iproute2 takes it.
func (r planRoute) command() string {
	var b strings.Builder
	b.WriteString("route add ")
	if r.kind != "" {
		b.WriteString(r.kind + " ")
	}
	b.WriteString(r.destination.String())
	if r.gateway.IsValid() {
		b.WriteString(" via " + r.gateway.String())
	}
	if r.source.IsValid() {
		b.WriteString(" src " + r.source.String())
	}
	return b.String()
}

// newTAPWire makes a TAP device whose far end is a Wire.
func newTAPWire(tb testing.TB, ns namespace, p planInterface) *Wire {
	w := newWire(tb, p.name, p.mac, hostPatience)
	f := ns.tap(tb, p.name)
	w.inject = func(frame []byte) {
		// The machine may answer the kernel's last ARP request as the case ends.
		if _, err := f.Write(frame); err != nil && !errors.Is(err, os.ErrClosed) {
			tb.Errorf("%s: injecting a frame: %v", p.name, err)
		}
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for {
			b := make([]byte, 2048)
			n, err := f.Read(b)
			if err != nil {
				return
			}
			w.receive(b[:n])
		}
	}()
	tb.Cleanup(func() {
		w.close()
		f.Close()
		<-read
	})
	return w
}

// unprivilegedNetwork binds on the namespace's thread, which has given up its
// privileges: the kernel asks the thread that calls.
type unprivilegedNetwork struct{ namespacedNetwork }

func (n unprivilegedNetwork) Open(f socket.Family) (socket.Socket, error) {
	s, err := n.namespacedNetwork.Open(f)
	if err != nil {
		return nil, err
	}
	return &unprivilegedSocket{s, n.ns}, nil
}

type unprivilegedSocket struct {
	socket.Socket
	ns namespace
}

func (s *unprivilegedSocket) Bind(a netip.AddrPort) (err error) {
	s.ns.Do(func() { err = s.Socket.Bind(a) })
	return err
}

func (s *unprivilegedSocket) SetOption(o socket.Option, v int) (err error) {
	s.ns.Do(func() { err = s.Socket.SetOption(o, v) })
	return err
}
