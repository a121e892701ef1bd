package wire

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"
)

// A groupQuery is a query of IGMP or MLD.
type groupQuery interface {
	IGMPQuery | MLDQuery
	AppendTo([]byte) []byte
	Len() int
	IsGeneral() bool
}

// checkQuery checks that a message says what is wanted, and is what is written.
func checkQuery[Q groupQuery](t *testing.T, rule, message string, parse func([]byte) (Q, error), want Q) {
	t.Helper()
	b := unhex(t, message)
	got, err := parse(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, %v, want %+v", rule, got, err, want)
	}
	if out := got.AppendTo(nil); !bytes.Equal(out, b) || got.Len() != len(b) {
		t.Errorf("%s: written: got %x, Len %d, want %x", rule, out, got.Len(), b)
	}
	if group := IGMPQuery(want).Group; got.IsGeneral() != group.IsUnspecified() {
		t.Errorf("%s: IsGeneral: got %v", rule, got.IsGeneral())
	}
}

// checkWritten checks that a query, if bytes are one, is the same when it is written and
// read again, and no longer, and returns what was written, or nil.
func checkWritten[Q groupQuery](t *testing.T, b []byte, parse func([]byte) (Q, error)) []byte {
	t.Helper()
	q, err := parse(b)
	checkError(t, err)
	if err != nil {
		return nil
	}
	out := q.AppendTo(nil)
	again, err := parse(out)
	if err != nil || !reflect.DeepEqual(again, q) || len(out) != q.Len() || len(out) > len(b) {
		t.Fatalf("%x became %x: got %+v, %v, want %+v", b, out, again, err, q)
	}
	return out
}

type (
	parseReport  func([]byte) (GroupRecords, error)
	appendReport func([]byte, ...GroupRecord) []byte
)

// checkReport checks that a message has the records, and is what is written.
func checkReport(t *testing.T, b []byte, parse parseReport, write appendReport, want ...GroupRecord) {
	t.Helper()
	records, err := parse(b)
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Collect(records.All())
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for range records.All() {
		break
	}
	if out := write(nil, got...); !bytes.Equal(out, b) {
		t.Errorf("written: got %x, want %x", out, b)
	}
	checkPrefixes(t, b, len(b), func(b []byte) error {
		_, err := parse(b)
		return err
	})
	longer := append(slices.Clone(b), 9, 9, 9, 9, 9, 9, 9, 9)
	if records, err := parse(longer); err != nil || len(slices.Collect(records.All())) != len(want) {
		t.Errorf("RFC9776_4_2_11_additional_data: got %v, %v", records, err)
	}
	longer[7] = 255
	if _, err := parse(longer); !errors.Is(err, ErrTruncated) {
		t.Errorf("RFC9776_4_2_3_records_beyond: got %v", err)
	}
	longer[0] = 1
	if _, err := parse(longer); !errors.Is(err, ErrMalformed) {
		t.Errorf("another type: got %v", err)
	}
}

// checkRecords checks that the records of bytes, if they are a report, are written as they
// were.
func checkRecords(t *testing.T, b []byte, parse parseReport, write appendReport) {
	t.Helper()
	records, err := parse(b)
	checkError(t, err)
	if err != nil {
		return
	}
	out := write(nil, slices.Collect(records.All())...)
	if !bytes.Equal(out[8:], b[8:len(out)]) || !bytes.Equal(out[6:8], b[6:8]) {
		t.Fatalf("got %x, want %x", out, b)
	}
}
