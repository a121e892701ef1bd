package pcapng

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// What the Writer writes the Reader reads.
func TestReaderReadsWhatIsWritten(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, Section{Application: "a test", Comment: "a comment"})
	if err != nil {
		t.Fatal(err)
	}
	interfaces := []Interface{{Name: "eth0", Description: "the first", LinkType: Ethernet, SnapLen: 100}, {Name: "tun0", LinkType: IP}}
	packets := []Packet{
		{Interface: 0, Time: time.Unix(1, 1), Data: []byte{1, 2, 3}, Length: 3, Direction: Inbound, Comment: "dropped"},
		{Interface: 1, Time: time.Unix(1e9, 999999999), Data: []byte{4, 5, 6, 7, 8}, Length: 1500, Direction: Outbound},
		{Interface: 0, Time: time.Unix(0, 0), Data: []byte{}, Length: 0},
	}
	for _, i := range interfaces {
		if _, err := w.AddInterface(i); err != nil {
			t.Fatal(err)
		}
	}
	for i := range packets {
		if err := w.WritePacket(&packets[i]); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	whole := b.Bytes()
	r, err := NewReader(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range packets {
		got, err := r.Next()
		if err != nil || !got.Time.Equal(want.Time) || !bytes.Equal(got.Data, want.Data) ||
			got.Length != want.Length || got.Interface != want.Interface || got.Direction != want.Direction || got.Comment != want.Comment {
			t.Errorf("packet %d: %+v, %v, want %+v", i, got, err, want)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if !slices.Equal(r.Interfaces(), interfaces) {
		t.Errorf("interfaces %+v", r.Interfaces())
	}
	// A file that is cut ends between blocks, or says that it is cut.
	for n := range whole {
		r, err := NewReader(bytes.NewReader(whole[:n]))
		got := 0
		for err == nil {
			if _, err = r.Next(); err == nil {
				got++
			}
		}
		if err != io.EOF && !errors.Is(err, errCut) && !errors.Is(err, errFormat) || got > 2 {
			t.Errorf("%d of %d bytes: %d packets, %v", n, len(whole), got, err)
		}
	}
}

// A file is put together by hand, in either order of bytes.
type file struct {
	order binary.ByteOrder
	b     []byte
}

func (f *file) u16(v ...uint16) *file {
	for _, x := range v {
		f.b = append(f.b, 0, 0)
		f.order.PutUint16(f.b[len(f.b)-2:], x)
	}
	return f
}

func (f *file) u32(v ...uint32) *file {
	for _, x := range v {
		f.b = append(f.b, 0, 0, 0, 0)
		f.order.PutUint32(f.b[len(f.b)-4:], x)
	}
	return f
}

// block appends a block with what inside appends as its body.
func (f *file) block(kind uint32, inside func()) {
	f.u32(kind, 0)
	at := len(f.b) - 8
	inside()
	f.u32(uint32(len(f.b) - at + 4))
	f.order.PutUint32(f.b[at+4:], uint32(len(f.b)-at))
}

func (f *file) section() {
	f.block(sectionHeaderBlock, func() { f.u32(byteOrderMagic).u16(1, 0).u32(1<<32-1, 1<<32-1) })
}

// TestReaderOfOtherWriters: both orders of bytes, a second section in the other one, times in
// several units, blocks that are not known, simple packets.
func TestReaderOfOtherWriters(t *testing.T) {
	f := &file{order: binary.BigEndian}
	f.section()
	f.block(interfaceDescriptionBlock, func() { f.u16(1, 0).u32(0) }) // microseconds
	f.block(interfaceDescriptionBlock, func() {
		f.u16(1, 0).u32(2)
		f.u16(optResolution, 1)
		f.b = append(f.b, 0x80|10, 0, 0, 0) // 1/1024 s
		f.u16(optOffset, 8).u32(0, 100)
	})
	f.block(0x0bad, func() { f.u32(1, 2, 3) })
	f.block(enhancedPacketBlock, func() { f.u32(0, 0, 1500000, 4, 4, 0x01020304) })
	f.block(enhancedPacketBlock, func() { f.u32(1, 0, 1024+512, 4, 4, 0x01020304) })
	f.order = binary.LittleEndian
	f.section()
	f.block(interfaceDescriptionBlock, func() { f.u16(101, 0).u32(2) })
	f.block(simplePacketBlock, func() { f.u32(60, 0x04030201) })
	r, err := NewReader(bytes.NewReader(f.b))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Packet{
		{Interface: 0, Time: time.Unix(1, 5e8), Data: []byte{1, 2, 3, 4}, Length: 4},
		{Interface: 1, Time: time.Unix(101, 5e8), Data: []byte{1, 2, 3, 4}, Length: 4},
		{Interface: 2, Data: []byte{1, 2}, Length: 60},
	} {
		got, err := r.Next()
		if err != nil || !got.Time.Equal(want.Time) || !bytes.Equal(got.Data, want.Data) || got.Length != want.Length || got.Interface != want.Interface {
			t.Errorf("packet %d: %+v, %v, want %+v", i, got, err, want)
		}
	}
	if _, err := r.Next(); err != io.EOF || r.Interfaces()[2].LinkType != IP {
		t.Errorf("at the end: %v, %+v", err, r.Interfaces())
	}
}

func TestReaderOfPcap(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, c := range []struct {
			magic uint32
			want  time.Time
		}{{pcapMagic, time.Unix(7, 8000)}, {pcapMagicNano, time.Unix(7, 8)}} {
			f := &file{order: order}
			f.u32(c.magic).u16(2, 4).u32(0, 0, 65535, 1)
			f.u32(7, 8, 3, 60)
			f.b = append(f.b, "abc"...)
			r, err := NewReader(bytes.NewReader(f.b))
			if err != nil {
				t.Fatal(err)
			}
			p, err := r.Next()
			if err != nil || !p.Time.Equal(c.want) || string(p.Data) != "abc" || p.Length != 60 || r.Interfaces()[p.Interface].LinkType != Ethernet {
				t.Errorf("%v: %+v, %v", order, p, err)
			}
			if _, err := r.Next(); err != io.EOF {
				t.Errorf("at the end: %v", err)
			}
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	good := func() *file {
		f := &file{order: binary.LittleEndian}
		f.section()
		return f
	}
	for _, c := range []struct {
		name string
		make func() []byte
		want string
	}{
		{"something else", func() []byte { return []byte("once upon a time") }, "neither a pcapng nor a pcap file"},
		{"another magic number", func() []byte { f := good(); f.b[8]++; return f.b }, "neither a pcapng"},
		{"another version", func() []byte { f := good(); f.b[12]++; return f.b }, "version that is not known"},
		{"a length that is none", func() []byte { f := good(); f.u32(0x0bad, 13, 0, 0); return f.b }, "a block of 13 bytes"},
		{"a length that is too short", func() []byte { f := good(); f.u32(0x0bad, 8, 0); return f.b }, "a block of 8 bytes"},
		{"a length that is too long", func() []byte { f := good(); f.u32(0x0bad, 1<<31, 0); return f.b }, "a block of 2147483648 bytes"},
		{"two lengths", func() []byte { f := good(); f.u32(0x0bad, 12, 16); return f.b }, "ends as one of 16"},
		{"an interface that is not there", func() []byte {
			f := good()
			f.block(enhancedPacketBlock, func() { f.u32(0, 0, 0, 0, 0) })
			return f.b
		}, "interface 0, which is not described"},
		{"a packet longer than its block", func() []byte {
			f := good()
			f.block(interfaceDescriptionBlock, func() { f.u16(1, 0).u32(0) })
			f.block(enhancedPacketBlock, func() { f.u32(0, 0, 0, 1<<32-1, 0) })
			return f.b
		}, "longer than its block"},
		{"a simple packet of no interface", func() []byte {
			f := good()
			f.block(simplePacketBlock, func() { f.u32(0) })
			return f.b
		}, "without an interface"},
	} {
		r, err := NewReader(bytes.NewReader(c.make()))
		for err == nil {
			_, err = r.Next()
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// FuzzReader: whatever the file, the Reader ends, with a reason, and hands out no more than
// the file has.
func FuzzReader(f *testing.F) {
	b := &file{order: binary.LittleEndian}
	b.section()
	b.block(interfaceDescriptionBlock, func() {
		b.u16(1, 0).u32(0).u16(optResolution, 1)
		b.b = append(b.b, 9, 0, 0, 0)
		b.u16(optName, 4)
		b.b = append(b.b, "eth0"...)
	})
	b.block(enhancedPacketBlock, func() { b.u32(0, 1, 2, 4, 60, 7).u16(optFlags, 4).u32(1).u16(optComment, 2, 0x6161, 0) })
	b.block(simplePacketBlock, func() { b.u32(60, 7) })
	f.Add(b.b)
	old := &file{order: binary.BigEndian}
	f.Add(old.u32(pcapMagic).u16(2, 4).u32(0, 0, 65535, 1, 7, 8, 4, 60, 9).b)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		sum := 0
		for err == nil {
			var p Packet
			if p, err = r.Next(); err == nil {
				sum += len(p.Data)
				if p.Interface >= len(r.Interfaces()) || sum > len(b) {
					t.Fatalf("%+v of %d interfaces, %d bytes of %d", p, len(r.Interfaces()), sum, len(b))
				}
			}
		}
	})
}
