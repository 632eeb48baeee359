package main

import (
	"fmt"
	"os"
	"os/signal"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/accesslog"
)

// An accessLog is one that a signal reopens. Log is nil where there is none: the signal, which would
// end this process otherwise, does nothing then.
type accessLog struct {
	*accesslog.Log
	log     hclog.Logger
	signals chan os.Signal
	ended   chan struct{} // closed when no signal is handled any more
}

// openAccessLog opens the one at path, which may be empty.
func openAccessLog(path string, log hclog.Logger) (a *accessLog, err error) {
	a = &accessLog{log: log, signals: make(chan os.Signal, 1), ended: make(chan struct{})}
	if path != "" {
		if a.Log, err = accesslog.Open(path, log); err != nil {
			return nil, fmt.Errorf("access log: %w", err)
		}
	}
	notifyReopen(a.signals)
	go func() {
		defer close(a.ended)
		for range a.signals {
			a.reopen(path)
		}
	}()
	return a, nil
}

func (a *accessLog) reopen(path string) {
	if a.Log == nil {
		return
	}
	if err := a.Reopen(); err != nil {
		a.log.Error("not reopened; the access log goes on in the old file", "error", err)
		return
	}
	a.log.Info("access log reopened", "path", path)
}

// close writes what waits. The servers have ended.
func (a *accessLog) close() {
	signal.Stop(a.signals)
	close(a.signals)
	<-a.ended
	if a.Log == nil {
		return
	}
	if err := a.Close(); err != nil {
		a.log.Error("could not close the access log", "error", err)
	}
}
