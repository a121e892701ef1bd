package main

import (
	"net/netip"
	"testing"
)

func TestListenAddress(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", ":7"},
		{":7000", ":7000"},
		{"7000", ":7000"},
		{"127.0.0.1", "127.0.0.1:7"},
		{"127.0.0.1:7000", "127.0.0.1:7000"},
		{"::1", "[::1]:7"},
		{"[::1]", "[::1]:7"},
		{"[::1]:7000", "[::1]:7000"},
		{"localhost:7000", "localhost:7000"},
		{"localhost", ""},
		{"127.0.0.1:", "127.0.0.1:"}, // as package net has it: any port
		{"127.0.0.1:65536", ""},
		{"127.0.0.1:x", ""},
		{"1:2:3", ""},
		{"239.1.2.3:7000", "239.1.2.3:7000"},
		{"239.1.2.3", "239.1.2.3:7000"},
		{"ff15::1", "[ff15::1]:7000"},
		{"ff02::1%eth0", "[ff02::1%eth0]:7000"},
		{"[ff02::1%eth0]:9", "[ff02::1%eth0]:9"},
	} {
		got, err := listenAddress(test.text, "7")
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("listenAddress(%q) = %q, %v; want %q", test.text, got, err, test.want)
		}
	}
}

func TestPeerAddress(t *testing.T) {
	for _, test := range []struct {
		text string
		ok   bool
	}{
		{"127.0.0.1:7000", true},
		{"[::1]:7000", true},
		{"localhost:7000", true},
		{"255.255.255.255:7000", true},
		{"", false},
		{"7000", false},
		{":7000", false},
		{"127.0.0.1", false},
		{"127.0.0.1:0", false},
		{"127.0.0.1:65536", false},
	} {
		if _, err := peerAddress(test.text); (err == nil) != test.ok {
			t.Errorf("peerAddress(%q): %v", test.text, err)
		}
	}
}

func TestBroadcast(t *testing.T) {
	for prefix, want := range map[string]string{
		"10.0.0.2/24": "10.0.0.255", "10.0.0.2/8": "10.255.255.255", "10.0.0.2/30": "10.0.0.3", "0.0.0.0/0": "255.255.255.255",
	} {
		if got := broadcast(netip.MustParsePrefix(prefix)); got != netip.MustParseAddr(want) {
			t.Errorf("broadcast(%s) = %v, want %s", prefix, got, want)
		}
	}
	if got := broadcast(netip.MustParsePrefix("fd00::1/64")); got.IsValid() {
		t.Errorf("an IPv6 subnet has the broadcast address %v", got)
	}
}
