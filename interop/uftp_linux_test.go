package interop

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/tap"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
	"github.com/castnet-go/castnet/wire"
)

const uftpPort = 1044

// openBetween opens a stack that is a router between two kernels, each at the other end
// of a TAP device. The capture and the judgement of the second link are the other
// world's.
func (w *world) openBetween(other *world) {
	t, f := w.t, w.family
	t.Helper()
	s, err := stack.New(stack.Config{Name: "ours", Forwarding: true, MaxReceiveBuffer: 8 << 20, DADTransmits: w.config.DADTransmits})
	must(t, err)
	for i, on := range []*world{w, other} {
		on.stack, on.mac = s, wire.MAC{2, 0xca, 0x57, 0, 0, byte(2 + i)}
		router, host := f.prefix(f.ours), f.prefix(f.kernel[0])
		if i == 1 {
			router, host = f.beyond[0], f.beyond[1]
		}
		f.speak(t, on.ns, "default")
		var l *tap.Link
		on.ns.Do(func() {
			// Every frame is to be complete where it leaves the stack.
			l, err = tap.Open("cn0", tap.Config{Address: on.mac, HostAddresses: []netip.Prefix{host}, Offload: link.OffloadNone})
		})
		must(t, err)
		on.iface, err = s.AddInterface(fmt.Sprint("cn", i), l)
		must(t, err)
		must(t, on.iface.AddAddress(router))
		on.ns.Run(t, "ip", f.ip, "route", "add", "default", "via", router.Addr().String())
		f.routeGroups(on, on.ns, "cn0")
		f.settled(t, on.ns)
		on.count = func() uint64 { return on.iface.Stats().SentPackets }
	}
	t.Cleanup(func() {
		must(t, s.Close())
		if l := s.Ledger(); !l.Balanced() {
			t.Errorf("the ledger does not balance: %+v", l)
		}
	})
}

// relay sends on by the second interface what comes to groups by the first, in the name
// of who sent it, until the Conn is closed. It returns how many datagrams that were.
func relay(from, to *castnet.Conn) (n int, err error) {
	ms := make([]castnet.Message, 64)
	bufs := make([]byte, len(ms)*2048)
	for {
		for i := range ms {
			ms[i] = castnet.Message{Buf: bufs[i*2048 : (i+1)*2048 : (i+1)*2048]}
		}
		k, err := from.ReadBatch(ms)
		if errors.Is(err, net.ErrClosed) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		for i := range ms[:k] {
			m := &ms[i]
			m.Addr, m.Local = m.Local, m.Addr
			m.Set = socket.FieldLocal
		}
		for sent := 0; sent < k; {
			j, err := to.WriteBatch(ms[sent:k])
			if err != nil {
				return n, err
			}
			sent += j
		}
		n += k
	}
}

// uftp on one kernel sends a file to two groups that its client on another kernel has
// joined for that one source. Between them there is our stack, on which a program
// carries the groups from link to link: it has joined both on the first, from that
// source, and sends to them on the second, in the name of the source. What the client
// answers goes back through our stack as a router.
//
// uftp cannot be run over our stack. So it has all of the file through a membership of
// ours, and all of it from a sender of ours to a membership of the kernel's.
func TestFileToGroup(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		w, other := newFamilyWorld(t, f, "uftp", "uftpd"), newFamilyWorld(t, f)
		w.openBetween(other)
		server, public, private := f.kernel[0], f.ssm[0], f.ssm[1]

		in := w.listenGroups(uftpPort)
		must(t, in.SetReadBuffer(8<<20))
		for _, g := range []netip.Addr{public, private} {
			must(t, in.JoinSourceSpecificGroup("cn0", g, server))
		}
		cfg := castnet.Config{On: w.stack, Transparent: true}
		out, err := cfg.Listen(t.Context(), f.network, ":0")
		w.conn(out, err)
		must(t, out.SetMulticastInterface("cn1"))
		type result struct {
			n   int
			err error
		}
		carried := make(chan result, 1)
		go func() {
			n, err := relay(in, out)
			carried <- result{n, err}
		}()

		want := payload(2_000_000)
		file, folder, servers := filepath.Join(w.dir, "file"), filepath.Join(w.dir, "received"), filepath.Join(w.dir, "servers")
		must(t, os.WriteFile(file, want, 0o644))
		must(t, os.Mkdir(folder, 0o755))
		must(t, os.WriteFile(servers, fmt.Appendf(nil, "0x11112222|%v\n", server), 0o644))
		client := start(t, other.ns, nil, "uftpd", "-d", "-q", "-B", "4000000", "-D", folder, "-I", f.beyond[1].Addr().String(), "-U", "0x22223333", "-M", public.String(), "-S", servers)
		f.bound(t, other.ns, uftpPort)
		began := time.Now()
		sender := start(t, w.ns, nil, "uftp", "-q", "-U", "0x11112222", "-H", "0x22223333", "-I", server.String(), "-M", public.String(), "-P", private.String(), "-R", "40000", file)
		sender.end(0)
		took, log := time.Since(began), sender.stderr.String()
		if !strings.Contains(log, "Status: Completed") {
			t.Errorf("uftp says:\n%s", log)
		}
		got, err := os.ReadFile(filepath.Join(folder, "file"))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes of %d arrived, and %v; uftpd says:\n%s", len(got), len(want), err, client.stderr.String())
		}
		in.Close()
		r := <-carried
		if r.err != nil {
			t.Error(r.err)
		}
		// What the server has sent to the groups we have heard and sent on, all of it.
		filter := fmt.Sprintf("udp.dstport==%d && %s.src==%v && eth.dst[0]&1", uftpPort, f.shark(), server)
		w.stop()
		sent, err := tshark(w.capture.path, false, filter, "frame.number")
		must(t, err)
		if passed := other.ourFrames(filter, "frame.number"); len(sent) != r.n || len(passed) != r.n {
			t.Errorf("of %d datagrams %d were heard, and %d sent on", len(sent), r.n, len(passed))
		}
		w.wantDrops(map[drop.Reason]uint64{})
		t.Logf("%d datagrams to two groups in %v", r.n, took.Round(time.Millisecond))
	})
}
