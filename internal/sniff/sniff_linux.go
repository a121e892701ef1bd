package sniff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/wire"
)

// A Sniffer looks at interfaces. Read is for one goroutine, the other methods are for any.
type Sniffer struct {
	file  *os.File
	raw   syscall.RawConn
	names map[int]string // by index
	list  []string
	buf   []byte
	lost  uint64
}

// Open looks at the interfaces, in the network namespace of the thread that calls it.
//
// Without CAP_NET_RAW the error is a *link.CapabilityError around EPERM.
func Open(cfg Config) (*Sniffer, error) {
	s := &Sniffer{names: make(map[int]string), buf: make([]byte, 65536)}
	if err := s.choose(cfg.Interfaces); err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, refusal(os.NewSyscallError("socket", err))
	}
	if err := s.prepare(fd); err != nil {
		unix.Close(fd)
		return nil, refusal(err)
	}
	s.file = os.NewFile(uintptr(fd), "packet")
	if s.raw, err = s.file.SyscallConn(); err == nil {
		// It says so if the poller did not take the descriptor.
		err = s.file.SetDeadline(time.Time{})
	}
	if err != nil {
		s.file.Close()
		return nil, err
	}
	return s, nil
}

// choose finds the interfaces.
func (s *Sniffer) choose(names []string) error {
	all, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("sniff: %w", err)
	}
	const usable = net.FlagUp | net.FlagMulticast
	known := make(map[string]int)
	for _, i := range all {
		known[i.Name] = i.Index
		if len(names) == 0 && i.Flags&usable == usable && i.Flags&net.FlagLoopback == 0 {
			s.names[i.Index] = i.Name
			s.list = append(s.list, i.Name)
		}
	}
	for _, name := range names {
		index, ok := known[name]
		if !ok {
			return fmt.Errorf("sniff: %s: %w: no such interface", name, unix.ENODEV)
		}
		if s.names[index] == "" {
			s.list = append(s.list, name)
		}
		s.names[index] = name
	}
	if len(s.list) == 0 {
		return fmt.Errorf("sniff: %w: no interface is up and carries multicast", unix.ENODEV)
	}
	return nil
}

// prepare makes the socket hand up what is wanted.
func (s *Sniffer) prepare(fd int) error {
	program := filter()
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	if err != nil {
		return os.NewSyscallError("setsockopt SO_ATTACH_FILTER", err)
	}
	for index := range s.names {
		mreq := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_ALLMULTI}
		if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq); err != nil {
			return os.NewSyscallError("setsockopt PACKET_ADD_MEMBERSHIP", err)
		}
	}
	// Only what is for all protocols is shown what leaves, too.
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	return os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all}))
}

// filter returns the program that lets IGMP and MLD pass. A packet begins with its IP
// header: the socket is one for datagrams.
func filter() []unix.SockFilter {
	const (
		load     = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
		loadByte = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
		ifEqual  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		ifAbove  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		answer   = unix.BPF_RET | unix.BPF_K
		protocol = 1<<32 - 0x1000 // SKF_AD_OFF + SKF_AD_PROTOCOL
	)
	return []unix.SockFilter{
		{Code: load, K: protocol},
		{Code: ifEqual, K: unix.ETH_P_IP, Jf: 2},
		{Code: loadByte, K: 9},
		{Code: ifEqual, K: unix.IPPROTO_IGMP, Jt: 12, Jf: 11},
		{Code: ifEqual, K: unix.ETH_P_IPV6, Jf: 10},
		{Code: loadByte, K: 6}, // next header
		{Code: ifEqual, K: unix.IPPROTO_HOPOPTS, Jf: 2},
		{Code: loadByte, K: 40}, // what is behind the options
		{Code: ifEqual, K: unix.IPPROTO_ICMPV6, Jt: 7, Jf: 6},
		{Code: ifEqual, K: unix.IPPROTO_ICMPV6, Jf: 5},
		// Without options it is not as it should be, and worth seeing.
		{Code: loadByte, K: 40},
		{Code: ifEqual, K: uint32(wire.ICMPv6MLDv2Report), Jt: 4},
		{Code: ifAbove, K: uint32(wire.ICMPv6MLDQuery), Jf: 2},
		{Code: ifAbove, K: uint32(wire.ICMPv6MLDv1Done) + 1, Jt: 1},
		{Code: answer, K: 1<<32 - 1},
		{Code: answer, K: 0},
		{Code: answer, K: 1<<32 - 1},
	}
}

// Interfaces returns the names of the interfaces, in the order in which they were given,
// or have been found.
func (s *Sniffer) Interfaces() []string { return s.list }

// Read waits for the next packet. The error is os.ErrDeadlineExceeded after the deadline,
// and net.ErrClosed after Close.
func (s *Sniffer) Read() (Packet, error) {
	for {
		var n int
		var from unix.Sockaddr
		var err error
		closed := s.raw.Read(func(fd uintptr) bool {
			n, from, err = unix.Recvfrom(int(fd), s.buf, 0)
			return err != unix.EAGAIN
		})
		switch {
		case errors.Is(closed, os.ErrDeadlineExceeded):
			return Packet{}, os.ErrDeadlineExceeded
		case closed != nil:
			return Packet{}, net.ErrClosed
		case err == unix.EINTR || err == unix.ENETDOWN:
			continue // one of the interfaces went down
		case err != nil:
			return Packet{}, os.NewSyscallError("recvfrom", err)
		}
		at, ok := from.(*unix.SockaddrLinklayer)
		if !ok || s.names[at.Ifindex] == "" {
			continue
		}
		p := Packet{
			Time: time.Now(), Interface: s.names[at.Ifindex], Outgoing: at.Pkttype == unix.PACKET_OUTGOING, Data: s.buf[:n],
		}
		if at.Halen == 6 {
			p.MAC = wire.MAC(at.Addr[:6])
		}
		return p, nil
	}
}

// SetReadDeadline ends Read at that time.
func (s *Sniffer) SetReadDeadline(t time.Time) error { return s.file.SetReadDeadline(t) }

// Lost counts what came and found the socket's buffer full. It is for the goroutine
// that calls Read.
func (s *Sniffer) Lost() uint64 {
	s.raw.Control(func(fd uintptr) {
		// Reading the statistics sets them to zero.
		if st, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			s.lost += uint64(st.Drops)
		}
	})
	return s.lost
}

// Close ends it, and Read.
func (s *Sniffer) Close() error { return s.file.Close() }

// refusal is the error of Open, with what can be done about it.
func refusal(err error) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
		return fmt.Errorf("sniff: %w", err)
	}
	program, e := os.Executable()
	if e != nil {
		program = os.Args[0]
	}
	return &link.CapabilityError{
		Op: "watching interfaces", Capability: "CAP_NET_RAW", Err: err, Grant: "sudo setcap cap_net_raw+ep " + program,
	}
}
