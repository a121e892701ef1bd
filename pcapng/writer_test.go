package pcapng

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// The reader below is written from the format's description and shares nothing
// with the Writer.

type capture struct {
	application, comment string
	interfaces           []Interface
	resolutions          []byte
	packets              []Packet
}

func read(b []byte) (c capture, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cut short: %v", r)
		}
	}()
	le := binary.LittleEndian
	for first := true; len(b) > 0; first = false {
		kind, total := le.Uint32(b), le.Uint32(b[4:])
		if total%4 != 0 || total < 12 || int(total) > len(b) {
			return c, fmt.Errorf("block of type %#x has length %d of %d", kind, total, len(b))
		}
		if again := le.Uint32(b[total-4:]); again != total {
			return c, fmt.Errorf("block length %d at its beginning, %d at its end", total, again)
		}
		body := b[8 : total-4]
		b = b[total:]
		if first != (kind == 0x0a0d0d0a) {
			return c, fmt.Errorf("block of type %#x at the wrong place", kind)
		}
		switch kind {
		case 0x0a0d0d0a:
			if le.Uint32(body) != 0x1a2b3c4d || le.Uint16(body[4:]) != 1 || le.Uint16(body[6:]) != 0 {
				return c, errors.New("not version 1.0 in little-endian order")
			}
			if le.Uint64(body[8:]) != 0xffffffffffffffff {
				return c, errors.New("the section's length is said")
			}
			o, err := options(body[16:])
			if err != nil {
				return c, err
			}
			c.application, c.comment = string(o[4]), string(o[1])
		case 1:
			o, err := options(body[8:])
			if err != nil {
				return c, err
			}
			c.interfaces = append(c.interfaces, Interface{
				Name: string(o[2]), Description: string(o[3]),
				LinkType: LinkType(le.Uint16(body)), SnapLen: le.Uint32(body[4:]),
			})
			c.resolutions = append(c.resolutions, o[9]...)
		case 6:
			n := le.Uint32(body[12:])
			p := Packet{
				Interface: int(le.Uint32(body)),
				Time:      time.Unix(0, int64(uint64(le.Uint32(body[4:]))<<32|uint64(le.Uint32(body[8:])))),
				Data:      body[20 : 20+n],
				Length:    int(le.Uint32(body[16:])),
			}
			if p.Interface >= len(c.interfaces) {
				return c, fmt.Errorf("packet of interface %d, which was not described", p.Interface)
			}
			o, err := options(body[20+(n+3)/4*4:])
			if err != nil {
				return c, err
			}
			p.Comment = string(o[1])
			if f, ok := o[2]; ok {
				p.Direction = Direction(le.Uint32(f) & 3)
			}
			c.packets = append(c.packets, p)
		default:
			return c, fmt.Errorf("unknown block type %#x", kind)
		}
	}
	return c, nil
}

func options(b []byte) (map[uint16][]byte, error) {
	m := make(map[uint16][]byte)
	for {
		if len(b) == 0 {
			return nil, errors.New("options without an end")
		}
		code, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if code == 0 {
			if n != 0 || len(b) != 4 {
				return nil, fmt.Errorf("end of options of length %d, %d bytes before the block's end", n, len(b))
			}
			return m, nil
		}
		if _, twice := m[code]; twice {
			return nil, fmt.Errorf("option %d twice", code)
		}
		m[code] = b[4 : 4+n]
		b = b[4+(n+3)/4*4:]
	}
}

func TestReadBack(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, Section{Application: "castnet", Comment: "a lab"})
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	interfaces := []Interface{
		{Name: "eth0", Description: "h1 eth0 on lan", LinkType: Ethernet},
		{Name: "ip", LinkType: IP},
		{Name: "short", LinkType: Ethernet, SnapLen: 20},
	}
	var want []Packet
	add := func(i int) {
		if n, err := w.AddInterface(interfaces[i]); n != i || err != nil {
			t.Fatalf("AddInterface = %d, %v; want %d", n, err, i)
		}
	}
	add(0)
	add(1)
	for n := range 200 {
		if n == 100 {
			add(2) // an interface may come later
		}
		p := Packet{
			Interface: r.IntN(2 + n/100),
			Time:      time.Unix(int64(r.Int32()), r.Int64N(1e9)),
			Data:      make([]byte, r.IntN(80)),
			Direction: Direction(r.IntN(3)),
			Comment:   strings.Repeat("é", r.IntN(4)),
		}
		for i := range p.Data {
			p.Data[i] = byte(r.Uint32())
		}
		p.Length = len(p.Data) + r.IntN(3)*50
		if err := w.WritePacket(&p); err != nil {
			t.Fatal(err)
		}
		if p.Length == 0 {
			p.Length = len(p.Data)
		}
		if p.Interface == 2 && len(p.Data) > 20 {
			p.Data = p.Data[:20]
		}
		want = append(want, p)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}

	got, err := read(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got.application != "castnet" || got.comment != "a lab" {
		t.Errorf("section: %q, %q", got.application, got.comment)
	}
	for i := range interfaces {
		if got.interfaces[i] != interfaces[i] {
			t.Errorf("interface %d: %+v, want %+v", i, got.interfaces[i], interfaces[i])
		}
	}
	if string(got.resolutions) != "\x09\x09\x09" {
		t.Errorf("resolutions %v, want nanoseconds", got.resolutions)
	}
	if len(got.packets) != len(want) {
		t.Fatalf("%d packets, want %d", len(got.packets), len(want))
	}
	for i, g := range got.packets {
		w := want[i]
		if g.Interface != w.Interface || !g.Time.Equal(w.Time) || !bytes.Equal(g.Data, w.Data) ||
			g.Length != w.Length || g.Direction != w.Direction || g.Comment != w.Comment {
			t.Errorf("packet %d: %+v, want %+v", i, g, w)
		}
	}
}

func TestRefused(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, Section{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddInterface(Interface{LinkType: Ethernet}); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1, 0)
	for name, p := range map[string]Packet{
		"no such interface":     {Interface: 1, Time: now},
		"negative interface":    {Interface: -1, Time: now},
		"before 1970":           {Time: time.Unix(-1, 0)},
		"zero time":             {},
		"after 2554":            {Time: time.Date(2600, 1, 1, 0, 0, 0, 0, time.UTC)},
		"shorter than its data": {Time: now, Data: make([]byte, 10), Length: 9},
		"enormous":              {Time: now, Data: make([]byte, maxPacket+1)},
	} {
		if err := w.WritePacket(&p); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// Nothing of what was refused has been written.
	if err := w.WritePacket(&Packet{Time: now, Data: []byte("x"), Comment: strings.Repeat("é", maxOption)}); err != nil {
		t.Fatal(err)
	}
	w.Flush()
	c, err := read(out.Bytes())
	if err != nil || len(c.packets) != 1 {
		t.Fatalf("read back %d packets, %v", len(c.packets), err)
	}
	if s := c.packets[0].Comment; len(s) != maxOption-1 || !utf8.ValidString(s) {
		t.Errorf("a comment that is too long was cut to %d bytes, valid: %v", len(s), utf8.ValidString(s))
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriterErrorsAreReported(t *testing.T) {
	w, err := NewWriter(broken{}, Section{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != io.ErrClosedPipe {
		t.Errorf("Flush = %v", err)
	}
	if _, err := w.AddInterface(Interface{}); err != io.ErrClosedPipe {
		t.Errorf("AddInterface after an error = %v", err)
	}
}

func TestNoAllocations(t *testing.T) {
	w, err := NewWriter(io.Discard, Section{})
	if err != nil {
		t.Fatal(err)
	}
	w.AddInterface(Interface{LinkType: Ethernet})
	p := Packet{Time: time.Unix(1, 0), Data: make([]byte, 1000), Comment: "dropped: NoPort"}
	if n := testing.AllocsPerRun(100, func() { w.WritePacket(&p) }); n != 0 {
		t.Errorf("a packet allocates %v times", n)
	}
}

func ExampleWriter() {
	f, err := os.CreateTemp("", "*.pcapng")
	if err != nil {
		panic(err)
	}
	defer os.Remove(f.Name())
	w, _ := NewWriter(f, Section{Application: "castnet"})
	eth0, _ := w.AddInterface(Interface{Name: "eth0", LinkType: Ethernet})
	w.WritePacket(&Packet{Interface: eth0, Time: time.Unix(0, 0), Data: make([]byte, 60), Comment: "dropped: UnknownEtherType"})
	if err := w.Flush(); err != nil {
		panic(err)
	}
	size, _ := f.Seek(0, io.SeekCurrent)
	fmt.Println(size, "bytes")
	// Output: 212 bytes
}
