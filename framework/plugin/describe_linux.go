package plugin

import (
	"context"
	"fmt"
)

// Describe starts a plugin with default options, asks what it is and ends it. If it refuses its
// defaults, Networks and Stateful are empty. Only Name, Path, Args and Log of s are used.
func Describe(ctx context.Context, s Settings) (*Description, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	h, err := newHost(s)
	if err != nil {
		return nil, err
	}
	defer h.release()
	i, err := launch(ctx, &h.settings, h.image)
	if err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	defer i.discard()
	options, err := i.describe(ctx)
	if err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	d := &Description{Options: options}
	if answer, err := i.configure(ctx, &h.settings); err == nil {
		d.Networks, d.Stateful = answer.Networks, answer.Stateful
	}
	return d, nil
}
