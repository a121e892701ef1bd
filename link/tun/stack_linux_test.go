package tun_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/link/tun"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// A stack's socket and the kernel's exchange trains, and whoever does not ask for
// them reads datagrams.
func TestStackTrains(t *testing.T) {
	ns := netns.New(t)
	l := open(t, ns, "cn0", tun.Config{HostAddresses: hosts})
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tun0, err := s.AddInterface("tun0", l)
	if err == nil {
		err = tun0.AddAddress(netip.PrefixFrom(us, 24))
	}
	if err != nil {
		t.Fatal(err)
	}
	ours, err := s.Open(socket.IPv4)
	if err == nil {
		err = ours.Bind(netip.AddrPortFrom(us, 9))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	kernel := listen(t, ns, 7000)
	want := pattern(1000*30 + 10)
	buf := make([]byte, 1<<16)

	m := socket.Message{Buf: want, Addr: netip.AddrPortFrom(host, 7000), Set: socket.FieldSegmentSize, SegmentSize: 1000}
	if n, err := ours.TrySend([]socket.Message{m}); n != 1 || err != nil {
		t.Fatalf("TrySend: %d, %v", n, err)
	}
	for rest := want; len(rest) > 0; rest = rest[min(1000, len(rest)):] {
		n, err := kernel.Read(buf)
		if err != nil || !bytes.Equal(buf[:n], rest[:min(1000, len(rest))]) {
			t.Fatalf("the kernel got %d bytes, %v", n, err)
		}
	}
	c := dial(t, ns, 9)
	segments(t, c, 1000)
	if _, err := c.Write(want); err != nil {
		t.Fatal(err)
	}
	for rest := want; len(rest) > 0; rest = rest[min(1000, len(rest)):] {
		if err := ours.Wait(socket.Readable, nil); err != nil {
			t.Fatal(err)
		}
		ms := []socket.Message{{Buf: buf}}
		n, err := ours.TryRecv(ms)
		if n != 1 || err != nil || !bytes.Equal(buf[:ms[0].Len], rest[:min(1000, len(rest))]) {
			t.Fatalf("the stack got %d bytes, %d, %v", ms[0].Len, n, err)
		}
	}
}
