//go:build !linux

package natsbus

import "time"

var began = time.Now()

// now is the time since some event.
func now() time.Duration { return time.Since(began) }
