package result

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/internal/text"
)

// A Condition is a requirement on a report, as in one of
//
//	threading.p99 < 5ms
//	threading.connections.rate >= 0.9*preforking.connections.rate
//	forking.exit.lived == yes
//
// The operators are < <= > >= == and !=. Metrics are rate, p50, p90, p99, p999, max, cpu (per
// answered request), memory (proportional), resident, errors, unserved, started and switches.
// Without a kind of load it applies to every one that was measured, on both sides.
type Condition struct {
	text     string
	left     operand
	operator string
	limit    float64 // or the factor of right
	right    *operand
	lived    bool // the right side if left is of a mishap
}

// An operand is a metric of a subject, or whether its server survived a mishap.
type operand struct {
	subject string
	load    string // empty: every load
	metric  *metric
	mishap  string
}

var (
	operators = []string{"<=", ">=", "==", "!=", "<", ">"} // those of two characters first
	mishaps   = []string{
		"slow", "counter", "directory", "environment", "panic", "exit",
		"fatal", "memory", "hang", "full", "shutdown", "kill",
	}
)

// ParseCondition parses a condition on a comparison of these subjects under these kinds of load. The
// error says which part is wrong and what to write instead.
func ParseCondition(text string, subjects, loads []string) (Condition, error) {
	return vocabulary{subjects, loads}.condition(text)
}

func (c Condition) String() string { return c.text }

// vocabulary is the names that a condition may use.
type vocabulary struct{ subjects, loads []string }

func (v vocabulary) condition(text string) (c Condition, err error) {
	c.text = strings.TrimSpace(text)
	at := strings.IndexAny(text, "<>=!")
	if at < 0 {
		return c, fmt.Errorf("it compares nothing; write it as in threading.p99<5ms")
	}
	i := slices.IndexFunc(operators, func(o string) bool { return strings.HasPrefix(text[at:], o) })
	if i < 0 {
		return c, fmt.Errorf("there is no operator %q; use one of < <= > >= == !=", text[at:at+1])
	}
	c.operator = operators[i]
	if c.left, err = v.operand(strings.TrimSpace(text[:at])); err != nil {
		return c, err
	}
	value := strings.TrimSpace(text[at+len(c.operator):])
	if c.left.mishap != "" {
		return c, c.parseLived(value)
	}
	return c, v.parseValue(&c, value)
}

func (c *Condition) parseLived(value string) error {
	if c.operator != "==" && c.operator != "!=" {
		return fmt.Errorf("lived is yes or no; compare it with == or !=")
	}
	if value != "yes" && value != "no" {
		return fmt.Errorf("%q is neither yes nor no; write %s %s yes", value, c.left, c.operator)
	}
	c.lived = value == "yes"
	return nil
}

// parseValue parses a number with its unit, or another metric with or without a factor.
func (v vocabulary) parseValue(c *Condition, value string) (err error) {
	if value == "" {
		return fmt.Errorf("there is nothing after %s; write a value, as in %s", c.operator, c.left.metric.unit.example)
	}
	number := strings.IndexByte("0123456789.-+", value[0]) >= 0
	subject, _ := v.subjectOf(value)
	factor, name, multiplied := strings.Cut(value, "*")
	switch {
	case multiplied:
		if c.limit, err = count.parse(strings.TrimSpace(factor)); err != nil {
			return err
		}
	case number && subject == "":
		c.limit, err = c.left.metric.unit.parse(value)
		return err
	default:
		c.limit, name = 1, value
	}
	right, err := v.operand(strings.TrimSpace(name))
	if err != nil {
		return err
	}
	if right.metric == nil {
		return fmt.Errorf("%s is yes or no, and %s is %s; compare it with another metric", right, c.left, c.left.metric.unit.name)
	}
	if right.metric.unit != c.left.metric.unit {
		return fmt.Errorf("%s is %s, and %s is %s; compare it with another metric", right, right.metric.unit.name, c.left, c.left.metric.unit.name)
	}
	c.right = &right
	return nil
}

// subjectOf returns the subject that text begins with, and what follows it. Names may have dots in
// them. If only plugins are compared, "threading" stands for plugin-threading.
func (v vocabulary) subjectOf(text string) (subject, rest string) {
	longest := ""
	for _, s := range v.subjects {
		for _, name := range []string{s, strings.TrimPrefix(s, "plugin-")} {
			if after, ok := strings.CutPrefix(text, name+"."); ok && len(name) > len(longest) && (name == s || !slices.Contains(v.subjects, name)) {
				subject, longest, rest = s, name, after
			}
		}
	}
	return subject, rest
}

func (v vocabulary) operand(text string) (o operand, err error) {
	if slices.Contains(v.subjects, text) {
		return o, fmt.Errorf("%s is a subject; name one of its metrics, as in %s.p99", text, text)
	}
	subject, rest := v.subjectOf(text)
	if o.subject = subject; o.subject == "" {
		name, _, _ := strings.Cut(text, ".")
		return o, fmt.Errorf("there is no subject %q; %s", name, suggest(name, v.subjects))
	}
	if mishap, ok := strings.CutSuffix(rest, ".lived"); ok {
		if o.mishap = mishap; !slices.Contains(mishaps, mishap) {
			return o, fmt.Errorf("there is no mishap %q; %s", mishap, suggest(mishap, mishaps))
		}
		return o, nil
	}
	if o.metric = metricNamed(rest); o.metric != nil {
		return o, nil
	}
	if load, name, ok := strings.Cut(rest, "."); ok {
		if o.load, rest = load, name; !slices.Contains(v.loads, load) {
			return o, fmt.Errorf("there is no load %q; %s", load, suggest(load, v.loads))
		}
	}
	if o.metric = metricNamed(rest); o.metric == nil {
		var names []string
		for _, m := range metrics {
			names = append(names, m.name)
		}
		return o, fmt.Errorf("there is no metric %q; %s", rest, suggest(rest, names))
	}
	return o, nil
}

func (o operand) String() string {
	switch {
	case o.mishap != "":
		return o.subject + "." + o.mishap + ".lived"
	case o.load == "":
		return o.subject + "." + o.metric.name
	}
	return o.subject + "." + o.load + "." + o.metric.name
}

// suggest returns the name that may have been meant, or the list of names.
func suggest(name string, names []string) string {
	return text.Hint(name, names, "there is "+List(names))
}
