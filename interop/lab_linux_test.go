package interop

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/tap"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

// labAddresses are those of a lab that the kernel is bridged to: two routers in a row
// and a host behind them.
type labAddresses struct {
	first, onward netip.Addr // the first router's
	second, last  netip.Addr // the second's
	host, nobody  netip.Addr // on the last link
	all           netip.Prefix
}

var (
	firstHop  = families[0].lab.first
	secondHop = families[0].lab.second
	labHost   = families[0].lab.host
)

// openLab makes a lab, joined to the kernel by a TAP device, and lets it run:
//
//	kernel 10.0.0.1 - r1 10.0.0.2, 10.0.1.1 - r2 10.0.1.2, 10.0.2.1 - h 10.0.2.2
//
// The last link has the MTU. When the test ends, the lab's ledger must balance.
func (w *world) openLab(mtu int) *lab.Host {
	t := w.t
	t.Helper()
	var dev *tap.Link
	var err error
	f := w.family
	if f == nil {
		f = families[0]
	}
	a := &f.lab
	w.ns.Do(func() {
		// Every frame is to be complete where it leaves the lab.
		dev, err = tap.Open("cn0", tap.Config{HostAddresses: []netip.Prefix{f.prefix(f.kernel[0])}, Offload: link.OffloadNone})
	})
	if err != nil {
		t.Fatal(err)
	}
	l := lab.New(lab.Config{Realtime: true})
	near, middle, far := l.AddSwitch("near"), l.AddCable("middle"), l.AddCable("far")
	b, err := l.Bridge("out", near, dev, lab.LinkConfig{})
	if err != nil {
		dev.Close()
		t.Fatal(err)
	}
	r1, r2, h := l.AddRouter("r1"), l.AddRouter("r2"), l.AddHost("h")
	slow := lab.Faults{Delay: time.Millisecond}
	var wanted []func() bool
	for _, l := range []struct {
		host    *lab.Host
		to      lab.Segment
		address netip.Addr
		mtu     int
	}{
		{&r1.Host, near, a.first, 0}, {&r1.Host, middle, a.onward, 0},
		{&r2.Host, middle, a.second, 0}, {&r2.Host, far, a.last, mtu},
		{h, far, a.host, mtu},
	} {
		cfg := lab.LinkConfig{Addresses: []netip.Prefix{f.prefix(l.address)}, MTU: l.mtu, Faults: slow}
		name, err := l.host.Attach(l.to, cfg)
		must(t, err)
		i, err := l.host.Interfaces()
		must(t, err)
		k := slices.IndexFunc(i, func(i socket.Interface) bool { return i.Name == name })
		if l.address == a.first {
			w.mac = wire.MAC(i[k].HardwareAddr)
		}
		// With IPv6 an address may be looked for on the link before it is used.
		wanted = append(wanted, func() bool {
			is, err := l.host.Interfaces()
			return err == nil && slices.ContainsFunc(is, hasAddress(l.address))
		})
	}
	everything := netip.PrefixFrom(f.unspecified(), 0)
	for _, r := range []struct {
		host        *lab.Host
		destination netip.Prefix
		gateway     netip.Addr
	}{
		{&r1.Host, f.prefix(a.host).Masked(), a.second},
		{&r2.Host, everything, a.onward},
		{h, everything, a.last},
	} {
		err := r.host.AddRoute(stack.Route{Destination: r.destination, Gateway: r.gateway})
		if err != nil {
			t.Fatal(err)
		}
	}
	f.settled(t, w.ns)
	w.ns.Run(t, "ip", f.ip, "route", "add", a.all.String(), "via", a.first.String())
	w.count = func() uint64 { return l.Report().Bridges[0].Out }
	ran := make(chan error, 1)
	go func() { ran <- l.Run(time.Hour) }()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		<-ran
		if err := l.CheckLedger(); err != nil {
			t.Errorf("%v\n%v", err, l.Report())
		}
	})
	if b.Name() != "out" {
		t.Fatal("the bridge has no name")
	}
	eventually(t, "the lab's addresses", func() bool {
		return !slices.ContainsFunc(wanted, func(there func() bool) bool { return !there() })
	})
	return h
}

func hasAddress(a netip.Addr) func(socket.Interface) bool {
	return func(i socket.Interface) bool {
		return slices.ContainsFunc(i.Addresses, func(p netip.Prefix) bool { return p.Addr() == a })
	}
}

// hops returns who answered at each hop, as traceroute -n and tracepath -n print
// it: one line a hop that begins with its number. What tracepath hears of the path
// MTU is not a hop.
func hops(out string) (list []string) {
	for _, m := range regexp.MustCompile(`(?m)^ *(\d+):? +(\S+)(.*)$`).FindAllStringSubmatch(out, -1) {
		if m[2] == "[LOCALHOST]" || strings.Contains(m[3], "pmtu") {
			continue
		}
		// tracepath has a line for each answer.
		if len(list) == 0 || list[len(list)-1] != m[1]+" "+m[2] {
			list = append(list, m[1]+" "+m[2])
		}
	}
	return list
}

// The kernel's traceroute and tracepath see the lab's routers and the host behind
// them, and the smaller MTU of the last link.
func TestTraceroute(t *testing.T) {
	w := newWorld(t, "traceroute", "tracepath", "ping")
	w.openLab(1280)
	want := []string{fmt.Sprint("1 ", firstHop), fmt.Sprint("2 ", secondHop), fmt.Sprint("3 ", labHost)}
	for _, test := range []struct {
		name    string
		command string
	}{
		{"UDP", "traceroute -n -N 1 -q 2 -w 5"},
		{"ICMP", "traceroute -n -I -N 1 -q 3 -w 5"},
		{"long UDP", "traceroute -n -N 1 -q 1 -w 5 10.0.2.2 1000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := strings.Fields(test.command)
			if len(args) < 10 {
				args = append(args, labHost.String())
			}
			out := start(t, w.ns, nil, args[0], args[1:]...).end(0)
			if got := hops(out); !slices.Equal(got, want) || strings.ContainsAny(out, "*!") {
				t.Errorf("the hops are %q, want %q, and no probe without an answer:\n%s", got, want, out)
			}
		})
	}
	t.Run("tracepath", func(t *testing.T) {
		out := start(t, w.ns, nil, "tracepath", "-n", labHost.String()).end(0)
		if got := hops(out); !slices.Equal(got, want) || !strings.Contains(out, "pmtu 1280 hops 3 back 3") {
			t.Errorf("the hops are %q, want %q, and a path MTU of 1280:\n%s", got, want, out)
		}
	})
	t.Run("beyond", func(t *testing.T) {
		// Nobody has the address: the router next to it says so.
		p := start(t, w.ns, nil, "ping", "-n", "-c", "1", "-W", "10", "10.0.2.99")
		if out := p.end(1); !strings.Contains(out, "From 10.0.1.2 icmp_seq=1 Destination Host Unreachable") {
			t.Errorf("want to hear from the second router:\n%s", out)
		}
	})
}

// The kernel's sockets and those of a host in the lab exchange datagrams of all
// sizes through two routers, one of which has to fragment.
func TestThroughLab(t *testing.T) {
	w := newWorld(t)
	h := w.openLab(1280)
	k := w.kernelSocket(7050)
	cfg := castnet.Config{On: h}
	c, err := cfg.Dial(context.Background(), "udp4", net.JoinHostPort(kernel.String(), "7050"))
	w.conn(c, err)
	// The kernel learns what the path's MTU is from the router, and the datagram
	// that it learns from is lost.
	if _, err := k.WriteToUDPAddrPort(payload(1472), netip.AddrPortFrom(labHost, 7051)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the kernel to learn the path MTU", func() bool {
		return strings.Contains(w.ns.Run(t, "ip", "route", "get", labHost.String()), "mtu 1280")
	})
	backAndForth(t, c, k, sizes...)
}
