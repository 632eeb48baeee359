package config

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// A Plugin is a top-level block of that name: how a plugin runs, whichever servers have it. What is
// empty is found out.
type Plugin struct {
	Kind    plugin.Kind
	Path    string   // of its file or directory; of the executable of Command
	Command []string // the name that it is started by, and its arguments
	Beside  string   // directory of the file that has Command: arguments may be files there
	Process          // of each of its processes; a module has Environment, and Limits.Memory, alone
	Options []framework.Option
	Sum     string // SHA-256 that its file must have; empty: any
	Restart Restart
	Recycle Recycle
	Replace Replace
}

// A Restart is how often a plugin may end by itself. What is 0 is the default.
type Restart struct {
	Max         int
	Within      time.Duration
	Unavailable string // what clients are sent when it has
}

// A Recycle is how much a process serves that is kept, before another one takes its place. What is 0
// is no limit.
type Recycle struct {
	After    time.Duration `json:"after"`
	Requests int           `json:"requests"` // of all processes of the plugin
	Memory   int64         `json:"memory"`   // resident, of one of them, in bytes
}

// A Replace is how a process is replaced by another one, whatever the reason is.
type Replace struct {
	Automatic bool          `json:"automatic"` // also when its file has changed
	Drain     time.Duration `json:"drain"`     // that requests of the old one may take; 0: any time
	// Split: it may be replaced though it keeps state, which its old and its new process then have
	// apart from each other.
	Split bool `json:"split"`
}

// LoadPlugins returns what the configuration at path says of plugins. What servers have is not checked
// with their handlers, so that there need not be any.
func LoadPlugins(path string) (*Config, error) {
	r := newReader()
	if r.load(path); !r.broken {
		r.readFiles()
	}
	return &r.config, r.err()
}

func (r *reader) readPlugins(b *block) {
	var directory string
	b.read(attributes{"directory": quoted(&directory), "trust": choice(func(word string) { r.config.Plugins.Locked = word == "lock" }, "owner", "lock")}, nil)
	if directory != "" {
		r.config.Plugins.Directory = b.source.beside(directory)
	}
}

func (b *block) readPlugin(h *hclsyntax.Block) {
	name, ok := b.label(h, "shout")
	if !ok {
		return
	}
	i := b.inner(h)
	if _, again := b.config.Defined[name]; again {
		i.problem(i.at, faultf("leave one of them", "there is a second one"))
		return
	}
	p := &Plugin{}
	if b.config.Defined == nil {
		b.config.Defined = map[string]*Plugin{}
	}
	b.config.Defined[name] = p
	of, parts := i.processGrammar(&p.Process)
	maps.Copy(of, attributes{
		"kind": choice(func(k plugin.Kind) { p.Kind = k }, plugin.Kinds...),
		"path": i.path(&p.Path),
		"command": texts(func(words []string) *fault {
			if len(words) == 0 || words[0] == "" {
				return faultf(`write it as in ["/usr/bin/awk", "-f", "sum.awk"]`, "there is no program")
			}
			p.Path, p.Command, p.Beside = i.source.beside(words[0]), words, filepath.Dir(i.source.name)
			return nil
		}),
		"sha256": typed(cty.String, "a SHA-256 in quotes", func(sum string) *fault {
			if p.Sum = strings.ToLower(sum); !plugin.IsSum(p.Sum) {
				return faultf("write what sha256sum prints: 64 digits and letters from a to f", "%q is not one", sum)
			}
			return nil
		}),
	})
	maps.Copy(parts, blocks{
		"option":  repeat(func(h *hclsyntax.Block) { i.readOption(h, p) }),
		"restart": once(func(h *hclsyntax.Block) { i.readRestart(h, &p.Restart) }),
		"recycle": once(func(h *hclsyntax.Block) { i.readRecycle(h, &p.Recycle) }),
		"replace": once(func(h *hclsyntax.Block) {
			of := &p.Replace
			i.bare(h).read(attributes{"automatic": boolean(&of.Automatic), "drain": duration(&of.Drain), "split": boolean(&of.Split)}, nil)
		}),
	})
	i.read(of, parts)
	if p.Command != nil && i.body.Attributes["path"] != nil {
		i.problem(i.place("command"), faultf("leave one of them", "there are both path and command"))
	}
}

// path is a path that is relative to the file of the block.
func (b *block) path(into *string) field {
	return typed(cty.String, "a path in quotes", func(path string) *fault {
		if path == "" {
			return faultf("write one, or remove the line", "the path is empty")
		}
		*into = b.source.beside(path)
		return nil
	})
}

func (b *block) readRestart(h *hclsyntax.Block, r *Restart) {
	b.bare(h).read(attributes{
		"max": integer(&r.Max, 1, 1000), "within": atLeastSecond(&r.Within), "unavailable": quoted(&r.Unavailable),
	}, nil)
}

func (b *block) readRecycle(h *hclsyntax.Block, r *Recycle) {
	i := b.bare(h)
	i.read(attributes{
		"after": atLeastSecond(&r.After), "requests": integer(&r.Requests, 1, 1_000_000_000), "memory": byteSize(&r.Memory, 1<<20, 1<<40),
	}, nil)
	if len(i.body.Attributes) == 0 {
		i.problem(i.at, faultf(`write after = "24h", requests = 10000 or memory = "512MiB"`, "there is nothing in it"))
	}
}

// atLeastSecond is a duration that is not too short to mean anything.
func atLeastSecond(into *time.Duration) field {
	set := duration(into)
	return func(v cty.Value) *fault {
		f := set(v)
		if f == nil && !v.IsNull() && *into < time.Second {
			f = faultf(`write a second or more, as in "1m"`, "%s is too short", *into)
		}
		return f
	}
}

// optionTypes are the types of options, with what reports whether a value is one.
var optionTypes = map[string]func(cty.Type) bool{
	"string": cty.String.Equals, "path": cty.String.Equals, "number": cty.Number.Equals, "bool": cty.Bool.Equals,
	"list": func(t cty.Type) bool { return t.IsTupleType() || t.IsListType() || t.IsSetType() },
	"map":  func(t cty.Type) bool { return t.IsObjectType() || t.IsMapType() },
}

// readOption reads an option that a program which cannot be asked for its options has.
func (b *block) readOption(h *hclsyntax.Block, p *Plugin) {
	name, ok := b.label(h, "greeting")
	if !ok {
		return
	}
	i := b.inner(h)
	if slices.ContainsFunc(p.Options, func(o framework.Option) bool { return o.Name == name }) {
		i.problem(i.at, faultf("leave one of them", "there is a second one"))
		return
	}
	o := framework.Option{Name: name, Type: "string"}
	value := cty.NilVal
	i.read(attributes{
		"type": choice(func(word string) { o.Type = word }, names(optionTypes)...),
		"default": func(v cty.Value) *fault {
			value = v
			return nil
		},
		"doc": quoted(&o.Doc),
	}, nil)
	if value != cty.NilVal && !value.IsNull() {
		if !optionTypes[o.Type](value.Type()) {
			i.problem(i.place("default"), faultf("write a "+o.Type, "default: this is %s", kindOf(value.Type())))
			return
		}
		o.Default, _ = ctyjson.SimpleJSONValue{Value: value}.MarshalJSON()
	}
	p.Options = append(p.Options, o)
}
