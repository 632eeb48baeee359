package plugin

import (
	"cmp"
	"context"
	"fmt"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework"
)

// openers make the class of a plugin of each kind.
var openers = map[Kind]func(context.Context, Settings) (*framework.HandlerClass, error){
	Go:     openGo,
	Python: openPython,
	Worker: openWorker,
	Stdio:  openStdio,
	Wasm:   openWasm,
}

// Open makes the handler class of a plugin of a server, and starts the plugin where its kind keeps a
// process. Wrong options are [framework.OptionError]s, joined. The caller closes the class, unless a
// server has it; closing ends the process, after at most the drain timeout and three seconds. ctx
// bounds Open alone.
//
// The executable is opened once: replacing the file changes nothing for a running server.
// A script is opened at each start, unless Sum is set.
func Open(ctx context.Context, s Settings) (*framework.HandlerClass, error) {
	s.Kind = cmp.Or(s.Kind, Go)
	if err := s.checkLimits(); err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	if s.Restart != (Restart{}) && (s.Kind == Stdio || s.Kind == Wasm) {
		return nil, fmt.Errorf("plugin %q: restart is for plugins whose process is kept, and one of the kind %q has none; leave it out", s.Name, s.Kind)
	}
	if err := s.Sandbox.Check(cmp.Or(s.Log, hclog.Default()).With("plugin", s.Name)); err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	open, ok := openers[s.Kind]
	if !ok {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, unknownKind(s.Kind))
	}
	return openSealed(s, func(s Settings) (*framework.HandlerClass, error) { return open(ctx, s) })
}

func unknownKind(k Kind) error {
	return fmt.Errorf("there is no kind %q; there are %v", k, Kinds)
}
