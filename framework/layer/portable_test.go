package layer

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/internal/life"
)

// Workers are given another key for session tickets each day, and know those of a week. With other files all of
// them are new, as a session that began under other authorities must not be resumed.
func TestKeysOfTicketsAge(t *testing.T) {
	ca := frameworktest.NewAuthority(t)
	l, err := NewTLS(TLSFiles{Pairs: []Pair{Pair(ca.Issue(t, "localhost"))}})
	require.NoError(t, err)
	keys := func() [][32]byte {
		text, changed := l.Describe()
		again, same := l.Describe()
		require.Equal(t, text, again)
		require.Equal(t, changed, same)
		var d description
		require.NoError(t, json.Unmarshal(text, &d))
		return d.Tickets
	}
	before := keys()
	require.Len(t, before, 1)
	for range 2 * ticketDays {
		_, changed := l.Describe()
		l.age(l.loaded.Load().changed)
		require.True(t, life.Closed(changed))
		now := keys()
		require.Equal(t, before[:min(len(before), ticketDays)], now[1:])
		before = now
	}
	require.Len(t, before, ticketDays+1)
	old := l.loaded.Load()
	l.files.Pairs = []Pair{Pair(ca.Issue(t, "localhost"))}
	changed, err := l.Reload()
	require.NoError(t, err)
	require.True(t, changed)
	require.False(t, old.aging.Stop(), "its timer has ended")
	require.NotContains(t, before, keys()[0])
	require.Len(t, keys(), 1)
	l.age(old.changed)
	require.Len(t, keys(), 1)
}

// From the moment a plugin gets a layer nobody is described its keys, and the server signs. Sessions go on.
func TestIsolate(t *testing.T) {
	l, err := NewTLS(TLSFiles{Pairs: []Pair{Pair(frameworktest.NewAuthority(t).Issue(t, "localhost"))}})
	require.NoError(t, err)
	described := func() (d description, changed <-chan struct{}) {
		text, changed := l.Describe()
		require.NoError(t, json.Unmarshal(text, &d))
		return d, changed
	}
	key := &remoteKey{l.loaded.Load().config.Certificates[0].Leaf, answering(l, time.Hour)}
	before, changed := described()
	require.NotEmpty(t, before.Certificates[0].Key)
	_, err = key.SignMessage(nil, asSigned, crypto.SHA256)
	require.EqualError(t, err, "there is no isolated key for that certificate")
	l.Isolate()
	require.True(t, life.Closed(changed))
	after, changed := described()
	require.Empty(t, after.Certificates[0].Key)
	require.Equal(t, before.Tickets, after.Tickets[1:])
	_, err = key.SignMessage(nil, asSigned, crypto.SHA256)
	require.NoError(t, err)
	l.Isolate()
	require.False(t, life.Closed(changed), "nothing has changed")
}

// What is described is all that a layer has.
func TestRestore(t *testing.T) {
	ca := frameworktest.NewAuthority(t)
	l, err := NewTLS(TLSFiles{Pairs: []Pair{Pair(ca.Issue(t, "a")), Pair(ca.Issue(t, "b"))}, ClientCA: ca.File, MinVersion: "1.3", ALPN: []string{"irc"}})
	require.NoError(t, err)
	text, _ := l.Describe()
	restored, err := Restore(text, nil)
	require.NoError(t, err)
	was, is := l.loaded.Load().config, restored.(*TLS).loaded.Load().config
	require.True(t, was.ClientCAs.Equal(is.ClientCAs))
	require.Equal(t, tls.RequireAndVerifyClientCert, is.ClientAuth)
	require.Equal(t, []any{was.MinVersion, was.CipherSuites, was.NextProtos}, []any{is.MinVersion, is.CipherSuites, is.NextProtos})
	require.Len(t, is.Certificates, 2)
	for n, c := range is.Certificates {
		require.Equal(t, was.Certificates[n].Certificate, c.Certificate)
		require.Equal(t, was.Certificates[n].PrivateKey, c.PrivateKey)
	}
}

// answering returns what asks l as a worker of a server does whose handshakes may take that long.
func answering(l *TLS, handshake time.Duration) func([]byte) ([]byte, error) {
	return func(question []byte) ([]byte, error) { return l.Answer(question, handshake) }
}

// asSigned is what a server signs in TLS 1.3.
var asSigned = append(slices.Clone(before13), make([]byte, sha256.Size)...)

// The server signs for workers as TLS does, with isolated keys, and nothing that a worker says makes it panic.
func TestAnswer(t *testing.T) {
	ca := frameworktest.NewAuthority(t)
	c := ca.Issue(t, "localhost")
	l, err := NewTLS(TLSFiles{Pairs: []Pair{Pair(c)}, Isolated: true})
	require.NoError(t, err)
	public := l.loaded.Load().config.Certificates[0].Leaf
	restored := &remoteKey{public, answering(l, time.Hour)}
	signature, err := restored.SignMessage(nil, asSigned, crypto.SHA256)
	require.NoError(t, err)
	digest := sha256.Sum256(asSigned)
	require.True(t, ecdsa.VerifyASN1(public.PublicKey.(*ecdsa.PublicKey), digest[:], signature))
	_, err = restored.Sign(nil, digest[:], crypto.SHA256)
	require.EqualError(t, err, "the server signs messages, and no digests")
	for want, options := range map[string]crypto.SignerOpts{
		"hash 3 is none of TLS":   crypto.SHA1,
		"hash 200 is none of TLS": crypto.Hash(200),
	} {
		_, err := restored.SignMessage(nil, asSigned, options)
		require.EqualError(t, err, want)
	}
	_, err = l.Answer([]byte("nonsense"), time.Hour)
	require.ErrorContains(t, err, "read what to sign")
	for _, files := range []TLSFiles{{Pairs: []Pair{Pair(ca.Issue(t, "other"))}, Isolated: true}, {Pairs: []Pair{Pair(c)}}} {
		other, err := NewTLS(files)
		require.NoError(t, err)
		_, err = (&remoteKey{public, answering(other, time.Hour)}).SignMessage(nil, asSigned, crypto.SHA256)
		require.EqualError(t, err, "there is no isolated key for that certificate")
	}
}

// A handshake that began with a certificate ends also where that was replaced several times meanwhile.
func TestKeysOfEarlierCertificatesSign(t *testing.T) {
	ca := frameworktest.NewAuthority(t)
	l, err := NewTLS(TLSFiles{Pairs: []Pair{Pair(ca.Issue(t, "localhost"))}, Isolated: true})
	require.NoError(t, err)
	first := &remoteKey{l.loaded.Load().config.Certificates[0].Leaf, answering(l, time.Hour)}
	for range keptKeys {
		l.files.Pairs = []Pair{Pair(ca.Issue(t, "localhost"))}
		_, err = l.Reload()
		require.NoError(t, err)
		_, err = first.SignMessage(nil, asSigned, crypto.SHA256)
		require.NoError(t, err)
	}
	l.files.Pairs = []Pair{Pair(ca.Issue(t, "localhost"))}
	_, err = l.Reload()
	require.NoError(t, err)
	_, err = first.SignMessage(nil, asSigned, crypto.SHA256)
	require.EqualError(t, err, "there is no isolated key for that certificate")
}

// The key of a certificate that was replaced signs no longer than a handshake may take.
func TestKeysOfEarlierCertificatesLapse(t *testing.T) {
	ca := frameworktest.NewAuthority(t)
	l, err := NewTLS(TLSFiles{Pairs: []Pair{Pair(ca.Issue(t, "localhost"))}, Isolated: true})
	require.NoError(t, err)
	public := l.loaded.Load().config.Certificates[0].Leaf
	l.files.Pairs = []Pair{Pair(ca.Issue(t, "localhost"))}
	_, err = l.Reload()
	require.NoError(t, err)
	_, err = (&remoteKey{public, answering(l, time.Hour)}).SignMessage(nil, asSigned, crypto.SHA256)
	require.NoError(t, err)
	_, err = (&remoteKey{public, answering(l, time.Nanosecond)}).SignMessage(nil, asSigned, crypto.SHA256)
	require.EqualError(t, err, "there is no isolated key for that certificate")
	current := l.loaded.Load().config.Certificates[0].Leaf
	_, err = (&remoteKey{current, answering(l, time.Nanosecond)}).SignMessage(nil, asSigned, crypto.SHA256)
	require.NoError(t, err)
}

// A client resumes its session also where it meets a worker first and then the server, which ends TLS beside it,
// or the other way round.
func TestTicketsOfServerAndWorkers(t *testing.T) {
	ca := frameworktest.NewAuthority(t)
	here, err := NewTLS(TLSFiles{Pairs: []Pair{Pair(ca.Issue(t, "localhost"))}})
	require.NoError(t, err)
	text, _ := here.Describe()
	there, err := Restore(text, nil)
	require.NoError(t, err)
	client := &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for n, l := range []framework.Layer{here, there, here} {
		theirs, ours := net.Pipe()
		wrapped := make(chan error, 1)
		go func() {
			c, err := l.Wrap(t.Context(), theirs)
			if err == nil {
				err = c.Close()
			}
			wrapped <- err
		}()
		conn := tls.Client(ours, client)
		_, err := io.ReadAll(conn) // the ticket comes before the end
		require.NoError(t, err)
		require.NoError(t, frameworktest.Await(t, wrapped))
		require.Equal(t, n > 0, conn.ConnectionState().DidResume)
		require.NoError(t, ours.Close())
	}
}

// A handshake whose signature does not come ends with its time.
func TestSignatureThatDoesNotCome(t *testing.T) {
	ca := frameworktest.NewAuthority(t)
	l, err := NewTLS(TLSFiles{Pairs: []Pair{Pair(ca.Issue(t, "localhost"))}, Isolated: true})
	require.NoError(t, err)
	text, _ := l.Describe()
	ctx, cancel := context.WithCancel(t.Context())
	restored, err := Restore(text, func(ctx context.Context, _ []byte) ([]byte, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	})
	require.NoError(t, err)
	theirs, ours := net.Pipe()
	go func() { _ = tls.Client(ours, &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"}).Handshake() }()
	_, err = restored.Wrap(ctx, theirs)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, ours.Close())
}
