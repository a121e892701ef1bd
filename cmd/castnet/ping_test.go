package main

import (
	"io"
	"syscall"
	"testing"
	"time"
)

func TestPingStats(t *testing.T) {
	var s pingStats
	if s.loss() != 0 || s.mean() != 0 {
		t.Errorf("nothing sent: loss %v, mean %v", s.loss(), s.mean())
	}
	s.sent = 4
	for _, d := range []time.Duration{3, 1, 5} {
		s.add(d * time.Millisecond)
	}
	if s.min != time.Millisecond || s.max != 5*time.Millisecond || s.mean() != 3*time.Millisecond || s.loss() != 0.25 {
		t.Errorf("got %+v, mean %v, loss %v", s, s.mean(), s.loss())
	}
	s.pending = 1
	if s.loss() != 0 {
		t.Errorf("the question that was pending is counted as lost: %v", s.loss())
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:             "0s",
		123:           "123ns",
		1234:          "1.23µs",
		123456:        "123µs",
		1234567:       "1.23ms",
		12345678901:   "12.3s",
		123 * 1000000: "123ms",
	} {
		if got := short(d).String(); got != want {
			t.Errorf("short(%d) = %s, want %s", d, got, want)
		}
	}
}

// A script of answers, by the rules that take has for each.
func TestPingTakesAnswers(t *testing.T) {
	p := &pinger{out: newOutput(io.Discard, false), timeout: time.Second, next: 65534}
	a := silent{}
	for range 4 { // 65534, 65535, 0, 1
		if err := p.askOnce(a); err != nil {
			t.Fatal(err)
		}
	}
	answers := func(ans answer) {
		ans.at, ans.known = time.Now(), true
		if err := p.take(ans); err != nil {
			t.Fatal(err)
		}
	}
	answers(answer{sequence: 0})
	answers(answer{sequence: 0}) // a duplicate
	answers(answer{sequence: 2}) // never asked
	answers(answer{sequence: 65534, wrong: true})
	if got := len(p.waiting); got != 3 {
		t.Errorf("%d questions wait, want 3: 65535, 0 (answered), 1", got)
	}
	p.take(answer{err: syscall.ECONNREFUSED}) // about the oldest, 65535
	if got := len(p.waiting); got != 1 {
		t.Errorf("%d questions wait, want 1", got)
	}
	p.expire(time.Now().Add(2 * time.Second))
	if len(p.waiting) != 0 {
		t.Error("a question was not given up")
	}
	answers(answer{sequence: 1}) // too late
	want := pingStats{sent: 4, received: 1, duplicates: 3, errors: 2}
	got := p.stats
	got.min, got.max, got.sum = 0, 0, 0
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := p.take(answer{err: syscall.EBADF}); err == nil {
		t.Error("an error that is not about a question did not end it")
	}
}

type silent struct{}

func (silent) ask(uint16) error { return nil }
func (silent) close()           {}
