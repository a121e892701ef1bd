package tap

import (
	"crypto/rand"

	"github.com/castnet-go/castnet/internal/tuntap"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/fd"
	"github.com/castnet-go/castnet/wire"
)

// A Link is our end of a TAP device; [Open] makes one. Its other methods are
// those of *fd.Link.
type Link struct {
	*fd.Link
	name string
	host wire.MAC
}

var _ link.Link = (*Link)(nil)

// Open makes a TAP device of that name, or opens the one that exists, and brings
// it up. A name that contains %d gets the first number that is free, and the
// empty name is "tap%d"; [Link.Name] says what became of it.
//
// Without CAP_NET_ADMIN the error is a *link.CapabilityError around EPERM.
// EBUSY: another program has the device open. On other systems than Linux, it is
// ErrNotSupported.
func Open(name string, cfg Config) (*Link, error) {
	if cfg.Address.IsZero() {
		cfg.Address = randomAddress()
	}
	d, err := tuntap.Open(name, tuntap.Config{
		TAP: true, Queues: cfg.Queues, MTU: cfg.MTU, Persistent: cfg.Persistent, Offload: cfg.Offload,
		HostAddresses: cfg.HostAddresses, Address: cfg.Address,
	})
	if err != nil {
		return nil, err
	}
	l, err := fd.New(fd.Config{
		Descriptors: d.Descriptors, // closed by New if it fails
		MTU:         d.MTU,
		Address:     cfg.Address,
		Header:      d.Header,
		Offload:     d.Offload,
		QueueLength: cfg.QueueLength,
	})
	if err != nil {
		return nil, tuntap.Refusal(true, d.Name, err)
	}
	t := &Link{Link: l, name: d.Name, host: d.HostAddress}
	// A device that was there before may have been left with a filter.
	if err := t.SetFilter(link.Filter{Mode: link.Promiscuous}); err != nil {
		l.Close()
		return nil, tuntap.Refusal(true, d.Name, err)
	}
	return t, nil
}

// Name returns the device's name, as it is known to the kernel.
func (l *Link) Name() string { return l.name }

// HostAddress returns the hardware address of the kernel's end.
func (l *Link) HostAddress() wire.MAC { return l.host }

// SetFilter programs the device's filter: frames that it does not let pass are
// dropped by the kernel before they get here. Until it is called, all come.
func (l *Link) SetFilter(f link.Filter) error {
	var err error
	if e := l.Control(0, func(fd uintptr) { err = tuntap.SetFilter(int(fd), l.Address(), f) }); e != nil {
		return e
	}
	if err != nil {
		return tuntap.Refusal(true, l.name, err)
	}
	return nil
}

// Close detaches the sink, takes the filter off and gives up the device.
func (l *Link) Close() error {
	l.SetFilter(link.Filter{Mode: link.Promiscuous}) // best effort: it may be gone
	return l.Link.Close()
}

// SetMTU sets the MTU of the device and of the Link, in bytes. It is to be called
// in the network namespace in which the device lives.
func (l *Link) SetMTU(mtu int) error {
	before := l.MTU()
	if err := l.Link.SetMTU(mtu); err != nil {
		return err
	}
	if err := tuntap.SetMTU(l.name, mtu); err != nil {
		l.Link.SetMTU(before)
		return tuntap.Refusal(true, l.name, err)
	}
	return nil
}

// randomAddress returns a unicast address, locally administered.
func randomAddress() wire.MAC {
	var m wire.MAC
	rand.Read(m[:])
	m[0] = m[0]&^1 | 2
	return m
}
