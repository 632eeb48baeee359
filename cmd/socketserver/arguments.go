package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/internal/text"
)

// noArguments refuses arguments. The error suggests --config for a command that has it.
func noArguments(c *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case c.Flags().Lookup("config") != nil:
		return usage("%q: %s takes no arguments; for a configuration write -c %s", args[0], c.Name(), args[0])
	}
	return usage("%q: %s takes no arguments; leave it out", args[0], c.Name())
}

// arguments bounds the number of arguments; their names are in Use.
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		name, names, _ := strings.Cut(c.Use, " ")
		switch {
		case len(args) < least:
			return usage("%s needs %s; write: %s", name, names, c.CommandPath()+" "+names)
		case len(args) > most:
			return usage("%q is one argument too many; write: %s", args[most], c.CommandPath()+" "+names)
		}
		return nil
	}
}

// oneAddress is arguments(0, 1) for connect. The error for HOST PORT, as in telnet, shows the URL.
func oneAddress(c *cobra.Command, args []string) error {
	if len(args) == 2 {
		if _, err := strconv.ParseUint(args[1], 10, 16); err == nil {
			return usage("%s: ADDRESS is one word; write tcp://%s", strings.Join(args, " "), net.JoinHostPort(args[0], args[1]))
		}
	}
	return arguments(0, 1)(c, args)
}

func noSuchCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return usage("there is no command %q; %s", args[0], suggest(args[0], names))
}

// refuseOtherTopics has help and completion, which cobra adds, fail for what they do not know.
func refuseOtherTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			c.Args, c.RunE = noSuchCommand, func(c *cobra.Command, _ []string) error { return c.Help() }
		case "help":
			c.Args = func(_ *cobra.Command, topics []string) error {
				if found, rest, err := root.Find(topics); err == nil && found.HasSubCommands() {
					return noSuchCommand(found, rest)
				}
				return nil
			}
		}
	}
}

// suggest returns the nearest of the names as a question, or lists them all.
func suggest(name string, names []string) string {
	return text.Hint(name, names, "there are "+strings.Join(names, ", "))
}

// tryHelp returns the command that prints the help for c.
func tryHelp(c *cobra.Command) string {
	if c.Hidden { // it is not available yet
		c = c.Root()
	}
	return fmt.Sprintf("Try '%s --help'.", c.CommandPath())
}
