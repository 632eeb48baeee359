// Package localtime is the local time of handlers. Unlike package time it understands a POSIX
// rule in TZ, such as CST-8, needs no zone database on the machine, and reports a TZ that means
// nothing.
package localtime

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // for machines without a zone database
)

// Now returns the current local time.
func Now() time.Time {
	zone, _ := local()
	return time.Now().In(zone)
}

// Check returns an error if TZ is not understood, so that local time is UTC.
func Check() error {
	_, err := local()
	return err
}

var local = sync.OnceValues(func() (*time.Location, error) {
	return zone(os.Getenv("TZ"), time.Local)
})

// zone returns the zone that TZ stands for; std is what package time makes of it, which is UTC
// for everything that it does not understand.
func zone(tz string, std *time.Location) (*time.Location, error) {
	name := strings.TrimPrefix(tz, ":")
	if name == "" || name == "UTC" || std.String() != "UTC" {
		return std, nil
	}
	if rule, err := parseRule(name); err == nil {
		return rule, nil
	}
	return time.UTC, fmt.Errorf("TZ is %q; write a zone, such as Asia/Shanghai, or a rule, such as CST-8", tz)
}

// parseRule parses a POSIX rule as the footer of a time zone file without transitions.
func parseRule(rule string) (*time.Location, error) {
	const header = 44
	const unknown = "-" // the name of the only zone in the file, which the rule replaces
	var counts [24]byte
	binary.BigEndian.PutUint32(counts[16:], 1)                      // zones
	binary.BigEndian.PutUint32(counts[20:], uint32(len(unknown)+1)) // bytes of names
	block := "TZif2" + strings.Repeat("\x00", header-len("TZif2")-len(counts)) + string(counts[:]) + "\x00\x00\x00\x00\x00\x00" + unknown + "\x00"
	location, err := time.LoadLocationFromTZData(rule, []byte(block+block+"\n"+rule+"\n"))
	if err != nil || strings.ContainsRune(rule, '\n') {
		return nil, fmt.Errorf("parse time zone: %w", err)
	}
	if name, _ := time.Now().In(location).Zone(); name == unknown {
		return nil, fmt.Errorf("parse time zone: %q is not a rule", rule)
	}
	return location, nil
}
