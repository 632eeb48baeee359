package framework

import (
	"embed"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
)

// sourceFiles are those of this package and of its internal ones.
//
//go:embed *.go internal/*/*.go
var sourceFiles embed.FS

// Fingerprint names the source of this package together with that of others, for [Build].
// It depends on nothing else: two programs built from one tree have the same, also where
// they were not built from a repository. It tells builds apart by mistake, not by malice.
func Fingerprint(others ...embed.FS) string {
	sum := fnv.New64a()
	for _, tree := range append(others, sourceFiles) {
		// Neither walking nor reading fails, as the files are part of the program.
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
