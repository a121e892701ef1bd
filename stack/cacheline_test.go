package stack

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"unsafe"

	"github.com/castnet-go/castnet/link/mem"
	"github.com/castnet-go/castnet/socket"
)

const cacheLine = 64

// An extent is memory that the fast path of one owner writes to.
type extent struct {
	owner, what string
	start, end  uintptr
}

func extentOf[T any](owner, what string, p *T) extent {
	start := uintptr(unsafe.Pointer(p))
	return extent{owner, what, start, start + unsafe.Sizeof(*p)}
}

// written are the extents of a socket that has sent and received: all of it, for it
// is one object, the path to its peer and the ring of its queue.
func written(owner string, s *Socket) []extent {
	list := []extent{extentOf(owner, "socket", s)}
	if s.path != nil {
		list = append(list, extentOf(owner, "path", s.path))
	}
	if ring := s.queue.ring; len(ring) > 0 {
		start := uintptr(unsafe.Pointer(&ring[0]))
		list = append(list, extent{owner, "ring", start, start + uintptr(len(ring))*unsafe.Sizeof(ring[0])})
	}
	return list
}

// sharedLines returns what two owners have in one cache line, in words.
func sharedLines(all []extent) (found []string) {
	slices.SortFunc(all, func(a, b extent) int { return int(a.start) - int(b.start) })
	for i := 1; i < len(all); i++ {
		a, b := all[i-1], all[i]
		if a.owner != b.owner && (a.end-1)/cacheLine >= b.start/cacheLine {
			found = append(found, fmt.Sprintf("%s of %s and %s of %s", a.what, a.owner, b.what, b.owner))
		}
	}
	return found
}

// TestSocketsShareNoCacheLine that the fast path of one of them writes to: on several
// cores, each with a socket of its own, nobody waits for another's line.
func TestSocketsShareNoCacheLine(t *testing.T) {
	a, b := pairOn(t, mem.Config{})
	out, in := []socket.Message{{Buf: make([]byte, 64)}}, []socket.Message{{Buf: make([]byte, 64)}}
	var all []extent
	carry := func(from, to *Socket) {
		t.Helper()
		if n, err := from.TrySend(out); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := to.TryRecv(in); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	for k := range 200 {
		port := uint16(7000 + k)
		server := b.open(t, netip.AddrPortFrom(b.addr, port).String())
		client := a.connected(t, "", netip.AddrPortFrom(b.addr, port).String())
		carry(client, server)
		if err := server.Connect(client.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		carry(server, client)
		carry(client, server)
		pair := fmt.Sprint("pair ", k)
		all = append(all, written(pair, client)...)
		all = append(all, written(pair, server)...)
	}
	for _, h := range []*host{a, b} {
		i := h.eth0
		for k := range i.lanes {
			l := &i.lanes[k]
			all = append(all, extent{
				fmt.Sprintf("lane %d of %s", k, h.cfg.Name), "lane",
				uintptr(unsafe.Pointer(&l.word)), uintptr(unsafe.Pointer(&l.resume)) + unsafe.Sizeof(l.resume),
			})
		}
	}
	if found := sharedLines(all); len(found) > 0 {
		t.Errorf("%d cache lines of %d extents are shared; the first: %s", len(found), len(all), found[0])
	}
}

func TestSharedLinesAreSeen(t *testing.T) {
	at := func(owner string, start, end uintptr) extent { return extent{owner, "memory", start, end} }
	for _, tt := range []struct {
		name string
		all  []extent
		want int
	}{
		{"apart", []extent{at("a", 0, 64), at("b", 64, 100), at("c", 128, 129)}, 0},
		{"one owner's", []extent{at("a", 0, 10), at("a", 10, 70)}, 0},
		{"the end of one and the beginning of another", []extent{at("b", 64, 128), at("a", 0, 65)}, 1},
		{"one inside the other", []extent{at("a", 0, 640), at("b", 320, 328)}, 1},
	} {
		if found := sharedLines(tt.all); len(found) != tt.want {
			t.Errorf("%s: %d shared (%v), want %d", tt.name, len(found), found, tt.want)
		}
	}
}

// TestWhatEveryPacketAsksForIsTogether: a host among thousands finds nothing in the cache,
// and so each line costs.
func TestWhatEveryPacketAsksForIsTogether(t *testing.T) {
	a, b := pairOn(t, mem.Config{})
	for _, h := range []*host{a, b} {
		i, l := h.eth0, &h.eth0.lanes[0]
		for _, tt := range []struct {
			what        string
			first, last unsafe.Pointer
		}{
			{"a stack", unsafe.Pointer(&h.state), unsafe.Pointer(&h.ports.changes)},
			{"an interface", unsafe.Pointer(&i.link), unsafe.Pointer(&i.lanes)},
			{"a lane", unsafe.Pointer(&l.word), unsafe.Pointer(&l.to)},
		} {
			if from, to := uintptr(tt.first)/cacheLine, uintptr(tt.last)/cacheLine; from != to {
				t.Errorf("%s: %#x and %#x are in two lines", tt.what, tt.first, tt.last)
			}
		}
	}
}
