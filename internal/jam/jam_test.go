package jam

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

func TestJam(t *testing.T) {
	st, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	n := New(st)
	s, err := n.Open(socket.IPv4)
	if err != nil {
		t.Fatal(err)
	}
	ms := make([]socket.Message, 5)
	for i := range ms {
		ms[i].Addr = netip.MustParseAddrPort("127.0.0.1:9")
	}
	try := func(want int, wantErr error) {
		t.Helper()
		if got, err := s.TrySend(ms); got != want || err != wantErr {
			t.Errorf("TrySend = %d, %v, want %d, %v", got, err, want, wantErr)
		}
	}
	try(5, nil)
	n.Jam(2, syscall.EAGAIN)
	try(2, nil)
	try(0, syscall.EAGAIN)
	called := 0
	s.Notify(socket.Writable, func() { called++ })
	if called != 0 {
		t.Error("a jammed socket was called writable")
	}
	n.Clear()
	n.Clear()
	if called != 1 {
		t.Errorf("called %d times when the jam was over", called)
	}
	try(5, nil)
	n.Jam(1, syscall.EMSGSIZE)
	try(1, nil)
	try(0, syscall.EMSGSIZE)
	try(5, nil)
	n.Jam(0, syscall.EAGAIN)
	s.Notify(socket.Writable, func() { called++ })
	if err := s.Close(); err != nil || called != 2 {
		t.Errorf("Close = %v, called %d times", err, called)
	}
	if n.Calls() != 7 {
		t.Errorf("Calls() = %d", n.Calls())
	}
}
