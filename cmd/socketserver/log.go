package main

import (
	"cmp"
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
		Level:      levelOf(l.level, c.Level),
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
