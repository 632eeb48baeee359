//go:build unix

package layer

import "io/fs"

// othersRead reports whether every user may read a file of that mode.
func othersRead(mode fs.FileMode) bool { return mode&0o004 != 0 }
