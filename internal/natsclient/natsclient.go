// Package natsclient has what connections to NATS have in common.
package natsclient

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const connectTimeout = time.Second // of each address

// ReconnectWait is between attempts to make a connection again.
const ReconnectWait = 250 * time.Millisecond

// Options returns those of a connection that is made again whenever it is lost. Nothing is kept meanwhile: a call
// fails at once, and does not happen later.
func Options(name string) []nats.Option {
	return []nats.Option{
		nats.Name(name), nats.Timeout(connectTimeout), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectBufSize(-1), nats.ReconnectWait(ReconnectWait), nats.ReconnectJitter(ReconnectWait, ReconnectWait),
		nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2),
	}
}

// Credentials returns the options for a file of credentials. Where path is "" there are none.
func Credentials(path string) ([]nats.Option, error) {
	if path == "" {
		return nil, nil
	}
	if _, err := os.ReadFile(path); err != nil {
		return nil, fmt.Errorf("read the credentials: %w", err)
	}
	return []nats.Option{nats.UserCredentials(path)}, nil
}

// IsRefused reports whether NATS does not accept the credentials.
func IsRefused(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked)
}

// IsAway reports whether a server may answer later. err is nil where a connection has ended without one.
func IsAway(err error) bool {
	var network interface{ Timeout() bool }
	for _, away := range []error{nats.ErrNoServers, nats.ErrTimeout, nats.ErrStaleConnection, io.EOF} {
		if errors.Is(err, away) {
			return true
		}
	}
	return err == nil || errors.As(err, &network)
}

// Reason returns an error of a connection in the words of a log.
func Reason(err error) error {
	switch {
	case errors.As(err, new(*net.DNSError)):
		return err
	case IsRefused(err):
		return errors.New("NATS refuses the credentials")
	case IsAway(err):
		return errors.New("NATS does not answer")
	}
	return err
}

// Hosts returns the servers of a URL without what is secret in it.
func Hosts(urls string) string {
	var all []string
	for one := range strings.SplitSeq(urls, ",") {
		if u, err := url.Parse(strings.TrimSpace(one)); err == nil {
			all = append(all, u.Host)
		}
	}
	return strings.Join(all, ", ")
}
