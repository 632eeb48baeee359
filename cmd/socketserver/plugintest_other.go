//go:build !linux

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newPluginTest() *cobra.Command {
	return &cobra.Command{
		Use: "test", Short: "Test a plugin (on Linux only)", DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return failed(errors.New("socketserver: plugin test: plugins need Linux"))
		},
	}
}
