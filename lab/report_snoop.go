package lab

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// shownGroups is how many groups WriteSnooping shows.
const shownGroups = 8

// WriteSnooping writes what a switch that snoops knows: where routers and queriers are,
// and who hears which group for how long yet, unless it is heard again. Link-local
// groups, of which every IPv6 address brings one, are counted. Of a segment that does
// not snoop it writes nothing.
func (s *SegmentReport) WriteSnooping(w io.Writer) (int64, error) {
	if !s.Snooping {
		return 0, nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s snoops: %s, %s\n", s.Name, s.describeRouters(), s.describeQueriers())
	var list []SwitchGroup
	linkLocal := 0
	for _, g := range s.Groups {
		if g.Group.IsLinkLocalMulticast() {
			linkLocal++
		} else {
			list = append(list, g)
		}
	}
	groups, width := 0, 0
	for i, g := range list {
		if i == 0 || list[i-1].Group != g.Group {
			if groups++; groups > shownGroups {
				list = list[:i]
				break
			}
		}
		width = max(width, len(g.Group.String()))
	}
	for i, g := range list {
		name := ""
		if i == 0 || list[i-1].Group != g.Group {
			name = g.Group.String()
		}
		fmt.Fprintf(&b, "  %-*s  %s %s hears %s, for %v\n", width, name, g.Host, g.Interface, g.describe(), g.Expires.Round(time.Millisecond))
	}
	members := func(n int) string {
		if n == 1 {
			return "1 member"
		}
		return fmt.Sprintf("%d members", n)
	}
	more := len(s.Groups) - linkLocal - len(list)
	if more > 0 {
		fmt.Fprintf(&b, "  … and %s of more groups\n", members(more))
	}
	if linkLocal > 0 {
		fmt.Fprintf(&b, "  and %s of link-local groups\n", members(linkLocal))
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func (s *SegmentReport) describeRouters() string {
	var list []string
	for _, r := range s.Routers {
		list = append(list, r.Host+" "+r.Interface)
	}
	if len(list) == 0 {
		return "no routers"
	}
	return "routers on " + enumerate(list)
}

func (s *SegmentReport) describeQueriers() string {
	var list []string
	for _, q := range s.Queriers {
		protocol, where := "MLD", "itself"
		if q.Address.Is4() {
			protocol = "IGMP"
		}
		if q.Host != "" {
			where = q.Host + " " + q.Interface
		}
		list = append(list, fmt.Sprintf("%sv%d %v (%s)", protocol, q.Version, q.Address, where))
	}
	if len(list) == 0 {
		return "no querier"
	}
	return "querier " + enumerate(list)
}

// describe says whom the port hears.
func (g *SwitchGroup) describe() string {
	var list []string
	for _, a := range g.Sources {
		list = append(list, a.String())
	}
	switch {
	case g.Only:
		return enumerate(list)
	case len(list) > 0:
		return "all but " + enumerate(list)
	}
	return "all"
}

// enumerate lists words, at most eight.
func enumerate(words []string) string {
	const most = 8
	if len(words) > most {
		return strings.Join(words[:most], ", ") + ", …"
	}
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return strings.Join(words, "")
}
