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
