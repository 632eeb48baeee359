package importer

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var unitSection = regexp.MustCompile(`(?m)^\[(Unit|Socket|Service|Install)\]\s*$`)

// A unit is a unit of systemd with its drop-ins: settings by section, in their order.
type unit struct {
	path     string
	sections map[string][]setting
	unread   []string // what of it could not be read
}

func (u *unit) name() string { return filepath.Base(u.path) }

// read adds what a file, the unit's or a drop-in, says. An empty value clears a list.
func (u *unit) read(f file) {
	if f.unread != nil {
		u.unread = append(u.unread, f.unread.Error()+"; without it is not known what restricts clients or the program")
		return
	}
	section := ""
	lines := strings.Split(f.text, "\n")
	for i := 0; i < len(lines); i++ {
		n, text := i+1, strings.TrimSpace(lines[i])
		if text == "" || text[0] == '#' || text[0] == ';' {
			continue
		}
		for strings.HasSuffix(text, `\`) && i+1 < len(lines) {
			i++
			if next := strings.TrimSpace(lines[i]); next == "" || next[0] != '#' && next[0] != ';' {
				text = strings.TrimSuffix(text, `\`) + " " + next
			}
		}
		if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
			section = strings.Trim(text, "[]")
			continue
		}
		name, value, _ := strings.Cut(text, "=")
		x := setting{at: fmt.Sprintf("%s:%d", f.path, n), name: strings.TrimSpace(name), text: text, words: strings.Fields(value)}
		if len(x.words) == 0 {
			u.sections[section] = slices.DeleteFunc(u.sections[section], func(old setting) bool { return old.name == x.name })
			if r := systemdRules[x.name]; r.lost == "" || r.vital {
				continue
			}
		}
		u.sections[section] = append(u.sections[section], x)
	}
}

// raw returns the value with its blanks and quotes.
func (x setting) raw() string {
	_, value, _ := strings.Cut(x.text, "=")
	return strings.TrimSpace(value)
}

// last returns the last setting of a name, which is the one that counts where it is no list.
func (u *unit) last(section, name string) setting {
	if u == nil {
		return setting{}
	}
	for _, x := range slices.Backward(u.sections[section]) {
		if x.name == name {
			return x
		}
	}
	return setting{}
}

func (u *unit) is(section, name, value string) bool {
	return strings.EqualFold(u.last(section, name).value(), value)
}

func (u *unit) yes(section, name string) bool {
	return slices.Contains([]string{"yes", "true", "on", "1", "y", "t"}, strings.ToLower(u.last(section, name).value()))
}

// split divides a command line or a list into words, as systemd does: in quotes blanks are kept
// and escapes have C's meaning.
func split(s string) (words []string, err error) {
	var word strings.Builder
	quote, open := byte(0), false
	for len(s) > 0 {
		switch c := s[0]; {
		case c == '\\' && len(s) > 1:
			r, n := unescape(s)
			word.WriteString(r)
			s, open = s[n:], true
			continue
		case quote == 0 && (c == '"' || c == '\'') && !open:
			quote, open = c, true
		case c == quote && quote != 0:
			quote = 0
		case quote == 0 && (c == ' ' || c == '\t'):
			if open {
				words = append(words, word.String())
				word.Reset()
			}
			open = false
		default:
			word.WriteByte(c)
			open = true
		}
		s = s[1:]
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quotation mark has no end")
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}

// unescape returns what the escape at the beginning of s stands for, and its length.
func unescape(s string) (string, int) {
	if s[1] == 's' {
		return " ", 2
	}
	for _, n := range []int{2, 4, 6, 10} {
		if n <= len(s) {
			if r, _, tail, err := strconv.UnquoteChar(s[:n], s[1]); err == nil && tail == "" {
				return string(r), n
			}
		}
	}
	return s[:2], 2
}

// specifiers replaces %-words of which the value is known: names of the unit and directories of
// the system's manager.
func (u *unit) specifiers(s string) (string, error) {
	name := strings.TrimSuffix(u.name(), filepath.Ext(u.name()))
	prefix, _, _ := strings.Cut(name, "@")
	known := map[byte]string{'%': "%", 'p': prefix, 't': "/run", 'S': "/var/lib", 'C': "/var/cache", 'L': "/var/log", 'E': "/etc", 'T': "/tmp", 'V': "/var/tmp"}
	var w strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+1 == len(s) {
			w.WriteByte(s[i])
			continue
		}
		i++
		value, ok := known[s[i]]
		if !ok {
			return s, fmt.Errorf("the value of %%%c is not known", s[i])
		}
		w.WriteString(value)
	}
	return w.String(), nil
}
