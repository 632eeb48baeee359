package layer

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"slices"
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
	in13 := append(slices.Clone(before13), make([]byte, crypto.SHA256.Size())...)
	share, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	in12 := slices.Concat(make([]byte, 64), []byte{3, 0, 23, 65}, share.PublicKey().Bytes())
	ofClient := bytes.Replace(in13, []byte("server"), []byte("client"), 1)
	const any12, only13 = tls.VersionTLS12, tls.VersionTLS13
	for _, c := range []struct {
		key     crypto.Signer
		ask     toSign
		version uint16
		fair    bool
	}{
		{ofRSA, toSign{Message: in12, Hash: crypto.SHA256}, any12, true},
		{ofRSA, toSign{Message: in13, Hash: crypto.SHA384, PSS: true}, any12, true},
		{ofECDSA, toSign{Message: in13, Hash: crypto.SHA512}, only13, true},
		{ofECDSA, toSign{Message: in12, Hash: crypto.SHA512}, any12, true},
		{ofEd25519, toSign{Message: in13}, only13, true},
		{ofRSA, toSign{Message: in12, Hash: crypto.SHA256, PSS: true}, any12, true},
		{ofRSA, toSign{Message: in13, Hash: crypto.SHA256}, any12, false}, // by PKCS #1 v1.5
		{ofRSA, toSign{Message: in13}, any12, false},
		{ofRSA, toSign{Message: in13, PSS: true}, any12, false},
		{ofRSA, toSign{Message: in13, Hash: crypto.SHA1, PSS: true}, any12, false},
		{ofECDSA, toSign{Message: in13, Hash: 200}, any12, false},
		{ofEd25519, toSign{Message: in13, Hash: crypto.SHA512}, any12, false},

		// What is signed elsewhere: a certificate, a token, the other side of TLS, an old version where that is not spoken.
		{ofECDSA, toSign{Message: []byte("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJyb290In0"), Hash: crypto.SHA256}, any12, false},
		{ofEd25519, toSign{Message: append([]byte{0x30, 0x82}, make([]byte, 200)...)}, any12, false},
		{ofECDSA, toSign{Message: ofClient, Hash: crypto.SHA256}, any12, false},
		{ofECDSA, toSign{Message: append(slices.Clone(in13), 0), Hash: crypto.SHA256}, any12, false},
		{ofECDSA, toSign{Message: in12, Hash: crypto.SHA256}, only13, false},
		{ofECDSA, toSign{Message: in12[:len(in12)-1], Hash: crypto.SHA256}, any12, false},
		{ofECDSA, toSign{Message: slices.Concat(in12[:68], make([]byte, 65)), Hash: crypto.SHA256}, any12, false},
		{ofECDSA, toSign{Hash: crypto.SHA256}, any12, false},
	} {
		signature, err := c.ask.sign(c.key, c.version)
		require.Equal(t, c.fair, err == nil, "%T %+v: %v", c.key, c.ask, err)
		require.Equal(t, c.fair, len(signature) > 0)
	}
}
