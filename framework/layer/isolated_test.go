package layer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"github.com/stretchr/testify/require"
)

// A worker that was taken over gets signatures of TLS and no others, and cannot end the server by what it asks for.
func TestSignsAsTLSDoes(t *testing.T) {
	ofRSA, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ofECDSA, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, ofEd25519, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	digest := make([]byte, crypto.SHA512.Size())
	for _, c := range []struct {
		key  crypto.Signer
		ask  toSign
		fair bool
	}{
		{ofRSA, toSign{Digest: digest[:32], Hash: crypto.SHA256}, true},
		{ofRSA, toSign{Digest: digest[:48], Hash: crypto.SHA384, PSS: true}, true},
		{ofECDSA, toSign{Digest: digest, Hash: crypto.SHA512}, true},
		{ofEd25519, toSign{Digest: digest}, true},
		{ofRSA, toSign{Digest: digest}, false},
		{ofRSA, toSign{Digest: digest, PSS: true}, false},
		{ofRSA, toSign{Digest: digest[:20], Hash: crypto.SHA1, PSS: true}, false},
		{ofRSA, toSign{Digest: digest[:32], Hash: crypto.SHA512}, false},
		{ofECDSA, toSign{Digest: digest[:32]}, false},
		{ofEd25519, toSign{Digest: digest, Hash: crypto.SHA512}, false},
	} {
		signature, err := c.ask.sign(c.key)
		require.Equal(t, c.fair, err == nil, "%T %+v: %v", c.key, c.ask, err)
		require.Equal(t, c.fair, len(signature) > 0)
	}
}
