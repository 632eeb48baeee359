// Package internal holds the source of the packages below it, which are linked by the
// framework, by handlers and by the command.
package internal

import (
	"embed"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
)

// Source is part of a program's fingerprint, see framework.Fingerprint. No pattern matches a
// test.
//
//go:embed *[^t].go */*[^t].go */*[^t]est.go
var Source embed.FS

// Sum returns a checksum of the paths and contents of files. They are part of the program, so
// that neither walking nor reading fails.
func Sum(trees ...embed.FS) string {
	sum := fnv.New64a()
	for _, tree := range trees {
		_ = fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := tree.ReadFile(path)
			_, _ = io.WriteString(sum, path)
			_, _ = sum.Write(data)
			return err
		})
	}
	return fmt.Sprintf("%016x", sum.Sum64())
}
