package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	pluginrunner "github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/process"
	"github.com/go-socketserver/socketserver/framework/plugin/control"
	"github.com/go-socketserver/socketserver/internal/patience"
	"github.com/go-socketserver/socketserver/internal/text"
)

const (
	startTimeout   = 5 * time.Second // from its start until it serves; see patience.WithTimeout
	healthInterval = 2 * time.Second
	healthDeadline = 2 * time.Second
	healthMisses   = 3
	maxMessage     = 1 << 20 // bytes of an answer
)

// An instance is one process of the plugin, from its start until it is reaped.
type instance struct {
	link    link
	runner  *runner
	channel int               // the server's end of descriptor 3; owned by worker, if that is set
	worker  *framework.Worker // nil until it is configured
	used    atomic.Bool       // a request was given to it
	began   time.Time
}

// A link is how a server asks a process about itself; requests are descriptor 3's.
type link interface {
	health(context.Context) error
	// stop returns when the requests of the process are over, of which it gets no more.
	stop(context.Context) error
	// end has the process end, unless it is killed before.
	end()
	// close releases what the link holds. The process has ended.
	close()
}

// newInstance makes an instance. The process gets the descriptor that is returned.
func newInstance(s *Settings, image *process.Image) (*instance, *os.File, error) {
	if image.Changed() {
		return nil, nil, errors.New("it has been overwritten since its server opened; restart the server to use what is there now")
	}
	channel, theirs, err := handoff.Sockets()
	if err != nil {
		return nil, nil, err
	}
	return &instance{runner: newRunner(s, image, theirs), channel: channel, began: time.Now()}, theirs, nil
}

// A grpcLink is the control service of PROTOCOL.md.
type grpcLink struct {
	dir     *runtimeDir
	client  *goplugin.Client
	control control.ControlClient
}

// launch starts a process and shakes hands with it. If ctx is done first it ends the process.
func launch(ctx context.Context, s *Settings, image *process.Image) (*instance, *grpcLink, error) {
	i, theirs, err := newInstance(s, image)
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	dir, err := makeRuntimeDir(&s.Limits) // for each process, as cleaners of temporary files may have removed the last one
	if err != nil {
		_ = syscall.Close(i.channel)
		return nil, nil, err
	}
	l := &grpcLink{dir: dir}
	i.link = l
	l.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  handshake,
		VersionedPlugins: map[int]goplugin.PluginSet{protocolVersion: {}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		SkipHostEnv:      true,
		StartTimeout:     2 * time.Minute,       // ctx comes first
		Logger:           hclog.NewNullLogger(), // what matters of it is in our errors
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: dir.path},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
			grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: startTimeout}),
		},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (pluginrunner.Runner, error) {
			sockets, err := dir.give(&s.Limits) // the one that the client has made stays empty: it removes that, whatever is in it
			if err != nil {
				return nil, err
			}
			i.runner.env = process.Unique(slices.Concat(process.Environment(), s.Environment, cmd.Env, []string{goplugin.EnvUnixSocketDir + "=" + sockets})) // cmd itself would read the terminal
			i.runner.dir = s.WorkingDirectory
			i.runner.sandbox = withPaths(s.Sandbox, nil, []string{sockets})
			return i.runner, nil
		},
	})
	defer context.AfterFunc(ctx, i.runner.kill)()
	protocol, err := l.client.Client()
	if err != nil {
		i.discard()
		switch ctx.Err() {
		case context.Canceled:
			return nil, nil, ctx.Err()
		case context.DeadlineExceeded:
			err = fmt.Errorf("it did not shake hands within %s; its main must be plugin.Serve", startTimeout)
		}
		err = i.runner.problem(errors.New(text.Line(err.Error())))
		if errors.Is(err, errEnded) {
			err = fmt.Errorf("%w; its main must be plugin.Serve", err)
		}
		return nil, nil, err
	}
	l.control = control.NewControlClient(protocol.(*goplugin.GRPCClient).Conn)
	return i, l, nil
}

// beginGo starts a process that speaks PROTOCOL.md and configures it.
func beginGo(ctx context.Context, s *Settings, image *process.Image) (*instance, *framework.WorkerHello, error) {
	i, l, err := launch(ctx, s, image)
	if err != nil {
		return nil, nil, err
	}
	answer, err := i.configure(ctx, l, s)
	if err != nil {
		i.discard()
		return nil, nil, err
	}
	return i, &framework.WorkerHello{Networks: answer.Networks, Stateful: answer.Stateful, State: i.worker.UsesState(), Layers: i.worker.HasLayers()}, nil
}

// configuration is what a process has to know.
func (s *Settings) configuration() framework.WorkerConfiguration {
	return framework.WorkerConfiguration{
		Server: s.Server, Concurrency: s.Concurrency, Options: s.Options, Timeouts: s.Timeouts, MaxLine: s.MaxLine, LogLevel: s.Log.GetLevel().String(),
	}
}

// configure makes the process serve descriptor 3. The first process of a plugin reports which
// options are paths.
func (i *instance) configure(ctx context.Context, l *grpcLink, s *Settings) (*control.ConfigureResponse, error) {
	if s.Directory != "" {
		schema, err := i.describe(ctx, l)
		if err == nil {
			s.Options, err = framework.AbsolutePaths(schema, s.Options, s.Directory)
		}
		if err != nil {
			return nil, err
		}
		s.Directory = ""
	}
	conf, err := json.Marshal(s.configuration())
	if err != nil {
		return nil, fmt.Errorf("configure: %w", err)
	}
	answer, err := l.control.Configure(ctx, &control.ConfigureRequest{Configuration: conf})
	if err != nil && ctx.Err() == context.DeadlineExceeded {
		return nil, fmt.Errorf("it did not answer within %s when it was configured", startTimeout)
	}
	if err != nil {
		return nil, fmt.Errorf("configure: %w", i.problem(ctx, err))
	}
	if len(answer.Problems) > 0 {
		return nil, optionErrors(answer.Problems)
	}
	if err := i.connect(s); err != nil {
		return nil, err
	}
	if err := i.worker.Ready(startTimeout); err != nil {
		return nil, i.runner.problem(err)
	}
	return answer, nil
}

// connect begins to use descriptor 3.
func (i *instance) connect(s *Settings) (err error) {
	channel := i.channel
	i.channel = -1 // it is the worker's, also on an error
	i.worker, err = framework.NewWorker(channel, i.runner.pid(), s.Log, i.end, i.runner.kill)
	if err != nil {
		return err
	}
	go func() { // what it left behind may hold descriptor 3 open
		<-i.runner.done
		i.worker.Disconnect()
	}()
	return nil
}

// describe asks for the options that there are.
func (i *instance) describe(ctx context.Context, l *grpcLink) ([]framework.Option, error) {
	answer, err := l.control.Describe(ctx, &control.DescribeRequest{})
	if err != nil {
		return nil, fmt.Errorf("describe: %w", i.problem(ctx, err))
	}
	schema := make([]framework.Option, len(answer.Options))
	for n, o := range answer.Options {
		schema[n] = framework.Option{Name: o.Name, Type: o.Type, Default: o.Default, Doc: o.Doc}
	}
	return schema, nil
}

// problem returns why a call failed: where the process has gone how it ended.
func (i *instance) problem(ctx context.Context, err error) error {
	if status.Code(err) == codes.Unavailable {
		select {
		case <-i.runner.done:
		case <-ctx.Done():
		}
	}
	return i.runner.problem(plain(err))
}

// plain returns err without the prefix of grpc.
func plain(err error) error {
	return errors.New(text.Line(status.Convert(err).Message()))
}

func optionErrors(problems []*control.Problem) error {
	var errs []error
	for _, p := range problems {
		if p.Option == "" {
			errs = append(errs, errors.New(text.Line(p.Problem)))
			continue
		}
		errs = append(errs, &framework.OptionError{Option: text.Line(p.Option), Problem: text.Line(p.Problem)})
	}
	return errors.Join(errs...)
}

// end waits for the process, whose channel has ended, and returns why it ended.
func (i *instance) end() error {
	overdue := time.AfterFunc(grace, i.runner.kill)
	defer overdue.Stop()
	<-i.runner.done
	return i.runner.problem(errors.New("the server has killed it"))
}

// watch returns when the process has ended or ctx is done. It kills one that does not answer.
func (i *instance) watch(ctx context.Context, log hclog.Logger) {
	ticker := time.NewTicker(healthInterval)
	defer ticker.Stop()
	for missed := 0; ; {
		select {
		case <-i.worker.Gone():
			return
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if i.checkHealth(ctx) == nil {
			missed = 0
			continue
		}
		if missed++; missed == healthMisses {
			log.Error("plugin does not answer and is killed", "checks", missed)
			i.runner.kill()
		}
	}
}

func (i *instance) checkHealth(ctx context.Context) error {
	ctx, cancel := patience.WithTimeout(ctx, healthDeadline, i.runner.pid)
	defer cancel()
	return i.link.health(ctx)
}

// stop waits up to drain for the requests of the process, and ends it.
func (i *instance) stop(drain time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	i.worker.Close()
	if err := i.link.stop(ctx); err != nil {
		i.runner.kill()
	}
	i.discard()
}

// discard ends the process and releases what it held.
func (i *instance) discard() {
	watchdog := time.AfterFunc(grace/2, i.runner.kill)
	defer watchdog.Stop()
	i.link.end() // may wait for ever for a process that does not answer
	if i.runner.ID() != "" {
		i.runner.kill()
		<-i.runner.done
	}
	if i.worker != nil {
		<-i.worker.Gone()
	} else if i.channel >= 0 {
		_ = syscall.Close(i.channel)
	}
	i.link.close()
}

func (l *grpcLink) health(ctx context.Context) error {
	_, err := l.control.Health(ctx, &control.HealthRequest{})
	return err
}

func (l *grpcLink) stop(ctx context.Context) error {
	_, err := l.control.Stop(ctx, &control.StopRequest{})
	return err
}

func (l *grpcLink) end()   { l.client.Kill() }
func (l *grpcLink) close() { l.dir.remove() }
