//go:build !linux

package main

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// compared is what the theatre shows.
type compared struct{}

func (*compared) add(*pflag.FlagSet) {}

func (*theatreFlags) stage(*cobra.Command, []string) error {
	return failed(errors.New("socketserver: theatre: servers are shown on Linux only; --replay shows a recording"))
}
