// Package distributed has the handlers of a server run in workers on any machine of a cluster.
//
// A [Front] accepts clients and a [Worker] runs handlers; each is a process with a key of its own. The front asks
// all workers for offers over NATS, which also tells both sides the fingerprints of the certificates that they may
// trust. The bytes of a client do not pass NATS: the front dials a worker and copies.
package distributed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// An identity is the key of a process, made when it begins and never stored. Others know it by the fingerprint of
// its certificate.
type identity struct {
	certificate tls.Certificate
	fingerprint string
}

func newIdentity() (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(100, 0, 0)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	return &identity{tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, fingerprintOf(raw)}, nil
}

func fingerprintOf(certificate []byte) string {
	sum := sha256.Sum256(certificate)
	return hex.EncodeToString(sum[:])
}

// isFingerprint reports whether text, which anybody in the account may have sent, may be a fingerprint.
func isFingerprint(text string) bool {
	if len(text) != hex.EncodedLen(sha256.Size) {
		return false
	}
	_, err := hex.DecodeString(text)
	return err == nil && text == strings.ToLower(text)
}

// config returns what both sides have in common: they show their own certificate, and accept one that trusted
// knows by its fingerprint, also when a session is resumed.
func (i *identity) config(trusted func(fingerprint string) bool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519}, Certificates: []tls.Certificate{i.certificate},
		ClientAuth: tls.RequireAnyClientCert, InsecureSkipVerify: true, // there is no authority: the fingerprint is what counts
		ClientSessionCache: tls.NewLRUClientSessionCache(4), DynamicRecordSizingDisabled: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !trusted(fingerprintOf(s.PeerCertificates[0].Raw)) {
				return errStranger
			}
			return nil
		},
	}
}

var errStranger = errors.New("the certificate is not one that was announced in the cluster")
