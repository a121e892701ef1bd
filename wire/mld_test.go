package wire

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

const (
	mldv1Query  = `8200 0000 2710 0000  ff02 0000 0000 0000 0000 0000 0000 00fb`
	mldv2Query  = `8200 0000 8001 0000  ff3e 0000 0000 0000 0000 0000 0000 0001  0a7d 0001  2001 0db8 0000 0000 0000 0000 0000 0001`
	mldv2Report = `
		8f00 0000 0000 0002
		0501 0001 ff3e 0000 0000 0000 0000 0000 0000 0001  2001 0db8 0000 0000 0000 0000 0000 0001  dead beef
		0400 0000 ff02 0000 0000 0000 0000 0000 0000 00fb`
)

func TestMLD(t *testing.T) {
	b := unhex(t, "8300 0000 0000 0000  ff02 0000 0000 0000 0000 0000 0000 00fb")
	h, err := ParseMLD(b)
	if err != nil || h.Type() != ICMPv6MLDv1Report || h.MaxRespCode() != 0 || h.Group() != addr("ff02::fb") {
		t.Fatalf("got %v, %v", h, err)
	}
	out := bytes.Repeat([]byte{0xa5}, MLDHeaderLen)
	w := PutMLD(out, ICMPv6MLDv1Report, addr("ff02::fb"))
	if !bytes.Equal(out, b) {
		t.Errorf("written: got %x, want %x", out, b)
	}
	w.SetMaxRespCode(0x1234)
	if w.MaxRespCode() != 0x1234 {
		t.Errorf("maximum response code: got %#x", w.MaxRespCode())
	}
	checkPrefixes(t, b, MLDHeaderLen, func(b []byte) error {
		_, err := ParseMLD(b)
		return err
	})
	b[0] = uint8(ICMPv6MLDv2Report)
	if _, err := ParseMLD(b); !errors.Is(err, ErrMalformed) {
		t.Errorf("a report of version 2: got %v", err)
	}
}

func TestMLDQueryVersions(t *testing.T) {
	for _, c := range []struct {
		rule, message string
		want          MLDQuery
	}{
		{"RFC9777_8_1_24_bytes_is_v1", mldv1Query,
			MLDQuery{Version: 1, Group: addr("ff02::fb"), MaxResponse: 10 * time.Second}},
		{"RFC2710_3_4_delay_is_linear_in_v1", "8200 0000 ffff 0000 0000 0000 0000 0000 0000 0000 0000 0000",
			MLDQuery{Version: 1, Group: addr("::"), MaxResponse: 65535 * time.Millisecond}},
		{"RFC9777_5_1", mldv2Query,
			MLDQuery{Version: 2, Group: addr("ff3e::1"), MaxResponse: 32776 * time.Millisecond, SuppressRouter: true, Robustness: 2,
				Interval: 125 * time.Second, Sources: NewAddrList(addr("2001:db8::1"))}},
	} {
		checkQuery(t, c.rule, c.message, ParseMLDQuery, c.want)
	}
	b := unhex(t, mldv2Query)
	for n := range b {
		// A prefix of 24 bytes is a query of version 1, all others are none.
		_, err := ParseMLDQuery(b[:n:n])
		if (err == nil) != (n == 24) {
			t.Errorf("prefix of %d bytes: got %v", n, err)
		}
		if n > 24 && n < 28 && !errors.Is(err, ErrMalformed) {
			t.Errorf("RFC9777_8_1_%d_bytes: got %v", n, err)
		}
		checkError(t, err)
	}
	b[27] = 2
	if _, err := ParseMLDQuery(b); !errors.Is(err, ErrTruncated) {
		t.Errorf("RFC9777_5_1_10_sources_beyond: got %v", err)
	}
	b[0] = uint8(ICMPv6MLDv1Report)
	if _, err := ParseMLDQuery(b); !errors.Is(err, ErrMalformed) {
		t.Errorf("no query: got %v", err)
	}
}

func TestMLDQueryLimits(t *testing.T) {
	for _, c := range []struct {
		name string
		q    MLDQuery
		code uint16
	}{
		{"v1 at most", MLDQuery{Version: 1, MaxResponse: time.Hour}, 0xffff},
		{"v2 at most", MLDQuery{Version: 2, MaxResponse: 3 * time.Hour}, 0xffff},
		{"v2 rounds down", MLDQuery{MaxResponse: 32769 * time.Millisecond}, 0x8000},
		{"negative", MLDQuery{Version: 1, MaxResponse: -1}, 0},
	} {
		b := c.q.AppendTo(nil)
		if h := (*MLDHeader)(b); h.MaxRespCode() != c.code || len(b) != c.q.Len() {
			t.Errorf("%s: got %x, Len %d, want code %#x", c.name, b, c.q.Len(), c.code)
		}
	}
}

func TestMLDv2Report(t *testing.T) {
	checkReport(t, unhex(t, mldv2Report), ParseMLDv2Report, AppendMLDv2Report,
		GroupRecord{AllowNewSources, addr("ff3e::1"), NewAddrList(addr("2001:db8::1")), []byte{0xde, 0xad, 0xbe, 0xef}},
		GroupRecord{ChangeToExclude, addr("ff02::fb"), AddrList{[]byte{}, 16}, nil})
}

func FuzzMLD(f *testing.F) {
	f.Add(unhex(f, mldv1Query))
	f.Add(unhex(f, mldv2Query))
	f.Add(unhex(f, mldv2Report))
	f.Add(append(unhex(f, "8f00 0000 0000 ffff 05ff ffff"), make([]byte, 40)...)) // counts beyond
	// A group that is an IPv4-mapped address, and so no group at all.
	f.Add(unhex(f, "8f00 0000 0000 0001  0100 0000  0000 0000 0000 0000 0000 ffff e000 0001"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseMLD(b)
		checkError(t, err)
		if err == nil {
			out := make([]byte, MLDHeaderLen)
			w := PutMLD(out, h.Type(), h.Group())
			w.SetMaxRespCode(h.MaxRespCode())
			if !bytes.Equal(out[4:6], b[4:6]) || !bytes.Equal(out[8:], b[8:24]) {
				t.Fatalf("got %x, want %x", out, b)
			}
		}
		if out := checkWritten(t, b, ParseMLDQuery); out != nil {
			if !bytes.Equal(out[4:6], b[4:6]) {
				t.Fatalf("maximum response code: got %x, want %x", out[4:6], b[4:6])
			}
		}
		checkRecords(t, b, ParseMLDv2Report, AppendMLDv2Report)
	})
}
