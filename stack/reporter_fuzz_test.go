package stack

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/wire"
)

func FuzzIGMP(f *testing.F) {
	query := wire.IGMPQuery{Version: 3, Group: groupAddr(g1), MaxResponse: time.Second, Sources: wire.NewAddrList(groupAddr("10.0.0.1"))}.AppendTo(nil)
	f.Add(uint64(1), append([]byte{0, 1, 1, 0, 200, byte(len(query))}, query...))
	f.Add(uint64(2), []byte{0, 9, 2, 3, 100, 8, 0x11, 10, 0, 0, 0, 0, 0, 0, 1, 9, 8, 8, 0x16, 0, 0, 0, 239, 1, 2, 3})
	f.Add(uint64(3), []byte{1, 0, 10, 8, 0x11, 0, 0, 0, 0, 0, 0, 0, 2, 2, 3, 1})
	fuzzReports(f, inet4)
}

func FuzzMLD(f *testing.F) {
	query := mldQuery(wire.MLDQuery{Version: 2, Group: groupAddr(h1), MaxResponse: time.Second, Sources: wire.NewAddrList(groupAddr("2001:db8::1"))})
	f.Add(uint64(1), append([]byte{0, 1, 1, 0, 200, byte(len(query)), 7, 0, byte(len(query))}, query...))
	f.Add(uint64(2), append([]byte{1, 0, 10, 7, 0, 24}, query[:24]...))
	fuzzReports(f, inet6)
}

// fuzzReports hands a host messages of IGMP or MLD and changes of its sockets while time
// advances. Nothing panics, nothing is lost without a name, what is said is well formed,
// and when all groups are left, only those of the host itself are remembered.
func fuzzReports(fuzz *testing.F, f *family) {
	for seed := range uint64(4) {
		fuzz.Add(seed, chance(seed, 400))
	}
	fuzz.Fuzz(func(t *testing.T, seed uint64, script []byte) {
		if len(script) > 1000 {
			return
		}
		live := packet.Live()
		m := newMember(t, f, Config{Seed: [32]byte{byte(seed), 9}, DADTransmits: int(seed%3) - 1}, f.address)
		set := &m.eth0.groups
		own, macs := set.table.live, set.card.macs.live
		sockets := []*Socket{m.socket(t, 7), m.socket(t, 0), m.socket(t, 0)}
		groups := []string{f.g1, f.g2, f.g3, f.untold[0]}
		for len(script) >= 3 {
			op, a, b := script[0], int(script[1]), int(script[2])
			script = script[3:]
			switch op % 8 {
			case 0, 1, 2, 3:
				c := socket.GroupChange(a%6 + 1)
				sockets[b%3].ChangeGroup(c, groupOn(groups[b/3%4], m.eth0, fmt.Sprint(b/12%5+1)))
			case 4:
				m.clock.Advance(time.Duration(a*b) * 10 * time.Millisecond)
			case 5:
				m.eth0.SetUp(a%4 != 0)
			case 6:
				f.setGeneration(m.eth0, a%4)
			default:
				n := min(b%60, len(script))
				message := slices.Clone(script[:n])
				script = script[n:]
				if n >= wire.IGMPHeaderLen && a%4 != 0 {
					message[0] = f.types[a%4]
					if f.ipv4 {
						wire.UpdateIGMPChecksum(message)
					}
				}
				m.cable.deliver(f.frame(groups[a/4%4], message))
			}
			if led := m.Ledger(); !led.Balanced() {
				t.Fatalf("the ledger does not balance: %+v, drops %v", led, m.Drops().Map())
			}
		}
		for _, s := range m.said {
			if strings.HasPrefix(s.text, "malformed") || strings.Contains(s.text, f.untold[0]+" ") {
				t.Fatalf("said %q", s.text)
			}
		}
		for _, s := range sockets {
			s.Close()
		}
		m.clock.Advance(time.Minute)
		if set.table.live != own || own == 0 && set.first != nil || set.card.macs.live != macs {
			t.Fatalf("%d groups, %d hardware addresses, want the host's own %d and %d", set.table.live, set.card.macs.live, own, macs)
		}
		// An answer may be due for longer, but only of what there still is.
		if r := set.reporting(addressOf(groupAddr(f.g1))); r.left != 0 || len(r.changes.heap) != 0 || own == 0 && len(r.responses.heap) != 0 {
			t.Fatalf("the reporter has %d left, %d changes, %d responses", r.left, len(r.changes.heap), len(r.responses.heap))
		}
		m.Close()
		if n := packet.Live() - live; n != 0 {
			t.Fatalf("%d buffers are still out", n)
		}
	})
}
