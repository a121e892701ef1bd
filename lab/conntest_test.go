package lab_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/conntest"
	"github.com/castnet-go/castnet/lab"
)

// pair makes two Conns on hosts of a lab in real time. In a synctest bubble, real
// time is the bubble's.
func pair() (*conntest.Pair, error) {
	l := lab.New(lab.Config{Realtime: true})
	lan := l.AddSwitch("lan")
	var conns [2]*castnet.Conn
	var hosts [2]*lab.Host
	for i, a := range []string{"10.0.0.1/24", "10.0.0.2/24"} {
		h := l.AddHost("h" + a[7:8])
		if _, err := h.Attach(lan, lab.LinkConfig{Addresses: prefixes(a), MTU: 65535, Faults: lab.Faults{Delay: time.Microsecond}}); err != nil {
			return nil, err
		}
		c, err := listen(context.Background(), h, a[:8]+":0")
		if err != nil {
			return nil, err
		}
		conns[i], hosts[i] = c, h
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Run(24 * time.Hour)
	}()
	stop := func() {
		l.Close()
		<-ended
	}
	return &conntest.Pair{
		C1: conns[0], C2: conns[1], Stop: stop, Refuses: true,
		Dial: func(to net.Addr) (net.Conn, error) { return dial(context.Background(), hosts[1], to.String()) },
	}, nil
}

func TestConnInRealTime(t *testing.T) { conntest.TestPacketConn(t, pair) }

func TestConnInABubble(t *testing.T) { conntest.TestPacketConnInBubble(t, pair) }
