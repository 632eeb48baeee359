package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/client"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/terminal"
	"github.com/go-socketserver/socketserver/handlers/chat/operator"
	"github.com/go-socketserver/socketserver/internal/text"
)

func newConsole() *cobra.Command {
	return &cobra.Command{
		Use:   "console NAME",
		Short: "Talk with the clients of a chat server, as its operator",
		Long: `Talk with the clients of the chat server NAME, as its operator: of a server of this user
with handler "chat" and mode = "half-duplex" or "full-duplex". NAME may also be the path of its
operator's socket, with a slash.

A line goes to the connected client, an empty one hangs up. ^D leaves the console without
ending the conversation. The server shows which client is connected and which ones wait. On a
pipe the input is the operator's.`,
		Example: "  socketserver console half-duplex",
		Args:    oneOperator,
		RunE: func(c *cobra.Command, args []string) error {
			path, err := findOperator(args[0])
			if err != nil {
				return statusError{exitNoConnect, fmt.Errorf("socketserver: %w", err)}
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			d, err := openDesk(c.InOrStdin(), c.OutOrStdout(), true, terminal.Settings{Prompt: "to: ", Interrupt: cancel})
			if err != nil {
				return failed(err)
			}
			err = errors.Join(d.operate(ctx, path), d.close())
			if errors.Is(err, client.ErrEnded) {
				return statusError{exitClosed, fmt.Errorf("socketserver: the server %[1]s has stopped, or ended this console; once it runs again: socketserver console %[1]s", args[0])}
			}
			return connectStatus(err)
		},
	}
}

// oneOperator is arguments(1, 1). Its error lists the names.
func oneOperator(c *cobra.Command, args []string) error {
	err := arguments(1, 1)(c, args)
	if err == nil || len(args) > 0 {
		return err
	}
	if names := operator.Names(); len(names) > 0 {
		return usage("%w; there are %s", err, strings.Join(names, ", "))
	}
	return usage("%w; no server of yours has an operator now", err)
}

func findOperator(name string) (string, error) {
	if strings.ContainsRune(name, '/') {
		return name, nil
	}
	path, err := operator.Find(name)
	if err == nil {
		return path, nil
	}
	if meant := text.Nearest(name, operator.Names()); meant != "" {
		err = fmt.Errorf("%w; did you mean %q?", err, meant)
	}
	return "", err
}

// deskFor opens the desk of serve --console, or returns nil without a name. If standard error is
// the same terminal, the log goes to the desk.
func deskFor(name string, logs *logFlags) (*desk, error) {
	if name == "" {
		return nil, nil
	}
	d, err := openDesk(os.Stdin, os.Stdout, true, terminal.Settings{Prompt: "to: ", OwnSignals: true, Interrupt: interrupt})
	if err == nil && d.terminal != nil && isatty.IsTerminal(os.Stderr.Fd()) {
		logs.desk = d
	}
	return d, err
}

// interrupt is ^C: a terminal in raw mode does not send the signal.
func interrupt() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Signal(os.Interrupt)
	}
}

// attend connects the desk to the server name of this process. The function it returns waits
// for the end of that conversation.
func (d *desk) attend(ctx context.Context, c *config.Config, name string, log hclog.Logger) (func(), error) {
	if d == nil {
		return func() {}, nil
	}
	path, err := operatorOf(c, name)
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := d.operate(ctx, path)
		_ = d.close()
		switch {
		case ctx.Err() != nil:
		case err != nil:
			log.Warn("the console has ended", "server", name, "error", err)
		default:
			log.Info("the console has ended; the server goes on", "server", name, "next", "socketserver console "+name)
		}
	}()
	return func() { <-ended }, nil
}

// operatorOf returns the operator's socket of a server of this process.
func operatorOf(c *config.Config, name string) (string, error) {
	i := slices.IndexFunc(c.Servers, func(s *config.Server) bool { return s.Name == name })
	if i < 0 {
		var names []string
		for _, s := range c.Servers {
			names = append(names, s.Name)
		}
		return "", fmt.Errorf("socketserver: --console %q: there is no such server; there are %s", name, strings.Join(names, ", "))
	}
	h := c.Servers[i].Handler
	var options struct{ Operator string }
	if json.Unmarshal(h.Options, &options) == nil && options.Operator != "" {
		if filepath.IsAbs(options.Operator) {
			return options.Operator, nil
		}
		return filepath.Join(h.Directory, options.Operator), nil
	}
	path, err := operator.Find(name)
	if err != nil {
		return "", fmt.Errorf("socketserver: --console: %w", err)
	}
	return path, nil
}
