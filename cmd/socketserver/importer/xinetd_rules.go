package importer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

const (
	ownLog   = "the daemon logs requests by itself, to standard error"
	noHours  = "there are no hours of service"
	noLimit  = "a process has limits of memory, cpu, files, processes and file size"
	noBanner = "only clients that are refused get a banner"
)

// xinetdRules are the attributes that say nothing about the address or the program.
var xinetdRules = map[string]rule{
	"id": {}, "type": {}, "socket_type": {}, "protocol": {}, "port": {}, "bind": {}, "v6only": {}, "disable": {}, "wait": {},
	"server": {}, "server_args": {}, "redirect": {},

	"flags":      {do: xinetdFlags},
	"instances":  {do: func(s *server, x setting) { xinetdCount(s, x, s.bound) }},
	"per_source": {do: func(s *server, x setting) { xinetdCount(s, x, func(n int) { s.perSource(x, n) }) }},
	"cps":        {do: xinetdRate},

	"only_from": {do: xinetdAllow},
	"no_access": {do: xinetdDeny},

	"user": {to: "process.user", as: asText}, "group": {to: "process.group", as: asText},
	"umask": {to: "process.umask", as: asMode}, "nice": {to: "process.nice", as: asNumber},
	"env": {to: "process.environment", as: asEnvironment},

	"rlimit_as":    {to: "process.limits.memory", as: xinetdLimit},
	"rlimit_cpu":   {to: "process.limits.cpu", as: asProcessorTime},
	"rlimit_files": {to: "process.limits.files", as: xinetdLimit},

	"banner_fail": {do: func(s *server, x setting) {
		if err := writable(x.value()); err != nil {
			s.lose(x, err.Error())
			return
		}
		s.values["limits.banner"] = callOf("file", x.value())
	}},

	"log_type": {lost: ownLog}, "log_on_success": {lost: ownLog}, "log_on_failure": {lost: ownLog},
	"access_times": {lost: noHours, vital: true}, "max_load": {lost: "no limit looks at the load of the machine"},
	"banner": {lost: noBanner}, "banner_success": {lost: noBanner},
	"rlimit_data": {lost: noLimit}, "rlimit_rss": {lost: noLimit}, "rlimit_stack": {lost: noLimit},
	"groups": {do: func(s *server, x setting) {
		if !strings.EqualFold(x.value(), "no") {
			s.lose(x, "a process with a user has that user's own group alone")
		}
	}},
	"passenv":     {lost: "programs get an environment of allowed names"},
	"rpc_version": {lost: "there is no RPC"}, "rpc_number": {lost: "there is no RPC"},
	"mdns": {lost: "no service is announced"}, "libwrap": {lost: "hosts.allow and hosts.deny are not read", vital: true},
	"deny_time": {lost: "there are no sensors"},
	"enabled":   {}, "disabled": {},
}

// xinetdCount is count where 0 is not UNLIMITED.
func xinetdCount(s *server, x setting, use func(int)) {
	if n, err := strconv.Atoi(x.value()); err == nil && n == 0 {
		s.refuse(x, "0 lets nobody in")
		return
	}
	count(s, x, use)
}

// xinetdLimit is asLimit for the units that xinetd knows.
func xinetdLimit(words []string) (cty.Value, error) {
	value := strings.Join(words, "")
	if number := strings.TrimRight(value, "kKmM"); !strings.EqualFold(value, "UNLIMITED") && (strings.Trim(number, "0123456789") != "" || len(value)-len(number) > 1) {
		return cty.NilVal, fmt.Errorf("%q is not a limit", value)
	}
	return asLimit(words)
}

// count reads a number that may be UNLIMITED.
func count(s *server, x setting, use func(int)) {
	if strings.EqualFold(x.value(), "UNLIMITED") {
		use(0)
		return
	}
	n, err := strconv.Atoi(x.value())
	if err != nil || n < 0 {
		s.refuse(x, "it is not a number")
		return
	}
	use(n)
}

// xinetdFlags reads the flags that concern neither the address nor the arguments.
func xinetdFlags(s *server, x setting) {
	for _, flag := range x.words {
		switch strings.ToUpper(flag) {
		case "IDONLY":
			s.refuse(x, "clients are not asked for an ident")
		case "INTERCEPT":
			s.lose(x, "only the first datagram of a client is checked, as is each connection")
		case "SENSOR":
			s.refuseProgram(x, "there are no sensors")
		case "LABELED":
			s.refuse(x, "a program does not get the security label of its client")
		case "KEEPALIVE", "NODELAY", "REUSE", "NOLIBWRAP", "NORETRY", "NAMEINARGS", "IPV4", "IPV6":
		default:
			s.refuse(x, "no flag of this name is known")
		}
	}
}

// xinetdRate reads cps: starts a second, and the seconds for which the service is then off.
func xinetdRate(s *server, x setting) {
	if len(x.words) == 0 {
		return
	}
	n, err := strconv.ParseUint(x.words[0], 10, 31)
	switch {
	case err != nil:
		s.refuse(x, "it is not a number")
	case n > 0:
		s.rate("rate", x.words[0], "s")
		s.differ(x, "single connections are refused; xinetd stops listening for some seconds")
	}
}

func xinetdAllow(s *server, x setting) {
	if len(x.words) == 0 {
		s.access("access.deny", everyone)
		s.differ(x, "an empty list lets nobody in")
		return
	}
	addPrefixes(s, x, "access.allow")
}

func xinetdDeny(s *server, x setting) {
	addPrefixes(s, x, "access.deny")
	if slices.Contains(x.words, "0.0.0.0/0") || slices.Contains(x.words, "0.0.0.0") {
		s.differ(x, "nobody gets in by IPv4, as in xinetd, where denying wins, too")
	}
}

func addPrefixes(s *server, x setting, to string) {
	all, err := prefixes(x.words)
	if err != nil {
		s.refuse(x, err.Error())
	}
	if slices.Contains(all, everyone[1]) { // it has the addresses ::ffff:a.b.c.d, too
		all = append(all, everyone[0])
	}
	s.access(to, all)
}
