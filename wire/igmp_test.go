package wire

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

const (
	igmpv1Query = `1100 0000 0000 0000`
	igmpv2Query = `1164 0000 e100 0001`
	igmpv3Query = `118a 0000 e801 0203 0a7d 0002 c000 0201 c000 0202`
	// A report of three records: with sources, with auxiliary data, with neither.
	igmpv3Report = `
		2200 0000 0000 0003
		0500 0002 e801 0203 c000 0201 c000 0202
		0201 0000 e101 0203 dead beef
		0400 0000 e000 00fb`
)

func TestIGMP(t *testing.T) {
	b := unhex(t, "1600 0904 e000 00fb") // the report of a host that has joined 224.0.0.251
	h, body, err := ParseIGMP(b)
	if err != nil {
		t.Fatal(err)
	}
	if h.Type() != IGMPv2Report || h.MaxRespCode() != 0 || h.Group() != addr("224.0.0.251") || !h.ChecksumOK(body) {
		t.Errorf("got %v, %d, %v, checksum %v", h.Type(), h.MaxRespCode(), h.Group(), h.ChecksumOK(body))
	}
	out := bytes.Repeat([]byte{0xa5}, IGMPHeaderLen)
	PutIGMP(out, IGMPv2Report, addr("224.0.0.251")).UpdateChecksum(nil)
	if !bytes.Equal(out, b) {
		t.Errorf("written: got %x, want %x", out, b)
	}
	checkPrefixes(t, b, IGMPHeaderLen, func(b []byte) error {
		_, _, err := ParseIGMP(b)
		return err
	})
	h.SetType(IGMPv2Leave)
	if h.Type() != IGMPv2Leave {
		t.Errorf("type: got %v", h.Type())
	}
	long := append(b, 1, 2, 3)
	UpdateIGMPChecksum(long)
	if h, body, _ := ParseIGMP(long); !h.ChecksumOK(body) || h.ChecksumOK(nil) {
		t.Error("RFC2236_2_5_checksum_covers_all: it does not")
	}
}

func TestIGMPQueryVersions(t *testing.T) {
	group := addr("232.1.2.3")
	for _, c := range []struct {
		rule, message string
		want          IGMPQuery
	}{
		{"RFC9776_7_1_8_bytes_code_0_is_v1", igmpv1Query,
			IGMPQuery{Version: 1, Group: addr("0.0.0.0"), MaxResponse: IGMPv1MaxResponse}},
		{"RFC9776_7_1_8_bytes_is_v2", igmpv2Query,
			IGMPQuery{Version: 2, Group: addr("225.0.0.1"), MaxResponse: 10 * time.Second}},
		{"RFC2236_2_2_code_is_linear_in_v2", "11ff 0000 0000 0000",
			IGMPQuery{Version: 2, Group: addr("0.0.0.0"), MaxResponse: 25500 * time.Millisecond}},
		{"RFC9776_7_1_12_bytes_is_v3", "1100 0000 e801 0203 0000 0000",
			IGMPQuery{Version: 3, Group: group, Sources: AddrList{[]byte{}, 4}}},
		{"RFC9776_4_1", igmpv3Query,
			IGMPQuery{Version: 3, Group: group, MaxResponse: 20800 * time.Millisecond, SuppressRouter: true, Robustness: 2,
				Interval: 125 * time.Second, Sources: NewAddrList(addr("192.0.2.1"), addr("192.0.2.2"))}},
	} {
		checkQuery(t, c.rule, c.message, ParseIGMPQuery, c.want)
	}
	// What follows the sources is ignored (RFC 9776, section 4.1.10).
	if q, err := ParseIGMPQuery(append(unhex(t, igmpv3Query), 1, 2, 3, 4, 5)); err != nil || q.Sources.Count() != 2 {
		t.Errorf("RFC9776_4_1_10_additional_data: got %v, %v", q, err)
	}
}

func TestIGMPQueryErrors(t *testing.T) {
	for _, c := range []struct {
		rule, message string
		want          error
	}{
		{"RFC9776_7_1_9_bytes", "1100 0000 0000 0000 00", ErrMalformed},
		{"RFC9776_7_1_11_bytes", "1164 0000 0000 0000 0000 00", ErrMalformed},
		{"RFC9776_4_1_8_sources_beyond", "1164 0000 e801 0203 0000 0001 c000 02", ErrTruncated},
		{"RFC9776_4_1_8_sources_most", "1164 0000 e801 0203 0000 ffff c000 0201", ErrTruncated},
		{"no_query", "1600 0000 e000 00fb", ErrMalformed},
		{"shorter_than_8", "1164 0000 0000 00", ErrTruncated},
	} {
		if _, err := ParseIGMPQuery(unhex(t, c.message)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.rule, err, c.want)
		}
	}
	b := unhex(t, igmpv3Query)
	for n := range b {
		// A prefix of 8 bytes is a query of version 2, all others are none.
		_, err := ParseIGMPQuery(b[:n:n])
		if (err == nil) != (n == 8) {
			t.Errorf("prefix of %d bytes: got %v", n, err)
		}
		checkError(t, err)
	}
}

func TestIGMPQueryLimits(t *testing.T) {
	for _, c := range []struct {
		name string
		q    IGMPQuery
		code byte
	}{
		{"v1 says no time", IGMPQuery{Version: 1, MaxResponse: time.Second}, 0},
		{"v2 of no time is not v1", IGMPQuery{Version: 2}, 1},
		{"v2 at most", IGMPQuery{Version: 2, MaxResponse: time.Hour}, 255},
		{"v3 rounds down", IGMPQuery{Version: 3, MaxResponse: 1099 * time.Millisecond}, 10},
		{"v3 at most", IGMPQuery{MaxResponse: 2 * time.Hour}, 255},
		{"negative", IGMPQuery{Version: 3, MaxResponse: -time.Hour}, 0},
	} {
		if b := c.q.AppendTo(nil); b[1] != c.code || len(b) != c.q.Len() {
			t.Errorf("%s: got %x, Len %d, want code %d", c.name, b, c.q.Len(), c.code)
		}
	}
	b := IGMPQuery{Version: 3, Robustness: 8, Interval: 128 * time.Second}.AppendTo(nil)
	if b[8] != 0 || b[9] != 0x80 {
		t.Errorf("RFC9776_4_1_6_robustness_above_7_is_0: got %x", b[8:10])
	}
}

func TestIGMPv3Report(t *testing.T) {
	checkReport(t, unhex(t, igmpv3Report), ParseIGMPv3Report, AppendIGMPv3Report,
		GroupRecord{AllowNewSources, addr("232.1.2.3"), NewAddrList(addr("192.0.2.1"), addr("192.0.2.2")), nil},
		GroupRecord{ModeIsExclude, addr("225.1.2.3"), AddrList{[]byte{}, 4}, []byte{0xde, 0xad, 0xbe, 0xef}},
		GroupRecord{ChangeToExclude, addr("224.0.0.251"), AddrList{[]byte{}, 4}, nil})
	for r := range (GroupRecords{}).All() {
		t.Errorf("no records: got %v", r)
	}
}

func TestIGMPAllocates(t *testing.T) {
	query, report := unhex(t, igmpv3Query), unhex(t, igmpv3Report)
	out := make([]byte, 0, 256)
	checkAllocs(t, "parsing and writing IGMP", func() {
		q, err := ParseIGMPQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		out = q.AppendTo(out[:0])
		records, err := ParseIGMPv3Report(report)
		if err != nil {
			t.Fatal(err)
		}
		for r := range records.All() {
			for s := range r.Sources.All() {
				sinkBool = s.Is4()
			}
			out = r.AppendTo(out)
		}
	})
}

func FuzzIGMP(f *testing.F) {
	f.Add(unhex(f, igmpv1Query))
	f.Add(unhex(f, igmpv2Query))
	f.Add(unhex(f, igmpv3Query))
	f.Add(unhex(f, igmpv3Report))
	f.Add(unhex(f, "1600 0904 e000 00fb"))                               // a report of version 2
	f.Add(unhex(f, "11ff 0000 0000 0000 ffff 0000 0000"))                // all flags, additional data
	f.Add(unhex(f, "2200 0000 0000 ffff 05ff ffff e801 0203 c000 0201")) // counts beyond
	f.Fuzz(func(t *testing.T, b []byte) {
		h, body, err := ParseIGMP(b)
		checkError(t, err)
		if err == nil {
			out := make([]byte, IGMPHeaderLen)
			w := PutIGMP(out, h.Type(), h.Group())
			w.SetMaxRespCode(h.MaxRespCode())
			w.SetChecksum(h.Checksum())
			if out = append(out, body...); !bytes.Equal(out, b) {
				t.Fatalf("got %x, want %x", out, b)
			}
		}
		if out := checkWritten(t, b, ParseIGMPQuery); out != nil {
			if out[1] != b[1] {
				t.Fatalf("maximum response code: got %#x, want %#x", out[1], b[1])
			}
		}
		checkRecords(t, b, ParseIGMPv3Report, AppendIGMPv3Report)
	})
}
