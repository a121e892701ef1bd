package stack

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// A family is what a test that holds for IGMP and for MLD has to know of the one it is
// run with. Such tests are named for the rules of IGMP, of which RFC 9777 says the same
// for MLD a section further on (6.1 for 5.1 of RFC 9776), and RFC 2710 for version 1 what
// RFC 2236 says for IGMP's version 2. Versions are called by their generation: MLD's are
// the second and the third.
type family struct {
	name    string
	ipv4    bool
	address string // the host's, with its prefix

	g1, g2     string                 // groups
	g3         string                 // in the range of source-specific groups (RFC 4607)
	group      func(k int) netip.Addr // as many more as are needed
	source     func(k int) netip.Addr
	untold     []string // groups that routers are not told of: all hosts', and what stays here
	leaves     string   // whom leaves are told to
	receivers  string   // of reports of the third generation
	records    int      // fit into a report
	sources    int      // fit into a report's only record
	longest    time.Duration
	older      time.Duration // how long an older querier is there, see where it is used
	oldest     int           // the first generation that there is
	onlyNewest bool          // forcing the newest generation is not to listen to older queriers

	// describe says of a packet that tells of groups whom it is sent to and what it says.
	describe func(packet []byte) (to netip.Addr, text string)
	frame    func(to string, message []byte) []byte
	query    func(q wire.IGMPQuery) []byte
	report   func(group string) []byte // of the second generation
	types    [4]byte                   // of messages that hosts hear

	generation    func(*Interface) int
	setGeneration func(*Interface, int) error
}

var families = []*family{inet4, inet6}

var inet4 = &family{
	name: "IGMP", ipv4: true, address: "10.0.0.2/24", g1: g1, g2: g2, g3: g3,
	group:  func(k int) netip.Addr { return netip.AddrFrom4([4]byte{239, 5, byte(k >> 8), byte(k)}) },
	source: func(k int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, byte(k >> 8), byte(k)}) },
	untold: []string{"224.0.0.1"}, leaves: "224.0.0.2", receivers: "224.0.0.22",
	records: (1500 - 24 - 8) / 8, sources: (1500 - 24 - 8 - 8) / 4,
	longest: 24800 * time.Millisecond, // 0x8f is (0xf|0x10)<<3 tenths
	older:   100 * time.Second, oldest: 1,
	describe: describeIGMP, frame: igmpFrame, query: queryBody, report: func(group string) []byte {
		m := make([]byte, wire.IGMPHeaderLen)
		wire.PutIGMP(m, wire.IGMPv2Report, groupAddr(group)).UpdateChecksum(nil)
		return m
	},
	types:      [4]byte{0x11, 0x12, 0x16, 0x11},
	generation: (*Interface).IGMPVersion, setGeneration: (*Interface).SetIGMPVersion,
}

var inet6 = &family{
	name: "MLD", address: us6, g1: h1, g2: h2, g3: h3,
	group:  func(k int) netip.Addr { return groupAddr(fmt.Sprintf("ff15::5:%x", k)) },
	source: func(k int) netip.Addr { return groupAddr(fmt.Sprintf("2001:db8::1:%x", k)) },
	untold: []string{"ff02::1", "ff01::1", "ff01::5", "ff11::7", "ff00::5", "ff10::7"}, leaves: "ff02::2", receivers: "ff02::16",
	records: (1500 - 40 - 8 - 8) / 20, sources: (1500 - 40 - 8 - 8 - 20) / 16,
	longest: 65528 * time.Millisecond, // 0x8fff is (0xfff|0x1000)<<3 ms
	older:   94 * time.Second, oldest: 2, onlyNewest: true,
	describe: describeMLD, frame: mldFrame, query: func(q wire.IGMPQuery) []byte {
		q.Version--
		return mldQuery(wire.MLDQuery(q))
	},
	report: func(group string) []byte {
		m := make([]byte, wire.MLDHeaderLen)
		wire.PutMLD(m, wire.ICMPv6MLDv1Report, groupAddr(group))
		return m
	},
	types:      [4]byte{130, 131, 132, 130},
	generation: func(i *Interface) int { return i.MLDVersion() + 1 },
	setGeneration: func(i *Interface, g int) error {
		if g > 0 {
			g--
		}
		return i.SetMLDVersion(g)
	},
}

// eachFamily runs a test once for each.
func eachFamily(t *testing.T, test func(t *testing.T, f *family)) {
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) { test(t, f) })
	}
}

// The groups of most tests, of IPv4 and of IPv6; what is said of them is said of g1, g2
// and g3.
const (
	g1 = "239.1.2.3"
	g2 = "239.1.2.4"
	g3 = "232.7.7.7"
	h1 = "ff15::1"
	h2 = "ff15::2"
	h3 = "ff35::7"
)

var groupNames = map[string]string{g1: "g1", g2: "g2", g3: "g3", h1: "g1", h2: "g2", h3: "g3"}

// us6 is the host's address in most tests of IPv6.
const us6 = "2001:db8::2/64"

// A member is a host on a cable whose reports are taken note of, with their times.
type member struct {
	*host
	*family
	cable *cable
	start time.Time
	said  []saying
}

// A saying is a message of IGMP or MLD that a host has sent.
type saying struct {
	at   time.Duration // since the test began, or since the last look
	to   string
	text string // the records, separated by "; "
}

// newMember returns a host that does not look for others with its addresses of IPv6
// unless it is told to. What it says of its own groups has been said.
func newMember(t testing.TB, f *family, c Config, addresses ...string) *member {
	t.Helper()
	return newMemberOn(t, f, newCable(), c, addresses...)
}

func newMemberOn(t testing.TB, f *family, l *cable, c Config, addresses ...string) *member {
	t.Helper()
	if c.DADTransmits == 0 {
		c.DADTransmits = -1
	}
	m := &member{host: newHost(t, c, l, addresses...), family: f, cable: l}
	m.listen()
	m.take(time.Minute)
	return m
}

// listen takes note of what is said of the family's groups from now on.
func (m *member) listen() {
	m.start = m.clock.Now()
	m.cable.onSent = func(f []byte) {
		if m.cable.kind == link.Ethernet {
			f = f[wire.EthernetHeaderLen:]
		}
		if to, text := m.describe(f); text != "" {
			m.said = append(m.said, saying{m.clock.Now().Sub(m.start), to.String(), text})
		}
	}
}

// nameOf is what tests call a group.
func nameOf(group netip.Addr) string {
	if name := groupNames[group.String()]; name != "" {
		return name
	}
	return group.String()
}

// describeRecord says what a record says; a source is the end of its address.
func describeRecord(r wire.GroupRecord) string {
	var sources []string
	for a := range r.Sources.All() {
		sources = append(sources, strings.TrimPrefix(a.String(), sourceNet(r.Group)))
	}
	return fmt.Sprintf("%v %v {%s}", r.Type, nameOf(r.Group), strings.Join(sources, " "))
}

// take returns what was said within a time from now on, and starts counting again.
func (m *member) take(d time.Duration) []saying {
	m.clock.Advance(d)
	said := m.said
	m.said, m.start = nil, m.clock.Now()
	return said
}

// says advances by d and checks what is said meanwhile, in this order.
func (m *member) says(t *testing.T, d time.Duration, want ...string) []saying {
	t.Helper()
	said := m.take(d)
	var got []string
	for _, s := range said {
		got = append(got, s.text)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("said\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	return said
}

// speaks checks which generation the host speaks.
func (m *member) speaks(t *testing.T, when string, want int) {
	t.Helper()
	if got := m.generation(m.eth0); got != want {
		t.Errorf("%s: generation %d is spoken, want %d", when, got, want)
	}
}

// sourceNet is what the sources of a group's family begin with; tests name the rest.
func sourceNet(group netip.Addr) string {
	if group.Is4() {
		return "10.0.0."
	}
	return "2001:db8::"
}

func groupOn(group string, i *Interface, source ...string) socket.Group {
	g := socket.Group{Address: netip.MustParseAddr(group)}
	if i != nil {
		g.Interface = i.index
	}
	if len(source) > 0 {
		g.Source = netip.MustParseAddr(sourceNet(g.Address) + source[0])
	}
	return g
}

func groupAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

// change changes what a socket hears by eth0; a source is the end of its address.
func (m *member) change(t testing.TB, s *Socket, c socket.GroupChange, group string, source ...string) {
	t.Helper()
	if err := s.ChangeGroup(c, groupOn(group, m.eth0, source...)); err != nil {
		t.Fatalf("%v of %s %v: %v", c, group, source, err)
	}
}

// socket opens a socket of the family, bound to a port if that is not 0.
func (m *member) socket(t testing.TB, port uint16) *Socket {
	t.Helper()
	family, any := socket.IPv6, netip.IPv6Unspecified()
	if m.ipv4 {
		family, any = socket.IPv4, netip.IPv4Unspecified()
	}
	bind := ""
	if port != 0 {
		bind = netip.AddrPortFrom(any, port).String()
	}
	return m.openSocket(t, family, bind)
}

// joins opens a socket that has joined groups.
func (m *member) joins(t testing.TB, groups ...string) *Socket {
	t.Helper()
	s := m.socket(t, 0)
	for _, g := range groups {
		m.change(t, s, socket.JoinGroup, g)
	}
	return s
}

// query is a query of the third generation unless it says otherwise; of all groups unless
// it names one.
func (m *member) query(q wire.IGMPQuery, sources ...string) {
	if q.Version == 0 {
		q.Version = 3
	}
	to := m.untold[0]
	if q.Group.IsValid() {
		to = q.Group.String()
	}
	for _, s := range sources {
		q.Sources = q.Sources.Append(netip.MustParseAddr(sourceNet(groupAddr(to)) + s))
	}
	m.cable.deliver(m.frame(to, m.family.query(q)))
}
