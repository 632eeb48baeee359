package room

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/go-socketserver/socketserver/handlers/chat/client"
	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
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

// token returns a name as it is written in keys and subjects of the bus.
func token(name string) string { return strings.ReplaceAll(url.QueryEscape(fold(name)), "%", "=") }

// introduce makes a newcomer known, in the lobby and if there are names as a guest.
func (r *rooms) introduce(u *user) {
	u.claiming.Lock()
	defer u.claiming.Unlock()
	r.mu.Lock()
	r.lastID++
	u.id, u.room = r.lastID, r.open[fold(lobby)]
	r.here[u] = struct{}{}
	r.mu.Unlock()
	if r.options.Commands {
		r.nameGuest(u)
	} else {
		_ = r.link.claim(u, u.name)
	}
}

// dismiss frees the name of u, which is known no more.
func (r *rooms) dismiss(u *user) {
	u.claiming.Lock()
	defer u.claiming.Unlock()
	r.mu.Lock()
	delete(r.here, u)
	r.mu.Unlock()
	r.link.release(u, u.name)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unname(u, u.name)
}

// takeName gives u another name, unless it is taken.
func (r *rooms) takeName(u *user, name string) bool {
	u.claiming.Lock()
	defer u.claiming.Unlock()
	return r.setName(u, name)
}

// setName is takeName with u.claiming held. The name is free only when the bus has decided so; while that is
// away, when no other server is known to have it. The name before is free at this server last, as until then
// others would find it taken.
func (r *rooms) setName(u *user, name string) bool {
	r.mu.Lock()
	other := r.names[fold(name)]
	if other != nil && other != u && other.server == nil || r.taking[fold(name)] {
		r.mu.Unlock()
		return false
	}
	r.taking[fold(name)] = true
	r.mu.Unlock()
	err := r.link.claim(u, name)
	r.mu.Lock()
	delete(r.taking, fold(name))
	if errors.Is(err, cluster.ErrTaken) || err != nil && other != nil && other != u {
		r.mu.Unlock()
		return false
	}
	before := u.name
	u.name = name
	r.names[fold(name)] = u
	r.mu.Unlock()
	if fold(before) != fold(name) {
		r.link.release(u, before)
		r.mu.Lock()
		r.unname(u, before)
		r.mu.Unlock()
	}
	return true
}

// nameGuest gives u a free name. With other servers its number is random, as all of them would otherwise try the
// same ones. u.claiming is held.
func (r *rooms) nameGuest(u *user) {
	for {
		n := 1 + rand.IntN(999_999)
		if r.link == nil {
			r.mu.Lock()
			r.guests++
			n = r.guests
			r.mu.Unlock()
		}
		if r.setName(u, fmt.Sprintf("guest%d", n)) {
			return
		}
	}
}

// nameOf returns the name of u, which the link to other servers may change.
func (r *rooms) nameOf(u *user) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return u.name
}

// unname frees a name of u at this server. r.mu is held.
func (r *rooms) unname(u *user, name string) {
	if r.names[fold(name)] == u {
		delete(r.names, fold(name))
	}
}
