package labtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/lab"
)

// exchange sends n datagrams from h1 to h2 and returns how many it heard.
func exchange(t testing.TB, l *lab.Lab, h1, h2 *lab.Host, n int) (heard int) {
	t.Helper()
	h2.Go("listen", func(ctx context.Context) error {
		c, err := (&castnet.Config{On: h2}).Listen(ctx, "udp4", ":7")
		if err != nil {
			return err
		}
		for buf := make([]byte, 10); ; heard++ {
			if _, err := c.Read(buf); err != nil {
				return err
			}
		}
	})
	h1.Go("send", func(ctx context.Context) error {
		c, err := (&castnet.Config{On: h1}).Dial(ctx, "udp4", "h2:7")
		if err != nil {
			return err
		}
		for range n {
			if _, err := c.Write([]byte("x")); err != nil {
				return err
			}
			h1.Sleep(ctx, time.Second)
		}
		return nil
	})
	if err := l.Run(time.Duration(n)*time.Second + time.Minute); err != nil {
		t.Fatal(err)
	}
	return heard
}

func TestPairLoses(t *testing.T) {
	l, h1, h2 := Pair(t)
	if n := exchange(t, l, h1, h2, 1000); n < 800 || n > 1000 {
		t.Errorf("%d of 1000 datagrams arrived; want about 960", n)
	}
}

func TestLAN(t *testing.T) {
	l, hosts := LAN(t, 300)
	if n := exchange(t, l, hosts[0], hosts[1], 10); n != 10 {
		t.Errorf("%d of 10 datagrams arrived", n)
	}
	if s := fmt.Sprint(Prefix(250), Prefix(251)); s != "10.0.0.250/16 10.0.1.1/16" {
		t.Errorf("addresses %s", s)
	}
	if _, err := hosts[0].LookupNetIP(context.Background(), "ip", "h300"); err != nil {
		t.Error(err)
	}
}

func TestSeedIsTakenFromTheEnvironment(t *testing.T) {
	t.Setenv(SeedVariable, "12345")
	var prints []uint64
	for range 2 {
		l, h1, h2 := Pair(t)
		if l.Seed() != 12345 {
			t.Errorf("seed %d", l.Seed())
		}
		exchange(t, l, h1, h2, 50)
		prints = append(prints, l.Fingerprint())
	}
	if prints[0] != prints[1] {
		t.Error("the same seed gave two fingerprints")
	}
	t.Setenv(SeedVariable, "")
	a, b := New(t, lab.Config{}), New(t, lab.Config{})
	if a.Seed() == b.Seed() {
		t.Error("two labs have the same seed by chance")
	}
}

// TestFailing fails, in a process of its own, for the reason that the
// environment names.
func TestFailing(t *testing.T) {
	switch os.Getenv("LABTEST_FAIL") {
	case "test":
		l, _, _ := Pair(t)
		l.Run(time.Second)
		t.Error("the test itself fails")
	case "close":
		l, h1, _ := Pair(t)
		h1.Go("task", func(ctx context.Context) error {
			h1.Sleep(ctx, time.Hour)
			return errors.New("not in order")
		})
		l.Run(time.Second)
	case "fatal":
		l, h1, _ := Pair(t)
		h1.Go("task", func(ctx context.Context) error { t.Fatal("fatal in a task"); return nil })
		l.Run(time.Second)
		t.Error("Run went on")
	}
}

func TestFailuresAreReportedWithTheSeed(t *testing.T) {
	for why, want := range map[string]string{
		"test": "the test itself fails", "close": "task task on host h1: not in order", "fatal": "fatal in a task",
	} {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestFailing$")
		cmd.Env = append(os.Environ(), "LABTEST_FAIL="+why, SeedVariable+"=42")
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("%s: the test passed", why)
		}
		if !strings.Contains(string(out), want) || strings.Contains(string(out), "Run went on") ||
			!regexp.MustCompile(`CASTNET_LAB_SEED=42 go test -run '\^TestFailing\$'`).Match(out) {
			t.Errorf("%s: want %q and the seed in\n%s", why, want, out)
		}
	}
}
