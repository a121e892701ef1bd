package interop

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/drop"
)

// igmpQuerier returns what sends a query from the kernel's end, whose checksum it sets:
// no bridge speaks version 1.
func (w *world) igmpQuerier() func(query []byte) {
	w.t.Helper()
	var d int
	var err error
	w.ns.Do(func() { d, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_IGMP) })
	must(w.t, err)
	w.t.Cleanup(func() { unix.Close(d) })
	f := w.family
	must(w.t, unix.SetsockoptInet4Addr(d, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, f.kernel[0].As4()))
	return func(query []byte) {
		w.t.Helper()
		sum := uint32(0)
		for i := 0; i < len(query); i += 2 {
			sum += uint32(query[i])<<8 | uint32(query[i+1])
		}
		sum = sum&0xffff + sum>>16
		query[2], query[3] = ^byte(sum>>8), ^byte(sum)
		must(w.t, unix.Sendto(d, query, 0, &unix.SockaddrInet4{Addr: f.allHosts.As4()}))
	}
}

// The kernel's end asks as routers of RFC 1112, of RFC 2236 and of RFC 9776 do, and we
// speak as each understands, until enough time has passed without it.
func TestQuerierOfEachVersion(t *testing.T) {
	t.Parallel()
	f := families[0]
	w := newFamilyWorld(t, f)
	w.openDirect()
	ask := w.igmpQuerier()
	// Of the third, with a second between questions: with that as the interval an
	// older querier is forgotten after two (8.12). The answer may take a tenth.
	const tenth = 1
	version1 := func() { ask([]byte{igmpQuery, 0, 0, 0, 0, 0, 0, 0}) }
	version2 := func() { ask([]byte{igmpQuery, tenth, 0, 0, 0, 0, 0, 0}) }
	version3 := func() { ask([]byte{igmpQuery, tenth, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0}) }
	version := func(want int) {
		t.Helper()
		eventually(t, fmt.Sprintf("version %d to be spoken", want), func() bool { return w.iface.IGMPVersion() == want })
	}
	c := w.listenGroups(7240)
	g := f.groups
	sent := func(n uint64) {
		t.Helper()
		eventually(t, "what is to be told", func() bool { return w.iface.Stats().SentPackets >= n })
	}
	round := func(i int, more uint64) {
		t.Helper()
		// What is asked is answered within a tenth of a second.
		before, since := w.iface.Stats().SentPackets, time.Now()
		eventually(t, "answers to be given", func() bool {
			if n := w.iface.Stats().SentPackets; n != before {
				before, since = n, time.Now()
			}
			return time.Since(since) > 200*time.Millisecond
		})
		must(t, c.JoinGroup("cn0", g[i]))
		sent(before + 1)
		must(t, c.LeaveGroup("cn0", g[i]))
		sent(before + 1 + more)
	}
	must(t, c.JoinGroup("cn0", g[0])) // which is what queries are answered with
	version3()
	version(3)
	round(1, 1)
	version1()
	version(1)
	round(2, 0) // it is not told of leaving
	// The oldest is forgotten before one that is there still.
	var asked time.Time
	eventually(t, "version 2 to be spoken", func() bool {
		if time.Since(asked) > 100*time.Millisecond {
			asked = time.Now()
			version2()
		}
		return w.iface.IGMPVersion() == 2
	})
	round(3, 1)
	version(3)
	round(1, 1)
	w.wantDrops(map[drop.Reason]uint64{})
	w.wantReports([]string{
		"0x22 TO_EX 239.1.2.4", "0x22 TO_IN 239.1.2.4",
		"0x12 239.1.2.5",
		"0x16 239.1.2.6", "0x17 239.1.2.6",
		"0x22 TO_EX 239.1.2.4", "0x22 TO_IN 239.1.2.4",
	})
}
