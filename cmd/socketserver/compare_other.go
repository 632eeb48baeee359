//go:build !linux

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/framework/plugin/wasm"
	"github.com/go-socketserver/socketserver/handlers"
)

var strategies []string

func becomeSubject() { handlers.ServeWorker(wasm.Constructor) }

func newCompare() *cobra.Command {
	return &cobra.Command{
		Use: "compare", Short: "Compare the strategies (on Linux only)", DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return failed(errors.New("socketserver: compare: servers are compared on Linux only"))
		},
	}
}
