package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/examples/wireguard/wgbind"
	"github.com/castnet-go/castnet/lab"
	"github.com/castnet-go/castnet/stack"
)

// The tests below are in bubbles, whose time passes as fast as it can: WireGuard
// waits for minutes, and the test does not.

// TestLoss asks over a network that loses a third of all, the handshakes too, each
// question again until there is an answer. Then every datagram that did not arrive
// is accounted for.
func TestLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, annHost, bobHost := outerLab(t, lab.Faults{Delay: 20 * time.Millisecond, Loss: 0.3})
		ann, bob := connect(t, wgbind.New(castnet.Config{On: annHost}), wgbind.New(castnet.Config{On: bobHost}), netip.MustParseAddr("192.0.2.2"))
		server := listen(t, bob.inner, ":7")
		serve(t, server, func([]byte) {})
		c := dial(t, ann.inner, "10.77.0.2:7")
		const questions = 100
		for i := range questions {
			askUntilAnswered(t, c, fmt.Sprint("question ", i))
		}
		sent, arrived := c.Stats().Sent, server.Stats().Received
		answered, back := server.Stats().Sent, c.Stats().Received
		t.Logf("asked %d times for %d answers: %d of the questions and %d of the answers arrived", sent, questions, arrived, back)
		if sent < questions*5/4 || back >= answered {
			t.Errorf("asked %d times, %d of %d answers arrived: nothing was lost", sent, back, answered)
		}
		must(t, l.CheckLedger())
		for _, p := range []*peer{ann, bob} {
			if n := p.inner.Ledger().Dropped; n != 0 {
				t.Errorf("%v: the inner stack dropped %v", p.address, p.inner.Drops().Map())
			}
			if n := p.tun.Drops().Total(); n != 0 {
				t.Errorf("%v: the tunnel's device dropped %v", p.address, p.tun.Drops().Map())
			}
		}
		// So it was on the outer network, or WireGuard itself, which keeps 128
		// packets while a handshake is under way, that they were lost.
		lost := (sent - arrived) + (answered - back)
		if took := l.Report().Dropped[drop.LinkLoss]; took < lost {
			t.Errorf("%d datagrams are missing, and the links lost %d", lost, took)
		}
	})
}

// askUntilAnswered sends a datagram every second until it comes back.
func askUntilAnswered(t *testing.T, c *castnet.Conn, question string) {
	t.Helper()
	buf := make([]byte, 100)
	for range 1000 {
		if _, err := c.Write([]byte(question)); err != nil {
			t.Fatal(err)
		}
		must(t, c.SetReadDeadline(time.Now().Add(time.Second)))
		for {
			n, err := c.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(buf[:n]) == question { // and not a late answer
				return
			}
		}
	}
	t.Fatalf("%q was not answered", question)
}

// TestRoaming moves ann from one access network to another while she talks to bob:
// there is no new handshake, and bob answers to where her last packet came from.
func TestRoaming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lab.New(lab.Config{Realtime: true})
		wifi, cell, office := l.AddSwitch("wifi"), l.AddSwitch("cell"), l.AddSwitch("office")
		annHost, bobHost, internet := l.AddHost("ann"), l.AddHost("bob"), l.AddRouter("internet")
		slow := lab.Faults{Delay: 10 * time.Millisecond}
		attach(t, &internet.Host, wifi, "192.0.2.1/24", slow)
		attach(t, &internet.Host, cell, "198.51.100.1/24", slow)
		attach(t, &internet.Host, office, "203.0.113.1/24", slow)
		attach(t, annHost, wifi, "192.0.2.10/24", slow)
		attach(t, annHost, cell, "198.51.100.10/24", slow)
		attach(t, bobHost, office, "203.0.113.10/24", slow)
		must(t, annHost.AddRoute(stack.Route{Gateway: netip.MustParseAddr("192.0.2.1")}))
		must(t, annHost.AddRoute(stack.Route{Gateway: netip.MustParseAddr("198.51.100.1"), Metric: 100}))
		must(t, bobHost.AddRoute(stack.Route{Gateway: netip.MustParseAddr("203.0.113.1")}))
		runLab(t, l)
		ann, bob := connect(t, wgbind.New(castnet.Config{On: annHost}), wgbind.New(castnet.Config{On: bobHost}), netip.MustParseAddr("203.0.113.10"))
		serve(t, listen(t, bob.inner, ":7"), func([]byte) {})
		c := dial(t, ann.inner, "10.77.0.2:7")

		ask := func(question, from string) {
			t.Helper()
			askUntilAnswered(t, c, question)
			at, err := bob.setting("endpoint")
			must(t, err)
			if want := fmt.Sprintf("%s:%d", from, ann.port); at != want {
				t.Errorf("bob has ann at %s, want %s", at, want)
			}
		}
		ask("from the wifi?", "192.0.2.10")
		handshake, err := bob.setting("last_handshake_time_nsec")
		must(t, err)

		// She walks out of the house.
		eth0 := annHost.Stack().Interface("eth0")
		must(t, eth0.SetUp(false))
		must(t, eth0.RemoveAddress(netip.MustParsePrefix("192.0.2.10/24")))
		ask("and from the street?", "198.51.100.10")
		if again, err := bob.setting("last_handshake_time_nsec"); err != nil || again != handshake {
			t.Errorf("there was another handshake: %s, %s, %v", handshake, again, err)
		}
		if n := c.Stats().Sent; n != 2 {
			t.Errorf("she had to ask %d times, want 2", n)
		}

		// And comes home: the old way is the better one again.
		must(t, eth0.SetUp(true))
		must(t, eth0.AddAddress(netip.MustParsePrefix("192.0.2.10/24")))
		must(t, annHost.AddRoute(stack.Route{Gateway: netip.MustParseAddr("192.0.2.1"), Metric: 1}))
		askUntilAnswered(t, c, "and home again?")
		must(t, l.CheckLedger())
	})
}

// TestNoTunnel: without a peer that answers, the handshake is tried for a minute and
// a half, and nothing waits for ever or is left behind.
func TestNoTunnel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, annHost, bobHost := outerLab(t, lab.Faults{Delay: 20 * time.Millisecond})
		ann, bob := connect(t, wgbind.New(castnet.Config{On: annHost}), wgbind.New(castnet.Config{On: bobHost}), netip.MustParseAddr("192.0.2.2"))
		must(t, l.Partition([]string{"ann"}, []string{"bob"}))
		serve(t, listen(t, bob.inner, ":7"), func([]byte) {})
		c := dial(t, ann.inner, "10.77.0.2:7")
		for range 1000 {
			if _, err := c.Write([]byte("anybody?")); err != nil {
				t.Fatal(err)
			}
		}
		must(t, c.SetReadDeadline(time.Now().Add(5*time.Minute)))
		if _, err := c.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read = %v", err)
		}
		must(t, l.Partition())
		askUntilAnswered(t, c, "and now?")
	})
}

// TestCloseUnderLoad ends either side of a tunnel while its sockets are in use.
func TestCloseUnderLoad(t *testing.T) {
	_, annHost, bobHost := outerLab(t, lab.Faults{})
	for _, first := range []string{"stack", "tunnel"} {
		t.Run(first, func(t *testing.T) {
			ann, bob := connect(t, wgbind.New(castnet.Config{On: annHost}), wgbind.New(castnet.Config{On: bobHost}), netip.MustParseAddr("192.0.2.2"))
			serve(t, listen(t, bob.inner, ":7"), func([]byte) {})
			c := dial(t, ann.inner, "10.77.0.2:7")
			must(t, ask(c, 100, 10))
			flooded := make(chan error)
			go func() {
				for b := make([]byte, 1000); ; {
					if _, err := c.Write(b); err != nil {
						flooded <- err
						return
					}
				}
			}()
			if first == "stack" {
				must(t, ann.inner.Close())
			} else {
				ann.device.Close()
				c.Close()
			}
			if err := <-flooded; !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "closed") {
				t.Errorf("Write = %v", err)
			}
		})
	}
}
