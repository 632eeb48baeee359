package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// check finds the errors that no single attribute shows, and makes the classes.
func (r *reader) check(catalog Catalog) {
	r.checkNames()
	r.checkAddresses()
	r.checkDirectories()
	for _, d := range r.servers {
		r.checkParts(d)
		if d.Limits.PerSource == notSet {
			d.Limits.PerSource = d.Concurrency.perSource()
		}
	}
	if len(r.servers) == 0 {
		if len(r.files) > 0 && len(r.list) == 0 {
			r.add(hcl.Range{Filename: r.files[0].name}, faultf(`add one, as in server "echo" { ... }`, "there is no server"))
		}
		return
	}
	catalog.Prepare(&r.config)
	for _, d := range r.servers {
		if d.Handler.Options != nil {
			r.makeClass(d, catalog)
		}
	}
}

func (r *reader) checkNames() {
	first := map[string]*draft{}
	for _, d := range r.servers {
		if other := first[d.Name]; other != nil {
			r.add(d.at, faultf("choose another name", "%sthere is a server of this name already, in %s", d.block, where("", other.at)))
			continue
		}
		first[d.Name] = d
	}
}

func (r *reader) checkAddresses() {
	type listener struct {
		endpoint
		server *draft
		index  int
	}
	var all []listener
	for _, d := range r.servers {
		for i, own := range d.Transports {
			before := all
			for _, e := range endpoints(&own) {
				all = append(all, listener{e, d, i})
			}
			for _, e := range all[len(before):] {
				n := slices.IndexFunc(before, func(l listener) bool { return clash(l.endpoint, e.endpoint) })
				if n < 0 {
					continue
				}
				holder := before[n].server
				others := holder.Transports[before[n].index]
				r.add(d.transports[i], faultf("choose another one", "%stransport %q: %s is taken by %s %s of server %q%s",
					d.block, own.Network, own.Address, others.Network, others.Address, holder.Name,
					where(", in ", holder.transports[before[n].index])))
				break
			}
		}
	}
}

// checkParts reports missing parts and values that contradict each other.
func (r *reader) checkParts(d *draft) {
	for _, part := range []struct {
		blocks     []string
		what, next string
	}{
		{[]string{"transport"}, "transport", `add one, as in transport "tcp" { address = "localhost:9000" }`},
		{[]string{"concurrency"}, "concurrency", `add concurrency "threading" {}, or "synchronous", "forking" or "preforking"`},
		{[]string{"handler", "plugin"}, "handler and no plugin", `add one, as in handler "echo" {}`},
	} {
		there := func(block string) bool { return d.blocks[block] != (hcl.Range{}) }
		if !d.typed && !slices.ContainsFunc(part.blocks, there) {
			r.add(d.at, faultf(part.next, "%sthere is no %s", d.block, part.what))
		}
	}
	if c := d.Concurrency; c.Spares > c.MaxChildren {
		r.add(d.spares, faultf("lower spares or raise max_children", "%sconcurrency %q: spares is %d and max_children only %d", d.block, c.Kind, c.Spares, c.MaxChildren))
	}
	if at, own := d.blocks["access"]; own && !slices.ContainsFunc(d.Transports, func(t Transport) bool { return HasIP(t.Network) }) && len(d.Transports) > 0 {
		r.add(at, faultf("remove it; mode of a Unix socket says which users may connect", "%saccess: it is about IP addresses, and clients of these transports have none", d.block))
	}
	if l := d.Limits; l.Penalty > 0 && l.RatePerSource.N == 0 {
		r.add(cmp.Or(d.penalty, d.at), faultf(`add rate_per_source = "20/10s", or remove penalty`, "%slimits: penalty is for sources that exceed rate_per_source, which is not set", d.block))
	}
	d.checkPreambles(r)
	r.checkDistributed(d)
	if c, most := d.Concurrency, d.Limits.Connections; most > 0 && c.Workers > most {
		r.add(d.workers, faultf("lower workers or raise limits.connections", "%sconcurrency %q: workers is %d and limits.connections only %d", d.block, c.Kind, c.Workers, most))
	}
}

// checkPreambles reports times for a PROXY header that are cut short. A header that may take any time has as much as
// the server gives it.
func (d *draft) checkPreambles(r *reader) {
	bound := cmp.Or(d.Timeouts.Handshake, framework.PreambleTimeout)
	for n, at := range d.preambles {
		if o := d.Transports[n].ProxyProtocol; at != (hcl.Range{}) && o.Timeout > bound {
			r.add(at, faultf("lower it, or write as much there", "%stransport %q: proxy_protocol: timeout is %s, and timeouts.handshake ends the wait after %s", d.block, d.Transports[n].Word(), o.Timeout, bound))
		}
	}
}

// makeClass makes the class of a server and checks that it fits the server's other parts.
func (r *reader) makeClass(d *draft, catalog Catalog) {
	h := d.Handler
	block := fmt.Sprintf("%s%s %q: ", d.block, h.Kind, h.Name)
	if there := catalog.Names(h.Kind); len(there) > 0 && !slices.Contains(there, h.Name) {
		f := faultf(plugin.Hint(h.Name, there), "there is no %s %q", h.Kind, h.Name)
		if other := map[string]string{"handler": "plugin", "plugin": "handler"}[h.Kind]; slices.Contains(catalog.Names(other), h.Name) {
			f.next = fmt.Sprintf("there is a %s of that name: write %s %q", other, other, h.Name)
			if d.typed {
				f.next = fmt.Sprintf("there is a %s of that name: use --%s %s", other, other, h.Name)
			}
		}
		r.add(d.handler, &fault{d.block + f.message, f.next})
		return
	}
	class, err := catalog.Class(d.Server)
	for _, err := range separate(err) {
		option := (*framework.OptionError)(nil)
		at := d.handler
		if errors.As(err, &option) {
			if place, set := d.options[option.Option]; set {
				at = place
			}
			err = option
		}
		r.add(at, &fault{message: block + err.Error()})
	}
	if d.Class = class; class == nil || err != nil {
		return
	}
	r.checkClass(d, block)
}

func (r *reader) checkClass(d *draft, block string) {
	serves := d.Class.Serves()
	for i, t := range d.Transports {
		switch {
		case !d.Class.CanServe(t.Network):
			r.add(d.transports[i], faultf("use another handler, or another transport", "%stransport %q: %s %q serves %s only", d.block, t.Word(), d.Handler.Kind, d.Handler.Name, list(serves)))
		case t.Network == "unixpacket" && d.Class.Isolates && d.Class.Program == nil:
			r.add(d.transports[i], faultf(`use transport "unix"`, "%s\"unixpacket\" cannot serve it, as it is a program on standard input, and one that reads less than a message loses the rest", block))
		}
	}
	r.checkState(d, block)
	if d.Class.Isolates && d.Concurrency.Kind == "preforking" {
		r.add(d.concurrency, faultf(`use "forking"`, "%s\"preforking\" cannot run it, as it is a program that is started for each request", block))
	}
	d.checkProcess(r, block)
	d.checkIsolatedKeys(r)
	d.checkReplacing(r, block)
	if d.Class.Stateful != "" && d.Concurrency.UsesProcesses() && !d.Concurrency.IsolatedState {
		next := `use concurrency "threading", or write isolated_state = true if each process may have its own`
		if d.typed {
			next = "use --concurrency threading, or a file with isolated_state = true if each process may have its own"
		}
		next += "; a handler that keeps it in Request.State has the same in all of them"
		r.add(d.concurrency, faultf(next, "%s%q makes no sense for it, as it keeps %s in memory, and what a request changes in its own process no other request sees",
			block, d.Concurrency.Kind, d.Class.Stateful))
	}
}

// handlersAreHere reports whether handlers run in the process of the server.
func (d *draft) handlersAreHere() bool {
	return (!d.Concurrency.UsesProcesses() || d.Concurrency.InProcess() == "threading") && d.Class.Executor == nil
}

// checkIsolatedKeys reports private keys that are to be where handlers are not, and are.
func (d *draft) checkIsolatedKeys(r *reader) {
	for n, t := range d.Transports {
		if t.TLS != nil && t.TLS.Isolated && d.handlersAreHere() {
			r.add(d.isolated[n], faultf(`use concurrency "forking" or "preforking", or leave isolated_key out`, "%stransport %q: tls: the key cannot be isolated: handlers run in the process of the server under %q", d.block, t.Word(), d.Concurrency.Kind))
		}
	}
}

// checkProcess reports a process block that applies to nothing, or lets nothing run.
func (d *draft) checkProcess(r *reader, block string) {
	at, own := d.blocks["process"]
	if c := d.Concurrency; own && d.handlersAreHere() {
		r.add(at, faultf(`use concurrency "forking" or "preforking", or have the server run as another user`, "%sit runs in the process of the server under %q, and process is for other ones", block, c.Kind))
	} else if most := d.Process.Limits.Processes; most > 0 && d.Class.Program == nil && d.Class.Executor == nil {
		if need := ThreadsPerProcess * c.Processes(); need > most {
			r.add(cmp.Or(at, d.at), faultf("raise it, or lower the number of processes", "%slimits.processes is %d, and counts the threads of all processes of the user, of which this server may have %d", block, most, need))
		}
	}
}

// checkReplacing reports a plugin that cannot have its processes replaced as its block says.
func (d *draft) checkReplacing(r *reader, block string) {
	recycles, c := d.Recycle != Recycle{}, d.Class
	switch {
	case recycles && (c.Program == nil || d.Concurrency.Kind == "forking" && !c.Isolates):
		r.add(d.handler, faultf("remove recycle", "%srecycle is for a process that serves many requests, and under %q each of them has one of its own", block, d.Concurrency.Kind))
	case (recycles || d.Replace.Automatic) && c.Stateful != "" && !d.Replace.Split && !d.Concurrency.IsolatedState:
		r.add(d.handler, faultf("remove recycle and replace.automatic, or write replace { split = true }",
			"%sit keeps %s in memory, and a process that takes its place by itself would begin without it", block, c.Stateful))
	}
}

// separate splits joined errors as far as that leads to errors of options.
func separate(err error) []error {
	switch joined := err.(type) { //nolint:errorlint // looks for the wrapper itself
	case nil:
		return nil
	case *framework.OptionError:
		return []error{err}
	case interface{ Unwrap() []error }:
		var all []error
		for _, one := range joined.Unwrap() {
			all = append(all, separate(one)...)
		}
		return all
	case interface{ Unwrap() error }:
		if option := (*framework.OptionError)(nil); errors.As(err, &option) {
			return separate(joined.Unwrap())
		}
	}
	return []error{err}
}

// where describes the place of an earlier block; a flag has none.
func where(before string, at hcl.Range) string {
	if at.Start.Line == 0 {
		return ""
	}
	return fmt.Sprintf("%s%s, line %d", before, at.Filename, at.Start.Line)
}

// flag is the place of a value of the command line.
func flag(name, value string) hcl.Range {
	return hcl.Range{Filename: strings.TrimSpace("--" + name + " " + value)}
}
