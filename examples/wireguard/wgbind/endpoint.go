package wgbind

import (
	"net/netip"
	"sync/atomic"

	"golang.zx2c4.com/wireguard/conn"

	"github.com/castnet-go/castnet"
)

// An Endpoint is where a peer is, and which of our addresses it knows. It serves
// any number of packets, so it is not changed, other than by ClearSrc.
type Endpoint struct {
	to      netip.AddrPort
	from    netip.Addr  // invalid: whichever fits
	cleared atomic.Bool // from does not count any more
}

var _ conn.Endpoint = (*Endpoint)(nil)

// ClearSrc makes the next packet leave from whichever address fits.
func (e *Endpoint) ClearSrc() { e.cleared.Store(true) }

// SrcIP returns the address that the peer knows us by; invalid if none is known.
func (e *Endpoint) SrcIP() netip.Addr {
	if e.cleared.Load() {
		return netip.Addr{}
	}
	return e.from
}

// SrcToString returns SrcIP as text; empty if there is none.
func (e *Endpoint) SrcToString() string {
	if a := e.SrcIP(); a.IsValid() {
		return a.String()
	}
	return ""
}

// DstIP and DstToString return the peer's address, DstToBytes its binary form, which
// WireGuard's cookies depend on.
func (e *Endpoint) DstIP() netip.Addr   { return e.to.Addr() }
func (e *Endpoint) DstToString() string { return e.to.String() }
func (e *Endpoint) DstToBytes() []byte {
	b, _ := e.to.MarshalBinary() // it has no error to return
	return b
}

// maxEndpoints bounds how many endpoints are remembered: anybody can make up
// addresses to send from.
const maxEndpoints = 1024

// endpoints are those made so far, by what they say.
type endpoints map[endpointKey]*Endpoint

type endpointKey struct {
	to   netip.AddrPort
	from netip.Addr
}

// of returns the endpoint that a received message belongs to.
func (es endpoints) of(m *castnet.Message) *Endpoint {
	k := endpointKey{to: netip.AddrPortFrom(m.Addr.Addr().Unmap(), m.Addr.Port())}
	if m.Set&castnet.FieldLocal != 0 {
		k.from = m.Local.Addr().Unmap()
	}
	if e := es[k]; e != nil && !e.cleared.Load() {
		return e
	}
	if len(es) >= maxEndpoints {
		clear(es)
	}
	e := &Endpoint{to: k.to, from: k.from}
	es[k] = e
	return e
}
