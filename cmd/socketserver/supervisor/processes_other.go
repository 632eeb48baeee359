//go:build !linux

package supervisor

func reserveThreads()     {}
func processesLimit() int { return 0 }
