package result

import "strings"

// Check reports whether the condition holds. It does not if something that it names was not measured
// or tried, or is a percentile with only a lower bound; Found then says why.
func (c Condition) Check(r *Report) Assertion {
	if c.left.mishap != "" {
		return c.checkLived(r)
	}
	loads := []string{c.left.load}
	if c.left.load == "" {
		loads = nil
		for _, l := range r.Loads {
			loads = append(loads, l.Kind)
		}
	}
	a := Assertion{Condition: c.text, Held: len(loads) > 0}
	var found []string
	for _, load := range loads {
		held, values := c.under(r, load)
		a.Held = a.Held && held
		found = append(found, values...)
	}
	a.Found = strings.Join(found, ", ")
	if len(loads) == 0 {
		a.Found = "nothing was measured"
	}
	return a
}

// under checks the condition for one kind of load.
func (c Condition) under(r *Report, load string) (held bool, found []string) {
	left, shown, known := c.left.value(r, load)
	found = append(found, shown)
	limit := c.limit
	if c.right != nil {
		right, shown, rightKnown := c.right.value(r, load)
		found = append(found, shown)
		known = known && rightKnown
		limit *= right
	}
	return known && holds(left, c.operator, limit), found
}

// value returns the value of the operand, if it is known, and text for the report.
func (o operand) value(r *Report, load string) (v float64, shown string, known bool) {
	if o.load == "" {
		o.load = load
	}
	v, why := o.metric.value(r.load(o.load).of(o.subject))
	if why != "" {
		return 0, o.String() + ": " + why, false
	}
	return v, o.String() + " = " + o.metric.unit.format(v), true
}

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

func (c Condition) checkLived(r *Report) Assertion {
	a := Assertion{Condition: c.text}
	row := r.observed(c.left.mishap, c.left.subject)
	switch {
	case row == nil:
		a.Found = c.left.String() + ": not tried"
	case row.Problem != "":
		a.Found = c.left.String() + ": " + row.Problem
	default:
		a.Found = c.left.String() + " = " + row.Lived
		a.Held = (row.lived() == c.lived) == (c.operator == "==")
	}
	return a
}

func (o *Observation) lived() bool { return o.Lived == "yes" }
