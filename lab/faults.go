package lab

import (
	"fmt"
	"time"
)

// Faults are what one direction of a link does to frames, in the words of
// Linux's tc-netem. The zero Faults do nothing: frames arrive at the instant at
// which they are sent, in order.
//
// A frame meets them in this order:
//
//  1. Duplicate: with this probability there are two frames from here on, each
//     with draws of its own.
//  2. Loss: with this probability one of them is lost (drop LinkLoss). As with
//     netem, a frame that is duplicated and lost arrives once.
//  3. Limit: if so many frames of this direction are under way, the frame is
//     refused, or if it is past its sender, dropped (LinkQueueFull).
//  4. Corrupt: with this probability one random bit of the frame, its headers
//     included, is flipped. There is no frame check sequence that would notice;
//     checksums may.
//  5. Reorder: with this probability the frame waits for nothing that follows:
//     it is sent at once, ahead of all that are under way.
//  6. Rate: the frame waits until those before it have been sent, and is then
//     sent at so many bits a second. Its Ethernet header counts; preamble, frame
//     check sequence and gap do not.
//  7. Delay and Jitter: it arrives after a time from Delay-Jitter to
//     Delay+Jitter, uniformly drawn and never negative. Jitter therefore lets
//     frames overtake each other.
//
// It differs from netem in one point: netem delays first and sends at the rate
// then, which keeps the order of frames whatever the jitter.
//
// While a frame waits to be sent (Rate), it is charged to the send buffer of its
// socket; on the wire (Delay) it is not.
type Faults struct {
	Delay     time.Duration // on the wire
	Jitter    time.Duration // to add or subtract at most
	Loss      float64       // 0..1
	Duplicate float64       // 0..1
	Reorder   float64       // 0..1; something must be able to wait: Delay, Jitter or Rate
	Corrupt   float64       // 0..1
	Rate      int64         // bits a second; zero: no limit
	Limit     int           // frames under way, waiting or on the wire; zero: 1000
}

// defaultLimit is netem's.
const defaultLimit = 1000

// maxFaultTime bounds delay and jitter, so that sums do not overflow.
const maxFaultTime = 1000 * time.Hour

// Validate says what is wrong with the faults; nil: nothing.
func (f Faults) Validate() error {
	for _, p := range [...]struct {
		name  string
		value float64
	}{{"loss", f.Loss}, {"duplicate", f.Duplicate}, {"reorder", f.Reorder}, {"corrupt", f.Corrupt}} {
		if !(p.value >= 0 && p.value <= 1) { // not a number is neither
			return fmt.Errorf("%s is %v; a probability is from 0 to 1", p.name, p.value)
		}
	}
	for _, d := range [...]struct {
		name  string
		value time.Duration
	}{{"delay", f.Delay}, {"jitter", f.Jitter}} {
		if d.value < 0 || d.value > maxFaultTime {
			return fmt.Errorf("%s is %v; it can be from 0 to %v", d.name, d.value, maxFaultTime)
		}
	}
	switch {
	case f.Rate < 0:
		return fmt.Errorf("rate is %d bits a second; it cannot be negative", f.Rate)
	case f.Limit < 0:
		return fmt.Errorf("limit is %d frames; it cannot be negative", f.Limit)
	case f.Reorder > 0 && f.Delay == 0 && f.Jitter == 0 && f.Rate == 0:
		return fmt.Errorf("reorder is %v, but without delay, jitter or rate no frame waits that another could overtake", f.Reorder)
	}
	return nil
}

// limit returns how many frames may be under way.
func (f *Faults) limit() int {
	if f.Limit == 0 {
		return defaultLimit
	}
	return f.Limit
}

// transmission returns how long a frame of n bytes takes to send. It is at least
// a nanosecond, so that frames sent at a rate keep their order.
func (f *Faults) transmission(n int) int64 {
	if f.Rate == 0 {
		return 0
	}
	t := (int64(n)*8e9 + f.Rate - 1) / f.Rate
	return min(t, int64(maxFaultTime))
}
