//go:build !unix

package accesslog

import "os"

// access returns an error if there is nothing at path.
func access(path string, _ uint32) error {
	_, err := os.Stat(path)
	return err
}
