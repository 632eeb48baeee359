// Package kv keeps the state of handlers in JetStream: in a NATS server elsewhere, or in one of this process that
// does not listen and writes to a directory.
package kv

import (
	"context"
	"fmt"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
)

// Backends open states. Those of one directory share a server.
type Backends struct {
	directories sync.Map // of *directory, by path
}

// A directory is held while its state is opened or closed, which takes what its disk takes.
type directory struct {
	sync.Mutex
	file *file // nil: nobody has it open
}

// Open opens the state of a server, as a [supervisor.OpenState]. One in a NATS server that cannot be reached is
// opened, too: its calls fail until it can.
//
// [supervisor.OpenState]: https://pkg.go.dev/github.com/go-socketserver/socketserver/cmd/socketserver/supervisor
func (b *Backends) Open(ctx context.Context, server string, how config.State, log hclog.Logger) (framework.State, func(), error) {
	if how.Backend == "nats" {
		conn, err := connect(how, log)
		if err != nil {
			return nil, nil, err
		}
		s, err := openBucket(ctx, conn, server, how.Bucket, context.Background(), log)
		if err != nil {
			return nil, nil, err
		}
		return s, s.close, nil
	}
	f, err := b.open(ctx, how, log)
	if err != nil {
		return nil, nil, err
	}
	var s *bucket
	conn, err := f.connect()
	if err == nil {
		s, err = openBucket(ctx, conn, server, how.Bucket, f.broken, log)
	}
	if err == nil {
		if err = s.warnOfLoss(ctx, how.Path); err != nil {
			s.close()
		}
	}
	if err != nil {
		b.release(how.Path, f)
		return nil, nil, fmt.Errorf("%s: %w", how.Path, err)
	}
	return s, func() { s.close(); b.release(how.Path, f) }, nil
}

// at returns the directory of a path.
func (b *Backends) at(path string) *directory {
	d, _ := b.directories.LoadOrStore(path, new(directory))
	return d.(*directory)
}

// open returns the server of a directory, with one more user.
func (b *Backends) open(ctx context.Context, how config.State, log hclog.Logger) (f *file, err error) {
	d := b.at(how.Path)
	d.Lock()
	defer d.Unlock()
	switch {
	case d.file == nil:
		if d.file, err = openFile(ctx, how.Path, how.Sync, log); err != nil {
			return nil, err
		}
	case d.file.sync != how.Sync:
		return nil, fmt.Errorf("%s is open with another sync; give all servers of a path the same, and restart", how.Path)
	}
	d.file.users++
	return d.file, nil
}

// release undoes open.
func (b *Backends) release(path string, f *file) {
	d := b.at(path)
	d.Lock()
	defer d.Unlock()
	if f.users--; f.users == 0 {
		d.file = nil
		f.close()
	}
}
