package stack

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/socket"
)

func TestDatagramAcrossAWire(t *testing.T) {
	a, b := pair(t)
	server := b.open(t, "0.0.0.0:7")
	client := a.open(t, "")
	send(t, client, "hello", "10.0.0.2:7")
	m := receive(t, server)
	if string(m.Buf) != "hello" || m.Len != 5 || m.Addr.Addr() != a.addr || m.Addr.Port() == 0 {
		t.Errorf("received %q (%d) from %v", m.Buf, m.Len, m.Addr)
	}
	m.Reply()
	m.Buf = []byte("answer")
	if _, err := server.TrySend([]socket.Message{m}); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, client); string(m.Buf) != "answer" || m.Addr.String() != "10.0.0.2:7" {
		t.Errorf("received %q from %v", m.Buf, m.Addr)
	}
	checkLedger(t, a, b)
}

func TestPortUnreachableComesBackOnce(t *testing.T) {
	a, b := pair(t)
	c := a.open(t, "")
	if err := c.Connect(netip.MustParseAddrPort("10.0.0.2:9")); err != nil {
		t.Fatal(err)
	}
	send(t, c, "x", "")
	ms := []socket.Message{{Buf: make([]byte, 10)}}
	if _, err := c.TryRecv(ms); err != syscall.ECONNREFUSED {
		t.Errorf("first receive: %v, want ECONNREFUSED", err)
	}
	if _, err := c.TryRecv(ms); err != syscall.EAGAIN {
		t.Errorf("second receive: %v, want EAGAIN", err)
	}
	if n := b.Drops().Get(drop.NoPort); n != 1 {
		t.Errorf("NoPort = %d, want 1", n)
	}
	checkLedger(t, a, b)
}

func TestBroadcastReachesEveryoneAndTheSenderToo(t *testing.T) {
	a, b := pair(t)
	own := a.open(t, "0.0.0.0:7")
	var theirs []*Socket
	for range 2 {
		s := b.open(t, "")
		s.SetOption(socket.ReuseAddr, 1)
		if err := s.Bind(netip.MustParseAddrPort("0.0.0.0:7")); err != nil {
			t.Fatal(err)
		}
		theirs = append(theirs, s)
	}
	c := a.open(t, "")
	to := []socket.Message{{Buf: []byte("all"), Addr: netip.MustParseAddrPort("10.0.0.255:7")}}
	if _, err := c.TrySend(to); err != syscall.EACCES {
		t.Errorf("without permission: %v, want EACCES", err)
	}
	c.SetOption(socket.Broadcast, 1)
	if _, err := c.TrySend(to); err != nil {
		t.Fatal(err)
	}
	for _, s := range append(theirs, own) {
		if m := receive(t, s); string(m.Buf) != "all" {
			t.Errorf("received %q", m.Buf)
		}
	}
	checkLedger(t, a, b)
}

func TestLoopback(t *testing.T) {
	a, _ := pair(t)
	s := a.open(t, "127.0.0.1:7")
	c := a.open(t, "")
	send(t, c, "x", "127.0.0.1:7")
	if m := receive(t, s); m.Addr.Addr().String() != "127.0.0.1" {
		t.Errorf("from %v", m.Addr)
	}
	if _, err := s.TrySend([]socket.Message{{Buf: []byte("x"), Addr: netip.MustParseAddrPort("10.0.0.2:7")}}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("from 127.0.0.1 to another host: %v, want EINVAL", err)
	}
	checkLedger(t, a)
}

func TestBatch(t *testing.T) {
	a, b := pair(t)
	server := b.open(t, "0.0.0.0:7")
	c := a.open(t, "")
	c.Connect(netip.MustParseAddrPort("10.0.0.2:7"))
	out := make([]socket.Message, 100)
	for i := range out {
		out[i].Buf = []byte{byte(i)}
	}
	if n, err := c.TrySend(out); n != 100 || err != nil {
		t.Fatalf("sent %d, %v", n, err)
	}
	in := make([]socket.Message, 128)
	for i := range in {
		in[i].Buf = make([]byte, 8)
	}
	n, err := server.TryRecv(in)
	if n != 100 || err != nil {
		t.Fatalf("received %d, %v", n, err)
	}
	for i := range n {
		if len(in[i].Buf) != 1 || in[i].Buf[0] != byte(i) {
			t.Fatalf("datagram %d is %v", i, in[i].Buf)
		}
	}
	checkLedger(t, a, b)
}
