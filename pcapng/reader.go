package pcapng

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"
	"time"
)

// A Reader reads a capture: pcapng, or pcap, which is older and simpler. Its methods are
// for one goroutine at a time.
type Reader struct {
	r          io.Reader
	order      binary.ByteOrder
	old        *oldFormat // nil: pcapng
	interfaces []Interface
	clocks     []stamps // of the interfaces
	first      int      // the first interface of this section
	block      []byte
}

// stamps say what the times of an interface's packets are.
type stamps struct {
	perSecond uint64
	offset    int64 // seconds (if_tsoffset)
}

// oldFormat is a file of pcap, which has one interface.
type oldFormat struct{ nanoseconds bool }

const (
	simplePacketBlock = 3
	optOffset         = 14 // if_tsoffset

	// maxBlock bounds a block; a packet with its options and whatever else.
	maxBlock = 1 << 24
	// maxInterfaces bounds the interfaces of a file.
	maxInterfaces = 1 << 16
)

// The magic numbers of pcap, with microseconds and with nanoseconds.
const (
	pcapMagic     = 0xa1b2c3d4
	pcapMagicNano = 0xa1b23c4d
)

var errCut = errors.New("pcapng: the file is cut short")

var errFormat = errors.New("pcapng: it is neither a pcapng nor a pcap file")

// NewReader reads the beginning of a capture.
func NewReader(r io.Reader) (*Reader, error) {
	p := &Reader{r: r}
	var magic [4]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return nil, cut(err, errFormat)
	}
	if binary.BigEndian.Uint32(magic[:]) == sectionHeaderBlock {
		return p, p.section()
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(magic[:]) {
		case pcapMagic:
			return p, p.header(order, false)
		case pcapMagicNano:
			return p, p.header(order, true)
		}
	}
	return nil, errFormat
}

// cut returns what it means that a read ended early: other at the very beginning of
// something, and that it is cut short behind that.
func cut(err, other error) error {
	switch {
	case err == io.EOF:
		return other
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errCut
	}
	return err
}

// Interfaces returns the interfaces of which there has been word so far. Packet.Interface
// is an index of it.
func (p *Reader) Interfaces() []Interface { return p.interfaces }

// Next returns the next packet, io.EOF after the last one. Its Data is valid until the next
// call; its Time is the zero Time if the file does not say it.
func (p *Reader) Next() (Packet, error) {
	if p.old != nil {
		return p.nextOld()
	}
	for {
		var kind [4]byte
		if _, err := io.ReadFull(p.r, kind[:]); err != nil {
			return Packet{}, cut(err, io.EOF)
		}
		// This one reads the same in both byte orders, and begins a section that may
		// be in the other one.
		if binary.BigEndian.Uint32(kind[:]) == sectionHeaderBlock {
			if err := p.section(); err != nil {
				return Packet{}, err
			}
			continue
		}
		if err := p.body(8); err != nil {
			return Packet{}, err
		}
		var k Packet
		var err error
		switch p.order.Uint32(kind[:]) {
		case interfaceDescriptionBlock:
			err = p.describe()
		case enhancedPacketBlock:
			k, err = p.enhanced()
		case simplePacketBlock:
			k, err = p.simple()
		default:
			continue
		}
		if err != nil || k.Data != nil { // an interface's description has none
			return k, err
		}
	}
}

// section reads the header of a section, behind its type.
func (p *Reader) section() error {
	var head [8]byte // the length, and the magic number that says in which order it is
	if _, err := io.ReadFull(p.r, head[:]); err != nil {
		return cut(err, errCut)
	}
	p.order = binary.LittleEndian
	if binary.BigEndian.Uint32(head[4:]) == byteOrderMagic {
		p.order = binary.BigEndian
	} else if p.order.Uint32(head[4:]) != byteOrderMagic {
		return errFormat
	}
	// The lengths of its header: type, length, magic number.
	if err := p.rest(p.order.Uint32(head[:]), 12); err != nil {
		return err
	}
	if len(p.block) < 12 || p.order.Uint16(p.block) != 1 {
		return errors.New("pcapng: it is of a version that is not known")
	}
	p.first = len(p.interfaces)
	return nil
}

// body reads a block behind its type into p.block.
func (p *Reader) body(read uint32) error {
	var length [4]byte
	if _, err := io.ReadFull(p.r, length[:]); err != nil {
		return cut(err, errCut)
	}
	return p.rest(p.order.Uint32(length[:]), read)
}

// rest reads what is left of a block of that length, of which so much has been read, into
// p.block, but for the length at its end.
func (p *Reader) rest(length, read uint32) error {
	if length%4 != 0 || length < read+4 || length > maxBlock {
		return fmt.Errorf("pcapng: a block of %d bytes", length)
	}
	if err := p.fill(int(length - read)); err != nil {
		return err
	}
	end := len(p.block) - 4
	if p.order.Uint32(p.block[end:]) != length {
		return fmt.Errorf("pcapng: a block of %d bytes ends as one of %d", length, p.order.Uint32(p.block[end:]))
	}
	p.block = p.block[:end]
	return nil
}

// fill reads n bytes into p.block. It takes no more memory than the file has.
func (p *Reader) fill(n int) error {
	p.block = p.block[:0]
	for len(p.block) < n {
		have := len(p.block)
		p.block = append(p.block, make([]byte, min(n-have, 1<<16))...)
		if _, err := io.ReadFull(p.r, p.block[have:]); err != nil {
			return cut(err, errCut)
		}
	}
	return nil
}

// describe takes in an interface description.
func (p *Reader) describe() error {
	b := p.block
	if len(b) < 8 {
		return errors.New("pcapng: an interface's description is cut short")
	}
	if len(p.interfaces) >= maxInterfaces {
		return errors.New("pcapng: there are too many interfaces")
	}
	i := Interface{LinkType: LinkType(p.order.Uint16(b)), SnapLen: p.order.Uint32(b[4:])}
	s := stamps{perSecond: 1e6}
	p.options(b[8:], func(code uint16, v []byte) {
		switch {
		case code == optName:
			i.Name = strings.ToValidUTF8(string(v), "?")
		case code == optDescription:
			i.Description = strings.ToValidUTF8(string(v), "?")
		case code == optResolution && len(v) > 0:
			s.perSecond = resolution(v[0])
		case code == optOffset && len(v) >= 8:
			s.offset = int64(p.order.Uint64(v))
		}
	})
	p.interfaces, p.clocks = append(p.interfaces, i), append(p.clocks, s)
	return nil
}

// resolution returns what fraction of a second if_tsresol means: a power of ten, or of two.
// What no clock has is taken for microseconds.
func resolution(v byte) uint64 {
	power := int(v & 0x7f)
	switch {
	case v&0x80 != 0 && power < 64:
		return 1 << power
	case v&0x80 == 0 && power < 20:
		n := uint64(1)
		for range power {
			n *= 10
		}
		return n
	}
	return 1e6
}

// time returns what a stamp says.
func (s stamps) time(stamp uint64) time.Time {
	seconds, part := stamp/s.perSecond, stamp%s.perSecond
	high, low := bits.Mul64(part, 1e9)
	nanoseconds, _ := bits.Div64(high, low, s.perSecond)
	return time.Unix(int64(seconds)+s.offset, int64(nanoseconds))
}

func (p *Reader) enhanced() (k Packet, err error) {
	b := p.block
	if len(b) < 20 {
		return k, errors.New("pcapng: a packet is cut short")
	}
	number := uint64(p.first) + uint64(p.order.Uint32(b))
	if number >= uint64(len(p.interfaces)) {
		return k, fmt.Errorf("pcapng: a packet of interface %d, which is not described", number-uint64(p.first))
	}
	k.Interface = int(number)
	stamp := uint64(p.order.Uint32(b[4:]))<<32 | uint64(p.order.Uint32(b[8:]))
	k.Time = p.clocks[number].time(stamp)
	n := p.order.Uint32(b[12:])
	k.Length = int(p.order.Uint32(b[16:]))
	if b = b[20:]; uint64(n) > uint64(len(b)) {
		return k, errors.New("pcapng: a packet is longer than its block")
	}
	k.Data = b[:n:n]
	p.options(b[min((uint64(n)+3)&^3, uint64(len(b))):], func(code uint16, v []byte) {
		switch {
		case code == optComment && k.Comment == "":
			k.Comment = strings.ToValidUTF8(string(v), "?")
		case code == optFlags && len(v) == 4:
			k.Direction = Direction(p.order.Uint32(v) & 3 % 3)
		}
	})
	return k, nil
}

func (p *Reader) simple() (k Packet, err error) {
	if len(p.interfaces) == p.first || len(p.block) < 4 {
		return k, errors.New("pcapng: a simple packet without an interface, or cut short")
	}
	k.Interface = p.first
	k.Length = int(p.order.Uint32(p.block))
	n := min(uint64(p.order.Uint32(p.block)), uint64(len(p.block)-4))
	if snap := p.interfaces[p.first].SnapLen; snap != 0 {
		n = min(n, uint64(snap))
	}
	k.Data = p.block[4 : 4+n : 4+n]
	return k, nil
}

// options calls f with each option, as far as they are whole.
func (p *Reader) options(b []byte, f func(code uint16, value []byte)) {
	for len(b) >= 4 {
		code, n := p.order.Uint16(b), int(p.order.Uint16(b[2:]))
		if b = b[4:]; code == optEnd || n > len(b) {
			return
		}
		f(code, b[:n:n])
		b = b[min((n+3)&^3, len(b)):]
	}
}

// header reads the header of a pcap file behind its magic number.
func (p *Reader) header(order binary.ByteOrder, nanoseconds bool) error {
	var b [20]byte
	if _, err := io.ReadFull(p.r, b[:]); err != nil {
		return cut(err, errCut)
	}
	p.order, p.old = order, &oldFormat{nanoseconds}
	// The upper bits say whether there is a checksum behind each frame.
	p.interfaces = []Interface{{LinkType: LinkType(order.Uint32(b[16:])), SnapLen: order.Uint32(b[12:])}}
	return nil
}

func (p *Reader) nextOld() (k Packet, err error) {
	var b [16]byte
	if _, err := io.ReadFull(p.r, b[:]); err != nil {
		return k, cut(err, io.EOF)
	}
	seconds, part := p.order.Uint32(b[:]), int64(p.order.Uint32(b[4:]))
	if !p.old.nanoseconds {
		part *= 1000
	}
	k.Time = time.Unix(int64(seconds), part)
	n := p.order.Uint32(b[8:])
	k.Length = int(p.order.Uint32(b[12:]))
	if n > maxBlock {
		return k, fmt.Errorf("pcapng: a packet of %d bytes", n)
	}
	if err := p.fill(int(n)); err != nil {
		return k, err
	}
	k.Data = p.block[:n:n]
	return k, nil
}
