package supervisor

import (
	"slices"
	"time"
)

// Status is what an instance does.
type Status struct {
	Name      string     `json:"name"`
	State     State      `json:"state"`
	Since     time.Time  `json:"since"` // when it entered the state
	Listeners []Listener `json:"listeners"`
	Strategy  string     `json:"strategy"` // threading
	Handler   string     `json:"handler"`  // echo
	Active    int        `json:"active"`   // requests; those that workers of preforking accept are not counted
	Workers   []int      `json:"workers"`  // process ids
	Old       bool       `json:"old"`      // it has been replaced or removed, and still drains
}

// A Listener is where clients reach an instance, with the real port.
type Listener struct {
	Network string `json:"network"`
	Address string `json:"address"`
}

// Status returns that of every instance in the order of the configuration, and then that of
// the instances that they have replaced and that still drain.
func (s *Supervisor) Status() []Status {
	s.mu.Lock()
	now, old := slices.Clone(s.instances), slices.Clone(s.replaced)
	s.mu.Unlock()
	var all []Status
	for _, i := range now {
		all = append(all, i.status())
	}
	for _, i := range old {
		status := i.status()
		status.Old = true
		all = append(all, status)
	}
	return all
}

func (i *Instance) status() Status {
	i.mu.Lock()
	c, state, since := i.config, i.state, i.since
	i.mu.Unlock()
	status := Status{
		Name: i.name, State: state, Since: since, Listeners: i.listeners(),
		Strategy: c.Concurrency.Kind, Handler: c.Handler.Name, Active: i.active(), Workers: []int{},
	}
	if processes, ok := i.strategy.(interface{ ActiveChildren() []int }); ok {
		status.Workers = processes.ActiveChildren()
	}
	return status
}
