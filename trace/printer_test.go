package trace_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/castnet-go/castnet/drop"
	"github.com/castnet-go/castnet/trace"
)

func ExamplePrinter() {
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	p := trace.NewPrinter(os.Stdout, start)
	id := p.NewID()
	at := func(d time.Duration) time.Time { return start.Add(d) }
	hello := []byte("hello")
	p.Trace(&trace.Event{Time: at(0), Packet: id, Node: "h1", Step: trace.Send, Frame: hello, Layer: trace.LayerPayload, Detail: "to 10.0.0.2:7"})
	p.Trace(&trace.Event{Time: at(250 * time.Microsecond), Packet: id, Node: "lan", Step: trace.Carry, Frame: hello, Layer: trace.LayerPayload})
	p.Trace(&trace.Event{Time: at(90 * time.Second), Packet: id, Node: "h2", Interface: "eth0", Step: trace.Drop, Reason: drop.NoPort, Frame: hello, Layer: trace.LayerPayload})
	// Output:
	//   0.000000 #1     h1           send     5 B "hello" (to 10.0.0.2:7)
	//   0.000250 #1     lan          carry    5 B "hello"
	//  90.000000 #1     h2 eth0      drop     NoPort: 5 B "hello"
}

type failing struct{ calls int }

var errFull = errors.New("full")

func (f *failing) Write([]byte) (int, error) { f.calls++; return 0, errFull }

func TestPrinterStopsAtAnError(t *testing.T) {
	var w failing
	p := trace.NewPrinter(&w, time.Time{})
	p.Trace(&trace.Event{Step: trace.Send})
	p.Trace(&trace.Event{Step: trace.Read})
	if w.calls != 1 || p.Err() != errFull {
		t.Errorf("%d writes, Err() = %v", w.calls, p.Err())
	}
}

func TestPrinterDoesNotAllocate(t *testing.T) {
	p := trace.NewPrinter(discard{}, time.Time{})
	e := &trace.Event{Node: "h1", Step: trace.Send, Frame: make([]byte, 100), Layer: trace.LayerPayload}
	if n := testing.AllocsPerRun(100, func() { p.Trace(e) }); n != 0 {
		t.Errorf("a step allocates %v times", n)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
