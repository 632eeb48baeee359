package config

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A State is where a server keeps what its handlers keep between requests.
type State struct {
	Backend     string        `json:"backend"`               // memory, file or nats
	Path        string        `json:"path,omitempty"`        // of a file's directory
	Sync        time.Duration `json:"sync,omitempty"`        // of a file: the time between two syncs to the disk; 0: each write
	URL         string        `json:"url,omitempty"`         // of NATS; several are separated by commas
	Credentials string        `json:"credentials,omitempty"` // of NATS: path of a file
	Bucket      string        `json:"bucket,omitempty"`      // in the file, or in NATS
}

// Durability describes what a power failure may lose.
func (s *State) Durability() string {
	switch {
	case s.Backend == "nats":
		return "a power failure of NATS loses what its sync_interval allows, by default what was acknowledged in the last two minutes; sync_interval: always in its jetstream block loses nothing"
	case s.Backend == "file" && s.Sync == 0:
		return "a power failure loses nothing that was acknowledged"
	case s.Backend == "file":
		return fmt.Sprintf("a power failure loses what was acknowledged in the last %v; sync = \"always\" loses nothing, and is slower", s.Sync)
	}
	return "a restart loses the state, which is in memory"
}

// backends are the words of State.Backend, with their attributes.
var backends = map[string][]string{"memory": nil, "file": {"path", "sync", "bucket"}, "nats": {"url", "credentials", "bucket"}}

// readState reads a state block over what the defaults say.
func (b *block) readState(h *hclsyntax.Block, into *State) {
	i, was := b.bare(h), *into
	own := State{Sync: -1}
	i.read(attributes{
		"backend":     choice(func(s string) { own.Backend = s }, names(backends)...),
		"path":        i.path(&own.Path),
		"credentials": i.path(&own.Credentials),
		"sync":        syncInterval(&own.Sync),
		"url":         natsURL(&own.URL),
		"bucket":      bucketName(&own.Bucket),
	}, nil)
	if own.Backend == "" || own.Backend == was.Backend {
		own = State{
			Backend: was.Backend, Sync: own.Sync, Bucket: own.Bucket,
			Path: cmp.Or(own.Path, was.Path), URL: cmp.Or(own.URL, was.URL), Credentials: cmp.Or(own.Credentials, was.Credentials),
		}
		if own.Sync < 0 {
			own.Sync = was.Sync
		}
	}
	if own.Sync < 0 {
		own.Sync = defaultSync
	}
	if own.Backend != "file" {
		own.Sync = 0
	}
	i.checkState(&own)
	*into = own
}

// defaultSync is what a power failure may lose: the file is not synced while nothing is written.
const defaultSync = time.Second

// readDefaultState reads the state block of the defaults.
func (b *block) readDefaultState(h *hclsyntax.Block) {
	b.readState(h, &b.state)
	if b.state.Bucket != "" {
		b.problem(h.Body.Attributes["bucket"].NameRange, faultf("remove it; without it the bucket of a server has its name", "state: a bucket is of one server"))
		b.state.Bucket = ""
	}
}

// checkState reports attributes of another backend, and those that are missing.
func (b *block) checkState(s *State) {
	for name, a := range b.body.Attributes {
		of := slices.DeleteFunc(names(backends), func(backend string) bool { return !slices.Contains(backends[backend], name) })
		if len(of) > 0 && !slices.Contains(of, s.Backend) {
			b.problem(a.NameRange, faultf("remove it, or change backend", "%s is for %s, and the backend is %q", name, list(of), s.Backend))
		}
	}
	switch {
	case s.Backend == "file" && s.Path == "" && b.body.Attributes["path"] == nil:
		b.problem(b.place("backend"), faultf(`add path = "state"`, "there is no path"))
	case s.Backend == "nats" && s.URL == "" && b.body.Attributes["url"] == nil:
		b.problem(b.place("backend"), faultf(`add url = "nats://localhost:4222"`, "there is no url"))
	}
}

// syncInterval is "always", which is 0, or a duration.
func syncInterval(into *time.Duration) field {
	interval := duration(into)
	return func(v cty.Value) *fault {
		if v.Type() == cty.String && !v.IsNull() && v.AsString() == "always" {
			*into = 0
			return nil
		}
		f := interval(v)
		if f == nil && !v.IsNull() && *into < 100*time.Millisecond {
			f = faultf(`write "always", or at least "100ms"`, "%v is too short", v.AsString())
		}
		return f
	}
}

func natsURL(into *string) field {
	const next = `write it as in "nats://localhost:4222", or "tls://nats.example.com"; several are separated by commas`
	return typed(cty.String, "a URL in quotes", func(s string) *fault {
		for one := range strings.SplitSeq(s, ",") {
			u, err := url.Parse(strings.TrimSpace(one))
			switch {
			case err != nil || u.Scheme != "nats" && u.Scheme != "tls":
				return faultf(next, "this is not a URL of NATS")
			case u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
				return faultf(next, "this URL has no host, or more than a host")
			}
		}
		*into = s
		return nil
	})
}

// maxBucket bounds the name of a bucket, in bytes.
const maxBucket = 64

func bucketName(into *string) field {
	return typed(cty.String, "a name in quotes", func(s string) *fault {
		*into = s
		return checkBucket(s)
	})
}

func checkBucket(name string) *fault { return checkToken(name, "a bucket") }

// checkToken checks a name that is part of subjects of NATS.
func checkToken(name, of string) *fault {
	other := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}
	if name == "" || len(name) > maxBucket || strings.ContainsFunc(name, other) {
		return faultf(fmt.Sprintf("write letters, digits, - and _, at most %d", maxBucket), "%q cannot be the name of %s", name, of)
	}
	return nil
}

// checkState sets the state of a server from its block, if its handler uses one. It reports a block
// that the handler does not use, and a bucket that another server has.
func (r *reader) checkState(d *draft, block string) {
	at, own := d.blocks["state"]
	if !own {
		at = d.at
	}
	if !d.Class.UsesState {
		if own {
			r.add(at, faultf("remove the block", "%sit keeps nothing in a state", block))
		}
		return
	}
	s := &d.state
	d.State = s
	if d.Concurrency.Kind == "distributed" && s.Backend != "nats" {
		r.add(at, faultf(`write state { backend = "nats" }, with its url`, "%sstate: concurrency \"distributed\" has workers on several machines, and the backend %q is of one", d.block, s.Backend))
	}
	if s.Backend == "memory" {
		return
	}
	s.Bucket = cmp.Or(s.Bucket, d.Name)
	if f := checkBucket(s.Bucket); f != nil && !own {
		r.add(at, faultf(`add state { bucket = "NAME" }, with letters, digits, - and _ alone`, "%sstate: its bucket has the name of the server, and %s", d.block, f.message))
	}
	for _, other := range r.servers {
		o := other.State
		if other != d && o != nil && o.Backend == s.Backend && o.Path == s.Path && o.URL == s.URL && o.Bucket == s.Bucket {
			r.add(at, faultf("choose another bucket", "%sstate: the bucket %q is that of server %q", d.block, s.Bucket, other.Name))
		}
	}
}
