package dgram_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet/dgram"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/loop"
	"github.com/castnet-go/castnet/socket"
)

// TestAddMembershipBindsAnUnboundSocket, and who sends from it then stays there.
func TestAddMembershipBindsAnUnboundSocket(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		s := w.socket(dgram.Options{})
		do(w, s.AddMembership("224.0.0.114", "127.0.0.1"))
		a, err := s.Address()
		if err != nil || a.Port() == 0 || a.Addr() != netip.IPv4Unspecified() {
			w.Errorf("Address = %v, %v", a, err)
		}
		do(w, s.Send([]byte("x"), port, "127.0.0.1", func(_ int, err error) {
			do(w, err)
			if b, _ := s.Address(); b != a {
				w.Errorf("moved to %v", b)
			}
			s.Close(nil)
		}))
		w.run()
		if len(drain(peer)) != 1 {
			w.Error("nothing came")
		}
		// A port that is named is too late.
		s = w.socket(dgram.Options{})
		do(w, s.AddMembership("224.0.0.114", "127.0.0.1"))
		s.OnError(func(err error) { w.is(err, syscall.EINVAL, "bind EINVAL 0.0.0.0:7001"); s.Close(nil) })
		do(w, s.Bind(7001, "", nil))
		w.run()
	})
}

func TestMembershipErrors(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.server("s", dgram.Options{})
		w.is(s.AddMembership("", ""), dgram.ErrMissingArgs, `The "multicastAddress" argument must be specified`)
		w.is(s.DropMembership("", ""), dgram.ErrMissingArgs, `The "multicastAddress" argument must be specified`)
		for _, c := range []struct {
			call string
			err  error
			want syscall.Errno
		}{
			{"addMembership", s.AddMembership("256.256.256.256", ""), syscall.EINVAL},
			{"addMembership", s.AddMembership("ff02::1:1", ""), syscall.EINVAL},
			{"addMembership", s.AddMembership("10.0.0.1", "127.0.0.1"), syscall.EINVAL},
			{"addMembership", s.AddMembership("224.0.0.114", "203.0.113.9"), syscall.ENODEV},
			{"addMembership", s.AddMembership("224.0.0.114", "no such thing"), syscall.EINVAL},
			{"dropMembership", s.DropMembership("224.0.0.114", "127.0.0.1"), syscall.EADDRNOTAVAIL},
			{"addSourceSpecificMembership", s.AddSourceSpecificMembership("0", "232.1.1.1", ""), syscall.EINVAL},
			{"addSourceSpecificMembership", s.AddSourceSpecificMembership("224.0.0.114", "0", ""), syscall.EINVAL},
			{"dropSourceSpecificMembership", s.DropSourceSpecificMembership("10.0.0.1", "232.1.1.1", "127.0.0.1"), syscall.EINVAL},
			{"setMulticastInterface", s.SetMulticastInterface("203.0.113.9"), syscall.EADDRNOTAVAIL},
			{"setMulticastInterface", s.SetMulticastInterface("224.0.0.2"), syscall.EADDRNOTAVAIL},
			{"setMulticastInterface", s.SetMulticastInterface(""), syscall.EINVAL},
			{"setMulticastInterface", s.SetMulticastInterface("::"), syscall.ENOPROTOOPT},
		} {
			if !errors.Is(c.err, c.want) || !strings.HasPrefix(c.err.Error(), c.call+" E") {
				w.Errorf("%s: %v, want %v", c.call, c.err, c.want)
			}
		}
		do(w, s.AddMembership("224.0.0.114", "127.0.0.1"))
		w.is(s.AddMembership("224.0.0.114", "127.0.0.1"), syscall.EADDRINUSE, "addMembership EADDRINUSE")
		do(w, s.AddMembership("224.0.0.115", "lo")) // by its name
		do(w, s.AddSourceSpecificMembership("10.0.0.9", "232.1.1.1", "127.0.0.1"))
		if list := s.Memberships(); len(list) != 3 || list[0].Interface != list[1].Interface || !list[2].Only {
			w.Errorf("Memberships() = %v", list)
		}
		do(w, s.DropMembership("224.0.0.114", "127.0.0.1"))
		do(w, s.DropSourceSpecificMembership("10.0.0.9", "232.1.1.1", "127.0.0.1"))
		s.Close(nil)
		w.run()
		if s.Memberships() != nil {
			w.Error("a closed socket has memberships")
		}
	})
}

// twoLANs is a host on two switches with a neighbour on each.
func twoLANs(t *testing.T) (l *lab.Lab, middle, left, right *lab.Host) {
	t.Helper()
	l = lab.New(lab.Config{Seed: 1})
	t.Cleanup(func() { l.Close() })
	a, b := l.AddSwitch("a"), l.AddSwitch("b")
	attach := func(h *lab.Host, to *lab.Switch, address string) {
		t.Helper()
		if _, err := h.Attach(to, lab.LinkConfig{Addresses: []netip.Prefix{netip.MustParsePrefix(address)}}); err != nil {
			t.Fatal(err)
		}
	}
	middle, left, right = l.AddHost("middle"), l.AddHost("left"), l.AddHost("right")
	attach(middle, a, "10.0.1.1/24")
	attach(middle, b, "10.0.2.1/24")
	attach(left, a, "10.0.1.2/24")
	attach(right, b, "10.0.2.2/24")
	return l, middle, left, right
}

// announce sends to a group from a host, a while after the beginning.
func announce(w *testing.T, h *lab.Host, group, msg string) {
	h.Go("announce", func(ctx context.Context) error {
		if err := h.Sleep(ctx, time.Second); err != nil {
			return err
		}
		lp := loop.New(loop.Config{On: h})
		s, err := dgram.CreateSocket(dgram.Options{Type: "udp4", Loop: lp})
		if err != nil {
			return err
		}
		address := map[string]string{"left": "10.0.1.2", "right": "10.0.2.2"}[h.Name()]
		if err := s.Bind(0, "", func() {
			if err := s.SetMulticastInterface(address); err != nil {
				w.Error(err)
			}
			if err := s.Send([]byte(msg), 7000, group, func(int, error) { s.Close(nil) }); err != nil {
				w.Error(err)
			}
		}); err != nil {
			return err
		}
		return lp.Run()
	})
}

// TestJoinOnEveryInterface, and not on the default one only (node 1692).
func TestJoinOnEveryInterface(t *testing.T) {
	for _, all := range []bool{false, true} {
		l, middle, left, right := twoLANs(t)
		var heard []string
		middle.Go("listen", func(context.Context) error {
			lp := loop.New(loop.Config{On: middle})
			s, err := dgram.CreateSocket(dgram.Options{Type: "udp4", Loop: lp})
			if err != nil {
				return err
			}
			s.OnMessage(func(msg []byte, _ *dgram.RemoteInfo) { heard = append(heard, string(msg)) })
			if err := s.Bind(7000, "", func() {
				if !all {
					if err := s.AddMembership("239.1.1.1", "10.0.1.1"); err != nil {
						t.Error(err)
					}
				} else if names, err := s.AddMembershipAll("239.1.1.1"); err != nil || strings.Join(names, " ") != "eth0 eth1" {
					t.Errorf("AddMembershipAll = %v, %v", names, err)
				}
			}); err != nil {
				return err
			}
			end := lp.NewTimer()
			_ = end.Start(3*time.Second, 0, func() { end.Close(nil); s.Close(nil) })
			return lp.Run()
		})
		announce(t, left, "239.1.1.1", "left")
		announce(t, right, "239.1.1.1", "right")
		if err := l.RunTasks(time.Minute); err != nil {
			t.Error(err)
		}
		want := "left"
		if all {
			want = "left right"
		}
		if got := strings.Join(heard, " "); got != want {
			t.Errorf("all %v: heard %q, want %q", all, got, want)
		}
	}
}

// TestJoinOnEveryInterfaceWithoutAny is ENODEV.
func TestJoinOnEveryInterfaceWithoutAny(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	h := l.AddHost("alone")
	h.Go("join", func(context.Context) error {
		w := newWorld(t, "lab", h)
		s := w.server("s", dgram.Options{})
		_, err := s.AddMembershipAll("239.1.1.1")
		w.is(err, syscall.ENODEV, "addMembership ENODEV")
		_, err = s.AddMembershipAll("")
		w.is(err, dgram.ErrMissingArgs, `The "multicastAddress" argument must be specified`)
		s.Close(nil)
		w.run()
		return nil
	})
	if err := l.RunTasks(time.Minute); err != nil {
		t.Error(err)
	}
}

// TestJoinOnEveryInterfaceThatIsUp: one that is down is left out, also of the names.
func TestJoinOnEveryInterfaceThatIsUp(t *testing.T) {
	l, middle, _, _ := twoLANs(t)
	if err := middle.Stack().Interface("eth1").SetUp(false); err != nil {
		t.Fatal(err)
	}
	middle.Go("join", func(context.Context) error {
		w := newWorld(t, "lab", middle)
		s := w.server("s", dgram.Options{})
		names, err := s.AddMembershipAll("239.1.1.1")
		do(w, err)
		if strings.Join(names, " ") != "eth0" || len(s.Memberships()) != 1 {
			t.Errorf("joined on %v: %v", names, s.Memberships())
		}
		do(w, s.Close(nil))
		w.run()
		return nil
	})
	if err := l.RunTasks(time.Minute); err != nil {
		t.Error(err)
	}
}

// TestTwoGroupsOnOnePort do not hear each other where a socket is bound to its group
// (node 19954).
func TestTwoGroupsOnOnePort(t *testing.T) {
	everywhere(t, func(w *world) {
		var all []*dgram.Socket
		for _, group := range []string{"239.1.1.1", "239.1.1.2"} {
			s := w.socket(dgram.Options{ReuseAddr: true, Report: socket.FieldLocal})
			all = append(all, s)
			s.OnMessage(func(msg []byte, from *dgram.RemoteInfo) { w.note("%s got %s for %v", group, msg, from.Local.Addr()) })
			if _, err := s.BindSync(17001, group); err != nil {
				w.Fatal(err)
			}
			do(w, s.AddMembership(group, "127.0.0.1"))
		}
		sender := w.server("sender", dgram.Options{})
		do(w, sender.SetMulticastInterface("127.0.0.1"))
		do(w, sender.Send([]byte("one"), 17001, "239.1.1.1", nil))
		w.after(10*time.Millisecond, func() { do(w, sender.Send([]byte("two"), 17001, "239.1.1.2", nil)) })
		w.after(40*time.Millisecond, func() {
			for _, s := range append(all, sender) {
				s.Close(nil)
			}
		})
		w.run()
		w.want("239.1.1.1 got one for 239.1.1.1", "239.1.1.2 got two for 239.1.1.2")
	})
}
