package main

import (
	"fmt"
	"time"
)

// pingStats is what became of all questions.
type pingStats struct {
	sent, received, duplicates, errors int
	pending                            int // asked just before the end: neither answered nor lost
	min, max, sum                      time.Duration
}

// add notes an answer that took d.
func (s *pingStats) add(d time.Duration) {
	if s.received == 0 || d < s.min {
		s.min = d
	}
	s.max = max(s.max, d)
	s.sum += d
	s.received++
}

// mean returns the mean time of an answer, 0 if there was none.
func (s *pingStats) mean() time.Duration {
	if s.received == 0 {
		return 0
	}
	return s.sum / time.Duration(s.received)
}

// loss returns the part of the questions that were not answered in time, 0 to 1.
func (s *pingStats) loss() float64 {
	decided := s.sent - s.pending
	if decided == 0 {
		return 0
	}
	return float64(decided-s.received) / float64(decided)
}

type pingSummary struct {
	Event      string  `json:"event"`
	Sent       int     `json:"sent"`
	Received   int     `json:"received"`
	Duplicates int     `json:"duplicates"`
	Errors     int     `json:"errors"`
	Pending    int     `json:"pending"` // asked just before the end
	Loss       float64 `json:"loss"`    // 0 to 1
	Min        float64 `json:"min_ms"`
	Mean       float64 `json:"avg_ms"`
	Max        float64 `json:"max_ms"`
}

func (p *pinger) summarize() error {
	s := &p.stats
	line := fmt.Sprintf("%s: %d sent, %d answered, %.3g%% lost", p.target, s.sent, s.received, 100*s.loss())
	if s.errors > 0 {
		line += fmt.Sprintf(", %s", plural(s.errors, "error"))
	}
	if s.duplicates > 0 {
		line += fmt.Sprintf(", %s", plural(s.duplicates, "duplicate"))
	}
	if s.pending > 0 {
		line += fmt.Sprintf(", %d pending", s.pending)
	}
	if s.received > 0 {
		line += fmt.Sprintf("; min/avg/max %v/%v/%v", short(s.min), short(s.mean()), short(s.max))
	}
	p.out.say(pingSummary{"summary", s.sent, s.received, s.duplicates, s.errors, s.pending, s.loss(), ms(s.min), ms(s.mean()), ms(s.max)}, line)
	if s.received == 0 {
		return errNothing
	}
	return p.out.err
}

// ms returns a duration in milliseconds.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// short returns a duration in three digits: 123µs, 1.23ms, 12.3s.
func short(d time.Duration) time.Duration {
	unit := time.Nanosecond
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}
