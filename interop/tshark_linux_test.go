package interop

import (
	"bytes"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
)

// wrong is what tshark must not find in a frame of ours.
const wrong = "_ws.malformed || _ws.expert.severity >= error" +
	" || ip.checksum.status==0 || udp.checksum.status==0 || icmp.checksum.status==0" +
	" || igmp.checksum.status==0 || icmpv6.checksum.status==0"

// tshark reads a capture and returns what it prints of the frames that pass the
// display filter: a line a frame, the fields separated by semicolons, the values of
// one that is there several times by commas.
//
// Unless the capture is one of DNS, it is told to take no payload for anything:
// the ephemeral ports are many, and some are those of a protocol that the payload
// is not.
func tshark(path string, dns bool, filter string, fields ...string) ([]string, error) {
	args := []string{"-n", "-r", path, "-Y", filter,
		"-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
		"-T", "fields", "-E", "separator=;", "-E", "occurrence=a",
	}
	if !dns {
		args = append(args, "-d", "udp.port==1-65535,data")
	}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.Command("tshark", args...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("tshark: %w\n%s", err, complaints.String())
	}
	text := strings.TrimRight(out.String(), "\n")
	if text == "" {
		return nil, nil
	}
	return strings.Split(text, "\n"), nil
}

// A verdict is what tshark has to say of our frames.
type verdict struct {
	frames     int            // of ours that it saw
	protocols  map[string]int // what they were, by frames
	faults     []string       // frames that it finds fault with
	unverified []string       // checksums that it does not say are right
}

// judge lets tshark judge the frames of ours in a capture.
func judge(path string, dns bool) (v verdict, err error) {
	ofOurs := fmt.Sprintf("eth.src==%v", ourMAC)
	lines, err := tshark(path, dns, ofOurs+" && ("+wrong+")", "frame.number", "frame.protocols",
		"_ws.col.Info", "_ws.malformed", "_ws.expert.message")
	if err != nil {
		return v, err
	}
	for _, l := range lines {
		v.faults = append(v.faults, "tshark finds fault with frame "+l)
	}
	// A checksum that nobody looked at is found to be wrong by nobody either.
	lines, err = tshark(path, dns, ofOurs, "frame.number", "frame.protocols",
		"ip.checksum.status", "udp.checksum.status", "icmp.checksum.status")
	if err != nil {
		return v, err
	}
	v.frames = len(lines)
	v.protocols = make(map[string]int)
	for _, l := range lines {
		f := strings.Split(l, ";")
		if len(f) != 5 {
			return v, fmt.Errorf("tshark printed %q", l)
		}
		v.protocols[f[1]]++
		for i, layer := range []string{"ip", "udp", "icmp"} {
			if status := strings.Split(f[2+i], ",")[0]; status != "1" && own(f[1], layer) {
				v.unverified = append(v.unverified, fmt.Sprintf("frame %s, %s: the %s checksum was not verified as good: status %q", f[0], f[1], layer, status))
			}
		}
	}
	return v, nil
}

// own reports whether a frame of those protocols has a layer of that name which
// is not inside an ICMP message: a packet that is quoted may be cut short.
func own(protocols, layer string) bool {
	for _, p := range strings.Split(protocols, ":") {
		if p == layer {
			return true
		}
		if p == "icmp" {
			break
		}
	}
	return false
}

// summary returns the protocols and how many frames of each there were.
func (v verdict) summary() string {
	var parts []string
	for _, p := range slices.Sorted(maps.Keys(v.protocols)) {
		parts = append(parts, fmt.Sprintf("%d %s", v.protocols[p], strings.TrimPrefix(p, "eth:ethertype:")))
	}
	return strings.Join(parts, ", ")
}
