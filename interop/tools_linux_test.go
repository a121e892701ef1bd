package interop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// castnet ping asks the kernel by ICMP.
func TestPingAsksKernel(t *testing.T) {
	w := newWorld(t)
	for _, size := range []int{8, 56, 1472} {
		p := w.castnet(nil, "", "ping", "10.0.0.1", "--count", "10", "--interval", "5ms", "--timeout", "5s", "--size", fmt.Sprint(size))
		if s := p.summary(0); s.Sent != 10 || s.Received != 10 {
			t.Errorf("size %d: %d of %d were answered", size, s.Received, s.Sent)
		}
		for _, e := range p.events("reply") {
			if e.Peer != "10.0.0.1" || e.Size != size || e.TTL != 64 {
				t.Errorf("reply %d: %d bytes from %s with TTL %d; want %d bytes from 10.0.0.1 with TTL 64", e.Sequence, e.Size, e.Peer, e.TTL, size)
			}
		}
	}
}

// castnet ping asks an echo server that socat is: a child for each datagram,
// which sends back what it gets through a pipe to itself.
func TestPingAsksSocat(t *testing.T) {
	w := newWorld(t, "socat")
	start(t, w.ns, nil, "socat", "-b", "65536", "UDP4-RECVFROM:7007,fork", "PIPE")
	bound(t, w.ns, 7007)
	for _, size := range []int{8, 56, 1472} {
		p := w.castnet(nil, "", "ping", "10.0.0.1:7007", "--count", "10", "--interval", "5ms", "--timeout", "5s", "--size", fmt.Sprint(size))
		if s := p.summary(0); s.Sent != 10 || s.Received != 10 {
			t.Errorf("size %d: %d of %d were answered", size, s.Received, s.Sent)
		}
		for _, e := range p.events("reply") {
			if e.Peer != "10.0.0.1:7007" || e.Size != size || e.TTL != 64 {
				t.Errorf("reply %d: %d bytes from %s with TTL %d; want %d bytes from 10.0.0.1:7007 with TTL 64", e.Sequence, e.Size, e.Peer, e.TTL, size)
			}
		}
	}
}

// castnet send sends to socat, which writes one datagram to a file and ends.
func TestSendToSocat(t *testing.T) {
	w := newWorld(t, "socat")
	for _, size := range []int{1, 64, 1471, 1472} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			want, file := payload(size), filepath.Join(w.dir, fmt.Sprint(size))
			receiver := start(t, w.ns, nil, "socat", "-u", "-b", "65536", "UDP4-RECVFROM:7001", "CREATE:"+file)
			bound(t, w.ns, 7001)
			p := w.castnet(bytes.NewReader(want), "", "send", "10.0.0.1:7001")
			if s := p.summary(0); s.Sent != 1 || s.Bytes != size || s.Refused != 0 {
				t.Errorf("sent %d datagrams, %d bytes, %d refused", s.Sent, s.Bytes, s.Refused)
			}
			receiver.end(0)
			if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
				t.Errorf("socat received %d bytes, %.20x, want %.20x; %v", len(got), got, want, err)
			}
		})
	}
}

// castnet send waits for what socat answers.
func TestSendIsAnsweredBySocat(t *testing.T) {
	w := newWorld(t, "socat")
	start(t, w.ns, nil, "socat", "-b", "65536", "UDP4-RECVFROM:7007,fork", "PIPE")
	bound(t, w.ns, 7007)
	p := w.castnet(nil, "", "send", "10.0.0.1:7007", "who", "is", "there", "--count", "5", "--interval", "1ms", "--wait", "10s")
	if s := p.summary(0); s.Sent != 5 || s.Replies != 5 {
		t.Errorf("sent %d, %d were answered", s.Sent, s.Replies)
	}
	for _, e := range p.events("reply") {
		if string(e.Payload) != "who is there" || e.Peer != "10.0.0.1:7007" {
			t.Errorf("%s answered %q", e.Peer, e.Payload)
		}
	}
}

// castnet listen shows what socat sends, from the port that it is told to.
func TestListenHearsSocat(t *testing.T) {
	w := newWorld(t, "socat")
	sizes := []int{1, 64, 1472}
	// Two ways to reach it besides the address: the subnet's broadcast and
	// that of every network.
	targets := []string{"UDP4-SENDTO:10.0.0.2:7002", "UDP4-DATAGRAM:10.0.0.255:7002,broadcast",
		"UDP4-DATAGRAM:255.255.255.255:7002,broadcast,so-bindtodevice=cn0"}
	locals := []string{"10.0.0.2:7002", "10.0.0.255:7002", "255.255.255.255:7002"}
	p := w.castnet(nil, "", "listen", ":7002", "--count", fmt.Sprint(len(sizes)*len(targets)))
	p.listening()
	for _, target := range targets {
		for _, size := range sizes {
			start(t, w.ns, bytes.NewReader(payload(size)), "socat", "-u", "-b", "65536", "-", target+",bind=10.0.0.1:7003").end(0)
		}
	}
	p.summary(0)
	for i, e := range p.events("datagram") {
		size, local := sizes[i%len(sizes)], locals[i/len(sizes)]
		if !bytes.Equal(e.Payload, payload(size)) {
			t.Errorf("datagram %d: %d bytes, %.20x; want %d, %.20x", i, e.Size, e.Payload, size, payload(size))
		}
		if e.Peer != "10.0.0.1:7003" || e.Local != local || e.Interface != "cn0" || e.TTL != 64 {
			t.Errorf("datagram %d: from %s to %s by %s with TTL %d; want 10.0.0.1:7003, %s, cn0, 64", i, e.Peer, e.Local, e.Interface, e.TTL, local)
		}
	}
}
