package importer

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// A rule is what becomes of a setting. The zero rule drops it: it means nothing here.
type rule struct {
	to    string    // the attribute that gets its value
	as    converter // of the value
	lost  string    // why it has no counterpart
	vital bool      // without it the server must not run
	do    func(*server, setting)
}

// A converter makes an attribute's value of a setting's.
type converter func(words []string) (cty.Value, error)

// apply does what the rules say about a setting.
func (s *server) apply(rules map[string]rule, x setting) {
	r, known := rules[x.name]
	switch {
	case !known:
		s.lose(x, "no setting of this name is known")
	case r.do != nil:
		r.do(s, x)
	case r.to != "":
		v, err := r.as(x.words)
		if err != nil {
			s.refuse(x, err.Error())
			return
		}
		s.values[r.to] = v
	case r.vital:
		s.refuse(x, r.lost)
	case r.lost != "":
		s.lose(x, r.lost)
	}
}

func asText(words []string) (cty.Value, error) {
	text := strings.Join(words, " ")
	return cty.StringVal(text), writable(text)
}

func asNumber(words []string) (cty.Value, error) {
	n, err := strconv.ParseInt(strings.Join(words, " "), 10, 64)
	if err != nil {
		return cty.NilVal, fmt.Errorf("%q is not a number", strings.Join(words, " "))
	}
	return cty.NumberIntVal(n), nil
}

// asLimit is asNumber for a resource. The value may have a unit, as K or M, and a hard limit after
// the soft one. Unlimited is null.
func asLimit(words []string) (cty.Value, error) {
	value := strings.Join(words, " ")
	soft, unlimited := softLimit(value)
	if unlimited {
		return cty.NullVal(cty.Number), nil
	}
	factor := int64(1)
	for i, unit := range []string{"K", "M", "G", "T"} {
		if n, ok := strings.CutSuffix(strings.ToUpper(soft), unit); ok {
			soft, factor = n, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseInt(soft, 10, 64)
	if err != nil || n > math.MaxInt64/factor {
		return cty.NilVal, fmt.Errorf("%q is not a limit", value)
	}
	return cty.NumberIntVal(n * factor), nil
}

// asProcessorTime is asLimit for time on processors, in seconds or, of systemd, as a time span.
func asProcessorTime(words []string) (cty.Value, error) {
	soft, unlimited := softLimit(strings.Join(words, ""))
	if unlimited {
		return cty.NullVal(cty.String), nil
	}
	return cty.StringVal(seconds(soft)), nil
}

// softLimit returns the first of the limits in value, and whether it is none.
func softLimit(value string) (soft string, unlimited bool) {
	soft, _, _ = strings.Cut(value, ":")
	return soft, strings.EqualFold(soft, "unlimited") || strings.EqualFold(soft, "infinity")
}

// asEnvironment makes a map of NAME=VALUE.
func asEnvironment(words []string) (cty.Value, error) {
	all := map[string]cty.Value{}
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if !ok || name == "" {
			return cty.NilVal, fmt.Errorf("%q is not NAME=VALUE", w)
		}
		if err := writable(w); err != nil {
			return cty.NilVal, err
		}
		all[name] = cty.StringVal(value)
	}
	if len(all) == 0 {
		return cty.NullVal(cty.Map(cty.String)), nil
	}
	return cty.MapVal(all), nil
}

// asMode is asText for an octal mode.
func asMode(words []string) (cty.Value, error) {
	n, err := strconv.ParseUint(strings.Join(words, " "), 8, 32)
	if err != nil {
		return cty.NilVal, fmt.Errorf("%q is not an octal mode", strings.Join(words, " "))
	}
	return cty.StringVal(fmt.Sprintf("%04o", n)), nil
}

func texts(all []string) cty.Value {
	if len(all) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	values := make([]cty.Value, len(all))
	for i, one := range all {
		values[i] = cty.StringVal(one)
	}
	return cty.ListVal(values)
}
