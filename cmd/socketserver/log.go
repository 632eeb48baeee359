package main

import (
	"io"
	"os"
	"slices"

	"github.com/hashicorp/go-hclog"
	"github.com/mattn/go-isatty"
	"github.com/spf13/pflag"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

// logFlags are --log-format and --log-level, which override the file's log block.
type logFlags struct {
	format, level string
	desk          io.Writer // the operator's terminal, which shows the log, too; nil: none
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

// logger returns the logger to standard error, as set by the flags, then by the file.
func (l *logFlags) logger(c config.Log) hclog.Logger {
	format, level := first(l.format, c.Format), first(l.level, c.Level, "info")
	if l.desk != nil {
		return hclog.New(&hclog.LoggerOptions{Output: l.desk, Level: hclog.LevelFromString(level), JSONFormat: format == "json"})
	}
	return newLogger(os.Stderr, format, level)
}

func newLogger(out *os.File, format, level string) hclog.Logger {
	terminal := isatty.IsTerminal(out.Fd())
	options := &hclog.LoggerOptions{
		Output: out, Level: hclog.LevelFromString(level),
		JSONFormat: format == "json" || format == "" && !terminal,
	}
	if terminal && os.Getenv("NO_COLOR") == "" && !options.JSONFormat {
		options.Color = hclog.AutoColor
	}
	return hclog.New(options)
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
