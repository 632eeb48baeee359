package layer

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A remoteKey is a private key that the server has. It signs what a worker of it asks for.
type remoteKey struct {
	certificate *x509.Certificate
	ask         func(question []byte) ([]byte, error)
}

// within returns the config of one handshake: the keys that the server has are asked for until ctx is done.
func (t *TLS) within(ctx context.Context) *tls.Config {
	config := t.loaded.Load().config
	if t.ask == nil {
		return config
	}
	config = config.Clone()
	config.Certificates = slices.Clone(config.Certificates)
	ask := func(question []byte) ([]byte, error) { return t.ask(ctx, question) }
	for n := range config.Certificates {
		if c := &config.Certificates[n]; c.PrivateKey == nil {
			c.PrivateKey = &remoteKey{c.Leaf, ask}
		}
	}
	return config
}

// toSign is what a worker asks for.
type toSign struct {
	Key    []byte      `json:"key"` // the public one
	Digest []byte      `json:"digest"`
	Hash   crypto.Hash `json:"hash"`
	PSS    bool        `json:"pss,omitempty"`
}

// Public implements [crypto.Signer].
func (k *remoteKey) Public() crypto.PublicKey { return k.certificate.PublicKey }

// Sign implements [crypto.Signer].
func (k *remoteKey) Sign(_ io.Reader, digest []byte, options crypto.SignerOpts) ([]byte, error) {
	s := toSign{Key: k.certificate.RawSubjectPublicKeyInfo, Digest: digest, Hash: options.HashFunc()}
	_, s.PSS = options.(*rsa.PSSOptions) // as TLS has them: the salt is as long as the hash
	question, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return k.ask(question)
}

// Answer implements [framework.Portable]: it signs with an isolated key, also with one that was replaced lately.
func (t *TLS) Answer(question []byte) ([]byte, error) {
	var s toSign
	if err := json.Unmarshal(question, &s); err != nil {
		return nil, fmt.Errorf("read what to sign: %w", err)
	}
	t.mu.Lock()
	all := append([]*loaded{t.loaded.Load()}, t.before...)
	if !t.isolated {
		all = nil
	}
	t.mu.Unlock()
	for _, l := range all {
		if key := l.keyOf(s.Key); key != nil {
			return s.sign(key)
		}
	}
	return nil, errors.New("there is no isolated key for that certificate")
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

// sign signs as TLS does, and in no other way.
func (s *toSign) sign(key crypto.Signer) ([]byte, error) {
	if _, ok := key.(ed25519.PrivateKey); ok { // of a message
		if s.Hash != 0 {
			return nil, fmt.Errorf("hash %d for a key that signs messages", s.Hash)
		}
		return key.Sign(nil, s.Digest, s.Hash)
	}
	switch s.Hash {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512:
	default: // 0 would sign without a hash; of others crypto/rsa panics
		return nil, fmt.Errorf("hash %d is none of TLS", s.Hash)
	}
	if len(s.Digest) != s.Hash.Size() {
		return nil, fmt.Errorf("a digest of %d bytes", len(s.Digest))
	}
	var options crypto.SignerOpts = s.Hash
	if s.PSS {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: s.Hash}
	}
	return key.Sign(rand.Reader, s.Digest, options)
}
