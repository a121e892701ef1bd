package dgram_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/dgram"
)

func TestReceiveBlockListDropsAndCounts(t *testing.T) {
	for _, batched := range []bool{false, true} {
		t.Run(fmt.Sprintf("batched=%v", batched), func(t *testing.T) {
			everywhere(t, func(w *world) {
				blocked, _ := w.raw()
				defer blocked.Close()
				allowed := w.other()
				defer allowed.Close()
				var list dgram.BlockList
				do(w, list.AddAddress(netip.MustParseAddr("127.0.0.1")))
				s := w.server("s", dgram.Options{ReceiveBlockList: &list})
				if batched {
					s.OnMessages(func(ms []dgram.Message) { w.note("batch of %d", len(ms)) })
				}
				own, _ := s.Address()
				send(w, blocked, own, "no")
				send(w, allowed, own, "yes")
				send(w, blocked, own, "no")
				w.after(50*time.Millisecond, func() { s.Close(nil) })
				w.run()
				if batched {
					w.want("batch of 1", "s got yes")
				} else {
					w.want("s got yes")
				}
				if n := s.Stats().Blocked; n != 2 {
					w.Errorf("%d datagrams were counted", n)
				}
			})
		})
	}
}

func TestSendBlockListIsERR_IP_BLOCKED(t *testing.T) {
	everywhere(t, func(w *world) {
		peer, port := w.raw()
		defer peer.Close()
		var list dgram.BlockList
		do(w, list.AddSubnet(netip.MustParsePrefix("127.0.0.0/8")))
		s := w.server("s", dgram.Options{SendBlockList: &list})
		left := 4
		blocked := func(_ int, err error) {
			w.is(err, dgram.ErrIPBlocked, "IP(127.0.0.1) is blocked by net.BlockList")
			if left--; left == 0 {
				s.Close(nil)
			}
		}
		do(w, s.Send([]byte("x"), port, "127.0.0.1", blocked))
		do(w, s.Send([]byte("x"), port, "localhost", blocked))
		do(w, s.Send([]byte("x"), port, "", nil))
		do(w, s.SendBatch([]dgram.Message{{Addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))}}, blocked))
		do(w, s.Connect(port, "127.0.0.1", func(err error) { blocked(0, err) }))
		w.run()
		if got := drain(peer); len(got) > 0 {
			w.Errorf("the peer got %q", got)
		}
	})
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestBlockList(t *testing.T) {
	var b dgram.BlockList
	if b.Check(addr("192.0.2.1")) || b.Check(netip.Addr{}) {
		t.Error("an empty list blocks")
	}
	for _, err := range []error{
		b.AddAddress(addr("123.123.123.123")), b.AddRange(addr("10.0.0.1"), addr("10.0.0.10")),
		b.AddSubnet(netip.MustParsePrefix("8592:757c:efae:4e45::/64")), b.AddSubnet(netip.MustParsePrefix("::ffff:198.51.100.0/120")),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	for a, want := range map[string]bool{
		"123.123.123.123": true, "10.0.0.3": true, "10.0.0.1": true, "10.0.0.10": true, "10.0.0.0": false, "10.0.0.11": false,
		"222.111.111.222": false, "::ffff:7b7b:7b7b": true, "::ffff:123.123.123.123": true, "8592:757c:efae:4e45::9": true,
		"8592:757c:efae:4e45::9%eth0": true, "8592:757c:efae:4e46::": false, "198.51.100.77": true, "198.51.101.0": false,
	} {
		if b.Check(addr(a)) != want {
			t.Errorf("Check(%s) = %v", a, !want)
		}
	}
	want := "Subnet: IPv4 198.51.100.0/24, Subnet: IPv6 8592:757c:efae:4e45::/64, Range: IPv4 10.0.0.1-10.0.0.10, Address: IPv4 123.123.123.123"
	if got := strings.Join(b.Rules(), ", "); got != want {
		t.Errorf("Rules() = %s", got)
	}
	for name, err := range map[string]error{
		"no address": b.AddAddress(netip.Addr{}), "turned round": b.AddRange(addr("10.0.0.2"), addr("10.0.0.1")),
		"two families": b.AddRange(addr("10.0.0.2"), addr("2001:db8::")), "no subnet": b.AddSubnet(netip.Prefix{}),
	} {
		if !errors.Is(err, dgram.ErrInvalidArgValue) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(b.Rules()) != 4 {
		t.Error("what is refused has changed the list")
	}
}

// TestBlockListAgainstASet adds at random and compares with one bit an address.
func TestBlockListAgainstASet(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	at := func(i int) netip.Addr {
		if i < 256 {
			return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		}
		return netip.AddrFrom16([16]byte{0: 0x20, 15: byte(i)})
	}
	for range 200 {
		var b dgram.BlockList
		var set [512]bool
		for range r.IntN(12) {
			from := r.IntN(512)
			to := min(from+r.IntN(20), from|255)
			switch r.IntN(3) {
			case 0:
				to = from
				_ = b.AddAddress(at(from))
			case 1:
				_ = b.AddRange(at(from), at(to))
			default:
				host := r.IntN(6)
				from &^= 1<<host - 1
				to = from | (1<<host - 1)
				_ = b.AddSubnet(netip.PrefixFrom(at(from), at(from).BitLen()-host))
			}
			for i := from; i <= to; i++ {
				set[i] = true
			}
		}
		for i, want := range set {
			if b.Check(at(i)) != want {
				t.Fatalf("Check(%v) = %v, want %v, of %v", at(i), !want, want, b.Rules())
			}
		}
	}
}
