package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/castnet-go/castnet/lab"
)

// The bounds of a file.
const (
	maxFile     = 1 << 20 // bytes
	maxPrograms = 4096
	maxPayload  = 65507 // bytes: the longest of a datagram over IPv4
	maxCount    = 1_000_000
	maxBuffer   = 1 << 30 // bytes
)

// A File is a lab as a YAML file describes it. [Load] makes one. It can be run
// any number of times.
type File struct {
	name  string
	doc   document
	lines []int // of the expectations
}

// Name returns what the file was loaded as.
func (f *File) Name() string { return f.name }

// Seed returns the file's seed.
func (f *File) Seed() uint64 { return f.doc.Seed }

// Duration returns how long the lab runs, of the lab's time.
func (f *File) Duration() time.Duration { return time.Duration(f.doc.Duration) }

// defaultDuration is how long a lab runs if its file does not say.
const defaultDuration = span(10 * time.Second)

// document is the whole file.
type document struct {
	Seed     uint64        `yaml:"seed"`
	Duration span          `yaml:"duration"`
	Switches switches      `yaml:"switches,max=1000"`
	Cables   []string      `yaml:"cables,max=1000"`
	Hosts    []node        `yaml:"hosts,named,max=1000"`
	Routers  []node        `yaml:"routers,named,max=1000"`
	Timeline []change      `yaml:"timeline,max=10000"`
	Expect   []expectation `yaml:"expect,max=10000"`
}

// node is a host or a router.
type node struct {
	Name string // the key that it stands under

	// One interface, or several.
	Segment    *string        `yaml:"segment"`
	Address    addresses      `yaml:"address"`
	MTU        int            `yaml:"mtu"`
	Faults     *faults        `yaml:"faults"`
	Receive    *faults        `yaml:"receive"`
	RouterPort bool           `yaml:"router_port"`
	IPv6       bool           `yaml:"ipv6"`
	Advertise  *advertisement `yaml:"advertise"`
	Interfaces []iface        `yaml:"interfaces,max=64"`

	Stack    *hostStack `yaml:"stack"`
	Gateway  gateways   `yaml:"gateway"`
	Routes   []route    `yaml:"routes,max=1000"`
	Programs []program  `yaml:"programs,max=100"`
}

// iface is an interface: the first is eth0, the next eth1.
type iface struct {
	Segment string    `yaml:"segment,required"`
	Address addresses `yaml:"address"`
	MTU     int       `yaml:"mtu"`
	Faults  *faults   `yaml:"faults"`
	Receive *faults   `yaml:"receive"`

	RouterPort bool           `yaml:"router_port"`
	IPv6       bool           `yaml:"ipv6"`
	Advertise  *advertisement `yaml:"advertise"`
}

// hostStack is in what a host's stack differs from Linux.
type hostStack struct {
	JoinSetsInterface bool `yaml:"join_sets_interface"`
	FirstBound        bool `yaml:"first_bound"`
	DADTransmits      *int `yaml:"dad_transmits"`
}

// faults are lab.Faults.
type faults struct {
	Delay     span        `yaml:"delay"`
	Jitter    span        `yaml:"jitter"`
	Loss      probability `yaml:"loss"`
	Duplicate probability `yaml:"duplicate"`
	Reorder   probability `yaml:"reorder"`
	Corrupt   probability `yaml:"corrupt"`
	Rate      bitRate     `yaml:"rate"`
	Limit     int         `yaml:"limit"`
}

// lab returns the faults as the lab has them; nil is none.
func (f *faults) lab() lab.Faults {
	if f == nil {
		return lab.Faults{}
	}
	return lab.Faults{
		Delay: time.Duration(f.Delay), Jitter: time.Duration(f.Jitter),
		Loss: float64(f.Loss), Duplicate: float64(f.Duplicate), Reorder: float64(f.Reorder), Corrupt: float64(f.Corrupt),
		Rate: int64(f.Rate), Limit: f.Limit,
	}
}

// route is a stack.Route.
type route struct {
	To        network   `yaml:"to,required"`
	Via       *address  `yaml:"via"`
	Interface string    `yaml:"interface"`
	Source    *address  `yaml:"source"`
	Metric    int       `yaml:"metric"`
	Type      routeType `yaml:"type"`
}

// change is something that happens to the network at a time.
type change struct {
	At        span       `yaml:"at,required"`
	Host      *string    `yaml:"host"`
	Interface *string    `yaml:"interface"`
	Faults    *faults    `yaml:"faults"`
	Receive   *faults    `yaml:"receive"`
	Link      *linkState `yaml:"link"`
	Partition [][]string `yaml:"partition,max=1000"`
	Heal      bool       `yaml:"heal"`
}

// linkState is whether a link is plugged in.
type linkState bool

func (s *linkState) set(text string) error {
	if text != "up" && text != "down" {
		return fmt.Errorf("a link is up or down, not %s", shorten(fmt.Sprintf("%q", text)))
	}
	*s = text == "up"
	return nil
}

// program is one of the programs; just one field is not nil.
type program struct {
	Echo   *echo   `yaml:"echo"`
	Listen *listen `yaml:"listen"`
	Send   *send   `yaml:"send"`
	Script *script `yaml:"script"`

	name string // that it is called by
}

// expectation is something that shall have come to pass when the lab has ended.
type expectation struct {
	Host      *string `yaml:"host"`
	Program   *string `yaml:"program"`
	Interface *string `yaml:"interface"`
	Segment   *string `yaml:"segment"`

	From    *string `yaml:"from"`
	Payload *string `yaml:"payload"`

	Heard   *amount      `yaml:"heard"`
	Replies *amount      `yaml:"replies"`
	Sent    *amount      `yaml:"sent"`
	Errors  errorAmounts `yaml:"errors"`
	Drops   dropAmounts  `yaml:"drops"`

	Withheld *amount `yaml:"withheld"`

	from matcher
}

func valueOf[T any](p *T) reflect.Value { return reflect.ValueOf(p).Elem() }

// Load reads a file: one YAML document. The name is for messages. The error says
// everything that is wrong, a line a mistake, up to ten: name:line: what.
func Load(r io.Reader, name string) (*File, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case len(data) > maxFile:
		return nil, fmt.Errorf("%s: the file is longer than %d KiB, which is too much for a lab", name, maxFile>>10)
	}
	d := &decoder{file: name, lines: make(map[any]int)}
	f := &File{name: name, doc: document{Duration: defaultDuration}}
	root, err := d.parse(data)
	if err != nil {
		return nil, err
	}
	d.value(root, valueOf(&f.doc), "")
	if err := d.err(); err != nil {
		return nil, err
	}
	c := &checker{decoder: d, doc: &f.doc}
	c.check()
	if err := d.err(); err != nil {
		return nil, err
	}
	// Whatever else is wrong shows when the lab is built.
	b := f.build(lab.Config{Seed: f.doc.Seed}, d)
	defer b.lab.Close()
	if len(d.errs) == 0 {
		b.rehearse(f, d)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	for i := range f.doc.Expect {
		f.lines = append(f.lines, d.line(&f.doc.Expect[i]))
	}
	return f, nil
}

// parse returns the root of the only document.
func (d *decoder) parse(data []byte) (*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.file, err)
	}
	var doc, more yaml.Node
	switch err := loader.Load(&doc); {
	case err == io.EOF:
		return nil, fmt.Errorf("%s:1: the file is empty; examples/labs/first.yaml is one to begin with", d.file)
	case err != nil:
		return nil, d.syntax(data, err)
	}
	switch err := loader.Load(&more); {
	case err == nil:
		return nil, fmt.Errorf("%s:%d: here begins another document; a file is one lab", d.file, more.Line)
	case err != io.EOF:
		return nil, d.syntax(data, err)
	}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		return doc.Content[0], nil
	}
	return &doc, nil
}

// syntax gives an error of the parser the form of all others.
func (d *decoder) syntax(data []byte, err error) error {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		return fmt.Errorf("%s:1: this is not YAML: %s", d.file, printable(strings.TrimPrefix(err.Error(), "yaml: ")))
	}
	line, text := e.Mark.Line, e.Message
	if line == 0 {
		// It is about a character, and does not say which.
		line = 1
		if n, what := unreadable(data); n > 0 {
			line, text = n, what
		}
	}
	return fmt.Errorf("%s:%d: this is not YAML: %s", d.file, line, printable(strings.TrimPrefix(text, "yaml: ")))
}

// unreadable finds the first thing that cannot stand in a YAML file at all
// (YAML 1.2, 5.1): a byte that is not UTF-8, or a control character. If there is
// none, the line is 0.
func unreadable(data []byte) (line int, what string) {
	line = 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && n == 1:
			return line, fmt.Sprintf("the byte 0x%02x is not UTF-8", data[0])
		case r < ' ' && r != '\t' && r != '\n' && r != '\r':
			return line, fmt.Sprintf("here is the control character %U, which is possible only escaped in double quotes, as in \"\\x%02x\"", r, r)
		case r == '\n':
			line++
		}
		data = data[n:]
	}
	return 0, ""
}
