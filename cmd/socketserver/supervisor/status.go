package supervisor

import (
	"slices"
	"time"

	"github.com/go-socketserver/socketserver/framework"
)

// Status is what an instance does. The counts are those of the server, so that they do not fall
// when an instance replaces another one; Active and Waiting are of the instance.
type Status struct {
	Name      string     `json:"name"`
	State     State      `json:"state"`
	Since     time.Time  `json:"since"` // when it entered the state
	Listeners []Listener `json:"listeners"`
	Strategy  string     `json:"strategy"` // threading
	Handler   string     `json:"handler"`  // echo
	Active    int        `json:"active"`   // requests under way
	Waiting   int        `json:"waiting"`  // of these, those that wait for a thread or a process
	Overdue   int        `json:"overdue"`  // of these, those that run for longer than timeouts.request
	Accepted  int64      `json:"accepted"`
	Failed    int64      `json:"failed"` // requests that ended with an error, a panic, a timeout or their process

	Refused map[framework.Refusal]int64 `json:"refused"` // by reason
	Workers []Process                   `json:"workers"` // children of forking, workers of preforking
	Plugin  *Process                    `json:"plugin"`  // the process in which handlers run; null: none does
	Problem string                      `json:"problem"` // why the plugin is not available; empty: it is
	Old     bool                        `json:"old"`     // it has been replaced or removed, and still drains
}

// A Listener is where clients reach an instance, with the real port.
type Listener struct {
	Network string `json:"network"`
	Address string `json:"address"`
	TLS     bool   `json:"tls"`
	Path    string `json:"path"` // of a WebSocket; empty: it is none
}

// Status returns that of every instance in the order of the configuration, and then that of
// the instances that they have replaced and that still drain.
func (s *Supervisor) Status() []Status {
	s.mu.Lock()
	now, old := slices.Clone(s.instances), slices.Clone(s.replaced)
	s.mu.Unlock()
	var all []Status
	for _, i := range now {
		all = append(all, i.status(i.counts()))
	}
	for _, i := range old {
		status := i.status(i.counts())
		status.Old = true
		all = append(all, status)
	}
	return all
}

// NotServing names those of the configuration that do not serve, each with its state or problem.
func NotServing(all []Status) (not []string) {
	for _, s := range all {
		switch {
		case s.Old:
		case s.State != Serving:
			not = append(not, s.Name+" is "+string(s.State))
		case s.Problem != "":
			not = append(not, s.Name+": "+s.Problem)
		}
	}
	return not
}

// status describes the instance, with counts of its server.
func (i *Instance) status(counts Counts) Status {
	i.mu.Lock()
	c, state, since := i.config, i.state, i.since
	i.mu.Unlock()
	status := Status{
		Name: i.name, State: state, Since: since, Listeners: i.listeners(),
		Strategy: c.Concurrency.Kind, Handler: c.Handler.Name,
		Accepted: counts.Accepted, Refused: counts.Refused, Workers: i.workers(),
		Failed: counts.Ended[Erred] + counts.Ended[Panicked] + counts.Ended[TimedOut] + counts.Ended[Killed],
	}
	now := i.requests.count(c.Timeouts.Request)
	status.Active, status.Waiting, status.Overdue = now.active, now.waiting, now.overdue
	if plugin, ok := i.class.Executor.(keptProcess); ok && !state.ended() {
		if pid, began := plugin.Process(); pid != 0 {
			status.Plugin = &i.requests.of([]int{pid}, "plugin")[0]
			status.Plugin.Since = began
		}
		if err := plugin.Problem(); err != nil {
			status.Problem = err.Error()
		}
	}
	return status
}

// A keptProcess is an executor of plugins whose process is kept.
type keptProcess interface {
	Process() (pid int, since time.Time)
	Problem() error  // why it is not available; nil: it is
	Restarts() int64 // since the class was made
}

// workers returns the children of forking, or the workers of preforking; empty: there are none.
func (i *Instance) workers() []Process {
	processes, ok := i.strategy.(interface{ ActiveChildren() []int })
	if !ok {
		return []Process{}
	}
	kind := "child"
	if sharesSockets(i.strategy) {
		kind = "worker"
	}
	return i.requests.of(processes.ActiveChildren(), kind)
}

// Scheme is that of the URL: the network, tls, ws or wss.
func (l Listener) Scheme() string {
	switch {
	case l.Path != "" && l.TLS:
		return "wss"
	case l.Path != "":
		return "ws"
	case l.TLS:
		return "tls"
	}
	return l.Network
}

// URL is the address for a client, as tls://127.0.0.1:9000 or ws://127.0.0.1:8000/chat.
func (l Listener) URL() string { return l.Scheme() + "://" + l.Address + l.Path }
