package supervisor

import (
	"fmt"
	"os"
	"slices"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

// A View is all that is known of a server: what [Supervisor.Status] and [Supervisor.Counts] have, what it
// is configured as, and how many clients wait in the system's queues. The processes of instances that it
// has replaced are among its workers until they have drained.
type View struct {
	Status
	Counts           Counts
	Config           *config.Server
	Queued, Capacity int // clients that the system has connected and nothing has accepted; how many may be
}

// WebSocket returns the first address where browsers reach a server without TLS and a balancer, if it
// has one.
func (v *View) WebSocket() (at Listener, ok bool) {
	balanced := slices.ContainsFunc(v.Config.Transports, func(t config.Transport) bool { return t.ProxyProtocol != nil })
	n := slices.IndexFunc(v.Listeners, func(l Listener) bool { return l.Path != "" && !l.TLS })
	if n < 0 || balanced {
		return Listener{}, false
	}
	return v.Listeners[n], true
}

// Views returns that of every server of the configuration, in its order.
func (s *Supervisor) Views() []View {
	s.mu.Lock()
	now, old := slices.Clone(s.instances), slices.Clone(s.replaced)
	s.mu.Unlock()
	all := make([]View, len(now))
	for n, i := range now {
		counts := i.counts()
		v := View{Status: i.status(counts), Counts: counts, Config: i.configuration()}
		for _, socket := range i.boundSockets() {
			waiting, backlog := socket.Waiting()
			v.Queued += waiting
			v.Capacity += backlog
		}
		all[n] = v
	}
	for _, i := range old {
		if n := slices.IndexFunc(all, func(v View) bool { return v.Name == i.name }); n >= 0 {
			all[n].Workers = append(all[n].Workers, i.workers()...)
		}
	}
	return all
}

// KillProcess kills a process of a server with all requests in it: a child, a worker or that of a
// plugin. This process is none.
func (s *Supervisor) KillProcess(server string, pid int) error {
	p, err := os.FindProcess(pid) // where the system can, it stays with the process: pid may be another's soon
	if err != nil {
		return err
	}
	defer func() { _ = p.Release() }()
	for _, i := range s.all() {
		status := i.status(i.counts())
		is := func(q Process) bool { return q.Pid == pid }
		if i.name != server || !slices.ContainsFunc(status.Workers, is) && (status.Plugin == nil || !is(*status.Plugin)) {
			continue
		}
		i.log.Info("process killed by the operator", "pid", pid)
		return p.Kill()
	}
	return fmt.Errorf("server %q has no process %d; see socketserver status %s", server, pid, server)
}
