package interop

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/link"
)

// openBridged opens a stack on a TAP device that is a port of a bridge of the kernel's,
// which asks its ports what they hear and snoops on the answers. There is another host,
// in the namespace that is returned, by its device far0:
//
//	       br0: querier            br0: querier
//	      /           \                 |
//	cn0: ours      far0: remote        br1   both are behind one port
//	                                  /    \
//	                          cn0: ours   far0: remote
//
// The bridge asks everybody twice, a second apart, and then every half a minute. Of IPv6
// it has a link-local address only: with another it would ask about groups of a wider
// scope from that one, and hosts heed no such query (RFC 9777, 5.1.14).
func (w *world) openBridged(onePort bool) *netns.Namespace {
	t, f := w.t, w.family
	t.Helper()
	w.chatter = true
	ns := netns.New(t)
	var thread int
	ns.Do(func() { thread = unix.Gettid() })
	lan := "br0"
	lines := []string{
		"link add br0 type bridge mcast_snooping 1 mcast_igmp_version 3 mcast_mld_version 2 mcast_query_use_ifaddr 1 mcast_stats_enabled 1" +
			" mcast_query_interval 3000 mcast_startup_query_interval 100 mcast_query_response_interval 30 mcast_last_member_interval 20",
		fmt.Sprintf("link add near0 type veth peer name far0 netns /proc/%d/ns/net", thread),
	}
	left := []string{"br0", "near0"}
	if onePort {
		lan = "br1"
		lines = append(lines, "link add br1 type bridge mcast_snooping 0", "link add up0 type veth peer name up1")
		left = append(left, "br1", "up0", "up1")
	}
	for _, line := range lines {
		w.ns.Run(t, "ip", strings.Fields(line)...)
	}
	w.ns.Do(func() {
		for _, name := range left {
			dev, err := net.InterfaceByName(name)
			if err != nil {
				t.Fatal(err)
			}
			w.capture.leaveOut(dev.Index)
		}
	})
	f.speak(t, w.ns, "br0")
	f.speak(t, ns, "far0")
	lines = []string{
		"link set near0 master " + lan,
		"link set near0 up",
		"link set br0 up",
	}
	if !f.is6() {
		lines = append(lines, "addr add "+f.prefix(f.kernel[0]).String()+" dev br0")
	}
	if onePort {
		lines = append(lines, "link set up0 master br0", "link set up1 master br1", "link set up0 up", "link set up1 up", "link set br1 up")
	}
	for _, line := range lines {
		w.ns.Run(t, "ip", strings.Fields(line)...)
	}
	for _, a := range append(slices.Clone(f.kernel[1:]), f.remote) {
		ns.Run(t, "ip", "addr", "add", f.prefix(a).String(), "dev", "far0")
	}
	ns.Run(t, "ip", "link", "set", "far0", "up")
	w.openOn(fmt.Sprintf("tap,name=cn0,addr=%v,mac=%v", f.prefix(f.ours), ourMAC))
	w.ns.Run(t, "ip", "link", "set", "cn0", "master", lan)
	f.settled(t, w.ns)
	f.settled(t, ns)
	// It snoops when the time to respond is over.
	w.ns.Run(t, "ip", strings.Fields("link set br0 type bridge mcast_querier 1")...)
	return ns
}

// A portGroup is what a bridge knows of a group at a port: "include" or "exclude", and
// who is.
type portGroup string

// An mdbEntry is a line of what a bridge knows.
type mdbEntry struct {
	Port    string     `json:"port"`
	Group   netip.Addr `json:"grp"`
	Source  string     `json:"src"`
	Mode    string     `json:"filter_mode"`
	Sources []struct {
		Address netip.Addr `json:"address"`
		Timer   string     `json:"timer"` // seconds that are left
	} `json:"source_list"`
}

// entries returns what the bridge knows of the port.
func (w *world) entries(port string) []mdbEntry {
	w.t.Helper()
	var list []struct {
		MDB []mdbEntry `json:"mdb"`
	}
	text := w.ns.Run(w.t, "bridge", "-d", "-j", "-s", "mdb", "show", "dev", "br0")
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != 1 {
		w.t.Fatalf("bridge says %s: %v", text, err)
	}
	// Those with a source are made of the others.
	return slices.DeleteFunc(list[0].MDB, func(e mdbEntry) bool { return e.Port != port || e.Source != "" })
}

// mdb returns what the bridge knows of the port, by the group.
func (w *world) mdb(port string) map[netip.Addr]portGroup {
	w.t.Helper()
	groups := make(map[netip.Addr]portGroup)
	for _, e := range w.entries(port) {
		var sources []netip.Addr
		for _, s := range e.Sources {
			// Of an EXCLUDE list those that are excluded have no time left.
			if e.Mode == "include" || seconds(w.t, s.Timer) == 0 {
				sources = append(sources, s.Address)
			}
		}
		groups[e.Group] = listing(e.Mode, sources...)
	}
	return groups
}

// joined returns the groups our interface hears that reach farther than the link.
func (w *world) joined() (list []netip.Addr) {
	for _, g := range w.iface.Groups() {
		if !g.Group.IsLinkLocalMulticast() && !g.Group.IsInterfaceLocalMulticast() {
			list = append(list, g.Group)
		}
	}
	return list
}

// left returns for how long the bridge will take a source to be heard at a port.
func (w *world) left(port string, group, source netip.Addr) time.Duration {
	w.t.Helper()
	for _, e := range w.entries(port) {
		for _, s := range e.Sources {
			if e.Group == group && s.Address == source {
				return time.Duration(seconds(w.t, s.Timer) * float64(time.Second))
			}
		}
	}
	return 0
}

func listing(mode string, sources ...netip.Addr) portGroup {
	slices.SortFunc(sources, netip.Addr.Compare)
	return portGroup(fmt.Sprint(mode, sources))
}

// wantMDB waits until the bridge knows this of the port and nothing else.
func (w *world) wantMDB(port string, want map[netip.Addr]portGroup) {
	w.t.Helper()
	var got map[netip.Addr]portGroup
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if got = w.mdb(port); maps.Equal(got, want) {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("the bridge knows of %s %v, want %v", port, got, want)
		}
	}
}

// bridgeQueries returns how often the bridge has asked everybody in the newest version.
func (w *world) bridgeQueries() int {
	w.t.Helper()
	var list []struct {
		Multicast map[string]json.RawMessage `json:"multicast"`
	}
	text := w.ns.Run(w.t, "ip", "-json", "link", "xstats", "type", "bridge", "dev", "br0")
	var queries map[string]int
	err := json.Unmarshal([]byte(text), &list)
	if err == nil {
		err = json.Unmarshal(list[0].Multicast[w.family.bridgeQueries], &queries)
	}
	if err != nil {
		w.t.Fatalf("ip says %s: %v", text, err)
	}
	v := fmt.Sprint("_v", w.family.newest)
	return queries["rx"+v] + queries["tx"+v]
}

// must fails the test at an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The kernel's bridge knows which groups we hear, and of them which sources, after we
// have told it, after it has asked, and when we hear them no more.
func TestBridgeKnowsMemberships(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		w := newFamilyWorld(t, f)
		w.openBridged(false)
		any, one, some := f.groups[0], f.groups[1], f.ssm[0]
		s1, s2, s3 := f.kernel[1], f.kernel[2], f.remote
		c, other := w.listenGroups(7200), w.listenGroups(7201)
		must(t, c.JoinGroup("cn0", any))
		must(t, other.JoinGroup("cn0", any))
		must(t, c.JoinGroup("cn0", one))
		must(t, c.ExcludeSourceSpecificGroup("cn0", one, s1))
		must(t, c.JoinSourceSpecificGroup("cn0", some, s1))
		must(t, other.JoinSourceSpecificGroup("cn0", some, s2))
		want := w.alsoHeard(map[netip.Addr]portGroup{
			any:  listing("exclude"),
			one:  listing("exclude", s1),
			some: listing("include", s1, s2),
		})
		w.wantMDB("cn0", want)

		// It forgets all, and asks everybody.
		w.ns.Run(t, "ip", "link", "set", "cn0", "nomaster")
		w.wantMDB("cn0", nil)
		w.ns.Run(t, "ip", "link", "set", "cn0", "master", "br0")
		w.wantMDB("cn0", want)

		// Sources come and go.
		must(t, c.JoinSourceSpecificGroup("cn0", some, s3))
		must(t, c.IncludeSourceSpecificGroup("cn0", one, s1))
		must(t, c.ExcludeSourceSpecificGroup("cn0", one, s2))
		want[some] = listing("include", s1, s2, s3)
		want[one] = listing("exclude", s2)
		w.wantMDB("cn0", want)
		must(t, c.LeaveSourceSpecificGroup("cn0", some, s1))
		want[some] = listing("include", s2, s3)
		w.wantMDB("cn0", want)

		// One of two that hear a group leaves it; then all are left by closing.
		must(t, c.LeaveGroup("cn0", any))
		must(t, c.LeaveGroup("cn0", one))
		delete(want, one)
		w.wantMDB("cn0", want)
		if got := w.joined(); !slices.Equal(got, []netip.Addr{any, some}) {
			t.Errorf("our interface hears %v", got)
		}
		must(t, other.Close())
		must(t, c.Close())
		delete(want, any)
		delete(want, some)
		w.wantMDB("cn0", want)

		// It has asked before it believed each of that.
		asked := make(map[string]int)
		for _, q := range w.queries() {
			asked[fmt.Sprint(q.group, q.sources)]++
		}
		for _, q := range []string{fmt.Sprint(any, []netip.Addr(nil)), fmt.Sprint(one, []netip.Addr(nil)), fmt.Sprint(some, []netip.Addr{s1})} {
			if asked[q] == 0 {
				t.Errorf("the bridge has not asked about %s, but %v", q, asked)
			}
		}
		w.wantDrops(map[drop.Reason]uint64{})
	})
}

// Another host behind the same port of the bridge leaves what we still hear: asked about
// the group, and about the sources that it has left, we answer, and the bridge keeps
// those.
func TestBridgeAsksForOthers(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		w := newFamilyWorld(t, f)
		far := w.openBridged(true)
		any, some := f.groups[0], f.ssm[0]
		s1, s2 := f.kernel[1], f.kernel[2]
		const port = 7210
		c, k := w.listenGroups(port), f.kernelMember(t, far, "far0", port)
		must(t, c.JoinGroup("cn0", any))
		must(t, c.JoinSourceSpecificGroup("cn0", some, s2))
		f.changeGroup(t, far, "far0", k, unix.MCAST_JOIN_GROUP, any, netip.Addr{})
		f.changeGroup(t, far, "far0", k, unix.MCAST_JOIN_SOURCE_GROUP, some, s1)
		f.changeGroup(t, far, "far0", k, unix.MCAST_JOIN_SOURCE_GROUP, some, s2)
		want := map[netip.Addr]portGroup{any: listing("exclude"), some: listing("include", s1, s2)}
		holds := func() bool {
			got := w.mdb("up0")
			for g, l := range want {
				if got[g] != l {
					return false
				}
			}
			return true
		}
		eventually(t, "the bridge to know both", holds)
		// What everybody was asked about, and what we tell a second time within a
		// second, would be taken for an answer.
		eventually(t, "the bridge to have begun", func() bool { return w.bridgeQueries() >= 2 })
		<-time.After(1100 * time.Millisecond)
		f.changeGroup(t, far, "far0", k, unix.MCAST_LEAVE_GROUP, any, netip.Addr{})
		must(t, k.Close())
		// The source of which nobody tells any more is forgotten.
		want[some] = listing("include", s2)
		eventually(t, "the bridge to forget a source", holds)
		// It asks again when it is told again.
		eventually(t, "the source that we hear to be kept", func() bool { return w.left("up0", some, s2) > time.Minute })
		if got := w.mdb("up0")[any]; got != want[any] {
			t.Errorf("of the group that we hear the bridge knows %q, want %q", got, want[any])
		}

		var asked, told bool
		for _, q := range w.queries() {
			asked = asked || q.group == some && slices.Contains(q.sources, s2)
		}
		for _, r := range w.reports() {
			told = told || r.record == recordIsInclude && r.group == some && slices.Equal(r.sources, []netip.Addr{s2})
		}
		if !asked || !told {
			t.Errorf("the bridge asked about the source: %v, and we told it: %v; it asked %v, we told %v", asked, told, w.queries(), w.reports())
		}
		w.wantDrops(map[drop.Reason]uint64{})
	})
}

// The bridge hands us the groups that we have joined, though our card would let all of
// them in, and hands the others what we send.
func TestBridgeSendsToMembers(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		w := newFamilyWorld(t, f)
		far := w.openBridged(false)
		must(t, w.iface.SetMode(link.AllMulticast))
		const port = 7220
		ours, theirs, nobodys := f.groups[0], f.groups[1], f.groups[2]
		c, k := w.listenGroups(port), f.kernelMember(t, far, "far0", port)
		must(t, c.JoinGroup("cn0", ours))
		f.changeGroup(t, far, "far0", k, unix.MCAST_JOIN_GROUP, theirs, netip.Addr{})
		w.wantMDB("cn0", w.alsoHeard(map[netip.Addr]portGroup{ours: listing("exclude")}))
		eventually(t, "the bridge to know the other member", func() bool { return w.mdb("near0")[theirs] != "" })
		sender := f.kernelSocketOn(t, far, "far0", netip.AddrPortFrom(f.remote, port+1))
		round := func(want ...heard) {
			t.Helper()
			for _, g := range []netip.Addr{ours, theirs, nobodys} {
				_, err := sender.WriteToUDPAddrPort([]byte(fmt.Sprint(f.remote, " ", g)), netip.AddrPortFrom(g, port))
				must(t, err)
			}
			_, err := sender.WriteToUDPAddrPort([]byte(endOfRound), netip.AddrPortFrom(f.ours, port))
			must(t, err)
			if got := w.hearRound(c); !slices.Equal(got, want) {
				t.Errorf("heard %v, want %v", got, want)
			}
		}
		// Before the answers to its first query are due the bridge hands everybody
		// everything.
		eventually(t, "the bridge to ask a second time", func() bool { return w.bridgeQueries() >= 2 })
		round(heard{f.remote, ours})
		must(t, c.SetMulticastInterface("cn0"))
		_, err := c.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(theirs, port))
		must(t, err)
		buf := make([]byte, 100)
		for n := 0; string(buf[:n]) != "hello"; {
			if n, _, err = k.ReadFromUDPAddrPort(buf); err != nil {
				t.Fatalf("the other member does not hear us: %v", err)
			}
		}
		// Our stack has heard of the others what it would without snooping.
		w.ns.Run(t, "ip", "link", "set", "br0", "type", "bridge", "mcast_snooping", "0")
		round(heard{f.remote, ours})
		w.stop()
		var got []string
		frames, err := tshark(w.capture.path, false, fmt.Sprintf("udp.srcport==%d && eth.dst[0]&1", port+1), f.shark()+".dst")
		must(t, err)
		for _, f := range frames {
			got = append(got, f[0])
		}
		want := []string{ours.String(), ours.String(), theirs.String(), nobodys.String()}
		if !slices.Equal(got, want) {
			t.Errorf("at our port there were datagrams to %v, want %v", got, want)
		}
	})
}

// The bridge speaks an older version, and so do we, until it has spoken a newer one for
// long enough.
func TestBridgeSpeaksOlderVersion(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		w := newFamilyWorld(t, f)
		w.openBridged(false)
		c := w.listenGroups(7230)
		version := func(want int) {
			t.Helper()
			eventually(t, fmt.Sprintf("version %d to be spoken", want), func() bool { return f.version(w) == want })
		}
		join := func(g netip.Addr) {
			t.Helper()
			must(t, c.JoinGroup("cn0", g))
			eventually(t, fmt.Sprint("the bridge to know ", g), func() bool { return w.mdb("cn0")[g] != "" })
		}
		leave := func(g netip.Addr) {
			t.Helper()
			must(t, c.LeaveGroup("cn0", g))
			eventually(t, fmt.Sprint("the bridge to forget ", g), func() bool { return w.mdb("cn0")[g] == "" })
		}
		g := f.groups
		// With one second between questions an older querier is forgotten after two
		// (RFC 9776, 8.12).
		w.ns.Run(t, "ip", strings.Fields("link set br0 type bridge mcast_query_interval 100")...)
		version(f.newest)
		join(g[0])
		asked := w.bridgeQueries()
		eventually(t, "the bridge to tell the interval", func() bool { return w.bridgeQueries() > asked+1 })
		w.ns.Run(t, "ip", append(strings.Fields("link set br0 type bridge"), f.bridgeVersion, fmt.Sprint(f.newest-1))...)
		version(f.newest - 1)
		join(g[1])
		leave(g[1])
		w.ns.Run(t, "ip", append(strings.Fields("link set br0 type bridge"), f.bridgeVersion, fmt.Sprint(f.newest))...)
		version(f.newest)
		join(g[2])
		leave(g[2])
		w.wantDrops(map[drop.Reason]uint64{})

		w.wantReports(f.olderReports())
	})
}

// wantReports fails the test unless we have told that of joining and leaving, each once
// or several times, in that order; what we have answered, the first of the groups and
// those of the link alone are left out.
func (w *world) wantReports(want []string) {
	w.t.Helper()
	var got []string
	for _, r := range w.reports() {
		if r.record == recordIsExclude || r.record == recordIsInclude || r.group == w.family.groups[0] || r.group.IsLinkLocalMulticast() {
			continue
		}
		if s := fmt.Sprint(r); len(got) == 0 || got[len(got)-1] != s {
			got = append(got, s)
		}
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("we told routers %q, want %q", got, want)
	}
}
