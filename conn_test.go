package castnet

import (
	"context"
	"net"
	"reflect"
	"syscall"
	"testing"
)

// Conn is what package net says a packet connection and a connection are.
var (
	_ net.PacketConn = (*Conn)(nil)
	_ net.Conn       = (*Conn)(nil)
)

func TestConnHasTheMethodsOfUDPConn(t *testing.T) {
	without := map[string]bool{"SyscallConn": true, "File": true}
	have := reflect.TypeFor[*Conn]()
	want := reflect.TypeFor[*net.UDPConn]()
	for i := range want.NumMethod() {
		w := want.Method(i)
		h, ok := have.MethodByName(w.Name)
		if without[w.Name] {
			if ok {
				t.Errorf("Conn has %s, which only HostConn may have", w.Name)
			}
			continue
		}
		if !ok {
			t.Errorf("Conn lacks %s", w.Name)
			continue
		}
		if got, want := signature(h), signature(w); got != want {
			t.Errorf("%s is %s, want %s", w.Name, got, want)
		}
	}
	if _, ok := reflect.TypeFor[*HostConn]().MethodByName("SyscallConn"); !ok {
		t.Error("HostConn lacks SyscallConn")
	}
}

// signature is a method's type without its receiver.
func signature(m reflect.Method) string {
	var in, out []reflect.Type
	for i := 1; i < m.Type.NumIn(); i++ {
		in = append(in, m.Type.In(i))
	}
	for i := range m.Type.NumOut() {
		out = append(out, m.Type.Out(i))
	}
	return reflect.FuncOf(in, out, m.Type.IsVariadic()).String()
}

func TestZeroConnIsEINVAL(t *testing.T) {
	for name, c := range map[string]*Conn{"nil": nil, "zero": new(Conn)} {
		v := reflect.ValueOf(c)
		for i := range v.NumMethod() {
			m := v.Type().Method(i)
			args := make([]reflect.Value, m.Type.NumIn()-1)
			for j := range args {
				args[j] = reflect.Zero(m.Type.In(j + 1))
			}
			results := v.Method(i).Call(args)
			last := results[len(results)-1]
			if err, ok := last.Interface().(error); ok && err != syscall.EINVAL {
				t.Errorf("%s Conn: %s returned %v, want EINVAL", name, m.Name, err)
			} else if !ok && last.Type() == reflect.TypeFor[error]() {
				t.Errorf("%s Conn: %s returned no error, want EINVAL", name, m.Name)
			}
		}
	}
}

func listen(t testing.TB, cfg Config, network, address string) *Conn {
	t.Helper()
	c, err := cfg.Listen(context.Background(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func dial(t testing.TB, cfg Config, network, address string) *Conn {
	t.Helper()
	c, err := cfg.Dial(context.Background(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestEcho(t *testing.T) {
	cfg := Config{On: newFake()}
	a := listen(t, cfg, "udp4", "127.0.0.1:0")
	b := dial(t, cfg, "udp4", a.LocalAddr().String())
	if n, err := b.Write([]byte("hello")); n != 5 || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	buf := make([]byte, 100)
	n, from, err := a.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "hello" {
		t.Fatalf("ReadFrom = %q, %v", buf[:n], err)
	}
	if n, err := a.WriteTo([]byte("world!"), from); n != 6 || err != nil {
		t.Fatalf("WriteTo = %d, %v", n, err)
	}
	if n, err := b.Read(buf); err != nil || string(buf[:n]) != "world!" {
		t.Fatalf("Read = %q, %v", buf[:n], err)
	}
}
