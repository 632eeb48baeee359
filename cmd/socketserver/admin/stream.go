package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// maxStreams is the number of streams of an endpoint, so that they leave connections to others.
const maxStreams = maxConnections / 2

// Stream returns a [Endpoint.Handler] of server-sent events. frames sends one after the other until
// ctx is done, as the client has left, or send fails. A client that does not read a frame within
// 5 s is let go.
func Stream(frames func(ctx context.Context, send func(frame any) error) error) http.Handler {
	places := make(chan struct{}, maxStreams)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		default:
			answer(w, nil, &Error{http.StatusServiceUnavailable, fmt.Errorf("%d clients have this stream already", maxStreams)})
			return
		}
		control := http.NewResponseController(w)
		w.Header().Set("Content-Type", "text/event-stream")
		_ = frames(r.Context(), func(frame any) error { // the client has left, or does not read
			text, err := json.Marshal(frame)
			if err != nil {
				return err
			}
			_ = control.SetWriteDeadline(time.Now().Add(patience))
			if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil {
				return err
			}
			return control.Flush()
		})
	})
}

// Follow decodes the frames of a stream of the admin socket at path, and calls each with them until
// it returns an error or ctx is done, which is none.
func Follow[T any](ctx context.Context, path, what string, each func(frame T) error) error {
	response, err := request(ctx, path, http.MethodGet, what, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxFrame)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		var frame T
		if err := json.Unmarshal(data, &frame); err != nil {
			return fmt.Errorf("socketserver: read the answer of the daemon: %w", err)
		}
		if err := each(frame); err != nil {
			return err
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil
	case lines.Err() != nil:
		return fmt.Errorf("socketserver: read the answer of the daemon: %w", lines.Err())
	}
	return errors.New("socketserver: the daemon has stopped")
}

// maxFrame is the size in bytes of the longest frame that is read.
const maxFrame = 16 << 20
