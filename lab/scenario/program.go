package scenario

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/socket"
)

// service is what echo and listen have in common.
type service struct {
	Name    *string  `yaml:"name"`
	Port    port     `yaml:"port,required"`
	Address *address `yaml:"address"`
	Buffer  int      `yaml:"buffer"`
	At      span     `yaml:"at"`
	Until   *span    `yaml:"until"`

	Join         joins `yaml:"join,max=100"`
	Reuse        bool  `yaml:"reuse"`
	MulticastAll *bool `yaml:"multicast_all"`
}

// echo answers each datagram with itself.
type echo struct {
	service
	Delay span `yaml:"delay"`
}

// listen reads datagrams.
type listen struct {
	service
	Pause span `yaml:"pause"`
	Count int  `yaml:"count"`
}

// send sends datagrams and waits for answers.
type send struct {
	Name    *string  `yaml:"name"`
	To      target   `yaml:"to,required"`
	Family  *family  `yaml:"family"`
	From    *source  `yaml:"from"`
	Connect bool     `yaml:"connect"`
	Payload *string  `yaml:"payload"`
	Hex     *hexText `yaml:"hex"`
	Size    *int     `yaml:"size"`
	Count   *int     `yaml:"count"`
	Every   *span    `yaml:"every"`
	At      span     `yaml:"at"`
	Wait    *span    `yaml:"wait"`
	Buffer  int      `yaml:"buffer"`

	Join      joins   `yaml:"join,max=100"`
	Interface *string `yaml:"interface"`
	TTL       *int    `yaml:"ttl"`
	Loop      *bool   `yaml:"loop"`
}

// What send does if it is not told.
const (
	defaultEvery   = time.Second
	defaultWait    = time.Second
	defaultPayload = "hello {n}"
)

// hexText is bytes in hexadecimal, with blanks where one likes.
type hexText []byte

func (h *hexText) set(text string) error {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		return fmt.Errorf("%s is not hexadecimal, as in \"00 ff 10\"", shorten(strconv.Quote(text)))
	}
	*h = b
	return nil
}

// length returns how long the payload of the n-th datagram is, if it has no
// size. It does not make one that would be too long.
func (s *send) length(n int) int {
	if s.Payload == nil {
		return len(s.Hex.bytes())
	}
	return len(*s.Payload) + strings.Count(*s.Payload, "{n}")*(len(strconv.Itoa(n))-len("{n}"))
}

// payload returns the payload of the n-th datagram.
func (s *send) payload(n int) []byte {
	b := s.Hex.bytes()
	if s.Hex == nil {
		text := defaultPayload
		if s.Payload != nil {
			text = *s.Payload
		}
		b = []byte(strings.ReplaceAll(text, "{n}", strconv.Itoa(n)))
	}
	if s.Size == nil || *s.Size == len(b) {
		return b
	}
	if len(b) == 0 {
		b = []byte("0123456789abcdef")
	}
	if *s.Size > len(b) {
		b = bytes.Repeat(b, (*s.Size+len(b)-1)/len(b))
	}
	return b[:*s.Size]
}

func (h *hexText) bytes() []byte {
	if h == nil {
		return nil
	}
	return *h
}

// kind returns what kind of program it is, "" if it is none or several, and the
// name that it was given.
func (p *program) kind() (kind string, name *string) {
	n := 0
	if p.Echo != nil {
		kind, name, n = "echo", p.Echo.Name, n+1
	}
	if p.Listen != nil {
		kind, name, n = "listen", p.Listen.Name, n+1
	}
	if p.Send != nil {
		kind, name, n = "send", p.Send.Name, n+1
	}
	if p.Script != nil {
		kind, name, n = "script", p.Script.Name, n+1
	}
	if n != 1 {
		return "", nil
	}
	return kind, name
}

// network returns which family echo and listen hear: that of their address or, if they
// have none, IPv4, and both where the host has IPv6.
func (s *service) network(n *node) string {
	switch {
	case s.Address != nil && netip.Addr(*s.Address).Is4():
		return "udp4"
	case s.Address != nil:
		return "udp6"
	case n.hasIPv6():
		return "udp"
	}
	return "udp4"
}

// at returns the address of echo and listen.
func (s *service) at() string {
	host := ""
	if s.Address != nil {
		host = netip.Addr(*s.Address).String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(s.Port)))
}

// choose returns the first address of a family that the node has itself.
func (n *node) choose(list []netip.Addr) netip.Addr {
	for _, a := range list {
		if a.Is4() && n.hasIPv4() || a.Is6() && n.hasIPv6() {
			return a
		}
	}
	return list[0]
}

// process is a program that runs.
type process struct {
	*program
	node   *node
	run    *run
	host   *lab.Host
	result *ProgramResult
	watch  []*watch // the expectations that are about it
}

// main is the program's task. It returns no errors: what a program gets, it
// notes.
func (p *process) main(ctx context.Context) error {
	var err error
	switch {
	case p.Echo != nil:
		err = p.serve(ctx, &p.Echo.service, p.echo)
	case p.Listen != nil:
		err = p.serve(ctx, &p.Listen.service, p.listen)
	case p.Script != nil:
		err = p.script(ctx)
	default:
		err = p.send(ctx)
	}
	if err == nil {
		p.run.lock()
		p.result.Ended = true
		p.run.unlock()
	}
	return nil
}

// errOver ends a task of a lab that is over.
var errOver = errors.New("the lab is over")

// sleepUntil waits for a time since the start.
func (p *process) sleepUntil(ctx context.Context, at time.Duration) error {
	if d := at - p.run.now(); d > 0 {
		return p.host.Sleep(ctx, d)
	}
	return ctx.Err()
}

// serve listens, and calls handle with each datagram until it says that it was
// the last.
func (p *process) serve(ctx context.Context, s *service, handle func(context.Context, *castnet.Conn, *castnet.Message) (more bool, err error)) error {
	if err := p.sleepUntil(ctx, time.Duration(s.At)); err != nil {
		p.run.listening(s)
		return err
	}
	cfg := castnet.Config{On: p.host, ReadBuffer: s.Buffer, ReuseAddr: s.Reuse, Report: castnet.FieldLocal}
	conn, err := cfg.Listen(ctx, s.network(p.node), s.at())
	if err == nil {
		defer conn.Close()
		err = s.prepare(conn)
	}
	p.run.listening(s)
	if err != nil {
		return p.barred(err)
	}
	if s.Until != nil {
		conn.SetReadDeadline(p.run.start.Add(time.Duration(*s.Until)))
	}
	ms := []castnet.Message{{Buf: make([]byte, maxDatagram)}}
	for {
		_, err := conn.ReadBatch(ms)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case p.run.isOver():
			return errOver
		default:
			return p.failed(err)
		}
		p.heard(Heard, &ms[0])
		if more, err := handle(ctx, conn, &ms[0]); !more || err != nil {
			return err
		}
	}
}

// owns reports whether an address is the host's.
func (p *process) owns(a netip.Addr) bool {
	list, err := p.host.Interfaces()
	return err == nil && slices.ContainsFunc(list, func(i socket.Interface) bool {
		return slices.ContainsFunc(i.Addresses, func(own netip.Prefix) bool { return own.Addr() == a.Unmap() })
	})
}

// maxDatagram is the longest that can be received.
const maxDatagram = 65535

func (p *process) echo(ctx context.Context, conn *castnet.Conn, m *castnet.Message) (bool, error) {
	if p.Echo.Delay > 0 {
		if err := p.host.Sleep(ctx, time.Duration(p.Echo.Delay)); err != nil {
			return false, err
		}
	}
	peer := m.Addr
	m.Reply()
	if m.Set&castnet.FieldLocal != 0 && !p.owns(m.Local.Addr()) {
		// It was sent to the subnet's broadcast address, which cannot be a
		// source.
		m.Set, m.Local = 0, netip.AddrPort{}
	}
	if _, err := conn.WriteBatch([]castnet.Message{*m}); err != nil {
		if p.run.isOver() {
			return false, errOver
		}
		p.failed(err)
		return true, nil
	}
	p.sent(peer, m.Buf)
	return true, nil
}

func (p *process) listen(ctx context.Context, _ *castnet.Conn, _ *castnet.Message) (bool, error) {
	if n := p.Listen.Count; n > 0 && p.result.Heard >= uint64(n) {
		return false, nil
	}
	if p.Listen.Pause > 0 {
		return true, p.host.Sleep(ctx, time.Duration(p.Listen.Pause))
	}
	return true, nil
}

// send is the program send: this task sends, and another one reads the answers.
func (p *process) send(ctx context.Context) error {
	s := p.Send
	p.run.awaitListeners()
	if err := p.sleepUntil(ctx, time.Duration(s.At)); err != nil {
		return err
	}
	conn, peer, err := p.open(ctx)
	if err != nil {
		return p.barred(err)
	}
	defer conn.Close()
	if err := s.prepare(conn); err != nil {
		return p.barred(err)
	}
	p.host.Go(p.name+" replies", func(context.Context) error {
		p.receive(conn)
		return nil
	})
	count, every, wait := 1, defaultEvery, defaultWait
	if s.Count != nil {
		count = *s.Count
	}
	if s.Every != nil {
		every = time.Duration(*s.Every)
	}
	if s.Wait != nil {
		wait = time.Duration(*s.Wait)
	}
	first := p.run.now()
	for n := 1; n <= count; n++ {
		if err := p.sleepUntil(ctx, first+time.Duration(n-1)*every); err != nil {
			return err
		}
		if err := p.sendOne(conn, peer, s.payload(n)); err != nil {
			return err
		}
	}
	return p.sleepUntil(ctx, p.run.now()+wait)
}

// open opens the socket of send and returns whom to send to.
func (p *process) open(ctx context.Context) (*castnet.Conn, netip.AddrPort, error) {
	s := p.Send
	ip := s.To.ip
	if s.To.host != "" {
		list, err := p.host.LookupNetIP(ctx, s.Family.network(), s.To.host)
		if err != nil {
			return nil, netip.AddrPort{}, err
		}
		ip = p.node.choose(list)
	}
	peer := netip.AddrPortFrom(ip, s.To.port)
	network, from := "udp4", netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	if ip.Is6() {
		network, from = "udp6", netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	}
	if s.From != nil {
		own := netip.AddrPort(*s.From)
		from = netip.AddrPortFrom(from.Addr(), own.Port())
		if own.Addr().IsValid() {
			from = own
		}
	}
	cfg := castnet.Config{On: p.host, ReadBuffer: s.Buffer}
	var conn *castnet.Conn
	var err error
	if s.Connect {
		if s.From != nil {
			cfg.LocalAddr = from
		}
		conn, err = cfg.Dial(ctx, network, peer.String())
	} else {
		conn, err = cfg.Listen(ctx, network, from.String())
	}
	return conn, peer, err
}

// maxPending is how often one datagram is tried when each time another error is
// reported that is of earlier ones.
const maxPending = 10

// sendOne sends one datagram. An error is noted; only the lab's end is returned.
func (p *process) sendOne(conn *castnet.Conn, peer netip.AddrPort, b []byte) error {
	m := [1]castnet.Message{{Buf: b}}
	if !p.Send.Connect {
		m[0].Addr = peer
	}
	for range maxPending {
		_, err := conn.WriteBatch(m[:])
		if p.run.isOver() {
			return errOver
		}
		if err == nil {
			p.sent(peer, b)
			return nil
		}
		p.failed(err)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil
		}
		// It is about a datagram before, and this one is not sent yet.
	}
	return nil
}

// receive notes what comes back until the socket is closed.
func (p *process) receive(conn *castnet.Conn) {
	ms := []castnet.Message{{Buf: make([]byte, maxDatagram)}}
	for {
		_, err := conn.ReadBatch(ms)
		switch {
		case err == nil:
			p.heard(Reply, &ms[0])
		case errors.Is(err, net.ErrClosed) || p.run.isOver():
			return
		default:
			p.failed(err)
			if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.EHOSTUNREACH) {
				return
			}
		}
	}
}
