// Package natsclient has what connections to NATS have in common.
package natsclient

import (
	"errors"
	"net/url"
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

// IsRefused reports whether NATS does not accept the credentials.
func IsRefused(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked)
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
