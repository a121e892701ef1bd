package scenario

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/castnet-go/castnet/drop"
)

// schema is docs/lab.schema.json, with a validator for as much of JSON Schema as
// is used there: what it does not know it refuses.
type schema struct{ defs, root map[string]any }

func readSchema(t testing.TB) *schema {
	t.Helper()
	b, err := os.ReadFile("../../docs/lab.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s := new(schema)
	if err := json.Unmarshal(b, &s.root); err != nil {
		t.Fatal(err)
	}
	if got := s.root["$schema"]; got != "https://json-schema.org/draft/2020-12/schema" {
		t.Fatalf("$schema is %v", got)
	}
	s.defs = s.root["$defs"].(map[string]any)
	return s
}

// check returns an error if v does not conform to a rule.
func (s *schema) check(rule map[string]any, v any, at string) error {
	for _, keyword := range slices.Sorted(maps.Keys(rule)) {
		if err := s.keyword(keyword, rule, v); err != nil {
			return fmt.Errorf("%s: %s: %w", at, keyword, err)
		}
	}
	return nil
}

func (s *schema) keyword(keyword string, rule map[string]any, v any) error {
	x := rule[keyword]
	wrong := func(is bool) error {
		if is {
			return fmt.Errorf("%.100v against %.100v", v, x)
		}
		return nil
	}
	number, isNumber := v.(float64)
	text, isText := v.(string)
	list, isList := v.([]any)
	object, isObject := v.(map[string]any)
	switch keyword {
	case "$schema", "$id", "$defs", "title", "description":
	case "$ref":
		def, ok := s.defs[strings.TrimPrefix(x.(string), "#/$defs/")].(map[string]any)
		if !ok {
			return fmt.Errorf("there is no %v", x)
		}
		return s.check(def, v, x.(string))
	case "type":
		types, several := x.([]any)
		if !several {
			types = []any{x}
		}
		return wrong(!slices.ContainsFunc(types, func(t any) bool { return isOfType(v, t.(string)) }))
	case "const":
		return wrong(!reflect.DeepEqual(v, x))
	case "enum":
		return wrong(!slices.ContainsFunc(x.([]any), func(e any) bool { return reflect.DeepEqual(e, v) }))
	case "pattern":
		return wrong(isText && !regexp.MustCompile(x.(string)).MatchString(text))
	case "minimum":
		return wrong(isNumber && !(number >= x.(float64)))
	case "maximum":
		return wrong(isNumber && !(number <= x.(float64)))
	case "minItems":
		return wrong(isList && len(list) < int(x.(float64)))
	case "maxItems":
		return wrong(isList && len(list) > int(x.(float64)))
	case "minProperties":
		return wrong(isObject && len(object) < int(x.(float64)))
	case "maxProperties":
		return wrong(isObject && len(object) > int(x.(float64)))
	case "items":
		for i, item := range list {
			if err := s.check(x.(map[string]any), item, strconv.Itoa(i)); err != nil {
				return err
			}
		}
	case "propertyNames":
		for _, k := range slices.Sorted(maps.Keys(object)) {
			if err := s.check(x.(map[string]any), k, k); err != nil {
				return err
			}
		}
	case "properties":
		for _, k := range slices.Sorted(maps.Keys(object)) {
			if p, ok := x.(map[string]any)[k]; ok {
				if err := s.check(p.(map[string]any), object[k], k); err != nil {
					return err
				}
			}
		}
	case "additionalProperties":
		known, _ := rule["properties"].(map[string]any)
		for _, k := range slices.Sorted(maps.Keys(object)) {
			if _, ok := known[k]; ok {
				continue
			}
			if x == false {
				return fmt.Errorf("%q is not known", k)
			}
			if err := s.check(x.(map[string]any), object[k], k); err != nil {
				return err
			}
		}
	case "required":
		for _, k := range x.([]any) {
			if _, ok := object[k.(string)]; isObject && !ok {
				return fmt.Errorf("%q is missing", k)
			}
		}
	case "oneOf", "anyOf":
		fits := 0
		var err error
		for _, r := range x.([]any) {
			if e := s.check(r.(map[string]any), v, "alternative"); e == nil {
				fits++
			} else {
				err = e
			}
		}
		if fits == 0 {
			return err
		}
		return wrong(keyword == "oneOf" && fits > 1)
	default:
		return fmt.Errorf("the keyword is not known to this test")
	}
	return nil
}

func isOfType(v any, name string) bool {
	switch v := v.(type) {
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case float64:
		return name == "number" || name == "integer" && v == math.Trunc(v)
	case []any:
		return name == "array"
	case map[string]any:
		return name == "object"
	}
	return false
}

// asJSON returns what a node would be in JSON.
func asJSON(n *yaml.Node) any {
	switch n.Kind {
	case yaml.AliasNode:
		return asJSON(n.Alias)
	case yaml.MappingNode:
		m := make(map[string]any)
		for i := 0; i < len(n.Content); i += 2 {
			m[n.Content[i].Value] = asJSON(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, asJSON(item))
		}
		return list
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return f
		}
	case "!!bool":
		return n.Value == "true"
	case "!!null":
		return nil
	}
	return n.Value
}

// file checks a whole file.
func (s *schema) file(text string) error {
	n, err := (&decoder{file: "x"}).parse([]byte(text))
	if err != nil {
		return nil // no data to check
	}
	return s.check(s.root, asJSON(n), "file")
}

func TestSchemaAcceptsExamples(t *testing.T) {
	s := readSchema(t)
	for name, text := range examples(t) {
		if err := s.file(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.HasPrefix(text, "# yaml-language-server: $schema=../../docs/lab.schema.json\n") {
			t.Errorf("%s does not name the schema for editors", name)
		}
	}
	if err := s.file(lan); err != nil {
		t.Error(err)
	}
}

// TestSchemaAcceptsEveryKey: a file with all there is.
func TestSchemaAcceptsEveryKey(t *testing.T) {
	s := readSchema(t)
	if err := s.file(everything); err != nil {
		t.Error(err)
	}
	load(t, everything)
	n, err := (&decoder{}).parse([]byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, c := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 {
				used[c.Value] = true
				continue
			}
			walk(c)
		}
	}
	walk(n)
	for name, def := range s.defs {
		properties, _ := def.(map[string]any)["properties"].(map[string]any)
		for key := range properties {
			if !used[key] {
				t.Errorf("%s.%s is not tried", name, key)
			}
		}
	}
}

// everything has every key.
const everything = `
seed: 18446744073709551615
duration: 1m30s
switches:
  lan:
    snooping:
      unregistered: routers
      without_querier: flood
      fast_leave: true
      robustness: 3
      query_interval: 60s
      query_response: 5s
      last_member_interval: 500ms
      max_members: 100
      querier: {igmp: 2, mld: none, address: 10.0.0.250, address6: "fe80::1", startup_interval: 1s}
  plain: {}
cables: [c_1]
hosts:
  a:
    segment: lan
    address: [10.0.0.1/24, 10.0.0.3/24, "fd00::1/64"]
    mtu: 1400
    faults: {delay: 1ms, jitter: 500us, loss: 1, duplicate: 0.5, reorder: 5%, corrupt: .5%, rate: 1e6, limit: 10}
    receive: {rate: 1gbit}
    router_port: true
    stack: {join_sets_interface: true, first_bound: true, dad_transmits: 0}
    gateway: [10.0.0.2, "fd00::2"]
    routes:
      - {to: 10.1.0.0/16, via: 10.0.0.2, interface: eth0, source: 10.0.0.3, metric: 5, type: unicast}
      - {to: 10.2.0.0/16, type: blackhole}
      - {to: "fd00:1::/48", via: "fd00::2"}
      - {to: default, via: 10.0.0.2, metric: 7}
    programs:
      - echo: {name: e, port: 7, address: 10.0.0.3, buffer: 5000, at: 0, until: 1s, delay: 10ms}
      - listen: {port: 8, pause: 1s, count: 5, join: 239.1.1.1, reuse: true, multicast_all: false}
      - listen: {port: 9, join: [239.1.1.1, {group: 232.1.1.1, interface: eth0, sources: [10.0.0.2]}, {group: 239.1.1.2, except: [10.0.0.2]}]}
      - send: {to: "239.1.1.1:9", join: {group: 239.1.1.1}, interface: eth0, ttl: 5, loop: false}
      - script: {name: s, file: server.js, args: [a, b], at: 1s}
      - send: {to: "r:9", from: ":5000", connect: true, payload: 5, size: 10, count: 2, every: 0s, at: 1s, wait: 1s, buffer: 1000}
      - send: {to: "10.0.0.2:9", from: 10.0.0.1:5001, hex: "00 ff"}
      - send: {to: "[fd00::2]:9", from: "[fd00::1]:5002"}
      - send: {to: "[fe80::2%eth0]:9", from: "fd00::1"}
      - send: {name: s6, to: "r:9", family: ipv6}
      - listen: {name: l6, port: 10, address: "fd00::1", join: {group: "ff05::1", except: ["fd00::2"]}}
routers:
  r:
    interfaces:
      - {segment: lan, address: 10.0.0.2/24, mtu: 1500, faults: {}, receive: {}, router_port: false}
      - segment: c_1
        ipv6: true
        advertise:
          prefixes: ["fd00:5::/64", {prefix: "fd00:6::/64", valid: 1h, preferred: 0s, on_link: false, autonomous: true}]
          interval: 1m
          lifetime: 0s
          preference: high
          hop_limit: 60
          mtu: 1400
  r6: {segment: c_1, address: "fd00:5::6/64", ipv6: true, advertise: {}}
timeline:
  - {at: 1s, host: a, interface: eth0, faults: {}, receive: {loss: 0}, link: down}
  - {at: 2s, partition: [[a], [r]]}
  - {at: 3s, heal: true}
expect:
  - {host: a, program: listen, heard: 0, from: r, payload: x}
  - {host: a, replies: {at_least: 0, at_most: 5}, sent: {at_most: 10}, errors: {ECONNREFUSED: 1, total: 1}}
  - {host: a, interface: eth0, drops: {NoPort: 1}}
  - {segment: lan, drops: {total: 5}, withheld: 0}
`

// TestSchemaRefusesMistakes: what can be seen to be wrong without looking at
// anything else, the schema refuses; the rest it cannot see.
func TestSchemaRefusesMistakes(t *testing.T) {
	s := readSchema(t)
	for _, m := range mistakes {
		if err := s.file(m.file); (err != nil) != m.schema {
			t.Errorf("%s: the schema says %v", m.name, err)
		}
	}
}

// TestSchemaIsTheDecoder compares the schema with the types that the decoder
// fills: each struct is defined under its name, with the same keys, the same of
// them required, and the same bounds of lists.
func TestSchemaIsTheDecoder(t *testing.T) {
	s := readSchema(t)
	seen := make(map[string]bool)
	var visit func(typ reflect.Type)
	visit = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ == reflect.TypeFor[amount]() {
			typ = reflect.TypeFor[bounds]()
		}
		if typ.Kind() != reflect.Struct || len(fieldsOf(typ)) == 0 || seen[typ.Name()] {
			return
		}
		name := typ.Name()
		seen[name] = true
		def, ok := s.defs[name].(map[string]any)
		if !ok {
			t.Errorf("%s is not defined", name)
			return
		}
		if def["additionalProperties"] != false {
			t.Errorf("%s may have any key", name)
		}
		properties := def["properties"].(map[string]any)
		required, _ := def["required"].([]any)
		for _, f := range fieldsOf(typ) {
			p, ok := properties[f.key].(map[string]any)
			if !ok {
				t.Errorf("%s lacks %s", name, f.key)
				continue
			}
			delete(properties, f.key)
			if slices.Contains(required, any(f.key)) != f.required {
				t.Errorf("%s.%s: the decoder's required is %v", name, f.key, f.required)
			}
			limit := p["maxItems"]
			if f.named {
				limit = p["maxProperties"]
			}
			field := typ.FieldByIndex(f.index)
			if _, own := reflect.New(field.Type).Interface().(custom); !own && field.Type.Kind() == reflect.Slice && limit != float64(f.max) {
				t.Errorf("%s.%s: the bound is %v, and the decoder's is %d", name, f.key, limit, f.max)
			}
			visit(field.Type)
		}
		for key := range properties {
			t.Errorf("%s has %s, which the decoder does not know", name, key)
		}
	}
	visit(reflect.TypeFor[document]())
	for name, def := range s.defs {
		if _, ok := def.(map[string]any)["properties"]; ok && !seen[name] {
			t.Errorf("%s is defined, and the decoder does not have it", name)
		}
	}
}

// TestSchemaKnowsEveryName compares lists of words.
func TestSchemaKnowsEveryName(t *testing.T) {
	s := readSchema(t)
	at := func(path ...string) []any {
		var v any = s.defs
		for _, key := range path {
			v = v.(map[string]any)[key]
		}
		return v.([]any)
	}
	reasons := []any{total}
	for _, r := range drop.Reasons() {
		reasons = append(reasons, r.String())
	}
	errors := []any{total, otherError}
	for _, e := range errnos {
		errors = append(errors, e.name)
	}
	var routes []any
	for _, r := range routeTypes {
		routes = append(routes, r.name)
	}
	for _, tt := range []struct {
		name      string
		got, want []any
	}{
		{"drops", at("dropAmounts", "propertyNames", "enum"), reasons},
		{"errors", at("errorAmounts", "propertyNames", "enum"), errors},
		{"routes", at("route", "properties", "type", "enum"), routes},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: got %v\nwant %v", tt.name, tt.got, tt.want)
		}
	}
}

// TestSchemaExplains: every key says what it is for, in its own words or by
// those of what it refers to.
func TestSchemaExplains(t *testing.T) {
	s := readSchema(t)
	for name, def := range s.defs {
		properties, _ := def.(map[string]any)["properties"].(map[string]any)
		for key, p := range properties {
			rule := p.(map[string]any)
			if ref, ok := rule["$ref"].(string); ok && rule["description"] == nil {
				rule = s.defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
			}
			if text, _ := rule["description"].(string); utf8.RuneCountInString(text) < 10 && name != "bounds" {
				t.Errorf("%s.%s is not explained", name, key)
			}
		}
	}
}
