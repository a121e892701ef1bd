package conntest

import (
	"net"
	"reflect"
)

var addressCases = []testCase{
	{"LocalAddr", nil, testLocalAddr},
	{"Sender", nil, testSender},
	{"Reply", nil, testReply},
	{"BadAddress", nil, testBadAddress},
}

// sameAddr checks that two addresses are of one network and print the same.
func (h *harness) sameAddr(what string, got, want net.Addr) {
	h.Helper()
	if isNil(got) {
		h.Errorf("%s is nil, want %v", what, want)
		return
	}
	if got.Network() != want.Network() || got.String() != want.String() {
		h.Errorf("%s is %s %v, want %s %v", what, got.Network(), got, want.Network(), want)
	}
}

// isNil reports whether an address is nil or a nil pointer, which programs do
// not expect inside an interface.
func isNil(a net.Addr) bool {
	if a == nil {
		return true
	}
	v := reflect.ValueOf(a)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// LocalAddr is there, says something, and stays the same.
func testLocalAddr(h *harness) {
	for i, c := range []net.PacketConn{h.C1, h.C2} {
		a := c.LocalAddr()
		if isNil(a) {
			h.Fatalf("LocalAddr of C%d is nil", i+1)
		}
		if a.Network() == "" || a.String() == "" {
			h.Errorf("LocalAddr of C%d is %q %q", i+1, a.Network(), a.String())
		}
		h.sameAddr("LocalAddr, asked again,", c.LocalAddr(), a)
	}
	before := h.C1.LocalAddr()
	h.send(h.C1, []byte("x"), h.Addr2)
	h.sameAddr("LocalAddr after a write", h.C1.LocalAddr(), before)
	if h.Addr1.String() == h.Addr2.String() {
		h.Errorf("C1 and C2 have the same address, %v", h.Addr1)
	}
}

// ReadFrom names the sender, in the family of addresses that the connection
// itself has one of.
func testSender(h *harness) {
	h.send(h.C1, []byte("x"), h.Addr2)
	d := h.receive(h.C2)
	h.sameAddr("sender", d.from, h.Addr1)
	if got, want := reflect.TypeOf(d.from), reflect.TypeOf(h.C2.LocalAddr()); got != want {
		h.Errorf("the sender is a %v, LocalAddr a %v", got, want)
	}
	// An address is the caller's: the next read must not change it.
	name := d.from.String()
	h.send(h.C2, []byte("x"), h.Addr1)
	h.receive(h.C1)
	h.send(h.C1, []byte("y"), h.Addr2)
	h.receive(h.C2)
	if d.from.String() != name {
		h.Errorf("the sender of one datagram changed from %s to %v with the next", name, d.from)
	}
}

// What ReadFrom calls the sender is where the answer goes.
func testReply(h *harness) {
	h.send(h.C1, []byte("ping"), h.Addr2)
	d := h.receive(h.C2)
	h.send(h.C2, []byte("pong"), d.from)
	if d := h.receive(h.C1); string(d.payload) != "pong" {
		h.Errorf("read %q, want %q", d.payload, "pong")
	} else {
		h.sameAddr("sender of the answer", d.from, h.Addr2)
	}
}

type foreignAddr struct{}

func (foreignAddr) Network() string { return "conntest" }
func (foreignAddr) String() string  { return "nowhere" }

// An address that is none is an error, and no more than that.
func testBadAddress(h *harness) {
	for _, a := range []net.Addr{nil, foreignAddr{}} {
		h.within("WriteTo", func() {
			if n, err := h.C1.WriteTo([]byte("x"), a); err == nil || n != 0 {
				h.Errorf("WriteTo to %#v = %d, %v; want 0 and an error", a, n, err)
			}
		})
	}
	h.send(h.C1, []byte("good"), h.Addr2)
	if d := h.receive(h.C2); string(d.payload) != "good" {
		h.Errorf("after writes to bad addresses read %q, want %q", d.payload, "good")
	}
}
