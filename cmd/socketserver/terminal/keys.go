package terminal

import "unicode/utf8"

// edits are the keys that edit the line, as terminals send them; the control characters are
// readline's.
var edits = map[string]func(*line){
	"\x02": (*line).left, "\x1b[D": (*line).left, "\x1bOD": (*line).left,
	"\x06": (*line).right, "\x1b[C": (*line).right, "\x1bOC": (*line).right,
	"\x01": (*line).home, "\x1b[H": (*line).home, "\x1bOH": (*line).home, "\x1b[1~": (*line).home, "\x1b[7~": (*line).home,
	"\x05": (*line).end, "\x1b[F": (*line).end, "\x1bOF": (*line).end, "\x1b[4~": (*line).end, "\x1b[8~": (*line).end,
	"\x1bb": (*line).wordLeft, "\x1b[1;5D": (*line).wordLeft, "\x1b[1;3D": (*line).wordLeft,
	"\x1bf": (*line).wordRight, "\x1b[1;5C": (*line).wordRight, "\x1b[1;3C": (*line).wordRight,
	"\x10": (*line).older, "\x1b[A": (*line).older, "\x1bOA": (*line).older,
	"\x0e": (*line).newer, "\x1b[B": (*line).newer, "\x1bOB": (*line).newer,
	"\x7f": (*line).backspace, "\x08": (*line).backspace,
	"\x1b[3~": (*line).delete,
	"\x17":    (*line).deleteWord, "\x1b\x7f": (*line).deleteWord,
	"\x15": (*line).deleteBefore,
	"\x0b": (*line).deleteAfter,
}

// The other keys.
const (
	keyInterrupt = "\x03"
	keyEnd       = "\x04"
	keyTab       = "\t"
	keyClear     = "\x0c"
	keyReturn    = "\r"
	keyNewline   = "\n"
	keySuspend   = "\x1a"
	keyPaste     = "\x1b[200~" // what follows is pasted
	keyPasted    = "\x1b[201~"
)

// These make the terminal send keyPaste and keyPasted.
const (
	pasteOn  = "\x1b[?2004h"
	pasteOff = "\x1b[?2004l"
)

// maxKey is above the length of any key's sequence, in bytes.
const maxKey = 32

// decodeKey returns the length of the first key in b: a character, a control byte or an escape
// sequence. It returns 0 if the key is incomplete.
func decodeKey(b []byte) int {
	switch {
	case b[0] != 0x1b:
		if !utf8.FullRune(b) {
			return 0
		}
		_, n := utf8.DecodeRune(b)
		return n
	case len(b) == 1:
		return 0
	case b[1] == 'O':
		if len(b) < 3 {
			return 0
		}
		return 3
	case b[1] == 0x1b: // the key Escape, and then another one
		return 1
	case b[1] != '[': // a character with Alt
		if n := decodeKey(b[1:]); n > 0 {
			return 1 + n
		}
		return 0
	}
	for i, c := range b[2:] {
		if c >= 0x40 && c <= 0x7e {
			return i + 3
		}
	}
	if len(b) > maxKey {
		return len(b)
	}
	return 0
}
