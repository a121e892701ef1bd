package loop

import (
	"context"
	"time"

	"github.com/castnet-go/castnet/clock"
	"github.com/castnet-go/castnet/socket"
)

// A Scheduler is a network that has its own way of blocking and of running things
// side by side: a lab's host, whose programs are tasks in virtual time.
type Scheduler interface {
	// Park blocks the task that calls it until wake fires or d has passed; if d
	// is negative, until wake fires. An error is for good: the network is
	// closed, or who calls is not a task.
	Park(d time.Duration, wake *socket.Cancel) error
	// Go starts a task, whose context ends with the network.
	Go(name string, task func(ctx context.Context) error)
}

// parking is how a loop waits.
type parking struct {
	loop      *Loop
	scheduler Scheduler
	cancel    socket.Cancel // the scheduler's wake
	wake      chan struct{} // without a scheduler; capacity 1
	timer     *time.Timer   // in the system's time
	alarm     clock.Timer   // in another's
	busy      int           // turns without waiting, with a scheduler
}

func (p *parking) init(l *Loop) {
	p.loop = l
	if s, ok := l.cfg.On.(Scheduler); ok {
		p.scheduler = s
		return
	}
	p.wake = make(chan struct{}, 1)
}

// A state says what is to be done so that the loop sees what others have left.
type state uint8

const (
	awake   state = iota // nothing: it will look before it waits
	waiting              // it is to be woken
	resting              // Config.Wake is to be called
)

// patience is how many turns a loop may make at one instant of a Scheduler's time
// without waiting; then it waits for a moment, or what keeps it busy until some time
// has passed would be busy for ever.
const (
	patience = 64
	moment   = time.Microsecond
)

// park waits until the loop is woken, a socket is ready of which the poller tells, or d
// has passed unless that is negative. It returns how many the poller told of. With a d
// of 0 it lets others run whom the network's scheduler has run at this instant.
func (p *parking) park(d time.Duration) (told int, err error) {
	l := p.loop
	switch {
	case p.scheduler != nil:
		p.cancel.Reset()
		if d != 0 {
			p.busy = 0
		} else if p.busy++; p.busy > patience {
			p.busy, d = 0, moment
		}
	case d == 0 && l.poller == nil:
		return 0, nil
	case d != 0:
		select { // a signal that came when the wait was over
		case <-p.wake:
		default:
		}
	}
	if d != 0 {
		l.mu.Lock()
		if l.stirLocked() {
			d = 0
		} else {
			l.state = waiting
		}
		l.mu.Unlock()
		defer l.setState(awake)
	}
	switch {
	case p.scheduler != nil:
		return 0, p.scheduler.Park(d, &p.cancel)
	case l.poller == nil:
		p.sleep(d)
		return 0, nil
	case d > 0 && l.clock != clock.System:
		p.setAlarm(d)
		defer p.alarm.Stop()
		d = -1
	}
	return l.poller.Poll(l.events[:], d)
}

func (p *parking) setAlarm(d time.Duration) {
	if p.alarm == nil {
		p.alarm = p.loop.clock.AfterFunc(d, p.signal)
	} else {
		p.alarm.Reset(d)
	}
}

// sleep waits without a poller.
func (p *parking) sleep(d time.Duration) {
	switch {
	case d == 0:
	case d < 0:
		<-p.wake
	case p.loop.clock != clock.System:
		p.setAlarm(d)
		<-p.wake
		p.alarm.Stop()
	default:
		if p.timer == nil {
			p.timer = time.NewTimer(d)
		} else {
			p.timer.Reset(d)
		}
		select {
		case <-p.wake:
			p.timer.Stop()
		case <-p.timer.C:
		}
	}
}

// signal ends the wait under way.
func (p *parking) signal() {
	if p.scheduler != nil {
		p.cancel.Fire()
		return
	}
	p.loop.mu.Lock()
	poller := p.loop.poller
	p.loop.mu.Unlock()
	if poller != nil {
		poller.Wake()
		return
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// stirLocked reports whether others have left something to do.
func (l *Loop) stirLocked() bool {
	return len(l.notified) > 0 || len(l.posted) > 0 || len(l.work) > 0 || len(l.asyncs) > 0 || l.stopped.Load()
}

// wakeLocked makes the loop see what was left to do, and unlocks.
func (l *Loop) wakeLocked() {
	was := l.state
	l.state = awake
	l.mu.Unlock()
	switch was {
	case waiting:
		l.parking.signal()
	case resting:
		l.cfg.Wake()
	}
}

func (l *Loop) setState(s state) {
	l.mu.Lock()
	l.state = s
	l.mu.Unlock()
}
