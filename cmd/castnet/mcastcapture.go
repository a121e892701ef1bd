package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/castnet-go/castnet/internal/sniff"
	"github.com/castnet-go/castnet/link"
	"github.com/castnet-go/castnet/packet"
	"github.com/castnet-go/castnet/pcapng"
	"github.com/castnet-go/castnet/wire"
)

// A seenPacket is a packet that passed an interface, or why there are no more.
type seenPacket struct {
	time     time.Time
	iface    string
	ethernet bool     // the data is a frame, and else an IP packet
	mac      wire.MAC // of the sender, if it is not
	outgoing bool
	data     []byte
	err      error
}

// waiting is how many packets may wait to be looked at.
const waiting = 256

// watchHost looks at the interfaces of the machine.
func (w *watcher) watchHost(ctx context.Context) error {
	s, err := sniff.Open(sniff.Config{Interfaces: w.interfaces})
	if err != nil {
		return err
	}
	from := make(chan seenPacket, waiting)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			p, err := s.Read()
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
			select {
			case from <- seenPacket{time: p.Time, iface: p.Interface, mac: p.MAC, outgoing: p.Outgoing, data: slices.Clone(p.Data), err: err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	w.watching(s.Interfaces())
	err = w.packets(ctx, from)
	s.SetReadDeadline(time.Unix(1, 0))
	for stopped := false; !stopped; {
		select {
		case <-from: // what came after the last that was wanted
		case <-ended:
			stopped = true
		}
	}
	w.lost += s.Lost()
	return errors.Join(err, s.Close())
}

// watchDevice looks at what comes in by a device.
func (w *watcher) watchDevice(ctx context.Context) error {
	l, name, err := w.spec.OpenLink(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	if l.Kind() == link.Ethernet {
		if err := l.SetFilter(link.Filter{Mode: link.AllMulticast}); err != nil {
			return err
		}
	}
	sink := &watchSink{name: name, ethernet: l.Kind() == link.Ethernet, to: make(chan seenPacket, waiting)}
	if err := l.Attach(sink); err != nil {
		return err
	}
	w.watching([]string{name})
	err = w.packets(ctx, sink.to)
	w.lost += sink.lost.Load()
	return err
}

// A watchSink takes what comes in by a link, as far as it is looked at fast enough.
type watchSink struct {
	name     string
	ethernet bool
	to       chan seenPacket
	lost     atomic.Uint64
}

func (s *watchSink) Deliver(_ int, frames []*packet.Buffer) {
	now := time.Now()
	for _, f := range frames {
		if s.wanted(f.Bytes()) {
			select {
			case s.to <- seenPacket{time: now, iface: s.name, ethernet: s.ethernet, data: slices.Clone(f.Bytes())}:
			default:
				s.lost.Add(1)
			}
		}
		f.Release()
	}
}

// wanted reports whether a frame may be one of IGMP or MLD, so that nothing else takes the
// room of those.
func (s *watchSink) wanted(b []byte) bool {
	if s.ethernet {
		if len(b) < wire.EthernetHeaderLen {
			return false
		}
		b = b[wire.EthernetHeaderLen:]
	}
	switch {
	case len(b) < wire.IPv4HeaderLen:
		return false
	case b[0]>>4 == 4:
		return wire.Protocol(b[9]) == wire.ProtocolIGMP
	}
	return wire.Protocol(b[6]) == wire.ProtocolIPv6HopByHop || wire.Protocol(b[6]) == wire.ProtocolICMPv6
}

// readFile goes through a capture, in its own time.
func (w *watcher) readFile(ctx context.Context) error {
	f, err := os.Open(w.file)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := pcapng.NewReader(bufio.NewReader(f))
	if err != nil {
		return fmt.Errorf("%s: %w", w.file, err)
	}
	var last time.Time
	for ctx.Err() == nil && w.out.err == nil && !w.done() {
		p, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", w.file, err)
		}
		i := r.Interfaces()[p.Interface]
		data, ethernet, ok := uncook(i.LinkType, p.Data)
		if !ok {
			w.lost++
			continue
		}
		// Captures of several queues may be a little out of order.
		if last.IsZero() || p.Time.After(last) {
			last = p.Time
		}
		name := i.Name
		if name == "" {
			name = fmt.Sprint("if", p.Interface)
		}
		w.packet(&seenPacket{time: last, iface: name, ethernet: ethernet, outgoing: p.Direction == pcapng.Outbound, data: data})
	}
	return w.out.err
}

// uncook returns the frame or the IP packet in what a capture has of that type.
func uncook(t pcapng.LinkType, b []byte) (data []byte, ethernet, ok bool) {
	switch t {
	case pcapng.Ethernet:
		return b, true, true
	case pcapng.IP, 228, 229: // LINKTYPE_IPV4, LINKTYPE_IPV6
		return b, false, true
	case 113: // LINKTYPE_LINUX_SLL, of tcpdump -i any
		return b[min(16, len(b)):], false, true
	case 276: // LINKTYPE_LINUX_SLL2
		return b[min(20, len(b)):], false, true
	}
	return nil, false, false
}

type watchingEvent struct {
	Event      string   `json:"event"`
	Network    string   `json:"network"`
	Interfaces []string `json:"interfaces"`
}

func (w *watcher) watching(interfaces []string) {
	w.out.say(watchingEvent{"watching", w.spec.Kind, interfaces}, "watching "+strings.Join(interfaces, ", "))
}
