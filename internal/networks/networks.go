// Package networks runs a test on each kind of network: the operating system's, a stack
// with nothing but its loopback, and a lab's host, in virtual time, on which nothing may
// be lost without a name.
//
//	networks.Each(t, func(t *testing.T, name string, on socket.Network) { ... })
//
// # Limitations
//
// What is tried on the operating system's is to stay on its loopback, since the machine is
// everybody's.
package networks

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/host"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// Each runs a test once for each network, by its name: "host", "stack" and "lab".
func Each(t *testing.T, f func(t *testing.T, name string, on socket.Network)) {
	t.Helper()
	t.Run("host", func(t *testing.T) { f(t, "host", host.Network{}) })
	t.Run("stack", func(t *testing.T) {
		s, err := stack.New(stack.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		f(t, "stack", s)
	})
	t.Run("lab", func(t *testing.T) { InLab(t, f) })
}

// InLab runs a test on the lab's host alone, 10.0.0.1, which has a way out that leads to
// nobody.
func InLab(t *testing.T, f func(t *testing.T, name string, on socket.Network)) {
	t.Helper()
	l := lab.New(lab.Config{Seed: 1})
	defer l.Close()
	h := l.AddHost("h1")
	if _, err := h.Attach(l.AddSwitch("lan"), lab.LinkConfig{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}}); err != nil {
		t.Fatal(err)
	}
	if err := h.AddRoute(stack.Route{Gateway: netip.MustParseAddr("10.0.0.254")}); err != nil {
		t.Fatal(err)
	}
	h.Go("test", func(context.Context) error {
		f(t, "lab", h)
		return nil
	})
	if err := l.RunTasks(time.Hour); err != nil {
		t.Error(err)
	}
	if err := l.CheckLedger(); err != nil {
		t.Error(err)
	}
}
