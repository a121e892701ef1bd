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

// ChangeGroup changes what the socket hears of a group.
func (s *Socket) ChangeGroup(change socket.GroupChange, g socket.Group) error {
	if s.closing.Load() {
		return net.ErrClosed
	}
	if int(change) >= len(groupOptions) || change == 0 || g.Interface < 0 || !g.Address.IsValid() {
		return syscall.EINVAL
	}
	if change.OfSource() && g.Source.Is4() != g.Address.Is4() {
		return syscall.EINVAL
	}
	if g.Address.Is6() && s.family == socket.IPv4 {
		return syscall.EAFNOSUPPORT
	}
	if g.Interface == 0 && g.Address.Is4() {
		if err := s.changeByAddress(change, g); err != nil {
			return err
		}
		g.Interface, _ = groupInterface(g)
		s.note(g)
		return nil
	}
	level := unix.SOL_IP
	if g.Address.Is6() {
		level = unix.SOL_IPV6
	}
	// struct group_req and group_source_req: the index, and behind it, aligned
	// as a pointer, one or two sockaddr_storage.
	const storage = 128
	first := int(unsafe.Sizeof(uintptr(0)))
	var req [8 + 2*storage]byte
	size := first + storage
	binary.NativeEndian.PutUint32(req[:], uint32(g.Interface))
	putStorage(req[first:], g.Address)
	if change.OfSource() {
		putStorage(req[size:], g.Source)
		size += storage
	}
	err := s.control(func(fd uintptr) syscall.Errno {
		_, _, e := unix.Syscall6(unix.SYS_SETSOCKOPT, fd, uintptr(level), uintptr(groupOptions[change]),
			uintptr(unsafe.Pointer(&req[0])), uintptr(size), 0)
		return e
	})
	if err != nil {
		return err
	}
	s.note(g)
	return nil
}

// note takes note of a change of a group, if the kernel knows it by that interface.
func (s *Socket) note(g socket.Group) {
	k := joined{g.Address.WithZone(""), g.Interface}
	s.groups.Lock()
	defer s.groups.Unlock()
	at := slices.Index(s.groups.list, k)
	switch _, _, err := s.filterOf(k); {
	case err == nil && at < 0:
		s.groups.list = append(s.groups.list, k)
	case err != nil && at >= 0:
		s.groups.list = slices.Delete(s.groups.list, at, at+1)
	}
}

// addressOptions are the names of the changes by which the kernel finds the interface
// by an address, or by the route.
var addressOptions = [...]int{
	socket.JoinGroup: unix.IP_ADD_MEMBERSHIP, socket.LeaveGroup: unix.IP_DROP_MEMBERSHIP,
	socket.JoinSource: unix.IP_ADD_SOURCE_MEMBERSHIP, socket.LeaveSource: unix.IP_DROP_SOURCE_MEMBERSHIP,
	socket.BlockSource: unix.IP_BLOCK_SOURCE, socket.UnblockSource: unix.IP_UNBLOCK_SOURCE,
}

// changeByAddress is ChangeGroup without an index.
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

// groupInterface finds an interface by its address, or by the route to the group.
func groupInterface(g socket.Group) (int, error) {
	local := g.Local
	if !local.IsValid() || local.IsUnspecified() {
		// A connected socket's own address tells where the route leads.
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return 0, err
		}
		defer unix.Close(fd)
		if !g.Address.IsMulticast() {
			return 0, syscall.EINVAL
		}
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: g.Address.As4()}); err != nil {
			return 0, syscall.ENODEV
		}
		sa, err := unix.Getsockname(fd)
		if err != nil {
			return 0, err
		}
		own, ok := sa.(*unix.SockaddrInet4)
		if !ok {
			return 0, syscall.ENODEV
		}
		local = netip.AddrFrom4(own.Addr)
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return 0, err
	}
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if p, ok := a.(*net.IPNet); ok && p.IP.Equal(local.AsSlice()) {
				return i.Index, nil
			}
		}
	}
	return 0, syscall.ENODEV
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

// filterOf asks the kernel what the socket hears of a group (MCAST_MSFILTER).
func (s *Socket) filterOf(k joined) (only bool, sources []netip.Addr, err error) {
	const storage, most = 128, 64
	level := unix.SOL_IP
	if k.group.Is6() {
		level = unix.SOL_IPV6
	}
	// struct group_filter: index, group, mode, count, sources.
	first := int(unsafe.Sizeof(uintptr(0)))
	head := first + storage + 8
	f := make([]byte, head+most*storage)
	binary.NativeEndian.PutUint32(f, uint32(k.index))
	putStorage(f[first:], k.group)
	binary.NativeEndian.PutUint32(f[first+storage+4:], most)
	size := uint32(len(f))
	err = s.control(func(fd uintptr) syscall.Errno {
		_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, uintptr(level), unix.MCAST_MSFILTER,
			uintptr(unsafe.Pointer(&f[0])), uintptr(unsafe.Pointer(&size)), 0)
		return e
	})
	if err != nil {
		return false, nil, err
	}
	only = binary.NativeEndian.Uint32(f[first+storage:]) == unix.MCAST_INCLUDE
	for n := range min(most, int(binary.NativeEndian.Uint32(f[first+storage+4:]))) {
		at := f[head+n*storage:]
		if k.group.Is4() {
			sources = append(sources, netip.AddrFrom4([4]byte(at[4:8])))
		} else {
			sources = append(sources, netip.AddrFrom16([16]byte(at[8:24])))
		}
	}
	slices.SortFunc(sources, netip.Addr.Compare)
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
