package natsclient

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// OpenStream opens a stream, or makes it: three times in a cluster, and else once. One that exists may have another
// configuration. Its errors have been explained.
func OpenStream(ctx context.Context, js jetstream.JetStream, c jetstream.StreamConfig) (jetstream.Stream, error) {
	s, err := js.Stream(ctx, c.Name)
	for _, c.Replicas = range []int{3, 1} {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			s, err = js.CreateStream(ctx, c)
			if tooFewPeers(err) {
				err = jetstream.ErrStreamNotFound
			}
		}
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another server was faster
		s, err = js.Stream(ctx, c.Name)
	}
	return s, Explain(err)
}

// tooFewPeers reports whether a stream cannot have so many copies.
func tooFewPeers(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == 10005 || api.ErrorCode == 10074)
}

// IsConflict reports whether a message was refused, as the last one of its subject is not the one that was expected.
func IsConflict(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// IsUndecided reports whether such a message was refused for another one of its subject that has been sent and is not
// stored yet, and may never be.
func IsUndecided(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant
}

// codes are errors of JetStream by what is to be done about them.
var codes = map[jetstream.ErrorCode]string{
	10023: "NATS has no room: its limits or its disk are exhausted",
	10028: "NATS has no room: its memory is exhausted",
	10047: "NATS has no room: its limit of storage is exhausted",
	10077: "NATS cannot store it; is the disk full?",
	10039: "JetStream is not enabled for this account of NATS; enable it",
	10076: "JetStream is not enabled in NATS; start it with -js",
}

// ErrAway is what Explain returns where there is no connection.
var ErrAway = errors.New("NATS cannot be reached")

// Explain returns an error of JetStream with what is to be done about it.
func Explain(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		return errors.New("JetStream does not answer; enable it in NATS, with a leader if there are several")
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrConnectionClosed):
		return ErrAway
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return fmt.Errorf("NATS does not answer: %w", context.DeadlineExceeded)
	case errors.As(err, &api) && codes[api.ErrorCode] != "":
		return fmt.Errorf("%s (%s)", codes[api.ErrorCode], api.Description)
	}
	return err
}
