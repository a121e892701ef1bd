package interop

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// payload returns n bytes that no other payload has, unless n is small.
func payload(n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// The kernel's socat asks castnet echo. With shut-null it ends by sending an
// empty datagram, and with null-eof it ends when one comes back.
func TestEchoAnswersSocat(t *testing.T) {
	w := newWorld(t, "socat")
	server := w.castnet(nil, "", "echo", ":7", "--quiet")
	server.listening()
	datagrams, sum := 0, 0
	for _, size := range []int{0, 1, 2, 3, 64, 255, 512, 1024, 1400, 1471, 1472} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			want := payload(size)
			client := start(t, w.ns, bytes.NewReader(want), "socat", "-t", "20", "-b", "65536",
				"-", "UDP4:10.0.0.2:7,shut-null,null-eof")
			if got := client.end(0); got != string(want) {
				t.Errorf("sent %d bytes, %d came back: %.20x, want %.20x", len(want), len(got), got, want)
			}
		})
		datagrams++
		if size > 0 {
			datagrams++
		}
		sum += size
	}
	t.Run("many", func(t *testing.T) {
		const n, size, window = 3000, 500, 32
		exchange(t, w, n, size, window)
		datagrams += n
		sum += n * size
	})
	server.interrupt()
	if s := server.summary(0); s.Datagrams != datagrams || s.Bytes != sum {
		t.Errorf("echo answered %d datagrams, %d bytes; want %d, %d", s.Datagrams, s.Bytes, datagrams, sum)
	}
}

// exchange has one socat send n datagrams of the size, not more than window of
// them unanswered, and reads the answers.
func exchange(t *testing.T, w *world, n, size, window int) {
	// socat reads blocks of the size, and the pipes hold nothing but whole ones.
	cmd := exec.Command("socat", "-b", fmt.Sprint(size), "-", "UDP4:10.0.0.2:7")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ns.Start(cmd); err != nil {
		t.Fatal(err)
	}
	overdue := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer func() {
		if !overdue.Stop() {
			t.Errorf("not done within %v", patience)
		}
		cmd.Process.Kill()
		cmd.Wait()
	}()
	all := payload(n * size)
	tokens := make(chan struct{}, window)
	stop := make(chan struct{})
	written := make(chan error, 1)
	go func() {
		for i := range n {
			select {
			case tokens <- struct{}{}:
			case <-stop:
				written <- nil
				return
			}
			if _, err := in.Write(all[i*size : (i+1)*size]); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	got := make([]byte, size)
	for i := range n {
		if _, err := io.ReadFull(out, got); err != nil {
			t.Errorf("after %d answers: %v", i, err)
			break
		}
		if want := all[i*size : (i+1)*size]; !bytes.Equal(got, want) {
			t.Errorf("answer %d is %.20x, want %.20x", i, got, want)
			break
		}
		<-tokens
	}
	close(stop)
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// ping asks the stack below castnet echo.
func TestEchoAnswersPing(t *testing.T) {
	w := newWorld(t, "ping")
	server := w.castnet(nil, "", "echo", ":7")
	server.listening()
	for _, size := range []int{0, 1, 56, 999, 1472} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			p := start(t, w.ns, nil, "ping", "-n", "-c", "20", "-i", "0.01", "-W", "5", "-M", "do", "-s", fmt.Sprint(size), "10.0.0.2")
			out := p.end(0)
			if !strings.Contains(out, "20 packets transmitted, 20 received, 0% packet loss") {
				t.Errorf("not all were answered:\n%s", out)
			}
			want := fmt.Sprintf("%d bytes from 10.0.0.2: icmp_seq=20 ttl=64", size+8)
			if !strings.Contains(out, want) || strings.Contains(out, "DUP!") || strings.Contains(out, "wrong data") {
				t.Errorf("want %q, nothing twice, and no data changed:\n%s", want, out)
			}
		})
	}
	server.interrupt()
	server.end(1) // nothing was received: pings are not the program's
}
