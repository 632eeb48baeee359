package result

import (
	"cmp"
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
// Without a kind of load it applies to every one that was measured, on both sides.
type Condition struct {
	text     string
	left     operand
	operator string   // of operators
	limit    float64  // or the factor of right
	right    *operand // nil: left is compared with limit
}

// An operand is a metric of a subject, or whether its server survived a mishap.
type operand struct {
	subject string
	load    string  // empty: every load
	metric  *metric // nil: survival
	mishap  string
	unit    *unit
}

var operators = map[string]func(left, right float64) bool{
	"<":  func(left, right float64) bool { return left < right },
	"<=": func(left, right float64) bool { return left <= right },
	">":  func(left, right float64) bool { return left > right },
	">=": func(left, right float64) bool { return left >= right },
	"==": func(left, right float64) bool { return left == right },
	"!=": func(left, right float64) bool { return left != right },
}

var mishaps = []string{
	"slow", "counter", "directory", "environment", "panic", "exit", "fatal", "memory", "hang", "full", "shutdown", "kill",
}

// grammar is an operand, an operator and what follows.
var grammar = regexp.MustCompile(`^\s*(.*?)\s*(<=|>=|==|!=|<|>)\s*(.*?)\s*$`)

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

// vocabulary is the names that a condition may use.
type vocabulary struct{ subjects, loads []string }

// parseRight parses a value with its unit, or another operand with or without a factor.
func (v vocabulary) parseRight(c *Condition, value string) (err error) {
	factor, name, product := strings.Cut(value, "*")
	switch {
	case product:
		c.limit, err = count.parse(strings.TrimSpace(factor))
	case strings.Contains(strings.TrimLeft(value, "0123456789."), "."):
		c.limit, name = 1, value
	default:
		c.limit, err = c.left.unit.parse(value)
		return err
	}
	if err != nil {
		return err
	}
	right, err := v.operand(strings.TrimSpace(name))
	if err != nil {
		return err
	}
	if right.unit != c.left.unit {
		return fmt.Errorf("%s is %s, and %s is %s; compare it with another metric", right, right.unit.name, c.left, c.left.unit.name)
	}
	c.right = &right
	return nil
}

func (v vocabulary) operand(text string) (o operand, err error) {
	name, rest, _ := strings.Cut(text, ".")
	name = Name(name)
	o.subject = name
	mishap, survival := strings.CutSuffix(rest, ".lived")
	load, metric, ofLoad := strings.Cut(rest, ".")
	if !ofLoad || metricNamed(rest) != nil {
		load, metric = "", rest
	}
	switch {
	case !slices.Contains(v.subjects, o.subject):
		return o, unknown("subject", name, v.subjects)
	case rest == "":
		return o, fmt.Errorf("%s is a subject; name one of its metrics, as in %s.p99", name, name)
	case survival && !slices.Contains(mishaps, mishap):
		return o, unknown("mishap", mishap, mishaps)
	case survival:
		o.mishap, o.unit = mishap, yesNo
		return o, nil
	case load != "" && !slices.Contains(v.loads, load):
		return o, unknown("load", load, v.loads)
	}
	o.load, o.metric = load, metricNamed(metric)
	if o.metric == nil {
		var names []string
		for _, m := range metrics {
			names = append(names, m.name)
		}
		return o, unknown("metric", metric, names)
	}
	o.unit = o.metric.unit
	return o, nil
}

// unknown is the error for a name, with the one that may have been meant or all that there are.
func unknown(what, name string, names []string) error {
	return fmt.Errorf("there is no %s %q; %s", what, name, text.Hint(name, names, "there is "+text.And(names)))
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
		a.Held = a.Held && known && operators[c.operator](left, limit)
	}
	a.Found = strings.Join(found, ", ")
	return a
}

// value returns the value of the operand, if it is known, and text for the report.
func (o operand) value(r *Report, load string) (v float64, shown string, known bool) {
	var why string
	if o.metric != nil {
		o.load = cmp.Or(o.load, load)
		v, why = o.metric.value(r.load(o.load).Of(o.subject))
		shown = o.metric.unit.format(v)
	} else if row := r.Observed(o.mishap, o.subject); row == nil {
		why = "not tried"
	} else {
		why, shown = row.Problem, row.Lived
		if row.lived() {
			v = 1
		}
	}
	if why != "" {
		return 0, o.String() + ": " + why, false
	}
	return v, o.String() + " = " + shown, true
}

func (o *Observation) lived() bool { return o.Lived == "yes" }
