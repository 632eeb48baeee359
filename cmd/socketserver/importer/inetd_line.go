package importer

import "strings"

// A line has the fields of a line of inetd.conf.
type line struct {
	setting
	service, socket, protocol, wait, user string
	program                               []string // with the name that the program gets as its first argument
	lost, different, refused              []string // notes of its server
}

// fields divides a line into words, without the quotes around one. FreeBSD, NetBSD and inetutils agree upon a word
// that is quoted as a whole; those of OpenBSD and busybox have no quotes.
func (l *line) fields(text string) (words []string) {
	const blanks = " \t"
	for text = strings.Trim(text, blanks); text != ""; text = strings.TrimLeft(text, blanks) {
		end := strings.IndexAny(text+" ", blanks)
		word := text[:end]
		if quote := text[0]; quote == '"' || quote == '\'' {
			quoted, rest, closed := strings.Cut(text[1:], string(quote))
			if closed && (rest == "" || strings.ContainsRune(blanks, rune(rest[0]))) {
				words, text = append(words, quoted), rest
				l.differ("the inetds of OpenBSD and busybox take the quotes for parts of words")
				continue
			}
		}
		if strings.ContainsAny(word, `"'`) {
			l.refused = append(l.refused, "every inetd reads these quotes in another way; write the command as it is meant")
		}
		if strings.Contains(word, "#") {
			l.differ("busybox takes what follows # for a comment")
		}
		words, text = append(words, word), text[end:]
	}
	return words
}

func (l *line) differ(how string) { l.different = append(l.different, how) }

// A definition is a service in NetBSD's newer form: NAME on KEY = VALUE ..., ... ;
type definition struct {
	text string // the rest of the file
	keys []string
	of   map[string][]string // the values of a key
}

// readDefinition reads a definition from the beginning of text, behind its name and "on". It returns what follows. ok
// reports whether it has an end; NetBSD's inetd stops where one has none.
func readDefinition(text string) (d definition, rest string, ok bool) {
	d = definition{text: text, of: map[string][]string{}}
	for {
		d.skip()
		key := d.text[:len(d.text)-len(strings.TrimLeft(d.text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"))]
		d.text = d.text[len(key):]
		d.skip()
		if !strings.HasPrefix(d.text, "=") {
			return d, "", false
		}
		d.text = d.text[1:]
		d.keys = append(d.keys, key)
		for {
			d.skip()
			if d.text == "" {
				return d, "", false
			}
			if end := d.text[0]; end == ',' || end == ';' {
				if d.text = d.text[1:]; end == ';' {
					return d, d.text, true
				}
				break
			}
			word, ok := d.word()
			if !ok {
				return d, "", false
			}
			d.of[key] = append(d.of[key], word)
		}
	}
}

// skip skips blanks, ends of lines and comments.
func (d *definition) skip() {
	for {
		d.text = strings.TrimLeft(d.text, " \t\n")
		if !strings.HasPrefix(d.text, "#") {
			return
		}
		d.text = d.text[strings.IndexByte(d.text+"\n", '\n'):]
	}
}

// word reads a value. Quotes, which may begin and end in it, have escapes.
func (d *definition) word() (string, bool) {
	var w strings.Builder
	quote := byte(0)
	for i := 0; i < len(d.text); i++ {
		switch c := d.text[i]; {
		case quote == 0 && strings.IndexByte(" \t\n#,;", c) >= 0:
			d.text = d.text[i:]
			return w.String(), true
		case c == '\n':
			return "", false
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		case quote != 0 && c == '\\':
			escape := d.text[i:min(i+4, len(d.text))]
			r, n := unescape(escape)
			if len(escape) < 2 || strings.IndexByte(`xntr\'"`, escape[1]) < 0 || (n == 2) == (escape[1] == 'x') {
				return "", false
			}
			w.WriteString(r)
			i += n - 1
		default:
			w.WriteByte(c)
		}
	}
	d.text = ""
	return w.String(), quote == 0
}
