package layer

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A remoteKey is a private key that the server has. It signs what a worker of it asks for.
type remoteKey struct {
	certificate *x509.Certificate
	ask         func(question []byte) ([]byte, error)
}

// asking returns the config of one handshake, which asks for what the keys that the server has are to sign.
func (t *TLS) asking(ask func(question []byte) ([]byte, error)) *tls.Config {
	config := t.loaded.Load().config
	if t.ask == nil {
		return config
	}
	config = config.Clone()
	config.Certificates = slices.Clone(config.Certificates)
	for n := range config.Certificates {
		if c := &config.Certificates[n]; c.PrivateKey == nil {
			c.PrivateKey = &remoteKey{c.Leaf, ask}
		}
	}
	return config
}

// toSign is what a worker asks for. The server hashes the message itself, so that it knows what it signs.
type toSign struct {
	Key     []byte      `json:"key"` // the public one
	Message []byte      `json:"message"`
	Hash    crypto.Hash `json:"hash"`
	PSS     bool        `json:"pss,omitempty"`
}

// Public implements [crypto.Signer].
func (k *remoteKey) Public() crypto.PublicKey { return k.certificate.PublicKey }

// Sign implements [crypto.Signer].
func (k *remoteKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the server signs messages, and no digests")
}

// SignMessage implements [crypto.MessageSigner], as which crypto/tls uses a key.
func (k *remoteKey) SignMessage(_ io.Reader, message []byte, options crypto.SignerOpts) ([]byte, error) {
	s := toSign{Key: k.certificate.RawSubjectPublicKeyInfo, Message: message, Hash: options.HashFunc()}
	_, s.PSS = options.(*rsa.PSSOptions) // as TLS has them: the salt is as long as the hash
	question, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return k.ask(question)
}

// Answer implements [framework.Portable]: it signs with an isolated key, also with one that was replaced since the
// handshake began.
func (t *TLS) Answer(question []byte, handshake time.Duration) ([]byte, error) {
	var s toSign
	if err := json.Unmarshal(question, &s); err != nil {
		return nil, fmt.Errorf("read what to sign: %w", err)
	}
	for _, l := range t.signing(handshake) {
		if key := l.keyOf(s.Key); key != nil {
			return s.sign(key, l.config.MinVersion)
		}
	}
	return nil, errors.New("there is no isolated key for that certificate")
}

// signing returns what was loaded last and what was replaced no longer ago than a handshake takes, if its keys are isolated.
func (t *TLS) signing(handshake time.Duration) (all []*loaded) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.isolated {
		return nil
	}
	all = append(all, t.loaded.Load())
	for _, earlier := range t.before {
		if time.Since(earlier.at) <= handshake {
			all = append(all, earlier.loaded)
		}
	}
	return all
}

// keyOf returns the key that belongs to a public one; nil: there is none.
func (l *loaded) keyOf(public []byte) crypto.Signer {
	for _, c := range l.config.Certificates {
		if bytes.Equal(c.Leaf.RawSubjectPublicKeyInfo, public) {
			return c.PrivateKey.(crypto.Signer)
		}
	}
	return nil
}

// hashes are those of signatures in TLS.
var hashes = []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}

// sign signs what a server signs in TLS of at least the version, and nothing else.
func (s *toSign) sign(key crypto.Signer, version uint16) ([]byte, error) {
	in13 := signedIn13(s.Message)
	if !in13 && (version >= tls.VersionTLS13 || !signedIn12(s.Message)) {
		return nil, errors.New("a message that no server signs in TLS")
	}
	if _, ok := key.(*rsa.PrivateKey); ok && in13 && !s.PSS {
		return nil, errors.New("a signature by PKCS #1 v1.5, which TLS 1.3 does not have")
	}
	_, ofMessage := key.(ed25519.PrivateKey)
	switch {
	case ofMessage && s.Hash != 0:
		return nil, fmt.Errorf("hash %d for a key that signs messages", s.Hash)
	case !ofMessage && !slices.Contains(hashes, s.Hash): // 0 would sign without a hash; of others crypto/rsa panics
		return nil, fmt.Errorf("hash %d is none of TLS", s.Hash)
	}
	var options crypto.SignerOpts = s.Hash
	if s.PSS {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: s.Hash}
	}
	return crypto.SignMessage(key, rand.Reader, s.Message, options)
}

// before13 precedes the hash of a handshake where a server signs that, RFC 8446 section 4.4.3.
var before13 = []byte(strings.Repeat(" ", 64) + "TLS 1.3, server CertificateVerify\x00")

// signedIn13 reports whether a server signs a message in TLS 1.3.
func signedIn13(message []byte) bool {
	transcript, ok := bytes.CutPrefix(message, before13)
	return ok && (len(transcript) == crypto.SHA256.Size() || len(transcript) == crypto.SHA384.Size())
}

// curveOf returns the curve of that number in TLS 1.2; nil: crypto/tls has none.
func curveOf(id tls.CurveID) ecdh.Curve {
	switch id {
	case tls.X25519:
		return ecdh.X25519()
	case tls.CurveP256:
		return ecdh.P256()
	case tls.CurveP384:
		return ecdh.P384()
	case tls.CurveP521:
		return ecdh.P521()
	}
	return nil
}

// signedIn12 reports whether a server signs a message in TLS 1.2: two random numbers of 32 bytes, and a point of a curve
// that has a number, RFC 8422 section 5.4.
func signedIn12(message []byte) bool {
	const namedCurve, head = 3, 64 + 4
	if len(message) < head || message[64] != namedCurve || int(message[67]) != len(message)-head {
		return false
	}
	curve := curveOf(tls.CurveID(binary.BigEndian.Uint16(message[65:])))
	if curve == nil {
		return false
	}
	_, err := curve.NewPublicKey(message[head:])
	return err == nil
}
