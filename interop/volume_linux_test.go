package interop

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
)

// An end is one of two connected packet connections; both kinds have it.
type end interface {
	Write([]byte) (int, error)
	Read([]byte) (int, error)
	SetDeadline(time.Time) error
}

const (
	volume = 10000
	window = 64 // datagrams that are not acknowledged; far fewer than a receive buffer has room for
	ackOf  = 16 // datagrams that one acknowledgement is about
)

// fillDatagram writes datagram i of a flow into b and returns it: its number,
// then what follows from it.
func fillDatagram(b []byte, flow uint64, i int) []byte {
	r := rand.New(rand.NewPCG(flow, uint64(i)))
	b = b[:8+r.IntN(1472-8+1)]
	binary.BigEndian.PutUint64(b, uint64(i))
	var word [8]byte
	for p := b[8:]; len(p) > 0; {
		binary.LittleEndian.PutUint64(word[:], r.Uint64())
		p = p[copy(p, word[:]):]
	}
	return b
}

// sendFlow sends all datagrams of a flow, as far as acknowledgements allow.
func sendFlow(c end, flow uint64) error {
	buf, ack := make([]byte, 1472), make([]byte, 100)
	for i, acked := 0, 0; acked < volume; {
		for ; i < volume && i < acked+window; i++ {
			if _, err := c.Write(fillDatagram(buf, flow, i)); err != nil {
				return fmt.Errorf("sending %d: %w", i, err)
			}
		}
		n, err := c.Read(ack)
		if err != nil || n != 8 {
			return fmt.Errorf("%d sent, %d acknowledged: %d bytes, %w", i, acked, n, err)
		}
		acked = int(binary.BigEndian.Uint64(ack))
	}
	return nil
}

// receiveFlow receives all datagrams of a flow, each once, in order and as it was
// sent, and acknowledges them.
func receiveFlow(c end, flow uint64) error {
	buf, want := make([]byte, 2000), make([]byte, 1472)
	for i := range volume {
		n, err := c.Read(buf)
		if err != nil {
			return fmt.Errorf("receiving %d: %w", i, err)
		}
		if w := fillDatagram(want, flow, i); !bytes.Equal(buf[:n], w) {
			return fmt.Errorf("datagram %d: %d bytes, %.24x; want %d, %.24x", i, n, buf[:n], len(w), w)
		}
		if (i+1)%ackOf == 0 {
			if _, err := c.Write(binary.BigEndian.AppendUint64(nil, uint64(i+1))); err != nil {
				return fmt.Errorf("acknowledging %d: %w", i, err)
			}
		}
	}
	return nil
}

// Ten thousand datagrams of all sizes in each direction at once; none is lost,
// changed, twice or out of order, and every counter at both ends says so.
func TestVolume(t *testing.T) {
	w := newWorld(t)
	w.open("")
	// The kernel sends what waited for our address without keeping back what is
	// sent meanwhile, so the first datagrams of a flow may come out of order;
	// here it need not ask. (What waits in our stack is not overtaken.)
	w.ns.Run(t, "ip", "neigh", "replace", ours.String(), "lladdr", ourMAC.String(), "nud", "permanent", "dev", "cn0")
	const sendPort, receivePort = 7020, 7021
	pair := func(port uint16) (our, theirs end) {
		t.Helper()
		var k *net.UDPConn
		var err error
		w.ns.Do(func() {
			k, err = net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(kernel, port)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(ours, port)))
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { k.Close() })
		c := w.dialFrom(port, netip.AddrPortFrom(kernel, port))
		for _, e := range []end{c, k} {
			e.SetDeadline(time.Now().Add(patience))
		}
		return c, k
	}
	ourSender, theirReceiver := pair(sendPort)
	ourReceiver, theirSender := pair(receivePort)
	results := make(chan error, 4)
	began := time.Now()
	go func() { results <- sendFlow(ourSender, 1) }()
	go func() { results <- receiveFlow(theirReceiver, 1) }()
	go func() { results <- sendFlow(theirSender, 2) }()
	go func() { results <- receiveFlow(ourReceiver, 2) }()
	for range 4 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	took := time.Since(began)

	w.wantDrops(map[drop.Reason]uint64{})
	eventually(t, "the ledger to balance", func() bool { return w.stack.Ledger().Balanced() })
	const acks = volume / ackOf
	l := w.stack.Ledger()
	if l.Delivered != volume+acks || l.Sent < volume+acks || l.Dropped != 0 || l.Held != 0 {
		t.Errorf("the ledger says %+v, want %d delivered and as many sent", l, volume+acks)
	}
	for name, want := range map[string]string{
		"InDatagrams": fmt.Sprint(volume + acks), "OutDatagrams": fmt.Sprint(volume + acks),
		"NoPorts": "0", "InErrors": "0", "RcvbufErrors": "0", "SndbufErrors": "0", "InCsumErrors": "0",
	} {
		if got := w.kernelCounter("Udp", name); got != want {
			t.Errorf("the kernel's counter Udp %s is %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"InHdrErrors", "InAddrErrors", "InDiscards", "OutDiscards"} {
		if got := w.kernelCounter("Ip", name); got != "0" {
			t.Errorf("the kernel's counter Ip %s is %s, want 0", name, got)
		}
	}
	t.Logf("%d datagrams each way in %v", volume, took.Round(time.Millisecond))
}

// kernelCounter returns a counter of the namespace, as /proc/net/snmp has it.
func (w *world) kernelCounter(protocol, name string) string {
	w.t.Helper()
	text := w.ns.Run(w.t, "cat", "/proc/net/snmp")
	var names, values []string
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); f[0] == protocol+":" && names == nil {
			names = f
		} else if f[0] == protocol+":" {
			values = f
		}
	}
	for i, n := range names {
		if n == name && i < len(values) {
			return values[i]
		}
	}
	w.t.Fatalf("the kernel has no counter %s %s:\n%s", protocol, name, text)
	return ""
}
