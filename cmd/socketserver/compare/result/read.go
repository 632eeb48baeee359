package result

import (
	"encoding/json"
	"fmt"
	"os"
)

// Read reads a report that was saved as JSON.
func Read(path string) (*Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a report: %w", err)
	}
	var r Report
	if err := json.Unmarshal(text, &r); err != nil || r.Schema != Schema {
		return nil, fmt.Errorf("%s is no report of this version, as --save and --output json write it", path)
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
