package result

import (
	"errors"
	"fmt"
	"regexp"
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
// The operators are < <= > >= == and !=. Without a kind of load it applies to every one that was
// measured, on both sides.
type Condition struct {
	text     string
	left     operand
	operator string
	limit    float64 // or the factor of right
	right    *operand
}

// An operand is a metric of a subject, or whether its server survived a mishap.
type operand struct {
	subject string
	load    string // empty: every load
	metric  *metric
	mishap  string
}

var mishaps = []string{
	"slow", "counter", "directory", "environment", "panic", "exit", "fatal", "memory", "hang", "full", "shutdown", "kill",
}

// grammar is an operand, an operator and what follows.
var grammar = regexp.MustCompile(`^\s*([^<>=!]*?)\s*(<=|>=|==|!=|<|>)\s*(.*?)\s*$`)

// ParseCondition parses a condition on a comparison of these subjects under these kinds of load. The
// error says which part is wrong and what to write instead.
func ParseCondition(text string, subjects, loads []string) (c Condition, err error) {
	v := vocabulary{subjects, loads}
	parts := grammar.FindStringSubmatch(text)
	if parts == nil {
		return c, errors.New("it compares nothing; write it as in threading.p99<5ms, with one of < <= > >= == !=")
	}
	c.text, c.operator = strings.TrimSpace(text), parts[2]
	if c.left, err = v.operand(parts[1]); err != nil {
		return c, err
	}
	if c.left.mishap != "" && c.operator != "==" && c.operator != "!=" {
		return c, errors.New("lived is yes or no; compare it with == or !=")
	}
	return c, v.parseRight(&c, parts[3])
}

func (c Condition) String() string { return c.text }

// vocabulary is the names that a condition may use.
type vocabulary struct{ subjects, loads []string }

// parseRight parses a value with its unit, or another operand with or without a factor.
func (v vocabulary) parseRight(c *Condition, value string) (err error) {
	unit, name := c.left.unit(), value
	factor, multiplied, product := strings.Cut(value, "*")
	switch subject, _ := v.subjectOf(value); {
	case product:
		name = strings.TrimSpace(multiplied)
		if c.limit, err = count.parse(strings.TrimSpace(factor)); err != nil {
			return err
		}
	case subject == "" && !strings.Contains(strings.TrimLeft(value, "0123456789."), "."):
		c.limit, err = unit.parse(value)
		return err
	default:
		c.limit = 1
	}
	right, err := v.operand(name)
	if err != nil {
		return err
	}
	if right.unit() != unit {
		return fmt.Errorf("%s is %s, and %s is %s; compare it with another metric", right, right.unit().name, c.left, unit.name)
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
	var rest string
	if o.subject, rest = v.subjectOf(text); o.subject == "" {
		name, _, _ := strings.Cut(text, ".")
		return o, unknown("subject", name, v.subjects)
	}
	if mishap, ok := strings.CutSuffix(rest, ".lived"); ok {
		if o.mishap = mishap; !slices.Contains(mishaps, mishap) {
			return o, unknown("mishap", mishap, mishaps)
		}
		return o, nil
	}
	if load, name, ok := strings.Cut(rest, "."); ok && metricNamed(rest) == nil {
		if o.load, rest = load, name; !slices.Contains(v.loads, load) {
			return o, unknown("load", load, v.loads)
		}
	}
	if o.metric = metricNamed(rest); o.metric == nil {
		var names []string
		for _, m := range metrics {
			names = append(names, m.name)
		}
		return o, unknown("metric", rest, names)
	}
	return o, nil
}

// unknown is the error for a name, with the one that may have been meant or all that there are.
func unknown(what, name string, names []string) error {
	return fmt.Errorf("there is no %s %q; %s", what, name, text.Hint(name, names, "there is "+List(names)))
}

func (o operand) unit() *unit {
	if o.metric == nil {
		return yesNo
	}
	return o.metric.unit
}

func (o operand) String() string {
	switch {
	case o.metric == nil:
		return o.subject + "." + o.mishap + ".lived"
	case o.load == "":
		return o.subject + "." + o.metric.name
	}
	return o.subject + "." + o.load + "." + o.metric.name
}

// Check reports whether the condition holds. It does not if something that it names was not measured
// or tried, or is a percentile with only a lower bound; Found then says why.
func (c Condition) Check(r *Report) Assertion {
	loads := []string{c.left.load}
	if c.left.load == "" && c.left.metric != nil {
		loads = nil
		for _, l := range r.Loads {
			loads = append(loads, l.Kind)
		}
	}
	if len(loads) == 0 {
		return Assertion{Condition: c.text, Found: "nothing was measured"}
	}
	a := Assertion{Condition: c.text, Held: true}
	var found []string
	for _, load := range loads {
		limit := c.limit
		left, shown, known := c.left.value(r, load)
		found = append(found, shown)
		if c.right != nil {
			right, shown, rightKnown := c.right.value(r, load)
			found = append(found, shown)
			limit, known = limit*right, known && rightKnown
		}
		a.Held = a.Held && known && holds(left, c.operator, limit)
	}
	a.Found = strings.Join(found, ", ")
	return a
}

// value returns the value of the operand, if it is known, and text for the report.
func (o operand) value(r *Report, load string) (v float64, shown string, known bool) {
	if o.metric == nil {
		return o.lived(r)
	}
	if o.load == "" {
		o.load = load
	}
	v, why := o.metric.value(r.load(o.load).of(o.subject))
	if why != "" {
		return 0, o.String() + ": " + why, false
	}
	return v, o.String() + " = " + o.metric.unit.format(v), true
}

func (o operand) lived(r *Report) (v float64, shown string, known bool) {
	row := r.observed(o.mishap, o.subject)
	switch {
	case row == nil:
		return 0, o.String() + ": not tried", false
	case row.Problem != "":
		return 0, o.String() + ": " + row.Problem, false
	case row.lived():
		v = 1
	}
	return v, o.String() + " = " + row.Lived, true
}

func (o *Observation) lived() bool { return o.Lived == "yes" }

func holds(left float64, operator string, right float64) bool {
	switch operator {
	case "<":
		return left < right
	case "<=":
		return left <= right
	case ">":
		return left > right
	case ">=":
		return left >= right
	case "==":
		return left == right
	}
	return left != right
}
