package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/go-socketserver/socketserver/framework"
)

// Cluster is the block of that name: the NATS server by which daemons know each other.
type Cluster struct {
	URL         string // several are separated by commas; empty: there is no cluster
	Name        string // daemons of one name see each other
	Credentials string // path of a file; empty: none
	TLS         ClusterTLS
}

// ClusterTLS are paths of PEM files for the connection to NATS; empty: those of the system, and none.
type ClusterTLS struct{ CA, Certificate, Key string }

func (r *reader) readCluster(b *block) {
	c := &r.config.Cluster
	c.Name = "default"
	path := func(into *string) field {
		return typed(cty.String, "a path in quotes", func(s string) *fault { *into = b.source.beside(s); return nil })
	}
	b.read(attributes{
		"url": natsURL(&c.URL),
		"name": typed(cty.String, "a name in quotes", func(s string) *fault {
			c.Name = s
			return checkToken(s, "a cluster")
		}),
		"credentials": path(&c.Credentials),
	}, blocks{"tls": once(func(h *hclsyntax.Block) {
		i := b.bare(h)
		i.read(attributes{"ca": path(&c.TLS.CA), "certificate": path(&c.TLS.Certificate), "key": path(&c.TLS.Key)}, nil)
		if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
			i.problem(i.at, faultf("add the other one, or leave both out", "certificate and key belong together"))
		}
	})})
	if b.body.Attributes["url"] == nil {
		b.problem(b.at, faultf(`add url = "nats://localhost:4222"`, "there is no url"))
	}
}

// Build names what a worker of the cluster has to be of to serve s: the source of the program, the handler with its
// options, and where its state is. A plugin's program may differ between machines that have built it.
func (s *Server) Build() string {
	state := cmp.Or(s.State, &State{})
	text, _ := json.Marshal([]any{framework.Build(), s.Handler.Kind, s.Handler.Name, s.Handler.Options, s.Limits.Line, state.Backend, state.Bucket}) // of plain values
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// checkDistributed checks a server under concurrency "distributed".
func (r *reader) checkDistributed(d *draft) {
	if d.Concurrency.Kind != "distributed" {
		return
	}
	if r.config.Cluster.URL == "" {
		r.add(d.concurrency, faultf(`add cluster { url = "nats://localhost:4222" } beside the servers`, "%sconcurrency \"distributed\": there is no cluster, by which it finds workers", d.block))
	}
	for i, t := range d.Transports {
		switch {
		case t.Datagrams() && d.Concurrency.Via != "bus":
			r.add(d.transports[i], faultf(`write via = "bus", by which datagrams get to workers, or another transport`, "%stransport %q: concurrency \"distributed\" passes streams of bytes, and it has datagrams", d.block, t.Network))
		case t.Network == "unixpacket":
			r.add(d.transports[i], faultf(`use concurrency "threading", or another transport`, "%stransport %q: concurrency \"distributed\" passes streams of bytes, and it has messages", d.block, t.Network))
		}
	}
}
