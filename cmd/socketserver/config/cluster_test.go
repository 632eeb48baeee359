package config_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

func TestCluster(t *testing.T) {
	src := server(tcp + threading + echo)
	require.Zero(t, parse(t, src).Cluster)
	c, err := config.Parse(filepath.Join("etc", "servers.hcl"), []byte(`cluster {
  url         = "nats://a,tls://b"
  name        = "east"
  credentials = "c.creds"
  tls { ca = "ca.pem" }
}
`+src), catalog)
	require.NoError(t, err)
	require.Equal(t, config.Cluster{URL: "nats://a,tls://b", Name: "east", Credentials: filepath.Join("etc", "c.creds"), TLS: config.ClusterTLS{CA: filepath.Join("etc", "ca.pem")}}, c.Cluster)
	for block, want := range map[string]string{
		`cluster {}`:                           `1:1: cluster: there is no url; add url = "nats://localhost:4222"`,
		`cluster { url = "a" }`:                `1:17: cluster: url: this is not a URL of NATS; write it as in "nats://localhost:4222", or "tls://nats.example.com"; several are separated by commas`,
		"cluster {\nname = \"a.b\"\n}":         `2:8: cluster: name: "a.b" cannot be the name of a cluster; write letters, digits, - and _, at most 64`,
		"cluster {\ntls { key = \"k\" }\n}":    `2:1: cluster: tls: certificate and key belong together; add the other one, or leave both out`,
		"cluster {\nservers = \"nats://a\"\n}": `2:1: cluster: there is no attribute "servers" here; there is "credentials", "name", "tls" and "url"`,
	} {
		assert.Contains(t, problems(t, block+"\n"+src), want)
	}
}

func TestDistributed(t *testing.T) {
	const cluster, distributed = "cluster { url = \"nats://a\" }\n", "concurrency \"distributed\" {}\n"
	s := parse(t, cluster+server(tcp+distributed+echo)).Servers[0]
	require.Equal(t, config.Concurrency{Kind: "distributed", MaxRequestsPerWorker: 64, Via: "tcp"}, s.Concurrency)
	other := parse(t, cluster+server(tcp+distributed+"handler \"echo\" {}\n")).Servers[0]
	require.Equal(t, s.Build(), other.Build())
	other.Handler.Name = "another"
	require.NotEqual(t, s.Build(), other.Build())
	const where = "state {\nbackend = \"nats\"\nurl = \"nats://a\"\n}\n"
	parse(t, cluster+server(tcp+distributed+"handler \"count\" {}\n"+where))
	parse(t, cluster+server("transport \"udp\" { address = \":1\" }\nconcurrency \"distributed\" { via = \"bus\" }\n"+echo))
	for src, want := range map[string]string{
		server(tcp + distributed + echo):                                                           `3:1: server "s": concurrency "distributed": there is no cluster, by which it finds workers; add cluster { url = "nats://localhost:4222" } beside the servers`,
		cluster + server("transport \"udp\" { address = \":1\" }\n"+distributed+echo):              `3:29: server "s": transport "udp": concurrency "distributed" passes streams of bytes, and it has datagrams; write via = "bus", by which datagrams get to workers, or another transport`,
		cluster + server(tcp+distributed+"handler \"count\" {}\n"):                                 `2:1: server "s": state: concurrency "distributed" has workers on several machines, and the backend "memory" is of one; write state { backend = "nats" }, with its url`,
		cluster + server(tcp+"concurrency \"distributed\" { via = \"udp\" }\n"+echo):               `4:35: server "s": concurrency "distributed": via: "udp" is not known; there is "bus" and "tcp"`,
		cluster + server(tcp+"concurrency \"distributed\" { max_requests_per_worker = 0 }\n"+echo): `4:55: server "s": concurrency "distributed": max_requests_per_worker: 0 is out of range; write a whole number from 1 to 1000000`,
	} {
		assert.Contains(t, problems(t, src), want)
	}
}
