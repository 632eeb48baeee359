package result

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/docs"
)

// A schema is as much of JSON Schema as that of the report uses.
type schema struct {
	Schema      string             `json:"$schema"`
	Ref         string             `json:"$ref"`
	Defs        map[string]*schema `json:"$defs"`
	Title       string             `json:"title"`
	Description string             `json:"description"`
	Type        string             `json:"type"`
	Format      string             `json:"format"`
	Properties  map[string]*schema `json:"properties"`
	Required    []string           `json:"required"`
	Additional  any                `json:"additionalProperties"`
	Items       *schema            `json:"items"`
	Enum        []any              `json:"enum"`
	Const       any                `json:"const"`
	Minimum     *float64           `json:"minimum"`
	Maximum     *float64           `json:"maximum"`
}

// largest bounds every number: an integer up to there is exact as JSON.
const largest = 1 << 53

func readSchema() *schema {
	var s schema
	if err := json.Unmarshal(docs.Report, &s); err != nil {
		panic(err) // it is part of this program
	}
	return &s
}

// check returns which field of v, at path, is not as root has it, and what it would be. A field that is not known is
// of a later version, and one that is missing of an earlier one.
func (s *schema) check(root *schema, v any, path string) error {
	if s.Ref != "" {
		return root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")].check(root, v, path)
	}
	switch v := v.(type) {
	case map[string]any:
		if s.Type != "object" {
			return s.wrong(path, "an object")
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			field := s.Properties[name]
			if field == nil && s.Properties == nil {
				field = &schema{Type: "integer", Minimum: new(float64)} // the only such map counts
			}
			if field == nil {
				continue
			}
			if err := field.check(root, v[name], strings.TrimPrefix(path+"."+name, ".")); err != nil {
				return err
			}
		}
	case []any:
		if s.Type != "array" {
			return s.wrong(path, "a list")
		}
		for i, item := range v {
			if err := s.Items.check(root, item, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	default:
		if !s.allows(v) {
			text, _ := json.Marshal(v)
			return s.wrong(path, string(text))
		}
	}
	return nil
}

// allows reports whether v is a value of s, which has no parts.
func (s *schema) allows(v any) bool {
	if s.Const != nil && s.Const != v || s.Enum != nil && !slices.Contains(s.Enum, v) {
		return false
	}
	switch v := v.(type) {
	case float64:
		least, most := s.bounds()
		return least <= v && v <= most && (s.Type == "number" || s.Type == "integer" && v == math.Trunc(v))
	case string:
		_, err := time.Parse(time.RFC3339, v)
		return s.Type == "string" && (s.Format == "" || err == nil)
	case bool:
		return s.Type == "boolean"
	}
	return false
}

func (s *schema) bounds() (least, most float64) {
	return *cmp.Or(s.Minimum, new(-float64(largest))), *cmp.Or(s.Maximum, new(float64(largest)))
}

// wrong returns the error for a value of a field.
func (s *schema) wrong(path, value string) error {
	kind := map[string]string{"array": "a list", "object": "an object", "boolean": "true or false", "string": "text"}[s.Type]
	switch {
	case s.Const != nil:
		kind = fmt.Sprint(s.Const)
	case s.Enum != nil:
		kind = "one of " + strings.Trim(fmt.Sprintf("%q", s.Enum), "[]")
	case s.Format != "":
		kind = "a time, as in 2026-01-31T12:00:00Z"
	case s.Type == "integer" || s.Type == "number":
		least, most := s.bounds()
		kind = fmt.Sprintf("a number from %.0f to %.0f", least, most)
		if s.Type == "integer" {
			kind = strings.Replace(kind, "number", "whole number", 1)
		}
	}
	return fmt.Errorf("%s is %s, and not %s", cmp.Or(path, "it"), value, kind)
}
