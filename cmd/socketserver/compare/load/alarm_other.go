//go:build !linux

package load

import "time"

// An alarm wakes a client of an open loop more exactly than Go's timers. It is not available here.
type alarm struct{}

func newAlarm() *alarm { return nil }

func (*alarm) wait(time.Duration) bool { return false }
func (*alarm) stop()                   {}
func (*alarm) close()                  {}
