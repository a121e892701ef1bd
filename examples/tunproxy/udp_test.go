package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/castnet-go/castnet"
)

// udpServer answers each datagram to a port on loopback with itself, and returns the
// port.
func udpServer(t testing.TB) uint16 {
	t.Helper()
	c, err := (&castnet.Config{ReadBuffer: -1}).Listen(t.Context(), "udp4", "127.0.0.1:0")
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 65535); ; {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			c.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
	return uint16(c.LocalAddr().(*net.UDPAddr).Port)
}

// Every size comes back as it was, those included that are sent in fragments.
func TestUDPSizes(t *testing.T) {
	_, client := behind(t)
	port := udpServer(t)
	for name, c := range map[string]net.Conn{"IPv4": client.dialUDP(t, port), "IPv6": client.dialUDP6(t, port)} {
		must(t, c.SetDeadline(time.Now().Add(time.Minute)))
		got := make([]byte, 65535)
		for _, size := range []int{0, 1, 2, 100, 1451, 1452, 1453, 1471, 1472, 1473, 3000, 9000, 65507} {
			want := random(byte(size), size)
			_, err := c.Write(want)
			must(t, err)
			if n, err := c.Read(got); err != nil || !bytes.Equal(got[:n], want) {
				t.Errorf("%s: %d bytes came back as %d, or others; %v", name, size, n, err)
			}
		}
	}
}

// Many flows at a time, each with its own datagrams in order.
func TestUDPManyFlows(t *testing.T) {
	const flows, each = 100, 50
	p, client := behind(t)
	port := udpServer(t)
	var wait sync.WaitGroup
	for f := range flows {
		c := client.dialUDP(t, port)
		wait.Go(func() {
			c.SetDeadline(time.Now().Add(time.Minute))
			out, in := make([]byte, 8), make([]byte, 100)
			for i := range each {
				binary.BigEndian.PutUint32(out, uint32(f))
				binary.BigEndian.PutUint32(out[4:], uint32(i))
				if _, err := c.Write(out); err != nil {
					t.Error(err)
				}
				if n, err := c.Read(in); err != nil || !bytes.Equal(in[:n], out) {
					t.Errorf("flow %d, datagram %d: % x, %v", f, i, in[:n], err)
					return
				}
			}
		})
	}
	wait.Wait()
	if s := p.udp.summary(); s != "100 UDP flows" {
		t.Errorf("the summary is %q", s)
	}
	if l := p.stack.Ledger(); l.Dropped != 0 || !l.Balanced() {
		t.Errorf("the ledger is %+v, and dropped were %v", l, p.stack.Drops().Map())
	}
}

// Of a server that is not there the client is told, and it does not end the proxy.
func TestUDPRefused(t *testing.T) {
	closed, err := castnet.Listen("udp4", "127.0.0.1:0")
	must(t, err)
	port := uint16(closed.LocalAddr().(*net.UDPAddr).Port)
	must(t, closed.Close())
	p, client := behind(t)
	for name, c := range map[string]net.Conn{"IPv4": client.dialUDP(t, port), "IPv6": client.dialUDP6(t, port)} {
		for range 3 {
			_, err := c.Write([]byte("anybody?"))
			must(t, err)
			// gVisor's readers are not woken by errors: they have to ask again.
			for end := time.Now().Add(10 * time.Second); ; {
				c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
				_, err = c.Read(make([]byte, 1))
				if e := net.Error(nil); !errors.As(err, &e) || !e.Timeout() || time.Now().After(end) {
					break
				}
			}
			if err == nil || !strings.Contains(err.Error(), "refused") {
				t.Fatalf("%s: Read: %v, want that the connection was refused", name, err)
			}
		}
	}
	other := client.dialUDP(t, udpServer(t))
	must(t, other.SetDeadline(time.Now().Add(time.Minute)))
	_, err = other.Write([]byte("hello"))
	must(t, err)
	if n, err := other.Read(make([]byte, 100)); n != 5 || err != nil {
		t.Errorf("Read = %d, %v", n, err)
	}
	must(t, p.close())
}
