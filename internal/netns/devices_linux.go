package netns

import (
	"encoding/json"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/castnet-go/castnet/wire"
)

// A Device is what ip says of one.
type Device struct {
	Name    string   `json:"ifname"`
	MTU     int      `json:"mtu"`
	Flags   []string `json:"flags"`
	Address wire.MAC `json:"address"` // of Ethernet, else zero
}

// Devices returns the namespace's devices by their names.
func (ns *Namespace) Devices(tb testing.TB) map[string]Device {
	tb.Helper()
	var list []Device
	if err := json.Unmarshal([]byte(ns.Run(tb, "ip", "-json", "link")), &list); err != nil {
		tb.Fatal(err)
	}
	m := make(map[string]Device)
	for _, d := range list {
		m[d.Name] = d
	}
	return m
}

// DropCapabilities takes capabilities, of the first 32, from the namespace's thread: for
// good, since it belongs to the namespace and ends with it.
func (ns *Namespace) DropCapabilities(tb testing.TB, list ...int) {
	tb.Helper()
	var err error
	ns.Do(func() {
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err = unix.Capget(&head, &data[0]); err != nil {
			return
		}
		for _, n := range list {
			data[0].Effective &^= 1 << n
			data[0].Permitted &^= 1 << n
		}
		err = unix.Capset(&head, &data[0])
	})
	if err != nil {
		tb.Fatalf("giving up capabilities: %v", err)
	}
}
