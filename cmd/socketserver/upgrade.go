package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/admin"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/cmd/socketserver/upgrade"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/internal/text"
)

// An upgrader has a new process take the place of this one.
type upgrader struct {
	file    string         // of the configuration; empty: it is in the arguments
	signals chan os.Signal // that ask for an upgrade

	// changing is held from the start until systemd knows this process, and while another one is
	// started.
	changing  sync.Mutex
	successor int // process that has taken over; 0: none. Guarded by daemon.reloading
}

type (
	upgradeRequest struct {
		To string `json:"to"`
	}
	upgradeAnswer struct {
		Pid      int `json:"pid"`      // that has taken over
		Old      int `json:"old"`      // that ends with its last request
		Requests int `json:"requests"` // that the old one still has
	}
)

// upgradeOnSignal upgrades until ctx is done.
func (d *daemon) upgradeOnSignal(ctx context.Context) {
	for {
		select {
		case <-d.upgrader.signals:
			go func() { _, _ = d.upgrade(ctx, "") }() // it is logged, and refused if another one is under way
		case <-ctx.Done():
			return
		}
	}
}

// upgrade starts the program at path, empty: that of this process, in place of this one, which goes
// on for the requests that it has. It returns the process.
func (d *daemon) upgrade(ctx context.Context, path string) (pid int, err error) {
	began := time.Now()
	defer func() {
		if err != nil {
			d.log.Error("not upgraded; this process goes on as before", "error", err)
		}
	}()
	if !d.upgrader.changing.TryLock() {
		return 0, errors.New("this process is starting, or starts another one in its place already")
	}
	defer d.upgrader.changing.Unlock()
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if path, err = d.checkNext(ctx, path); err != nil {
		return 0, err
	}
	var next *upgrade.Successor
	err = d.servers.HandOver(func(sockets []supervisor.Passed, suspended []string) (err error) {
		if next, err = upgrade.Start(ctx, path, sockets, suspended, standardError); err == nil {
			d.leaveTo(next.Pid)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	framework.LeaveOrphans() // or it would adopt, and end, whoever takes over from next
	next.Release()
	d.log.Info("upgraded; this process ends with its last request", "pid", next.Pid, "took", time.Since(began).String())
	return next.Pid, nil
}

// checkNext returns the path of the program of the next process, if that accepts the configuration.
func (d *daemon) checkNext(ctx context.Context, path string) (string, error) {
	if err := d.refuseSuccessor(); err != nil {
		return "", err
	}
	if path == "" {
		path = os.Args[0] // which may be a link, and lead elsewhere by now
	}
	found, err := exec.LookPath(path)
	if err != nil {
		if inner := (*exec.Error)(nil); errors.As(err, &inner) {
			err = inner.Err
		}
		if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
			err = inner.Err
		}
		return "", fmt.Errorf("%s cannot be run: %w; name a program", path, err)
	}
	if path, err = filepath.Abs(found); err != nil {
		return "", err
	}
	if d.upgrader.file != "" {
		err = upgrade.Check(ctx, path, "validate", "-c", d.upgrader.file)
	}
	return path, err
}

// leaveTo leaves all but the servers to the next process.
func (d *daemon) leaveTo(pid int) {
	d.upgrader.successor = pid
	d.notify.MainPID(pid)
	d.closeWatchers()
	if d.admin != nil {
		d.admin.Retire()
	}
	d.closeMetrics()
	d.closePage(d.page)
}

// refuseSuccessor returns why no other process can take the place of this one.
func (d *daemon) refuseSuccessor() error {
	switch {
	case d.upgrader.successor != 0:
		return d.hasSuccessor()
	case os.Getpid() == 1:
		return errors.New("this is process 1, with which its container ends; start a container of the new version instead")
	case d.logs.desk != nil:
		return errors.New("an operator sits at the terminal of this process (--console); restart it instead")
	}
	return nil
}

// hasSuccessor returns an error once another process has taken over.
func (d *daemon) hasSuccessor() error {
	if d.upgrader.successor == 0 {
		return nil
	}
	return fmt.Errorf("process %d has taken over, and this one ends with its last request", d.upgrader.successor)
}

// upgradeEndpoint is the admin socket's way to upgrade.
func (d *daemon) upgradeEndpoint(ctx context.Context) admin.Endpoint {
	return admin.Endpoint{Pattern: "POST /v1/upgrade", Waits: true, Do: func(r *http.Request) (any, error) {
		var how upgradeRequest
		if err := read(r, &how, `{"to": "/usr/local/bin/socketserver"}`); err != nil {
			return nil, err
		}
		if how.To != "" && !admin.IsOwner(r) { // it would run as this user, root perhaps
			return nil, &admin.Error{Status: http.StatusForbidden, Err: errors.New("only root and the user of the daemon may choose the program; upgrade without --to starts that of the daemon, as it is on disk")}
		}
		pid, err := d.upgrade(ctx, how.To)
		answer := upgradeAnswer{Pid: pid, Old: os.Getpid()}
		for _, s := range d.servers.Status() {
			answer.Requests += s.Active + s.Waiting
		}
		return answer, err
	}}
}

func newUpgrade() *cobra.Command {
	var how upgradeRequest
	c := &cobra.Command{
		Use:   "upgrade [--to PATH]",
		Short: "Have a new version of the program take over without a gap",
		Long: `Have the running daemon start its program again, or that at PATH, with the same arguments. The
new process takes over the sockets when it has read the configuration and serves; the old one
ends with its last request. Where the new process does not serve within 10 seconds nothing
changes, and the exit status is 1. --to is for root and the user of the daemon.`,
		Args: noArguments,
	}
	path := addAdminFlag(c)
	c.Flags().StringVar(&how.To, "to", "", "program to start (default: that of the daemon, as it is on disk)")
	_ = c.MarkFlagFilename("to")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if how.To != "" {
			to, err := filepath.Abs(how.To)
			if err != nil {
				return failed(err)
			}
			how.To = to
		}
		answer, err := ask[upgradeAnswer](c, path, http.MethodPost, "/v1/upgrade", how)
		if err != nil {
			return err
		}
		if _, err = fmt.Fprintf(c.OutOrStdout(), "process %d has taken over\n", answer.Pid); err == nil && answer.Requests > 0 {
			_, err = fmt.Fprintf(c.OutOrStdout(), "process %d has %s, and ends with the last; SIGTERM gives it the drain timeout\n", answer.Old, text.Counted(answer.Requests, "request"))
		}
		return err
	}
	return c
}

// catchUpgrades has signals wait until they are asked for.
func catchUpgrades() chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, upgrade.Signal)
	return signals
}
