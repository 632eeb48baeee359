package result

import (
	"encoding/json"
	"fmt"

	"github.com/go-socketserver/socketserver/internal/regular"
)

// maxReport is the maximum size of a saved report in bytes.
const maxReport = 256 << 20

// Read reads a report that was saved as JSON. It may have been edited since.
func Read(path string) (*Report, error) {
	saved, err := regular.ReadInput(path, maxReport)
	if err != nil {
		return nil, fmt.Errorf("read a report: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(saved, &fields); err != nil || fields["schema"] != float64(Schema) {
		return nil, fmt.Errorf("%s is no report of this version, as --save and --output json write it", path)
	}
	root := readSchema()
	err = root.check(root, fields, "")
	var r Report
	if err == nil {
		err = json.Unmarshal(saved, &r)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w; correct it, or measure again with --save", path, err)
	}
	return &r, nil
}

// A Change is how a subject fares in another run, under one load.
type Change struct {
	Load, Subject string
	First, Second *Measured
	Ratio         Ratio
	Verdict       string
	Known         bool // whether there is a ratio
}

// Changes compares the rates of the subjects that both runs have with those of the first.
func Changes(first, second *Report) []Change {
	var all []Change
	for _, l := range first.Loads {
		for i := range l.Results {
			c := Change{Load: l.Kind, Subject: l.Results[i].Subject, First: &l.Results[i]}
			if c.Second = second.load(l.Kind).Of(c.Subject); c.Second == nil {
				continue
			}
			if c.Ratio, c.Known = metricNamed("rate").compare(c.Second, c.First); c.Known {
				c.Verdict = c.Ratio.verdict()
			}
			all = append(all, c)
		}
	}
	return all
}
