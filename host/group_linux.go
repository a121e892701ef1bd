package host

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// joined names a group that the socket has joined. The kernel knows it, but does
// not list it.
type joined struct {
	group netip.Addr
	index int
}

// groupOptions are the names that setsockopt(2) has for the changes.
var groupOptions = [...]int{
	socket.JoinGroup: unix.MCAST_JOIN_GROUP, socket.LeaveGroup: unix.MCAST_LEAVE_GROUP,
	socket.JoinSource: unix.MCAST_JOIN_SOURCE_GROUP, socket.LeaveSource: unix.MCAST_LEAVE_SOURCE_GROUP,
	socket.BlockSource: unix.MCAST_BLOCK_SOURCE, socket.UnblockSource: unix.MCAST_UNBLOCK_SOURCE,
}

// ChangeGroup changes what the socket hears of a group. An IPv6 group's zone names
// the interface too.
func (s *Socket) ChangeGroup(change socket.GroupChange, g socket.Group) error {
	if s.closing.Load() {
		return socket.ErrClosed
	}
	if int(change) >= len(groupOptions) || change == 0 || g.Interface < 0 || !g.Address.IsValid() {
		return syscall.EINVAL
	}
	if change.OfSource() && g.Source.Is4() != g.Address.Is4() {
		return syscall.EINVAL
	}
	if g.Address.Is6() {
		if s.family == socket.IPv4 {
			return syscall.EAFNOSUPPORT
		}
		if err := s.resolveZone(&g); err != nil {
			return err
		}
	}
	s.groups.Lock()
	defer s.groups.Unlock()
	heard := s.hearing(change, g)
	var err error
	if g.Interface == 0 && g.Address.Is4() {
		err = s.changeByAddress(change, g)
	} else {
		err = s.changeByIndex(change, g)
	}
	// Which one was it, if the kernel chose? If it added a source to a group that is
	// in the list, there is nothing to note.
	if err == nil && s.hearing(change, g) == heard {
		s.note(change, g)
	}
	return err
}

// resolveZone turns the zone of a group's address into the interface's index. EINVAL:
// another interface is named as well.
func (s *Socket) resolveZone(g *socket.Group) error {
	if g.Address.Zone() == "" {
		return nil
	}
	var index uint32
	err := s.control(func(fd uintptr) (errno syscall.Errno) {
		index, errno = zoneIndex(fd, g.Address)
		return errno
	})
	if err != nil {
		return err
	}
	if g.Interface != 0 && g.Interface != int(index) {
		return syscall.EINVAL
	}
	g.Interface, g.Address = int(index), g.Address.WithZone("")
	return nil
}

// changeByIndex is ChangeGroup with an index, or for IPv6 with the index 0, by which
// the kernel takes the interface of the route to the group.
func (s *Socket) changeByIndex(change socket.GroupChange, g socket.Group) error {
	// struct group_req and group_source_req: the index, and behind it, aligned
	// as a pointer, one or two sockaddr_storage.
	first := int(unsafe.Sizeof(uintptr(0)))
	var req [8 + 2*storage]byte
	size := first + storage
	binary.NativeEndian.PutUint32(req[:], uint32(g.Interface))
	putStorage(req[first:], g.Address)
	if change.OfSource() {
		putStorage(req[size:], g.Source)
		size += storage
	}
	return s.control(func(fd uintptr) syscall.Errno {
		_, _, e := unix.Syscall6(unix.SYS_SETSOCKOPT, fd, uintptr(groupLevel(g.Address)), uintptr(groupOptions[change]),
			uintptr(unsafe.Pointer(&req[0])), uintptr(size), 0)
		return e
	})
}

// storage is the size of a struct sockaddr_storage.
const storage = 128

func groupLevel(group netip.Addr) int {
	if group.Is6() {
		return unix.SOL_IPV6
	}
	return unix.SOL_IP
}

// addressOptions are the names of the changes by which the kernel finds the interface
// by an address, or by the route.
var addressOptions = [...]int{
	socket.JoinGroup: unix.IP_ADD_MEMBERSHIP, socket.LeaveGroup: unix.IP_DROP_MEMBERSHIP,
	socket.JoinSource: unix.IP_ADD_SOURCE_MEMBERSHIP, socket.LeaveSource: unix.IP_DROP_SOURCE_MEMBERSHIP,
	socket.BlockSource: unix.IP_BLOCK_SOURCE, socket.UnblockSource: unix.IP_UNBLOCK_SOURCE,
}

// changeByAddress is ChangeGroup of IPv4 without an index.
func (s *Socket) changeByAddress(change socket.GroupChange, g socket.Group) error {
	// struct ip_mreq and ip_mreq_source: group, interface, source.
	group := g.Address.As4()
	req := group[:]
	var local [4]byte
	if g.Local.IsValid() {
		if !g.Local.Is4() {
			return syscall.EAFNOSUPPORT
		}
		local = g.Local.As4()
	}
	req = append(req, local[:]...)
	if change.OfSource() {
		source := g.Source.As4()
		req = append(req, source[:]...)
	}
	return s.control(func(fd uintptr) syscall.Errno {
		_, _, e := unix.Syscall6(unix.SYS_SETSOCKOPT, fd, unix.SOL_IP, uintptr(addressOptions[change]),
			uintptr(unsafe.Pointer(&req[0])), uintptr(len(req)), 0)
		return e
	})
}

// note brings the list up to date after a change of a group. The caller holds the lock
// under which the change was made.
func (s *Socket) note(change socket.GroupChange, g socket.Group) {
	switch change {
	case socket.JoinGroup, socket.JoinSource:
		k := joined{g.Address, g.Interface}
		if k.index == 0 {
			k.index = s.findMembership(g.Address)
		}
		if k.index != 0 && !slices.Contains(s.groups.list, k) {
			s.groups.list = append(s.groups.list, k)
		}
	case socket.LeaveGroup, socket.LeaveSource:
		s.groups.list = slices.DeleteFunc(s.groups.list, func(k joined) bool {
			return k.group == g.Address && (g.Interface == 0 || k.index == g.Interface) && !s.isMember(k)
		})
	}
}

// maxScan is the greatest index that findMembership asks about beside those of the
// calling thread's interfaces.
const maxScan = 4096

// findMembership returns the interface on which the kernel has just joined a group for
// the socket, having chosen it by itself: the one that is not in the list yet. It returns
// 0 if there is none, a source having been added to a group that is in the list.
//
// The socket itself is asked, for its network namespace need not be the calling thread's,
// where a route or an address may lead to another interface.
func (s *Socket) findMembership(group netip.Addr) int {
	asked := map[int]bool{}
	is := func(index int) bool {
		k := joined{group, index}
		if asked[index] || slices.Contains(s.groups.list, k) {
			return false
		}
		asked[index] = true
		return s.isMember(k)
	}
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		if is(i.Index) {
			return i.Index
		}
	}
	for index := 1; index <= maxScan; index++ {
		exists := false
		err := s.control(func(fd uintptr) syscall.Errno {
			exists = interfaceExists(fd, index)
			return 0
		})
		if err != nil {
			return 0
		}
		if exists && is(index) {
			return index
		}
	}
	return 0
}

// hearing counts the interfaces by which a source of a group is heard that JoinSource is
// to add where the kernel chooses. Of other changes it is 0.
func (s *Socket) hearing(change socket.GroupChange, g socket.Group) (n int) {
	if change != socket.JoinSource || g.Interface != 0 {
		return 0
	}
	for _, k := range s.groups.list {
		if k.group == g.Address {
			if _, sources, err := s.filterOf(k); err == nil && slices.Contains(sources, g.Source) {
				n++
			}
		}
	}
	return n
}

// isMember reports whether the kernel knows the socket to be in a group by that
// interface.
func (s *Socket) isMember(k joined) bool {
	_, _, err := s.filter(k, 0)
	return err == nil
}

// putStorage writes a sockaddr_in or sockaddr_in6 without a port.
func putStorage(to []byte, a netip.Addr) {
	if a.Is4() {
		binary.NativeEndian.PutUint16(to, unix.AF_INET)
		b := a.As4()
		copy(to[4:], b[:])
		return
	}
	binary.NativeEndian.PutUint16(to, unix.AF_INET6)
	b := a.As16()
	copy(to[8:], b[:])
}

// filterOf asks the kernel what the socket hears of a group.
func (s *Socket) filterOf(k joined) (only bool, sources []netip.Addr, err error) {
	// As many as the system permits unless it was told otherwise: 10 of IPv4, 64
	// of IPv6 (igmp_max_msf, mld_max_msf).
	const usual = 64
	only, sources, err = s.filter(k, usual)
	for err == nil && len(sources) < cap(sources) {
		// The kernel says how many there are, and there may be more by now.
		only, sources, err = s.filter(k, cap(sources))
	}
	slices.SortFunc(sources, netip.Addr.Compare)
	return only, sources, err
}

// filter asks with room for so many sources (MCAST_MSFILTER). The capacity of what it
// returns is how many there are.
func (s *Socket) filter(k joined, room int) (only bool, sources []netip.Addr, err error) {
	// struct group_filter: index, group, mode, count, sources.
	first := int(unsafe.Sizeof(uintptr(0)))
	head := first + storage + 8
	f := make([]byte, head+room*storage)
	binary.NativeEndian.PutUint32(f, uint32(k.index))
	putStorage(f[first:], k.group)
	binary.NativeEndian.PutUint32(f[first+storage+4:], uint32(room))
	size := uint32(len(f))
	err = s.control(func(fd uintptr) syscall.Errno {
		_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, uintptr(groupLevel(k.group)), unix.MCAST_MSFILTER,
			uintptr(unsafe.Pointer(&f[0])), uintptr(unsafe.Pointer(&size)), 0)
		return e
	})
	if err != nil {
		return false, nil, err
	}
	only = binary.NativeEndian.Uint32(f[first+storage:]) == unix.MCAST_INCLUDE
	count := int(binary.NativeEndian.Uint32(f[first+storage+4:]))
	if count == 0 {
		return only, nil, nil
	}
	sources = make([]netip.Addr, min(room, count), count)
	for n := range sources {
		at := f[head+n*storage:]
		if k.group.Is4() {
			sources[n] = netip.AddrFrom4([4]byte(at[4:8]))
		} else {
			sources[n] = netip.AddrFrom16([16]byte(at[8:24]))
		}
	}
	return only, sources, nil
}

// Memberships lists what ChangeGroup has joined, in the order of joining.
func (s *Socket) Memberships() []socket.Membership {
	s.groups.Lock()
	defer s.groups.Unlock()
	var list []socket.Membership
	for _, k := range s.groups.list {
		only, sources, err := s.filterOf(k)
		if err != nil {
			continue // its interface is gone, or the socket closed
		}
		list = append(list, socket.Membership{Group: k.group, Interface: k.index, Only: only, Sources: sources})
	}
	return list
}
