package wasm

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/sys"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/logline"
)

// A handler serves one request with an instance.
type handler struct {
	framework.BaseRequestHandler
	class  *class
	failed error          // the first error of a read or write; the module gets no more than a number
	end    func()         // ends the instance
	log    *logline.Relay // of what is printed; nil: nothing was
}

// Handle runs an instance until it ends, or its request's time has passed.
func (h *handler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	if err := h.class.acquire(); err != nil {
		return err
	}
	defer func() { _ = h.class.release() }()
	ctx, cancel := h.limit()
	defer cancel()
	h.end = cancel
	config := withEnvironment(h.class.config, h.Environment()).
		WithStdin(input{h, rfile}).WithStdout(output{h, wfile}).WithStderr(printed{h}).
		WithNanosleep(func(ns int64) { sleep(ctx, time.Duration(ns)) })
	instance, err := h.class.module.runtime.InstantiateModule(ctx, h.class.module.compiled, config)
	if instance != nil { // it has ended, and its start function with an exit status of 0
		err = errors.Join(err, instance.Close(ctx))
	}
	if h.log != nil {
		h.log.Close()
	}
	return h.outcome(ctx, err)
}

// limit returns the context of the instance. It is done when the request has taken too long.
// When the server stops the instance reads what has arrived and then the end; it is ended after
// the drain timeout.
func (h *handler) limit() (context.Context, context.CancelFunc) {
	timeouts := h.Timeouts()
	ctx, cancel := context.WithCancel(context.Background())
	if timeouts.Request > 0 {
		ctx, cancel = context.WithTimeout(context.Background(), timeouts.Request)
	}
	stop := context.AfterFunc(h.Context(), func() {
		h.CloseRead()
		sleep(ctx, cmp.Or(timeouts.Drain, 10*time.Second))
		cancel()
	})
	return ctx, func() { stop(); cancel() }
}

// sleep waits, at most until ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// outcome returns the error of the request, whatever the module has made of it. err is that of the
// instance.
func (h *handler) outcome(ctx context.Context, err error) error {
	exit := (*sys.ExitError)(nil)
	switch late := ctx.Err(); {
	case h.failed != nil:
		return h.failed
	case errors.Is(late, context.DeadlineExceeded):
		return &conn.TimeoutError{Name: "request", After: h.Timeouts().Request, Err: os.ErrDeadlineExceeded}
	case late != nil:
		return framework.ErrServerClosed
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		trap, stack, _ := strings.Cut(strings.TrimPrefix(err.Error(), "module[] function[_start] failed: "), "\n")
		return &framework.PanicError{Value: trap, Stack: []byte(stack)}
	case exit.ExitCode() == 0:
		return nil
	}
	return fmt.Errorf("exit status %d%s", exit.ExitCode(), h.lastLine())
}

// lastLine returns what the module printed last, to follow how it ended.
func (h *handler) lastLine() string {
	if h.log == nil {
		return ""
	}
	tail := h.log.Tail(true)
	if len(tail) == 0 {
		return ""
	}
	return fmt.Sprintf(" (it printed %q)", tail[len(tail)-1])
}

// fail keeps the first error.
func (h *handler) fail(err error) {
	if h.failed == nil && err != nil && !errors.Is(err, io.EOF) {
		h.failed = err
	}
}

// input is a module's standard input.
type input struct {
	*handler
	rfile *bufio.Reader
}

func (i input) Read(p []byte) (int, error) {
	n, err := i.rfile.Read(p)
	i.fail(err)
	return n, err
}

// output is a module's standard output. An error ends the instance, as SIGPIPE ends a process: one that only writes would go on
// for ever.
type output struct {
	*handler
	wfile io.Writer
}

func (o output) Write(p []byte) (int, error) {
	n, err := o.wfile.Write(p)
	if err != nil {
		o.fail(err)
		o.end()
	}
	return n, err
}

// printed is a module's standard error: each line becomes one of the log.
type printed struct{ *handler }

func (p printed) Write(text []byte) (int, error) {
	if p.log == nil {
		p.log = p.class.printed.NewRelay(p.Log())
	}
	return p.log.Write(text)
}
