package plugin

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/internal/options"
	"github.com/go-socketserver/socketserver/framework/internal/process"
)

// A workerLink leads to a process in PROTOCOL.md's worker mode: all is on descriptor 3.
type workerLink struct {
	of   *instance
	ping bool
}

func openWorker(ctx context.Context, s Settings) (*framework.HandlerClass, error) {
	s.WorkingDirectory = cmp.Or(s.WorkingDirectory, filepath.Dir(s.Path))
	return openKept(ctx, s, beginWorker)
}

// describeWorker starts a process with default options and reads its hello.
func describeWorker(ctx context.Context, s Settings) (*Description, error) {
	return describeKept(ctx, s, func(ctx context.Context, h *host) (*Description, error) {
		i, hello, err := beginWorker(ctx, &h.settings, h.image)
		if err != nil {
			return nil, err
		}
		i.discard()
		return &Description{Options: hello.Options, Networks: hello.Networks, Stateful: hello.Stateful}, nil
	})
}

// beginWorker starts a process in worker mode. The first one of a plugin reports which options
// are paths; where there are any it is started again, with absolute ones.
func beginWorker(ctx context.Context, s *Settings, image *process.Image) (*instance, *framework.WorkerHello, error) {
	i, hello, err := startWorker(ctx, s, image)
	if hello == nil || s.Directory == "" {
		return i, hello, err
	}
	directory := s.Directory
	s.Directory = ""
	if !slices.ContainsFunc(hello.Options, func(o framework.Option) bool { return o.Type == options.Path }) {
		return i, hello, err
	}
	if err == nil {
		i.discard()
	}
	if s.Options, err = framework.AbsolutePaths(hello.Options, s.Options, directory); err != nil {
		return nil, nil, err
	}
	return startWorker(ctx, s, image)
}

// startWorker returns the hello of a process also where that says that it does not serve.
func startWorker(ctx context.Context, s *Settings, image *process.Image) (*instance, *framework.WorkerHello, error) {
	i, theirs, err := newInstance(s, image)
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	link := &workerLink{of: i}
	i.link, i.runner.found = link, true // there is no handshake among what it prints
	i.runner.env = process.Unique(slices.Concat(process.Environment(), s.Environment, []string{"SOCKETSERVER_WORKER=" + s.Server}))
	i.runner.dir = s.WorkingDirectory
	defer context.AfterFunc(ctx, i.runner.kill)()
	if err := i.runner.Start(ctx); err != nil {
		i.discard()
		return nil, nil, err
	}
	_ = theirs.Close() // or its end would not be that of the channel
	if err := i.connect(s); err != nil {
		i.discard()
		return nil, nil, err
	}
	hello, err := i.worker.Configure(s.configuration(), 2*startTimeout) // ctx comes first
	switch {
	case hello == nil:
		err = i.noHello(ctx, s.Kind, err)
	case err == nil && hello.Options != nil: // else it does not say which it has
		_, err = completeOptions(hello.Options, s.Options, nil)
	}
	if err != nil {
		i.discard()
		return nil, hello, err
	}
	link.ping = hello.Ping
	return i, hello, nil
}

// noHello returns why a process has not said hello.
func (i *instance) noHello(ctx context.Context, kind Kind, err error) error {
	switch late := ctx.Err(); {
	case late == context.Canceled:
		return late
	case late != nil && kind == Python:
		return i.runner.problem(fmt.Errorf("it has come neither to serve_forever() nor to its end within %s; remove what it waits for, or loops in, before that", startTimeout))
	case late != nil:
		return fmt.Errorf("it did not say hello on descriptor 3 within %s; see the worker mode of PROTOCOL.md", startTimeout)
	}
	select {
	case <-i.worker.Gone():
		return i.runner.problem(err)
	default:
		return err
	}
}

func (l *workerLink) health(ctx context.Context) error {
	if !l.ping {
		return nil
	}
	return l.of.worker.Ping(ctx)
}

// stop waits for the process, which ends after its last request.
func (l *workerLink) stop(ctx context.Context) error {
	select {
	case <-l.of.runner.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (*workerLink) end()   {}
func (*workerLink) close() {}
