package linktest

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/castnet-go/castnet/internal/netns"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
)

// A Device is a link that may lose its device.
type Device interface {
	link.Link
	Done() <-chan struct{}
	Err() error
}

// DownAndGone checks that the device of that name, when it goes down, comes back, and when
// it is deleted, does not. What is written meanwhile is made by frame; up, which may be
// nil, is called when the device is up again.
func DownAndGone(t *testing.T, ns *netns.Namespace, name string, l Device, frame func() *packet.Buffer, up func()) {
	t.Helper()
	try := func() error {
		f := frame()
		n, err := l.Write(f.Single())
		if n == 0 {
			f.Release()
		}
		return err
	}
	ns.Run(t, "ip", "link", "set", name, "down")
	if err := try(); err != link.ErrDown {
		t.Errorf("Write while the device is down: %v, want %v", err, link.ErrDown)
	}
	ns.Run(t, "ip", "link", "set", name, "up")
	if up != nil {
		up()
	}
	if err := try(); err != nil {
		t.Errorf("Write while it is up again: %v", err)
	}
	if err := l.Err(); err != nil {
		t.Errorf("Err: %v", err)
	}
	ns.Run(t, "ip", "link", "del", name)
	select {
	case <-l.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the Link did not notice that its device was deleted")
	}
	if err := l.Err(); err != link.ErrDown {
		t.Errorf("Err: %v, want %v", err, link.ErrDown)
	}
	if err := try(); err != link.ErrDown {
		t.Errorf("Write when the device is gone: %v, want %v", err, link.ErrDown)
	}
	if err := l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// A Refusal is what Open must refuse: what the error is, if not nil, and what it says
// besides the device's name.
type Refusal[Config any] struct {
	Name   string
	Config Config
	Is     error
	Want   string
}

// Refuse checks that each is refused, and no device left behind. The errors begin with
// the package's name.
func Refuse[Link io.Closer, Config any](t *testing.T, ns *netns.Namespace, pkg string, open func(*netns.Namespace, string, Config) (Link, error), list []Refusal[Config]) {
	t.Helper()
	for _, r := range list {
		before := len(ns.Devices(t))
		l, err := open(ns, r.Name, r.Config)
		if err == nil {
			l.Close()
			t.Errorf("%q, %+v: no error", r.Name, r.Config)
			continue
		}
		if r.Is != nil && !errors.Is(err, r.Is) {
			t.Errorf("%v is not %v", err, r.Is)
		}
		if !strings.HasPrefix(err.Error(), pkg+": "+r.Name+": ") || !strings.Contains(err.Error(), r.Want) {
			t.Errorf("error %q does not name the device %q and say %q", err, r.Name, r.Want)
		}
		if after := len(ns.Devices(t)); after != before {
			t.Errorf("%q, %+v: %d devices before, %d after", r.Name, r.Config, before, after)
		}
	}
}
