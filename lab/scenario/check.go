package scenario

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/castnet-go/castnet/lab"
)

// checker finds the mistakes of a file that decodes: names of what there is
// not, keys that do not go together, times after the end.
type checker struct {
	*decoder
	doc      *document
	nodes    []string // names of hosts and routers
	segments []string
}

func (c *checker) check() {
	doc := c.doc
	if doc.Duration == 0 {
		c.errorf(c.line(&doc.Duration), "duration", "no time at all; the lab would not run")
	}
	for i := range doc.Switches {
		c.segments = append(c.segments, doc.Switches[i].Name)
	}
	c.segments = append(c.segments, doc.Cables...)
	c.names()
	programs := 0
	for _, n := range doc.all() {
		c.node(n)
		programs += len(n.Programs)
	}
	c.addresses()
	if programs > maxPrograms {
		c.errorf(1, "", "there are %d programs; at most %d are possible", programs, maxPrograms)
	}
	for i := range doc.Timeline {
		c.change(&doc.Timeline[i], fmt.Sprintf("timeline[%d]", i))
	}
	for i := range doc.Expect {
		c.expectation(&doc.Expect[i], fmt.Sprintf("expect[%d]", i))
	}
}

// all returns the hosts and the routers.
func (d *document) all() (list []*node) {
	for i := range d.Hosts {
		list = append(list, &d.Hosts[i])
	}
	for i := range d.Routers {
		list = append(list, &d.Routers[i])
	}
	return list
}

// node returns the host or router of that name, or nil.
func (d *document) node(name string) *node {
	for _, list := range [...][]node{d.Hosts, d.Routers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// path returns where a host or router stands.
func (d *document) path(n *node) string {
	for i := range d.Routers {
		if n == &d.Routers[i] {
			return join("routers", n.Name)
		}
	}
	return join("hosts", n.Name)
}

// names checks that hosts and segments have names, each its own.
func (c *checker) names() {
	taken := make(map[string]int)
	claim := func(name, path string, p any) {
		line := c.line(p)
		if first, ok := taken[name]; ok {
			c.errorf(line, path, "the name %q is taken, in line %d; hosts, routers and segments have names of their own", name, first)
			return
		}
		taken[name] = line
		// What a name is is for the lab to say.
		l := lab.New(lab.Config{})
		l.AddSwitch(name)
		if err := l.Run(0); err != nil {
			c.errorf(line, path, "%q cannot be a name: %v", name, reason(err))
		}
		l.Close()
	}
	doc := c.doc
	for i := range doc.Switches {
		claim(doc.Switches[i].Name, "switches", &doc.Switches[i])
	}
	for i := range doc.Cables {
		claim(doc.Cables[i], "cables", &doc.Cables[i])
	}
	for i := range doc.Hosts {
		claim(doc.Hosts[i].Name, "hosts", &doc.Hosts[i])
	}
	for i := range doc.Routers {
		claim(doc.Routers[i].Name, "routers", &doc.Routers[i])
	}
	for _, n := range doc.all() {
		c.nodes = append(c.nodes, n.Name)
	}
}

// attachment is an interface, from whichever form it was written in.
type attachment struct {
	Segment         *string
	Address         *addresses
	MTU             *int // to the field; 0 is the default
	Faults, Receive *faults
	RouterPort      *bool
	IPv6            *bool
	Advertise       *advertisement
}

// interfaces returns the node's interfaces.
func (n *node) interfaces() (list []attachment) {
	if n.Interfaces == nil {
		return []attachment{{n.Segment, &n.Address, &n.MTU, n.Faults, n.Receive, &n.RouterPort, &n.IPv6, n.Advertise}}
	}
	for i := range n.Interfaces {
		f := &n.Interfaces[i]
		list = append(list, attachment{&f.Segment, &f.Address, &f.MTU, f.Faults, f.Receive, &f.RouterPort, &f.IPv6, f.Advertise})
	}
	return list
}

// addresses returns the node's addresses.
func (n *node) addresses() (list []netip.Prefix) {
	for _, f := range n.interfaces() {
		for _, a := range *f.Address {
			list = append(list, netip.Prefix(a))
		}
	}
	return list
}

// addresses checks that on a segment no two interfaces have the same address.
// Whom the others would reach would be an accident of who answered ARP last.
func (c *checker) addresses() {
	type place struct {
		segment string
		address netip.Addr
	}
	type owner struct {
		who  string
		line int
		of   *addresses
	}
	owners := make(map[place]owner)
	for _, n := range c.doc.all() {
		for i, f := range n.interfaces() {
			if f.Segment == nil {
				continue
			}
			who, at := n.Name, c.doc.path(n)
			if n.Interfaces != nil {
				who += " " + ethernet(i)
				at += fmt.Sprintf(".interfaces[%d]", i)
			}
			line := c.line(f.Address, f.Segment)
			for _, a := range *f.Address {
				p := place{*f.Segment, netip.Prefix(a).Addr()}
				first, taken := owners[p]
				switch {
				case !taken:
					owners[p] = owner{who, line, f.Address}
				case first.of != f.Address: // else the stack says that it is there twice
					c.errorf(line, at+".address", "%v on %s is the address of %s, in line %d; two that share one take each other's packets",
						p.address, p.segment, first.who, first.line)
				}
			}
		}
	}
}

// ethernet is what the lab calls the interfaces of a host.
func ethernet(i int) string { return "eth" + strconv.Itoa(i) }

func (c *checker) node(n *node) {
	path := c.doc.path(n)
	switch {
	case n.Interfaces != nil && (n.Segment != nil || n.Address != nil || n.MTU != 0 || n.Faults != nil || n.Receive != nil || n.RouterPort || n.IPv6 || n.Advertise != nil):
		c.errorf(c.line(n), path, "segment, address, mtu, faults, receive, router_port, ipv6 and advertise belong into the list of interfaces, since there is one")
		return
	case len(n.Interfaces) == 0 && n.Segment == nil:
		c.errorf(c.line(n), path, "it is on no segment; say which by segment, or by a list of interfaces")
		return
	}
	for i, f := range n.interfaces() {
		at := path
		if n.Interfaces != nil {
			at = fmt.Sprintf("%s.interfaces[%d]", path, i)
		}
		c.segment(f.Segment, at)
		if *f.MTU != 0 && (*f.MTU < 68 || *f.MTU > 65535) {
			c.errorf(c.line(f.MTU), at+".mtu", "%d is no MTU, which is from 68 to 65535", *f.MTU)
		}
		c.faults(f.Faults, at+".faults")
		c.faults(f.Receive, at+".receive")
		if *f.RouterPort {
			c.routerPort(f, at)
		}
		if f.Advertise != nil {
			c.advertise(n, &f, at)
		}
	}
	if n.Stack != nil && n.Stack.DADTransmits != nil {
		c.atMost(n.Stack.DADTransmits, 100, path+".stack.dad_transmits")
	}
	used := make(map[string]bool)
	kinds := make(map[string]int)
	for i := range n.Programs {
		p := &n.Programs[i]
		at := fmt.Sprintf("%s.programs[%d]", path, i)
		kind, name := p.kind()
		if kind == "" {
			c.errorf(c.line(p), at, "a program is either echo, listen, send or script; another one is another item of the list")
			continue
		}
		kinds[kind]++
		p.name = kind
		if kinds[kind] > 1 {
			p.name += strconv.Itoa(kinds[kind])
		}
		if name != nil {
			p.name = *name
			if !isWord(p.name) {
				c.errorf(c.line(name), at, "%q is no name for a program; it consists of up to 63 letters, digits, - and _", p.name)
			}
		}
		if used[p.name] {
			c.errorf(c.line(name, p), at, "there is a program %q on %s already; give one of them another name", p.name, n.Name)
		}
		used[p.name] = true
		c.program(p, n, join(at, kind))
	}
}

// faults checks what does not show in one value alone.
func (c *checker) faults(f *faults, path string) {
	if f != nil && f.Reorder > 0 && f.Delay == 0 && f.Jitter == 0 && f.Rate == 0 {
		c.errorf(c.line(&f.Reorder), path+".reorder", "without delay, jitter or rate no frame waits that another could overtake")
	}
}

// segment checks the name of a segment.
func (c *checker) segment(name *string, path string) {
	if name == nil || slices.Contains(c.segments, *name) {
		return
	}
	hint := "list it, as in switches: [" + *name + "]"
	if len(c.segments) > 0 {
		hint = suggest(*name, c.segments)
	}
	c.errorf(c.line(name), path, "there is no segment %q; %s", *name, hint)
}

// host returns the host or router that a value names.
func (c *checker) host(name *string, path string) *node {
	n := c.doc.node(*name)
	if n == nil {
		c.errorf(c.line(name), path, "there is no host %q; %s", *name, suggest(*name, c.nodes))
	}
	return n
}

// iface checks the name of one of the node's interfaces, if there is one.
func (c *checker) iface(name *string, n *node, path string) {
	if name == nil {
		return
	}
	var known []string
	for i := range n.interfaces() {
		known = append(known, ethernet(i))
	}
	if !slices.Contains(known, *name) {
		c.errorf(c.line(name), path, "%s has no interface %q; there are %s", n.Name, *name, enumerate(known))
	}
}

// isWord reports whether a name does in messages and as a name of a task.
func isWord(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 63
}

// before checks that a time is before the end of the lab.
func (c *checker) before(s *span, path string) {
	if *s > 0 && *s >= c.doc.Duration && c.doc.Duration > 0 {
		c.errorf(c.line(s), path, "%v is not before the end of the lab; its duration is %v", time.Duration(*s), time.Duration(c.doc.Duration))
	}
}

func (c *checker) atMost(n *int, limit int, path string) {
	if *n > limit {
		c.errorf(c.line(n), path, "%d is too many; at most %d are possible", *n, limit)
	}
}

func (c *checker) program(p *program, n *node, path string) {
	switch {
	case p.Echo != nil:
		c.service(&p.Echo.service, n, path)
	case p.Listen != nil:
		c.service(&p.Listen.service, n, path)
		c.atMost(&p.Listen.Count, maxCount, path+".count")
	case p.Script != nil:
		c.before(&p.Script.At, path+".at")
	default:
		c.joins(p.Send.Join, n, path+".join")
		c.iface(p.Send.Interface, n, path+".interface")
		c.send(p.Send, path)
	}
}

func (c *checker) service(s *service, n *node, path string) {
	c.before(&s.At, path+".at")
	c.atMost(&s.Buffer, maxBuffer, path+".buffer")
	c.joins(s.Join, n, path+".join")
	if s.Until != nil && *s.Until <= s.At {
		c.errorf(c.line(s.Until), path+".until", "it would end before it begins")
	}
}

func (c *checker) send(s *send, path string) {
	c.before(&s.At, path+".at")
	c.atMost(&s.Buffer, maxBuffer, path+".buffer")
	if s.To.host != "" {
		switch to := c.doc.node(s.To.host); {
		case to == nil:
			c.errorf(c.line(&s.To), path+".to", "there is no host %q; %s", s.To.host, suggest(s.To.host, c.nodes))
		case len(to.addresses()) == 0 && !to.hasIPv6():
			c.errorf(c.line(&s.To), path+".to", "%s has no address", s.To.host)
		case s.Family.network() == "ip6" && !to.hasIPv6(), s.Family.network() == "ip4" && !to.hasIPv4():
			c.errorf(c.line(s.Family), path+".family", "%s has no address of that family", s.To.host)
		}
	} else if s.Family != nil {
		c.errorf(c.line(s.Family), path+".family", "an address says itself of which family it is")
	}
	if s.TTL != nil && *s.TTL > 255 {
		c.errorf(c.line(s.TTL), path+".ttl", "%d is no time to live, which is from 0 to 255", *s.TTL)
	}
	count := 1
	if s.Count != nil {
		count = *s.Count
		if count == 0 {
			c.errorf(c.line(s.Count), path+".count", "nothing would be sent")
		}
		c.atMost(s.Count, maxCount, path+".count")
	}
	switch {
	case s.Payload != nil && s.Hex != nil:
		c.errorf(c.line(s.Hex), path, "the payload is given by payload or by hex, not by both")
	case s.Size != nil && *s.Size > maxPayload:
		c.errorf(c.line(s.Size), path+".size", "a datagram carries at most %d bytes", maxPayload)
	case s.Size == nil && s.length(count) > maxPayload:
		c.errorf(c.line(s.Payload, s.Hex), path, "the payload has %d bytes; a datagram carries at most %d", s.length(count), maxPayload)
	}
}

func (c *checker) change(h *change, path string) {
	c.before(&h.At, path+".at")
	line := c.line(h)
	onHost := h.Faults != nil || h.Receive != nil || h.Link != nil
	kinds := 0
	for _, is := range []bool{onHost, h.Partition != nil, h.Heal} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		c.errorf(line, path, "one thing happens at a time: faults, receive or link of a host, or partition, or heal: true")
	case !onHost && (h.Host != nil || h.Interface != nil):
		c.errorf(line, path, "a partition is not one host's: leave host and interface out")
	case h.Partition != nil:
		c.partition(h, path+".partition")
	case h.Heal:
	case h.Host == nil:
		c.errorf(line, path, "whose? Add host")
	default:
		c.faults(h.Faults, path+".faults")
		c.faults(h.Receive, path+".receive")
		n := c.host(h.Host, path)
		if n == nil {
			return
		}
		if count := len(n.interfaces()); h.Interface == nil && count != 1 {
			c.errorf(line, path, "%s has %d interfaces; say which, as in interface: eth0", n.Name, count)
		}
		c.iface(h.Interface, n, path)
	}
}

func (c *checker) partition(h *change, path string) {
	if len(h.Partition) < 2 {
		c.errorf(c.line(&h.Partition), path, "a partition is between two groups at least, as in [[alice], [bob]]; heal: true ends it")
	}
	group := make(map[string]int)
	for i := range h.Partition {
		if len(h.Partition[i]) == 0 {
			c.errorf(c.line(&h.Partition[i]), path, "a group is empty")
		}
		for j := range h.Partition[i] {
			name := &h.Partition[i][j]
			c.host(name, path)
			if other, ok := group[*name]; ok {
				c.errorf(c.line(name), path, "%s is here twice, in the groups %d and %d", *name, other+1, i+1)
			}
			group[*name] = i
		}
	}
}

func (c *checker) expectation(e *expectation, path string) {
	line := c.line(e)
	counted := e.Heard != nil || e.Replies != nil
	byProgram := counted || e.Sent != nil || e.Errors != nil
	byNetwork := e.Drops != nil || e.Withheld != nil
	switch {
	case !byProgram && !byNetwork:
		c.errorf(line, path, "what is expected? There are heard, replies, sent, errors, drops and withheld")
	case byNetwork && (byProgram || e.Program != nil):
		c.errorf(line, path, "drops and withheld are not a program's; expect them by themselves")
	case byProgram && (e.Interface != nil || e.Segment != nil):
		c.errorf(line, path, "interface and segment are for drops and withheld")
	case e.Host != nil && e.Segment != nil:
		c.errorf(line, path, "drops are counted on a host or on a segment, not on both")
	case e.Interface != nil && e.Host == nil:
		c.errorf(line, path, "whose interface? Add host")
	case e.Program != nil && e.Host == nil:
		c.errorf(line, path, "on which host is the program? Add host")
	case (e.From != nil || e.Payload != nil) && (!counted || e.Sent != nil || e.Errors != nil):
		c.errorf(line, path, "from and payload tell datagrams apart that are heard or are replies; expect nothing else beside them")
	}
	c.segment(e.Segment, path)
	if e.Host != nil {
		if n := c.host(e.Host, path); n != nil {
			c.iface(e.Interface, n, path)
			c.expectedOf(e, n, path)
		}
	}
	if e.From != nil {
		if err := e.from.set(*e.From, c.doc); err != nil {
			c.errorf(c.line(e.From), path+".from", "%v; %s", err, suggest(*e.From, c.nodes))
		}
	}
}

// expectedOf checks that the node runs a program that can do what is expected.
func (c *checker) expectedOf(e *expectation, n *node, path string) {
	var names []string
	found, sends, hears := false, false, false
	for i := range n.Programs {
		p := &n.Programs[i]
		names = append(names, p.name)
		if e.Program != nil && p.name != *e.Program {
			continue
		}
		found = true
		sends = sends || p.Send != nil || p.Echo != nil && e.Replies == nil
		hears = hears || p.Send == nil && p.Script == nil
	}
	if !found && e.Program != nil {
		c.errorf(c.line(e.Program), path, "%s has no program %q; %s", n.Name, *e.Program, suggest(*e.Program, names))
		return
	}
	who := n.Name
	if e.Program != nil {
		who = *e.Program
	}
	if e.Heard != nil && !hears {
		c.errorf(c.line(e.Heard), path, "%s does not run echo or listen, which hear; what send gets are replies", who)
	}
	if (e.Replies != nil || e.Sent != nil) && !sends {
		c.errorf(c.line(e.Replies, e.Sent), path, "%s does not run send, which sends and gets replies", who)
	}
}

// matcher says from whom a datagram is.
type matcher struct {
	node      *node // whose addresses count that it has by then, besides; or nil
	addresses []netip.Addr
	port      uint16 // 0: any
}

// set takes the name of a host, an address, or an address and port.
func (m *matcher) set(text string, doc *document) error {
	if n := doc.node(text); n != nil {
		m.node = n
		for _, p := range n.addresses() {
			m.addresses = append(m.addresses, p.Addr())
		}
		return nil
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		m.addresses = []netip.Addr{a}
		return nil
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil || a.Addr().Zone() != "" {
		return fmt.Errorf("%s is neither a host nor an address, with or without a port", shorten(strconv.Quote(text)))
	}
	m.addresses, m.port = []netip.Addr{a.Addr()}, a.Port()
	return nil
}

func (m *matcher) matches(a netip.AddrPort) bool {
	return slices.Contains(m.addresses, a.Addr().Unmap().WithZone("")) && (m.port == 0 || m.port == a.Port())
}
