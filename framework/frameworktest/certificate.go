package frameworktest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An Authority issues certificates. File is the path of its own, in PEM.
type Authority struct {
	File        string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// A Certificate is the files of a certificate and its key, in PEM.
type Certificate struct{ Certificate, Key string }

// NewAuthority makes an authority.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{File: filepath.Join(t.TempDir(), "ca.pem")}
	var raw []byte
	raw, a.key = a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	var err error
	a.certificate, err = x509.ParseCertificate(raw)
	require.NoError(t, err)
	writePEM(t, a.File, "CERTIFICATE", raw)
	return a
}

// Issue issues a certificate for names and addresses, valid from an hour ago for two hours. The first name
// is that of its subject.
func (a *Authority) Issue(t testing.TB, names ...string) Certificate {
	t.Helper()
	return a.IssueUntil(t, time.Now().Add(time.Hour), names...)
}

// IssueUntil is Issue with the time when the certificate expires.
func (a *Authority) IssueUntil(t testing.TB, expires time.Time, names ...string) Certificate {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: names[0], Organization: []string{"Example"}}, NotBefore: time.Now().Add(-time.Hour), NotAfter: expires,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	raw, key := a.sign(t, template)
	dir := t.TempDir()
	c := Certificate{filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")}
	writePEM(t, c.Certificate, "CERTIFICATE", raw)
	text, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	writePEM(t, c.Key, "PRIVATE KEY", text)
	return c
}

// sign makes a key and a certificate for it. An authority that has no certificate yet signs it with that key.
func (a *Authority) sign(t testing.TB, template *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	return raw, key
}

func writePEM(t testing.TB, path, kind string, raw []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600))
}

// Pool returns the authority as a client trusts it.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// Pair loads a certificate, as a client shows it.
func (c Certificate) Pair(t testing.TB) tls.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	require.NoError(t, err)
	return pair
}
