package importer

import (
	"errors"
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
	listed   bool     // it was found in a directory
}

func (u *unit) name() string { return filepath.Base(u.path) }

// read adds what a file, the unit's or a drop-in, says. An empty value clears a list. Lines without a name are none.
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
		if goesOn(lines[i]) {
			text, i = joined(lines, i)
		}
		x := setting{at: fmt.Sprintf("%s:%d", f.path, n), text: text}
		name, value, ok := strings.Cut(text, "=")
		switch {
		case text[0] == '[' && !strings.HasSuffix(text, "]"):
			u.unread = append(u.unread, fmt.Sprintf("%s: %s is no section, and systemd does not load the unit", x.at, text))
			return
		case text[0] == '[':
			section = strings.Trim(text, "[]")
			continue
		case !ok:
			continue
		}
		x.name, x.words = strings.TrimSpace(name), strings.Fields(value)
		if len(x.words) == 0 {
			u.sections[section] = slices.DeleteFunc(u.sections[section], func(old setting) bool { return cleared(x.name, old.name) })
			if r := systemdRules[x.name]; r.lost == "" || r.vital {
				continue
			}
		}
		u.sections[section] = append(u.sections[section], x)
	}
}

// goesOn reports whether the next line belongs to a line: its last character is a backslash that is not escaped.
func goesOn(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// joined returns the line at i with those that belong to it, without comments between them, and the index of the last.
func joined(lines []string, i int) (string, int) {
	var all strings.Builder
	for {
		line := strings.TrimLeft(lines[i], " \t")
		on := goesOn(line) && i+1 < len(lines)
		if on {
			line = line[:len(line)-1] + " "
		}
		all.WriteString(line)
		for i++; on && i < len(lines) && isComment(lines[i]); i++ {
		}
		if !on || i == len(lines) {
			return strings.TrimSpace(all.String()), i - 1
		}
	}
}

func isComment(line string) bool {
	line = strings.TrimSpace(line)
	return line != "" && (line[0] == '#' || line[0] == ';')
}

// cleared reports whether an empty setting clears those of a name. Addresses of all kinds are one list.
func cleared(empty, name string) bool {
	return empty == name || strings.HasPrefix(empty, "Listen") && strings.HasPrefix(name, "Listen")
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

func (u *unit) yes(section, name string) bool { return isYes(u.last(section, name)) }

func isYes(x setting) bool {
	return slices.Contains([]string{"yes", "true", "on", "1", "y", "t"}, strings.ToLower(x.value()))
}

// all returns the settings of a name in their order.
func (u *unit) all(section, name string) (all []setting) {
	for _, x := range u.sections[section] {
		if x.name == name {
			all = append(all, x)
		}
	}
	return all
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
		case quote == 0 && (c == '"' || c == '\''), c == quote && len(s) > 1 && s[1] != ' ' && s[1] != '\t':
			return nil, errors.New("a quotation mark stands inside a word")
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
		return nil, errors.New("a quotation mark has no end")
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}

// unescape returns what the escape at the beginning of s stands for, and its length.
func unescape(s string) (string, int) {
	if strings.HasPrefix(s, `\s`) {
		return " ", 2
	}
	for _, n := range []int{2, 4, 6, 10} {
		if n <= len(s) {
			r, multibyte, tail, err := strconv.UnquoteChar(s[:n], s[1])
			switch {
			case err != nil || tail != "":
			case multibyte:
				return string(r), n
			default:
				return string([]byte{byte(r)}), n
			}
		}
	}
	return s[:min(2, len(s))], min(2, len(s))
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
