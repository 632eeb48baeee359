package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/go-socketserver/socketserver/framework"
)

// A field stores the value of an attribute or returns what is wrong with it. null keeps
// the default.
type field func(cty.Value) *fault

// typed returns a field that passes the value to store as a T.
func typed[T any](of cty.Type, wanted string, store func(T) *fault) field {
	return func(v cty.Value) *fault {
		if v.IsNull() {
			return nil
		}
		converted, err := convert.Convert(v, of)
		if err != nil {
			return faultf("write "+wanted, "this is %s", kindOf(v.Type()))
		}
		var value T
		if err := gocty.FromCtyValue(converted, &value); err != nil { // T is an integer type
			return faultf("write "+wanted, "this number does not fit")
		}
		return store(value)
	}
}

func kindOf(t cty.Type) string {
	switch {
	case t == cty.String:
		return "text"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case t.IsListType() || t.IsTupleType() || t.IsSetType():
		return "a list"
	}
	return "a map"
}

// keep returns the store of [typed] that sets into.
func keep[T any](into *T) func(T) *fault {
	return func(v T) *fault {
		*into = v
		return nil
	}
}

func quoted(into *string) field { return typed(cty.String, "text in quotes", keep(into)) }
func boolean(into *bool) field  { return typed(cty.Bool, "true or false", keep(into)) }

// inverted is a boolean that is kept as its opposite, whose zero value is the default.
func inverted(into *bool) field {
	return typed(cty.Bool, "true or false", func(v bool) *fault {
		*into = !v
		return nil
	})
}

// orNone keeps a 0 that was written as -1: in into, which set sets, 0 means the default.
func orNone[T int | time.Duration](into *T, set field) field {
	return func(v cty.Value) *fault {
		f := set(v)
		if f == nil && !v.IsNull() && *into == 0 {
			*into = -1
		}
		return f
	}
}

// texts is a list of text.
func texts(store func([]string) *fault) field {
	return typed(cty.List(cty.String), "a list of text, as in [\"a\", \"b\"]", store)
}

// count is the upper bound of all counts.
const count = 1_000_000

// integer is a whole number from least to most.
func integer(into *int, least, most int) field { return integerOf(least, most, keep(into)) }

func integerOf(least, most int, store func(int) *fault) field {
	wanted := fmt.Sprintf("a whole number from %d to %d", least, most)
	return typed(cty.Number, wanted, func(n int) *fault {
		if n < least || n > most {
			return faultf("write "+wanted, "%d is out of range", n)
		}
		return store(n)
	})
}

// rate is a number of requests in a time. "0" means no limit.
func rate(into *framework.Rate) field {
	const next = `write it as in "200/s" or "20/10s", or "0" for no limit`
	return typed(cty.String, "a rate in quotes", func(s string) *fault {
		number, per, ok := strings.Cut(strings.TrimSpace(s), "/")
		n, err := strconv.Atoi(number)
		if err == nil && n == 0 && !ok {
			*into = framework.Rate{}
			return nil
		}
		if !strings.ContainsAny(per[:min(1, len(per))], "0123456789") {
			per = "1" + per
		}
		within, failed := time.ParseDuration(per)
		switch {
		case err != nil || failed != nil || !ok:
			return faultf(next, "%q is not a rate", s)
		case n < 1 || n > count || within < time.Millisecond || within > 24*time.Hour:
			return faultf(next, "%q is out of range", s)
		}
		*into = framework.Rate{N: n, Per: within}
		return nil
	})
}

// networks is a list of CIDR prefixes and single addresses.
func networks(into *[]netip.Prefix) field {
	const next = `write it as in "192.0.2.0/24", "192.0.2.7" or "2001:db8::/32"`
	return texts(func(all []string) *fault {
		list := make([]netip.Prefix, 0, len(all))
		for _, s := range all {
			network, err := netip.ParsePrefix(s)
			if ip, single := netip.ParseAddr(s); single == nil {
				if ip.Zone() != "" {
					return faultf("write it without %"+ip.Zone(), "%q has a zone, which is not looked at", s)
				}
				network, err = netip.PrefixFrom(ip, ip.BitLen()), nil
			}
			if err != nil {
				return faultf(next, "%q is neither a network nor an address", s)
			}
			if network != network.Masked() {
				return faultf(fmt.Sprintf("write %q", network.Masked()), "%q has bits set behind the prefix", s)
			}
			list = append(list, network)
		}
		*into = list
		return nil
	})
}

// someNetworks is networks that are not none: a list that lets nobody in is a mistake.
func someNetworks(into *[]netip.Prefix) field {
	set := networks(into)
	return func(v cty.Value) *fault {
		f := set(v)
		if f == nil && !v.IsNull() && len(*into) == 0 {
			return faultf(`write the networks that may, or ["0.0.0.0/0", "::/0"] for everybody`, "the list is empty, so that nobody may come in")
		}
		return f
	}
}

// byteRate is a number of bytes a second. "0" means no limit.
func byteRate(into *int) field {
	const next = `write it as in "64KiB/s", "500B/s" or "1MiB/s", or "0" for no limit`
	return typed(cty.String, "a rate in quotes", func(s string) *fault {
		number, ok := strings.CutSuffix(strings.TrimSpace(s), "/s")
		n, err := parseBytes(number, 1<<30)
		switch {
		case errors.Is(err, strconv.ErrRange):
			return faultf(next, "%q is out of range", s)
		case err != nil || !ok && n != 0:
			return faultf(next, "%q is not a rate of bytes", s)
		}
		*into = n
		return nil
	})
}

// byteSize is a number of bytes.
func byteSize(into *int64, least, most int) field {
	const next = `write it as in "64MiB"`
	return typed(cty.String, "a size in quotes", func(s string) *fault {
		n, err := parseBytes(strings.TrimSpace(s), most)
		switch {
		case errors.Is(err, strconv.ErrRange) || err == nil && n < least:
			return faultf(next, "%q is out of range", s)
		case err != nil:
			return faultf(next, "%q is not a number of bytes", s)
		}
		*into = int64(n)
		return nil
	})
}

// parseBytes parses a number of bytes from 0 to most, with a unit or without one.
func parseBytes(s string, most int) (int, error) {
	scale := 1
	for unit, by := range map[string]int{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 1e3, "MB": 1e6, "GB": 1e9} {
		if n, has := strings.CutSuffix(s, unit); has {
			s, scale = n, by
		}
	}
	n, err := strconv.Atoi(strings.TrimSuffix(s, "B"))
	if err == nil && (n < 0 || n > most/scale) {
		err = strconv.ErrRange
	}
	return n * scale, err
}

// duration is one of Go's. "0" means none.
func duration(into *time.Duration) field {
	const next = `write it as in "2m", "1.5s" or "500ms", or "0" for none`
	return typed(cty.String, "a duration in quotes", func(s string) *fault {
		d, err := time.ParseDuration(strings.TrimSpace(s))
		switch {
		case err != nil:
			return faultf(next, "%q is not a duration", s)
		case d < 0:
			return faultf(next, "%q is negative", s)
		}
		*into = d
		return nil
	})
}

// mode is the permission bits of a file in octal.
func mode(into *uint32) field {
	return typed(cty.String, `a mode in quotes, as in "0600"`, func(s string) *fault {
		n, err := strconv.ParseUint(s, 8, 32)
		if err != nil || n == 0 || n > 0o777 {
			return faultf(`write it as in "0600" (this user) or "0660" (its group, too)`, "%q is not an octal mode from 0001 to 0777", s)
		}
		*into = uint32(n)
		return nil
	})
}

func choice[W ~string](store func(W), words ...W) field {
	return typed(cty.String, "text in quotes", func(s string) *fault {
		if !slices.Contains(words, W(s)) {
			all := make([]string, len(words))
			for i, w := range words {
				all[i] = string(w)
			}
			return faultf(suggest(s, all), "%q is not known", s)
		}
		store(W(s))
		return nil
	})
}
