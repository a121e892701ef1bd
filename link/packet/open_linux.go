package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/fd"
	"github.com/castnet-go/castnet/wire"
)

// A Link is our end of an interface; [Open] makes one. Its other methods are those
// of *fd.Link.
type Link struct {
	*fd.Link
	name  string
	index int

	mu     sync.Mutex
	joined []membership // what the interface was told to receive because of SetFilter

	watching atomic.Bool
	watchers sync.WaitGroup
}

var _ link.Link = (*Link)(nil)

const (
	maxQueues         = 64
	defaultReadBuffer = 4 << 20
	headerLen         = 10 // of the virtio-net header, as PACKET_VNET_HDR has it
)

// Open opens an interface that exists. The Link is that of the interface which has
// the name now, in the network namespace of the thread that calls Open.
//
// Without CAP_NET_RAW the error is a *link.CapabilityError around EPERM. On other
// systems than Linux it is ErrNotSupported.
func Open(device string, cfg Config) (*Link, error) {
	l, err := open(device, cfg)
	if err != nil {
		return nil, refusal(device, err)
	}
	return l, nil
}

func open(device string, cfg Config) (*Link, error) {
	dev, err := interfaceByName(device)
	if err != nil {
		return nil, err
	}
	if cfg.Queues < 0 || cfg.Queues > maxQueues {
		return nil, fmt.Errorf("%d queues: there can be 1 to %d", cfg.Queues, maxQueues)
	}
	if cfg.MTU > dev.MTU {
		return nil, fmt.Errorf("an MTU of %d is more than the interface's %d", cfg.MTU, dev.MTU)
	}
	if cfg.MTU == 0 {
		cfg.MTU = min(dev.MTU, 65535)
	}
	own := wire.MAC(dev.HardwareAddr)
	if cfg.Address.IsZero() {
		cfg.Address = own
	}
	if cfg.Address.IsMulticast() {
		return nil, fmt.Errorf("%v is a group's address and cannot be a station's", cfg.Address)
	}
	descriptors, err := openQueues(dev.Index, &cfg)
	if err == nil && cfg.Address != own {
		err = add(descriptors[0], dev.Index, membership{unix.PACKET_MR_UNICAST, cfg.Address})
	}
	if err != nil {
		for _, d := range descriptors {
			unix.Close(d)
		}
		return nil, err
	}
	var offload link.Capabilities
	switch cfg.Offload.Allowed() {
	case link.OffloadAll:
		offload = link.ChecksumTransmit | link.Segmentation
	case link.OffloadChecksums:
		offload = link.ChecksumTransmit
	}
	l := &Link{name: device, index: dev.Index}
	l.Link, err = fd.New(fd.Config{
		Descriptors: descriptors, // closed by New if it fails
		MTU:         cfg.MTU,
		Address:     cfg.Address,
		Header:      headerLen,
		Offload:     offload,
		QueueLength: cfg.QueueLength,
		Transient:   l.transient,
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// interfaceByName returns an interface with Ethernet frames.
func interfaceByName(name string) (*net.Interface, error) {
	dev, err := net.InterfaceByName(name)
	if err != nil {
		all, _ := net.Interfaces()
		var names []string
		for _, i := range all {
			names = append(names, i.Name)
		}
		return nil, fmt.Errorf("%w; there are %s", unix.ENODEV, strings.Join(names, ", "))
	}
	if len(dev.HardwareAddr) != 6 {
		return nil, fmt.Errorf("%w: it has no Ethernet address", unix.EINVAL)
	}
	return dev, nil
}

// openQueues returns a socket for each queue. The caller closes them, with an error
// too.
func openQueues(index int, cfg *Config) (list []int, err error) {
	group := -1
	for i := range max(cfg.Queues, 1) {
		s, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return list, os.NewSyscallError("socket", err)
		}
		list = append(list, s)
		if err := prepare(s, index, cfg); err != nil {
			return list, err
		}
		if cfg.Queues > 1 {
			if group, err = joinGroup(s, i, group); err != nil {
				return list, err
			}
		}
	}
	return list, nil
}

// prepare makes a socket that hands up the interface's frames.
func prepare(s, index int, cfg *Config) error {
	if err := unix.SetsockoptInt(s, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		return os.NewSyscallError("setsockopt PACKET_VNET_HDR", err)
	}
	// Saves the copies that the filter would drop; from Linux 4.20 on.
	unix.SetsockoptInt(s, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	size := cfg.ReadBuffer
	if size == 0 {
		size = defaultReadBuffer
	}
	if unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil { // it needs CAP_NET_ADMIN
		if err := unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUF, size); err != nil {
			return os.NewSyscallError("setsockopt SO_RCVBUF", err)
		}
	}
	if err := attachFilter(s, cfg.Address, link.Filter{Mode: link.AllMulticast}); err != nil {
		return err
	}
	// Only now does anything come in.
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	err := unix.Bind(s, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index})
	return os.NewSyscallError("bind", err)
}

// joinGroup puts the socket of the queue of that number into the group over which
// the kernel spreads flows, and returns the group, which the first of them makes.
func joinGroup(s, number, group int) (int, error) {
	const kind = unix.PACKET_FANOUT_HASH
	flags := 0
	if number == 0 {
		group, flags = 0, unix.PACKET_FANOUT_FLAG_UNIQUEID
	}
	if err := unix.SetsockoptInt(s, unix.SOL_PACKET, unix.PACKET_FANOUT, group|(kind|flags)<<16); err != nil {
		return 0, os.NewSyscallError("setsockopt PACKET_FANOUT", err)
	}
	made, err := unix.GetsockoptInt(s, unix.SOL_PACKET, unix.PACKET_FANOUT)
	return made & 0xffff, os.NewSyscallError("getsockopt PACKET_FANOUT", err)
}

// Name returns the interface's name, as it was when it was opened.
func (l *Link) Name() string { return l.name }

// Drops counts what fd.Link.Drops says, and LinkOverrun: what came in and found the
// socket's buffer full, as the kernel counts it (PACKET_STATISTICS).
func (l *Link) Drops() *drop.Counters {
	for q := range l.Queues() {
		l.Control(q, func(s uintptr) {
			// Reading the statistics sets them to zero.
			if st, err := unix.GetsockoptTpacketStats(int(s), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil && st.Drops != 0 {
				l.Link.Drops().Add(drop.LinkOverrun, int(st.Drops))
			}
		})
	}
	return l.Link.Drops()
}

// refusal is the error of opening the interface, with what can be done about it.
func refusal(device string, err error) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
		return fmt.Errorf("packet: %s: %w", device, err)
	}
	program, e := os.Executable()
	if e != nil {
		program = os.Args[0]
	}
	return &link.CapabilityError{
		Op: "packet: " + device, Capability: "CAP_NET_RAW", Err: err, Grant: "sudo setcap cap_net_raw+ep " + program,
	}
}
