package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// A screen shows text and the sequences that match harmless.
type screen struct {
	columns     int
	rows        [][]string // of cells; the second one of a wide character is empty
	row, column int        // of the cursor; column may be behind the last one
	pending     string     // the beginning of a character or sequence
}

// harmless is all that may reach a terminal. The last sequence may be incomplete.
var (
	harmless = regexp.MustCompile(`^(?:[^\x00-\x08\x0b\x0c\x0e-\x1f\x{7f}-\x{9f}\x{202e}]|\x1b\[(?:\d*[AGHJ]|\?2004[hl]))*(?:\x1b(?:\[[\d?]*)?)?$`)
	sequence = regexp.MustCompile(`^\x1b\[\??(\d*)(.)`)
)

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

func (s *screen) write(text string) {
	for s.pending += text; s.pending != "" && utf8.FullRuneInString(s.pending); {
		if s.pending[0] == 0x1b {
			m := sequence.FindStringSubmatch(s.pending)
			if m == nil {
				return
			}
			s.pending = s.pending[len(m[0]):]
			n, _ := strconv.Atoi(m[1])
			s.act(m[2], n)
			continue
		}
		var cluster string
		var width int
		cluster, s.pending, width, _ = uniseg.FirstGraphemeClusterInString(s.pending, -1)
		switch cluster {
		case "\r":
			s.column = 0
		case "\n":
			s.feed()
		case "\r\n":
			s.column = 0
			s.feed()
		case "\t":
			for s.print(" ", 1); s.column%8 != 0; {
				s.print(" ", 1)
			}
		default:
			s.print(cluster, width)
		}
	}
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

func (s *screen) act(command string, n int) {
	switch command {
	case "A":
		s.row = max(0, s.row-max(1, n))
	case "G":
		s.column = min(n, s.columns) - 1
	case "H":
		s.row, s.column = 0, 0
	case "J":
		first := s.row + 1
		if n == 2 {
			first = 0
		} else {
			s.rows[s.row] = s.rows[s.row][:min(s.column, len(s.rows[s.row]))]
		}
		clear(s.rows[first:])
	}
}
