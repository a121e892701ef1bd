package labtest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/castnet-go/castnet/lab"
)

// SeedVariable is the environment variable that gives the seed.
const SeedVariable = "CASTNET_LAB_SEED"

// Lossy is the link of [Pair]: like a bad wireless one, it loses, doubles and
// reorders some datagrams, and corrupts a few, which checksums notice.
var Lossy = lab.Faults{
	Delay: 10 * time.Millisecond, Jitter: 2 * time.Millisecond,
	Loss: 0.05, Duplicate: 0.02, Reorder: 0.02, Corrupt: 0.01,
}

// New makes a lab whose seed is random, or that of CASTNET_LAB_SEED; the
// Config's own counts for nothing. A failing test says it. When the test ends,
// the ledger is checked and the lab closed.
func New(t testing.TB, cfg lab.Config) *lab.Lab {
	t.Helper()
	cfg.Seed = rand.Uint64()
	if v := os.Getenv(SeedVariable); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("labtest: %s=%q: want a number from 0 to 2⁶⁴-1", SeedVariable, v)
		}
		cfg.Seed = n
	}
	l := lab.New(cfg)
	t.Cleanup(func() {
		finish(t, l)
		if t.Failed() {
			t.Logf("labtest: to repeat this run: %s=%d go test -run '^%s$'", SeedVariable, cfg.Seed, t.Name())
		}
	})
	return l
}

// finish checks the ledger while everything is as the test left it, and once
// more when nothing is under way any more.
func finish(t testing.TB, l *lab.Lab) {
	t.Helper()
	if err := l.CheckLedger(); err != nil {
		t.Errorf("%v\n%v", err, l.Report())
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.CheckLedger(); err != nil {
		t.Errorf("after Close: %v\n%v", err, l.Report())
	}
}

// Pair makes a lab of two hosts, h1 (10.0.0.1) and h2 (10.0.0.2), with a link
// between them that is [Lossy] in both directions.
func Pair(t testing.TB) (l *lab.Lab, h1, h2 *lab.Host) {
	t.Helper()
	return PairOn(t, Lossy)
}

// PairOn is Pair with other faults, in each of the two directions.
func PairOn(t testing.TB, faults lab.Faults) (l *lab.Lab, h1, h2 *lab.Host) {
	t.Helper()
	l = New(t, lab.Config{})
	hosts := populate(t, l, l.AddCable("cable"), 2, faults)
	return l, hosts[0], hosts[1]
}

// LAN makes a lab of n hosts, h1 (10.0.0.1), h2 (10.0.0.2) and so on, on one
// switch, over perfect links.
func LAN(t testing.TB, n int) (*lab.Lab, []*lab.Host) {
	t.Helper()
	return LANOn(t, n, lab.Faults{})
}

// LANOn is LAN with faults, which strike what each host sends.
func LANOn(t testing.TB, n int, faults lab.Faults) (*lab.Lab, []*lab.Host) {
	t.Helper()
	l := New(t, lab.Config{})
	return l, populate(t, l, l.AddSwitch("lan"), n, faults)
}

// populate attaches n hosts to a segment.
func populate(t testing.TB, l *lab.Lab, on lab.Segment, n int, faults lab.Faults) []*lab.Host {
	t.Helper()
	hosts := make([]*lab.Host, n)
	for i := range hosts {
		hosts[i] = l.AddHost(fmt.Sprintf("h%d", i+1))
		_, err := hosts[i].Attach(on, lab.LinkConfig{Addresses: []netip.Prefix{Prefix(i + 1)}, Faults: faults})
		if err != nil {
			t.Fatal(err)
		}
	}
	return hosts
}

// Prefix returns the address of the host number n, counted from 1, with its
// prefix length: 10.0.0.1/16, …, 10.0.0.250/16, 10.0.1.1/16 and so on.
func Prefix(n int) netip.Prefix {
	n--
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(n / 250), byte(n%250 + 1)}), 16)
}
