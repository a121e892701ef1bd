package castnet

import (
	"net"
	"sync"

	"github.com/castnet-go/castnet/socket"
)

// sendSome sends the first messages of ms, at least one, and names in its
// error the one that failed.
func (c *Conn) sendSome(ms []Message) (int, error) {
	k := 0
	for k < len(ms) && hasForm(c.family, &ms[k]) {
		k++
	}
	var n int
	var err error
	if k > 0 {
		n, err = c.send(ms[:k])
	} else {
		n, err = c.sendMapped(ms)
	}
	if err != nil {
		to := c.addrs.Load().remote
		if ms[0].Addr.IsValid() {
			to = addrPortAddr{ms[0].Addr}
		}
		err = c.sendError(callSendMMsg, to, err)
	}
	return n, err
}

// hasForm reports whether the addresses of m are as the family's sockets take
// them; see sockaddr.
func hasForm(f socket.Family, m *Message) bool {
	if a := m.Addr.Addr(); a.IsValid() && a.Is4() != (f == socket.IPv4) {
		return false
	}
	return m.Set&FieldLocal == 0 || m.Local.Addr().Is4() == (f == socket.IPv4)
}

// A mappedBatch holds copies of messages whose addresses had to be put into
// another form, since the messages are the caller's.
type mappedBatch struct{ ms [32]Message }

var mappedBatches = sync.Pool{New: func() any { return new(mappedBatch) }}

// sendMapped sends copies of the first messages of ms, up to the first that
// needs none or whose address the socket cannot have.
func (c *Conn) sendMapped(ms []Message) (int, error) {
	h := mappedBatches.Get().(*mappedBatch)
	k := 0
	var err error
	for k < len(ms) && k < len(h.ms) && !hasForm(c.family, &ms[k]) {
		h.ms[k] = ms[k]
		if err = mapAddrs(c.family, &h.ms[k]); err != nil {
			break
		}
		k++
	}
	var n int
	if k > 0 {
		n, err = c.send(h.ms[:k])
	}
	clear(h.ms[:])
	mappedBatches.Put(h)
	return n, err
}

// mapAddrs puts the addresses of m into the family's form.
func mapAddrs(f socket.Family, m *Message) (err error) {
	if m.Addr.Addr().IsValid() {
		if m.Addr, err = sockaddr(f, m.Addr); err != nil {
			return err
		}
	}
	if m.Set&FieldLocal != 0 {
		if !m.Local.Addr().IsValid() {
			return &net.AddrError{Err: "FieldLocal set without an address", Addr: m.Local.String()}
		}
		m.Local, err = sockaddr(f, m.Local)
	}
	return err
}
