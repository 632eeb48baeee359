package plugin

import (
	"cmp"
	"context"
	"fmt"
)

// describers find out what a plugin of each kind is.
var describers = map[Kind]func(context.Context, Settings) (*Description, error){
	Go:     describeGo,
	Python: describePython,
	Worker: describeWorker,
	Stdio:  describeStdio,
	Wasm:   describeWasm,
}

// Describe finds out what a plugin is, and starts it with default options where its kind has to be
// asked. If it refuses its defaults, Networks and Stateful are empty. Only Definition, Name and Log
// of s are used.
func Describe(ctx context.Context, s Settings) (*Description, error) {
	s.Kind = cmp.Or(s.Kind, Go)
	describe, ok := describers[s.Kind]
	if !ok {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, unknownKind(s.Kind))
	}
	release, err := s.seal()
	if err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	defer release()
	return describe(ctx, s)
}

// describeKept asks a plugin whose process can be kept; ask starts one.
func describeKept(ctx context.Context, s Settings, ask func(context.Context, *host) (*Description, error)) (*Description, error) {
	h, err := newHost(s)
	if err != nil {
		return nil, err
	}
	defer h.release()
	ctx, cancel := h.untilStarted(ctx)
	defer cancel()
	d, err := ask(ctx, h)
	if err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	return d, nil
}

func describeGo(ctx context.Context, s Settings) (*Description, error) {
	return describeKept(ctx, s, func(ctx context.Context, h *host) (*Description, error) {
		i, l, err := launch(ctx, &h.settings, h.image)
		if err != nil {
			return nil, err
		}
		defer i.discard()
		options, err := i.describe(ctx, l)
		if err != nil {
			return nil, err
		}
		d := &Description{Options: options}
		if answer, err := i.configure(ctx, l, &h.settings); err == nil {
			d.Networks, d.Stateful = answer.Networks, answer.Stateful
		}
		return d, nil
	})
}
