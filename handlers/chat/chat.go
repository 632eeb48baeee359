// Package chat is the handler whose clients talk with each other: all in a room, two by
// two, or each with the server's operator.
package chat

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/internal/text"
)

// Options are the options of the handler.
type Options struct {
	Mode            Mode           `json:"mode" doc:"who talks with whom: room, everybody with everybody else; pairs, two by two; half-duplex and full-duplex, one at a time with the operator"`
	Raw             bool           `json:"raw" doc:"relay control bytes and invalid UTF-8 untouched; they act on the terminals of those who read"`
	Commands        bool           `json:"commands" doc:"in a room: /nick, /names, /msg, /me, /join, /help and /quit, and the sender's name before each message"`
	Greeting        bool           `json:"greeting" doc:"in a room: tell the others who comes and who leaves"`
	History         int            `json:"history" doc:"in a room: how many of the last messages a newcomer is sent"`
	Queue           int            `json:"queue" doc:"how many messages wait for a client that does not read, together at most 96 KiB"`
	Slow            Slow           `json:"slow" doc:"what becomes of a client for whom more wait: drop, it misses messages; disconnect"`
	Rate            float64        `json:"rate" doc:"how many messages a second are read from a client, after the first five; 0 means no limit"`
	SettingsTimeout Duration       `json:"settings_timeout" doc:"in pairs: how long a client may take to say who it is; \"0\" means no limit"`
	Bus             string         `json:"bus" doc:"in a room: the NATS server over which servers share their rooms, as in nats://localhost:4222; empty: they do not"`
	Operator        framework.Path `json:"operator" doc:"with an operator: the path of the socket that consoles connect to; empty: one that socketserver console finds by the server's name"`
}

// A Mode says who talks with whom.
type Mode string

const (
	Room       Mode = "room"
	Pairs      Mode = "pairs"
	HalfDuplex Mode = "half-duplex"
	FullDuplex Mode = "full-duplex"
)

var modes = []Mode{Room, Pairs, HalfDuplex, FullDuplex}

// Slow says what becomes of a client that does not read.
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
		return fmt.Errorf("%q is no duration; write it as in \"3s\"", text)
	}
	return nil
}

func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

var defaults = Options{
	Mode: Room, Greeting: true, Queue: 256, Slow: Drop, SettingsTimeout: Duration(3 * time.Second),
}

// Constructor makes the handler.
var Constructor = framework.Define(defaults, construct)

func construct(o Options) (*framework.HandlerClass, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	switch o.Mode {
	case Room:
		return newRooms(&o).class(), nil
	case Pairs:
		p := &pairs{options: &o, ends: map[string]*end{}}
		return &framework.HandlerClass{
			New:      func() framework.Handler { return &pairHandler{pairs: p} },
			Stateful: "who talks with whom", Quiet: true,
		}, nil
	default:
		l := newLine(&o)
		return &framework.HandlerClass{
			New:      func() framework.Handler { return &lineHandler{line: l} },
			Stateful: "who talks with the operator", Open: l.open, Close: l.close,
		}, nil
	}
}

const (
	maxHistory = 1000
	maxQueue   = 100_000
	maxRate    = 1_000_000
)

// form is what becomes of a client's text on its way to others.
func (o *Options) form() text.Form {
	if o.Raw {
		return text.Raw
	}
	return text.Relay
}

func (o *Options) check() error {
	var errs []error
	refuse := func(option, format string, args ...any) {
		errs = append(errs, &framework.OptionError{Option: option, Problem: fmt.Sprintf(format, args...)})
	}
	if !slices.Contains(modes, o.Mode) {
		refuse("mode", "there is no mode %q; choose one of %q, %q, %q, %q", o.Mode, Room, Pairs, HalfDuplex, FullDuplex)
	} else { // what else is wrong depends on it
		errs = append(errs, o.checkBus(), o.checkMode())
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

func (o *Options) checkBus() error {
	problem := ""
	switch {
	case o.Bus == "":
		return nil
	case o.Mode != Room:
		problem = fmt.Sprintf("joins rooms; those who talk two by two or with an operator do so at one server: remove it, or set mode = %q", Room)
	case Buses == nil:
		problem = "this program has no bus; use the command socketserver, or the plugin chat"
	default:
		err := Buses.Check(o.Bus)
		if err == nil {
			return nil
		}
		problem = err.Error()
	}
	return &framework.OptionError{Option: "bus", Problem: problem}
}

// checkMode refuses what is for another mode, rather than ignoring it.
func (o *Options) checkMode() error {
	var errs []error
	only := func(option string, set bool, modes ...Mode) {
		if set && !slices.Contains(modes, o.Mode) {
			errs = append(errs, &framework.OptionError{
				Option: option, Problem: fmt.Sprintf("is for mode = %q; remove it, or change the mode", modes[0]),
			})
		}
	}
	only("commands", o.Commands, Room)
	only("greeting", !o.Greeting, Room)
	only("history", o.History != 0, Room)
	only("settings_timeout", o.SettingsTimeout != defaults.SettingsTimeout, Pairs)
	only("operator", o.Operator != "", FullDuplex, HalfDuplex)
	return errors.Join(errs...)
}
