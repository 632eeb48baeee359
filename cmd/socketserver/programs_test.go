package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A programRow is a row of a table of docs/programs.md: an original, the program of testdata in
// its shape, its counterparts and how connect is used.
type programRow struct {
	original, program, command string
	here                       []place
}

// A place is a listener of servers.hcl.
type place struct{ server, network, port string }

var placeText = regexp.MustCompile(`^(\S+), (tcp|udp) (\d+)$`)

// programRows are those below a heading, which have to have every program of a file.
func programRows(t *testing.T, heading, file string) []programRow {
	t.Helper()
	src, err := os.ReadFile("../../docs/programs.md")
	require.NoError(t, err)
	_, text, found := strings.Cut(string(src), "\n## "+heading+"\n")
	require.True(t, found)
	text, _, _ = strings.Cut(text, "\n## ")
	var rows []programRow
	var programs []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "|") {
			rows = append(rows, parseRow(t, line))
			programs = append(programs, rows[len(rows)-1].program)
		}
	}
	rows, programs = rows[2:], programs[2:] // without the head of the table
	names, err := exec.Command("python3", "testdata/"+file).Output()
	require.NoError(t, err)
	require.Subset(t, programs, strings.Fields(string(names)), "a program is missing in docs/programs.md")
	return rows
}

func parseRow(t *testing.T, line string) programRow {
	t.Helper()
	cells := strings.Split(strings.Trim(line, "|\n"), "|")
	require.Len(t, cells, 5, line)
	for i := range cells {
		cells[i] = strings.Trim(cells[i], " `")
	}
	row := programRow{original: cells[0], program: cells[1], command: cells[3]}
	for _, text := range strings.Split(cells[2], "; ") {
		if m := placeText.FindStringSubmatch(text); m != nil {
			row.here = append(row.here, place{m[1], m[2], m[3]})
		}
	}
	return row
}

var lastNumber = regexp.MustCompile(`\d+$`)

// arguments are those of connect, for a server at another port.
func (r programRow) arguments(t *testing.T, port string) []string {
	t.Helper()
	words, found := strings.CutPrefix(r.command, "socketserver connect ")
	require.True(t, found, r.command)
	return strings.Fields(lastNumber.ReplaceAllString(words, port))
}
