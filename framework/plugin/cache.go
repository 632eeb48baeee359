package plugin

import (
	"fmt"
	"os"
	"path/filepath"
)

// CacheDirectory returns a directory of the user's cache for what is made of plugins, and makes it.
// It returns an error where another user could change what root would run from it.
func CacheDirectory(name string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache: %w; set XDG_CACHE_HOME", err)
	}
	dir := filepath.Join(cache, "socketserver", name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	if err := checkAround(dir, dir); err != nil {
		return "", fmt.Errorf("%w (XDG_CACHE_HOME sets the place)", err)
	}
	return dir, nil
}
