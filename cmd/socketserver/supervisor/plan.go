package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

// A plan is what Apply is about to do.
type plan struct {
	next  []*Instance // of the new configuration
	fresh []*Instance // those of them that have to be started
	old   []*Instance // what runs now and is not among them
}

// plan compares c with what runs.
func (s *Supervisor) plan(c *config.Config) *plan {
	p := &plan{}
	current := map[string]*Instance{}
	for _, i := range s.running() {
		current[i.config.Name] = i
	}
	for _, server := range c.Servers {
		old := current[server.Name]
		if old != nil && same(old.config, server) {
			delete(current, server.Name)
			newClass(server.Class).release(s.options.Log) // the other one stays
			p.next = append(p.next, old)
			continue
		}
		i := newInstance(server, s.options, s.sockets)
		i.inherit(old)
		p.next, p.fresh = append(p.next, i), append(p.fresh, i)
	}
	for _, i := range s.running() {
		if current[i.config.Name] == i {
			p.old = append(p.old, i)
		}
	}
	return p
}

// running returns the instances of the configuration that have not ended.
func (s *Supervisor) running() []*Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.instances), (*Instance).ended)
}

// same reports whether a and b differ in nothing but their class.
func same(a, b *config.Server) bool {
	x, _ := json.Marshal(a) // of plain values
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// open acquires all sockets first, so that no process is started where one cannot be had.
func (p *plan) open(ctx context.Context) error {
	var errs []error
	for _, i := range p.fresh {
		errs = append(errs, i.bind(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, i := range p.fresh {
		errs = append(errs, i.listen())
	}
	return errors.Join(errs...)
}

// close undoes plan and open.
func (p *plan) close() {
	for _, i := range p.fresh {
		i.close()
	}
}
