package lab_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/socket"
)

func TestParkEndsByTimeOrWake(t *testing.T) {
	check := func(t *testing.T, realtime bool) {
		l := lab.New(lab.Config{Realtime: realtime})
		defer l.Close()
		h := l.AddHost("h")
		var wake socket.Cancel
		l.Clock().AfterFunc(3*time.Second, wake.Fire)
		h.Go("parker", func(context.Context) error {
			for _, c := range []struct {
				d    time.Duration
				want time.Duration
			}{{time.Second, time.Second}, {0, time.Second}, {time.Hour, 3 * time.Second}, {-1, 3 * time.Second}} {
				if err := h.Park(c.d, &wake); err != nil {
					return err
				}
				if got := l.Elapsed(); got != c.want {
					t.Errorf("Park(%v) ended at %v, want %v", c.d, got, c.want)
				}
			}
			wake.Reset()
			l.Clock().AfterFunc(time.Second, wake.Fire)
			if err := h.Park(-1, &wake); err != nil || l.Elapsed() != 4*time.Second {
				t.Errorf("Park(-1) = %v at %v, want nil at 4s", err, l.Elapsed())
			}
			return nil
		})
		if err := l.RunTasks(time.Hour); err != nil {
			t.Error(err)
		}
	}
	t.Run("virtual", func(t *testing.T) { check(t, false) })
	t.Run("realtime", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { check(t, true) })
	})
}

// TestParkLetsOthersRun: two that park for no time take turns.
func TestParkLetsOthersRun(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	h := l.AddHost("h")
	got := ""
	for _, name := range []string{"a", "b"} {
		h.Go(name, func(context.Context) error {
			for range 3 {
				got += name
				if err := h.Park(0, nil); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := l.RunTasks(0); err != nil || got != "ababab" {
		t.Errorf("ran as %q, %v", got, err)
	}
}

func TestParkEndsWithTheLab(t *testing.T) {
	for _, realtime := range []bool{false, true} {
		l := lab.New(lab.Config{Realtime: realtime})
		h := l.AddHost("h")
		var got error
		var wake socket.Cancel
		parked := make(chan struct{})
		h.Go("parker", func(context.Context) error {
			close(parked)
			got = h.Park(-1, &wake)
			return nil
		})
		if realtime {
			<-parked
		} else if err := l.Run(time.Minute); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if !errors.Is(got, net.ErrClosed) {
			t.Errorf("realtime %v: Park = %v, want socket.ErrClosed", realtime, got)
		}
	}
}

func TestParkIsForTasks(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	if err := l.AddHost("h").Park(0, nil); err == nil {
		t.Error("Park outside of a task returned no error")
	}
}
