package pcapng

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// LinkType says what the packets of an interface begin with: a number from the
// registry of LINKTYPE_ values.
type LinkType uint16

// The link types that castnet has.
const (
	Ethernet LinkType = 1   // LINKTYPE_ETHERNET
	IP       LinkType = 101 // LINKTYPE_RAW: an IPv4 or IPv6 header
)

// A Section describes the capture; all fields may be empty.
type Section struct {
	Application string // what wrote it: shb_userappl
	Comment     string
}

// An Interface is where packets were seen.
type Interface struct {
	Name        string // if_name
	Description string // if_description
	LinkType    LinkType
	SnapLen     uint32 // the longest piece of a packet that is kept; 0: all of it
}

// Direction says which way a packet went. The zero value does not say.
type Direction uint8

// The directions of a packet, as seen from the interface's host.
const (
	UnknownDirection Direction = iota
	Inbound
	Outbound
)

// A Packet is one packet as one interface saw it.
type Packet struct {
	Interface int       // what AddInterface returned
	Time      time.Time // to the nanosecond
	Data      []byte    // the packet, or its beginning
	Length    int       // its length on the wire; 0: that of Data
	Direction Direction
	Comment   string // if empty, none
}

// The block types, option codes and magic numbers of
// draft-ietf-opsawg-pcapng-03, sections 3 and 4.
const (
	sectionHeaderBlock        = 0x0a0d0d0a
	interfaceDescriptionBlock = 1
	enhancedPacketBlock       = 6

	byteOrderMagic = 0x1a2b3c4d

	optEnd         = 0
	optComment     = 1
	optSectionApp  = 4 // shb_userappl
	optName        = 2 // if_name
	optDescription = 3 // if_description
	optResolution  = 9 // if_tsresol
	optFlags       = 2 // epb_flags

	nanoseconds = 9 // if_tsresol: 10 to the minus 9
)

// maxOption is the longest value an option may have.
const maxOption = math.MaxUint16

// maxPacket bounds a packet; readers refuse blocks that are much longer.
const maxPacket = 1 << 18

// A Writer writes one capture. Its methods are for one goroutine at a time.
// After an error of the underlying writer each call returns that error.
type Writer struct {
	w          *bufio.Writer
	block      []byte   // being put together
	interfaces []uint32 // their SnapLen
}

// NewWriter writes the section header to w. What is written is buffered until
// Flush.
func NewWriter(w io.Writer, s Section) (*Writer, error) {
	p := &Writer{w: bufio.NewWriterSize(w, 1<<16)}
	p.begin(sectionHeaderBlock)
	p.u32(byteOrderMagic)
	p.u16(1) // version 1.0
	p.u16(0)
	p.u32(math.MaxUint32) // the section's length, 64 bits: unknown
	p.u32(math.MaxUint32)
	p.text(optComment, s.Comment)
	p.text(optSectionApp, s.Application)
	return p, p.end()
}

// AddInterface describes an interface and returns its number for
// Packet.Interface.
func (w *Writer) AddInterface(i Interface) (int, error) {
	w.begin(interfaceDescriptionBlock)
	w.u16(uint16(i.LinkType))
	w.u16(0)
	w.u32(i.SnapLen)
	w.text(optName, i.Name)
	w.text(optDescription, i.Description)
	w.option(optResolution, 1)
	w.block = append(w.block, nanoseconds, 0, 0, 0)
	if err := w.end(); err != nil {
		return 0, err
	}
	w.interfaces = append(w.interfaces, i.SnapLen)
	return len(w.interfaces) - 1, nil
}

// WritePacket writes one packet. It keeps nothing of it.
func (w *Writer) WritePacket(p *Packet) error {
	if p.Interface < 0 || p.Interface >= len(w.interfaces) {
		return fmt.Errorf("pcapng: there is no interface %d; AddInterface returned %d numbers", p.Interface, len(w.interfaces))
	}
	seconds := p.Time.Unix()
	if seconds < 0 || uint64(seconds) >= math.MaxUint64/perSecond {
		return fmt.Errorf("pcapng: %v is not between 1970 and 2554", p.Time)
	}
	stamp := uint64(seconds)*perSecond + uint64(p.Time.Nanosecond())
	data, length := p.Data, p.Length
	if length == 0 {
		length = len(data)
	}
	if length < len(data) || uint64(length) > math.MaxUint32 {
		return fmt.Errorf("pcapng: a packet of %d bytes cannot have been %d bytes long", len(data), length)
	}
	if snap := w.interfaces[p.Interface]; snap != 0 && len(data) > int(snap) {
		data = data[:snap]
	}
	if len(data) > maxPacket {
		return errors.New("pcapng: the packet is longer than 256 KiB")
	}
	w.begin(enhancedPacketBlock)
	w.u32(uint32(p.Interface))
	w.u32(uint32(stamp >> 32))
	w.u32(uint32(stamp))
	w.u32(uint32(len(data)))
	w.u32(uint32(length))
	w.block = append(w.block, data...)
	w.pad()
	if p.Direction != UnknownDirection {
		w.option(optFlags, 4)
		w.u32(uint32(p.Direction)) // the low two bits: 1 inbound, 2 outbound
	}
	w.text(optComment, p.Comment)
	return w.end()
}

const perSecond = uint64(time.Second)

// Flush writes out what is buffered.
func (w *Writer) Flush() error { return w.w.Flush() }

// begin starts a block; its length is filled in by end.
func (w *Writer) begin(blockType uint32) {
	w.block = w.block[:0]
	w.u32(blockType)
	w.u32(0)
}

// end ends the options and the block and writes it. A block without options
// may have an end of options too, so every block has one.
func (w *Writer) end() error {
	w.option(optEnd, 0)
	n := uint32(len(w.block) + 4)
	w.u32(n)
	binary.LittleEndian.PutUint32(w.block[4:], n)
	_, err := w.w.Write(w.block)
	return err
}

// text writes an option that is a string; an empty one is left out. It is cut,
// between characters, at what an option can hold.
func (w *Writer) text(code uint16, s string) {
	if s == "" {
		return
	}
	if len(s) > maxOption {
		s = strings.ToValidUTF8(s[:maxOption], "")
	}
	w.option(code, len(s))
	w.block = append(w.block, s...)
	w.pad()
}

func (w *Writer) option(code uint16, length int) {
	w.u16(code)
	w.u16(uint16(length))
}

// pad fills up to 32 bits.
func (w *Writer) pad() {
	for len(w.block)%4 != 0 {
		w.block = append(w.block, 0)
	}
}

func (w *Writer) u16(v uint16) { w.block = binary.LittleEndian.AppendUint16(w.block, v) }
func (w *Writer) u32(v uint32) { w.block = binary.LittleEndian.AppendUint32(w.block, v) }
