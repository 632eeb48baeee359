// Package systemd is this process's side of systemd: the sockets that it passes, and what it is
// told of the service. Where no service manager has started the process nothing happens.
package systemd

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"
)

// A Socket is an open socket that systemd has passed.
type Socket struct {
	Name             string // FileDescriptorName= of its unit
	Network, Address string // tcp, udp, unix or unixgram
	BothFamilies     bool   // it has a wildcard address and takes clients of IPv4, too
	File             *os.File
}

// A Notifier tells systemd what the service does. What cannot be told is logged once.
type Notifier struct {
	log    hclog.Logger
	failed atomic.Bool
	over   atomic.Bool // another process is the service
}

// NewNotifier returns a Notifier that logs to log.
func NewNotifier(log hclog.Logger) *Notifier { return &Notifier{log: log} }

// Ready ends the start, or a reload. status is shown by systemctl status.
func (n *Notifier) Ready(status string) {
	n.notify(daemon.SdNotifyReady, fmt.Sprintf("MAINPID=%d", os.Getpid()), "STATUS="+status)
}

// Reloading begins a reload, which Ready ends, whatever came of it.
func (n *Notifier) Reloading() {
	n.notify(daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()))
}

// Stopping begins the end of the service.
func (n *Notifier) Stopping(status string) { n.notify(daemon.SdNotifyStopping, "STATUS="+status) }

// MainPID makes another process the service. systemd takes that from the present one alone, which
// tells it nothing from then on.
func (n *Notifier) MainPID(pid int) {
	n.notify(fmt.Sprintf("MAINPID=%d", pid))
	n.over.Store(true)
}

// ExtendTimeout asks for as much time from now on to start, reload or stop.
func (n *Notifier) ExtendTimeout(by time.Duration) {
	n.notify(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", by.Microseconds()))
}

// Watch pings the watchdog of systemd, if there is one, until stop is called, twice in its
// interval. Each time it calls alive first, which returns when the process does its work:
// a process that hangs in alive is killed.
func (n *Notifier) Watch(alive func()) (stop func()) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		n.report(err)
	}
	if interval == 0 {
		return func() {}
	}
	return every(interval/2, func() {
		alive()
		n.notify(daemon.SdNotifyWatchdog)
	})
}

// Extend asks for more time again and again until stop is called, as long as alive returns.
func (n *Notifier) Extend(alive func()) (stop func()) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return func() {}
	}
	const interval = 5 * time.Second
	return every(interval, func() {
		alive()
		n.ExtendTimeout(3 * interval)
	})
}

// every calls do at once and then in an interval until stop is called, which does not wait.
func every(interval time.Duration, do func()) (stop func()) {
	done := make(chan struct{})
	go func() {
		ticks := time.NewTicker(interval)
		defer ticks.Stop()
		for {
			do()
			select {
			case <-ticks.C:
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}

func (n *Notifier) notify(state ...string) {
	if n.over.Load() {
		return
	}
	if _, err := daemon.SdNotify(false, strings.Join(state, "\n")); err != nil {
		n.report(err)
	}
}

func (n *Notifier) report(err error) {
	if !n.failed.Swap(true) {
		n.log.Warn("cannot notify systemd", "error", err)
	}
}
