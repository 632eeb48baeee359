package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/internal/process"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/framework/plugin/control"
	"github.com/go-socketserver/socketserver/framework/proxyproto"
)

// grace is the time that each side waits for the other's end.
const grace = 2 * time.Second

// Serve is the whole main of a plugin; it does not return. It serves the handlers of c until the
// server has no more requests or has ended. SIGINT and SIGTERM, which terminals and service
// managers send to all processes of a server, do not end it. Each line that the program prints,
// to standard output too, or logs is a line of the server's log.
//
// Under [framework.Forking] the program is started for each request and is a worker, as by
// [framework.ServeWorker]. Started by hand it serves its standard input and output, once; with --listen
// it serves an address, and --describe prints its options.
func Serve(c framework.Constructor) {
	framework.RestoreLayer = layer.Restore // go-plugin links crypto/tls already
	framework.RestorePreamble = proxyproto.Restore
	framework.ServeWorker(c)
	if os.Getenv(handshake.MagicCookieKey) != handshake.MagicCookieValue {
		os.Exit(startedByHand(c))
	}
	process.SetName(os.Args[0])
	// These signals are for the server, which lets requests finish. They are caught and not
	// ignored, as programs that a handler starts would inherit that.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGTERM)
	s := &service{constructor: c, stdout: os.Stdout, stderr: os.Stderr, retire: make(chan struct{}), done: make(chan struct{})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		goplugin.Serve(&goplugin.ServeConfig{
			HandshakeConfig:  handshake,
			VersionedPlugins: map[int]goplugin.PluginSet{protocolVersion: {"control": &asPlugin{service: s}}},
			GRPCServer:       goplugin.DefaultGRPCServer,
			Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr, JSONFormat: true}),
		})
	}()
	select {
	case <-ended: // the server has ended the control connection
		close(s.retire)
		_, _ = s.Stop(context.Background(), nil)
	case <-s.done: // the server has no more requests, or has ended
		select {
		case <-ended:
		case <-time.After(grace):
		}
	}
	os.Exit(0)
}

// service is the plugin's side of the control service.
type service struct {
	control.UnimplementedControlServer
	constructor    framework.Constructor
	stdout, stderr *os.File

	mu      sync.Mutex
	serving bool          // it is configured
	retire  chan struct{} // closed when it is to take no more requests
	done    chan struct{} // closed when its requests are over
}

// Describe describes the plugin.
func (s *service) Describe(context.Context, *control.DescribeRequest) (*control.DescribeResponse, error) {
	d := &control.DescribeResponse{}
	for _, o := range s.constructor.Options() {
		d.Options = append(d.Options, &control.Option{Name: o.Name, Type: o.Type, Default: o.Default, Doc: o.Doc})
	}
	return d, nil
}

// Configure makes the class and starts to serve.
func (s *service) Configure(_ context.Context, r *control.ConfigureRequest) (*control.ConfigureResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving {
		return nil, status.Error(codes.FailedPrecondition, "the plugin is configured already")
	}
	var c framework.WorkerConfiguration
	if err := json.Unmarshal(r.Configuration, &c); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "read configuration: %v", err)
	}
	class, err := s.constructor.Class(c.Options)
	if err != nil {
		return &control.ConfigureResponse{Problems: problems(err)}, nil
	}
	s.serving = true
	// go-plugin has replaced these by pipes into the control connection, which loses what is
	// printed just before the end.
	os.Stdout, os.Stderr = s.stdout, s.stderr
	go func() {
		defer close(s.done)
		if err := framework.ServeChannel(3, s.retire, c, class); err != nil {
			hclog.New(&hclog.LoggerOptions{Output: os.Stderr, JSONFormat: true}).Error("plugin ended", "error", err)
		}
	}()
	return &control.ConfigureResponse{Networks: class.Serves(), Stateful: class.Stateful}, nil
}

// problems returns the parts of a constructor's error.
func problems(err error) []*control.Problem {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*control.Problem
		for _, err := range joined.Unwrap() {
			all = append(all, problems(err)...)
		}
		return all
	}
	var wrong *framework.OptionError
	if errors.As(err, &wrong) {
		return []*control.Problem{{Option: wrong.Option, Problem: wrong.Problem}}
	}
	return []*control.Problem{{Problem: err.Error()}}
}

// Health answers.
func (s *service) Health(context.Context, *control.HealthRequest) (*control.HealthResponse, error) {
	return &control.HealthResponse{}, nil
}

// Stop waits until the requests are over.
func (s *service) Stop(ctx context.Context, _ *control.StopRequest) (*control.StopResponse, error) {
	s.mu.Lock()
	serving := s.serving
	s.mu.Unlock()
	if serving {
		select {
		case <-s.done:
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
	return &control.StopResponse{}, nil
}
