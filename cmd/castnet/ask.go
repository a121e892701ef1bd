package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/castnet-go/castnet"
	"github.com/castnet-go/castnet/socket"
	"github.com/castnet-go/castnet/stack"
)

// minPing is the shortest payload of a question: its number.
const minPing = 2

// putQuestion makes the payload of question number sequence: the number, then
// letters.
func putQuestion(p []byte, sequence uint16) {
	binary.BigEndian.PutUint16(p, sequence)
	for i := minPing; i < len(p); i++ {
		p[i] = 'a' + byte(i-minPing)%26
	}
}

// isFatal reports whether an error of the network is not about one question only.
func isFatal(err error) bool {
	for _, e := range []error{
		syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN,
		syscall.EACCES, syscall.EPERM, syscall.EMSGSIZE, syscall.ENOBUFS, syscall.EAGAIN,
	} {
		if errors.Is(err, e) {
			return false
		}
	}
	return true
}

// A udpAsker asks an echo server.
type udpAsker struct {
	conn    *castnet.Conn
	payload []byte
	ended   chan struct{}
}

// newUDPAsker returns an asker for the echo server at the address, and the
// address as numbers.
func newUDPAsker(ctx context.Context, place *place, address string, size int, answers chan<- answer) (asker, string, error) {
	cfg := castnet.Config{On: place.Network}
	conn, err := cfg.Dial(ctx, "udp", address)
	if err != nil {
		return nil, "", err
	}
	conn.SetReport(castnet.FieldTTL)
	a := &udpAsker{conn: conn, payload: make([]byte, size), ended: make(chan struct{})}
	go a.receive(answers)
	peer := conn.RemoteAddr().(*net.UDPAddr).AddrPort()
	return a, plain(peer).String(), nil
}

func (a *udpAsker) ask(sequence uint16) error {
	putQuestion(a.payload, sequence)
	_, err := a.conn.Write(a.payload)
	return err
}

func (a *udpAsker) close() {
	a.conn.Close()
	<-a.ended
}

// receive hands over what comes back. What there is no room for is lost, so
// that it ends when nobody listens any more.
func (a *udpAsker) receive(answers chan<- answer) {
	defer close(a.ended)
	m := [1]castnet.Message{{Buf: make([]byte, 65535)}}
	want := make([]byte, len(a.payload))
	for {
		_, err := a.conn.ReadBatch(m[:])
		ans := answer{at: time.Now(), err: err}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if b := m[0].Buf; err == nil {
			if len(b) < minPing {
				continue // nobody's answer to us
			}
			ans.sequence, ans.known = binary.BigEndian.Uint16(b), true
			ans.from, ans.size, ans.ttl = plain(m[0].Addr).String(), m[0].Len, m[0].TTL
			putQuestion(want, ans.sequence)
			ans.wrong = !bytes.Equal(b, want)
		}
		if !deliver(answers, ans) {
			return
		}
	}
}

// deliver hands over an answer, or loses it if there is no room, so that it
// never blocks. It reports whether there may be another.
func deliver(answers chan<- answer, ans answer) (more bool) {
	select {
	case answers <- ans:
	default:
	}
	return ans.err == nil || !isFatal(ans.err)
}

// An icmpAsker asks by ICMP.
type icmpAsker struct {
	port    *stack.EchoPort
	to      netip.Addr
	payload []byte
}

// echoOpener is a network on which programs may send ICMP echo requests.
type echoOpener interface {
	OpenEcho(func(stack.Echo)) (*stack.EchoPort, error)
}

// newICMPAsker returns an asker for the host, and its address.
func newICMPAsker(ctx context.Context, place *place, host string, size int, answers chan<- answer) (asker, string, error) {
	n, ok := place.Network.(echoOpener)
	if !ok {
		return newPingSocket(ctx, host, size, answers)
	}
	to, err := resolve(ctx, place, host)
	if err != nil {
		return nil, "", err
	}
	a := &icmpAsker{to: to, payload: make([]byte, size)}
	want := make([]byte, size)
	a.port, err = n.OpenEcho(func(e stack.Echo) {
		ans := answer{
			at: time.Now(), from: e.From.String(), sequence: e.Sequence, known: true,
			size: len(e.Payload), ttl: e.TTL, err: e.Err,
		}
		if e.Err == nil {
			putQuestion(want, e.Sequence)
			ans.wrong = !bytes.Equal(e.Payload, want)
		} else {
			ans.err = fmt.Errorf("%v says: %w", e.From, e.Err)
		}
		deliver(answers, ans)
	})
	if err != nil {
		return nil, "", err
	}
	return a, to.String(), nil
}

// resolve returns the address of a host of the network.
func resolve(ctx context.Context, place *place, host string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return a, nil
	}
	r, ok := place.Network.(socket.Resolver)
	if !ok {
		return netip.Addr{}, fmt.Errorf("%s: this network knows no names", host)
	}
	addrs, err := r.LookupNetIP(ctx, "ip4", host)
	if err != nil {
		return netip.Addr{}, err
	}
	return addrs[0], nil
}

func (a *icmpAsker) ask(sequence uint16) error {
	putQuestion(a.payload, sequence)
	return a.port.Send(a.to, sequence, a.payload)
}

func (a *icmpAsker) close() { a.port.Close() }
