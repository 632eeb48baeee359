package layer_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer"
)

func TestFilesThatCannotBeUsed(t *testing.T) {
	ca := frameworktest.NewAuthority(t)
	good, other := ca.Issue(t, "good"), ca.Issue(t, "other")
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "f.pem")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	garbage := "-----BEGIN %s-----\nAAAA\n-----END %[1]s-----\n"
	block := func(kind string) string { return write(fmt.Sprintf(garbage, kind)) }
	for name, c := range map[string]struct {
		files layer.TLSFiles
		path  func(layer.TLSFiles) string
		want  string
	}{
		"no file":          {pair("none.pem", good.Key), certificateOf, "there is no such file; check the path, or write the file"},
		"directory":        {pair(t.TempDir(), good.Key), certificateOf, "it is not a regular file; name a file in PEM"},
		"no PEM":           {pair(write("hello"), good.Key), certificateOf, `there is no certificate in it: it is not PEM; write it as PEM, which begins with "-----BEGIN CERTIFICATE-----"`},
		"swapped":          {pair(good.Key, good.Key), certificateOf, `there is no certificate in it, but PEM of type "PRIVATE KEY"; name the file of the certificate`},
		"key missing":      {pair(good.Certificate, good.Certificate), keyOf, `there is no private key in it, but PEM of type "CERTIFICATE"; name the file of the private key`},
		"another key":      {pair(good.Certificate, other.Key), keyOf, "the key is not that of the certificate in " + good.Certificate + "; name the two that belong together"},
		"encrypted key":    {pair(good.Certificate, block("ENCRYPTED PRIVATE KEY")), keyOf, "the key is encrypted; write it without a passphrase: openssl pkey -in "},
		"bad certificate":  {pair(block("CERTIFICATE"), good.Key), certificateOf, "its certificate cannot be read: malformed certificate; write it anew"},
		"bad key":          {pair(good.Certificate, block("PRIVATE KEY")), keyOf, "the key cannot be read: failed to parse private key; write it anew; RSA, ECDSA and Ed25519 are known"},
		"bad authority":    {layer.TLSFiles{Pairs: pair(good.Certificate, good.Key).Pairs, ClientCA: block("CERTIFICATE")}, authorityOf, "a certificate in it cannot be read: malformed certificate; write it anew"},
		"authority, a key": {layer.TLSFiles{Pairs: pair(good.Certificate, good.Key).Pairs, ClientCA: good.Key}, authorityOf, "there is no certificate in it"},
	} {
		_, err := layer.NewTLS(c.files)
		var problem *layer.FileProblem
		require.ErrorAs(t, err, &problem, name)
		require.Equal(t, c.path(c.files), problem.Path, name)
		require.Contains(t, problem.Problem+"; "+problem.Next, c.want, name)
	}
	if os.Getuid() != 0 {
		require.NoError(t, os.Chmod(good.Key, 0))
		_, err := layer.NewTLS(pair(good.Certificate, good.Key))
		require.ErrorContains(t, err, good.Key+": permission denied; allow this user to read it")
	}
}

func TestWarningsOfFiles(t *testing.T) {
	ca := frameworktest.NewAuthority(t)
	expired := ca.IssueUntil(t, time.Now().Add(-time.Minute), "old")
	require.NoError(t, os.Chmod(expired.Key, 0o644))
	l, err := layer.NewTLS(pair(expired.Certificate, expired.Key))
	require.NoError(t, err)
	require.Len(t, l.Warnings(), 2)
	require.Equal(t, expired.Certificate, l.Warnings()[0].Path)
	require.Regexp(t, `^the certificate has expired on \d{4}-`, l.Warnings()[0].Problem)
	require.Equal(t, layer.FileProblem{Path: expired.Key, Problem: "every user of this machine can read the key", Next: "chmod 600 " + expired.Key}, *l.Warnings()[1])
	require.WithinDuration(t, time.Now(), l.Expires(), time.Hour)
	good := ca.Issue(t, "good")
	l, err = layer.NewTLS(pair(good.Certificate, good.Key))
	require.NoError(t, err)
	require.Empty(t, l.Warnings())
}

func pair(certificate, key string) layer.TLSFiles {
	return layer.TLSFiles{Pairs: []layer.Pair{{Certificate: certificate, Key: key}}}
}

func certificateOf(f layer.TLSFiles) string { return f.Pairs[0].Certificate }
func keyOf(f layer.TLSFiles) string         { return f.Pairs[0].Key }
func authorityOf(f layer.TLSFiles) string   { return f.ClientCA }
