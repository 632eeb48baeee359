package importer

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/internal/text"
)

// order is that of the blocks in a server and of the attributes in a block.
var order = []string{
	"limits.connections", "limits.per_source", "limits.when_full", "limits.banner", "limits.rate", "limits.rate_per_source",
	"access.allow", "access.deny",
	"process.user", "process.group", "process.umask", "process.nice", "process.directory", "process.environment",
	"process.limits.memory", "process.limits.cpu", "process.limits.files", "process.limits.processes", "process.limits.file_size",
	"timeouts.idle", "timeouts.request",
}

// A block is a block of the result.
type block struct {
	head  string
	lines []string // attributes
	inner []*block
}

func (b *block) add(kind, label string) *block {
	head := kind
	if label != "" {
		head += " " + expression(cty.StringVal(label))
	}
	inner := &block{head: head}
	b.inner = append(b.inner, inner)
	return inner
}

// set sets the attribute at a path below b; all but its last name are blocks.
func (b *block) set(path string, v cty.Value) {
	if v.IsNull() {
		return
	}
	name, rest, nested := strings.Cut(path, ".")
	if !nested {
		b.lines = append(b.lines, name+" = "+expression(v))
		return
	}
	i := slices.IndexFunc(b.inner, func(o *block) bool { return o.head == name })
	if i < 0 {
		b.add(name, "")
		i = len(b.inner) - 1
	}
	b.inner[i].set(rest, v)
}

// expression returns v in HCL, with ${ and %{ escaped. A capsule is a call that is written as
// it is.
func expression(v cty.Value) string {
	if v.Type() == callType {
		c := v.EncapsulatedValue().(*call)
		return c.function + "(" + expression(cty.StringVal(c.argument)) + ")"
	}
	return string(hclwrite.TokensForValue(v).Bytes())
}

func (b *block) write(w *strings.Builder) {
	if len(b.lines)+len(b.inner) < 2 && len(b.inner) == 0 {
		fmt.Fprintf(w, "%s { %s }\n", b.head, strings.Join(b.lines, ""))
		return
	}
	fmt.Fprintf(w, "%s {\n", b.head)
	for _, line := range b.lines {
		fmt.Fprintln(w, line)
	}
	for _, inner := range b.inner {
		inner.write(w)
	}
	fmt.Fprintln(w, "}")
}

// hcl returns the blocks of a server.
func (s *server) hcl() string {
	var file block
	if s.command != nil {
		program := file.add("plugin", s.name)
		program.set("kind", cty.StringVal("stdio"))
		program.set("command", texts(s.command))
	}
	b := file.add("server", s.name)
	for _, l := range s.listeners {
		t := b.add("transport", l.network)
		t.set("address", cty.StringVal(l.address))
		for _, name := range names(l.values) {
			t.set(name, l.values[name])
		}
	}
	if s.handler != "" {
		b.add("concurrency", "threading")
		s.setAll(b.add("handler", s.handler), "handler.")
	} else {
		s.setAll(b.add("concurrency", "forking"), "concurrency.")
		if s.command != nil {
			b.add("plugin", s.name)
		}
	}
	for _, path := range order {
		if v, ok := s.values[path]; ok {
			b.set(path, v)
		}
	}
	var w strings.Builder
	for _, top := range file.inner {
		top.write(&w)
	}
	return string(hclwrite.Format([]byte(w.String())))
}

// setAll sets the values with a path that begins with prefix.
func (s *server) setAll(b *block, prefix string) {
	for _, path := range names(s.values) {
		if name, ok := strings.CutPrefix(path, prefix); ok {
			b.set(name, s.values[path])
		}
	}
}

// write returns the servers, those as comments that are off or that the configuration refuses. Each is checked with
// the enabled ones that share one of its ports or paths, as it can clash with no others: to check it with all of them
// takes a time that grows with the square of their number.
func write(servers []*server, check func(src string) error) string {
	var all strings.Builder
	var enabled []string
	sharing := map[string][]int{} // of enabled, by place
	for _, s := range servers {
		src := ""
		if s.name != "" {
			src = s.hcl()
			if len(s.off) == 0 {
				s.off = refusals(check(s.neighbours(enabled, sharing) + src))
			}
			if len(s.off) == 0 {
				for _, l := range s.listeners {
					sharing[l.place()] = append(sharing[l.place()], len(enabled))
				}
				enabled = append(enabled, src)
			}
		}
		fmt.Fprintf(&all, "\n%s", commented(s.head()))
		if len(s.off) > 0 {
			src = commented("\n" + src)
		}
		all.WriteString(src)
	}
	head := preface
	if len(enabled) > 0 {
		if err := check(preface + all.String()); err != nil { // it is too long
			head += commented("Not valid as a whole: " + text.Line(err.Error()))
		}
	}
	return head + all.String()
}

// neighbours returns the enabled servers that share a place with s.
func (s *server) neighbours(enabled []string, sharing map[string][]int) string {
	var near []int
	for _, l := range s.listeners {
		near = append(near, sharing[l.place()]...)
	}
	slices.Sort(near)
	var src strings.Builder
	for _, i := range slices.Compact(near) {
		src.WriteString(enabled[i])
	}
	return src.String()
}

// place returns what listeners that cannot be open at once have in common: a port, or the name of a socket's file.
func (l listener) place() string {
	if config.IsUnix(l.network) {
		return path.Base(path.Clean(l.address))
	}
	return l.address[strings.LastIndexByte(l.address, ':')+1:]
}

// refusals returns the messages of an error, which may be nil, each once.
func refusals(err error) (all []string) {
	if err == nil {
		return nil
	}
	messages := strings.Split(err.Error(), "\n")
	var list *config.Errors
	if errors.As(err, &list) {
		messages = nil
		for _, e := range list.List {
			messages = append(messages, e.Message)
		}
	}
	for _, m := range messages {
		if why := needless.ReplaceAllString(m, ""); !slices.Contains(all, why) {
			all = append(all, why)
		}
	}
	return all
}

// head returns the text above a server.
func (s *server) head() string {
	var w strings.Builder
	fmt.Fprintln(&w, text.Line(s.source))
	for _, why := range s.off {
		fmt.Fprintf(&w, "Disabled: %s\n", text.Line(why))
	}
	for _, n := range s.notes {
		fmt.Fprintln(&w, text.Line(n.fate))
		for _, x := range n.settings {
			fmt.Fprintf(&w, "    %s (%s)\n", text.Line(x.text), text.Line(filepath.Base(x.at)))
		}
	}
	return w.String()
}

func commented(src string) string {
	var w strings.Builder
	for line := range strings.Lines(src) {
		w.WriteString(strings.TrimRight("# "+strings.TrimSuffix(line, "\n"), " ") + "\n")
	}
	return w.String()
}
