package scenario

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/castnet-go/castnet/drop"
)

// span is a duration that is not negative.
type span time.Duration

// MaxDuration is the longest that a lab can run, of its own time.
const MaxDuration = 1000 * time.Hour

func (s *span) set(text string) error {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return fmt.Errorf("%s is no time; it is a number with a unit, as in 250ms, 1.5s or 1m30s", shorten(strconv.Quote(text)))
	case d < 0:
		return fmt.Errorf("%s is negative", text)
	case d > MaxDuration:
		return fmt.Errorf("%s is too long; at most %v are possible", text, MaxDuration)
	}
	*s = span(d)
	return nil
}

// probability is from 0 to 1, or a percentage.
type probability float64

func (p *probability) set(text string) error {
	number, percent := strings.CutSuffix(text, "%")
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return fmt.Errorf("%s is no probability; it is a number from 0 to 1, or a percentage, as in 0.1 or 10%%", shorten(strconv.Quote(text)))
	}
	if percent {
		f /= 100
	}
	if !(f >= 0 && f <= 1) {
		hint := ""
		if !percent && f > 1 && f <= 100 {
			hint = fmt.Sprintf("; for %s percent write %s%%", text, text)
		}
		return fmt.Errorf("%s is no probability, which is from 0 to 1%s", text, hint)
	}
	*p = probability(f)
	return nil
}

// bitRate is in bits a second.
type bitRate int64

// rateUnits are tc's; longer names are before those that they end in.
var rateUnits = []struct {
	name   string
	factor float64
}{{"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {"bit", 1}}

func (r *bitRate) set(text string) error {
	number, factor := strings.ToLower(text), 1.0
	for _, u := range rateUnits {
		if n, ok := strings.CutSuffix(number, u.name); ok {
			number, factor = n, u.factor
			break
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return fmt.Errorf("%s is no rate; it is a number of bits a second, or has a unit, as in 512kbit, 10mbit or 1gbit", shorten(strconv.Quote(text)))
	}
	if f *= factor; !(f >= 1 && f <= 1e15) {
		return fmt.Errorf("a rate of %s is not possible; it is from 1 bit to 1000000gbit a second", text)
	}
	*r = bitRate(math.Round(f))
	return nil
}

// subnetAddress is an address with its subnet's length.
type subnetAddress netip.Prefix

func (s *subnetAddress) set(text string) error {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
			return fmt.Errorf("%s needs the length of its subnet, as in %s/%d", text, text, map[bool]int{true: 24, false: 64}[a.Is4()])
		}
		return fmt.Errorf("%s is no address in a subnet, as in 10.0.1.1/24", shorten(strconv.Quote(text)))
	}
	if err := mapped(p.Addr()); err != nil {
		return err
	}
	*s = subnetAddress(p)
	return nil
}

// mapped says that an address is one of IPv4 in the form of IPv6, if it is.
func mapped(a netip.Addr) error {
	if a.Is4In6() {
		return fmt.Errorf("%v is %v, which is to be written so", a, a.Unmap())
	}
	return nil
}

// addresses is one address with its subnet, or a list of them.
type addresses []subnetAddress

// maxAddresses is how many an interface can have.
const maxAddresses = 64

func (a *addresses) decode(d *decoder, n *yaml.Node, path string) {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
		if len(items) > maxAddresses {
			d.errorf(n.Line, path, "there are %d; at most %d are possible", len(items), maxAddresses)
			return
		}
	}
	for _, item := range items {
		if item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		var s subnetAddress
		text, ok := d.text(item, path)
		if !ok {
			continue
		}
		if err := s.set(text); err != nil {
			d.errorf(item.Line, path, "%v", err)
			continue
		}
		*a = append(*a, s)
	}
}

// network is a range of addresses, for routes; "default" is all of IPv4.
type network netip.Prefix

func (s *network) set(text string) error {
	if text == "default" {
		*s = network(netip.PrefixFrom(netip.IPv4Unspecified(), 0))
		return nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return fmt.Errorf("%s is no subnet, as in 10.0.2.0/24, nor default", shorten(strconv.Quote(text)))
	case p.Addr().Is4In6():
		return mapped(p.Addr())
	case p != p.Masked():
		return fmt.Errorf("%s is no subnet; %v is the one that the address is in", text, p.Masked())
	}
	*s = network(p)
	return nil
}

// address is an address without a zone.
type address netip.Addr

func (a *address) set(text string) error {
	ip, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return fmt.Errorf("%s is no address, as in 10.0.1.254", shorten(strconv.Quote(text)))
	case ip.Zone() != "":
		return fmt.Errorf("%s: an address stands here without a zone", text)
	}
	if err := mapped(ip); err != nil {
		return err
	}
	*a = address(ip)
	return nil
}

// gateways is one address, or one of each family.
type gateways []address

func (g *gateways) decode(d *decoder, n *yaml.Node, path string) {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
		if len(items) > 2 {
			d.errorf(n.Line, path, "there are %d; one of each family is possible", len(items))
			return
		}
	}
	*g = make(gateways, len(items))
	for i, item := range items {
		if item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		d.value(item, valueOf(&(*g)[i]), path)
	}
}

// port is a UDP port other than 0.
type port uint16

func (p *port) set(text string) error {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 || n > 65535 {
		return fmt.Errorf("%s is no port, which is a number from 1 to 65535", shorten(strconv.Quote(text)))
	}
	*p = port(n)
	return nil
}

// target is whom to send to: a host of the lab, or an address, and a port.
type target struct {
	text string
	host string     // a name; empty: ip
	ip   netip.Addr // the address, if there is no name
	port uint16
}

func (t *target) set(text string) error {
	host, number, err := net.SplitHostPort(text)
	if err != nil || host == "" {
		return fmt.Errorf("%s says not whom to send to; that is a host or an address, and a port, as in bob:7 or 10.0.1.2:7",
			shorten(strconv.Quote(text)))
	}
	var p port
	if err := p.set(number); err != nil {
		return err
	}
	*t = target{text: text, host: host, port: uint16(p)}
	if ip, err := netip.ParseAddr(host); err == nil {
		if err := mapped(ip); err != nil {
			return err
		}
		t.host, t.ip = "", ip
	}
	return nil
}

// source is an address to send from: "10.0.1.1:5000", "10.0.1.1" or ":5000", which has
// no IP.
type source netip.AddrPort

func (s *source) set(text string) error {
	ip, number := netip.Addr{}, port(0)
	wrong := fmt.Errorf("%s is no address to send from, as in 10.0.1.1, 10.0.1.1:5000 or \":5000\"", shorten(strconv.Quote(text)))
	if a, err := netip.ParseAddr(text); err == nil {
		ip = a
	} else {
		host, rest, err := net.SplitHostPort(text)
		if err != nil || number.set(rest) != nil {
			return wrong
		}
		if host != "" {
			if ip, err = netip.ParseAddr(host); err != nil {
				return wrong
			}
		}
	}
	if err := mapped(ip); err != nil {
		return err
	}
	*s = source(netip.AddrPortFrom(ip, uint16(number)))
	return nil
}

// amount is how many are expected: just so many, or from so many to so many.
type amount struct{ least, most uint64 }

// bounds is an amount that is not exact.
type bounds struct {
	AtLeast *uint64 `yaml:"at_least"`
	AtMost  *uint64 `yaml:"at_most"`
}

func (a *amount) decode(d *decoder, n *yaml.Node, path string) {
	if n.Kind == yaml.ScalarNode {
		var exact uint64
		before := len(d.errs) + d.more
		d.number(n, valueOf(&exact), path)
		if len(d.errs)+d.more == before {
			*a = amount{exact, exact}
		}
		return
	}
	var b bounds
	d.value(n, valueOf(&b), path)
	*a = amount{0, math.MaxUint64}
	if b.AtLeast != nil {
		a.least = *b.AtLeast
	}
	if b.AtMost != nil {
		a.most = *b.AtMost
	}
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) == 0:
		d.errorf(n.Line, path, "how many? Write a number, or {at_least: N, at_most: N}")
	case a.least > a.most:
		d.errorf(n.Line, path, "at_least is more than at_most")
	}
}

func (a amount) holds(n uint64) bool { return n >= a.least && n <= a.most }

// of says the amount of something: "3 datagrams", "at least 1 reply".
func (a amount) of(one, many string) string {
	count := func(n uint64) string {
		if n == 1 {
			return "1 " + one
		}
		return strconv.FormatUint(n, 10) + " " + many
	}
	switch {
	case a.least == a.most:
		return count(a.least)
	case a.most == math.MaxUint64:
		return "at least " + count(a.least)
	case a.least == 0:
		return "at most " + count(a.most)
	}
	return strconv.FormatUint(a.least, 10) + " to " + count(a.most)
}

// amounts is an amount for each of several names.
type amounts []namedAmount

type namedAmount struct {
	name   string
	amount amount
}

// decodeNames decodes a mapping from names, which check knows, to amounts.
func (a *amounts) decodeNames(d *decoder, n *yaml.Node, path string, check func(string) error) {
	entries, ok := d.entries(n, path)
	if !ok {
		return
	}
	if len(entries) == 0 {
		d.errorf(n.Line, path, "nothing is expected; name at least one, as in {%s: 1}", exampleName(path))
	}
	for _, e := range entries {
		item := namedAmount{name: e.key}
		if err := check(e.key); err != nil {
			d.errorf(e.line, path, "%v", err)
			continue
		}
		d.value(e.value, valueOf(&item.amount), join(path, e.key))
		*a = append(*a, item)
	}
}

func exampleName(path string) string {
	if strings.HasSuffix(path, "drops") {
		return "LinkLoss"
	}
	return "ECONNREFUSED"
}

// total, among the reasons for drops, is the sum over all reasons.
const total = "total"

// dropAmounts are amounts by the reason of drops.
type dropAmounts amounts

func (a *dropAmounts) decode(d *decoder, n *yaml.Node, path string) {
	(*amounts)(a).decodeNames(d, n, path, func(name string) error {
		var r drop.Reason
		if name == total || r.UnmarshalText([]byte(name)) == nil && r != drop.None {
			return nil
		}
		known := []string{total}
		for _, r := range drop.Reasons() {
			known = append(known, r.String())
		}
		return fmt.Errorf("%q is no reason for a drop; %s", name, suggest(name, known))
	})
}

// errorAmounts are amounts by the name of an error.
type errorAmounts amounts

func (a *errorAmounts) decode(d *decoder, n *yaml.Node, path string) {
	(*amounts)(a).decodeNames(d, n, path, func(name string) error {
		if name == total || name == otherError || slices.ContainsFunc(errnos, func(e errnoName) bool { return e.name == name }) {
			return nil
		}
		known := []string{total, otherError}
		for _, e := range errnos {
			known = append(known, e.name)
		}
		return fmt.Errorf("%q is no error that a program can get; %s", name, suggest(name, known))
	})
}

// errnoName is an error that sockets return, by the name that its manuals have.
type errnoName struct {
	errno syscall.Errno
	name  string
}

// errnos are the errors that calls on a UDP socket can end with.
var errnos = []errnoName{
	{syscall.ECONNREFUSED, "ECONNREFUSED"},
	{syscall.EHOSTUNREACH, "EHOSTUNREACH"},
	{syscall.ENETUNREACH, "ENETUNREACH"},
	{syscall.ENETDOWN, "ENETDOWN"},
	{syscall.EMSGSIZE, "EMSGSIZE"},
	{syscall.EACCES, "EACCES"},
	{syscall.EPERM, "EPERM"},
	{syscall.EADDRINUSE, "EADDRINUSE"},
	{syscall.EADDRNOTAVAIL, "EADDRNOTAVAIL"},
	{syscall.ENODEV, "ENODEV"},
	{syscall.EAGAIN, "EAGAIN"},
	{syscall.ENOBUFS, "ENOBUFS"},
	{syscall.EINVAL, "EINVAL"},
	{syscall.ENOTCONN, "ENOTCONN"},
	{syscall.EPIPE, "EPIPE"},
	{syscall.EOPNOTSUPP, "EOPNOTSUPP"},
	{syscall.ENOPROTOOPT, "ENOPROTOOPT"},
	{syscall.EPROTONOSUPPORT, "EPROTONOSUPPORT"},
	{syscall.EAFNOSUPPORT, "EAFNOSUPPORT"},
}

// otherError is the name of every other error.
const otherError = "other"

// errorName returns the name of an error, and what it says.
func errorName(err error) (name, text string) {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return otherError, err.Error()
	}
	for _, e := range errnos {
		if e.errno == errno {
			return e.name, errno.Error()
		}
	}
	return otherError, errno.Error()
}
