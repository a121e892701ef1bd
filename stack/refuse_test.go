package stack

import (
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
)

// TestRefuse: what was read and refused is dropped, and nothing else, also when the socket
// is closed meanwhile. The ledger balances at each step.
func TestRefuse(t *testing.T) {
	for _, closed := range []bool{false, true} {
		st, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		s, err := st.OpenSocket(socket.IPv4)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Bind(netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
			t.Fatal(err)
		}
		m := []socket.Message{{Buf: []byte("four"), Addr: s.LocalAddr()}}
		got := make([]socket.Message, 4)
		for i := range got {
			got[i].Buf = make([]byte, 10)
			if _, err := s.TrySend(m); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := s.TryRecv(got[:3]); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		if closed {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		check := func(received, bytes, refused uint64) {
			t.Helper()
			x, l := s.Stats(), st.Ledger()
			if x.Received != received || x.ReceivedBytes != bytes || x.Dropped[drop.BlockListed] != refused ||
				l.Delivered != received || st.Drops().Get(drop.BlockListed) != refused || !l.Balanced() {
				t.Errorf("closed %v: %+v, %+v; want %d datagrams, %d bytes, %d refused", closed, x, l, received, bytes, refused)
			}
		}
		check(3, 12, 0)
		s.Refuse(2, 8, drop.BlockListed)
		check(1, 4, 2)
		s.Refuse(0, 0, drop.BlockListed)
		s.Refuse(-1, -1, drop.BlockListed)
		check(1, 4, 2)
		s.Refuse(5, 400, drop.BlockListed) // there is no more than one
		check(0, 0, 3)
	}
}
