//go:build !unix

package supervisor

func openFilesLimit() int { return 0 }
