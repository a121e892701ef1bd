package drop

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestEveryReasonHasAUniqueName(t *testing.T) {
	seen := make(map[string]Reason)
	for r := Reason(0); r < reasonCount; r++ {
		name := r.String()
		if name == "" {
			t.Errorf("reason %d has no name", r)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("reasons %d and %d are both called %q", other, r, name)
		}
		seen[name] = r

		var back Reason
		if err := back.UnmarshalText([]byte(name)); err != nil || back != r {
			t.Errorf("UnmarshalText(%q) = %v, %v; want %d", name, back, err, r)
		}
	}
	if err := new(Reason).UnmarshalText([]byte("Other")); err == nil {
		t.Error("UnmarshalText(\"Other\") succeeded; there is no such reason")
	}
}

func TestCountersAsJSON(t *testing.T) {
	var c Counters
	c.Add(NoPort, 2)
	got, err := json.Marshal(c.Map())
	if want := `{"NoPort":2}`; err != nil || string(got) != want {
		t.Errorf("json = %s, %v; want %s", got, err, want)
	}
	if c.Total() != 2 {
		t.Errorf("Total() = %d, want 2", c.Total())
	}
}

func ExampleCounters() {
	var c Counters
	c.Add(ReceiveQueueFull, 3)
	c.Add(NoPort, 1)
	for reason, n := range c.All() {
		fmt.Println(reason, n)
	}
	// Output:
	// NoPort 1
	// ReceiveQueueFull 3
}
