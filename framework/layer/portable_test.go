package layer

import (
	"crypto/tls"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

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
		l.age(l.loaded.Load())
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
	l.age(old)
	require.Len(t, keys(), 1)
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
