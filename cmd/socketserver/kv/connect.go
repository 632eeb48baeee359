package kv

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/internal/natsclient"
)

const callTimeout = 5 * time.Second // of each call, unless its context ends sooner

// connect connects to a NATS server, and keeps the connection.
func connect(how config.State, log hclog.Logger) (*nats.Conn, error) {
	where := natsclient.Hosts(how.URL)
	log = log.With("nats", where)
	options, err := natsclient.Credentials(how.Credentials)
	if err != nil {
		return nil, err
	}
	options = append(append(options, natsclient.Options("socketserver state")...),
		nats.DisconnectErrHandler(func(c *nats.Conn, err error) {
			if !c.IsClosed() {
				log.Warn("the state is lost; requests that use it fail until it is back", "error", natsclient.Reason(err))
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("the state is back") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Error("NATS reports an error", "error", err) }),
	)
	c, err := nats.Connect(how.URL, options...)
	switch {
	case err == nil:
		return c, nil
	case natsclient.IsRefused(err):
		return nil, fmt.Errorf("NATS at %s refuses the credentials; set credentials, or a user in url", where)
	case !natsclient.IsAway(err):
		return nil, fmt.Errorf("connect to NATS at %s: %w", where, err)
	}
	log.Warn("the state cannot be reached; requests that use it fail until it can", "error", natsclient.Reason(err))
	return nats.Connect(how.URL, append(options, nats.RetryOnFailedConnect(true))...)
}

// explain returns an error of NATS in the words of a state.
func explain(err error) error {
	if err = natsclient.Explain(err); errors.Is(err, natsclient.ErrAway) {
		return errAway
	}
	return err
}

var errAway = errors.New("NATS, which has the state, cannot be reached")
