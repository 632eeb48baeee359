package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer"
)

// secure is a transport with a block tls for each body, where C and K are the files of a certificate,
// and A is its authority.
func secure(t *testing.T, bodies ...string) (src string, c frameworktest.Certificate, authority string) {
	ca := frameworktest.NewAuthority(t)
	c = ca.Issue(t, "localhost")
	src = "transport \"tcp\" {\n  address = \":1\"\n"
	for _, body := range bodies {
		src += "  tls {\n" + strings.NewReplacer("C", fmt.Sprintf("%q", c.Certificate), "K", fmt.Sprintf("%q", c.Key), "A", fmt.Sprintf("%q", ca.File)).Replace(body) + "\n  }\n"
	}
	return server(src + "}\n" + threading + echo), c, ca.File
}

func TestTLS(t *testing.T) {
	src, c, ca := secure(t, "certificate = C\nkey = K\nclient_ca = A", "certificate = C\nkey = K\nmin_version = \"1.3\"\nalpn = [\"irc\"]")
	s := parse(t, src).Servers[0]
	pair := layer.Pair(c)
	require.Equal(t, &layer.TLSFiles{Pairs: []layer.Pair{pair, pair}, ClientCA: ca, MinVersion: "1.3", ALPN: []string{"irc"}}, s.Transports[0].TLS)
	plain := *s
	plain.Transports = []config.Transport{{Network: "tcp", Address: ":1"}}
	require.Equal(t, []string{fmt.Sprintf(`transport tcp :1.tls %q with %q, %[1]q with %[2]q, client_ca %q, min_version "1.3", alpn "irc" added`, pair.Certificate, pair.Key, ca)}, s.Difference(&plain))
}

// issueInOneFile issues a certificate and puts its key in front of it, in the same file.
func issueInOneFile(t *testing.T) frameworktest.Certificate {
	t.Helper()
	c := frameworktest.NewAuthority(t).Issue(t, "localhost")
	key, err := os.ReadFile(c.Key)
	require.NoError(t, err)
	certificate, err := os.ReadFile(c.Certificate)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(c.Certificate, append(key, certificate...), 0o600))
	return c
}

// Paths are relative to the file that has them, and the key may be beside the certificate in one file.
func TestTLSBesideTheFile(t *testing.T) {
	c := issueInOneFile(t)
	path := filepath.Join(filepath.Dir(c.Certificate), "servers.hcl")
	src := server("transport \"tcp\" {\n  address = \":1\"\n  tls { certificate = \"server.pem\" }\n}\n" + threading + echo)
	require.NoError(t, os.WriteFile(path, []byte(src), 0o600))
	loaded, err := config.Load(path, catalog)
	require.NoError(t, err)
	require.Equal(t, []layer.Pair{{Certificate: c.Certificate, Key: c.Certificate}}, loaded.Servers[0].Transports[0].TLS.Pairs)
}

// The keys stay in the server where one block says so. In place of a path that means the file of the certificate.
func TestIsolatedKeys(t *testing.T) {
	c := issueInOneFile(t)
	for body, paths := range map[string]string{`key = "isolated"`: c.Certificate, fmt.Sprintf("key = %q\nisolated_key = true", c.Key): c.Key} {
		block := fmt.Sprintf("  tls {\n certificate = %q\n%s\n}\n", c.Certificate, body)
		other := fmt.Sprintf("  tls {\n certificate = %q\n}\n", c.Certificate)
		s := parse(t, server("transport \"tcp\" {\n  address = \":1\"\n"+block+other+"}\nconcurrency \"preforking\" {}\n"+echo)).Servers[0]
		require.True(t, s.Transports[0].TLS.Isolated)
		require.Equal(t, []layer.Pair{{Certificate: c.Certificate, Key: paths}, {Certificate: c.Certificate, Key: c.Certificate}}, s.Transports[0].TLS.Pairs)
	}
}

func TestTLSErrors(t *testing.T) {
	for _, c := range []struct {
		bodies []string
		want   string
	}{
		{[]string{""}, `4:3: server "s": transport "tcp": tls: there is no certificate; add certificate = "server.pem"`},
		{[]string{`certificate = ""`}, `5:15: server "s": transport "tcp": tls: certificate: the path is empty; write the path of a file in PEM`},
		{[]string{`certificate = "none.pem"`}, `5:15: server "s": transport "tcp": tls: certificate: none.pem: there is no such file; check the path, or write the file`},
		{[]string{"certificate = C"}, `5:15: server "s": transport "tcp": tls: certificate: CERTIFICATE: there is no private key in it, but PEM of type "CERTIFICATE"; name the file of the private key`},
		{[]string{"certificate = C\nkey = A"}, `6:7: server "s": transport "tcp": tls: key: AUTHORITY: there is no private key in it, but PEM of type "CERTIFICATE"; name the file of the private key`},
		{[]string{"certificate = C\nkey = K\nclient_ca = K"}, `7:13: server "s": transport "tcp": tls: client_ca: KEY: there is no certificate in it, but PEM of type "PRIVATE KEY"; name the file of the authorities' certificates`},
		{[]string{"certificate = C\nkey = K\nmin_version = \"1.1\""}, `7:15: server "s": transport "tcp": tls: min_version: "1.1" is not known; did you mean "1.2"?`},
		{[]string{"certificate = C\nkey = K\nalpn = [\"\"]"}, `7:8: server "s": transport "tcp": tls: alpn: "" is no name of a protocol, which has 1 to 255 bytes; write names, as in ["irc"]`},
		{[]string{"certificate = C\nkey = K\nmin_version = \"1.2\"", "certificate = C\nkey = K\nmin_version = \"1.3\""}, `12:15: server "s": transport "tcp": tls: min_version: it holds for all certificates of a transport, and another block of it says "1.2"; write it in one of them`},
		{[]string{"certificate = C\nkey = K\nalpn = [\"a\"]", "certificate = C\nkey = K\nalpn = [\"b\"]"}, `12:8: server "s": transport "tcp": tls: alpn: it holds for all certificates of a transport, and another block of it has another list; write it in one of them`},
		{[]string{"certificate = C\nkey = K\nisolated_key = true"}, `7:16: server "s": transport "tcp": tls: the key cannot be isolated: handlers run in the process of the server under "threading"; use concurrency "forking" or "preforking", or leave isolated_key out`},
	} {
		src, files, ca := secure(t, c.bodies...)
		_, err := config.Parse("s.hcl", []byte(src), catalog)
		require.Error(t, err, c.want)
		require.Equal(t, "s.hcl:"+c.want, strings.NewReplacer(files.Certificate, "CERTIFICATE", files.Key, "KEY", ca, "AUTHORITY").Replace(firstLine(err)))
	}
	_, err := config.Parse("s.hcl", []byte(server("transport \"unix\" {\n  address = \"s\"\n  tls {}\n}\n"+threading+echo)), catalog)
	require.Equal(t, `s.hcl:4:3: server "s": transport "unix": tls is for "tcp" and "websocket"; remove it, or change the word`, firstLine(err))
	_, err = config.Parse("s.hcl", []byte(server("transport \"tls\" { address = \":1\" }\n"+threading+echo)), catalog)
	require.Equal(t, `s.hcl:2:11: server "s": TLS is a layer of a transport; write transport "tcp" with a block tls { ... } in it`, firstLine(err))
}

// firstLine is an error without what it quotes.
func firstLine(err error) string {
	first, _, _ := strings.Cut(report(err), "\n")
	return first
}
