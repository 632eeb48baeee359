package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/framework"
)

// Difference describes how s differs from old, one attribute each, in the words of the file:
// "limits.connections 1000 -> 200".
func (s *Server) Difference(old *Server) []string {
	before, after := old.attributes(), s.attributes()
	all := maps.Clone(before)
	maps.Copy(all, after)
	var changes []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		was, is := before[name], after[name]
		switch {
		case was == is, implied(name, before, after):
		case name == "program":
			changes = append(changes, "another program")
		case name == "process": // its environment may hold secrets
			changes = append(changes, "another process block")
		case is == "":
			changes = append(changes, name+" removed")
		case was == "" && is == present:
			changes = append(changes, name+" added")
		case was == "":
			changes = append(changes, withoutLogins(name+" "+is+" added"))
		default:
			changes = append(changes, withoutLogins(fmt.Sprintf("%s %s -> %s", name, was, is)))
		}
	}
	return changes
}

// present is the value of a block: its attributes have values of their own.
const present = "present"

// withoutLogins hides the users and passwords of URLs: who may see what changes may not see those.
func withoutLogins(text string) string {
	return regexp.MustCompile(`://[^/"]*@`).ReplaceAllString(text, "://***@")
}

// implied reports whether an attribute differs because its block is another one.
func implied(name string, before, after map[string]string) bool {
	block := name[:max(strings.LastIndexByte(name, '.'), 0)]
	return block != "" && before[block] != after[block]
}

// attributes returns the values of s by their names.
func (s *Server) attributes() map[string]string {
	all := map[string]string{"concurrency": s.Concurrency.Kind, s.Handler.Kind: s.Handler.Name, "program": s.Handler.Program}
	all["access_log"] = quote(s.AccessLog)
	flatten(all, "recycle", s.Recycle)
	flatten(all, "replace", s.Replace)
	flatten(all, "concurrency", s.Concurrency)
	flatten(all, "access", s.Access)
	flatten(all, "limits", s.Limits)
	all["limits.when_full"] = word(s.Limits.Refuse, "refuse", "wait")
	flatten(all, "timeouts", s.Timeouts)
	if s.State != nil {
		flatten(all, "state", *s.State)
		if s.State.Backend == "file" && s.State.Sync == 0 {
			all["state.sync"] = `"always"`
		}
	}
	if s.Timeouts.IdleIsDefault {
		all["timeouts.idle"] = "default"
	}
	for _, t := range s.Transports {
		name := "transport " + t.Word() + " " + t.Address
		all[name] = present
		flatten(all, name, t)
		t.describeIn(all, name)
	}
	if s.Process.isSet() {
		process, _ := json.Marshal(s.Process) // of plain values
		all["process"] = string(process)
	}
	var options map[string]json.RawMessage
	_ = json.Unmarshal(s.Handler.Options, &options) // it is an object
	for name, value := range options {
		all[s.Handler.Name+"."+name] = string(value)
	}
	return all
}

// describeIn adds what a transport has that its fields do not say as attributes do. A zero there is the default, and
// -1 stands for 0, see orNone.
func (t *Transport) describeIn(all map[string]string, name string) {
	for _, a := range []struct {
		name  string
		value int
	}{
		{"request_queue_size", t.RequestQueueSize},
		{"read_buffer", t.ReadBuffer},
		{"write_buffer", t.WriteBuffer},
		{"keep_alive", int(t.KeepAlive)},
		{"max_packet_size", t.MaxPacketSize},
		{"mode", int(t.Mode)},
	} {
		if a.value == 0 {
			all[name+"."+a.name] = "default"
		}
	}
	all[name+".no_delay"], all[name+".multipath"] = quote(!t.Nagle), quote(!t.SinglePath)
	if t.Mode != 0 {
		all[name+".mode"] = fmt.Sprintf(`"%04o"`, t.Mode)
	}
	if proxies := t.ProxyProtocol; proxies != nil {
		all[name+".proxy_protocol"] = present
		flatten(all, name+".proxy_protocol", *proxies)
	}
	if web := t.WebSocket; web != nil {
		flatten(all, name, *web)
		all[name+".message"] = word(web.Binary, "binary", "text")
	}
}

// word returns a boolean as the attribute that has words for it.
func word(is bool, yes, no string) string {
	if is {
		return quote(yes)
	}
	return quote(no)
}

// unnamed are fields that are no attributes, or are those of another name: see attributes and describeIn.
var unnamed = []string{"kind", "network", "address", "idle_is_default", "refuse", "nagle", "single_path", "multipath", "binary", "websocket", "proxy_protocol", "refuse_reuse_address", "ipv6_only", "-"}

// flatten adds the fields of a struct under the names of their JSON.
func flatten(all map[string]string, prefix string, from any) {
	v := reflect.ValueOf(from)
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		value := v.Field(i).Interface()
		switch {
		case v.Type().Field(i).Anonymous:
			flatten(all, prefix, value)
		case options == "omitempty" && v.Field(i).IsZero(): // it is not there
		case !slices.Contains(unnamed, name):
			all[prefix+"."+name] = quote(value)
		}
	}
}

// quote returns a value as one writes it. Less than 0 stands for 0, see orNone.
func quote(value any) string {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case time.Duration:
		return fmt.Sprintf("%q", max(v, 0).String())
	case int:
		return fmt.Sprint(max(v, 0))
	case framework.Rate:
		if v.N == 0 {
			return `"0"`
		}
		return fmt.Sprintf("%q", v)
	case []string:
		text, _ := json.Marshal(v) // of strings
		return strings.ReplaceAll(string(text), `","`, `", "`)
	case []netip.Prefix:
		var all []string
		for _, n := range v {
			text := n.String()
			if n.IsSingleIP() {
				text = n.Addr().String()
			}
			all = append(all, strconv.Quote(text))
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	return fmt.Sprint(value)
}
