package loop_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/castnet-go/castnet/host"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

func pingPong(t *testing.T, on socket.Network) {
	l := loop.New(loop.Config{On: on})
	a, err := l.NewUDP(loop.UDPConfig{})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := l.NewUDP(loop.UDPConfig{})
	a.Bind(netip.MustParseAddrPort("127.0.0.1:0"), 0)
	b.Bind(netip.MustParseAddrPort("127.0.0.1:0"), 0)
	to, _ := a.LocalAddr()
	var got []string
	a.RecvStart(func(m *socket.Message, err error) {
		got = append(got, fmt.Sprint(string(m.Buf), err))
		a.Send(m, nil)
	})
	b.RecvStart(func(m *socket.Message, err error) {
		got = append(got, "back "+string(m.Buf))
		a.Close(nil)
		b.Close(nil)
	})
	l.NewTimer().Start(time.Millisecond, 0, func() {
		b.Send(&socket.Message{Buf: []byte("hello"), Addr: to}, func(err error) { got = append(got, fmt.Sprint("sent ", err)) })
	})
	if err := l.Run(); err != nil {
		t.Error(err)
	}
	if s := fmt.Sprint(got); s != "[sent <nil> hello<nil> back hello]" && s != "[hello<nil> sent <nil> back hello]" {
		t.Error(s)
	}
}

func TestSmoke(t *testing.T) {
	t.Run("host", func(t *testing.T) { pingPong(t, host.Network{}) })
	t.Run("stack", func(t *testing.T) {
		s, _ := stack.New(stack.Config{})
		defer s.Close()
		pingPong(t, s)
	})
	t.Run("lab", func(t *testing.T) {
		l := lab.New(lab.Config{})
		defer l.Close()
		h := l.AddHost("h")
		h.Go("x", func(context.Context) error { pingPong(t, h); return nil })
		if err := l.RunTasks(time.Minute); err != nil {
			t.Error(err)
		}
	})
}
