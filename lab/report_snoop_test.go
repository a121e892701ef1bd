package lab

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// TestSnoopingIsReported: in words.
func TestSnoopingIsReported(t *testing.T) {
	w := newWorld(t, SnoopingConfig{Querier: &QuerierConfig{}}, 4)
	w.query(3, "10.0.0.4", wire.IGMPQuery{Version: 2})
	w.run(time.Second)
	w.report(1, isEx, g1)
	w.report(2, isEx, g1, "10.0.0.1", "10.0.0.2")
	w.report(2, allow, "232.1.1.1", "10.0.0.1")
	w.report(1, isEx, h1)
	w.report(1, isEx, "ff02::1:ff00:1")
	w.reach("data", 0, g1, "1 3")
	text := w.lab.Report().String()
	i := strings.Index(text, "lan snoops")
	got := regexp.MustCompile("fe80[^ ]*").ReplaceAllString(text[max(i, 0):], "fe80::…")
	const want = `lan snoops: routers on h3 eth0, querier IGMPv2 10.0.0.4 (h3 eth0) and MLDv2 fe80::… (itself)
  232.1.1.1  h2 eth0 hears 10.0.0.1, for 4m20s
  239.1.1.1  h1 eth0 hears all, for 4m20s
             h2 eth0 hears all but 10.0.0.1 and 10.0.0.2, for 4m20s
  ff05::1:1  h1 eth0 hears all, for 4m20s
  and 1 member of link-local groups
withheld: 5 from h0 eth0, 2 from h1 eth0, 4 from h2 eth0 and 2 from h3 eth0
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	for i := range 10 {
		w.report(1, isEx, "239.2.0."+string(rune('0'+i)))
	}
	text = w.lab.Report().String()
	if !strings.Contains(text, "  … and 5 members of more groups\n  and 1 member of link-local groups\n") {
		t.Errorf("got\n%s", text)
	}
	// Of a switch that does not snoop there is nothing to say.
	if n, err := new(SegmentReport).WriteSnooping(new(strings.Builder)); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
