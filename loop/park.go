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
	// Realtime reports whether time passes by itself. Else what a
	// loop does takes some of it: see Config.CallbackTime.
	Realtime() bool
}

// parking is how a loop waits.
type parking struct {
	loop      *Loop
	scheduler Scheduler
	cancel    socket.Cancel // the scheduler's wake
	wake      chan struct{} // without a scheduler; capacity 1
	timer     *time.Timer   // in the system's time
	alarm     clock.Timer   // in another's
	cost      time.Duration // of a callback in virtual time; 0: none
	debt      time.Duration // of callbacks that have not taken their time yet
	paid      time.Time     // when the debt was counted
}

func (p *parking) init(l *Loop) {
	p.loop = l
	if s, ok := l.cfg.On.(Scheduler); ok {
		p.scheduler = s
		if !s.Realtime() {
			p.cost = max(l.cfg.CallbackTime, 0)
		}
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

// ahead is how many callbacks there may be before they take any of a virtual time: what
// happens at one instant, within reason, happens at that instant.
const ahead = 64 * Turn

// owed returns how long a loop in virtual time has to be still before it goes on, for
// what it has done to have taken its time. What it was idle for counts.
func (p *parking) owed() time.Duration {
	if p.cost == 0 {
		return 0
	}
	now := p.loop.clock.Now()
	work := time.Duration(max(p.loop.spent, 1)) // a turn without callbacks is work too
	p.loop.spent = 0
	p.debt = max(p.debt-now.Sub(p.paid), 0) + min(work, maxWork)*p.cost
	p.paid = now
	return max(p.debt-ahead*p.cost, 0)
}

// maxWork bounds what one turn is charged for.
const maxWork = 1 << 20

// park waits until the loop is woken, a socket is ready of which the poller tells, or d
// has passed unless that is negative. It returns how many the poller told of. With a d
// of 0 it lets others run whom the network's scheduler has run at this instant.
func (p *parking) park(d time.Duration) (told int, err error) {
	l := p.loop
	switch {
	case p.scheduler != nil:
		p.cancel.Reset()
		if owed := p.owed(); owed > 0 {
			// Whatever happens meanwhile: the loop is at work.
			if err := p.scheduler.Park(owed, nil); err != nil || d == 0 {
				return 0, err
			}
			if d > 0 {
				d = max(d-owed, 0)
			}
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
