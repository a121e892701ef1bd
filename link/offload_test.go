package link_test

import (
	"testing"

	"github.com/castnet-go/castnet/link"
)

func TestOffload(t *testing.T) {
	for _, o := range []link.Offload{link.OffloadAll, link.OffloadChecksums, link.OffloadNone} {
		if got, err := link.ParseOffload(o.String()); got != o || err != nil {
			t.Errorf("%v: parsed as %v, %v", o, got, err)
		}
		for variable, want := range map[string]link.Offload{"": o, "0": o, "1": link.OffloadNone, "yes": link.OffloadNone} {
			t.Setenv(link.OffloadVariable, variable)
			if got := o.Allowed(); got != want {
				t.Errorf("%v with %s=%s: %v, want %v", o, link.OffloadVariable, variable, got, want)
			}
		}
	}
	if got := link.Offload(9).String(); got != "Offload(9)" {
		t.Error(got)
	}
	if _, err := link.ParseOffload("some"); err == nil {
		t.Error(`"some" was parsed`)
	}
}
