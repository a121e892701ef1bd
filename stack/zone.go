package stack

import (
	"net/netip"
	"strconv"
	"syscall"
)

// zoneOf returns the zone of an interface's addresses that are good on one link only:
// its name, or its index if it is gone.
func (s *Stack) zoneOf(index int) string {
	if n := s.state.Load().byIndex(index); n != nil {
		return n.name
	}
	return strconv.Itoa(index)
}

// zoneIndex returns the index of the interface that an address's zone names, 0 if it
// has no zone. A name goes before a number, since "1" may well be a name; whether there
// is an interface of that number others will say.
func (st *state) zoneIndex(a netip.Addr) (int, error) {
	name := a.Zone()
	if name == "" {
		return 0, nil
	}
	if n := st.byName(name); n != nil {
		return n.index, nil
	}
	if n, err := strconv.ParseUint(name, 10, 31); err == nil && n > 0 {
		return int(n), nil
	}
	return 0, syscall.ENODEV
}
