package stack

import (
	"net/netip"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// version6 is the code that only IPv6 needs, as far as code that is for both families
// calls it. A stack of NewIPv4 has none, and then the linker leaves all of it out of a
// program that makes no other.
type version6 struct {
	// input is the way in for a packet whose IPv6 header begins at the offset.
	input func(l *lane, b *packet.Buffer, at int) *Socket

	// plain is the short way in, for a frame that says that it holds IPv6.
	plain func(l *lane, b *packet.Buffer, f []byte) *Socket
	// put is a path's, for one to a destination of IPv6.
	put func(p *path, h []byte, length uint64)
	// bind and toward are a Socket's, and override takes in what a Message to a
	// destination of IPv6 says of its path.
	bind func(s *Socket, addr netip.AddrPort) error
	// setOption is a Socket's, for options that only sockets of IPv6 have.
	setOption func(s *Socket, next *options, opt socket.Option, value int) error
	toward    func(s *Socket, to netip.Addr) (query, error)
	override  func(s *Socket, q query, m *socket.Message) (query, error)

	// route is routeInto for a destination of IPv6.
	route func(s *Stack, p *path, q query) error

	// sendPacket is Stack.sendPacket for a packet of IPv6, and dissect tells a hook of
	// one.
	sendPacket func(s *Stack, b *packet.Buffer) (*packet.Buffer, error)
	dissect    func(p *Packet) (begins bool)

	// solicit asks for a neighbour's address: the station to, or, if that is zero, the
	// target's solicited-node group; on behalf of a packet from source.
	solicit func(i *Interface, target address, to wire.MAC, source address)
	// unreachable ends a packet whose next hop did not answer.
	unreachable func(s *Stack, i *Interface, b *packet.Buffer)
	// addAddress and removeAddress are the Interface's methods, for IPv6.
	addAddress, removeAddress func(i *Interface, p netip.Prefix) error
	// parseRoute checks a route to r, of which n is known already.
	parseRoute func(st *state, r Route, n route) (route, error)
	// down and up take note that the interface has changed; removed, that it is gone.
	// They call no link: finish does what follows.
	down, up, removed, finish6 func(i *Interface)
	// fragments cuts a packet whose IP header begins at the offset.
	fragments func(s *Stack, b *packet.Buffer, at, mtu int) []*packet.Buffer
	// finish finishes the checksum of a packet of this host's, and wholeHeader the
	// header of one that was put together.
	finish      func(b *packet.Buffer, at int)
	wholeHeader func(b, head *packet.Buffer, length int, congested bool)
	// sendError sends an ICMPv6 error message about a packet.
	sendError func(s *Stack, st *state, b *packet.Buffer, e icmpError6)
	// groups and reports are the host's part of MLD.
	groups  *groupProtocol
	reports *reportForm
	// changeGroup is a Socket's ChangeGroup for a group of IPv6.
	changeGroup func(s *Socket, change socket.GroupChange, g socket.Group) (*Interface, error)
}

// loopbackAddresses6 is what lo has as long as it was given no other address.
var loopbackAddresses6 = []ifaddr6{{loopback6, 128, OriginManual, AddressPreferred}}

// ipv6 is what stacks of New have.
var ipv6 = &version6{
	input:         (*lane).ipv6,
	plain:         (*lane).plain6,
	put:           (*path).put6,
	bind:          (*Socket).bind6,
	setOption:     (*Socket).setOption6,
	override:      (*Socket).override6,
	route:         (*Stack).routeInto6,
	toward:        (*Socket).toward6,
	sendPacket:    (*Stack).sendPacket6,
	dissect:       (*Packet).dissect,
	solicit:       (*Interface).solicit,
	unreachable:   (*Stack).unreachable6,
	addAddress:    (*Interface).addAddress6,
	removeAddress: (*Interface).removeAddress6,
	parseRoute:    (*state).parseRoute6,
	down:          (*Interface).down6,
	up:            (*Interface).up6,
	removed:       (*Interface).removed6,
	finish6:       (*Interface).finish6,
	fragments:     (*Stack).fragments6,
	finish:        finish6,
	wholeHeader:   wholeHeader6,
	sendError:     (*Stack).sendError6,
	groups:        &mld,
	reports:       &mldReports,
	changeGroup:   (*Socket).change6,
}
