package subject

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/admin"
	"github.com/go-socketserver/socketserver/cmd/socketserver/page/feed"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

const (
	framesName   = "frames" // of their socket, in the directory of a subject
	framesPeriod = 40 * time.Millisecond
)

// show serves the frames of the servers.
func (s *Spec) show(servers *supervisor.Supervisor) (hide func(), err error) {
	l, err := net.Listen("unix", filepath.Join(s.Directory, framesName))
	if err != nil {
		return nil, fmt.Errorf("show frames: %w", err)
	}
	frames := feed.New(feed.Servers(servers), framesPeriod, time.Since(time.Unix(0, s.Clock)))
	server := &http.Server{Handler: frames, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(l) }()
	return func() { _ = server.Close(); frames.Close() }, nil
}

// Frames calls each with what the server does, as a page sees it, until ctx is done or the server has
// ended. Its Spec has a Clock.
func (s *Subject) Frames(ctx context.Context, each func(feed.Frame) error) error {
	return admin.Follow(ctx, filepath.Join(s.directory, framesName), "/events", each)
}
