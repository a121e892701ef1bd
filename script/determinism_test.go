package script

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/castnet-go/castnet/lab"
)

// TestSameSeedSameRun: four scripts that draw lots on bad links print the same and
// have the same fingerprint, run after run, on one core and on two; another seed is
// another run.
func TestSameSeedSameRun(t *testing.T) {
	const node = `
		const dgram = require('dgram'), os = require('os');
		const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true }), peers = new Map();
		socket.on('message', (m, peer) => {
			peers.set(peer.address, (peers.get(peer.address) ?? 0) + 1);
			if (Math.random() < 0.3) socket.send('echo ' + m, peer.port, peer.address);
		});
		socket.bind(5000, async () => {
			socket.addMembership('239.1.2.3');
			for (let i = 0; i < 20; i++) {
				socket.send(os.hostname() + i + ' ' + Math.random(), 5000, '239.1.2.3');
				await new Promise((resolve) => setTimeout(resolve, Math.random() * 50));
			}
			setTimeout(() => { console.log(os.hostname(), Date.now(), peers); socket.close(); }, 500);
		});`
	run := func(seed uint64) string {
		l := lab.New(lab.Config{Seed: seed})
		defer l.Close()
		lan := l.AddSwitch("lan")
		file := filepath.Join(t.TempDir(), "node.js")
		if err := os.WriteFile(file, []byte(node), 0o666); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer // tasks run one at a time
		for i := range 4 {
			h := l.AddHost(fmt.Sprint("node", i))
			addr := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)
			bad := lab.Faults{Delay: 5 * time.Millisecond, Jitter: 3 * time.Millisecond, Loss: 0.1, Duplicate: 0.05, Reorder: 0.05}
			if _, err := h.Attach(lan, lab.LinkConfig{Addresses: []netip.Prefix{addr}, Faults: bad}); err != nil {
				t.Fatal(err)
			}
			if err := addDefaultRoute(h); err != nil {
				t.Fatal(err)
			}
			h.Go("script", func(context.Context) error {
				r, err := New(Config{On: h, Name: h.Name(), Rand: h.Rand(), Stdout: &out, Stderr: &out})
				if err != nil {
					return err
				}
				_, err = r.Run(file)
				return err
			})
		}
		if err := l.RunTasks(time.Minute); err != nil {
			t.Error(err)
		}
		return fmt.Sprintf("%s%016x", out.String(), l.Fingerprint())
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	first := run(1)
	for i := range 6 {
		runtime.GOMAXPROCS(1 + i%2)
		if again := run(1); again != first {
			t.Fatalf("run %d printed\n%s\nthe first\n%s", i+2, again, first)
		}
	}
	if run(2) == first {
		t.Error("another seed is the same run")
	}
}
