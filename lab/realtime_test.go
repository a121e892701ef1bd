package lab_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/packet"
)

// TestRealtime exchanges datagrams between goroutines, some of which are tasks,
// while the lab is run by another.
func TestRealtime(t *testing.T) {
	l := lab.New(lab.Config{Realtime: true})
	lan := l.AddSwitch("lan")
	h1, h2 := l.AddHost("h1"), l.AddHost("h2")
	attach(t, h1, lan, "10.0.0.1/24", lab.Faults{Delay: time.Millisecond})
	attach(t, h2, lan, "10.0.0.2/24", lab.Faults{Rate: 100_000_000})
	echo(h2, ":7")
	ran := make(chan error, 1)
	go func() { ran <- l.Run(time.Hour) }()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			c, err := dial(context.Background(), h1, "h2:7")
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			buf := make([]byte, 10)
			for range 20 {
				c.SetReadDeadline(time.Now().Add(10 * time.Second))
				start := time.Now()
				c.Write([]byte("hello"))
				if n, err := c.Read(buf); err != nil || string(buf[:n]) != "hello" {
					t.Errorf("Read = %q, %v", buf[:n], err)
				}
				if d := time.Since(start); d < time.Millisecond {
					t.Errorf("an answer over a link of 1ms came after %v", d)
				}
			}
		})
	}
	wg.Wait()
	checkLedger(t, l)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ran; err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("Run = %v", err)
	}
	checkLedger(t, l)
	if n := packet.Live(); n != 0 {
		t.Errorf("%d buffers are left", n)
	}
}

// TestRealtimeTakesItsTime: Run ends after its time and not before, and with
// RunTasks as soon as the tasks have.
func TestRealtimeTakesItsTime(t *testing.T) {
	l := lab.New(lab.Config{Realtime: true})
	defer l.Close()
	h := l.AddHost("h")
	boom := errors.New("boom")
	h.Go("sleep", func(ctx context.Context) error {
		if err := h.Sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
		return boom
	})
	start := time.Now()
	if err := l.RunTasks(time.Hour); !errors.Is(err, boom) {
		t.Errorf("RunTasks = %v", err)
	}
	if d := time.Since(start); d < 20*time.Millisecond || d > 10*time.Second {
		t.Errorf("RunTasks took %v", d)
	}
	start = time.Now()
	called := make(chan time.Duration, 1)
	l.Clock().AfterFunc(10*time.Millisecond, func() { called <- time.Since(start) })
	must(t, l.Run(30*time.Millisecond))
	if d := time.Since(start); d < 30*time.Millisecond {
		t.Errorf("Run took %v", d)
	}
	if d := <-called; d < 10*time.Millisecond {
		t.Errorf("a timer of 10ms was called after %v", d)
	}
	// A deadline by the lab's clock, which is the wall's.
	c, err := listen(context.Background(), h, "127.0.0.1:7")
	must(t, err)
	c.SetReadDeadline(h.Clock().Now().Add(5 * time.Millisecond))
	go l.Run(time.Hour)
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read = %v", err)
	}
}
