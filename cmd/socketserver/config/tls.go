package config

import (
	"cmp"
	"errors"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/go-socketserver/socketserver/framework/layer"
)

// readTLS reads a block tls of a transport. A second one adds a certificate; all else is the
// transport's. It returns the place of what isolates the keys, if that is in this one.
func (b *block) readTLS(h *hclsyntax.Block, t *Transport) (isolated hcl.Range) {
	i := b.bare(h)
	var own layer.TLSFiles
	var pair layer.Pair
	path := func(into *string) field {
		return typed(cty.String, "a path in quotes", func(path string) *fault {
			if path == "" {
				return faultf("write the path of a file in PEM", "the path is empty")
			}
			*into = i.source.beside(path)
			return nil
		})
	}
	i.read(attributes{
		"certificate": path(&pair.Certificate), "client_ca": path(&own.ClientCA), "isolated_key": boolean(&own.Isolated),
		"key": typed(cty.String, `a path in quotes, or "isolated"`, func(key string) *fault {
			if key == "isolated" { // and in the file of the certificate
				own.Isolated = true
				return nil
			}
			return path(&pair.Key)(cty.StringVal(key))
		}),
		"min_version": choice(func(s string) { own.MinVersion = s }, "1.2", "1.3"),
		"alpn":        texts(func(names []string) *fault { return checkProtocols(names, &own.ALPN) }),
	}, nil)
	if i.body.Attributes["certificate"] == nil {
		i.problem(i.at, faultf(`add certificate = "server.pem"`, "there is no certificate"))
	}
	for _, name := range []string{"key", "isolated_key"} {
		if own.Isolated && i.body.Attributes[name] != nil {
			isolated = i.place(name)
		}
	}
	if pair.Certificate == "" {
		return isolated
	}
	pair.Key = cmp.Or(pair.Key, pair.Certificate)
	own.Pairs = []layer.Pair{pair}
	for _, p := range fileProblems(layer.TLSFiles{Pairs: own.Pairs}) {
		if p.Path == pair.Certificate {
			i.fileProblem("certificate", p)
		} else {
			i.fileProblem("key", p)
		}
	}
	for _, p := range fileProblems(layer.TLSFiles{ClientCA: own.ClientCA}) {
		i.fileProblem("client_ca", p)
	}
	i.addTLS(own, t)
	return isolated
}

func (b *block) fileProblem(name string, p *layer.FileProblem) {
	b.problem(b.place(name), &fault{name + ": " + p.Path + ": " + p.Problem, p.Next})
}

// addTLS adds what one block says to that of the blocks before.
func (b *block) addTLS(own layer.TLSFiles, t *Transport) {
	if t.TLS == nil {
		t.TLS = &own
		return
	}
	t.TLS.Pairs, t.TLS.Isolated = append(t.TLS.Pairs, own.Pairs...), t.TLS.Isolated || own.Isolated
	for name, both := range map[string][2]*string{"client_ca": {&t.TLS.ClientCA, &own.ClientCA}, "min_version": {&t.TLS.MinVersion, &own.MinVersion}} {
		if *both[0] != "" && *both[1] != "" && *both[0] != *both[1] {
			b.problem(b.place(name), faultf("write it in one of them", "%s: it holds for all certificates of a transport, and another block of it says %q", name, *both[0]))
		}
		*both[0] = cmp.Or(*both[0], *both[1])
	}
	switch {
	case own.ALPN == nil:
	case t.TLS.ALPN == nil:
		t.TLS.ALPN = own.ALPN
	case !slices.Equal(own.ALPN, t.TLS.ALPN):
		b.problem(b.place("alpn"), faultf("write it in one of them", "alpn: it holds for all certificates of a transport, and another block of it has another list"))
	}
}

// checkProtocols keeps names of ALPN.
func checkProtocols(names []string, into *[]string) *fault {
	for _, name := range names {
		if name == "" || len(name) > 255 {
			return faultf(`write names, as in ["irc"]`, "%q is no name of a protocol, which has 1 to 255 bytes", name)
		}
	}
	*into = names
	return nil
}

// fileProblems returns what keeps files from being used.
func fileProblems(files layer.TLSFiles) []*layer.FileProblem {
	_, err := layer.NewTLS(files)
	return problemsOf(err)
}

func problemsOf(err error) []*layer.FileProblem {
	var all []*layer.FileProblem
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			all = append(all, problemsOf(one)...)
		}
		return all
	}
	if p := (*layer.FileProblem)(nil); errors.As(err, &p) {
		all = append(all, p)
	}
	return all
}

// flagTLS returns the TLS of an address tls:// on the command line; nil: there was an error.
func (r *reader) flagTLS(at hcl.Range, f Flags) *layer.TLSFiles {
	if f.Certificate == "" {
		r.add(at, faultf("add --certificate FILE and --key FILE", "TLS needs a certificate"))
		return nil
	}
	pair := layer.Pair{Certificate: f.Certificate, Key: cmp.Or(f.Key, f.Certificate)}
	files := layer.TLSFiles{Pairs: []layer.Pair{pair}}
	problems := fileProblems(files)
	for _, p := range problems {
		at := flag("certificate", f.Certificate)
		if p.Path == f.Key {
			at = flag("key", f.Key)
		}
		r.add(at, &fault{p.Problem, p.Next})
	}
	if problems != nil {
		return nil
	}
	return &files
}
