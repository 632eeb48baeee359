package layer

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// TLSFiles are the files and choices of a TLS layer.
type TLSFiles struct {
	// Pairs are the certificates. A client gets the first one that is for the name it asks for, or
	// else the first.
	Pairs []Pair `json:"certificates"`
	// ClientCA has the authorities of clients' certificates; empty: clients need none.
	ClientCA string `json:"client_ca,omitempty"`
	// MinVersion is "1.2" or "1.3"; empty means 1.2.
	MinVersion string `json:"min_version,omitempty"`
	// ALPN are the protocols to agree on; empty: any. A client that names others is refused.
	ALPN []string `json:"alpn,omitempty"`
	// Isolated means that the keys stay in this process, which signs for workers that end TLS.
	Isolated bool `json:"isolated,omitempty"`
}

// A Pair are the paths of a certificate and its key, in PEM. Certificates between it and its
// authority follow it. Both may be one file.
type Pair struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// Files returns the paths of all files; none: f is nil.
func (f *TLSFiles) Files() []string {
	var all []string
	if f == nil {
		return nil
	}
	for _, p := range f.Pairs {
		all = append(all, p.Certificate, p.Key)
	}
	if f.ClientCA != "" {
		all = append(all, f.ClientCA)
	}
	return all
}

// String describes f in one line; empty: f is nil.
func (f *TLSFiles) String() string {
	if f == nil {
		return ""
	}
	var all []string
	for _, p := range f.Pairs {
		all = append(all, fmt.Sprintf("%q with %q", p.Certificate, p.Key))
	}
	for _, more := range []struct{ name, value string }{{"client_ca", f.ClientCA}, {"min_version", f.MinVersion}, {"alpn", strings.Join(f.ALPN, " ")}} {
		if more.value != "" {
			all = append(all, fmt.Sprintf("%s %q", more.name, more.value))
		}
	}
	if f.Isolated {
		all = append(all, "isolated keys")
	}
	return strings.Join(all, ", ")
}

// A FileProblem is what is wrong with a file.
type FileProblem struct{ Path, Problem, Next string }

func (p *FileProblem) Error() string { return fmt.Sprintf("%s: %s; %s", p.Path, p.Problem, p.Next) }

// loaded is what the files contain.
type loaded struct {
	config   *tls.Config
	warnings []*FileProblem
	expires  time.Time
	read     hash.Hash         // of all that was read so far
	sum      [sha256.Size]byte // of all

	clientCAs [][]byte      // in DER
	changed   chan struct{} // closed when it is not used any more
	described []byte        // for workers; nil: none has asked for it
	tickets   [][32]byte    // the keys of session tickets, once there are workers
	aging     *time.Timer   // gives them another one; nil: there are none
}

// aead are the cipher suites of TLS 1.2 that are left: those with forward secrecy and without CBC.
// TLS 1.3 has no others.
var aead = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// newConfig returns what all TLS layers have in common.
func newConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: aead, VerifyConnection: bound}
}

// load reads the files.
func (f *TLSFiles) load() (*loaded, error) {
	l := &loaded{config: newConfig(), read: sha256.New(), changed: make(chan struct{})}
	l.config.NextProtos = f.ALPN
	if f.MinVersion == "1.3" {
		l.config.MinVersion = tls.VersionTLS13
	}
	var errs []error
	for _, p := range f.Pairs {
		errs = append(errs, l.pair(p))
	}
	if f.ClientCA != "" {
		errs = append(errs, l.authorities(f.ClientCA))
	}
	l.sum = [sha256.Size]byte(l.read.Sum(nil))
	return l, errors.Join(errs...)
}

// maxShown is the size in bytes of the certificates that a client may show: they are handed to the
// process that serves it.
const maxShown = 64 << 10

func bound(s tls.ConnectionState) error {
	size := 0
	for _, c := range s.PeerCertificates {
		size += len(c.Raw)
	}
	if size > maxShown {
		return fmt.Errorf("the client's certificates have %d bytes, and at most %d are accepted", size, maxShown)
	}
	return nil
}

// Load reads a certificate and its key.
func (p Pair) Load() (tls.Certificate, error) {
	l := &loaded{config: &tls.Config{}, read: sha256.New()}
	if err := l.pair(p); err != nil {
		return tls.Certificate{}, err
	}
	return l.config.Certificates[0], nil
}

// pair loads a certificate and its key.
func (l *loaded) pair(p Pair) error {
	chain, err := l.blocks(p.Certificate, "CERTIFICATE", "certificate")
	key, failed := l.blocks(p.Key, "PRIVATE KEY", "private key")
	if err == nil || p.Key != p.Certificate { // else it says it all
		err = errors.Join(err, failed)
	}
	if err != nil {
		return err
	}
	var all []byte
	for _, c := range chain {
		if _, err := x509.ParseCertificate(c.Bytes); err != nil {
			return &FileProblem{p.Certificate, fmt.Sprintf("its certificate cannot be read: %v", trim(err)), "write it anew"}
		}
		all = append(all, pem.EncodeToMemory(c)...)
	}
	if strings.HasPrefix(key[0].Type, "ENCRYPTED") || key[0].Headers["DEK-Info"] != "" {
		return &FileProblem{p.Key, "the key is encrypted", "write it without a passphrase: openssl pkey -in " + p.Key + " -out FILE"}
	}
	c, err := tls.X509KeyPair(all, pem.EncodeToMemory(key[0]))
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "does not match"):
		return &FileProblem{p.Key, "the key is not that of the certificate in " + p.Certificate, "name the two that belong together"}
	default:
		return &FileProblem{p.Key, fmt.Sprintf("the key cannot be read: %v", trim(err)), "write it anew; RSA, ECDSA and Ed25519 are known"}
	}
	l.config.Certificates = append(l.config.Certificates, c)
	l.warn(p, c.Leaf)
	return nil
}

// trim removes the name of the package from an error of the standard library.
func trim(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "tls: "), "x509: ")
}

// warn records what is wrong with a pair that can be used.
func (l *loaded) warn(p Pair, leaf *x509.Certificate) {
	if l.expires.IsZero() || leaf.NotAfter.Before(l.expires) {
		l.expires = leaf.NotAfter
	}
	const day = "2006-01-02 15:04 MST"
	switch now := time.Now(); {
	case now.After(leaf.NotAfter):
		l.warnings = append(l.warnings, &FileProblem{p.Certificate, "the certificate has expired on " + leaf.NotAfter.Format(day), "renew it"})
	case now.Before(leaf.NotBefore):
		l.warnings = append(l.warnings, &FileProblem{p.Certificate, "the certificate is not valid before " + leaf.NotBefore.Format(day), "check this machine's clock"})
	}
	if info, err := os.Stat(p.Key); err == nil && othersRead(info.Mode()) {
		l.warnings = append(l.warnings, &FileProblem{p.Key, "every user of this machine can read the key", "chmod 600 " + p.Key})
	}
}

// authorities loads the authorities of clients.
func (l *loaded) authorities(path string) error {
	blocks, err := l.blocks(path, "CERTIFICATE", "authorities' certificates")
	if err != nil {
		return err
	}
	for _, b := range blocks {
		l.clientCAs = append(l.clientCAs, b.Bytes)
	}
	if err := trust(l.config, l.clientCAs); err != nil {
		return &FileProblem{path, fmt.Sprintf("a certificate in it cannot be read: %v", trim(err)), "write it anew"}
	}
	return nil
}

// blocks returns the PEM blocks of a file whose type ends with kind, at least one. wanted is what the file should have.
func (l *loaded) blocks(path, kind, wanted string) ([]*pem.Block, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	_, _ = l.read.Write(text)
	var blocks []*pem.Block
	others := ""
	for b, rest := pem.Decode(text); b != nil; b, rest = pem.Decode(rest) {
		if strings.HasSuffix(b.Type, kind) {
			blocks = append(blocks, b)
		} else {
			others = b.Type
		}
	}
	what := map[string]string{"CERTIFICATE": "certificate", "PRIVATE KEY": "private key"}[kind]
	switch {
	case len(blocks) > 0:
		return blocks, nil
	case others != "":
		return nil, &FileProblem{path, fmt.Sprintf("there is no %s in it, but PEM of type %q", what, others), "name the file of the " + wanted}
	}
	return nil, &FileProblem{path, fmt.Sprintf("there is no %s in it: it is not PEM", what), `write it as PEM, which begins with "-----BEGIN ` + kind + `-----"`}
}

// readFile reads a regular file, as far as certificates could be that long.
func readFile(path string) ([]byte, error) {
	const longest = 1 << 20
	info, err := os.Stat(path) // opening a pipe would block
	if err == nil && !info.Mode().IsRegular() {
		return nil, &FileProblem{path, "it is not a regular file", "name a file in PEM"}
	}
	var text []byte
	if err == nil {
		var f *os.File
		if f, err = os.Open(path); err == nil {
			defer f.Close()
			text, err = io.ReadAll(io.LimitReader(f, longest+1))
		}
	}
	switch wrapped := (*fs.PathError)(nil); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &FileProblem{path, "there is no such file", "check the path, or write the file"}
	case errors.Is(err, fs.ErrPermission):
		return nil, &FileProblem{path, "permission denied", "allow this user to read it"}
	case errors.As(err, &wrapped):
		return nil, &FileProblem{path, fmt.Sprintf("%s: %v", wrapped.Op, wrapped.Err), "check the path"}
	case err != nil:
		return nil, &FileProblem{path, err.Error(), "check the path"}
	case len(text) > longest:
		return nil, &FileProblem{path, "it is longer than 1 MiB", "name a file with the certificates that are needed"}
	}
	return text, nil
}
