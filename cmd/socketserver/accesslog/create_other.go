//go:build !unix

package accesslog

import "os"

// mayCreate returns the error of creating a file in a directory.
func mayCreate(directory string) error {
	_, err := os.Stat(directory)
	return err
}
