package render

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

func tried(subjects ...string) []result.Observation {
	var all []result.Observation
	for _, s := range subjects {
		all = append(all, result.Observation{Subject: s, Finding: "it was served", Lived: "yes"})
	}
	return all
}

func TestExperiments(t *testing.T) {
	missing := result.Observation{Subject: "c", Problem: "it does not start"}
	r := &result.Report{
		Subjects: []result.Subject{{Name: "a"}, {Name: "b"}, {Name: "c"}},
		Mishaps: []result.Mishap{
			{Title: "one", Rows: append(tried("a", "b"), missing)},
			{Title: "two", Rows: append(tried("a"), result.Observation{Subject: "b", Lived: "no"}, missing)},
		},
	}
	all, notes := experiments(r)
	require.Equal(t, []string{"c could not be tried: it does not start"}, notes)
	require.Equal(t, []group{{"all", result.Observation{Finding: "it was served", Lived: "yes"}}}, all[0].Groups)
	require.Equal(t, []group{
		{"a", result.Observation{Finding: "it was served", Lived: "yes"}},
		{"b", result.Observation{Lived: "no"}},
	}, all[1].Groups)

	r.Mishaps = r.Mishaps[:1]
	all, notes = experiments(r)
	require.Empty(t, notes, "of one experiment it is said there")
	require.Equal(t, "a and b", all[0].Groups[0].Who)
	require.Equal(t, "not tried: it does not start", all[0].Groups[1].What())

	r.Mishaps = append(r.Mishaps, result.Mishap{Title: "two", Rows: tried("a", "b", "c")})
	_, notes = experiments(r)
	require.Empty(t, notes, "it was tried in one")
}
