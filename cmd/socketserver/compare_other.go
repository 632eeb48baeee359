//go:build !linux

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

var strategies []string

func newCompare() *cobra.Command {
	return &cobra.Command{
		Use: "compare", Short: "Compare the strategies (on Linux only)", DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return failed(errors.New("socketserver: compare: servers are compared on Linux only"))
		},
	}
}
