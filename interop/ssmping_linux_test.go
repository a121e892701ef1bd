package interop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/drop"
)

// What of ssmping's protocol is needed to be either end of it (it is the one before RFC
// 6450): a letter, then options of a type, a length and a value, the highest byte
// first. An answer has the question's options, and is sent twice: to who asked and, from
// the same address and to the same port, to a group.
const (
	ssmpingPort     = 4321
	ssmpingQuestion = 'Q'
	ssmpingAnswer   = 'A'

	ssmpingClient   = 1 // 4 bytes that tell clients apart
	ssmpingSequence = 2 // 4 bytes, from 1
	ssmpingTime     = 3 // 8 bytes, the client's
	ssmpingGroup    = 4 // a byte, 1 for IPv4 and 2 for IPv6, and the address

	ssmpingTTL = 64 // of answers: distances are counted from it
)

func ssmpingOption(b []byte, kind uint16, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

// ssmpingOptions returns the options of a message by their types.
func ssmpingOptions(b []byte) (map[uint16][]byte, error) {
	options := make(map[uint16][]byte)
	for b = b[1:]; len(b) > 0; {
		if len(b) < 4 || len(b) < 4+int(binary.BigEndian.Uint16(b[2:])) {
			return nil, fmt.Errorf("an option is cut off: % x", b)
		}
		n := 4 + int(binary.BigEndian.Uint16(b[2:]))
		options[binary.BigEndian.Uint16(b)], b = b[4:n], b[n:]
	}
	return options, nil
}

// ssmpingServe is the server: it answers until the Conn is closed.
func ssmpingServe(c *castnet.Conn) error {
	buf := make([]byte, 2000)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 || buf[0] != ssmpingQuestion {
			return fmt.Errorf("received %q", buf[:n])
		}
		options, err := ssmpingOptions(buf[:n])
		if err != nil {
			return err
		}
		group := options[ssmpingGroup]
		if len(group) == 0 {
			return fmt.Errorf("no group in %q", buf[:n])
		}
		to, ok := netip.AddrFromSlice(group[1:])
		if !ok {
			return fmt.Errorf("the group is % x", group)
		}
		buf[0] = ssmpingAnswer
		for _, a := range []netip.Addr{from.Addr(), to} {
			if _, err := c.WriteToUDPAddrPort(buf[:n], netip.AddrPortFrom(a, from.Port())); err != nil {
				return fmt.Errorf("answering %v: %w", a, err)
			}
		}
	}
}

// ssmping and asmping on the kernel ask a server on our stack, which answers them alone
// and by the group that they have joined, of one source and of any.
func TestSsmpingAsksUs(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		w := newFamilyWorld(t, f, "ssmping", "asmping")
		w.openDirect()
		c := w.listen(ssmpingPort)
		must(t, c.SetMulticastInterface("cn0"))
		must(t, c.SetMulticastTTL(ssmpingTTL))
		ended := make(chan error, 1)
		go func() { ended <- ssmpingServe(c) }()

		family := "-" + f.name[len(f.name)-1:]
		var clients []*process
		for _, line := range []string{"ssmping " + family + " -I cn0 -c 3 " + f.ours.String(),
			"asmping " + family + " -I cn0 -c 3 " + f.groups[0].String() + " " + f.ours.String()} {
			args := strings.Fields(line)
			clients = append(clients, start(t, w.ns, nil, args[0], args[1:]...))
		}
		for _, p := range clients {
			out := p.end(0)
			if strings.Count(out, "3 packets received, 0% packet loss") != 2 ||
				strings.Count(out, "unicast from "+f.ours.String()) != 3 || strings.Count(out, "multicast from "+f.ours.String()) != 3 {
				t.Errorf("want three answers by either way:\n%s", out)
			}
			if strings.Count(out, "dist=0") != 6 {
				t.Errorf("want to be next to it:\n%s", out)
			}
		}
		c.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		w.wantDrops(map[drop.Reason]uint64{})
	})
}

// A client on our stack asks ssmpingd, and hears it by a group of which it has joined
// that one source, and by a group that it has joined for all.
func TestWeAskSsmpingd(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		w := newFamilyWorld(t, f, "ssmpingd")
		w.openDirect()
		start(t, w.ns, nil, "ssmpingd")
		f.bound(t, w.ns, ssmpingPort)
		server := f.kernel[0]
		c := w.listenGroups(7300)
		must(t, c.JoinSourceSpecificGroup("cn0", f.ssmping, server))
		must(t, c.JoinGroup("cn0", f.asmping))
		for i, group := range []netip.Addr{f.ssmping, f.asmping, f.ssmping} {
			sequence := binary.BigEndian.AppendUint32(nil, uint32(i+1))
			q := ssmpingOption([]byte{ssmpingQuestion}, ssmpingClient, []byte{0, 0, 0, 1})
			q = ssmpingOption(q, ssmpingSequence, sequence)
			q = ssmpingOption(q, ssmpingTime, make([]byte, 8))
			q = ssmpingOption(q, ssmpingGroup, append([]byte{f.ssmpingFamily}, group.AsSlice()...))
			_, err := c.WriteToUDPAddrPort(q, netip.AddrPortFrom(server, ssmpingPort))
			must(t, err)
			for _, to := range []netip.Addr{f.ours, group} {
				m := castnet.Message{Buf: make([]byte, 2000)}
				ms := []castnet.Message{m}
				if _, err := c.ReadBatch(ms); err != nil {
					t.Fatalf("question %d: %v", i+1, err)
				}
				m = ms[0]
				options, err := ssmpingOptions(m.Buf)
				if err != nil || m.Buf[0] != ssmpingAnswer || string(options[ssmpingSequence]) != string(sequence) {
					t.Errorf("question %d has the answer %q, %v", i+1, m.Buf, err)
				}
				if m.Addr != netip.AddrPortFrom(server, ssmpingPort) || m.Local.Addr() != to || m.TTL != ssmpingTTL {
					t.Errorf("the answer came from %v to %v with TTL %d; want %v, %v, %d", m.Addr, m.Local.Addr(), m.TTL, server, to, ssmpingTTL)
				}
			}
		}
		w.wantDrops(map[drop.Reason]uint64{})
	})
}
