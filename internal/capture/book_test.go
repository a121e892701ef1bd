package capture

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/pcapng"
	"github.com/castnet-go/castnet/trace"
)

// frame returns a frame of that ID, which is no packet of any protocol.
func frame(id uint64, text string) *packet.Buffer {
	b := packet.New(len(text))
	copy(b.Append(len(text)), text)
	b.ID = id
	return b
}

// host begins a capture of a host with one interface.
func host(t *testing.T, b *Book, name string) (*File, int, *bytes.Buffer) {
	t.Helper()
	var w bytes.Buffer
	f, err := b.Open(name, &w, "host "+name)
	if err != nil {
		t.Fatal(err)
	}
	eth0, err := f.AddInterface("eth0", "", pcapng.Ethernet)
	if err != nil {
		t.Fatal(err)
	}
	return f, eth0, &w
}

func flush(t *testing.T, b *Book) {
	t.Helper()
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
}

func dropAt(node string, id uint64, reason drop.Reason) *trace.Event {
	return &trace.Event{Time: time.Unix(2, 0), Packet: id, Node: node, Interface: "eth0", Step: trace.Drop, Reason: reason,
		Frame: []byte("as it was dropped"), Layer: trace.LayerEthernet}
}

// The reason is with the packet while its call is under way, and by itself later.
func TestDrop(t *testing.T) {
	var b Book
	f1, eth1, w1 := host(t, &b, "h1")
	_, _, w2 := host(t, &b, "h2")
	first, second := frame(1, "the first frame"), frame(2, "the second frame")
	defer first.Release()
	defer second.Release()

	b.Hold()
	f1.Add(nil, eth1, first, time.Unix(1, 0), pcapng.Inbound)
	f1.Add(nil, eth1, second, time.Unix(1, 0), pcapng.Inbound)
	b.Drop(dropAt("h1", 1, drop.NoPort))
	b.Drop(dropAt("h2", 1, drop.TTLExpired)) // elsewhere, of the same packet
	b.Drop(&trace.Event{Packet: 2, Node: "h1", Step: trace.Queue})
	b.End()
	b.Drop(dropAt("h1", 2, drop.SocketClosed))
	b.Drop(dropAt("h3", 2, drop.NoRoute)) // of a host that is not captured
	flush(t, &b)

	for want, n := range map[string]int{
		"the first frame": 1, "the second frame": 1, "dropped: NoPort; dropped at h2: TTLExpired": 1,
		"as it was dropped": 1, "dropped: SocketClosed": 1, "NoRoute": 0,
	} {
		if got := bytes.Count(w1.Bytes(), []byte(want)); got != n {
			t.Errorf("%q is there %d times, want %d", want, got, n)
		}
	}
	if bytes.Contains(w2.Bytes(), []byte("dropped")) {
		t.Error("the other host's capture has a drop")
	}
}

func TestWithdraw(t *testing.T) {
	var b Book
	f, eth0, w := host(t, &b, "")
	b.Hold()
	var tickets []uint64
	for i := range 3 {
		x := frame(uint64(i+1), fmt.Sprintf("frame number %d", i))
		tickets = f.Add(tickets, eth0, x, time.Unix(1, 0), pcapng.Outbound)
		x.Release()
	}
	b.Withdraw(tickets[1])
	b.Withdraw(tickets[1])
	b.Withdraw(12345)
	b.End()
	flush(t, &b)
	for i, n := range []int{1, 0, 1} {
		if got := bytes.Count(w.Bytes(), []byte(fmt.Sprintf("frame number %d", i))); got != n {
			t.Errorf("frame %d is there %d times, want %d", i, got, n)
		}
	}
}

// A call that does not end, and calls that overlap, do not hold ever more.
func TestBound(t *testing.T) {
	var b Book
	f, eth0, w := host(t, &b, "h1")
	b.Hold()
	x := frame(1, "one of many")
	defer x.Release()
	const many = 3*maxPending + 10
	for range many {
		f.Add(nil, eth0, x, time.Unix(1, 0), pcapng.Outbound)
		if len(b.pending) > maxPending {
			t.Fatalf("%d packets are pending", len(b.pending))
		}
	}
	flush(t, &b)
	if got := bytes.Count(w.Bytes(), []byte("one of many")); got != many {
		t.Errorf("%d packets, want %d", got, many)
	}
	b.End()
}
