package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
)

// receiveFlags are the flags of the commands that wait for datagrams.
type receiveFlags struct {
	count      int
	timeout    time.Duration
	quiet, hex bool
	iface      string
}

func (r *receiveFlags) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVarP(&r.count, "count", "c", 0, "end after so many datagrams; 0: never")
	f.DurationVarP(&r.timeout, "timeout", "t", 0, "end after so long, such as 10s; 0: never")
	f.BoolVarP(&r.quiet, "quiet", "q", false, "print the summary only")
	f.BoolVar(&r.hex, "hex", false, "dump whole payloads in hexadecimal")
	f.StringVarP(&r.iface, "interface", "i", "", "receive by this interface only")
}

func (r *receiveFlags) check() error {
	if r.count < 0 || r.timeout < 0 {
		return fmt.Errorf("--count and --timeout cannot be negative")
	}
	return nil
}

// A receiver is a Conn that waits for datagrams, and what has come.
type receiver struct {
	flags *receiveFlags
	out   *output
	place *place
	conn  *castnet.Conn
	local netip.AddrPort // where it listens
	group netip.Addr     // what is sent to it is heard, and nothing else; zero: there is none

	ms    []castnet.Message
	start time.Time
	tally tally
}

// open checks the flags and listens on an address, whose port is the usual one if it
// names none, until close.
func (r *receiveFlags) open(ctx context.Context, c *common, address, port string, out *output) (*receiver, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	address, err := listenAddress(address, port)
	if err != nil {
		return nil, err
	}
	p, err := c.open(ctx)
	if err != nil {
		return nil, fail(err)
	}
	l := &receiver{flags: r, out: out, place: p}
	if err := l.listen(ctx, address); err != nil {
		p.Close()
		return nil, fail(err)
	}
	return l, nil
}

func (r *receiver) close() {
	r.conn.Close()
	r.place.Close()
}

// tally is what has come.
type tally struct {
	datagrams, bytes uint64
	peers            map[netip.AddrPort]bool
}

// maxPeers bounds how many peers are told apart.
const maxPeers = 1 << 16

func (t *tally) add(m *castnet.Message) {
	t.datagrams++
	t.bytes += uint64(m.Len)
	if len(t.peers) < maxPeers {
		if t.peers == nil {
			t.peers = make(map[netip.AddrPort]bool)
		}
		t.peers[m.Addr] = true
	}
}

// listen opens the Conn and says where it listens.
func (r *receiver) listen(ctx context.Context, address string) error {
	cfg := castnet.Config{On: r.place.Network, Interface: r.flags.iface}
	conn, err := cfg.Listen(ctx, "udp", address)
	if err != nil {
		return err
	}
	r.conn, r.local = conn, localAddr(conn)
	reportAll(conn)
	joined, err := r.join(address)
	if err != nil {
		conn.Close()
		return err
	}
	const batch = 16
	r.ms = make([]castnet.Message, batch)
	for i := range r.ms {
		r.ms[i].Buf = make([]byte, 65535)
	}
	r.start = time.Now()
	e := listeningEvent{"listening", r.place.kind, r.local, joined}
	text := fmt.Sprintf("listening on %v%s", r.local, onNetwork(r.place.kind))
	if r.group.IsValid() {
		e.Local = netip.AddrPortFrom(r.group, r.local.Port())
		text = fmt.Sprintf("listening on %v, joined on %s%s", e.Local, strings.Join(joined, ", "), onNetwork(r.place.kind))
	}
	r.out.say(e, text)
	return nil
}

// join joins the group, if the address is one's, on every interface or on the one that was
// named, and returns the names.
func (r *receiver) join(address string) (joined []string, err error) {
	joined = []string{}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return joined, err
	}
	group, err := netip.ParseAddr(host)
	if err != nil || !group.IsMulticast() {
		return joined, nil
	}
	r.group = group.WithZone("")
	if err := r.conn.SetMulticastAll(false); err != nil && !errors.Is(err, castnet.ErrNotSupported) {
		return nil, err
	}
	if err := r.place.hearGroups(group); err != nil {
		return nil, err
	}
	if only := cmp.Or(r.flags.iface, group.Zone()); only != "" {
		return []string{only}, r.conn.JoinGroup(only, group)
	}
	joined, err = r.conn.JoinGroupAll(group)
	if errors.Is(err, syscall.ENODEV) {
		err = fmt.Errorf("%w: no interface is up and carries multicast, but for loopback: --interface lo", err)
	}
	return joined, err
}

// take reports whether a datagram is for us: of a group's port, what is sent to the group.
func (r *receiver) take(m *castnet.Message) bool {
	return !r.group.IsValid() || m.Set&castnet.FieldLocal == 0 || m.Local.Addr().Unmap().WithZone("") == r.group
}

func onNetwork(kind string) string {
	if kind == "host" {
		return ""
	}
	return " (" + kind + ")"
}

// reportAll asks for every field that the network can report.
func reportAll(c *castnet.Conn) {
	var all castnet.Fields
	for _, f := range []castnet.Fields{
		castnet.FieldLocal, castnet.FieldInterface, castnet.FieldTTL,
		castnet.FieldTOS, castnet.FieldTime, castnet.FieldDrops,
	} {
		if c.SetReport(all|f) == nil {
			all |= f
		}
	}
	c.SetReport(all)
}

// run calls handle with what comes until the context ends, the time is over or
// enough has come. handle returns how many of the messages it took as done.
func (r *receiver) run(ctx context.Context, handle func([]castnet.Message) error) error {
	if r.flags.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.flags.timeout)
		defer cancel()
	}
	defer interruptible(ctx, r.conn)()
	for {
		ms := r.ms
		if left := r.left(); left < len(ms) {
			ms = ms[:left]
		}
		if len(ms) == 0 {
			return nil
		}
		n, err := r.conn.ReadBatch(ms)
		if err != nil {
			if timedOut(err) && ctx.Err() != nil {
				return nil
			}
			return err
		}
		if err := handle(ms[:n]); err != nil {
			return err
		}
		if r.out.err != nil {
			return r.out.err
		}
	}
}

// left returns how many datagrams are to come yet.
func (r *receiver) left() int {
	if r.flags.count == 0 {
		return len(r.ms)
	}
	return r.flags.count - int(r.tally.datagrams)
}

type listeningEvent struct {
	Event   string         `json:"event"`
	Network string         `json:"network"`
	Local   netip.AddrPort `json:"local"`
	Joined  []string       `json:"joined"` // the interfaces, if local is a group's
}

// A datagramEvent is a datagram that came.
type datagramEvent struct {
	Event     string         `json:"event"`
	Time      time.Time      `json:"time"`
	Peer      netip.AddrPort `json:"peer"`
	Local     netip.AddrPort `json:"local"`     // the datagram's own destination
	Interface string         `json:"interface"` // that it came in by; "" if the network does not say
	Size      int            `json:"size"`      // of the payload, in bytes
	TTL       uint8          `json:"ttl"`
	TOS       uint8          `json:"tos"`
	Lost      uint32         `json:"lost"`           // since the datagram before, for want of room
	Payload   []byte         `json:"payload"`        // base64
	Text      string         `json:"text,omitempty"` // the payload, if it is UTF-8
}

// show prints a datagram.
func (r *receiver) show(name string, m *castnet.Message) {
	if r.flags.quiet {
		return
	}
	e := newDatagramEvent(name, m, r.local)
	if m.Set&castnet.FieldInterface != 0 {
		e.Interface = r.place.interfaceName(m.Interface)
	}
	r.out.say(e, r.line(e))
}

func newDatagramEvent(name string, m *castnet.Message, local netip.AddrPort) *datagramEvent {
	e := &datagramEvent{
		Event: name, Time: time.Now(), Peer: plain(m.Addr), Local: local,
		Size: m.Len, Payload: m.Buf, TTL: m.TTL, TOS: m.TOS, Lost: m.Drops,
	}
	if m.Set&castnet.FieldLocal != 0 {
		e.Local = netip.AddrPortFrom(m.Local.Addr().Unmap(), local.Port())
	}
	if m.Set&castnet.FieldTime != 0 {
		e.Time = m.Time
	}
	if utf8.Valid(m.Buf) {
		e.Text = string(m.Buf)
	}
	return e
}

// line returns the event as text.
func (r *receiver) line(e *datagramEvent) string {
	var b strings.Builder
	if e.Lost > 0 {
		b.WriteString(r.out.paint(red, plural(int(e.Lost), "datagram")+" lost here for want of room") + "\n")
	}
	fmt.Fprintf(&b, "%s %s > %v", r.out.paint(dim, e.Time.Format("15:04:05.000000")), r.out.paint(cyan, e.Peer.String()), e.Local)
	if e.Interface != "" {
		b.WriteString(" " + e.Interface)
	}
	if e.Local.Addr().IsMulticast() && e.TTL > 0 {
		// How far a group's datagram still goes is what one asks first.
		fmt.Fprintf(&b, " TTL %d", e.TTL)
	}
	fmt.Fprintf(&b, " %d B", e.Size)
	if r.flags.hex {
		if e.Size > 0 {
			b.WriteString("\n" + hexDump(e.Payload))
		}
	} else {
		b.WriteString(" " + preview(e.Payload))
	}
	return b.String()
}

type receiveSummary struct {
	Event     string                 `json:"event"`
	Datagrams uint64                 `json:"datagrams"`
	Bytes     uint64                 `json:"bytes"`
	Peers     int                    `json:"peers"`
	Seconds   float64                `json:"seconds"`
	Dropped   map[drop.Reason]uint64 `json:"dropped"`
}

// line returns the summary as text.
func (s *receiveSummary) line(verb string) string {
	took := time.Duration(s.Seconds * float64(time.Second))
	return fmt.Sprintf("%s%s, %d B, from %s in %v; dropped: %s",
		verb, plural(int(s.Datagrams), "datagram"), s.Bytes, plural(s.Peers, "peer"),
		took.Round(time.Millisecond), describeDropped(s.Dropped))
}

// summarize prints what came altogether, and returns errNothing if that is
// nothing.
func (r *receiver) summarize(verb string) error {
	s := receiveSummary{
		Event: "summary", Datagrams: r.tally.datagrams, Bytes: r.tally.bytes, Peers: len(r.tally.peers),
		Seconds: time.Since(r.start).Seconds(), Dropped: dropped(r.conn),
	}
	r.out.say(s, s.line(verb))
	if r.tally.datagrams == 0 {
		return errNothing
	}
	return r.out.err
}

// dropped returns what the Conn has lost, never nil.
func dropped(c *castnet.Conn) map[drop.Reason]uint64 {
	m := c.Stats().Dropped
	if m == nil {
		m = map[drop.Reason]uint64{}
	}
	return m
}

// describeDropped returns "none", or "3 ReceiveQueueFull, 1 NoRoute".
func describeDropped(m map[drop.Reason]uint64) string {
	if len(m) == 0 {
		return "none"
	}
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%d %v", m[reason], reason))
	}
	return strings.Join(parts, ", ")
}
