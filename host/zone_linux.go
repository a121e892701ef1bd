package host

import (
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// zones remembers the names and indexes of interfaces, since a datagram from a
// link-local address would otherwise cost a system call and a string.
var zones struct {
	mu      sync.RWMutex
	names   map[uint32]string
	indexes map[string]uint32
	expires time.Time
}

const (
	zoneLifetime = time.Minute // an interface may be renamed; package net allows as much
	maxZones     = 1024
)

// zoneName returns an interface's name, or its index as a decimal number if it
// has none (any more).
func zoneName(fd uintptr, index uint32) string {
	zones.mu.RLock()
	name, ok := zones.names[index]
	fresh := ok && time.Now().Before(zones.expires)
	zones.mu.RUnlock()
	if fresh {
		return name
	}

	name, ok = interfaceName(fd, index)
	if !ok {
		return strconv.FormatUint(uint64(index), 10)
	}
	rememberZone(name, index)
	return name
}

// interfaceName asks the kernel for an interface's name; ok is false if there is
// no such interface.
func interfaceName(fd uintptr, index uint32) (name string, ok bool) {
	ifr, err := unix.NewIfreq("")
	if err != nil {
		return "", false
	}
	ifr.SetUint32(index)
	if unix.IoctlIfreq(int(fd), unix.SIOCGIFNAME, ifr) != nil {
		return "", false
	}
	return ifr.Name(), true
}

func interfaceExists(fd uintptr, index int) bool {
	_, ok := interfaceName(fd, uint32(index))
	return ok
}

// zoneIndex returns the index of the interface that an address's zone names, 0
// if it has no zone. ENODEV: there is no such interface.
func zoneIndex(fd uintptr, addr netip.Addr) (uint32, syscall.Errno) {
	name := addr.Zone()
	if name == "" {
		return 0, 0
	}
	zones.mu.RLock()
	index, ok := zones.indexes[name]
	fresh := ok && time.Now().Before(zones.expires)
	zones.mu.RUnlock()
	if fresh {
		return index, 0
	}

	// A name comes before a number: "1" may well be a name.
	if ifr, err := unix.NewIfreq(name); err == nil {
		if unix.IoctlIfreq(int(fd), unix.SIOCGIFINDEX, ifr) == nil {
			index = ifr.Uint32()
			rememberZone(name, index)
			return index, 0
		}
	}
	if n, err := strconv.ParseUint(name, 10, 31); err == nil && n > 0 {
		return uint32(n), 0 // the kernel knows whether there is one
	}
	return 0, syscall.ENODEV
}

func rememberZone(name string, index uint32) {
	zones.mu.Lock()
	defer zones.mu.Unlock()
	now := time.Now()
	if !now.Before(zones.expires) || len(zones.names) >= maxZones || len(zones.indexes) >= maxZones {
		zones.names = make(map[uint32]string)
		zones.indexes = make(map[string]uint32)
		zones.expires = now.Add(zoneLifetime)
	}
	zones.names[index] = name
	zones.indexes[name] = index
}
