package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"

	"github.com/go-socketserver/socketserver/internal/regular"
)

// Sum identifies what the files contain that match patterns, such as [Config.Sources], and whether they can be executed.
func Sum(patterns []string) string { return sumOf(patterns, nil) }

// sumOf is Sum with the text of files that have been read.
func sumOf(patterns []string, read map[string][]byte) string {
	all := sha256.New()
	for _, pattern := range patterns {
		files, _ := Match(pattern)
		for _, name := range files {
			text, ok := read[name]
			if !ok {
				text = textOf(name)
			}
			fmt.Fprintf(all, "%q %t %d\n%s", name, isExecutable(name), len(text), text)
		}
	}
	return hex.EncodeToString(all.Sum(nil))
}

func isExecutable(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().Perm()&0o111 != 0
}

// textOf reads a regular file, as far as a configuration could be that long; what is longer has a time.
func textOf(name string) []byte {
	text, _ := regular.Read(name, maxSource+1)
	if info, err := os.Stat(name); err == nil && len(text) > maxSource { // a program
		text = fmt.Append(text, info.Size(), info.ModTime().UnixNano())
	}
	return text
}
