package castnet

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"

	"github.com/castnet-go/castnet/socket"
)

// Control messages are what recvmsg(2) and sendmsg(2) carry besides the
// payload: each a header (length, level, type), data, and padding to the size
// of a machine word. The layout and the numbers are Linux's on every platform,
// so that what parses them elsewhere parses these.
const (
	levelSocket = 1   // SOL_SOCKET
	levelIP     = 0   // SOL_IP
	levelUDP    = 17  // SOL_UDP
	levelIPv6   = 41  // SOL_IPV6
	ipTOS       = 1   // IP_TOS
	ipTTL       = 2   // IP_TTL
	ipPktinfo   = 8   // IP_PKTINFO: struct in_pktinfo
	v6Pktinfo   = 50  // IPV6_PKTINFO: struct in6_pktinfo
	v6HopLimit  = 52  // IPV6_HOPLIMIT
	v6TClass    = 67  // IPV6_TCLASS
	udpSegment  = 103 // UDP_SEGMENT, to be sent
	udpGRO      = 104 // UDP_GRO, received
	timestampNS = 35  // SCM_TIMESTAMPNS: struct timespec
	rxqOvfl     = 40  // SO_RXQ_OVFL

	msgCtrunc = 0x8  // MSG_CTRUNC
	msgTrunc  = 0x20 // MSG_TRUNC
)

const (
	wordSize          = int(unsafe.Sizeof(uintptr(0)))
	controlHeaderSize = wordSize + 8 // size_t, int, int
)

func controlAlign(n int) int { return (n + wordSize - 1) &^ (wordSize - 1) }

// A controlWriter puts control messages into a buffer as long as they fit.
type controlWriter struct {
	oob []byte
	n   int
	cut bool
}

// next makes room for a message with size bytes of data and returns where
// they go, zeroed; nil if they do not fit. The padding of the last message may
// be cut, as the kernel cuts it.
func (w *controlWriter) next(level, typ, size int) []byte {
	end := w.n + controlHeaderSize + size
	if w.cut || end > len(w.oob) {
		w.cut = true
		return nil
	}
	h := w.oob[w.n:end]
	putWord(h, uint64(len(h)))
	binary.NativeEndian.PutUint32(h[wordSize:], uint32(level))
	binary.NativeEndian.PutUint32(h[wordSize+4:], uint32(typ))
	w.n = min(controlAlign(end), len(w.oob))
	clear(w.oob[end-size : w.n])
	return h[controlHeaderSize:]
}

func (w *controlWriter) int32(level, typ int, v uint32) {
	if b := w.next(level, typ, 4); b != nil {
		binary.NativeEndian.PutUint32(b, v)
	}
}

func putWord(b []byte, v uint64) {
	if wordSize == 8 {
		binary.NativeEndian.PutUint64(b, v)
	} else {
		binary.NativeEndian.PutUint32(b, uint32(v))
	}
}

func word(b []byte) uint64 {
	if wordSize == 8 {
		return binary.NativeEndian.Uint64(b)
	}
	return uint64(binary.NativeEndian.Uint32(b))
}

// putControl writes the fields of a received message into oob and returns how
// many bytes it wrote, and whether something did not fit. As in the kernel the
// packet info has the form of the socket's family, TTL and TOS have that of
// the packet's.
func putControl(oob []byte, f socket.Family, m *Message) (n int, cut bool) {
	w := controlWriter{oob: oob}
	v4 := f == socket.IPv4 || m.Addr.Addr().Is4In6()
	if m.Set&FieldTime != 0 {
		if b := w.next(levelSocket, timestampNS, 2*wordSize); b != nil {
			putWord(b, uint64(m.Time.Unix()))
			putWord(b[wordSize:], uint64(m.Time.Nanosecond()))
		}
	}
	if m.Set&FieldDrops != 0 {
		w.int32(levelSocket, rxqOvfl, m.Drops)
	}
	if m.Set&(FieldLocal|FieldInterface) != 0 {
		putPktinfo(&w, f, m)
	}
	if m.Set&FieldTTL != 0 {
		if v4 {
			w.int32(levelIP, ipTTL, uint32(m.TTL))
		} else {
			w.int32(levelIPv6, v6HopLimit, uint32(m.TTL))
		}
	}
	if m.Set&FieldTOS != 0 {
		if !v4 {
			w.int32(levelIPv6, v6TClass, uint32(m.TOS))
		} else if b := w.next(levelIP, ipTOS, 1); b != nil {
			b[0] = m.TOS
		}
	}
	if m.Set&FieldSegmentSize != 0 {
		w.int32(levelUDP, udpGRO, uint32(m.SegmentSize))
	}
	return w.n, w.cut
}

func putPktinfo(w *controlWriter, f socket.Family, m *Message) {
	local := m.Local.Addr()
	if f == socket.IPv4 {
		if b := w.next(levelIP, ipPktinfo, 12); b != nil {
			binary.NativeEndian.PutUint32(b, uint32(m.Interface))
			if local.Is4() {
				ip := local.As4()
				copy(b[4:8], ip[:]) // ipi_spec_dst
				copy(b[8:], ip[:])  // ipi_addr
			}
		}
		return
	}
	if b := w.next(levelIPv6, v6Pktinfo, 20); b != nil {
		if local.IsValid() {
			ip := local.As16()
			copy(b, ip[:])
		}
		binary.NativeEndian.PutUint32(b[16:], uint32(m.Interface))
	}
}

// parseControl sets the fields of a message to be sent that the control
// messages in oob ask for.
func parseControl(oob []byte, m *Message) error {
	for len(oob) > 0 {
		if len(oob) < controlHeaderSize {
			return syscall.EINVAL
		}
		size := word(oob)
		if size < uint64(controlHeaderSize) || size > uint64(len(oob)) {
			return syscall.EINVAL
		}
		level := int32(binary.NativeEndian.Uint32(oob[wordSize:]))
		typ := int32(binary.NativeEndian.Uint32(oob[wordSize+4:]))
		if err := parseControlMessage(level, typ, oob[controlHeaderSize:size], m); err != nil {
			return err
		}
		oob = oob[min(controlAlign(int(size)), len(oob)):]
	}
	return nil
}

func parseControlMessage(level, typ int32, b []byte, m *Message) error {
	switch {
	case level == levelIP && typ == ipPktinfo:
		if len(b) != 12 {
			return syscall.EINVAL
		}
		setSource(m, netip.AddrFrom4([4]byte(b[4:8])), binary.NativeEndian.Uint32(b))
		return nil
	case level == levelIPv6 && typ == v6Pktinfo:
		if len(b) != 20 {
			return syscall.EINVAL
		}
		setSource(m, netip.AddrFrom16([16]byte(b[:16])), binary.NativeEndian.Uint32(b[16:]))
		return nil
	case level == levelUDP && typ == udpSegment:
		if len(b) != 2 {
			return syscall.EINVAL
		}
		m.SegmentSize, m.Set = binary.NativeEndian.Uint16(b), m.Set|FieldSegmentSize
		return nil
	}

	// The rest are small numbers, an int each; IP_TOS may be one byte.
	var field *uint8
	var set Fields
	switch {
	case level == levelIP && typ == ipTTL, level == levelIPv6 && typ == v6HopLimit:
		field, set = &m.TTL, FieldTTL
	case level == levelIP && typ == ipTOS, level == levelIPv6 && typ == v6TClass:
		field, set = &m.TOS, FieldTOS
	default:
		return &socket.NotSupportedError{
			What: "control message " + strconv.Itoa(int(level)) + "/" + strconv.Itoa(int(typ)),
		}
	}
	v := uint32(0)
	switch {
	case len(b) == 4:
		v = binary.NativeEndian.Uint32(b)
	case len(b) == 1 && level == levelIP && typ == ipTOS:
		v = uint32(b[0])
	default:
		return syscall.EINVAL
	}
	if level == levelIPv6 && v == 1<<32-1 {
		return nil // -1: the socket's own
	}
	if v > 255 || set == FieldTTL && v == 0 && level == levelIP {
		return syscall.EINVAL
	}
	*field, m.Set = uint8(v), m.Set|set
	return nil
}

// setSource heeds a packet info: an unspecified address and interface 0 leave
// the choice to the route.
func setSource(m *Message, ip netip.Addr, index uint32) {
	if !ip.IsUnspecified() {
		m.Local, m.Set = netip.AddrPortFrom(ip, 0), m.Set|FieldLocal
	}
	if index != 0 {
		m.Interface, m.Set = int(index), m.Set|FieldInterface
	}
}
