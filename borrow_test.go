package castnet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/conntest"
)

// A borrower is a Conn whose reads are made of Borrow.
type borrower struct{ *castnet.Conn }

func (c borrower) ReadFrom(b []byte) (int, net.Addr, error) {
	if len(b) == 0 {
		return c.Conn.ReadFrom(b)
	}
	ms := []castnet.Message{{Buf: []byte("not looked at")}}
	_, loan, err := c.Borrow(ms)
	if err != nil {
		return 0, nil, err
	}
	defer loan.Return()
	return copy(b, ms[0].Buf), net.UDPAddrFromAddrPort(ms[0].Addr), nil
}

func (c borrower) Read(b []byte) (int, error) {
	n, _, err := c.ReadFrom(b)
	return n, err
}

// borrowing makes a pair's connections borrowers.
func borrowing(pair func() (*conntest.Pair, error)) func() (*conntest.Pair, error) {
	return func() (*conntest.Pair, error) {
		p, err := pair()
		if err != nil {
			return nil, err
		}
		p.C1, p.C2 = borrower{p.C1.(*castnet.Conn)}, borrower{p.C2.(*castnet.Conn)}
		dial := p.Dial
		p.Dial = func(a net.Addr) (net.Conn, error) {
			c, err := dial(a)
			if err != nil {
				return nil, err
			}
			return borrower{c.(*castnet.Conn)}, nil
		}
		return p, nil
	}
}

func copiedPair() (*conntest.Pair, error) {
	return makePair(nil, nil, "udp4", "127.0.0.1:0", "127.0.0.1:0", nil)
}

func TestBorrowOnStack(t *testing.T) { conntest.TestPacketConn(t, borrowing(stackPair)) }
func TestBorrowOnStackInBubble(t *testing.T) {
	conntest.TestPacketConnInBubble(t, borrowing(stackPair))
}
func TestBorrowOnStackIPv6(t *testing.T) { conntest.TestPacketConn(t, borrowing(stackPair6)) }
func TestBorrowOnHost(t *testing.T)      { conntest.TestPacketConn(t, borrowing(copiedPair)) }

// borrowers are pairs on which datagrams are lent, and on which copies are.
var borrowers = map[string]func() (*conntest.Pair, error){"lent": stackPair, "copied": copiedPair}

// opened returns a pair's connections, which are closed after the test.
func opened(t *testing.T, pair func() (*conntest.Pair, error)) (from, to *castnet.Conn) {
	t.Helper()
	p, err := pair()
	if err != nil {
		t.Fatal(err)
	}
	from, to = p.C1.(*castnet.Conn), p.C2.(*castnet.Conn)
	stop := p.Stop
	if stop == nil {
		stop = func() { from.Close(); to.Close() }
	}
	t.Cleanup(stop)
	return from, to
}

func TestBorrow(t *testing.T) {
	for name, pair := range borrowers {
		t.Run(name, func(t *testing.T) {
			from, to := opened(t, pair)
			peer := to.LocalAddr().(*net.UDPAddr).AddrPort()
			const count = 70
			var out []castnet.Message
			for k := range count {
				out = append(out, castnet.Message{Buf: bytes.Repeat([]byte{byte(k)}, k*17), Addr: peer})
			}
			if n, err := from.WriteBatch(out); n != count || err != nil {
				t.Fatal(n, err)
			}
			// Several loans at a time, returned in another order.
			to.SetReadDeadline(time.Now().Add(10 * time.Second))
			var loans []castnet.Loan
			var got [][]byte
			for len(got) < count {
				ms := make([]castnet.Message, 50)
				n, loan, err := to.Borrow(ms)
				if err != nil || n < 1 || n > 32 || loan == nil {
					t.Fatal(n, loan, err)
				}
				loans = append(loans, loan)
				for _, m := range ms[:n] {
					if m.Len != len(m.Buf) || cap(m.Buf) != len(m.Buf) || m.Addr.Port() != uint16(from.LocalAddr().(*net.UDPAddr).Port) {
						t.Errorf("%d of %d bytes with room for %d from %v", len(m.Buf), m.Len, cap(m.Buf), m.Addr)
					}
					got = append(got, m.Buf)
				}
				for _, m := range ms[n:] {
					if m.Buf != nil {
						t.Errorf("a Message behind those that were lent holds %q", m.Buf)
					}
				}
			}
			for k := range got {
				if !bytes.Equal(got[k], out[k].Buf) {
					t.Errorf("%d: % x", k, got[k])
				}
			}
			for k := range loans {
				loans[len(loans)-1-k].Return()
			}
			if st := to.Stats(); st.Received != count {
				t.Errorf("%d were received", st.Received)
			}

			if n, loan, err := to.Borrow(nil); n != 0 || loan != nil || err != nil {
				t.Errorf("no messages: %d, %v, %v", n, loan, err)
			}
			to.SetReadDeadline(time.Now().Add(-time.Second))
			for _, end := range []struct {
				name string
				do   func()
				want error
			}{
				{"deadline", func() {}, os.ErrDeadlineExceeded},
				{"CloseRead", func() { to.SetReadDeadline(time.Time{}); to.CloseRead() }, io.EOF},
				{"Close", func() { to.Close() }, net.ErrClosed},
			} {
				end.do()
				if n, loan, err := to.Borrow(make([]castnet.Message, 2)); n != 0 || loan != nil || !errors.Is(err, end.want) {
					t.Errorf("%s: %d, %v, %v", end.name, n, loan, err)
				}
			}
			var zero castnet.Conn
			if _, _, err := zero.Borrow(make([]castnet.Message, 1)); err == nil {
				t.Error("the zero Conn lends")
			}
		})
	}
}

func TestALoanIsReturnedOnce(t *testing.T) {
	for name, pair := range borrowers {
		t.Run(name, func(t *testing.T) {
			from, to := opened(t, pair)
			if _, err := from.WriteTo([]byte("x"), to.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			_, loan, err := to.Borrow(make([]castnet.Message, 1))
			if err != nil {
				t.Fatal(err)
			}
			loan.Return()
			defer func() {
				if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "twice") {
					t.Errorf("it panicked with %v", r)
				}
			}()
			loan.Return()
		})
	}
}

// Datagrams are looked at where the network keeps them.
func ExampleConn_Borrow() {
	c, err := castnet.Listen("udp4", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	c.WriteToUDPAddrPort([]byte("hello"), netip.MustParseAddrPort(c.LocalAddr().String()))

	ms := make([]castnet.Message, 32) // no buffers: they are lent
	n, loan, err := c.Borrow(ms)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range ms[:n] {
		fmt.Printf("%s\n", m.Buf)
	}
	loan.Return()
	// Output: hello
}
