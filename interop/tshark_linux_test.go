package interop

import (
	"bytes"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/castnet-go/castnet/wire"
)

// tshark reads a capture and returns the fields of the frames that pass the
// display filter. A field that a frame has several times has its values separated
// by commas.
//
// Unless the capture is one of services, whose ports say what the payloads are,
// it is told to take no payload for anything: the ephemeral ports are many, and
// some are those of a protocol that the payload is not.
func tshark(path string, services bool, filter string, fields ...string) ([][]string, error) {
	const separator = "\x1f" // in no field
	args := []string{"-n", "-r", path, "-Y", filter,
		"-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
		"-T", "fields", "-E", "separator=" + separator, "-E", "occurrence=a",
	}
	if !services {
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
	var list [][]string
	for line := range strings.Lines(out.String()) {
		values := strings.Split(strings.TrimSuffix(line, "\n"), separator)
		if len(values) != len(fields) {
			return nil, fmt.Errorf("tshark printed %q, want %d fields", line, len(fields))
		}
		list = append(list, values)
	}
	return list, nil
}

// cameIn is the display filter for frames that came in: through a bridge of the
// kernel's a frame of ours goes out again.
const cameIn = "frame.packet_flags_direction==1"

// A verdict is what tshark says of one frame.
type verdict struct {
	protocols string // "ip:udp:data"
	fault     string // empty: there is none
	// quotes says that it is an ICMP error and that all that is found fault with
	// is what it quotes.
	quotes bool
}

// Fields that judge asks for.
const (
	fieldNumber = iota
	fieldProtocols
	fieldInfo
	fieldMessage
	fieldMalformed
	fieldSeverity
	fieldStatus // the first of the statuses of checksums
)

// checksummed are the protocols of those statuses.
var checksummed = []string{"ip", "udp", "icmp", "igmp", "icmpv6"}

// judge lets tshark judge the frames of ours, whose source is mac, in a capture,
// and returns what it says of each, in their order. It finds fault with what passes the display filter
//
//	_ws.malformed || _ws.expert.severity >= error || ip.checksum.status==0 ||
//	udp.checksum.status==0 || icmp.checksum.status==0 || igmp.checksum.status==0 ||
//	icmpv6.checksum.status==0
//
// and with a checksum that is not said to be good: what nobody looks at is not
// found to be wrong. Of what an ICMP error quotes the checksum is not judged: it is
// quoted as it came, and from the kernel it may come unfinished.
func judge(path string, services bool, mac wire.MAC) ([]verdict, error) {
	fields := []string{"frame.number", "frame.protocols", "_ws.col.Info", "_ws.expert.message", "_ws.malformed", "_ws.expert.severity"}
	for _, p := range checksummed {
		fields = append(fields, p+".checksum.status")
	}
	list, err := tshark(path, services, fmt.Sprintf("eth.src==%v && %s", mac, cameIn), fields...)
	if err != nil {
		return nil, err
	}
	verdicts := make([]verdict, len(list))
	for i, f := range list {
		v := &verdicts[i]
		v.protocols = strings.TrimPrefix(f[fieldProtocols], "eth:ethertype:")
		var faults []string
		for i, p := range checksummed {
			if !has(v.protocols, p) {
				continue
			}
			// The first is the frame's own, if several are quoted.
			if status, _, _ := strings.Cut(f[fieldStatus+i], ","); status == "0" {
				faults = append(faults, fmt.Sprintf("the %s checksum is wrong", p))
			} else if status != "1" {
				faults = append(faults, fmt.Sprintf("the %s checksum was not verified", p))
			}
		}
		if f[fieldMalformed] != "" || isError(f[fieldSeverity]) || len(faults) > 0 {
			v.quotes = len(faults) == 0 && (strings.HasPrefix(v.protocols, "ip:icmp:ip") || strings.HasPrefix(v.protocols, "ipv6:icmpv6:ipv6"))
			v.fault = fmt.Sprintf("tshark finds fault with frame %s, %s %q: %s", f[fieldNumber], v.protocols, f[fieldInfo],
				strings.Join(append(faults, f[fieldMessage]), "; "))
		}
	}
	return verdicts, nil
}

// isError reports whether one of the severities is that of an error: PI_ERROR of
// Wireshark, the highest.
func isError(severities string) bool {
	const piError = 0x00800000
	for _, s := range strings.Split(severities, ",") {
		if n, err := strconv.ParseUint(s, 0, 32); err == nil && n >= piError {
			return true
		}
	}
	return false
}

// has reports whether a frame of those protocols has a layer of that name which
// is not quoted by an ICMP error: what is quoted may be cut short.
func has(protocols, layer string) bool {
	for _, p := range strings.Split(protocols, ":") {
		if p == layer {
			return true
		}
		if p == "icmp" || p == "icmpv6" {
			break
		}
	}
	return false
}

// summary returns the protocols and how many frames of each there were.
func summary(verdicts []verdict) string {
	count := make(map[string]int)
	for _, v := range verdicts {
		count[v.protocols]++
	}
	var parts []string
	for _, p := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%d %s", count[p], p))
	}
	return strings.Join(parts, ", ")
}
