package drop

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestRegister(t *testing.T) {
	a, b := Register("OverQuota"), Register("NotOurDay")
	if a == b || a < reasonCount || int(b) >= Count {
		t.Fatalf("Register gave %d and %d", a, b)
	}
	if again := Register("OverQuota"); again != a {
		t.Errorf("the second Register of a name gave %d, the first %d", again, a)
	}
	if got := a.String(); got != "OverQuota" {
		t.Errorf("String() = %q", got)
	}
	if all := Reasons(); len(all) == 0 || all[0] != None+1 || all[len(all)-1] < b {
		t.Errorf("Reasons() = %v", all)
	}
	var back Reason
	if err := back.UnmarshalText([]byte("NotOurDay")); err != nil || back != b {
		t.Errorf("UnmarshalText = %v, %v; want %d", back, err, b)
	}
	var c Counters
	c.Add(a, 2)
	c.Add(NoPort, 1)
	got, err := json.Marshal(c.Map())
	if want := `{"NoPort":1,"OverQuota":2}`; err != nil || string(got) != want {
		t.Errorf("json = %s, %v; want %s", got, err, want)
	}
	if c.Total() != 3 {
		t.Errorf("Total() = %d, want 3", c.Total())
	}
}

func TestRegisterRefuses(t *testing.T) {
	before := registered.count.Load()
	for _, name := range []string{
		"", "overQuota", "Over Quota", "Over-Quota", "Überlast", "NoPort", "None", strings.Repeat("A", 33),
	} {
		if !panics(func() { Register(name) }) {
			t.Errorf("Register(%q) did not panic", name)
		}
	}
	if n := registered.count.Load(); n != before {
		t.Errorf("%d names were registered all the same", n-before)
	}
}

// TestRegisterIsBounded fills the table and empties it again.
func TestRegisterIsBounded(t *testing.T) {
	before := registered.count.Load()
	defer registered.count.Store(before)
	for i := before; i < MaxRegistered; i++ {
		Register(fmt.Sprint("Test", i))
	}
	if !panics(func() { Register("OneTooMany") }) {
		t.Error("there is no limit")
	}
	if got, want := Register(fmt.Sprint("Test", MaxRegistered-1)), Reason(Count-1); got != want {
		t.Errorf("the last reason is %d, want %d", got, want)
	}
	var c Counters
	c.Add(Reason(Count-1), 1)
	if c.Total() != 1 {
		t.Error("the last reason is not counted")
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}
