package terminaltest

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// A screen is as much of a terminal as the programs under test use. Everything else is a
// problem: nothing but these sequences may reach a terminal.
type screen struct {
	columns     int
	rows        [][]string // of cells; the second one of a wide character is empty
	row, column int        // of the cursor; column may be behind the last one
	pending     []byte
	paste       bool // pasted text is to be marked
	problem     string
}

func newScreen(columns, rows int) *screen {
	return &screen{columns: columns, rows: make([][]string, rows)}
}

// String is the rows up to the one with the cursor, or the last one with text, and the
// column of the cursor.
func (s *screen) String() string {
	var rows []string
	last := s.row
	for i, cells := range s.rows {
		rows = append(rows, strings.TrimRight(strings.Join(cells, ""), " "))
		if rows[i] != "" {
			last = max(last, i)
		}
	}
	return fmt.Sprintf("%s|%d", strings.Join(rows[:last+1], "\n"), s.column)
}

func (s *screen) write(p []byte) {
	s.pending = append(s.pending, p...)
	for len(s.pending) > 0 {
		n := s.first(s.pending)
		if n == 0 {
			return
		}
		s.pending = s.pending[n:]
	}
}

// first acts on what p begins with and returns its length, or 0 where that is incomplete.
func (s *screen) first(p []byte) int {
	switch {
	case p[0] == 0x1b:
		return s.sequence(p)
	case p[0] == '\r':
		s.column = 0
		return 1
	case p[0] == '\n':
		s.feed()
		return 1
	case !utf8.FullRune(p):
		return 0
	}
	if p[0] == '\t' {
		s.print(" ", 1)
		for s.column%8 != 0 {
			s.print(" ", 1)
		}
		return 1
	}
	cluster, _, width, _ := uniseg.FirstGraphemeCluster(p, -1)
	if width == 0 {
		s.problem = fmt.Sprintf("the terminal was sent %q", cluster)
		return len(cluster)
	}
	s.print(string(cluster), width)
	return len(cluster)
}

func (s *screen) print(cluster string, width int) {
	if s.column+width > s.columns {
		s.column = 0
		s.feed()
	}
	cells := s.rows[s.row]
	for len(cells) < s.column+width {
		cells = append(cells, " ")
	}
	cells[s.column] = cluster
	if width == 2 {
		cells[s.column+1] = ""
	}
	s.rows[s.row] = cells
	s.column += width
}

func (s *screen) feed() {
	if s.row++; s.row == len(s.rows) {
		s.rows = append(s.rows[1:], nil)
		s.row--
	}
}

func (s *screen) sequence(p []byte) int {
	if len(p) < 2 {
		return 0
	}
	for i, c := range p[2:] {
		if c < 0x40 || c > 0x7e {
			continue
		}
		s.act(string(p[2:i+2]), string(p[1])+string(c))
		return i + 3
	}
	return 0
}

func (s *screen) act(parameter, command string) {
	n, _ := strconv.Atoi(parameter)
	switch command {
	case "[A":
		s.row = max(0, s.row-max(1, n))
	case "[h", "[l":
		if parameter != "?2004" {
			s.problem = fmt.Sprintf("the terminal was sent the mode %q", parameter)
		}
		s.paste = command == "[h"
	case "[G":
		s.column = min(n, s.columns) - 1
	case "[H":
		s.row, s.column = 0, 0
	case "[J":
		s.rows[s.row] = s.rows[s.row][:min(s.column, len(s.rows[s.row]))]
		first := s.row + 1
		if n == 2 {
			first = 0
		}
		for i := first; i < len(s.rows); i++ {
			s.rows[i] = nil
		}
	default:
		s.problem = fmt.Sprintf("the terminal was sent the sequence %q of %q", parameter, command)
	}
}
