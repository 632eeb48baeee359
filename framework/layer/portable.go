package layer

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"
	"weak"

	"github.com/go-socketserver/socketserver/framework"
)

// description is what a worker makes a TLS layer of.
type description struct {
	Certificates []certificate `json:"certificates"`
	ClientCAs    [][]byte      `json:"client_cas,omitempty"` // in DER
	MinVersion   uint16        `json:"min_version"`
	ALPN         []string      `json:"alpn,omitempty"`
	Tickets      [][32]byte    `json:"tickets"` // the keys of session tickets, the one for new tickets first
}

type certificate struct {
	Chain [][]byte `json:"chain"`         // in DER
	Key   []byte   `json:"key,omitempty"` // in PKCS #8; none: the server signs
}

// A session is resumed with keys of this many days, as by crypto/tls itself.
const (
	ticketDays = 7
	day        = 24 * time.Hour
)

// Describe implements [framework.Portable]. What it returns has the private keys, but for isolated ones, and keys of
// session tickets, which each worker must have so that clients resume sessions in any of them. They are renewed each day.
func (t *TLS) Describe() (text []byte, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.loaded.Load()
	if l.described == nil {
		l.renewTickets()
		l.config.SetSessionTicketKeys(l.tickets) // where this process ends TLS, too, as under forking
		l.described = l.describe(t.isolated)
		l.aging = t.ageLater(l.changed)
	}
	return l.described, l.changed
}

// ageLater has what is loaded age in a day, unless it has changed by then. It keeps neither t nor its keys: a server
// that has ended takes them with it.
func (t *TLS) ageLater(changed <-chan struct{}) *time.Timer {
	unlessGone := weak.Make(t)
	return time.AfterFunc(day, func() {
		if t := unlessGone.Value(); t != nil {
			t.age(changed)
		}
	})
}

// age gives what is loaded, unless it has changed, another key for new tickets. Where no worker asks for it nothing
// follows.
func (t *TLS) age(changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.loaded.Load()
	if l.changed != changed {
		return
	}
	next := *l
	next.described, next.changed = nil, make(chan struct{})
	t.replace(&next)
}

// Isolate implements [framework.Portable]. Processes that have the keys already are described the layer without them, which
// takes nothing from them.
func (t *TLS) Isolate() {
	t.mu.Lock()
	isolated, l := t.isolated, t.loaded.Load()
	t.isolated = true
	t.mu.Unlock()
	if !isolated {
		t.age(l.changed)
	}
}

// replaced is what was loaded earlier. Its isolated keys still sign, for handshakes that have begun with them, for as
// long as one takes.
type replaced struct {
	*loaded
	at time.Time
}

// keptKeys bounds the number of those: more than are replaced in the time of one handshake.
const keptKeys = 8

// replace has l used from here on. The caller holds t.mu.
func (t *TLS) replace(l *loaded) {
	before := t.loaded.Swap(l)
	if before.described = nil; t.isolated {
		t.before = append([]replaced{{before, time.Now()}}, t.before[:min(len(t.before), keptKeys-1)]...)
	}
	if before.aging != nil {
		before.aging.Stop()
	}
	close(before.changed)
}

// renewTickets makes a key for new tickets.
func (l *loaded) renewTickets() {
	var key [32]byte
	_, _ = rand.Read(key[:]) // it does not fail
	l.tickets = append([][32]byte{key}, l.tickets[:min(len(l.tickets), ticketDays)]...)
}

func (l *loaded) describe(isolated bool) []byte {
	d := description{ClientCAs: l.clientCAs, MinVersion: l.config.MinVersion, ALPN: l.config.NextProtos, Tickets: l.tickets}
	for _, c := range l.config.Certificates {
		own := certificate{Chain: c.Certificate}
		if !isolated {
			own.Key, _ = x509.MarshalPKCS8PrivateKey(c.PrivateKey) // of a kind that was read
		}
		d.Certificates = append(d.Certificates, own)
	}
	text, _ := json.Marshal(d) // of plain values
	return text
}

// Restore makes the TLS layer of a description. It is for [framework.RestoreLayer].
func Restore(text []byte, ask func(ctx context.Context, question []byte) ([]byte, error)) (framework.Layer, error) {
	var d description
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("read the description of TLS: %w", err)
	}
	config, t := newConfig(), &TLS{}
	config.MinVersion, config.NextProtos = d.MinVersion, d.ALPN
	for _, c := range d.Certificates {
		own := tls.Certificate{Certificate: c.Chain}
		var err error
		if own.Leaf, err = x509.ParseCertificate(c.Chain[0]); err != nil {
			return nil, fmt.Errorf("read a certificate of TLS: %w", err)
		}
		if c.Key == nil {
			t.ask = ask
		} else if own.PrivateKey, err = x509.ParsePKCS8PrivateKey(c.Key); err != nil {
			return nil, fmt.Errorf("read a key of TLS: %w", err)
		}
		config.Certificates = append(config.Certificates, own)
	}
	if err := trust(config, d.ClientCAs); err != nil {
		return nil, fmt.Errorf("read an authority of TLS: %w", err)
	}
	config.SetSessionTicketKeys(d.Tickets)
	t.loaded.Store(&loaded{config: config, changed: make(chan struct{})})
	return t, nil
}

// trust has clients show a certificate of one of authorities, in DER; none: they need none.
func trust(config *tls.Config, authorities [][]byte) error {
	for _, text := range authorities {
		c, err := x509.ParseCertificate(text)
		if err != nil {
			return err
		}
		if config.ClientCAs == nil {
			config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		}
		config.ClientCAs.AddCert(c)
	}
	return nil
}
