package stack

import (
	"errors"
	"strings"
	"testing"

	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/mem"
)

func TestInterfaceNames(t *testing.T) {
	for _, test := range []struct {
		name, want string // a part of the error; "": none
	}{
		{"eth0", ""},
		{"tap0.100", ""},
		{"...", ""},
		{"fifteen-bytes--", ""},
		{"größe", ""},
		{"", "needs a name"},
		{"sixteen-bytes---", "has 16 bytes; shorten it to 15"},
		{"ääääääää", "has 16 bytes"},
		{".", "directory"},
		{"..", "directory"},
		{"a/b", "has a '/' in it"},
		{"eth0:1", "has a ':' in it"},
		{"a b", "has a ' ' in it"},
		{"a\u00a0b", `has a '\u00a0' in it`},
		{"a\n", `has a '\n' in it`},
		{"a\x00", `has a '\x00' in it`},
		{"a\x1b[31m", `has a '\x1b' in it`},
		{"a\x7f", `has a '\x7f' in it`},
		{"a\u202eb", `has a '\u202e' in it`},
		{"a\xff", "not UTF-8"},
		{"lo", "already"},
	} {
		h := newHost(t, Config{}, nil)
		a, _ := mem.Pair(mem.Config{})
		i, err := h.AddInterface(test.name, a)
		if test.want == "" {
			if err != nil || i.Name() != test.name {
				t.Errorf("%q: %v", test.name, err)
			}
			continue
		}
		if i != nil || err == nil || !strings.HasPrefix(err.Error(), "stack: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v; want an error that says %q", test.name, err, test.want)
		}
		if err := a.Attach((*sink)(nil)); err != nil {
			t.Errorf("%q: the refused link: %v", test.name, err)
		}
		if got := interfaces(t, h); got != "lo" {
			t.Errorf("%q: there are the interfaces %s", test.name, got)
		}
	}
}

func TestInterfaceNeedsLink(t *testing.T) {
	h := newHost(t, Config{}, nil)
	if i, err := h.AddInterface("eth0", nil); i != nil || err == nil || !strings.Contains(err.Error(), `"eth0" needs a link`) {
		t.Errorf("AddInterface without a link: %v, %v", i, err)
	}
	if got := interfaces(t, h); got != "lo" {
		t.Errorf("there are the interfaces %s", got)
	}
}

// A link end that serves one interface is refused to any other, on this stack or
// another, and the first goes on.
func TestLinkServesOneInterface(t *testing.T) {
	a, b := mem.Pair(mem.Config{})
	h := newHost(t, Config{}, a, "10.0.0.1/24")
	peer := newHost(t, Config{}, b, "10.0.0.2/24")
	other := newHost(t, Config{}, nil)
	for _, on := range []*host{h, other} {
		i, err := on.AddInterface("e2", a)
		if i != nil || !errors.Is(err, link.ErrInUse) {
			t.Errorf("AddInterface of a link in use: %v, %v; want %v", i, err, link.ErrInUse)
		}
		if on.Interface("e2") != nil {
			t.Error("the refused interface is there")
		}
	}
	s, r := peer.open(t, ""), h.open(t, "10.0.0.1:7")
	send(t, s, "still here", "10.0.0.1:7")
	if got := string(receive(t, r).Buf); got != "still here" {
		t.Errorf("got %q", got)
	}
	// What was removed leaves its end free.
	if err := h.RemoveInterface("eth0"); err != nil {
		t.Fatal(err)
	}
	if _, err := other.AddInterface("e2", a); err != nil {
		t.Errorf("AddInterface when the first was removed: %v", err)
	}
}

func TestLoopbackHasOneSink(t *testing.T) {
	h := newHost(t, Config{}, nil)
	lo := h.Interface("lo")
	if err := lo.link.Attach((*sink)(lo)); err != link.ErrInUse {
		t.Errorf("Attach while one is attached: %v, want %v", err, link.ErrInUse)
	}
	if err := lo.link.Attach(nil); err != nil {
		t.Errorf("Attach(nil): %v", err)
	}
	if err := lo.link.Attach((*sink)(lo)); err != nil {
		t.Errorf("Attach after Attach(nil): %v", err)
	}
}

// interfaces returns the names of a host's interfaces.
func interfaces(t *testing.T, h *host) string {
	t.Helper()
	list, err := h.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
	}
	return strings.Join(names, " ")
}
