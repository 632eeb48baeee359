package room

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/go-socketserver/socketserver/handlers/chat/client"
)

const (
	maxName  = 20 // characters of a name, without marks
	maxMarks = 4  // in a row, so that a name stays on its line
)

const nameRule = "has 1 to 20 letters and digits, and may have - and _"

// fold returns the same string for names that differ only in case, or in how accents are
// encoded.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, norm.NFD.String(name))
}

// isName reports whether a name of a user or room consists of letters and digits of any script,
// with their marks, dashes and underscores, and has a letter or digit: a name cannot look like a
// notice, or be invisible. Letters of different scripts may look alike, so a name proves nothing.
func isName(name string) bool {
	characters, marks, alphanumeric := 0, 0, false
	for i, r := range name {
		switch {
		case client.IsInvisible(r), r == utf8.RuneError:
			return false
		case unicode.In(r, unicode.Mn, unicode.Mc):
			last, _ := utf8.DecodeLastRuneInString(name[:i])
			if marks++; marks > maxMarks || i == 0 || last == '-' || last == '_' {
				return false
			}
			continue
		case unicode.IsLetter(r), unicode.IsDigit(r):
			alphanumeric = true
		case r != '-' && r != '_':
			return false
		}
		marks = 0
		characters++
	}
	return alphanumeric && characters <= maxName
}

// nameGuest gives a newcomer a free name, by which it is found from now on, in the lobby.
func (r *rooms) nameGuest(u *user) {
	r.mu.Lock()
	defer r.mu.Unlock()
	u.room = r.open[fold(lobby)]
	r.setName(u, r.guestName())
}

// takeName gives u another name, unless it is taken.
func (r *rooms) takeName(u *user, name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.isFree(name, u) {
		return false
	}
	r.setName(u, name)
	return true
}

// setName gives u a name that is free. r.mu is held.
func (r *rooms) setName(u *user, name string) {
	r.unname(u)
	u.name, u.since = name, time.Now().UnixNano()
	r.names[fold(name)] = u
	if _, in := u.room.users[u]; in {
		r.share(u)
	}
}

// guestName returns a free name. With other servers its number is random, as all of them would
// otherwise give the same ones. r.mu is held.
func (r *rooms) guestName() string {
	for {
		r.guests++
		n := r.guests
		if r.link != nil {
			n = 1 + rand.IntN(999_999)
		}
		if name := fmt.Sprintf("guest%d", n); r.isFree(name, nil) {
			return name
		}
	}
}

// isFree reports whether no user but u has that name, here or at another server. r.mu is held.
func (r *rooms) isFree(name string, u *user) bool {
	other := r.names[fold(name)]
	return other == nil || other == u
}

// nameOf returns the name of u, which the link to other servers may change.
func (r *rooms) nameOf(u *user) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return u.name
}

// freeName frees the name of u.
func (r *rooms) freeName(u *user) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unname(u)
}

// unname is freeName with r.mu held.
func (r *rooms) unname(u *user) {
	if r.names[fold(u.name)] == u {
		delete(r.names, fold(u.name))
	}
}
