package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func newPing() *cobra.Command {
	p := &pinger{}
	cmd := &cobra.Command{
		Use:   "ping ADDR[:PORT]",
		Short: "Ask an echo server, and time the answers",
		Long: `Ping sends a datagram to the echo server at ADDR:PORT, again and again, and says
how long each answer took. Without a port it sends ICMP echo requests instead.`,
		Example: `  castnet ping 127.0.0.1:7007
  castnet ping 127.0.0.1:7007 --count 1000 --interval 1ms --quiet
  castnet ping 127.0.0.1                                               by ICMP
  castnet ping 10.0.0.1 --on tap,addr=10.0.0.2/24,host=10.0.0.1/24
  castnet ping 10.0.0.1:7 --on tap,addr=10.0.0.2/24,host=10.0.0.1/24`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.run(cmd.Context(), args[0]) },
	}
	f := cmd.Flags()
	f.IntVarP(&p.count, "count", "c", 0, "ask so many times; 0: until Ctrl-C")
	f.DurationVarP(&p.interval, "interval", "n", time.Second, "pause between questions")
	f.DurationVarP(&p.timeout, "timeout", "t", time.Second, "wait so long for each answer")
	f.IntVarP(&p.size, "size", "s", 56, "payload, in bytes")
	f.BoolVarP(&p.quiet, "quiet", "q", false, "print the summary only")
	p.common.addFlags(cmd)
	return cmd
}

// A pinger is the command ping.
type pinger struct {
	common
	count             int
	interval, timeout time.Duration
	size              int
	quiet             bool

	out    *output
	target string
	stats  pingStats

	// The questions that are not answered yet, oldest first; sequence
	// numbers are those of the protocol, modulo 65536.
	waiting []question
	next    uint16
}

type question struct {
	sequence uint16
	at       time.Time
	answered bool
}

// An asker asks questions by one protocol and hands what comes back to answers.
type asker interface {
	// ask sends question number sequence, whose payload it makes itself.
	ask(sequence uint16) error
	close()
}

// An answer is what came back for a question.
type answer struct {
	at       time.Time
	from     string
	sequence uint16
	known    bool // the sequence is known
	size     int
	ttl      uint8
	wrong    bool  // the payload is not what was sent
	err      error // instead of an answer
}

func (p *pinger) run(ctx context.Context, target string) error {
	switch {
	case p.count < 0:
		return errors.New("--count cannot be negative")
	case p.interval <= 0 || p.timeout <= 0:
		return errors.New("--interval and --timeout must be more than 0")
	case p.size < minPing || p.size > maxPayload:
		return fmt.Errorf("--size must be from %d to %d bytes", minPing, maxPayload)
	}
	byICMP := isHost(target)
	if !byICMP {
		if _, err := peerAddress(target); err != nil {
			return err
		}
	}
	place, err := p.common.open(ctx)
	if err != nil {
		return fail(err)
	}
	defer place.Close()
	p.out = newOutput(os.Stdout, p.json)
	p.next = 1

	answers := make(chan answer, 256)
	var a asker
	if byICMP {
		a, p.target, err = newICMPAsker(ctx, place, target, p.size, answers)
	} else {
		a, p.target, err = newUDPAsker(ctx, place, target, p.size, answers)
	}
	if err != nil {
		return fail(err)
	}
	p.out.say(pingEvent{"ping", place.kind, p.target, p.size},
		fmt.Sprintf("ping %s%s: %d bytes", p.target, onNetwork(place.kind), p.size))
	err = p.ask(ctx, a, answers)
	a.close()
	if err != nil {
		return fail(err)
	}
	for _, q := range p.waiting {
		if !q.answered {
			p.stats.pending++
		}
	}
	return fail(p.summarize())
}

// isHost reports whether the target has no port.
func isHost(target string) bool {
	if _, err := netip.ParseAddr(strings.Trim(target, "[]")); err == nil {
		return true
	}
	return target != "" && !strings.Contains(target, ":")
}

// ask asks until enough is asked and answered, or the context ends.
func (p *pinger) ask(ctx context.Context, a asker, answers <-chan answer) error {
	turn := time.NewTicker(p.interval)
	defer turn.Stop()
	expiry := time.NewTimer(time.Hour)
	defer expiry.Stop()
	if err := p.askOnce(a); err != nil {
		return err
	}
	for {
		done := p.count > 0 && p.stats.sent >= p.count
		if done && len(p.waiting) == 0 {
			return nil
		}
		if len(p.waiting) > 0 {
			expiry.Reset(time.Until(p.waiting[0].at.Add(p.timeout)))
		}
		tick := turn.C
		if done {
			tick = nil
		}
		select {
		case <-tick:
			if err := p.askOnce(a); err != nil {
				return err
			}
		case ans := <-answers:
			if err := p.take(ans); err != nil {
				return err
			}
		case <-expiry.C:
			p.expire(time.Now())
		case <-ctx.Done():
			return nil
		}
		if p.out.err != nil {
			return p.out.err
		}
	}
}

// maxWaiting bounds the questions that wait for an answer.
const maxWaiting = 1 << 15

// askOnce asks one question. That the network refuses it is an answer, too.
func (p *pinger) askOnce(a asker) error {
	if len(p.waiting) >= maxWaiting {
		p.expireFirst()
	}
	q := question{sequence: p.next, at: time.Now()}
	p.next++
	err := a.ask(q.sequence)
	if errors.Is(err, syscall.ECONNREFUSED) && len(p.waiting) > 0 {
		// The refusal is an earlier question's: telling of it is all that
		// this call has done.
		if err := p.take(answer{at: q.at, err: err}); err != nil {
			return err
		}
		err = a.ask(q.sequence)
	}
	p.stats.sent++
	p.waiting = append(p.waiting, q)
	if err != nil {
		return p.take(answer{at: time.Now(), sequence: q.sequence, known: true, err: err})
	}
	return nil
}

// take notes an answer and prints it.
func (p *pinger) take(ans answer) error {
	if ans.err != nil && isFatal(ans.err) {
		return ans.err
	}
	if !ans.known {
		// An error on the socket is about some question that waits;
		// the oldest is as good a guess as any.
		if len(p.waiting) == 0 {
			return nil
		}
		ans.sequence = p.waiting[0].sequence
	}
	i := p.find(ans.sequence)
	switch {
	case i < 0 || p.waiting[i].answered:
		if ans.err == nil {
			p.stats.duplicates++
			p.say(replyEvent{Event: "duplicate", Sequence: ans.sequence, Peer: ans.from, Size: ans.size, TTL: ans.ttl},
				fmt.Sprintf("answer %d from %s: once more, or too late", ans.sequence, ans.from), red)
		}
		return nil
	case ans.err != nil:
		p.stats.errors++
		p.say(replyEvent{Event: "error", Sequence: ans.sequence, Peer: p.target, Error: brief(ans.err)},
			fmt.Sprintf("question %d: %s", ans.sequence, brief(ans.err)), red)
	case ans.wrong:
		p.stats.errors++
		p.say(replyEvent{Event: "error", Sequence: ans.sequence, Peer: ans.from, Size: ans.size, Error: "the payload came back changed"},
			fmt.Sprintf("answer %d from %s: the payload came back changed", ans.sequence, ans.from), red)
	default:
		took := ans.at.Sub(p.waiting[i].at)
		p.stats.add(took)
		p.say(replyEvent{Event: "reply", Sequence: ans.sequence, Peer: ans.from, Size: ans.size, TTL: ans.ttl, Milliseconds: ms(took)},
			fmt.Sprintf("answer %d from %s: %d B%s, %v", ans.sequence, p.out.paint(cyan, ans.from), ans.size, ttlOf(ans), short(took)), "")
	}
	p.waiting[i].answered = true
	for len(p.waiting) > 0 && p.waiting[0].answered {
		p.waiting = p.waiting[1:]
	}
	return nil
}

// ttlOf returns ", TTL 64", or nothing if the network did not say.
func ttlOf(ans answer) string {
	if ans.ttl == 0 {
		return ""
	}
	return fmt.Sprintf(", TTL %d", ans.ttl)
}

// find returns the index of a question that waits, or -1.
func (p *pinger) find(sequence uint16) int {
	if len(p.waiting) == 0 {
		return -1
	}
	// They are numbered without gaps.
	if i := int(sequence - p.waiting[0].sequence); i < len(p.waiting) {
		return i
	}
	return -1
}

// expire gives up the questions that have waited too long.
func (p *pinger) expire(now time.Time) {
	for len(p.waiting) > 0 && (p.waiting[0].answered || !now.Before(p.waiting[0].at.Add(p.timeout))) {
		p.expireFirst()
	}
}

func (p *pinger) expireFirst() {
	if q := p.waiting[0]; !q.answered {
		p.say(replyEvent{Event: "timeout", Sequence: q.sequence, Peer: p.target},
			fmt.Sprintf("question %d: no answer within %v", q.sequence, p.timeout), red)
	}
	p.waiting = p.waiting[1:]
}

func (p *pinger) say(e replyEvent, line, colour string) {
	if p.quiet {
		return
	}
	if colour != "" {
		line = p.out.paint(colour, line)
	}
	p.out.say(e, line)
}

type pingEvent struct {
	Event   string `json:"event"`
	Network string `json:"network"`
	Target  string `json:"target"`
	Size    int    `json:"size"`
}

// A replyEvent is what became of one question: event "reply", "duplicate",
// "timeout" or "error".
type replyEvent struct {
	Event        string  `json:"event"`
	Sequence     uint16  `json:"sequence"`
	Peer         string  `json:"peer"`
	Size         int     `json:"size"`
	TTL          uint8   `json:"ttl"`
	Milliseconds float64 `json:"ms"`
	Error        string  `json:"error,omitempty"`
}
