// Package chat is the handler that relays messages between clients: in rooms, in pairs, or
// between each client and the server's operator. Each of these is a package of its own.
package chat

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers/chat/client"
	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
	"github.com/go-socketserver/socketserver/handlers/chat/operator"
	"github.com/go-socketserver/socketserver/handlers/chat/pairs"
	"github.com/go-socketserver/socketserver/handlers/chat/room"
)

// Options are the options of the handler.
type Options struct {
	Mode            Mode           `json:"mode" doc:"who receives a message: room, everybody else; pairs, the partner; half-duplex and full-duplex, the operator, who talks with one client at a time"`
	Raw             bool           `json:"raw" doc:"relay control bytes and invalid UTF-8 unchanged; they act on the terminals of others"`
	Commands        bool           `json:"commands" doc:"in a room: names before messages, and /nick, /names, /msg, /me, /join, /help and /quit"`
	Greeting        bool           `json:"greeting" doc:"in a room: tell the others who enters and who leaves"`
	History         int            `json:"history" doc:"in a room: number of messages that a newcomer receives, together at most 64 KiB"`
	Queue           int            `json:"queue" doc:"messages that may wait for a client that does not read, together at most 96 KiB"`
	Slow            Slow           `json:"slow" doc:"what happens to a client with more: drop, it misses messages; disconnect"`
	Rate            float64        `json:"rate" doc:"messages a second that are read from a client after the first five; 0 means no limit"`
	SettingsTimeout Duration       `json:"settings_timeout" doc:"in pairs: time for a client to send its name and its partner's; \"0\" means no limit"`
	Bus             string         `json:"bus" doc:"in a room: URL of the NATS server, with JetStream, over which servers share their rooms, as in nats://localhost:4222; empty: none"`
	Operator        framework.Path `json:"operator" doc:"with an operator: path of the socket for consoles; empty: one that socketserver console finds by the server's name"`
}

// A Mode decides who receives a message.
type Mode string

const (
	Room       Mode = "room"
	Pairs      Mode = "pairs"
	HalfDuplex Mode = "half-duplex"
	FullDuplex Mode = "full-duplex"
)

var modes = []Mode{Room, Pairs, HalfDuplex, FullDuplex}

// Slow decides what happens to a client that does not read.
type Slow string

const (
	Drop       Slow = "drop"
	Disconnect Slow = "disconnect"
)

// A Duration is written as in "3s".
type Duration time.Duration

func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	if err != nil || parsed < 0 {
		return fmt.Errorf("%q is not a duration; write it as in \"3s\"", text)
	}
	return nil
}

func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

var defaults = Options{
	Mode: Room, Greeting: true, Queue: 256, Slow: Drop, SettingsTimeout: Duration(3 * time.Second),
}

// Constructor makes the handler.
var Constructor = framework.Define(defaults, construct)

// Buses opens the bus of rooms; nil: this program has none. It is set at the start of main, so
// that package natsbus is linked only by programs that need it.
var Buses cluster.Driver

func construct(o Options) (*framework.HandlerClass, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	c := client.Options{Raw: o.Raw, Queue: o.Queue, Disconnect: o.Slow == Disconnect, Rate: o.Rate}
	switch o.Mode {
	case Room:
		return room.Class(&room.Options{
			Options: c, Commands: o.Commands, Greeting: o.Greeting, History: o.History, Bus: o.Bus, Driver: Buses,
		}), nil
	case Pairs:
		return pairs.Class(&pairs.Options{Options: c, SettingsTimeout: time.Duration(o.SettingsTimeout)}), nil
	default:
		return operator.Class(&operator.Options{
			Options: c, Mode: string(o.Mode), HalfDuplex: o.Mode == HalfDuplex, Socket: string(o.Operator),
		}), nil
	}
}

const (
	maxHistory = 1000
	maxQueue   = 100_000
	maxRate    = 1_000_000
)

func (o *Options) check() error {
	var errs []error
	refuse := func(option, format string, args ...any) {
		errs = append(errs, &framework.OptionError{Option: option, Problem: fmt.Sprintf(format, args...)})
	}
	if !slices.Contains(modes, o.Mode) {
		refuse("mode", "there is no mode %q; choose one of %q, %q, %q, %q", o.Mode, Room, Pairs, HalfDuplex, FullDuplex)
	} else { // which options are valid depends on it
		only := func(option string, set bool, modes ...Mode) {
			if set && !slices.Contains(modes, o.Mode) {
				refuse(option, "is for mode = %q; remove it, or change the mode", modes[0])
			}
		}
		only("commands", o.Commands, Room)
		only("greeting", !o.Greeting, Room)
		only("history", o.History != 0, Room)
		only("settings_timeout", o.SettingsTimeout != defaults.SettingsTimeout, Pairs)
		only("operator", o.Operator != "", FullDuplex, HalfDuplex)
		if problem := o.busProblem(); o.Bus != "" && problem != "" {
			refuse("bus", "%s", problem)
		}
	}
	if o.Slow != Drop && o.Slow != Disconnect {
		refuse("slow", "there is no %q; choose one of %q, %q", o.Slow, Drop, Disconnect)
	}
	if o.History < 0 || o.History > maxHistory {
		refuse("history", "is %d; give a number from 0 to %d", o.History, maxHistory)
	}
	if o.Queue < 1 || o.Queue > maxQueue {
		refuse("queue", "is %d; give a number from 1 to %d", o.Queue, maxQueue)
	}
	if o.Rate != 0 && (o.Rate < 0.01 || o.Rate > maxRate) {
		refuse("rate", "is %v; give a number from 0.01 to %d, or 0 for no limit", o.Rate, maxRate)
	}
	return errors.Join(errs...)
}

// busProblem returns what is wrong with the bus, or "".
func (o *Options) busProblem() string {
	switch {
	case o.Mode != Room:
		return fmt.Sprintf("is for mode = %q, as pairs and operators are at one server; remove it, or change the mode", Room)
	case Buses == nil:
		return "this program has no bus; use the command socketserver, or the plugin chat"
	}
	if err := Buses.Check(o.Bus); err != nil {
		return err.Error()
	}
	return ""
}
