package wire

import (
	"bytes"
	"net/netip"
	"testing"
)

func TestGroupRecord(t *testing.T) {
	for _, c := range []struct {
		name   string
		record GroupRecord
		want   string
	}{
		{"RFC9776_4_2_4", GroupRecord{AllowNewSources, addr("232.1.2.3"), NewAddrList(addr("192.0.2.1")), nil},
			"0500 0001 e801 0203 c000 0201"},
		{"RFC9776_4_2_12_auxiliary_data_padded", GroupRecord{ModeIsExclude, addr("224.1.2.3"), AddrList{}, []byte{9}},
			"0201 0000 e001 0203 0900 0000"},
		{"RFC9777_5_2_4", GroupRecord{ChangeToInclude, addr("ff3e::1"), NewAddrList(addr("2001:db8::1")), nil},
			"0300 0001 ff3e 0000 0000 0000 0000 0000 0000 0001 2001 0db8 0000 0000 0000 0000 0000 0001"},
		{"mapped_sources_are_IPv4", GroupRecord{AllowNewSources, addr("232.1.2.3"), NewAddrList(addr("::ffff:192.0.2.1")), nil},
			"0500 0001 e801 0203 c000 0201"},
		{"no_group", GroupRecord{Type: ModeIsInclude, Group: netip.Addr{}},
			"0100 0000 0000 0000 0000 0000 0000 0000 0000 0000"},
	} {
		got := c.record.AppendTo(nil)
		if want := unhex(t, c.want); !bytes.Equal(got, want) || c.record.Len() != len(want) {
			t.Errorf("%s: got %x, Len %d, want %x", c.name, got, c.record.Len(), want)
		}
	}
}

func TestGroupRecordLimits(t *testing.T) {
	var l AddrList
	for i := range 0x10000 {
		l = l.Append(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}))
	}
	r := GroupRecord{AllowNewSources, addr("232.1.2.3"), l, make([]byte, 2000)}
	b := r.AppendTo(nil)
	if len(b) != r.Len() || len(b) != 8+4*0xffff+1020 {
		t.Errorf("got %d bytes, Len %d", len(b), r.Len())
	}
	records, ok := parseGroupRecords(b, 1, 4)
	if !ok {
		t.Fatal("does not parse")
	}
	for r := range records.All() {
		if r.Sources.Count() != 0xffff || len(r.Aux) != 1020 {
			t.Errorf("got %d sources, %d bytes of auxiliary data", r.Sources.Count(), len(r.Aux))
		}
	}
	r = GroupRecord{AllowNewSources, addr("ff3e::1"), l, nil} // the other family, and too many
	if b := r.AppendTo(nil); len(b) != r.Len() || len(b) != 20+16*0xffff {
		t.Errorf("got %d bytes, Len %d", len(b), r.Len())
	}
}

func TestRecordTypeString(t *testing.T) {
	for typ, want := range map[RecordType]string{ModeIsInclude: "IS_IN", BlockOldSources: "BLOCK", 9: "type 9"} {
		if got := typ.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
