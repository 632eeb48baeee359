package main

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
)

// A leveledLog is a log in which each server has a level of its own. What a server, its handler and
// its requests log goes through the logger that With("server", name) returns, always the same one.
type leveledLog struct {
	hclog.Logger
	fresh func() hclog.Logger // a logger like this one that shares no level with another

	mu      sync.Mutex
	servers map[string]hclog.Logger
}

func newLeveledLog(fresh func() hclog.Logger) *leveledLog {
	return &leveledLog{Logger: fresh(), fresh: fresh, servers: map[string]hclog.Logger{}}
}

// With implements [hclog.Logger].
func (l *leveledLog) With(args ...any) hclog.Logger {
	if len(args) != 2 || args[0] != "server" {
		return l.Logger.With(args...)
	}
	name := fmt.Sprint(args[1])
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.servers[name] == nil {
		log := l.fresh().With(args...)
		log.SetLevel(l.GetLevel())
		l.servers[name] = log
	}
	return l.servers[name]
}

// SetLevel implements [hclog.Logger]: it sets the level of every server, too.
func (l *leveledLog) SetLevel(level hclog.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Logger.SetLevel(level)
	for _, log := range l.servers {
		log.SetLevel(level)
	}
}

// A levelRequest is the level of the log, or of one server's part of it.
type levelRequest struct {
	Level  string `json:"level"`
	Server string `json:"server,omitempty"` // empty: all of it
}

// A levelAnswer is that and the one before.
type levelAnswer struct {
	Level string `json:"level"`
	Was   string `json:"was"`
}

// logLevel changes the level of the log, until a reload.
func (d *daemon) logLevel(r *http.Request) (any, error) {
	var to levelRequest
	if err := read(r, &to, `{"level": "debug", "server": "echo"}`); err != nil {
		return nil, err
	}
	if !slices.Contains(logLevels, to.Level) {
		return nil, fmt.Errorf("there is no log level %q; there are %s", to.Level, strings.Join(logLevels, ", "))
	}
	log := d.log
	if to.Server != "" {
		if _, err := d.statusOf(to.Server); err != nil {
			return nil, err
		}
		log = d.log.With("server", to.Server)
	}
	was := log.GetLevel().String()
	log.SetLevel(hclog.LevelFromString(to.Level))
	return levelAnswer{to.Level, was}, nil
}

func newLogLevel() *cobra.Command {
	c := &cobra.Command{
		Use:   "log-level LEVEL [SERVER]",
		Short: "Change the level of the daemon's log, or of one server's",
		Long: "Change the level of the daemon's log, or of what one server, its handler and its requests log, until a\n" +
			"reload: trace, debug, info, warn or error. Processes that run keep theirs.",
		Args: arguments(1, 2),
	}
	path := addAdminFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		to := levelRequest{Level: args[0]}
		if len(args) > 1 {
			to.Server = args[1]
		}
		answer, err := ask[levelAnswer](c, path, http.MethodPut, "/v1/log-level", to)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s -> %s\n", answer.Was, answer.Level)
		return err
	}
	return c
}

// levelOf returns the level that a flag, or else the file, says.
func levelOf(flag, file string) hclog.Level {
	return hclog.LevelFromString(cmp.Or(flag, file, "info"))
}
