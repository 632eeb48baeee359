package result

import (
	"slices"
	"strings"
)

// Name returns the name of a subject as reports have it, from one that a user typed. It is words of a
// configuration: a concurrency, and what its block sets, as in
//
//	forking, max_requests = 100, spares = 4
func Name(typed string) string {
	words := strings.Split(typed, ",")
	for i, word := range words {
		words[i] = strings.Join(strings.Fields(strings.ReplaceAll(word, "=", " = ")), " ")
	}
	slices.Sort(words[1:])
	return strings.Join(words, ", ")
}

// Names returns the names in a list that was split at commas.
func Names(list []string) []string {
	var all []string
	for _, word := range list {
		if name, _, setting := strings.Cut(word, "="); setting && len(all) > 0 && !strings.Contains(name, ",") {
			all[len(all)-1] += "," + word
			continue
		}
		all = append(all, word)
	}
	for i := range all {
		all[i] = Name(all[i])
	}
	return all
}
