package progress

import (
	"fmt"
	"strings"
	"time"
)

// bar is one line of a terminal that is rewritten.
type bar struct{}

// Escape sequences: go to the beginning of an empty line, and do not wrap a text that is wider than
// the terminal, which would leave lines behind.
const (
	fresh  = "\r\x1b[2K"
	noWrap = "\x1b[?7l"
	rewrap = "\x1b[?7h"
)

const columns = 20 // of the bar

func (b bar) phase(s *state) string { return b.tick(s) }

func (bar) tick(s *state) string {
	full := int(s.part() * columns)
	drawn := strings.Repeat("#", full) + strings.Repeat(".", columns-full)
	return fmt.Sprintf("%s%s[%s] %3.0f %%  %8s  %s%s", fresh, noWrap, drawn, 100*s.part(), remaining(s),
		s.what, rewrap)
}

func (b bar) warning(s *state, line string) string { return fresh + line + b.tick(s) }

func (bar) end() string { return fresh }

// lines is one line at each interval, for a log.
type lines struct{}

func (lines) phase(*state) string { return "" }

func (lines) tick(s *state) string {
	if s.total <= 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %% done, %s: %s\n", 100*s.part(), remaining(s), s.what)
}

func (lines) warning(_ *state, line string) string { return line }

func (lines) end() string { return "" }

// remaining returns the time left, as in "1m5s left".
func remaining(s *state) string {
	if s.total <= 0 {
		return ""
	}
	left := s.left().Round(time.Second)
	if left == 0 {
		return "<1s left"
	}
	return left.String() + " left"
}
