package tun

import (
	"github.com/castnet-go/castnet/internal/tuntap"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/link/fd"
)

// A Link is our end of a TUN device; [Open] makes one. Its other methods are
// those of *fd.Link.
type Link struct {
	*fd.Link
	name string
}

var _ link.Link = (*Link)(nil)

// Open makes a TUN device of that name, or opens the one that exists, and brings
// it up. A name that contains %d gets the first number that is free, and the
// empty name is "tun%d"; [Link.Name] says what became of it.
//
// Without CAP_NET_ADMIN the error is a *link.CapabilityError around EPERM.
// EBUSY: another program has the device open. On other systems than Linux, it is
// ErrNotSupported.
func Open(name string, cfg Config) (*Link, error) {
	d, err := tuntap.Open(name, tuntap.Config{
		Queues: cfg.Queues, MTU: cfg.MTU, Persistent: cfg.Persistent, Offload: cfg.Offload,
		HostAddresses: cfg.HostAddresses, Peer: cfg.Peer, HostRoutes: cfg.HostRoutes,
	})
	if err != nil {
		return nil, err
	}
	l, err := fd.New(fd.Config{
		Descriptors: d.Descriptors, // closed by New if it fails
		Kind:        link.IP,
		MTU:         d.MTU,
		Header:      d.Header,
		Offload:     d.Offload,
		QueueLength: cfg.QueueLength,
	})
	if err != nil {
		return nil, tuntap.Refusal(false, d.Name, err)
	}
	return &Link{Link: l, name: d.Name}, nil
}

// Name returns the device's name, as it is known to the kernel.
func (l *Link) Name() string { return l.name }

// SetMTU sets the MTU of the device and of the Link, in bytes. It is to be called
// in the network namespace in which the device lives.
func (l *Link) SetMTU(mtu int) error {
	before := l.MTU()
	if err := l.Link.SetMTU(mtu); err != nil {
		return err
	}
	if err := tuntap.SetMTU(l.name, mtu); err != nil {
		l.Link.SetMTU(before)
		return tuntap.Refusal(false, l.name, err)
	}
	return nil
}
