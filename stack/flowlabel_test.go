package stack

import (
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

// Flow labels follow from the stack's secret: another's are others, and the same seed
// gives the same. Neighbour discovery has none.
func TestFlowLabelsAreSecret(t *testing.T) {
	var labels [3]uint32
	for k, seed := range []byte{1, 1, 2} {
		h, l := onCable6(t, Config{Seed: [32]byte{seed}})
		s := h.open6(t, "[::]:7")
		if _, err := s.TrySend([]socket.Message{message("x", "["+from6+"]:9")}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.TrySend([]socket.Message{message("x", "[fe80::77%eth0]:9")}); err != nil {
			t.Fatal(err)
		}
		for _, f := range l.take() {
			ip, _, err := wire.ParseIPv6(f[wire.EthernetHeaderLen:])
			switch {
			case err != nil:
			case ip.NextHeader() == wire.ProtocolUDP && ip.Destination() == netip.MustParseAddr(from6):
				labels[k] = ip.FlowLabel()
			case ip.NextHeader() == wire.ProtocolICMPv6 && ip.FlowLabel() != 0:
				t.Errorf("a solicitation has the flow label %#x", ip.FlowLabel())
			}
		}
	}
	if labels[0] == 0 || labels[0] != labels[1] || labels[0] == labels[2] {
		t.Errorf("the flow labels are %x; want the first two to be the same", labels)
	}
}
