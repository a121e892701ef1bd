package main

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"net/netip"
	"strings"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"

	"github.com/castnet-go/castnet/examples/wireguard/wgtun"
	"github.com/castnet-go/castnet/stack"
)

// A peer is one end of a tunnel. Programs use its inner network; WireGuard carries
// what they send over the outer one.
type peer struct {
	inner   *stack.Stack
	tun     *wgtun.Device // between inner and device
	device  *device.Device
	key     *ecdh.PrivateKey
	address netip.Addr // on the inner network
	port    uint16     // on the outer network
}

// newPeer returns a peer whose outer network is that of bind. It has a new key and
// knows nobody.
func newPeer(name string, address netip.Addr, bind conn.Bind) (*peer, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	tun, inner, err := wgtun.CreateNetTUN([]netip.Addr{address}, 0)
	if err != nil {
		return nil, err
	}
	p := &peer{inner: inner, tun: tun, key: key, address: address}
	p.device = device.NewDevice(tun, bind, device.NewLogger(device.LogLevelError, name+": ")) // owns tun
	err = p.device.IpcSet(fmt.Sprintf("private_key=%x\n", key.Bytes()))
	if err == nil {
		err = p.device.Up() // listens
	}
	if err == nil {
		err = p.learnPort()
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// learnPort asks WireGuard which port it listens on.
func (p *peer) learnPort() error {
	port, err := p.setting("listen_port")
	if err == nil {
		_, err = fmt.Sscan(port, &p.port)
	}
	return err
}

// setting returns what WireGuard says of itself under a name.
func (p *peer) setting(name string) (string, error) {
	all, err := p.device.IpcGet()
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(all) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), "="); key == name {
			return value, nil
		}
	}
	return "", fmt.Errorf("WireGuard has no setting %s", name)
}

// add makes o known to p. Where o is may be left out: p learns it when o calls.
func (p *peer) add(o *peer, at netip.AddrPort) error {
	settings := fmt.Sprintf("public_key=%x\nallowed_ip=%v/%d\n", o.key.PublicKey().Bytes(), o.address, o.address.BitLen())
	if at.IsValid() {
		settings += fmt.Sprintf("endpoint=%v\n", at)
	}
	return p.device.IpcSet(settings)
}

// close ends the tunnel, and then the network in it.
func (p *peer) close() error {
	p.device.Close()
	return p.inner.Close()
}
