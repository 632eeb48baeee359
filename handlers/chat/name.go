package chat

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is how many characters a name may have, of a person or a room.
const maxName = 20

// fold returns the same for names that differ in the case of their letters only.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, name)
}

// isName says whether a name has letters and digits, of whatever script, dashes and
// underscores only, and a letter or a digit among them: nothing that could look like a notice
// or like nothing. Letters of several scripts do look alike, though; a name is no proof.
func isName(name string) bool {
	n := utf8.RuneCountInString(name)
	isAlphanumeric := func(r rune) bool { return (unicode.IsLetter(r) || unicode.IsDigit(r)) && !isInvisible(r) }
	return n <= maxName && utf8.ValidString(name) && strings.ContainsFunc(name, isAlphanumeric) &&
		!strings.ContainsFunc(name, func(r rune) bool { return r != '-' && r != '_' && !isAlphanumeric(r) })
}

// isInvisible says whether r is drawn as nothing, also where it counts as a letter.
func isInvisible(r rune) bool {
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Cf)
}

// nameGuest gives a newcomer a name that nobody has. It is found by that name from here on,
// in the lobby.
func (r *rooms) nameGuest(p *person) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.room = r.open[fold(lobby)]
	r.call(p, r.freeName())
}

// rename gives p another name, unless somebody else has it.
func (r *rooms) rename(p *person, name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.isFree(name, p) {
		return false
	}
	r.call(p, name)
	return true
}

// nameOf returns what p is called, which a link to other servers may change.
func (r *rooms) nameOf(p *person) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return p.name
}

// forget frees p's name.
func (r *rooms) forget(p *person) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.names, fold(p.name))
}

// find returns who has that name.
func (r *rooms) find(name string) *person {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.names[fold(name)]
}

// whereIs returns the room that p is in.
func (r *rooms) whereIs(p *person) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	return p.room
}
