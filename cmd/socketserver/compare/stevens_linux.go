package compare

import (
	"os/exec"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

// Prethreading is a kind of concurrency that only CPython's servers have, with preforking: so many
// threads or processes accept, each for itself.
const Prethreading = "prethreading"

// stevens returns the servers of the table in chapter 30 of Unix Network Programming: this project's and
// those of others that are installed. The rest is left out, by name.
func (o *Options) stevens() (all []strategy, warnings []string, err error) {
	for _, name := range []string{"synchronous", "forking", "preforking", "threading", "forking, max_requests = 100, spares = 4"} {
		s, err := o.parse(name, nil)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, s)
	}
	for _, python := range []struct{ prefix, program string }{{"CPython ", "python3"}, {"free-threaded CPython ", "python3.14t"}} {
		if _, err := exec.LookPath(python.program); err != nil {
			warnings = append(warnings, python.program+" is not installed, and its servers are left out")
			continue
		}
		class := classes[o.Network]
		for _, c := range []struct{ name, kind string }{
			{class, "synchronous"},
			{"Forking" + class, "forking"},
			{"preforking", "preforking"},
			{"Threading" + class, "threading"},
			{Prethreading, Prethreading},
		} {
			all = append(all, strategy{
				name: python.prefix + c.name, form: result.Python, interpreter: python.program, concurrency: config.DefaultConcurrency(c.kind),
			})
		}
	}
	for _, form := range []string{result.Xinetd, result.Systemd} {
		if subject.Inetd(form) == "" {
			warnings = append(warnings, form+" is not installed, and is left out")
			continue
		}
		all = append(all, strategy{name: form, form: form, concurrency: config.DefaultConcurrency("forking")})
	}
	return all, warnings, nil
}
