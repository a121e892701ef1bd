package lab_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/lab"
)

// TestBorrowBlocksATask reads by Borrow or by ReadBatch: a task waits for either in
// virtual time, and what it reads is a part of the fingerprint.
func TestBorrowBlocksATask(t *testing.T) {
	prints := map[string]uint64{}
	for name, read := range map[string]func(*castnet.Conn, []castnet.Message) (int, error){
		"ReadBatch": func(c *castnet.Conn, ms []castnet.Message) (int, error) {
			for k := range ms {
				ms[k].Buf = make([]byte, 100)
			}
			return c.ReadBatch(ms)
		},
		"Borrow": func(c *castnet.Conn, ms []castnet.Message) (int, error) {
			n, loan, err := c.Borrow(ms)
			if loan != nil {
				defer loan.Return()
			}
			return n, err
		},
		"nothing": nil,
	} {
		l := lab.New(lab.Config{})
		lan := l.AddSwitch("lan")
		var hosts [2]*lab.Host
		for i, a := range []string{"10.0.0.1/24", "10.0.0.2/24"} {
			hosts[i] = l.AddHost("h" + a[7:8])
			if _, err := hosts[i].Attach(lan, lab.LinkConfig{Addresses: prefixes(a), Faults: lab.Faults{Delay: time.Millisecond}}); err != nil {
				t.Fatal(err)
			}
		}
		got := 0
		hosts[1].Go("reader", func(ctx context.Context) error {
			c, err := listen(ctx, hosts[1], "10.0.0.2:7")
			if err != nil || read == nil {
				return err
			}
			defer c.Close()
			for got < 10 {
				n, err := read(c, make([]castnet.Message, 4))
				if err != nil {
					return err
				}
				got += n
			}
			if l.Elapsed() < 4*time.Second {
				t.Errorf("%s: the last came after %v", name, l.Elapsed())
			}
			c.SetReadDeadline(l.Clock().Now().Add(time.Hour))
			if _, err := read(c, make([]castnet.Message, 4)); err == nil || !errors.Is(err, context.DeadlineExceeded) && !err.(net.Error).Timeout() {
				t.Errorf("%s: after the last one %v", name, err)
			}
			return nil
		})
		hosts[0].Go("sender", func(ctx context.Context) error {
			c, err := dial(ctx, hosts[0], "10.0.0.2:7")
			if err != nil {
				return err
			}
			for range 5 {
				c.Write([]byte("one"))
				c.Write([]byte("other"))
				hosts[0].Sleep(ctx, time.Second)
			}
			return nil
		})
		run(t, l, 2*time.Hour)
		if read != nil && got != 10 {
			t.Errorf("%s: %d were read", name, got)
		}
		prints[name] = l.Fingerprint()
		l.Close()
	}
	if prints["Borrow"] != prints["ReadBatch"] || prints["nothing"] == prints["Borrow"] {
		t.Errorf("fingerprints: %v", prints)
	}
}
