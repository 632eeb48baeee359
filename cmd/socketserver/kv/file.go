package kv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/go-socketserver/socketserver/internal/natsclient"
)

// longRead is after which it is logged that a server of this process still reads what it has stored, again and again: how long
// that takes is for the size of the directory and the disk to say. A variable for tests.
var longRead = 30 * time.Second

// A file is a NATS server in this process, which has a directory for itself.
type file struct {
	server *natsserver.Server
	lock   *os.File
	sync   time.Duration
	users  int

	broken context.Context // done when nothing can be written any more; the cause says why
	broke  context.CancelCauseFunc
}

func openFile(ctx context.Context, path string, sync time.Duration, log hclog.Logger) (*file, error) {
	lock, err := lockDirectory(path)
	if err != nil {
		return nil, err
	}
	f := &file{lock: lock, sync: sync}
	f.broken, f.broke = context.WithCancelCause(context.Background())
	if err := f.start(ctx, path, log); err != nil {
		f.close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// lockDirectory makes a directory and its lock, which the caller unlocks and closes.
func lockDirectory(path string) (*os.File, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := tryLock(lock); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%s is in use by another process; give each its own path, and restart a server in place of an upgrade", path)
		}
		return nil, err
	}
	return lock, nil
}

// start starts the server and waits until it takes connections.
func (f *file) start(ctx context.Context, path string, log hclog.Logger) (err error) {
	said := &natsLog{log: log.With("path", path), path: path, broke: f.broke}
	f.server, err = natsserver.NewServer(&natsserver.Options{
		ServerName: "socketserver", DontListen: true, NoSigs: true,
		JetStream: true, StoreDir: path, SyncInterval: f.sync, SyncAlways: f.sync == 0,
		JetStreamMaxMemory: 1, JetStreamMaxStore: 1 << 50, // what the disk has
	})
	if err != nil {
		return err
	}
	f.server.SetLoggerV2(said, false, false, false)
	go f.server.Start()
	began := time.Now()
	for logged := began; !f.server.ReadyForConnections(min(longRead, time.Second)) && said.failed() == nil; {
		if ctx.Err() != nil {
			return fmt.Errorf("read the state: %w", ctx.Err())
		}
		if time.Since(logged) >= longRead {
			logged = time.Now()
			log.Warn("the state is still being read", "path", path, "for", time.Since(began).Round(time.Second).String())
		}
	}
	return said.failed()
}

func (f *file) connect() (*nats.Conn, error) {
	return nats.Connect("", nats.InProcessServer(f.server), nats.MaxReconnects(-1), nats.ReconnectWait(natsclient.ReconnectWait))
}

func (f *file) close() {
	if f.server != nil {
		f.server.Shutdown()
		f.server.WaitForShutdown()
	}
	f.broke(nil)
	_, _ = unlock(f.lock), f.lock.Close()
}

// A natsLog has the log of a server in this process: its warnings and errors.
type natsLog struct {
	log   hclog.Logger
	path  string
	broke func(error) // called when nothing can be written any more
	mu    sync.Mutex
	fatal error
}

func (l *natsLog) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

func (l *natsLog) Fatalf(format string, v ...any) {
	err := fmt.Errorf(format, v...)
	for _, arg := range v {
		if cause, ok := arg.(error); ok && (errors.Is(cause, fs.ErrPermission) || errors.Is(cause, syscall.ENOSPC)) {
			err = cause
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fatal = err
}

// Errorf logs an error. JetStream does not answer what it cannot write, and writes nothing after that.
func (l *natsLog) Errorf(format string, v ...any) {
	if strings.Contains(format, "ritical write error") && len(v) > 0 {
		cause := fmt.Errorf("%v", v[len(v)-1])
		if err, ok := v[len(v)-1].(error); ok && errors.Is(err, syscall.ENOSPC) {
			cause = errors.New("the disk is full; make room")
		}
		l.broke(fmt.Errorf("%s: %w, and restart the server; until then nothing can be changed", l.path, cause))
	}
	l.log.Error("the state's storage reports an error", "error", fmt.Sprintf(format, v...))
}

func (l *natsLog) Warnf(format string, v ...any) {
	l.log.Debug("the state's storage", "message", fmt.Sprintf(format, v...))
}
func (*natsLog) Noticef(string, ...any) {}
func (*natsLog) Debugf(string, ...any)  {}
func (*natsLog) Tracef(string, ...any)  {}
