package dgram_test

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// program runs a conversation of four hosts over lossy links, each with a loop and sockets
// of its own: names are looked up, groups joined, timers and immediates used, everything
// that an event program does. It returns the lab's fingerprint and what was heard.
func program(t *testing.T, seed uint64) (fingerprint uint64, heard string) {
	t.Helper()
	l := lab.New(lab.Config{Seed: seed})
	defer l.Close()
	lan := l.AddSwitch("lan")
	var log strings.Builder
	const count = 4
	for i := range count {
		h := l.AddHost(fmt.Sprint("h", i))
		if _, err := h.Attach(lan, lab.LinkConfig{
			Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)},
			Faults:    lab.Faults{Delay: time.Millisecond, Jitter: time.Millisecond, Loss: 0.1, Duplicate: 0.05, Reorder: 0.1},
		}); err != nil {
			t.Fatal(err)
		}
		h.Go("program", func(context.Context) error {
			lp := loop.New(loop.Config{On: h})
			s, err := dgram.CreateSocket(dgram.Options{Type: "udp4", Loop: lp, Report: socket.FieldTTL | socket.FieldLocal, ReuseAddr: true})
			if err != nil {
				return err
			}
			s.OnMessage(func(msg []byte, from *dgram.RemoteInfo) {
				fmt.Fprintf(&log, "%v %d %s %v;", l.Elapsed(), i, msg, from.Local)
				if len(msg) < 6 && h.Rand().IntN(2) == 0 {
					_ = s.Send(append([]byte("re:"), msg...), from.Port(), from.Address(), nil)
				}
			})
			if err := s.Bind(7000, "", nil); err != nil {
				return err
			}
			s.OnListening(func() {
				if _, err := s.AddMembershipAll("239.1.2.3"); err != nil {
					t.Error(err)
				}
				if err := s.SetMulticastInterface("eth0"); err != nil {
					t.Error(err)
				}
			})
			n := 0
			tick := lp.NewTimer()
			_ = tick.Start(time.Duration(i)*time.Millisecond, 7*time.Millisecond, func() {
				n++
				_ = s.Send(fmt.Append(nil, n), 7000, fmt.Sprint("h", h.Rand().IntN(count)), func(int, error) {
					lp.SetImmediate(func() { _ = s.Send([]byte("i"), 7000, "239.1.2.3", nil) })
				})
				if n == 12 {
					_ = tick.Close(nil)
					_ = s.Close(nil)
				}
			})
			return lp.Run()
		})
	}
	if err := l.RunTasks(time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := l.CheckLedger(); err != nil {
		t.Error(err)
	}
	return l.Fingerprint(), log.String()
}

// TestSameSeedSameFingerprint, on one processor and on two.
func TestSameSeedSameFingerprint(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	want, wantLog := program(t, 1)
	if !strings.Contains(wantLog, "re:") || !strings.Contains(wantLog, "239.1.2.3") {
		t.Errorf("the program did not do what it should: %.200s", wantLog)
	}
	for run := range 4 {
		runtime.GOMAXPROCS(run%2 + 1)
		if got, log := program(t, 1); got != want || log != wantLog {
			t.Errorf("run %d: fingerprint %x, want %x; the same was heard: %v", run, got, want, log == wantLog)
		}
	}
	if got, log := program(t, 2); got == want || log == wantLog {
		t.Error("another seed makes no difference")
	}
}
