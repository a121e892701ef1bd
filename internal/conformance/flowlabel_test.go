//go:build linux

package conformance

import (
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// labels are the flow labels of the packets of IPv6 that the machine has sent.
func (m *Machine) labels(t *testing.T, want int) (list []uint32) {
	t.Helper()
	for _, p := range m.Sent6(t) {
		list = append(list, p.IP.FlowLabel())
	}
	if len(list) != want {
		t.Fatalf("%d packets were sent, want %d", len(list), want)
	}
	return list
}

var flowLabelCases = []testCase{
	{name: "IPv6FlowLabels", rules: "D-SIX-29", needs: speaksIPv6, run: func(t *testing.T, n *Machine) {
		n.know6(t)
		// Labels are of 20 bits, of which Linux keeps one: two are the same once in half a
		// million.
		seen := map[uint32]string{}
		flow := func(what string, list []uint32) {
			t.Helper()
			for _, l := range list {
				if l == 0 || l != list[0] {
					t.Errorf("%s: the labels are %x", what, list)
					return
				}
			}
			if other, taken := seen[list[0]]; taken {
				t.Errorf("%s has the label of %s", what, other)
			}
			seen[list[0]] = what
		}
		s, c := bound6(t, n, "[::]:0"), open6(t, n)
		s.wantOption(socket.AutoFlowLabel, 1)
		s.send(at6(there6, 9), "1")
		s.send(at6(there6, 9), letters6(2000))
		s.sendMessage(socket.Message{Buf: []byte("2"), Addr: addrPort(at6(there6, 9)), Set: socket.FieldTTL, TTL: 9})
		flow("a flow", n.labels(t, 4))
		s.send(at6(there6, 10), "1")
		flow("another port", n.labels(t, 1))
		c.connect(at6(there6, 9))
		c.send("", "1")
		c.send("", "2")
		flow("a connected socket", n.labels(t, 2))

		s.set(socket.AutoFlowLabel, 0)
		s.wantOption(socket.AutoFlowLabel, 0)
		s.send(at6(there6, 9), "1")
		c.set(socket.AutoFlowLabel, 0)
		c.send("", "3")
		for _, l := range n.labels(t, 2) {
			if l != 0 {
				t.Errorf("turned off, the label is %x", l)
			}
		}
		s.set(socket.AutoFlowLabel, 1)
		s.send(at6(there6, 9), "1")
		if l := n.labels(t, 1)[0]; seen[l] != "a flow" {
			t.Errorf("turned on again, the label is %x", l)
		}

		// What the host itself says has one, too.
		n.Eth0.Send6(there6, global6, wire.ProtocolICMPv6, icmp6(there6, global6, wire.ICMPv6EchoRequest, 0, 7, nil))
		n.Eth0.Send6(there6, global6, wire.ProtocolUDP, udp6(there6, global6, 9, 7, "nobody listens"))
		for _, l := range n.labels(t, 2) {
			if l == 0 {
				t.Error("an ICMPv6 message has no label")
			}
		}
	}},
	{name: "IPv4FlowLabels", rules: "D-SIX-30", run: func(t *testing.T, n *Machine) {
		s := open(t, n)
		s.setErr(socket.AutoFlowLabel, 1, syscall.ENOPROTOOPT)
		if _, err := s.Option(socket.AutoFlowLabel); err != syscall.EOPNOTSUPP {
			t.Errorf("read: %v, want %v", err, syscall.EOPNOTSUPP)
		}
	}},
}
