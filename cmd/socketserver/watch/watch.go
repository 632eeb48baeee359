// Package watch notices when files of a configuration have changed: not by their times, but by
// what they contain once nothing has been written for a while.
package watch

import (
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

// quiet is how long nothing may happen before files are read: editors and packages write
// several, and one in several steps.
const quiet = 200 * time.Millisecond

// longest is how long files can be kept from being read by what else is written in their directories.
const longest = time.Second

// A Watcher watches the files that match patterns. It watches their directories, as a file is
// often replaced by another one, and those that symbolic links lead to.
type Watcher struct {
	events  *fsnotify.Watcher
	changed chan os.Signal
	watch   chan request
}

type request struct {
	patterns []string
	sum      string
}

// A Change is sent as a signal is, so that one channel takes both.
type Change struct{}

func (Change) String() string { return "change of a file" }

// Signal makes a Change an [os.Signal].
func (Change) Signal() {}

// New returns a watcher that sends a Change to changed, unless one is waiting there already.
func New(changed chan os.Signal) (*Watcher, error) {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	w := &Watcher{events: events, changed: changed, watch: make(chan request)}
	go w.run()
	return w, nil
}

// Watch replaces the patterns. sum is the [config.Sum] of what is known.
func (w *Watcher) Watch(patterns []string, sum string) { w.watch <- request{patterns, sum} }

// Close stops watching.
func (w *Watcher) Close() {
	close(w.watch)
	_ = w.events.Close()
}

func (w *Watcher) run() {
	settled := time.NewTimer(quiet)
	settled.Stop()
	var since time.Time // of the first event that has not been looked at; zero: there is none
	settle := func() {
		if since.IsZero() {
			since = time.Now()
		}
		settled.Reset(min(quiet, time.Until(since.Add(longest))))
	}
	var now request
	for {
		select {
		case next, open := <-w.watch:
			if !open {
				return
			}
			now = next
			w.follow(now.patterns)
			settle() // something may have changed before
		case _, open := <-w.events.Events:
			if open {
				settle()
			}
		case _, open := <-w.events.Errors: // events were lost
			if open {
				settle()
			}
		case <-settled.C:
			since = time.Time{}
			w.follow(now.patterns)
			sum := config.Sum(now.patterns)
			if sum == now.sum {
				continue
			}
			now.sum = sum
			select {
			case w.changed <- Change{}:
			default:
			}
		}
	}
}

// follow watches the directories of all files, also of those that have been made again.
func (w *Watcher) follow(patterns []string) {
	wanted := directories(patterns)
	for _, dir := range wanted {
		_ = w.events.Add(dir) // it may have gone; then its own directory tells when it is there again
	}
	for _, dir := range w.events.WatchList() {
		if !slices.Contains(wanted, dir) {
			_ = w.events.Remove(dir)
		}
	}
}

func directories(patterns []string) []string {
	var all []string
	for _, pattern := range patterns {
		dirs, _ := filepath.Glob(filepath.Dir(pattern))
		all = append(append(all, dirs...), filepath.Dir(filepath.Dir(pattern)))
		files, _ := config.Match(pattern)
		for _, file := range files {
			if real, err := filepath.EvalSymlinks(file); err == nil {
				all = append(all, filepath.Dir(real))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
