package lab_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/internal/leak"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

func TestMain(m *testing.M) { leak.Main(m) }

func prefixes(s ...string) (list []netip.Prefix) {
	for _, s := range s {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}

func attach(t testing.TB, h *lab.Host, s lab.Segment, address string, faults lab.Faults) {
	t.Helper()
	if _, err := h.Attach(s, lab.LinkConfig{Addresses: prefixes(address), Faults: faults}); err != nil {
		t.Fatal(err)
	}
}

func run(t testing.TB, l *lab.Lab, d time.Duration) {
	t.Helper()
	if err := l.Run(d); err != nil {
		t.Fatal(err)
	}
	checkLedger(t, l)
}

func checkLedger(t testing.TB, l *lab.Lab) {
	t.Helper()
	if err := l.CheckLedger(); err != nil {
		t.Errorf("%v\n%v", err, l.Report())
	}
}

func listen(ctx context.Context, h castnet.Network, address string) (*castnet.Conn, error) {
	return (&castnet.Config{On: h}).Listen(ctx, "udp4", address)
}

func dial(ctx context.Context, h castnet.Network, address string) (*castnet.Conn, error) {
	return (&castnet.Config{On: h}).Dial(ctx, "udp4", address)
}

// echo answers every datagram on a port.
func echo(h *lab.Host, address string) {
	h.Go("echo", func(ctx context.Context) error {
		c, err := listen(ctx, h, address)
		if err != nil {
			return err
		}
		defer c.Close()
		buf := make([]byte, 2048)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return err
			}
			if _, err := c.WriteToUDPAddrPort(buf[:n], from); err != nil {
				return err
			}
		}
	})
}

func Example() {
	l := lab.New(lab.Config{Seed: 1})
	defer l.Close()
	lan := l.AddSwitch("lan")
	h1, h2 := l.AddHost("h1"), l.AddHost("h2")
	h1.Attach(lan, lab.LinkConfig{Addresses: prefixes("10.0.0.1/24")})
	h2.Attach(lan, lab.LinkConfig{Addresses: prefixes("10.0.0.2/24"), Faults: lab.Faults{Delay: 10 * time.Millisecond}})
	echo(h2, ":7")
	h1.Go("client", func(ctx context.Context) error {
		c, err := dial(ctx, h1, "h2:7")
		if err != nil {
			return err
		}
		for range 3 {
			sent := h1.Clock().Now()
			c.Write([]byte("hello"))
			buf := make([]byte, 100)
			n, err := c.Read(buf)
			if err != nil {
				return err
			}
			fmt.Printf("%s after %v\n", buf[:n], h1.Clock().Now().Sub(sent))
			h1.Sleep(ctx, time.Hour)
		}
		return nil
	})
	if err := l.Run(24 * time.Hour); err != nil {
		fmt.Println(err)
	}
	fmt.Print(l.Report())
	// Output:
	// hello after 20ms
	// hello after 10ms
	// hello after 10ms
	// WHERE            IN  MADE  OUT  READ  DROPPED
	// h1                9     9    9     3
	//   h1 eth0 > lan   9     -    9     -
	//   h1 eth0 < lan   9     -    9     -
	// h2                9     9    9     3
	//   h2 eth0 > lan   9     -    9     -
	//   h2 eth0 < lan   9     -    9     -
	// lan              18     -   18     -
}

func TestRefused(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	lan := l.AddSwitch("lan")
	h1, h2 := l.AddHost("h1"), l.AddHost("h2")
	attach(t, h1, lan, "10.0.0.1/24", lab.Faults{})
	attach(t, h2, lan, "10.0.0.2/24", lab.Faults{})
	h1.Go("client", func(ctx context.Context) error {
		c, err := dial(ctx, h1, "h2:9")
		if err != nil {
			return err
		}
		c.Write([]byte("anybody?"))
		_, err = c.Read(make([]byte, 10))
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Read = %v, want ECONNREFUSED", err)
		}
		return nil
	})
	run(t, l, time.Second)
}

func TestRouter(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	left, right := l.AddSwitch("left"), l.AddSwitch("right")
	h1, h2, r := l.AddHost("h1"), l.AddHost("h2"), l.AddRouter("r")
	attach(t, h1, left, "10.0.0.1/24", lab.Faults{})
	attach(t, h2, right, "10.0.1.2/24", lab.Faults{})
	attach(t, &r.Host, left, "10.0.0.254/24", lab.Faults{})
	attach(t, &r.Host, right, "10.0.1.254/24", lab.Faults{})
	for h, gateway := range map[*lab.Host]string{h1: "10.0.0.254", h2: "10.0.1.254"} {
		if err := h.AddRoute(stack.Route{Gateway: netip.MustParseAddr(gateway)}); err != nil {
			t.Fatal(err)
		}
	}
	echo(h2, ":7")
	h1.Go("client", func(ctx context.Context) error {
		c, err := dial(ctx, h1, "h2:7")
		if err != nil {
			return err
		}
		if _, err := c.Write([]byte("across")); err != nil {
			return err
		}
		buf := make([]byte, 10)
		n, err := c.Read(buf)
		if string(buf[:n]) != "across" {
			t.Errorf("Read = %q, %v", buf[:n], err)
		}
		return err
	})
	run(t, l, time.Second)
}

func TestNamesAreLookedUp(t *testing.T) {
	l := lab.New(lab.Config{})
	defer l.Close()
	a, b := l.AddSwitch("a"), l.AddSwitch("b")
	h1, h2, h3 := l.AddHost("h1"), l.AddHost("h2"), l.AddHost("h3")
	attach(t, h1, a, "10.0.0.1/24", lab.Faults{})
	attach(t, h2, b, "10.0.1.2/24", lab.Faults{})
	attach(t, h2, a, "10.0.0.2/24", lab.Faults{})
	attach(t, h3, b, "10.0.1.3/24", lab.Faults{})
	for _, tt := range []struct {
		on   *lab.Host
		name string
		want string
	}{
		{h1, "h2", "[10.0.0.2 10.0.1.2]"}, // the one in its own subnet first
		{h3, "h2", "[10.0.1.2 10.0.0.2]"},
		{h2, "h2", "[10.0.1.2 10.0.0.2]"},
		{h1, "localhost", "[127.0.0.1]"},
	} {
		got, err := tt.on.LookupNetIP(context.Background(), "ip4", tt.name)
		if err != nil || fmt.Sprint(got) != tt.want {
			t.Errorf("%s looks up %s: %v, %v; want %s", tt.on.Name(), tt.name, got, err, tt.want)
		}
	}
	for _, tt := range [][2]string{{"ip", "h4"}, {"ip6", "h2"}} {
		_, err := h1.LookupNetIP(context.Background(), tt[0], tt[1])
		var unknown *socket.NameError
		if !errors.As(err, &unknown) || unknown.Name != tt[1] {
			t.Errorf("LookupNetIP(%v) = %v, want a *socket.NameError", tt, err)
		}
	}
}

// TestMistakesInBuilding checks that each mistake is an error where it can be
// returned, and that Run says the first before it runs anything.
func TestMistakesInBuilding(t *testing.T) {
	for _, tt := range []struct {
		name  string
		build func(l *lab.Lab) error
		want  string
	}{
		{"name taken", func(l *lab.Lab) error {
			l.AddSwitch("x")
			_, err := l.AddHost("x").Attach(l.AddSwitch("y"), lab.LinkConfig{})
			return err
		}, "taken"},
		{"no name", func(l *lab.Lab) error { _, err := l.AddHost("").Open(4); return err }, "a name is needed"},
		{"name like a path", func(l *lab.Lab) error { _, err := l.AddHost("../x").Open(4); return err }, "begins with"},
		{"name like an address", func(l *lab.Lab) error { _, err := l.AddRouter("10.0.0.1").Open(4); return err }, "is an address"},
		{"switch's name", func(l *lab.Lab) error {
			_, err := l.AddHost("h").Attach(l.AddSwitch("a b"), lab.LinkConfig{})
			return err
		}, "letters, digits"},
	} {
		l := lab.New(lab.Config{})
		ran := false
		l.At(0, func() { ran = true })
		if err := tt.build(l); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want one that says %q", tt.name, err, tt.want)
		}
		if err := l.Run(time.Second); err == nil || !strings.Contains(err.Error(), tt.want) || ran {
			t.Errorf("%s: Run = %v (ran: %v), want one that says %q", tt.name, err, ran, tt.want)
		}
		l.Close()
	}

	l := lab.New(lab.Config{Stack: stack.Config{ReceiveBuffer: -1}})
	defer l.Close()
	if _, err := l.AddHost("h").Open(4); err == nil || !strings.Contains(err.Error(), "ReceiveBuffer") {
		t.Errorf("a stack that is wrong: %v", err)
	}
}

func TestAttachRefuses(t *testing.T) {
	l, other := lab.New(lab.Config{}), lab.New(lab.Config{})
	defer l.Close()
	defer other.Close()
	lan, cable, h := l.AddSwitch("lan"), l.AddCable("cable"), l.AddHost("h")
	for _, h := range []string{"c1", "c2"} {
		attach(t, l.AddHost(h), cable, map[string]string{"c1": "10.1.0.1/24", "c2": "10.1.0.2/24"}[h], lab.Faults{})
	}
	for _, tt := range []struct {
		name string
		to   lab.Segment
		cfg  lab.LinkConfig
		want string
	}{
		{"no segment", nil, lab.LinkConfig{}, "no segment"},
		{"no switch", (*lab.Switch)(nil), lab.LinkConfig{}, "no segment"},
		{"no cable", (*lab.Cable)(nil), lab.LinkConfig{}, "no segment"},
		{"another lab's", other.AddSwitch("x"), lab.LinkConfig{}, "another lab"},
		{"third end", cable, lab.LinkConfig{}, "c1 eth0 and c2 eth0"},
		{"small MTU", lan, lab.LinkConfig{MTU: 67}, "68 to 65535"},
		{"large MTU", lan, lab.LinkConfig{MTU: 65536}, "68 to 65535"},
		{"a group's address", lan, lab.LinkConfig{Addresses: prefixes("10.0.0.1/24", "224.0.0.1/24")}, "224.0.0.1"},
		{"an address twice", lan, lab.LinkConfig{Addresses: prefixes("10.0.0.1/24", "10.0.0.1/24")}, "already"},
		{"wrong faults", lan, lab.LinkConfig{Faults: lab.Faults{Loss: 2}}, "loss is 2"},
		{"wrong receiving faults", lan, lab.LinkConfig{Receive: lab.Faults{Rate: -1}}, "rate is -1"},
	} {
		if _, err := h.Attach(tt.to, tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want one that says %q", tt.name, err, tt.want)
		}
	}
	if is, _ := h.Interfaces(); len(is) != 1 {
		t.Errorf("failed attachments left %d interfaces", len(is))
	}
	// Nothing of it is in the way of a right one.
	if name, err := h.Attach(lan, lab.LinkConfig{Addresses: prefixes("10.0.0.1/24")}); name != "eth0" || err != nil {
		t.Errorf("Attach = %q, %v", name, err)
	}
	run(t, l, time.Second)
}

// What a host marks its packets with, others do not see.
func TestMarksEndWithTheHost(t *testing.T) {
	l := lab.New(lab.Config{Seed: 1})
	defer l.Close()
	cable := l.AddCable("cable")
	ann, bob := l.AddHost("ann"), l.AddHost("bob")
	attach(t, ann, cable, "10.0.0.1/24", lab.Faults{})
	attach(t, bob, cable, "10.0.0.2/24", lab.Faults{})
	bob.Go("listen", func(ctx context.Context) error {
		c, err := listen(ctx, bob, ":7")
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetReport(castnet.FieldMark); err != nil {
			return err
		}
		ms := []castnet.Message{{Buf: make([]byte, 16)}}
		if _, err := c.ReadBatch(ms); err != nil {
			return err
		}
		if ms[0].Mark != 0 {
			t.Errorf("bob sees the mark %d", ms[0].Mark)
		}
		return nil
	})
	ann.Go("send", func(ctx context.Context) error {
		c, err := (&castnet.Config{On: ann, Mark: 5}).Dial(ctx, "udp4", "bob:7")
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("hello"))
		return err
	})
	run(t, l, time.Second)
}
