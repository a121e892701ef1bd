package dgram_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/socket"
)

// TestTrainIsManyDatagrams: one send of several datagrams, as segmentation offload has it.
func TestTrainIsManyDatagrams(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.server("s", dgram.Options{})
		to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(w.port(s)))
		do(w, s.SendMessage(&dgram.Message{Buf: []byte("0123456789012345678901234"), Addr: to, Set: socket.FieldSegmentSize, SegmentSize: 10}, w.sent("train")))
		w.after(10*time.Millisecond, func() { s.Close(nil) })
		w.run()
		w.want("train: 25", "s got 0123456789", "s got 0123456789", "s got 01234")
	})
}

// TestDSCPOfADatagram: the type of service is each datagram's own.
func TestDSCPOfADatagram(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.socket(dgram.Options{Report: socket.FieldTOS})
		s.OnMessage(func(msg []byte, from *dgram.RemoteInfo) { w.note("%s %d, ECN %d", msg, from.TOS>>2, from.ECN()) })
		if _, err := s.BindSync(0, "127.0.0.1"); err != nil {
			w.Fatal(err)
		}
		to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(w.port(s)))
		for _, tos := range []uint8{46<<2 | 1, 10 << 2, 0} {
			do(w, s.SendMessage(&dgram.Message{Buf: fmt.Append(nil, tos), Addr: to, Set: socket.FieldTOS, TOS: tos}, nil))
		}
		do(w, s.Send([]byte("plain"), int(to.Port()), "127.0.0.1", nil))
		w.after(10*time.Millisecond, func() { s.Close(nil) })
		w.run()
		w.want("185 46, ECN 1", "40 10, ECN 0", "0 0, ECN 0", "plain 0, ECN 0")
	})
}

// TestPathMTUAndDontFragment are the handle's options.
func TestPathMTUAndDontFragment(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.socket(dgram.Options{})
		if _, err := s.BindSync(0, "127.0.0.1"); err != nil {
			w.Fatal(err)
		}
		do(w, s.ConnectSync(9, "127.0.0.1"))
		do(w, s.Handle().SetOption(socket.DontFragment, 1))
		on, err := s.Handle().Option(socket.DontFragment)
		do(w, err)
		mtu, err := s.Handle().Option(socket.PathMTU)
		do(w, err)
		if on != 1 || mtu < 1500 {
			w.Errorf("don't fragment %d, path MTU %d", on, mtu)
		}
		do(w, s.Close(nil))
		w.run()
	})
}
