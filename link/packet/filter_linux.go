package packet

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/wire"
)

// A membership is something that the interface is told to receive besides what it
// does already; it ends with the socket.
type membership struct {
	kind    uint16 // PACKET_MR_…
	address wire.MAC
}

func (m membership) request(index int) *unix.PacketMreq {
	r := &unix.PacketMreq{Ifindex: int32(index), Type: m.kind}
	if m.kind == unix.PACKET_MR_UNICAST || m.kind == unix.PACKET_MR_MULTICAST {
		r.Alen = uint16(copy(r.Address[:], m.address[:]))
	}
	return r
}

func add(s, index int, m membership) error {
	return os.NewSyscallError("setsockopt PACKET_ADD_MEMBERSHIP",
		unix.SetsockoptPacketMreq(s, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, m.request(index)))
}

func leave(s, index int, m membership) {
	unix.SetsockoptPacketMreq(s, unix.SOL_PACKET, unix.PACKET_DROP_MEMBERSHIP, m.request(index))
}

// maxGroups is how many groups are told apart; if there are more, all are let pass.
const maxGroups = 500

// SetFilter says which frames are handed up, and tells the interface to receive
// them. If it fails, the filter is what it was.
func (l *Link) SetFilter(f link.Filter) error {
	for _, g := range f.Groups {
		if !g.IsMulticast() {
			return fmt.Errorf("packet: %s: %v is no group's address", l.name, g)
		}
	}
	var want []membership
	switch {
	case f.Mode == link.Promiscuous:
		want = append(want, membership{kind: unix.PACKET_MR_PROMISC})
	case f.Mode == link.AllMulticast, len(f.Groups) > maxGroups:
		f.Mode = link.AllMulticast
		want = append(want, membership{kind: unix.PACKET_MR_ALLMULTI})
	default:
		for _, g := range f.Groups {
			if m := (membership{unix.PACKET_MR_MULTICAST, g}); g != wire.Broadcast && !slices.Contains(want, m) {
				want = append(want, m)
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	change := func(s uintptr) {
		// The new first, so that nothing is missed meanwhile.
		for i, m := range want {
			if slices.Contains(l.joined, m) {
				continue
			}
			if err = add(int(s), l.index, m); err != nil {
				for _, m := range want[:i] {
					if !slices.Contains(l.joined, m) {
						leave(int(s), l.index, m)
					}
				}
				return
			}
		}
		for _, m := range l.joined {
			if !slices.Contains(want, m) {
				leave(int(s), l.index, m)
			}
		}
		l.joined = want
	}
	if e := l.Control(0, change); e != nil {
		return e
	}
	for q := 0; q < l.Queues() && err == nil; q++ {
		if e := l.Control(q, func(s uintptr) { err = attachFilter(int(s), l.Address(), f) }); e != nil {
			return e
		}
	}
	if err != nil {
		return refusal(l.name, err)
	}
	return nil
}

// attachFilter has the kernel hand to the socket only the frames that f says.
func attachFilter(s int, address wire.MAC, f link.Filter) error {
	program := assemble(address, f)
	return os.NewSyscallError("setsockopt SO_ATTACH_FILTER", unix.SetsockoptSockFprog(s, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}))
}

// The instructions of the classic BPF that a filter is made of.
const (
	load     = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	loadHalf = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
	loadByte = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
	ifEqual  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	ifAny    = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	answer   = unix.BPF_RET | unix.BPF_K

	whole = 0xffffffff // of a frame

	// What is known of a frame besides its bytes: SKF_AD_OFF and what is
	// added to it, and PACKET_OUTGOING.
	ancillary  = 1<<32 - 0x1000
	packetType = ancillary + 4
	vlanTag    = ancillary + 44
	outgoing   = 4
)

// assemble returns the program that lets pass what f says. Frames that leave
// (PACKET_OUTGOING), which the sender's own sockets are shown too, and those with a
// VLAN tag, which the kernel has taken off them, never pass.
func assemble(address wire.MAC, f link.Filter) []unix.SockFilter {
	p := []unix.SockFilter{
		{Code: loadByte, K: packetType},
		{Code: ifEqual, K: outgoing, Jt: 2},
		{Code: loadHalf, K: vlanTag},
		{Code: ifAny, K: 0x0fff, Jf: 1}, // no tag, or one that is but a priority
		{Code: answer, K: 0},
	}
	if f.Mode == link.Promiscuous {
		return append(p, unix.SockFilter{Code: answer, K: whole})
	}
	if f.Mode == link.AllMulticast {
		p = append(p,
			unix.SockFilter{Code: loadByte, K: 0},
			unix.SockFilter{Code: ifAny, K: 1, Jf: 1},
			unix.SockFilter{Code: answer, K: whole})
		f.Groups = nil
	}
	for _, m := range append([]wire.MAC{address, wire.Broadcast}, f.Groups...) {
		p = append(p,
			unix.SockFilter{Code: load, K: 2},
			unix.SockFilter{Code: ifEqual, K: binary.BigEndian.Uint32(m[2:]), Jf: 3},
			unix.SockFilter{Code: loadHalf, K: 0},
			unix.SockFilter{Code: ifEqual, K: uint32(binary.BigEndian.Uint16(m[0:])), Jf: 1},
			unix.SockFilter{Code: answer, K: whole})
	}
	return append(p, unix.SockFilter{Code: answer, K: 0})
}
