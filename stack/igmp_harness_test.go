package stack

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/castnet-go/castnet/wire"
)

// describeIGMP says what a packet of IGMP says, and whether it comes as it has to: with
// Router Alert, a TTL of 1, under internetwork control.
func describeIGMP(packet []byte) (to netip.Addr, text string) {
	ip, options, body, err := wire.ParseIPv4(packet)
	if err != nil || ip.Protocol() != wire.ProtocolIGMP {
		return to, ""
	}
	if string(options) != wire.IPv4RouterAlertOption || ip.TTL() != 1 || ip.TOS() != controlTOS || !ip.ChecksumOK(options) {
		return ip.Destination(), fmt.Sprintf("malformed % x", packet)
	}
	return ip.Destination(), describeIGMPMessage(body)
}

func describeIGMPMessage(body []byte) string {
	h, rest, err := wire.ParseIGMP(body)
	if err != nil || !h.ChecksumOK(rest) {
		return fmt.Sprintf("malformed % x", body)
	}
	switch h.Type() {
	case wire.IGMPv1Report:
		return "first report " + nameOf(h.Group())
	case wire.IGMPv2Report:
		return "report " + nameOf(h.Group())
	case wire.IGMPv2Leave:
		return "leave " + nameOf(h.Group())
	}
	rs, err := wire.ParseIGMPv3Report(body)
	if err != nil {
		return err.Error()
	}
	var records []string
	for r := range rs.All() {
		records = append(records, describeRecord(r))
	}
	return strings.Join(records, "; ")
}

// igmpFrame is an IGMP message from the peer, with the group's hardware address.
func igmpFrame(to string, body []byte) []byte {
	d := datagram{
		src: "10.0.0.9:0", dst: to + ":0", ttl: 1,
		options: []byte(wire.IPv4RouterAlertOption), protocol: wire.ProtocolIGMP, payload: string(body),
	}
	if a := netip.MustParseAddr(to); a.IsMulticast() {
		d.to = wire.MulticastMAC(a)
	}
	return d.frame()
}

// queryBody is a query as a message with its checksum.
func queryBody(q wire.IGMPQuery) []byte {
	body := q.AppendTo(nil)
	wire.UpdateIGMPChecksum(body)
	return body
}
