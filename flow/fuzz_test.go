package flow_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/flow"
	"github.com/castnet-go/castnet/socket"
)

// FuzzServer has clients speak, be silent and end their flows as the input says,
// and compares with what must hold: which flows there are, that every datagram is
// handled once and in order or dropped by name, and that nothing is left.
func FuzzServer(f *testing.F) {
	f.Add([]byte{0, 0, 8, 16, 24, 32, 40, 5, 0, 8})
	f.Add([]byte{1, 0, 8, 16, 24, 32, 40, 48, 56, 0, 8, 16})
	f.Add([]byte{0, 0, 0, 0, 6, 0, 0xf5, 0, 0xff, 0xfd, 0})
	f.Add([]byte{1, 0, 0x25, 8, 0x25, 16, 0x25, 0, 24, 32, 40, 6, 14, 22, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2 || len(data) > 200 {
			t.Skip()
		}
		synctest.Test(t, func(t *testing.T) { serveRandomly(t, data) })
	})
}

func serveRandomly(t *testing.T, data []byte) {
	const clients, most, timeout = 8, 4, time.Minute
	w := newWorld(t)
	var mu sync.Mutex
	handled := 0
	last := make(map[string]int) // by client: the number of the last datagram handled
	cfg := flow.Config{MaxFlows: most, IdleTimeout: timeout, Full: flow.Policy(data[0] % 2)}
	cfg.Handler = func(f *flow.Flow) {
		buf := make([]byte, 64)
		for {
			n, err := f.Read(buf)
			if err != nil {
				if !errors.Is(err, socket.ErrClosed) {
					t.Errorf("read: %v", err)
				}
				return
			}
			var number int
			var word string
			fmt.Sscan(string(buf[:n]), &number, &word)
			mu.Lock()
			handled++
			if who := f.Client().String(); number <= last[who] {
				t.Errorf("%s: datagram %d came after %d", who, number, last[who])
			} else {
				last[who] = number
			}
			mu.Unlock()
			if word == "quit" {
				return
			}
		}
	}
	s, done := w.serve(cfg)
	var conns [clients]*castnet.Conn
	for k := range conns {
		conns[k] = w.dial(fmt.Sprintf("192.0.2.%d:53", 1+k))
	}
	spoke := make(map[int]time.Time) // clients whose flow should be there, and since when they have been silent
	sent := 0
	for _, b := range data[1:] {
		k := int(b >> 3 % clients)
		switch op := b % 8; op {
		case 5:
			time.Sleep(time.Duration(b>>3)*5*time.Second + time.Millisecond)
		default:
			word := "go on"
			if op == 6 {
				word = "quit"
			}
			sent++
			before := s.Stats()
			write(t, conns[k], fmt.Sprint(sent, " ", word))
			synctest.Wait()
			after := s.Stats()
			if at, there := spoke[k]; there && time.Since(at) < timeout && cfg.Full == flow.RefuseNew && after.Accepted != before.Accepted {
				t.Errorf("client %d, silent for %v, was accepted again", k, time.Since(at))
			}
			delete(spoke, k)
			if word != "quit" && after.Refused == before.Refused {
				spoke[k] = time.Now()
			}
		}
		synctest.Wait()
		st := s.Stats()
		must, may := 0, 0
		for _, at := range spoke {
			if silent := time.Since(at); silent < timeout {
				must++
				may++
			} else if silent <= timeout*5/4 {
				may++
			}
		}
		if st.Flows > most || st.Flows > may || cfg.Full == flow.RefuseNew && st.Flows < must {
			t.Fatalf("%d flows, of which there must be %d and may be %d: %+v", st.Flows, must, may, st)
		}
		if cfg.Full == flow.RefuseNew && st.Evicted > 0 || cfg.Full == flow.EvictIdlest && st.Refused > 0 {
			t.Fatalf("policy %d: %+v", cfg.Full, st)
		}
		d := w.tunnel.Drops()
		if got := handled + int(d.Get(drop.FlowTableFull)+d.Get(drop.SocketClosed)); got != sent {
			t.Fatalf("%d datagrams were sent, %d handled or dropped: %v", sent, got, d.Map())
		}
	}
	done()
}
