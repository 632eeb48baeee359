package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Sum identifies what the files contain that match patterns, such as [Config.Sources].
func Sum(patterns []string) string {
	all := sha256.New()
	for _, pattern := range patterns {
		files, _ := filepath.Glob(pattern)
		for _, name := range files {
			fmt.Fprintf(all, "%q\n", name)
			addFile(all, name)
		}
	}
	return hex.EncodeToString(all.Sum(nil))
}

// addFile adds a regular file, as far as a configuration could be that long.
func addFile(to io.Writer, name string) {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() { // opening a pipe would block
		return
	}
	text, _ := readBounded(name, maxSource+1)
	_, _ = to.Write(text)
}
