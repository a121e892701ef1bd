package interop

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
)

// dialGroup returns a Conn of ours that sends to a group.
func (w *world) dialGroup(group netip.Addr, port int) *castnet.Conn {
	w.t.Helper()
	c := w.listenOn(netip.AddrPortFrom(w.family.ours, 0))
	must(w.t, c.SetMulticastInterface("cn0"))
	must(w.t, c.Connect(netip.AddrPortFrom(group, uint16(port))))
	return c
}

// listenOn returns a Conn of ours that is bound to the address.
func (w *world) listenOn(a netip.AddrPort) *castnet.Conn {
	w.t.Helper()
	cfg := castnet.Config{On: w.stack}
	c, err := cfg.Listen(w.t.Context(), w.family.network, a.String())
	return w.conn(c, err)
}

// iperf's servers on the kernel count what we send to groups, one of any source and one
// of ours; and we count what its client sends to a group. Nothing is lost.
func TestIperfGroups(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		w := newFamilyWorld(t, f, "iperf")
		w.config.MaxReceiveBuffer = 4 << 20
		w.openDirect()
		f.routeGroups(w, w.ns, "cn0")
		const (
			size, each = 1400, 2
			count      = 2000
		)
		any, some, back := f.groups[0], f.ssm[0], f.groups[1]
		ours := w.listen(5311)
		must(t, ours.SetReadBuffer(4<<20))
		must(t, ours.JoinGroup("cn0", back))
		args := append([]string{"-s", "-u", "-w", "2M", "-P", "1"}, f.iperf...)
		servers := []*process{
			start(t, w.ns, nil, "iperf", append(args, "-p", "5312", "-B", f.iperfGroup(any))...),
			start(t, w.ns, nil, "iperf", append(args, "-p", "5313", "-B", f.iperfGroup(some), "-H", f.ours.String())...),
		}
		f.bound(t, w.ns, 5312)
		f.bound(t, w.ns, 5313)
		results := make(chan error, 3)
		for i, g := range []netip.Addr{any, some} {
			c := w.dialGroup(g, 5312+i)
			go func() {
				// Its server loses what comes while it makes ready for who is new.
				err := iperfFlow(c, count, size, each, 300*time.Millisecond)
				// Nobody acknowledges the last.
				if err == nil {
					err = iperfPut(c, make([]byte, size), -(count + 1))
				}
				results <- err
			}()
		}
		var report iperfResult
		go func() {
			var err error
			report, _, _, err = iperfTally(ours)
			results <- err
		}()
		client := start(t, w.ns, nil, "iperf", append([]string{"-c", back.String(), "-u", "-p", "5311", "-b", "20m", "-t", "1", "-T", "4", "-l", fmt.Sprint(size)}, f.iperf...)...)
		for range 3 {
			if err := <-results; err != nil {
				t.Fatalf("%v\n%s%s", err, client.stdout.String(), client.stderr.String())
			}
		}
		client.end(0)
		if report.lost != 0 || report.disordered != 0 || report.datagrams < 1000 {
			t.Errorf("iperf's client was lost: %+v", report)
		}
		for _, s := range servers {
			out := s.end(0)
			m := regexp.MustCompile(`\s(\d+)/(\d+) \(0%\)`).FindStringSubmatch(out)
			if m == nil || m[1] != "0" || m[2] != fmt.Sprint(count+1) {
				t.Errorf("iperf's server has not heard %d datagrams:\n%s", count+1, out)
			}
		}
		w.wantDrops(map[drop.Reason]uint64{})
		t.Logf("from the kernel: %+v", report)
	})
}

// socat on the kernel takes part in a group, and repeats there what it hears. So do we,
// of it alone. Datagrams of all sizes go to and fro, fragmented if they have to be.
func TestSocatInGroup(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		w := newFamilyWorld(t, f, "socat")
		w.openDirect()
		f.routeGroups(w, w.ns, "cn0")
		const port = 7310
		group := f.groups[0]
		start(t, w.ns, nil, "socat", "-b", "65536", fmt.Sprintf("%s-DATAGRAM:%s:%d,bind=%s:%d,%s=%s:cn0,ip-multicast-loop=0,%s",
			f.udp, f.bracketed(group), port, f.bracketed(f.unspecified()), port, f.socatJoin, f.bracketed(group), f.socatMore), "PIPE")
		f.bound(t, w.ns, port)
		c := w.listenGroups(port)
		must(t, c.SetMulticastInterface("cn0"))
		must(t, c.SetMulticastLoopback(false))
		must(t, c.JoinGroup("cn0", group))
		sizes := []int{1, 64, 1400, f.largest(1500), f.largest(1500) + 1, 9000, f.largest(65535)}
		ms := []castnet.Message{{}}
		for _, size := range sizes {
			want := payload(size)
			_, err := c.WriteToUDPAddrPort(want, netip.AddrPortFrom(group, port))
			must(t, err)
			ms[0] = castnet.Message{Buf: make([]byte, 65536)}
			if _, err := c.ReadBatch(ms); err != nil {
				t.Fatalf("size %d: %v", size, err)
			}
			m := ms[0]
			// Which of its addresses it sends from is the kernel's choice.
			if !bytes.Equal(m.Buf, want) || !slices.Contains(f.kernel, m.Addr.Addr()) || m.Addr.Port() != port || m.Local.Addr() != group {
				t.Errorf("size %d: %d bytes came back from %v to %v, %.20x; want %.20x", size, len(m.Buf), m.Addr, m.Local, m.Buf, want)
			}
		}
		w.wantDrops(map[drop.Reason]uint64{})
	})
}
