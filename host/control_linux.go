package host

import (
	"encoding/binary"
	"math"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/socket"
)

// appendCmsg appends a control message's header and returns b and the n bytes,
// all zero, of its data, which are to be filled.
func appendCmsg(b []byte, level, kind int32, n int) (all, data []byte) {
	start := len(b)
	b = b[:start+unix.CmsgSpace(n)]
	clear(b[start:])
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[start]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(n))
	return b, b[start+unix.CmsgLen(0):][:n]
}

func appendCmsgInt(b []byte, level, kind int32, v int) []byte {
	b, data := appendCmsg(b, level, kind, 4)
	binary.NativeEndian.PutUint32(data, uint32(v))
	return b
}

// appendControl appends what a message to be sent sets as control messages. They
// are those of the destination's family, also on an IPv6 socket that sends to
// an IPv4 address: it is IPv4 that then sends.
func appendControl(b []byte, fd uintptr, m *socket.Message, v4 bool) ([]byte, syscall.Errno) {
	if m.Set&^socket.SendFields != 0 {
		return b, syscall.EINVAL
	}
	if m.Set&(socket.FieldLocal|socket.FieldInterface) != 0 {
		var source netip.Addr
		index := 0
		if m.Set&socket.FieldLocal != 0 {
			source = m.Local.Addr()
			if v4 {
				source = source.Unmap()
			}
			if source.Is4() != v4 {
				return b, syscall.EINVAL // or there is no address
			}
			zone, errno := zoneIndex(fd, source)
			if errno != 0 {
				return b, errno
			}
			index = int(zone)
		}
		if m.Set&socket.FieldInterface != 0 && m.Interface != 0 {
			if int(int32(m.Interface)) != m.Interface {
				return b, syscall.ENODEV
			}
			index = m.Interface
		}
		var data []byte
		if v4 { // struct in_pktinfo: index, source, destination (not used)
			b, data = appendCmsg(b, unix.SOL_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
			binary.NativeEndian.PutUint32(data, uint32(index))
			if source.IsValid() {
				a := source.As4()
				copy(data[4:8], a[:])
			}
		} else { // struct in6_pktinfo: source, index
			b, data = appendCmsg(b, unix.SOL_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
			if source.IsValid() {
				a := source.As16()
				copy(data, a[:])
			}
			binary.NativeEndian.PutUint32(data[16:], uint32(index))
		}
	}
	if m.Set&socket.FieldTTL != 0 {
		if v4 {
			b = appendCmsgInt(b, unix.SOL_IP, unix.IP_TTL, int(m.TTL))
		} else {
			b = appendCmsgInt(b, unix.SOL_IPV6, unix.IPV6_HOPLIMIT, int(m.TTL))
		}
	}
	if m.Set&socket.FieldTOS != 0 {
		if v4 {
			b = appendCmsgInt(b, unix.SOL_IP, unix.IP_TOS, int(m.TOS))
		} else {
			b = appendCmsgInt(b, unix.SOL_IPV6, unix.IPV6_TCLASS, int(m.TOS))
		}
	}
	// A train of one is a datagram; some devices lose it if it is called a
	// train.
	if m.Set&socket.FieldSegmentSize != 0 && m.SegmentSize != 0 && len(m.Buf) > int(m.SegmentSize) {
		var data []byte
		b, data = appendCmsg(b, unix.SOL_UDP, unix.UDP_SEGMENT, 2)
		binary.NativeEndian.PutUint16(data, m.SegmentSize)
	}
	return b, 0
}

// readControl fills in the fields of a received message. What was not asked for
// is passed over, as is what is unknown or too short.
func (s *Socket) readControl(fd uintptr, m *socket.Message, fields socket.Fields, b []byte, peek bool) {
	// The kernel is silent about a count of zero.
	if fields&socket.FieldDrops != 0 {
		m.Set |= socket.FieldDrops
	}
	for len(b) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		n := int(h.Len)
		if n < unix.CmsgLen(0) || n > len(b) {
			return
		}
		s.readCmsg(fd, m, fields, h.Level, h.Type, b[unix.CmsgLen(0):n], peek)
		b = b[min(unix.CmsgSpace(n-unix.CmsgLen(0)), len(b)):]
	}
}

func (s *Socket) readCmsg(fd uintptr, m *socket.Message, fields socket.Fields, level, kind int32, data []byte, peek bool) {
	switch level {
	case unix.SOL_IP:
		switch {
		case kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			// index, address of the interface, destination in the header
			s.setPacketInfo(fd, m, fields, netip.AddrFrom4([4]byte(data[8:12])), binary.NativeEndian.Uint32(data))
		case kind == unix.IP_ORIGDSTADDR && len(data) >= unix.SizeofSockaddrInet4 && fields&socket.FieldLocal != 0:
			m.Local = netip.AddrPortFrom(netip.AddrFrom4([4]byte(data[4:8])), binary.BigEndian.Uint16(data[2:]))
		case kind == unix.IP_TTL:
			setByte(m, fields&socket.FieldTTL, &m.TTL, data)
		case kind == unix.IP_TOS:
			setByte(m, fields&socket.FieldTOS, &m.TOS, data)
		}
	case unix.SOL_IPV6:
		switch {
		case kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			s.setPacketInfo(fd, m, fields, netip.AddrFrom16([16]byte(data[:16])), binary.NativeEndian.Uint32(data[16:]))
		case kind == unix.IPV6_ORIGDSTADDR && len(data) >= unix.SizeofSockaddrInet6 && fields&socket.FieldLocal != 0:
			m.Local = netip.AddrPortFrom(m.Local.Addr(), binary.BigEndian.Uint16(data[2:])) // the address has its zone already
		case kind == unix.IPV6_HOPLIMIT:
			setByte(m, fields&socket.FieldTTL, &m.TTL, data)
		case kind == unix.IPV6_TCLASS:
			setByte(m, fields&socket.FieldTOS, &m.TOS, data)
		}
	case unix.SOL_UDP:
		if kind == unix.UDP_GRO && fields&socket.FieldSegmentSize != 0 && len(data) >= 2 {
			size := uint32(binary.NativeEndian.Uint16(data))
			if len(data) >= 4 {
				size = binary.NativeEndian.Uint32(data)
			}
			if size > 0 && size <= math.MaxUint16 {
				m.Set |= socket.FieldSegmentSize
				m.SegmentSize = uint16(size)
			}
		}
	case unix.SOL_SOCKET:
		switch {
		case kind == unix.SCM_TIMESTAMPNS && fields&socket.FieldTime != 0 && len(data) >= int(unsafe.Sizeof(unix.Timespec{})):
			ts := *(*unix.Timespec)(unsafe.Pointer(&data[0]))
			m.Set |= socket.FieldTime
			m.Time = time.Unix(ts.Unix())
		case kind == unix.SO_MARK && fields&socket.FieldMark != 0 && len(data) >= 4:
			m.Set |= socket.FieldMark
			m.Mark = binary.NativeEndian.Uint32(data)
		case kind == unix.SO_RXQ_OVFL && fields&socket.FieldDrops != 0 && len(data) >= 4:
			m.Drops = s.dropsSince(binary.NativeEndian.Uint32(data), peek)
		}
	}
}

// setPacketInfo sets what IP_PKTINFO and IPV6_PKTINFO tell.
func (s *Socket) setPacketInfo(fd uintptr, m *socket.Message, fields socket.Fields, local netip.Addr, index uint32) {
	if fields&socket.FieldLocal != 0 {
		if local.IsLinkLocalUnicast() && local.Is6() {
			local = local.WithZone(zoneName(fd, index))
		}
		m.Set |= socket.FieldLocal
		m.Local = netip.AddrPortFrom(local, s.localPort(fd))
	}
	if fields&socket.FieldInterface != 0 {
		m.Set |= socket.FieldInterface
		m.Interface = int(index)
	}
}

// setByte sets a field that is a byte, which the kernel tells as an int or, the
// TOS of IPv4, as a byte. No field: it was not asked for.
func setByte(m *socket.Message, field socket.Fields, to *uint8, data []byte) {
	switch {
	case field == 0:
		return
	case len(data) >= 4:
		*to = uint8(binary.NativeEndian.Uint32(data))
	case len(data) >= 1:
		*to = data[0]
	default:
		return
	}
	m.Set |= field
}

// dropsSince turns the kernel's running total into the number since the last
// datagram. Datagrams may be read by several goroutines at once, so an older
// total may come after a newer one: its drops have been told.
func (s *Socket) dropsSince(total uint32, peek bool) uint32 {
	for {
		last := s.dropped.Load()
		if int32(total-last) <= 0 {
			return 0
		}
		if peek || s.dropped.CompareAndSwap(last, total) {
			return total - last
		}
	}
}
