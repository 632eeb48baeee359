package supervisor

import "time"

// Status is what an instance does.
type Status struct {
	Name      string
	State     State
	Since     time.Time // when it entered the state
	Listeners []Listener
	Strategy  string // threading
	Handler   string // echo
	Active    int    // requests; those that workers of preforking accept are not counted
	Workers   []int  // process ids
}

// A Listener is where clients reach an instance, with the real port.
type Listener struct{ Network, Address string }

// Status returns that of every instance in the order of the configuration, and then that of
// the instances that they have replaced and that still drain.
func (s *Supervisor) Status() []Status {
	var all []Status
	for _, i := range s.all() {
		all = append(all, i.status())
	}
	return all
}

func (i *Instance) status() Status {
	i.mu.Lock()
	c, state, since := i.config, i.state, i.since
	i.mu.Unlock()
	status := Status{
		Name: i.name, State: state, Since: since, Listeners: i.listeners(),
		Strategy: c.Concurrency.Kind, Handler: c.Handler.Name, Active: i.active(),
	}
	if processes, ok := i.strategy.(interface{ ActiveChildren() []int }); ok {
		status.Workers = processes.ActiveChildren()
	}
	return status
}
