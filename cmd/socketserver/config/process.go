package config

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/go-socketserver/socketserver/framework"
)

// A Process is what a process that runs handlers has: that of the block process of a server, for forked
// children, workers and the processes of a plugin, and that of a plugin. What is empty is as the server
// has it.
type Process struct {
	Environment []string               `json:"environment,omitempty"` // NAME=VALUE, by name
	Home        string                 `json:"home,omitempty"`        // of the user
	Directory   string                 `json:"directory,omitempty"`   // that it runs in
	Limits      framework.Restrictions `json:"limits"`
	Sandbox     *framework.Sandbox     `json:"sandbox,omitempty"`

	named   bool // a user is chosen, which may be root
	grouped bool // its block has a group, in place of that of its user
	niced   bool // nice is chosen, which may be 0
}

// NamesUser reports whether the configuration chooses the user. A group alone does not.
func (p *Process) NamesUser() bool { return p.named }

// isSet reports whether anything is.
func (p *Process) isSet() bool {
	return p.Environment != nil || p.Home != "" || p.Directory != "" || p.Limits != framework.Restrictions{} || p.Sandbox != nil
}

// Variables returns what is added to the environment.
func (p *Process) Variables() []string {
	if p.Home == "" {
		return p.Environment
	}
	return append([]string{"HOME=" + p.Home}, p.Environment...) // that it sets itself comes last, and counts
}

// Under returns what a plugin's process has of own, its block, and else of p, its server's.
func (p Process) Under(own Process) Process {
	is, limits := own, &own.Limits
	is.Environment = slices.Concat(p.Environment, own.Environment)
	is.Directory = cmp.Or(own.Directory, p.Directory)
	is.Limits.Memory, is.Limits.CPU = cmp.Or(limits.Memory, p.Limits.Memory), cmp.Or(limits.CPU, p.Limits.CPU)
	is.Limits.Files, is.Limits.Processes = cmp.Or(limits.Files, p.Limits.Files), cmp.Or(limits.Processes, p.Limits.Processes)
	is.Limits.FileSize = cmp.Or(limits.FileSize, p.Limits.FileSize)
	is.Limits.Umask = cmp.Or(limits.Umask, p.Limits.Umask)
	if !own.niced {
		is.Limits.Nice, is.niced = p.Limits.Nice, p.niced
	}
	is.Limits.AsUser, is.named = limits.AsUser || p.Limits.AsUser, own.named || p.named
	if !own.named { // a group alone replaces only the group
		is.Home, is.Limits.UID = p.Home, p.Limits.UID
		if !own.grouped {
			is.Limits.GID, is.grouped = p.Limits.GID, p.grouped
		}
	}
	is.Sandbox = cmp.Or(own.Sandbox, p.Sandbox)
	return is
}

// Strategy makes the strategy of s.
func (s *Server) Strategy(with Means) framework.Strategy {
	with.Worker, with.Secure = s.Process.of(with.Worker), s.Process.of(with.Secure)
	return kinds[s.Concurrency.Kind].strategy(s, with)
}

// of returns a program that has what p says. A program that is nil is this one.
func (p *Process) of(program *framework.Program) *framework.Program {
	if !p.isSet() {
		return program
	}
	own := framework.Program{}
	if program != nil {
		own = *program
	}
	own.Env, own.Directory, own.Restrictions, own.Sandbox = p.Variables(), p.Directory, p.Limits, p.Sandbox
	return &own
}

// readProcess reads a process block over what the defaults say.
func (b *block) readProcess(h *hclsyntax.Block, p *Process) {
	p.grouped = false
	i := b.bare(h)
	i.read(i.processGrammar(p))
}

// directory is the path of a directory that processes run in, which [reader.check] looks for.
func (b *block) directory(into *string) field {
	set := b.path(into)
	return func(v cty.Value) *fault {
		f := set(v)
		if f == nil && !v.IsNull() {
			b.directories = append(b.directories, usedDirectory{b, *into})
		}
		return f
	}
}

// A usedDirectory is one that processes run in, with the block that has it.
type usedDirectory struct {
	block *block
	path  string
}

// checkDirectories reports those that are not there. Without them each start of a process would fail, for
// a reason that the system does not tell from a program that is not there.
func (r *reader) checkDirectories() {
	for _, d := range r.directories {
		switch info, err := os.Stat(d.path); {
		case errors.Is(err, fs.ErrNotExist):
			d.block.problem(d.block.place("directory"), faultf("make it, or correct the path", "directory: there is no directory %s", d.path))
		case err == nil && !info.IsDir():
			d.block.problem(d.block.place("directory"), faultf("name a directory", "directory: %s is not a directory", d.path))
		}
	}
}

// processGrammar returns the grammar of what a process has.
func (b *block) processGrammar(p *Process) (attributes, blocks) {
	l := &p.Limits
	of := attributes{
		"directory": b.directory(&p.Directory),
		"environment": typed(cty.Map(cty.String), `a map of text, as in { LC_ALL = "C" }`, func(values map[string]string) *fault {
			p.Environment = slices.Clip(p.Environment) // it is the defaults', for all servers
			for _, name := range names(values) {
				if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(values[name], "\x00") {
					return faultf("write another name or value", "%q cannot be in an environment", name)
				}
				p.Environment = append(p.Environment, name+"="+values[name])
			}
			return nil
		}),
		"user":  typed(cty.String, "the name of a user in quotes", p.runAs),
		"group": typed(cty.String, "the name of a group in quotes", p.runInGroup),
		"nice": integerOf(-20, 19, func(n int) *fault {
			l.Nice, p.niced = n, true
			if n < 0 {
				return onlyRoot("run a process before others", lacking(first))
			}
			return nil
		}),
		"umask": typed(cty.String, `a mask in quotes, as in "0022"`, func(s string) *fault {
			n, err := strconv.ParseUint(s, 8, 32)
			if err != nil || n > 0o777 {
				return faultf(`write it as in "0077" (for its user) or "0022" (others may read)`, "%q is not an octal mask from 0000 to 0777", s)
			}
			if l.Umask = int(n); n == 0 {
				l.Umask = -1
			}
			return nil
		}),
	}
	parts := blocks{
		"limits": once(func(h *hclsyntax.Block) {
			b.bare(h).read(attributes{
				"memory": byteSize(&l.Memory, 64<<10, 1<<40), "cpu": atLeastSecond(&l.CPU),
				"files": integer(&l.Files, 16, count), "processes": integer(&l.Processes, 1, count),
				"file_size": byteSize(&l.FileSize, 1, 1<<50),
			}, nil)
		}),
		"sandbox": once(func(h *hclsyntax.Block) {
			s := framework.Sandbox{}
			if p.Sandbox != nil {
				s = *p.Sandbox
			}
			p.Sandbox = &s
			i := b.bare(h)
			i.read(attributes{
				"read": i.paths(&s.Read), "write": i.paths(&s.Write), "network": boolean(&s.Network), "required": boolean(&s.Required),
			}, nil)
		}),
	}
	return of, parts
}

// paths is a list of paths that are relative to the file of the block.
func (b *block) paths(into *[]string) field {
	return texts(func(paths []string) *fault {
		*into = nil
		for _, path := range paths {
			if path == "" {
				return faultf("write one, or remove it", "a path is empty")
			}
			*into = append(*into, b.source.beside(path))
		}
		return nil
	})
}

// onlyRoot is the fault of what only root can do, and only with the capability that it lacks, if it lacks one.
func onlyRoot(do, lacks string) *fault {
	switch {
	case os.Geteuid() != 0:
		return faultf("remove it, or start the server as root", "only root can %s", do)
	case lacks != "":
		return faultf("remove it, or start the server with "+lacks, "this process lacks %s, without which root cannot %s", lacks, do)
	}
	return nil
}

// runAs sets a user of the system, with that user's group.
func (p *Process) runAs(name string) *fault {
	if f := onlyRoot("run a process as another user, and end it", lacking(asAnother)); f != nil {
		return f
	}
	u, err := user.Lookup(name)
	if err != nil {
		return faultf("write the name of one, as in \"nobody\"", "there is no user %q", name)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, failed := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil || failed != nil {
		return faultf("write the name of another one", "user %q has no numbers", name)
	}
	p.named, p.Home = true, u.HomeDir
	if p.Limits.AsUser, p.Limits.UID = true, uint32(uid); !p.grouped {
		p.Limits.GID = uint32(gid)
	}
	return nil
}

// runInGroup sets a group of the system.
func (p *Process) runInGroup(name string) *fault {
	if f := onlyRoot("run a process in another group", lacking(asAnother)); f != nil {
		return f
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return faultf("write the name of one, as in \"nogroup\"", "there is no group %q", name)
	}
	gid, err := strconv.ParseUint(g.Gid, 10, 32)
	if err != nil {
		return faultf("write the name of another one", "group %q has no number", name)
	}
	p.grouped, p.Limits.AsUser, p.Limits.GID = true, true, uint32(gid)
	return nil
}
