package wgtun

import "fmt"

// Config says what a Device or a Link is like. The zero Config is a tunnel as
// wg-quick makes it.
type Config struct {
	// Name is what Device.Name returns. If empty, "castnet". A Link does not
	// use it.
	Name string

	// MTU is the longest IP packet, in bytes, from 68 to 65535. If zero,
	// 1420, which leaves WireGuard's own headers room in 1500 bytes even
	// over IPv6. Of and NewLink do not use it: they ask the link, or the
	// device.
	MTU int

	// QueueLength is how many packets may wait to be read by WireGuard, or
	// to be written to the device. If zero, 1000: more than the send buffer
	// of one socket pays for, so that a program which sends too fast waits,
	// and loses nothing. It cannot be negative.
	QueueLength int
}

const (
	defaultName        = "castnet"
	defaultMTU         = 1420
	defaultQueueLength = 1000
)

func (c Config) withDefaults() (Config, error) {
	if c.Name == "" {
		c.Name = defaultName
	}
	if c.MTU == 0 {
		c.MTU = defaultMTU
	}
	if c.QueueLength == 0 {
		c.QueueLength = defaultQueueLength
	}
	if c.QueueLength < 0 {
		return c, fmt.Errorf("wgtun: a queue of %d packets: it needs room for one", c.QueueLength)
	}
	return c, checkMTU(c.MTU)
}

func checkMTU(mtu int) error {
	const lowest, highest = 68, 65535 // RFC 791: every link carries 68 bytes
	if mtu < lowest || mtu > highest {
		return fmt.Errorf("wgtun: an MTU of %d is not within %d to %d", mtu, lowest, highest)
	}
	return nil
}
