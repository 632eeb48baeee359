package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

// logFlags are --log-format and --log-level, which override the file's log block.
type logFlags struct {
	format, level string
	desk          io.Writer // the operator's terminal, which shows the log, too; nil: none
	stderr        *os.File  // what standard error is going to be; nil: it is that
}

var (
	logFormats = []string{"json", "text"}
	logLevels  = []string{"trace", "debug", "info", "warn", "error"}
)

func (l *logFlags) add(f *pflag.FlagSet) {
	f.StringVar(&l.format, "log-format", "", "json or text (default: text on a terminal, json otherwise)")
	f.StringVar(&l.level, "log-level", "", "trace, debug, info, warn or error (default: info)")
}

func (l *logFlags) check() error {
	if l.format != "" && !slices.Contains(logFormats, l.format) {
		return usage("--log-format %q: there are json and text", l.format)
	}
	if l.level != "" && hclog.LevelFromString(l.level) == hclog.NoLevel {
		return usage("--log-level %q: there are trace, debug, info, warn and error", l.level)
	}
	return nil
}

// standardError is standard error for writers that must not wait for a reader.
var standardError = &logWriter{out: os.Stderr}

// logger returns the logger to standard error or the desk, as set by the flags, then by the file.
func (l *logFlags) logger(c config.Log) hclog.Logger {
	format := cmp.Or(l.format, c.Format)
	terminal := isatty.IsTerminal(cmp.Or(l.stderr, os.Stderr).Fd())
	options := hclog.LoggerOptions{
		Level:      hclog.LevelFromString(cmp.Or(l.level, c.Level, "info")),
		JSONFormat: format == "json" || format == "" && !terminal,
	}
	w := standardError
	switch {
	case l.desk != nil:
		w = &logWriter{out: l.desk}
	case terminal && os.Getenv("NO_COLOR") == "" && !options.JSONFormat:
		options.Color = hclog.AutoColor
	}
	return w.logger(options)
}

// A levelRequest is the level of the log.
type levelRequest struct {
	Level string `json:"level"`
}

// A levelAnswer is that and the one before.
type levelAnswer struct {
	Level string `json:"level"`
	Was   string `json:"was"`
}

// logLevel changes the level of the log, until a reload.
func (d *daemon) logLevel(r *http.Request) (any, error) {
	var to levelRequest
	if err := read(r, &to, `{"level": "debug"}`); err != nil {
		return nil, err
	}
	if !slices.Contains(logLevels, to.Level) {
		return nil, fmt.Errorf("there is no log level %q; there are %s", to.Level, strings.Join(logLevels, ", "))
	}
	was := d.log.GetLevel().String()
	d.log.SetLevel(hclog.LevelFromString(to.Level))
	return levelAnswer{to.Level, was}, nil
}

func newLogLevel() *cobra.Command {
	c := &cobra.Command{
		Use:   "log-level LEVEL",
		Short: "Change the level of the daemon's log",
		Long:  "Change the level of the daemon's log until a reload: trace, debug, info, warn or error.\nProcesses that run keep theirs.",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 2 {
				return usage("the log level of one server is not available yet; write: socketserver log-level %s", args[0])
			}
			return arguments(1, 1)(c, args)
		},
	}
	path := addAdminFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		answer, err := ask[levelAnswer](c, path, http.MethodPut, "/v1/log-level", levelRequest{args[0]})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s -> %s\n", answer.Was, answer.Level)
		return err
	}
	return c
}
