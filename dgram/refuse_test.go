package dgram_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// account returns what the network says was read by programs and dropped for a reason; ok
// is false if it keeps no account.
func (w *world) account(reason drop.Reason) (read, dropped uint64, ok bool) {
	var s *stack.Stack
	switch on := w.on.(type) {
	case *stack.Stack:
		s = on
	case *lab.Host:
		s = on.Stack()
	default:
		return 0, 0, false
	}
	if g := s.Ledger(); !g.Balanced() {
		w.Errorf("the ledger does not balance: %+v", g)
	}
	return s.Ledger().Delivered, s.Drops().Get(reason), true
}

// TestBlockedIsDroppedAndNotReceived: a datagram has one end, for the socket and for the
// network.
func TestBlockedIsDroppedAndNotReceived(t *testing.T) {
	for _, batches := range []bool{false, true} {
		t.Run(fmt.Sprintf("batches=%v", batches), func(t *testing.T) {
			everywhere(t, func(w *world) {
				list := new(dgram.BlockList)
				do(w, list.AddAddress(netip.MustParseAddr("127.0.0.2")))
				s := w.server("s", dgram.Options{ReceiveBlockList: list})
				if batches {
					s.OnMessages(func([]socket.Message) {})
				}
				to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(w.port(s)))
				good, _ := w.raw()
				defer good.Close()
				bad, err := w.on.Open(socket.IPv4)
				if err != nil {
					w.Fatal(err)
				}
				defer bad.Close()
				do(w, bad.Bind(netip.MustParseAddrPort("127.0.0.2:0")))
				for range 3 {
					send(w, bad, to, "blocked")
					send(w, good, to, "heard")
				}
				send(w, bad, to, "blocked")
				w.after(10*time.Millisecond, func() { s.Close(nil) })
				w.run()
				w.want("s got heard", "s got heard", "s got heard")
				st := s.Stats()
				if st.Received != 3 || st.ReceivedBytes != 15 || st.Dropped[drop.BlockListed] != 4 || st.Blocked != 4 {
					w.Errorf("the socket counts %+v", st)
				}
				if read, dropped, ok := w.account(drop.BlockListed); ok && (read != 3 || dropped != 4) {
					w.Errorf("the network counts %d read and %d blocked", read, dropped)
				}
			})
		})
	}
}

// TestClosedInTheMiddleOfATurn: what nobody is told of any more is not received.
func TestClosedInTheMiddleOfATurn(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.server("s", dgram.Options{})
		to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(w.port(s)))
		peer, _ := w.raw()
		defer peer.Close()
		for i := range 5 {
			send(w, peer, to, fmt.Sprint(i))
		}
		s.OnMessage(func(msg []byte, _ *dgram.RemoteInfo) {
			if string(msg) == "1" {
				do(w, s.Close(nil))
			}
		})
		w.run()
		w.want("s got 0", "s got 1")
		if st := s.Stats(); st.Received != 2 || st.Dropped[drop.SocketClosed] != 3 {
			w.Errorf("the socket counts %+v", st)
		}
		if read, dropped, ok := w.account(drop.SocketClosed); ok && (read != 2 || dropped != 3) {
			w.Errorf("the network counts %d read and %d lost by closing", read, dropped)
		}
	})
}
