//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyReopen passes on the signal that reopens files of logs.
func notifyReopen(to chan<- os.Signal) { signal.Notify(to, syscall.SIGUSR1) }
