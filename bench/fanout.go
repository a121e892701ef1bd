package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/castnet-go/castnet/socket"
)

// The group that fan-out is to, and the one on the port of it that each receiver has.
var fanGroup = [4]byte{239, 1, 2, 3}

const portGroup = 7003

// fanouts are the numbers of receivers on one host.
var fanouts = []int{1, 10, 1000}

// fanoutRows are one datagram to a group that so many sockets of one host have joined,
// each of which reads its own.
func fanoutRows() []row {
	var all []row
	for _, n := range fanouts {
		all = append(all, row{
			name: fmt.Sprintf("fanout-%d", n), kind: ours, singlesOnly: true,
			about: fmt.Sprintf("castnet's stack at the seam, to a group that %d sockets of the other stack have joined", n),
			note:  "checksums made and verified; one payload, whatever the number of receivers; a receiver's part includes its reading",
			open:  func(s setup, b *buffers) (path, error) { return openFanout(s, b, n) },
		}, row{
			name: fmt.Sprintf("fanout-%d-gvisor", n), kind: peer, singlesOnly: true,
			about: fmt.Sprintf("gVisor netstack, Endpoint, over Ethernet, to a group that %d endpoints of the other stack have joined", n),
			note:  "checksums made and verified; a receiver's part includes its reading",
			open:  func(s setup, b *buffers) (path, error) { return openGVisorFanout(s, b, n) },
		})
	}
	return in("fanout", all...)
}

// fanoutPath is a sender and the members of a group.
type fanoutPath struct {
	*stackNet
	bufs    *buffers
	from    socket.Socket
	members []socket.Socket
	out, in [1]socket.Message
}

func openFanout(s setup, bufs *buffers, members int) (path, error) {
	n, err := newStackNet(s)
	if err != nil {
		return nil, err
	}
	p := &fanoutPath{stackNet: n, bufs: bufs}
	if err := p.open(members); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return p, nil
}

func (p *fanoutPath) open(members int) (err error) {
	group := netip.AddrFrom4(fanGroup)
	to := netip.AddrPortFrom(group, portGroup)
	p.from, err = openSocket(p.a, netip.AddrPortFrom(netip.AddrFrom4(addrA), portA), netip.AddrPort{}, false)
	if err == nil {
		err = p.from.SetOption(socket.MulticastInterface, p.a.Interface("eth0").Index())
	}
	if err == nil {
		err = p.from.Connect(to)
	}
	for range members {
		if err != nil {
			return err
		}
		var m socket.Socket
		if m, err = p.b.Open(socket.IPv4); err != nil {
			return err
		}
		if err = m.SetOption(socket.ReuseAddr, 1); err == nil {
			err = m.Bind(netip.AddrPortFrom(netip.IPv4Unspecified(), portGroup))
		}
		if err == nil {
			err = m.ChangeGroup(socket.JoinGroup, socket.Group{Address: group, Interface: p.b.Interface("eth0").Index()})
		}
		p.members = append(p.members, m)
	}
	return err
}

func (p *fanoutPath) stage()   { p.out[0].Buf, p.in[0].Buf = p.bufs.out[0], p.bufs.in[0] }
func (p *fanoutPath) collect() { p.bufs.in[0] = p.in[0].Buf }

func (p *fanoutPath) carry(int) error {
	if _, err := p.from.TrySend(p.out[:]); err != nil {
		return err
	}
	for _, m := range p.members {
		if _, err := m.TryRecv(p.in[:]); err != nil {
			return fmt.Errorf("%w: %w", errNotDelivered, err)
		}
	}
	return nil
}

func (p *fanoutPath) receivers() int { return len(p.members) }

// gvisorFanout is the same of gVisor.
type gvisorFanout struct {
	*gvisorNet
	bufs    *buffers
	from    tcpip.Endpoint
	members []tcpip.Endpoint
	reader  bytes.Reader
	writer  tcpip.SliceWriter
}

func openGVisorFanout(s setup, bufs *buffers, members int) (path, error) {
	n, err := newGVisorNet(s, true)
	if err != nil {
		return nil, err
	}
	p := &gvisorFanout{gvisorNet: n, bufs: bufs}
	if err := p.open(members); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return p, nil
}

func (p *gvisorFanout) open(members int) (err error) {
	const nic = 1
	group := tcpip.AddrFrom4(fanGroup)
	p.a.AddRoute(tcpip.Route{Destination: header.IPv4EmptySubnet, NIC: nic})
	if p.from, err = newGVisorEndpoint(p.a, portA); err != nil {
		return err
	}
	if err := p.from.Connect(tcpip.FullAddress{NIC: nic, Addr: group, Port: portGroup}); err != nil {
		return fmt.Errorf("gVisor: Connect: %v", err)
	}
	for range members {
		m, err := newGVisorSharing(p.b, portGroup)
		if err != nil {
			return err
		}
		if err := m.SetSockOpt(&tcpip.AddMembershipOption{NIC: nic, MulticastAddr: group}); err != nil {
			return fmt.Errorf("gVisor: AddMembershipOption: %v", err)
		}
		p.members = append(p.members, m)
	}
	return nil
}

func (p *gvisorFanout) carry(int) error {
	p.reader.Reset(p.bufs.out[0])
	if _, err := p.from.Write(&p.reader, tcpip.WriteOptions{}); err != nil {
		return fmt.Errorf("gVisor: Write: %v", err)
	}
	in := p.bufs.in[0][:room]
	for _, m := range p.members {
		p.writer = in
		r, err := m.Read(&p.writer, tcpip.ReadOptions{})
		if err != nil {
			return fmt.Errorf("%w: gVisor: Read: %v", errNotDelivered, err)
		}
		p.bufs.in[0] = in[:r.Count]
	}
	return nil
}

func (p *gvisorFanout) receivers() int { return len(p.members) }
