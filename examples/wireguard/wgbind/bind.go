package wgbind

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"golang.zx2c4.com/wireguard/conn"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/socket"
)

// A Bind is a conn.Bind on a castnet.Network. Open makes its socket and Close
// gives it up, any number of times.
type Bind struct {
	cfg castnet.Config

	mu   sync.RWMutex
	conn *castnet.Conn // nil unless open
	ipv6 bool          // it is an IPv6 socket, whose IPv4 addresses are v4-mapped
}

var _ conn.Bind = (*Bind)(nil)

// New returns a Bind whose socket is made as cfg says; On is the network. A zero
// ReadBuffer or WriteBuffer is the largest that the network allows, for a tunnel's
// packets come in bursts.
func New(cfg castnet.Config) *Bind {
	if cfg.ReadBuffer == 0 {
		cfg.ReadBuffer = -1
	}
	if cfg.WriteBuffer == 0 {
		cfg.WriteBuffer = -1
	}
	cfg.Report |= castnet.FieldLocal
	return &Bind{cfg: cfg}
}

// BatchSize returns how many packets are received and sent at a time.
func (b *Bind) BatchSize() int { return conn.IdealBatchSize }

// ParseEndpoint understands "192.0.2.1:51820" and "[2001:db8::1]:51820".
func (b *Bind) ParseEndpoint(s string) (conn.Endpoint, error) {
	to, err := netip.ParseAddrPort(s)
	if err != nil {
		return nil, err
	}
	return &Endpoint{to: netip.AddrPortFrom(to.Addr().Unmap(), to.Port())}, nil
}

// SetMark refuses every mark but 0, which is none.
func (b *Bind) SetMark(mark uint32) error {
	if mark != 0 {
		return &socket.NotSupportedError{What: "a firewall mark", Reason: "castnet's sockets have none; leave out fwmark"}
	}
	return nil
}

// Open listens on the port, or on one that the network chooses if it is 0.
func (b *Bind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conn != nil {
		return nil, 0, conn.ErrBindAlreadyOpen
	}
	c, err := b.cfg.Listen(context.Background(), "udp", ":"+strconv.Itoa(int(port)))
	if err != nil {
		return nil, 0, err
	}
	local := c.LocalAddr().(*net.UDPAddr).AddrPort()
	b.conn, b.ipv6 = c, local.Addr().Is6()
	r := &receiver{conn: c, known: make(endpoints)}
	return []conn.ReceiveFunc{r.receive}, local.Port(), nil
}

// Close gives up the port and ends the functions that Open has returned.
func (b *Bind) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conn == nil {
		return nil // WireGuard closes what it has not opened, too
	}
	err := b.conn.Close()
	b.conn = nil
	return err
}

// A messages is what a batch of packets is to a Conn.
type messages [conn.IdealBatchSize]castnet.Message

// A receiver is the one function that Open returns, which one goroutine calls.
type receiver struct {
	conn  *castnet.Conn
	known endpoints
	ms    messages
}

// receive waits for packets and fills bufs with them, one each.
func (r *receiver) receive(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
	ms := r.ms[:min(len(bufs), len(r.ms))]
	for i := range ms {
		ms[i] = castnet.Message{Buf: bufs[i][:len(bufs[i]):len(bufs[i])]}
	}
	n, err := r.conn.ReadBatch(ms)
	if err != nil {
		return 0, err
	}
	for i := range ms[:n] {
		sizes[i] = len(ms[i].Buf)
		eps[i] = r.known.of(&ms[i])
	}
	clear(ms) // the buffers are the caller's
	return n, nil
}

var batches = sync.Pool{New: func() any { return new(messages) }}

// Send sends packets to one endpoint, in order, and waits while the send buffer is
// full. A packet that is refused does not keep the others back; the error is the
// first one.
func (b *Bind) Send(bufs [][]byte, ep conn.Endpoint) error {
	e, ok := ep.(*Endpoint)
	if !ok {
		return conn.ErrWrongEndpointType
	}
	b.mu.RLock()
	c, ipv6 := b.conn, b.ipv6
	b.mu.RUnlock()
	if c == nil {
		return net.ErrClosed
	}
	m := castnet.Message{Addr: netip.AddrPortFrom(inForm(e.to.Addr(), ipv6), e.to.Port())}
	if from := e.SrcIP(); from.IsValid() {
		m.Set, m.Local = castnet.FieldLocal, netip.AddrPortFrom(inForm(from, ipv6), 0)
	}
	batch := batches.Get().(*messages)
	defer batches.Put(batch)
	var first error
	for len(bufs) > 0 {
		ms := batch[:min(len(bufs), len(batch))]
		for i := range ms {
			ms[i] = m
			ms[i].Buf = bufs[i]
		}
		n, err := c.WriteBatch(ms)
		clear(ms)
		bufs = bufs[n:]
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return err
		case m.Set != 0:
			// Perhaps the source is ours no more.
			e.ClearSrc()
			m.Set, m.Local = 0, netip.AddrPort{}
		default:
			if first == nil {
				first = err
			}
			bufs = bufs[1:]
		}
	}
	return first
}

// inForm returns an address as the socket's family has it.
func inForm(a netip.Addr, ipv6 bool) netip.Addr {
	if ipv6 && a.Is4() {
		return netip.AddrFrom16(a.As16())
	}
	return a
}
