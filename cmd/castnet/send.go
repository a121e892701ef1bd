package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
)

// maxPayload is the longest payload of a UDP datagram over IPv4, in bytes.
const maxPayload = 65507

func newSend() *cobra.Command {
	s := &sender{}
	cmd := &cobra.Command{
		Use:   "send ADDR [PAYLOAD…]",
		Short: "Send datagrams, and show what is answered",
		Long: `Send sends the payload, its words joined by spaces, as one datagram to ADDR,
host:port. Without a payload it sends standard input: all of it as one
datagram, or a datagram a line with --lines or at a terminal.

With --wait it shows what is answered, and fails if nothing is. It also fails if
a datagram is known not to have left, or the host answers that nobody listens.`,
		Example: `  castnet send 127.0.0.1:7000 hello
  castnet send 127.0.0.1:7007 hello --wait 1s          and show the answers
  castnet send 127.0.0.1:7000 --count 10 --interval 100ms --size 1400
  castnet send 255.255.255.255:7007 anybody --wait 1s  broadcast
  castnet send 127.0.0.1:7000 <file
  castnet send 10.0.0.1:7000 hello --on tap,addr=10.0.0.2/24,host=10.0.0.1/24`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.checkFlags(cmd); err != nil {
				return err
			}
			return s.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	s.payloadFlags(cmd)
	f.DurationVarP(&s.wait, "wait", "w", 0, "wait so long for answers after the last datagram, such as 1s")
	f.StringVarP(&s.iface, "interface", "i", "", "send by this interface only")
	s.common.addFlags(cmd)
	return cmd
}

// A sender is the command send.
type sender struct {
	common
	count     int
	interval  time.Duration
	size      int // -1: as long as the payload is
	wait      time.Duration
	lines     bool
	hex       bool
	quiet     bool
	iface     string
	connected bool
	peer      netip.AddrPort

	out     *output
	place   *place
	conn    *castnet.Conn
	order   sync.Mutex // held while sending and telling of it, so that no answer is told of before
	sent    int
	bytes   int
	refused atomic.Int64

	answers  receiver      // used by the goroutine that receives them
	replies  atomic.Int64  // how many there were
	progress chan struct{} // has an item after a reply or a refusal
	done     chan error    // what receiving ended with
}

// payloadFlags adds the flags of all commands that send payloads.
func (s *sender) payloadFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVarP(&s.count, "count", "c", 1, "send each payload so many times")
	f.DurationVarP(&s.interval, "interval", "n", time.Second, "pause between datagrams; 0: none")
	f.IntVarP(&s.size, "size", "s", 0, "cut or repeat payloads to so many bytes (default: as they are)")
	f.BoolVar(&s.lines, "lines", false, "send each line of standard input as a datagram")
	f.BoolVar(&s.hex, "hex", false, "the payload is in hexadecimal")
	f.BoolVarP(&s.quiet, "quiet", "q", false, "print the summary only")
}

// checkFlags takes note of whether the payloads' size was given.
func (s *sender) checkFlags(cmd *cobra.Command) error {
	switch {
	case !cmd.Flags().Changed("size"):
		s.size = -1
	case s.size < 0:
		return errors.New("--size cannot be negative")
	}
	return nil
}

func (s *sender) run(ctx context.Context, args []string) error {
	address, err := peerAddress(args[0])
	if err != nil {
		return err
	}
	switch {
	case s.count < 1:
		return errors.New("--count must be at least 1")
	case s.interval < 0 || s.wait < 0:
		return errors.New("--interval and --wait cannot be negative")
	case s.size > maxPayload:
		return fmt.Errorf("--size %d is more than a datagram can carry, %d bytes", s.size, maxPayload)
	case s.lines && len(args) > 1:
		return errors.New("--lines is about standard input, and there is a payload")
	}
	next, err := s.payloads(ctx, args[1:])
	if err != nil {
		return err
	}
	if s.place, err = s.common.open(ctx); err != nil {
		return fail(err)
	}
	defer s.place.Close()
	s.out = newOutput(os.Stdout, s.json)
	if err := s.dial(ctx, address); err != nil {
		return fail(err)
	}
	defer s.conn.Close()

	s.receiveAnswers(ctx)
	err = s.sendAll(ctx, next, s.send)
	if err == nil {
		s.settle(ctx)
	}
	s.conn.SetReadDeadline(time.Unix(1, 0))
	if e := <-s.done; err == nil {
		err = e
	}
	if e := s.summarize(); err == nil {
		err = e
	}
	return fail(err)
}

// fit returns the payload in the size that was asked for.
func (s *sender) fit(p []byte) []byte {
	if s.size < 0 || s.size == len(p) {
		return p
	}
	if s.size < len(p) {
		return p[:s.size]
	}
	if len(p) == 0 {
		p = []byte("0123456789abcdef")
	}
	b := make([]byte, 0, s.size+len(p))
	for len(b) < s.size {
		b = append(b, p...)
	}
	return b[:s.size]
}

// dial opens the Conn: connected, so that a refusal is heard, unless several
// hosts may answer.
func (s *sender) dial(ctx context.Context, address string) error {
	cfg := castnet.Config{On: s.place.Network, Interface: s.iface}
	conn, err := cfg.Dial(ctx, "udp", address)
	if err != nil {
		return err
	}
	s.peer = conn.RemoteAddr().(*net.UDPAddr).AddrPort()
	s.conn, s.connected = conn, true
	if s.place.toMany(plain(s.peer).Addr()) {
		conn.Close()
		network := "udp4"
		if plain(s.peer).Addr().Is6() {
			network = "udp6"
		}
		if s.conn, err = cfg.Listen(ctx, network, ":0"); err != nil {
			return err
		}
		s.connected = false
	}
	reportAll(s.conn)
	return nil
}

// receiveAnswers starts to show what comes back.
func (s *sender) receiveAnswers(ctx context.Context) {
	flags := &receiveFlags{quiet: s.quiet}
	s.answers = receiver{flags: flags, out: s.out, place: s.place, conn: s.conn, local: localAddr(s.conn)}
	ms := make([]castnet.Message, 1)
	ms[0].Buf = make([]byte, 65535)
	s.progress, s.done = make(chan struct{}, 1), make(chan error, 1)
	interruptible(ctx, s.conn)
	go func() {
		for {
			_, err := s.conn.ReadBatch(ms)
			switch {
			case err == nil:
				s.answers.tally.add(&ms[0])
				s.order.Lock()
				s.answers.show("reply", &ms[0])
				s.order.Unlock()
				s.replies.Add(1)
				s.advance()
				continue
			case errors.Is(err, syscall.ECONNREFUSED):
				s.order.Lock()
				s.refusedBy()
				s.order.Unlock()
				continue
			case timedOut(err):
				err = nil
			}
			s.done <- err
			return
		}
	}()
}

// advance tells settle that something came back.
func (s *sender) advance() {
	select {
	case s.progress <- struct{}{}:
	default:
	}
}

func (s *sender) refusedBy() {
	s.refused.Add(1)
	defer s.advance()
	peer := plain(s.peer)
	s.out.say(peerEvent{"refused", peer, brief(syscall.ECONNREFUSED)},
		s.out.paint(red, fmt.Sprintf("refused: %v says that nobody listens there", peer)))
}

type sentEvent struct {
	Event string         `json:"event"`
	Time  time.Time      `json:"time"`
	Local netip.AddrPort `json:"local"`
	Peer  netip.AddrPort `json:"peer"`
	Size  int            `json:"size"`
}

// sendAll sends each payload as often and as far apart as the flags say. That time runs
// out while it sends is no failure.
func (s *sender) sendAll(ctx context.Context, next source, send func(p []byte) error) error {
	first := true
	for {
		p, err := next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		p = s.fit(p)
		for range s.count {
			if !first && !sleep(ctx, s.interval) {
				return nil
			}
			first = false
			if err := send(p); err != nil {
				if timedOut(err) && ctx.Err() != nil {
					return nil
				}
				return err
			}
		}
	}
}

// send sends one datagram. A refusal of an earlier one is not its failure.
func (s *sender) send(p []byte) error {
	m := [1]castnet.Message{{Buf: p}}
	if !s.connected {
		m[0].Addr = s.peer
	}
	s.order.Lock()
	defer s.order.Unlock()
	_, err := s.conn.WriteBatch(m[:])
	if errors.Is(err, syscall.ECONNREFUSED) {
		s.refusedBy()
		_, err = s.conn.WriteBatch(m[:])
	}
	if err != nil {
		return err
	}
	s.sent++
	s.bytes += len(p)
	if !s.quiet {
		e := sentEvent{"sent", time.Now(), localAddr(s.conn), plain(s.peer), len(p)}
		s.out.say(e, fmt.Sprintf("%s %v > %s %d B %s", s.out.paint(dim, e.Time.Format("15:04:05.000000")),
			e.Local, s.out.paint(cyan, e.Peer.String()), e.Size, preview(p)))
	}
	return nil
}

// sleep waits and reports whether it was not interrupted.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

const (
	// refusalTime is how long send waits for a refusal when it is not to
	// wait for answers: on this machine and its LAN it comes at once.
	refusalTime = 20 * time.Millisecond
	// leavingTime is how long a datagram may wait for its next hop's
	// address before the network gives it up: three probes, a second apart.
	leavingTime = 4 * time.Second
)

// settle waits until what was sent has left this machine, and then for answers.
func (s *sender) settle(ctx context.Context) {
	if !leave(ctx, s.conn) {
		return
	}
	over := time.NewTimer(max(s.wait, refusalTime))
	defer over.Stop()
	for s.wait == 0 || !s.allAnswered() {
		select {
		case <-s.progress:
		case <-over.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// leave waits until what was sent has left this machine, or been given up, and reports
// whether it was not interrupted.
func leave(ctx context.Context, c *castnet.Conn) bool {
	for end := time.Now().Add(leavingTime); c.Stats().SendQueued > 0 && time.Now().Before(end); {
		if !sleep(ctx, time.Millisecond) {
			return false
		}
	}
	return true
}

// allAnswered reports whether no more answers are likely: there is only one to
// answer, and each datagram was answered or refused.
func (s *sender) allAnswered() bool {
	return s.connected && s.replies.Load()+s.refused.Load() >= int64(s.sent)
}

type sendSummary struct {
	Event   string                 `json:"event"`
	Sent    int                    `json:"sent"`
	Bytes   int                    `json:"bytes"`
	Replies uint64                 `json:"replies"`
	Refused int64                  `json:"refused"`
	Dropped map[drop.Reason]uint64 `json:"dropped"`
}

func (s *sender) summarize() error {
	e := sendSummary{"summary", s.sent, s.bytes, s.answers.tally.datagrams, s.refused.Load(), dropped(s.conn)}
	line := fmt.Sprintf("sent %s, %d B, to %v", plural(e.Sent, "datagram"), e.Bytes, plain(s.peer))
	if s.wait > 0 || e.Replies > 0 {
		line += fmt.Sprintf("; %d answered", e.Replies)
	}
	if e.Refused > 0 {
		line += fmt.Sprintf("; %d refused", e.Refused)
	}
	if len(e.Dropped) > 0 {
		line += "; dropped: " + describeDropped(e.Dropped)
	}
	s.out.say(e, line)
	if e.Sent == 0 || e.Refused > 0 || len(e.Dropped) > 0 || s.wait > 0 && e.Replies == 0 {
		return errNothing
	}
	return s.out.err
}
