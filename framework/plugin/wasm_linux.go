package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-socketserver/socketserver/framework"
)

// openWasm makes the class of a module, which has its options as a program has.
func openWasm(ctx context.Context, s Settings) (*framework.HandlerClass, error) {
	if OpenWasm == nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, errors.New("this program does not run WebAssembly modules"))
	}
	env, err := s.optionEnvironment()
	if err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	s.Environment = slices.Concat(s.Environment, env)
	class, err := OpenWasm(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	return class, nil
}

// describeWasm returns an error for a module that cannot be served.
func describeWasm(ctx context.Context, s Settings) (*Description, error) {
	class, err := openWasm(ctx, s)
	if err != nil {
		return nil, err
	}
	return &Description{Options: s.Declared, Networks: class.Serves()}, class.Close()
}
