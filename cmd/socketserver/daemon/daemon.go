// Package daemon runs the servers of a configuration.
package daemon

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
)

// A Daemon runs server blocks until they are stopped.
type Daemon struct {
	log    hclog.Logger
	blocks []*block
	unused []byte // see collectLess
}

// collectLess is counted by the garbage collector as in use, and is never touched, so that it
// takes no memory. A daemon whose requests keep nothing would else collect each time that 3 MB
// of them have passed, thirty times a second with datagrams; so it is after up to 16.
const collectLess = 12 << 20 // bytes

// Options are what a daemon is told beside the configuration.
type Options struct {
	Log    hclog.Logger
	Worker *framework.Program // of forked children with compiled-in handlers; nil: this program
}

// Start opens all listeners of c, or none: what was opened before an error is closed. The
// error has a line for every transport that can not listen. The classes of c are the
// daemon's to close from here on.
func Start(ctx context.Context, c *config.Config, o Options) (*Daemon, error) {
	d := &Daemon{log: o.Log, unused: make([]byte, collectLess)}
	var errs []error
	for _, s := range c.Servers {
		b := newBlock(s, o)
		d.blocks = append(d.blocks, b)
		if err := b.listen(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		d.Close()
		return nil, errors.Join(errs...)
	}
	warnAboutFiles(c, o.Log)
	return d, nil
}

// Addresses are where the daemon listens, with the real ports, in the order of the
// configuration.
func (d *Daemon) Addresses() []net.Addr {
	var all []net.Addr
	for _, b := range d.blocks {
		for _, s := range b.servers {
			all = append(all, s.Addr())
		}
	}
	return all
}

// Close undoes Start, in place of Run.
func (d *Daemon) Close() {
	for _, b := range d.blocks {
		b.close()
	}
}

// Run serves until ctx is done or every block has stopped by itself, and then stops the
// others, each within its drain timeout. What had to be cut off is logged.
func (d *Daemon) Run(ctx context.Context) {
	listeners := 0
	for _, b := range d.blocks {
		b.announce()
		listeners += len(b.servers)
	}
	d.log.Info("ready", "servers", len(d.blocks), "listeners", listeners)
	var running sync.WaitGroup
	for _, b := range d.blocks {
		running.Go(func() { b.run(ctx) })
	}
	ended := make(chan struct{})
	go func() { running.Wait(); close(ended) }()
	select {
	case <-ctx.Done():
		d.log.Info("stopping; a second signal stops at once")
		<-ended
	case <-ended:
		d.log.Info("every server has stopped")
	}
}

// Kill ends at once what Run, which is stopping the daemon, still waits for: connections are
// closed and processes killed. It waits a second at the most, and for who reads the log.
func (d *Daemon) Kill() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var servers sync.WaitGroup
	for _, b := range d.blocks {
		b.shutdownAll(ctx, &servers)
	}
	servers.Wait()
}

// warnAboutFiles compares the limit of descriptors with what the configuration allows.
func warnAboutFiles(c *config.Config, log hclog.Logger) {
	limit := openFilesLimit()
	need := 64
	for _, s := range c.Servers {
		need += 2 * s.Limits.Connections
	}
	if limit > 0 && need > limit {
		log.Warn("the limit of open descriptors is lower than the configuration may need",
			"limit", limit, "need", need, "next", "raise it (ulimit -n, LimitNOFILE) or lower limits.connections")
	}
}
