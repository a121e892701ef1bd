package leak

import (
	"os"
	"os/signal"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/packet"
)

func TestWhatIsLeftFails(t *testing.T) {
	var cleanUp func()
	for name, tc := range map[string]struct {
		run    func() int
		status int
		says   string
	}{
		"nothing":   {func() int { return 0 }, 0, ""},
		"a failure": {func() int { return 3 }, 3, ""},
		"a goroutine that ends soon": {func() int {
			go runtime.Gosched()
			return 0
		}, 0, ""},
		"goroutines": {func() int {
			stop := make(chan bool)
			for range 10 { // more than what other tests' are just ending
				go func() { <-stop }()
			}
			cleanUp = func() { close(stop) }
			return 0
		}, 1, "goroutines are left; all"},
		"who hands over signals": {func() int {
			c := make(chan os.Signal, 1)
			signal.Notify(c, os.Interrupt)
			signal.Stop(c)
			return 0
		}, 0, ""},
	} {
		var log strings.Builder
		cleanUp = func() {}
		before := len(goroutines())
		status := check(tc.run, &log, 20*time.Millisecond)
		for cleanUp(); len(goroutines()) > before; {
			runtime.Gosched()
		}
		if status != tc.status || !strings.Contains(log.String(), tc.says) || tc.says == "" && log.Len() > 0 {
			t.Errorf("%s: status %d, %q; want %d, %q", name, status, log.String(), tc.status, tc.says)
		}
	}
}

func TestABufferThatIsLeftFails(t *testing.T) {
	var b *packet.Buffer
	run := func() int {
		b = packet.New(1)
		return 0
	}
	var log strings.Builder
	status := check(run, &log, 0)
	b.Release()
	want, says := 0, ""
	if packet.Checking {
		want, says = 1, "1 buffers are still out\n"
	}
	if status != want || log.String() != says {
		t.Errorf("status %d, %q; want %d, %q", status, log.String(), want, says)
	}
}
