package main

import (
	"context"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/stack"
)

// TestEchoAnswersFrom: out of the address that was asked, or if that cannot be a
// source, out of one of the network's.
func TestEchoAnswersFrom(t *testing.T) {
	t.Run("host", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("only Linux has all of 127.0.0.0/8")
		}
		host := &place{Network: castnet.Host(), kind: "host"}
		testEchoAnswersFrom(t, host, host, map[string]string{
			"127.255.255.255": "127.0.0.1", "127.0.0.1": "127.0.0.1", "127.0.0.5": "127.0.0.5",
		})
	})
	t.Run("stack", func(t *testing.T) {
		a, b := mem.Pair(mem.Config{})
		client, server := newPlace(t, a, "10.0.0.1/24"), newPlace(t, b, "10.0.0.2/24", "10.0.0.3/24")
		testEchoAnswersFrom(t, client, server, map[string]string{
			"10.0.0.255": "10.0.0.2", "10.0.0.2": "10.0.0.2", "10.0.0.3": "10.0.0.3",
		})
	})
}

func newPlace(t *testing.T, l *mem.Link, addresses ...string) *place {
	t.Helper()
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	i, err := s.AddInterface("eth0", l)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if err := i.AddAddress(netip.MustParsePrefix(a)); err != nil {
			t.Fatal(err)
		}
	}
	return &place{Network: s, Closer: s, kind: "stack"}
}

func testEchoAnswersFrom(t *testing.T, client, server *place, want map[string]string) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	e := &echoer{receiver: &receiver{flags: &receiveFlags{count: len(want), timeout: 20 * time.Second}, out: newOutput(null, false), place: server}}
	if err := e.listen(context.Background(), ":0"); err != nil {
		t.Fatal(err)
	}
	defer e.conn.Close()
	done := make(chan error, 1)
	go func() { done <- e.run(context.Background(), e.answer) }()

	c, err := (&castnet.Config{On: client.Network}).Listen(context.Background(), "udp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	for asked, from := range want {
		if _, err := c.WriteToUDPAddrPort([]byte(asked), netip.AddrPortFrom(netip.MustParseAddr(asked), e.local.Port())); err != nil {
			t.Fatalf("%s: %v", asked, err)
		}
		b := make([]byte, 100)
		n, peer, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			t.Fatalf("%s: %v", asked, err)
		}
		if got := plain(peer).Addr().String(); got != from || !slices.Equal(b[:n], []byte(asked)) {
			t.Errorf("%s: %q was answered from %s, want %s", asked, b[:n], got, from)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
