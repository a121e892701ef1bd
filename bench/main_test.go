package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestMain is a program that is measured, if it is started as one.
func TestMain(m *testing.M) {
	if name := os.Getenv(programVar); name != "" {
		if err := program(name, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{
		{"--rows", "nonsense"},
		{"--rounds", "0"},
		{"--time", "-1s"},
		{"--others", "-1"},
		{"--others", "100000"},
		{"--many", "0"},
		{"--unknown"},
		{"argument"},
	} {
		var out, errOut bytes.Buffer
		if status, err := run(args, &out, &errOut); status != 2 || err == nil {
			t.Errorf("%v: status %d, error %v; want 2 and an error", args, status, err)
		}
	}
}

func TestGateWithoutItsRowsFails(t *testing.T) {
	var out, errOut bytes.Buffer
	status, err := run([]string{"--gate", "--rows", "copy", "--rounds", "1", "--time", "100us"}, &out, &errOut)
	if status != 1 || err != nil || !strings.Contains(out.String(), "NOT MEASURED") || !strings.Contains(out.String(), "0 goals met, 0 out of reach on this machine, 0 missed") {
		t.Errorf("status %d, error %v; want 1, and that nothing was measured:\n%s", status, err, out.String())
	}
}

func TestTable(t *testing.T) {
	var out, errOut bytes.Buffer
	status, err := run([]string{"--rows", "sum,copy", "--rounds", "1", "--time", "100us", "--others", "3"}, &out, &errOut)
	if status != 0 || err != nil {
		t.Fatalf("status %d, error %v", status, err)
	}
	for _, want := range []string{"go1.", "3 other sockets", "one at a time", "batches of 32", "1400 B × 32", "copy: one copy of the payload."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}

func TestJSON(t *testing.T) {
	var out, errOut bytes.Buffer
	status, err := run([]string{"--json", "--rows", "copy,udpconn,conn-host", "--rounds", "1", "--time", "100us", "--others", "3"}, &out, &errOut)
	if status != 0 || err != nil {
		t.Fatalf("status %d, error %v", status, err)
	}
	types := make(map[string]int)
	for line := range strings.Lines(out.String()) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		types[object["type"].(string)]++
	}
	// Ratios: of conn-host to udpconn, in six cells.
	if types["configuration"] != 1 || types["row"] != 18 || types["ratio"] != 6 {
		t.Errorf("lines by type: %v", types)
	}
}
