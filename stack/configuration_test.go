package stack

import (
	"runtime"
	"testing"
	"time"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
)

// meddler is a link that calls functions of the test when it is called.
type meddler struct {
	*cable
	call, ask func()
}

func newMeddler() *meddler { return &meddler{cable: newCable(), call: func() {}, ask: func() {}} }

func (m *meddler) SetFilter(link.Filter) error {
	m.call()
	return nil
}

func (m *meddler) Write(frames []*packet.Buffer) (int, error) {
	m.call()
	return m.cable.Write(frames)
}

func (m *meddler) MTU() int {
	m.ask()
	return m.cable.MTU()
}

// What a link is called for by SetUp and EnableIPv6 may configure the interface itself.
func TestConfiguringFromInsideALink(t *testing.T) {
	l := newMeddler()
	h := newHost(t, Config{}, l)
	calls := 0
	l.call = func() {
		if calls++; calls < 50 {
			h.eth0.SetUp(calls%5 != 0)
			h.eth0.EnableIPv6()
		}
	}
	within(t, "configuring", func() {
		for _, up := range []bool{true, false, true} {
			if err := h.eth0.SetUp(up); err != nil {
				t.Error(err)
			}
			if err := h.eth0.EnableIPv6(); err != nil {
				t.Error(err)
			}
		}
		h.clock.Advance(time.Minute)
	})
	if calls < 3 {
		t.Errorf("the link was called %d times", calls)
	}
	checkLedger(t, h)
}

// An interface that is removed while it begins to speak IPv6 either does not, or ends it.
func TestEnableIPv6WhileTheInterfaceIsRemoved(t *testing.T) {
	l := newMeddler()
	h := newHost(t, Config{}, l)
	removed := make(chan error, 1)
	begun := false
	l.ask = func() { // EnableIPv6 asks for the MTU when it has seen that the interface is there
		if begun {
			return
		}
		begun = true
		go func() { removed <- h.RemoveInterface("eth0") }()
		for end := time.Now().Add(20 * time.Millisecond); h.Interface("eth0") != nil && time.Now().Before(end); {
			runtime.Gosched()
		}
	}
	err := h.eth0.EnableIPv6()
	if e := <-removed; e != nil {
		t.Fatal(e)
	}
	if x := h.eth0.ip6.Load(); x != nil {
		x.mu.Lock()
		if !x.gone || x.armed != never {
			t.Errorf("EnableIPv6: %v; of the removed interface gone is %v, and its timer is set for %v", err, x.gone, x.armed)
		}
		x.mu.Unlock()
	}
	h.clock.Advance(time.Hour)
	if n := h.clock.Pending(); n != 0 {
		t.Errorf("%d timers are left", n)
	}
	checkLedger(t, h)
}
