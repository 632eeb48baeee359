//go:build !unix

package layer

import "io/fs"

// othersRead reports that it is not known who may read a file.
func othersRead(fs.FileMode) bool { return false }
