package interop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/stack"
)

// What of iperf 2's UDP protocol is needed to be either end of a test.
//
// A datagram begins with its number, from 1, and when it was sent: seconds,
// microseconds. What follows in the client's first ones are settings that a
// server may ignore. The last has its number negative, and is repeated until the
// server reports; the server repeats that until it hears no more of the client.
// All numbers are of 32 bits, the highest first.
const (
	iperfReport = 128 // as long as version 2.1 has it
	iperfFlags  = 16  // where in the report: version 1 or later
	iperfBytes  = 20  // of payload received: 64 bits
	iperfStop   = 28  // how long it took: seconds, microseconds
	iperfLost   = 36
	iperfOrder  = 40 // that came after a later one
	iperfCount  = 44 // that should have come

	iperfVersion1 = 0x80000000
)

// An iperfResult is what a server has seen, by its own report.
type iperfResult struct {
	datagrams, bytes, lost, disordered uint64
	took                               time.Duration
}

// append appends the report to the last datagram's header.
func (r iperfResult) append(b []byte) []byte {
	report := append(b, make([]byte, iperfReport-len(b))...)
	binary.BigEndian.PutUint32(report[iperfFlags:], iperfVersion1)
	binary.BigEndian.PutUint64(report[iperfBytes:], r.bytes)
	binary.BigEndian.PutUint32(report[iperfStop:], uint32(r.took/time.Second))
	binary.BigEndian.PutUint32(report[iperfStop+4:], uint32(r.took%time.Second/time.Microsecond))
	binary.BigEndian.PutUint32(report[iperfLost:], uint32(r.lost))
	binary.BigEndian.PutUint32(report[iperfOrder:], uint32(r.disordered))
	binary.BigEndian.PutUint32(report[iperfCount:], uint32(r.datagrams))
	return report
}

func parseIperfResult(b []byte) (r iperfResult, err error) {
	if len(b) < iperfReport || binary.BigEndian.Uint32(b[iperfFlags:])&iperfVersion1 == 0 {
		return r, fmt.Errorf("the server's report is %d bytes, % x", len(b), b)
	}
	word := func(at int) uint64 { return uint64(binary.BigEndian.Uint32(b[at:])) }
	r.bytes = binary.BigEndian.Uint64(b[iperfBytes:])
	r.took = time.Duration(word(iperfStop))*time.Second + time.Duration(word(iperfStop+4))*time.Microsecond
	r.datagrams, r.lost, r.disordered = word(iperfCount), word(iperfLost), word(iperfOrder)
	return r, nil
}

// iperfPut sends a datagram with its number in b.
func iperfPut(c *castnet.Conn, b []byte, number int) error {
	now := time.Now()
	binary.BigEndian.PutUint32(b, uint32(number))
	binary.BigEndian.PutUint32(b[4:], uint32(now.Unix()))
	binary.BigEndian.PutUint32(b[8:], uint32(now.Nanosecond()/1000))
	if number < 0 {
		binary.BigEndian.PutUint32(b[12:], ^uint32(0))
	}
	_, err := c.Write(b)
	return err
}

// iperfFlow sends n datagrams of the size, at most so many a millisecond, after a
// pause behind the first.
func iperfFlow(c *castnet.Conn, n, size, each int, pause time.Duration) error {
	b := make([]byte, size)
	tick := time.NewTicker(time.Millisecond) // which does not catch up
	defer tick.Stop()
	for i := 1; i <= n; i++ {
		if err := iperfPut(c, b, i); err != nil {
			return fmt.Errorf("sending %d: %w", i, err)
		}
		if i%each == 0 {
			<-tick.C
		}
		if i == 1 && pause > 0 {
			<-time.After(pause)
		}
	}
	return nil
}

// iperfSend is the client: a flow, then the last datagram until the server reports.
func iperfSend(c *castnet.Conn, n, size, each int) (iperfResult, error) {
	if err := iperfFlow(c, n, size, each, 0); err != nil {
		return iperfResult{}, err
	}
	answer := make([]byte, 2000)
	for range 10 {
		if err := iperfPut(c, make([]byte, size), -(n + 1)); err != nil {
			return iperfResult{}, fmt.Errorf("sending the last: %w", err)
		}
		c.SetReadDeadline(time.Now().Add(patience / 10))
		k, err := c.Read(answer)
		if err == nil {
			return parseIperfResult(answer[:k])
		}
	}
	return iperfResult{}, errors.New("the server does not report")
}

// iperfReceive is the server for one client, to whom it reports.
func iperfReceive(c *castnet.Conn) (iperfResult, error) {
	r, last, from, err := iperfTally(c)
	if err == nil {
		_, err = c.WriteToUDPAddrPort(r.append(last), from)
	}
	return r, err
}

// iperfTally receives what one client sends, and returns the last datagram's header
// and where it came from.
func iperfTally(c *castnet.Conn) (r iperfResult, last []byte, from netip.AddrPort, err error) {
	var began time.Time
	next := int32(1)
	buf := make([]byte, 2000)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return r, nil, from, fmt.Errorf("after %d datagrams: %w", r.datagrams, err)
		}
		if n < 16 {
			return r, nil, from, fmt.Errorf("a datagram of %d bytes", n)
		}
		number := int32(binary.BigEndian.Uint32(buf))
		if number < 0 {
			r.took = time.Since(began)
			return r, buf[:16], from, nil
		}
		if r.datagrams == 0 {
			began = time.Now()
		}
		r.datagrams++
		r.bytes += uint64(n)
		switch {
		case number > next:
			r.lost += uint64(number - next)
		case number < next:
			r.disordered++
		}
		next = max(next, number+1)
	}
}

// iperf, both ways at once, at 25 Mbit/s: neither end misses a datagram, by its
// own report and by the counters of both stacks.
func TestIperf(t *testing.T) {
	w := newWorld(t, "iperf")
	w.config = stack.Config{MaxReceiveBuffer: 4 << 20}
	w.open("")
	// See TestVolume: the kernel need not ask for our address while it sends.
	w.ns.Run(t, "ip", "neigh", "replace", ours.String(), "lladdr", ourMAC.String(), "nud", "permanent", "dev", "cn0")
	const (
		size, each = 1470, 2
		count      = 4000
	)
	ourServer := w.listen(5301)
	if err := ourServer.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	server := start(t, w.ns, nil, "iperf", "-s", "-u", "-p", "5301", "-w", "400K", "-P", "1", "--hide-ips")
	bound(t, w.ns, 5301)
	ourClient := w.dial(netip.AddrPortFrom(kernel, 5301))
	results := make(chan error, 2)
	var theirReport, ourReport iperfResult
	go func() {
		var err error
		theirReport, err = iperfSend(ourClient, count, size, each)
		results <- err
	}()
	go func() {
		var err error
		ourReport, err = iperfReceive(ourServer)
		results <- err
	}()
	client := start(t, w.ns, nil, "iperf", "-c", ours.String(), "-u", "-p", "5301", "-b", "25m", "-t", "2", "-l", fmt.Sprint(size))
	for range 2 {
		if err := <-results; err != nil {
			t.Fatalf("%v\n%s%s", err, client.stdout.String(), server.stdout.String())
		}
	}

	// They count the last, which is not one of ours.
	if r := theirReport; r.datagrams != count+1 || r.lost != 0 || r.disordered != 0 || r.bytes != (count+1)*size {
		t.Errorf("iperf's server reports %+v, want %d datagrams and none lost", r, count+1)
	}
	if r := ourReport; r.lost != 0 || r.disordered != 0 || r.datagrams < 1000 {
		t.Errorf("iperf's client was lost: %+v", r)
	}
	out := client.end(0)
	m := regexp.MustCompile(`Server Report:\n.*\n.* (\d+)/(\d+) \(0%\)\n`).FindStringSubmatch(out)
	if m == nil || m[1] != "0" || m[2] != fmt.Sprint(ourReport.datagrams) {
		t.Errorf("iperf's client has not the report that we sent, %+v:\n%s", ourReport, out)
	}
	w.wantDrops(map[drop.Reason]uint64{})
	for _, name := range []string{"NoPorts", "InErrors", "RcvbufErrors", "SndbufErrors", "InCsumErrors"} {
		if got := w.kernelCounter("Udp", name); got != "0" {
			t.Errorf("the kernel's counter Udp %s is %s, want 0", name, got)
		}
	}
	t.Logf("to the kernel: %+v; from it: %+v", theirReport, ourReport)
}
