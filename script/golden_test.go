package script

import (
	"os"
	"strings"
	"testing"

	"github.com/castnet-go/castnet"
)

// TestPrintsWhatNodePrints: the files beside the scripts are what Node has printed.
func TestPrintsWhatNodePrints(t *testing.T) {
	for _, name := range []string{"interfaces", "inspect", "streams", "compression", "ciphers", "context"} {
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile("testdata/" + name + ".out")
			if err != nil {
				t.Fatal(err)
			}
			r := runConfig(t, Config{On: castnet.Host(), Dir: "testdata"}, name+".js")
			if r.status != 0 || r.err != "" {
				t.Errorf("status %d, %s", r.status, r.err)
			}
			got, wanted := strings.Split(r.out, "\n"), strings.Split(string(want), "\n")
			for i := range max(len(got), len(wanted)) {
				g, w := "(nothing)", "(nothing)"
				if i < len(got) {
					g = got[i]
				}
				if i < len(wanted) {
					w = wanted[i]
				}
				if g != w {
					t.Fatalf("line %d is\n%s\nwant\n%s", i+1, g, w)
				}
			}
		})
	}
}
