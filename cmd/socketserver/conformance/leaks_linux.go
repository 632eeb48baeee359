package conformance

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// held is what this process and those that it has started have.
type held struct{ processes, descriptors int }

// leaks counts before and after some connections.
func leaks(t *trial) error {
	before := settled(func(last, now held) bool { return now == last })
	if err := t.crowd(t.kit.Connections); err != nil {
		return err
	}
	slack := max(4, t.kit.Connections/10)
	after := settled(func(_, now held) bool {
		return now.processes <= before.processes+slack && now.descriptors <= before.descriptors+slack
	})
	switch processes, descriptors := after.processes-before.processes, after.descriptors-before.descriptors; {
	case processes > slack:
		return fmt.Errorf("%d connections have left %d processes", t.kit.Connections, processes)
	case descriptors > slack:
		return fmt.Errorf("%d connections have left %d descriptors open", t.kit.Connections, descriptors)
	}
	return nil
}

// crowd has n clients ask, some at a time, and returns the first error.
func (t *trial) crowd(n int) error {
	turns := make(chan struct{}, n)
	for range n {
		turns <- struct{}{}
	}
	close(turns)
	const atOnce = 4
	var asking sync.WaitGroup
	failed := make(chan error, atOnce)
	for range atOnce {
		other := &trial{ctx: t.ctx, kit: t.kit, subject: t.subject, silence: t.silence, end: t.end}
		asking.Go(func() {
			for range turns {
				if err := other.ask(); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	asking.Wait()
	close(failed)
	return <-failed
}

// settled returns what is held once enough says so, or after a while. No event reports that a
// process has closed something, so this polls.
func settled(enough func(last, now held) bool) (now held) {
	var last held
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		now = held{}
		now.add(os.Getpid())
		if enough(last, now) || time.Now().After(end) {
			return now
		}
		last = now
	}
}

// add adds what a process and its descendants have, zombies included.
func (h *held) add(pid int) {
	of := "/proc/" + strconv.Itoa(pid)
	open, _ := os.ReadDir(of + "/fd")
	h.processes, h.descriptors = h.processes+1, h.descriptors+len(open)
	threads, _ := os.ReadDir(of + "/task")
	for _, thread := range threads {
		list, _ := os.ReadFile(of + "/task/" + thread.Name() + "/children")
		for word := range strings.FieldsSeq(string(list)) {
			if child, err := strconv.Atoi(word); err == nil {
				h.add(child)
			}
		}
	}
}
