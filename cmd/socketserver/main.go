// The command socketserver runs the servers of a configuration.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/framework/plugin"
	"github.com/go-socketserver/socketserver/handlers/chat"
	"github.com/go-socketserver/socketserver/handlers/chat/natsbus"
	"github.com/go-socketserver/socketserver/internal/text"
)

func main() {
	// A worker first: where this process was started as one, this does not return. Nothing
	// precedes it, as a request waits for the start of its worker.
	becomeWorker()
	status := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	standardError.flush(flushLimit)
	os.Exit(status)
}

// becomeWorker makes this process what it was started as: a worker, a plugin or a server under
// test. Their handlers may use the bus, their plugins may be modules, and they may end TLS.
func becomeWorker() {
	chat.Buses = natsbus.Driver{}
	plugin.OpenWasm = openModule
	framework.RestoreLayer = layer.Restore
	becomeSubject()
}

// Exit statuses. exitUsage is that of a usage error and of a second signal.
const (
	exitFailed = 1
	exitUsage  = 2
)

// run executes the command line and returns the exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	c, err := execute(root)
	if stderr == os.Stderr {
		stderr = standardError
	}
	var status statusError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		if status.err != nil {
			fmt.Fprintln(stderr, text.Lines(status.err.Error())) // which may quote a client
		}
		return status.code
	}
	// Everything else comes from reading the command line.
	fmt.Fprintf(stderr, "socketserver: %s\n%s\n", text.Lines(err.Error()), tryHelp(c))
	return exitUsage
}

// statusError ends the command with a status and, where err is set, a message.
type statusError struct {
	code int
	err  error
}

func (e statusError) Error() string { return fmt.Sprint(e.err) }
func (e statusError) Unwrap() error { return e.err }

// failed returns an error that is not one of the command line.
func failed(err error) error { return statusError{exitFailed, err} }

func usage(format string, args ...any) error { return fmt.Errorf(format, args...) }

// forms are what to write for flags, by the types of their values.
var forms = map[string]string{
	"duration":    "a number and its unit, as in 5s, 300ms or 2m",
	"int":         "a whole number",
	"float64":     "a number",
	"bool":        "true or false, or the flag alone",
	"intSlice":    "whole numbers with commas between them, as in 1,4,16",
	"stringSlice": "names with commas between them, without quotes",
}

func newRoot() *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:           "socketserver",
		Short:         "Network servers from a file: transport, concurrency, handler",
		Long:          "socketserver runs network servers. Each is three choices, made in servers.hcl:\na transport (tcp, udp, unix, unixgram), a concurrency strategy (synchronous,\nthreading, forking, preforking) and a handler, compiled in or a plugin.",
		Args:          noSuchCommand,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(c *cobra.Command, _ []string) error {
			if version {
				return printVersion(c)
			}
			return c.Help()
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if invalid := (*pflag.InvalidValueError)(nil); errors.As(err, &invalid) && forms[invalid.GetFlag().Value.Type()] != "" {
			return usage("--%s %q: write %s", invalid.GetFlag().Name, invalid.GetValue(), forms[invalid.GetFlag().Value.Type()])
		}
		return err
	})
	root.Flags().BoolVar(&version, "version", false, "print the version")
	root.AddCommand(newServe(), newWorker(), newRun(), newInit(), newValidate(), newFmt(), newHandlers(), newConnect(), newConsole(), newCompare(), newTheatre(), newImport(), newStatus(), newReload(), newUpgrade(), newPlugin(), newPs(), newKill(), newEvents(), newTop(), newLogLevel(), newVersion(), newMan())
	root.AddCommand(newOperations()...)
	addCompletions(root)
	refuseOtherTopics(root)
	return root
}
