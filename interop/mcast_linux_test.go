package interop

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// onGroups is the network of the command's end, for the family.
func (f *family) onGroups() string {
	return fmt.Sprintf("tap,name=cn0,addr=%v,host=%v,mac=%v", f.prefix(f.ours), f.prefix(f.kernel[0]), ourMAC)
}

// command starts the command in the world, without a network unless args name one.
func (w *world) command(args ...string) *process {
	w.t.Helper()
	program, err := castnetProgram()
	must(w.t, err)
	return start(w.t, w.ns, nil, program, append(args, "--json")...)
}

// lines returns what a process has printed of an event, as T has it.
func lines[T any](p *process, event string) (list []T) {
	p.t.Helper()
	text := p.stdout.String()
	for line := range strings.Lines(text[:strings.LastIndexByte(text, '\n')+1]) {
		var e struct{ Event string }
		var v T
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			p.t.Fatalf("%s printed %q: %v", p.name, line, err)
		}
		if e.Event != event {
			continue
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			p.t.Fatalf("%s printed %q: %v", p.name, line, err)
		}
		list = append(list, v)
	}
	return list
}

// began waits until the process has printed an event.
func (p *process) began(event string) {
	p.t.Helper()
	eventually(p.t, event, func() bool {
		select {
		case <-p.done:
			p.t.Fatalf("castnet ended: %v\n%s%s", p.err, p.stdout.String(), p.stderr.String())
		default:
		}
		return len(lines[struct{}](p, event)) > 0
	})
}

// castnet mcast join hears on our stack what the kernel sends to a group, of one source
// and of any; castnet listen, what is sent to a group that it is given as the address.
func TestCommandHearsGroups(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		w := newFamilyWorld(t, f)
		f.speak(t, w.ns, "default")
		// send has the kernel send: each of its addresses to each group.
		send := func(port uint16, groups ...netip.Addr) {
			t.Helper()
			for _, a := range f.kernel[1:] {
				w.ns.Run(t, "ip", "addr", "add", f.prefix(a).String(), "dev", "cn0")
			}
			f.settled(t, w.ns)
			for _, a := range f.kernel {
				s := f.kernelSocketOn(t, w.ns, "cn0", netip.AddrPortFrom(a, port))
				for _, g := range groups {
					_, err := s.WriteToUDPAddrPort([]byte(fmt.Sprint(a, " ", g)), netip.AddrPortFrom(g, port))
					must(t, err)
				}
			}
		}
		any, some := f.groups[0], f.ssm[0]
		want := func(p *process, list ...heard) {
			t.Helper()
			p.end(0)
			var got []heard
			for _, e := range lines[struct {
				Peer    netip.AddrPort
				Payload []byte
				TTL     int
			}](p, "datagram") {
				from, to, _ := strings.Cut(string(e.Payload), " ")
				if from != e.Peer.Addr().String() || e.TTL != 1 {
					t.Errorf("%q came from %v with TTL %d", e.Payload, e.Peer, e.TTL)
				}
				got = append(got, heard{e.Peer.Addr(), netip.MustParseAddr(to)})
			}
			if !slices.Equal(got, list) {
				t.Errorf("heard %v, want %v", got, list)
			}
		}
		k := f.kernel
		p := w.command("mcast", "join", any.String(), fmt.Sprint(k[1], ",", some), "--port", "7500", "--count", "4", "--on", f.onGroups())
		p.began("joined")
		send(7500, any, some)
		want(p, heard{k[0], any}, heard{k[1], any}, heard{k[1], some}, heard{k[2], any})

		p = w.command("listen", net.JoinHostPort(any.String(), "7501"), "--count", "3", "--on", f.onGroups())
		p.began("listening")
		send(7501, any, some)
		want(p, heard{k[0], any}, heard{k[1], any}, heard{k[2], any})
	})
}

// castnet mcast send sends from our stack to what the kernel's socket has joined.
func TestCommandSendsToGroup(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		w := newFamilyWorld(t, f)
		f.speak(t, w.ns, "default")
		group := f.groups[0]
		p := w.command("mcast", "send", net.JoinHostPort(group.String(), "7510"), "hello", "--ttl", "9", "--count", "1000", "--interval", "20ms", "--on", f.onGroups())
		eventually(t, "the device", func() bool { _, err := w.ns.Try("ip", "link", "show", "dev", "cn0", "up"); return err == nil })
		k := f.kernelMember(t, w.ns, "cn0", 7510)
		f.changeGroup(t, w.ns, "cn0", k, unix.MCAST_JOIN_GROUP, group, netip.Addr{})
		buf := make([]byte, 100)
		if n, from, err := k.ReadFromUDPAddrPort(buf); err != nil || string(buf[:n]) != "hello" || from.Addr() != f.ours {
			t.Errorf("heard %q from %v, %v", buf[:n], from, err)
		}
		p.interrupt()
		p.end(0)
		for _, ttl := range w.ourFrames("udp.dstport==7510", f.hops()) {
			if ttl[0] != "9" {
				t.Errorf("a datagram has the TTL %s, want 9", ttl[0])
			}
		}
	})
}

// castnet mcast watch sees, on the kernel's side, that the bridge asks, and what our
// stack answers, joins and leaves.
func TestCommandWatchesGroups(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		w := newFamilyWorld(t, f)
		w.openBridged(false)
		w.ns.Run(t, "ip", strings.Fields("link set br0 type bridge mcast_query_interval 100")...)
		watch := w.command("mcast", "watch", "--interface", "cn0")
		watch.began("querier")
		any, some := f.groups[0], f.ssm[0]
		s1, s2 := f.kernel[1], f.kernel[2]
		c := w.listenGroups(7520)
		must(t, c.JoinGroup("cn0", any))
		must(t, c.JoinSourceSpecificGroup("cn0", some, s1))
		must(t, c.JoinSourceSpecificGroup("cn0", some, s2))
		w.wantMDB("cn0", w.alsoHeard(map[netip.Addr]portGroup{any: listing("exclude"), some: listing("include", s1, s2)}))
		must(t, c.LeaveGroup("cn0", any))
		must(t, c.LeaveSourceSpecificGroup("cn0", some, s2))
		w.wantMDB("cn0", w.alsoHeard(map[netip.Addr]portGroup{some: listing("include", s1)}))
		watch.interrupt()
		watch.end(0)
		type member struct {
			Group, Host netip.Addr
			MAC         string
			Protocol    string
			Only        bool
			Sources     []netip.Addr
		}
		summaries := lines[struct {
			Members  []member
			Queriers []struct{ Protocol string }
		}](watch, "summary")
		if len(summaries) != 1 {
			t.Fatalf("castnet printed %s", watch.stdout.String())
		}
		host, protocol := f.ours, "IGMPv3"
		if f.is6() {
			host, protocol = w.linkLocal(), "MLDv2"
		}
		for _, m := range summaries[0].Members {
			if m.MAC != ourMAC.String() || m.Group.IsLinkLocalMulticast() {
				continue
			}
			if m.Group != some || m.Host != host || m.Protocol != protocol || !m.Only || !slices.Equal(m.Sources, []netip.Addr{s1}) {
				t.Errorf("castnet knows %+v, want %v of %v in %v by %v", m, host, s1, some, protocol)
			}
		}
		if !slices.ContainsFunc(summaries[0].Members, func(m member) bool { return m.Group == some }) {
			t.Errorf("castnet does not know of %v: %+v", some, summaries[0])
		}
		if q := summaries[0].Queriers; !slices.ContainsFunc(q, func(q struct{ Protocol string }) bool { return q.Protocol == protocol }) {
			t.Errorf("castnet knows the queriers %v, want one of %s", q, protocol)
		}
	})
}
