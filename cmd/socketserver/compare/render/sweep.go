package render

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// A sweep is a chart with a line for each subject: its rate by the number of clients, under the first
// load.
type sweep struct {
	Title, Top string
	Clients    []int
	Lines      []line
}

// A line has a letter, which marks it, and a point for each number of clients.
type line struct {
	Letter, Name, Form string
	Points             []point
}

// A point is in percent of the width and of the height, from below. Y is less than 0 if nothing was
// measured.
type point struct{ X, Y float64 }

// Down is Y in a picture of 100 by 50, from above.
func (p point) Down() float64 { return 50 - p.Y/2 }

// sweepOf returns nil if there was one number of clients.
func sweepOf(r *result.Report) *sweep {
	if len(r.Sweep) == 0 {
		return nil
	}
	s := &sweep{Title: "Throughput by clients: " + strings.ToLower(loadTitles[r.Sweep[0].Load])}
	points, highest := map[string][]result.Point{}, 0.0
	for _, p := range r.Sweep {
		if p.Load != r.Sweep[0].Load {
			continue
		}
		if !slices.Contains(s.Clients, p.Clients) {
			s.Clients = append(s.Clients, p.Clients)
		}
		points[p.Subject] = append(points[p.Subject], p)
		highest = max(highest, p.Rate)
	}
	s.Top = result.FormatRate(highest)
	for i, subject := range r.Subjects {
		l := line{Letter: string(rune('a' + i%26)), Name: subject.Name, Form: formOf(r, subject.Name)}
		for _, p := range points[subject.Name] {
			at := point{X: s.place(slices.Index(s.Clients, p.Clients)), Y: -1}
			if p.Rate > 0 {
				at.Y = math.Round(1000*p.Rate/highest) / 10
			}
			l.Points = append(l.Points, at)
		}
		s.Lines = append(s.Lines, l)
	}
	return s
}

// place returns that of the i-th number of clients, in percent of the width.
func (s *sweep) place(i int) float64 {
	return math.Round(100 * float64(i) / float64(max(1, len(s.Clients)-1)))
}

// Ticks are the numbers of clients with their places.
func (s *sweep) Ticks() []point {
	var all []point
	for i, n := range s.Clients {
		all = append(all, point{s.place(i), float64(n)})
	}
	return all
}

// Path returns the line in a picture of 100 by 50, for SVG.
func (l line) Path() string {
	var all []string
	for _, p := range l.Points {
		if p.Y >= 0 {
			all = append(all, fmt.Sprintf("%g,%g", p.X, p.Down()))
		}
	}
	return strings.Join(all, " ")
}

// sweep draws the points as letters, and * where several are.
func (p printer) sweep(s *sweep) string {
	const height, left = 8, 10
	width := columns - left - 12 // the last number and its noun
	grid := make([][]rune, height+1)
	for i := range grid {
		grid[i] = []rune(strings.Repeat(" ", width+1))
	}
	var legend []string
	for _, l := range s.Lines {
		legend = append(legend, l.Letter+" "+l.Name)
		for _, at := range l.Points {
			if at.Y < 0 {
				continue
			}
			cell := &grid[height-int(math.Round(at.Y*height/100))][int(at.X*float64(width)/100)]
			if *cell == ' ' {
				*cell = rune(l.Letter[0])
			} else {
				*cell = '*'
			}
		}
	}
	axis := []rune(strings.Repeat(" ", width+left+2))
	for _, t := range s.Ticks() {
		copy(axis[left+int(t.X*float64(width)/100):], []rune(strconv.Itoa(int(t.Y))))
	}
	var b strings.Builder
	for i, row := range grid {
		label := map[int]string{0: s.Top, height: "0"}[i]
		b.WriteString(strings.TrimRight(fmt.Sprintf("%*s │%s", left-2, label, string(row)), " ") + "\n")
	}
	b.WriteString(strings.TrimRight(string(axis), " ") + " clients\n")
	text := b.String()
	if p.markdown {
		text = "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n\n"
	}
	return text + p.prose("", "", strings.Join(legend, "; ")+"; * several.")
}
