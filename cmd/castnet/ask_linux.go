package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/castnet-go/castnet/wire"
)

// A pingSocket asks by ICMP through the kernel, on a socket that sends echo
// requests and hears the answers to its own, and needs no capability where
// net.ipv4.ping_group_range permits it.
type pingSocket struct {
	conn    *net.UDPConn
	payload []byte
	ended   chan struct{}
}

func newPingSocket(ctx context.Context, host string, size int, answers chan<- answer) (asker, string, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	if err != nil {
		return nil, "", err
	}
	to := addrs[0].Unmap()
	conn, err := dialPing(to)
	if err != nil {
		return nil, "", fmt.Errorf("ping %v: %w", to, err)
	}
	p := &pingSocket{conn: conn, payload: make([]byte, size), ended: make(chan struct{})}
	go p.receive(to.String(), answers)
	return p, to.String(), nil
}

// dialPing opens the socket, which to package net looks like one of UDP.
func dialPing(to netip.Addr) (*net.UDPConn, error) {
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, syscall.IPPROTO_ICMP)
	if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) {
		return nil, fmt.Errorf("%w: net.ipv4.ping_group_range does not permit it; to permit it: "+
			`sudo sysctl net.ipv4.ping_group_range="0 2147483647"`, os.NewSyscallError("socket", err))
	}
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(s), "ping")
	defer f.Close()
	if err := syscall.Connect(s, &syscall.SockaddrInet4{Addr: to.As4()}); err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

func (p *pingSocket) ask(sequence uint16) error {
	putQuestion(p.payload, sequence)
	b := make([]byte, wire.ICMPHeaderLen+len(p.payload))
	h := wire.PutICMP(b, wire.ICMPEchoRequest, 0)
	h.SetEchoSequence(sequence)
	// The kernel fills in the identifier and the checksum.
	copy(b[wire.ICMPHeaderLen:], p.payload)
	_, err := p.conn.Write(b)
	return err
}

func (p *pingSocket) receive(from string, answers chan<- answer) {
	defer close(p.ended)
	b := make([]byte, 65535)
	for {
		n, err := p.conn.Read(b)
		ans := answer{at: time.Now(), from: from, err: err}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			h, body, err := wire.ParseICMP(b[:n])
			if err != nil || len(body) < minPing {
				continue
			}
			ans.sequence, ans.known, ans.size = h.EchoSequence(), true, len(body)
			ans.wrong = len(body) != len(p.payload) || binary.BigEndian.Uint16(body) != ans.sequence
		}
		if !deliver(answers, ans) {
			return
		}
	}
}

func (p *pingSocket) close() {
	p.conn.Close()
	<-p.ended
}
